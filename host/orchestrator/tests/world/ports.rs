use async_trait::async_trait;
use cyrus_core::{
    Base, Check, CheckReport, Collected, DiffStat, ExecutionRecord, ExecutionReport, Journal,
    JournalError, Observer, PreparedWorkspace, Session, SessionId, SessionReport, SessionState,
    ValidationReport, Validator, WorkspaceError, Workspaces,
};
use cyrus_executor::{MicroUsd, TaskId, Usage, WorkProduct, Workspace};
use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// A journal that is gone with the process.
#[derive(Default)]
pub(crate) struct MemoryJournal {
    session: Mutex<Option<(Session, SessionState)>>,
    executions: Mutex<Vec<ExecutionRecord>>,
}

impl MemoryJournal {
    pub(crate) fn state(&self) -> SessionState {
        self.session.lock().unwrap().as_ref().expect("a session").1
    }

    pub(crate) fn spent(&self) -> Option<MicroUsd> {
        let executions = self.executions.lock().unwrap();
        executions.last().and_then(|record| record.usage.cost).map(|cost| cost.amount)
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut ExecutionRecord)) {
        let mut executions = self.executions.lock().unwrap();
        change(executions.iter_mut().find(|record| record.id == id).expect("a known execution"));
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn open(&self, session: &Session) -> Result<(), JournalError> {
        *self.session.lock().unwrap() = Some((session.clone(), SessionState::Running));
        Ok(())
    }

    async fn take(&self, id: &SessionId) -> Result<(Session, SessionState), JournalError> {
        let taken = self.session.lock().unwrap().clone();
        taken.ok_or_else(|| JournalError::UnknownSession(id.clone()))
    }

    async fn close(
        &self,
        _id: &SessionId,
        state: SessionState,
        _report: &SessionReport,
    ) -> Result<(), JournalError> {
        self.session.lock().unwrap().as_mut().expect("a session").1 = state;
        Ok(())
    }

    async fn sessions(&self) -> Result<Vec<(Session, SessionState)>, JournalError> {
        Ok(self.session.lock().unwrap().iter().cloned().collect())
    }

    async fn begin_execution(&self, record: &ExecutionRecord) -> Result<(), JournalError> {
        self.executions.lock().unwrap().push(record.clone());
        Ok(())
    }

    async fn checkpoint(&self, execution: &str, token: &str) -> Result<(), JournalError> {
        self.change(execution, |record| record.checkpoint = Some(token.to_owned()));
        Ok(())
    }

    async fn spend(&self, execution: &str, usage: &Usage) -> Result<(), JournalError> {
        self.change(execution, |record| record.usage = usage.clone());
        Ok(())
    }

    async fn finish_execution(
        &self,
        execution: &str,
        report: &ExecutionReport,
    ) -> Result<(), JournalError> {
        self.change(execution, |record| record.report = Some(report.clone()));
        Ok(())
    }

    async fn executions(&self, _session: &SessionId) -> Result<Vec<ExecutionRecord>, JournalError> {
        Ok(self.executions.lock().unwrap().clone())
    }
}

/// Workspaces in which every result changes one file.
#[derive(Default)]
pub(crate) struct MemoryWorkspaces {
    broken: AtomicBool,
    removed: AtomicBool,
    empty: AtomicBool,
}

impl MemoryWorkspaces {
    pub(crate) fn fail_next_collect(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn change_nothing(&self) {
        self.empty.store(true, Ordering::Relaxed);
    }

    pub(crate) fn clone_is_gone(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Workspaces for MemoryWorkspaces {
    async fn base(&self, path: &Path, _work_branch: &str) -> Result<Base, WorkspaceError> {
        let reason = "sessions of this world have their base".to_owned();
        Err(WorkspaceError::NotUsable { path: path.to_owned(), reason })
    }

    async fn prepare(
        &self,
        session: &SessionId,
        task: &TaskId,
        base: &Base,
    ) -> Result<PreparedWorkspace, WorkspaceError> {
        let workspace = Workspace { root: "/workspace".into(), home: "/home".into() };
        Ok(PreparedWorkspace {
            session: session.clone(),
            task: task.clone(),
            base: base.clone(),
            workspace,
        })
    }

    async fn collect(
        &self,
        workspace: &PreparedWorkspace,
        product: &WorkProduct,
        _message: &str,
    ) -> Result<Collected, WorkspaceError> {
        if self.broken.swap(false, Ordering::Relaxed) {
            return Err(WorkspaceError::Unacceptable("the disk is full".into()));
        }
        assert_eq!(*product, WorkProduct::Workspace);
        Ok(Collected {
            commit: "beef".into(),
            kept: format!("refs/cyrus/{}/{}", workspace.session, workspace.task),
            diff: DiffStat {
                files: u64::from(!self.empty.load(Ordering::Relaxed)),
                ..DiffStat::default()
            },
        })
    }

    async fn publish(
        &self,
        workspace: &PreparedWorkspace,
        _collected: &Collected,
    ) -> Result<String, WorkspaceError> {
        Ok(workspace.base.repository.work_branch.clone())
    }

    async fn discard(&self, _workspace: &PreparedWorkspace) -> Result<(), WorkspaceError> {
        self.removed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Passes the command `true` and no other.
pub(crate) struct WordValidator(pub(crate) Vec<Check>);

#[async_trait]
impl Validator for WordValidator {
    async fn checks(&self, _workspace: &PreparedWorkspace) -> Result<Vec<Check>, WorkspaceError> {
        Ok(self.0.clone())
    }

    async fn validate(
        &self,
        _workspace: &PreparedWorkspace,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError> {
        let report = |check: &Check| CheckReport {
            check: check.clone(),
            passed: check.command == "true",
            exit_code: Some(i32::from(check.command != "true")),
            timed_out: false,
            duration_ms: 0,
            output: String::new(),
        };
        let reports: Vec<_> = checks.iter().map(report).collect();
        reports.iter().cloned().for_each(|report| observer.on_event(report.into()));
        Ok(ValidationReport::new(reports, vec![]))
    }
}
