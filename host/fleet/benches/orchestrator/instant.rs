//! Workspaces, merges and checks that take no time, and an executor that takes as long as it is told to.

use async_trait::async_trait;
use cyrus_core::{
    Base, Check, CheckReport, CheckSource, Collected, DiffStat, Integration, Merge, Observer,
    PreparedWorkspace, SessionId, Subject, ValidationReport, Validator, WorkspaceError,
    WorkspaceSpec, Workspaces,
};
use cyrus_executor::{
    Descriptor, Execution, ExecutionControl, ExecutionError, ExecutionHandle, ExecutionHost,
    ExecutionRequest, ExecutionResult, ExecutorInfo, Health, Outcome, Placement, Repository,
    StopMode, StopResult, TaskExecutor, TaskId, WorkProduct, Workspace, event_channel,
};
use futures::future::{BoxFuture, FutureExt as _, ready};
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A repository in which every task changes a file of its own.
#[derive(Default)]
pub(crate) struct InstantRepository {
    commits: AtomicU64,
}

const DIFF: DiffStat = DiffStat { files: 1, insertions: 1, deletions: 0 };

impl InstantRepository {
    fn commit(&self) -> String {
        format!("{:040x}", self.commits.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

pub(crate) fn base(work_branch: &str) -> Base {
    Base {
        path: "/repository".into(),
        repository: Repository {
            remote: None,
            base_branch: Some("main".into()),
            base_commit: "0".repeat(40),
            work_branch: work_branch.to_owned(),
        },
        dirty: false,
    }
}

#[async_trait]
impl Workspaces for InstantRepository {
    async fn base(&self, _: &Path, work_branch: &str) -> Result<Base, WorkspaceError> {
        Ok(base(work_branch))
    }

    async fn prepare(&self, spec: &WorkspaceSpec) -> Result<PreparedWorkspace, WorkspaceError> {
        let root = format!("/clones/{}/{}-{}", spec.session, spec.task, spec.token);
        let workspace = Workspace { root: root.into(), home: "/home".into() };
        Ok(PreparedWorkspace { spec: spec.clone(), workspace })
    }

    async fn collect(
        &self,
        workspace: &PreparedWorkspace,
        _: &WorkProduct,
        _: &str,
    ) -> Result<Collected, WorkspaceError> {
        let WorkspaceSpec { session, task, .. } = &workspace.spec;
        let kept = format!("refs/cyrus/{session}/{task}");
        Ok(Collected { commit: self.commit(), kept, diff: DIFF })
    }

    async fn discard(&self, _: &PreparedWorkspace) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn clear(&self, _: &Base, _: &SessionId) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn present(&self) -> Result<Vec<SessionId>, WorkspaceError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Integration for InstantRepository {
    async fn merge(
        &self,
        _: &Base,
        _: &SessionId,
        _: &TaskId,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<Merge, WorkspaceError> {
        Ok(Merge::Clean { commit: self.commit() })
    }

    async fn resolve(
        &self,
        _: &Base,
        _: &SessionId,
        _: &TaskId,
        _: (&str, &str),
        resolved: &str,
        _: &str,
    ) -> Result<String, WorkspaceError> {
        Ok(resolved.to_owned())
    }

    async fn diff(&self, _: &Base, _: &str) -> Result<DiffStat, WorkspaceError> {
        Ok(DIFF)
    }

    async fn publish(
        &self,
        _: &Base,
        session: &SessionId,
        _: &str,
    ) -> Result<String, WorkspaceError> {
        Ok(session.branch())
    }

    async fn share(&self, base: &Base, commit: &str) -> Result<String, WorkspaceError> {
        Ok(base.shared_branch(commit))
    }

    async fn unshare(&self, _: &Base) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn push(&self, _: &Base, _: &str, _: &str) -> Result<(), WorkspaceError> {
        Ok(())
    }
}

#[async_trait]
impl Validator for InstantRepository {
    async fn checks(&self, _: &Base) -> Result<Vec<Check>, WorkspaceError> {
        let timeout = Duration::from_mins(1);
        Ok(vec![Check { command: "true".into(), source: CheckSource::Configured, timeout }])
    }

    async fn validate(
        &self,
        _: &Subject<'_>,
        checks: &[Check],
        _: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError> {
        let passed = |check: &Check| CheckReport {
            check: check.clone(),
            passed: true,
            exit_code: Some(0),
            timed_out: false,
            duration_ms: 0,
            output: String::new(),
        };
        Ok(ValidationReport::new(checks.iter().map(passed).collect(), Vec::new()))
    }
}

/// An executor that says when it was called, and is done after a fixed time.
pub(crate) struct Worker {
    info: ExecutorInfo,
    takes: Duration,
    calls: Calls,
}

/// When an executor was called, for which task.
pub(crate) type Calls = Arc<Mutex<Vec<(TaskId, Instant)>>>;

impl Worker {
    pub(crate) fn new(takes: Duration, calls: Calls) -> Self {
        let info = ExecutorInfo {
            name: "worker".into(),
            placement: Placement::Local,
            plugin: "worker".into(),
            version: "0.0.0".into(),
            digest: "sha256:0".into(),
        };
        Self { info, takes, calls }
    }
}

impl TaskExecutor for Worker {
    fn info(&self) -> &ExecutorInfo {
        &self.info
    }

    fn describe(&self) -> BoxFuture<'_, Result<Descriptor, ExecutionError>> {
        ready(Ok(Descriptor::default())).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, ExecutionError>> {
        ready(Ok(Health { summary: "ready".into(), version: None, details: Vec::new() })).boxed()
    }

    fn execute_streaming(
        &self,
        request: ExecutionRequest,
        _: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Execution, ExecutionError>> {
        let called = Instant::now();
        self.calls.lock().expect("nobody panics").push((request.task.id, called));
        let (_, events) = event_channel();
        let takes = self.takes;
        let outcome = async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            let product = WorkProduct::Workspace;
            Ok(Outcome::Completed(ExecutionResult { product, ..ExecutionResult::default() }))
        };
        let handle = ExecutionHandle::new(Arc::new(Unstoppable));
        ready(Ok(Execution { events, outcome: outcome.boxed(), handle })).boxed()
    }
}

/// Nobody stops an execution here.
struct Unstoppable;

impl ExecutionControl for Unstoppable {
    fn is_running(&self) -> bool {
        true
    }

    fn stop(&self, _: StopMode) -> BoxFuture<'static, StopResult> {
        ready(StopResult::AlreadyFinished).boxed()
    }
}
