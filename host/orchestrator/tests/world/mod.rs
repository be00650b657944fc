//! A world for one session: a scripted executor, and ports that keep everything in memory.

mod executor;
mod ports;

use cyrus_core::{
    Base, Check, CheckSource, Issue, Session, SessionEvent, SessionReport, SessionState,
    SystemClock,
};
use cyrus_executor::{
    ExecutionError, ExecutionRequest, Limits, MicroUsd, Repository, SpendVerdict, StopMode,
    TaskKind,
};
use cyrus_orchestrator::{Ports, RequestTemplate, Runner, StopSignal, ToolPolicy, stop_switch};
use executor::ScriptedExecutor;
use ports::{MemoryJournal, MemoryWorkspaces, WordValidator};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::sync::Notify;

/// What the executor does in one execution.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Says that it is done.
    Complete,
    /// Fails like this.
    Fail(ExecutionError),
    /// Saves a checkpoint, and waits until it is stopped.
    WaitForStop { checkpoint: &'static str },
    /// Tells of these amounts spent, until it is told to stop.
    Spend(Vec<MicroUsd>),
}

/// What the parts of a world share.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) requests: Mutex<Vec<ExecutionRequest>>,
    pub(crate) verdicts: Mutex<Vec<SpendVerdict>>,
    pub(crate) waiting: Notify,
}

pub(crate) struct World {
    session: Session,
    journal: Arc<MemoryJournal>,
    workspaces: Arc<MemoryWorkspaces>,
    checks: Vec<Check>,
    executor: Arc<ScriptedExecutor>,
    log: Arc<Log>,
    events: Arc<Mutex<Vec<SessionEvent>>>,
}

impl World {
    pub(crate) fn new(script: impl IntoIterator<Item = Act>) -> Self {
        let log = Arc::new(Log::default());
        let repository = Repository {
            remote: None,
            base_branch: Some("main".into()),
            base_commit: "c0ffee".into(),
            work_branch: "work".into(),
        };
        let session = Session {
            id: "session-1".parse().unwrap(),
            issue: Issue::from_markdown("Do it\n\nwell").unwrap(),
            base: Base { path: "/repository".into(), repository, dirty: false },
            kind: TaskKind::BUILDER,
            executor: "scripted".into(),
            model: None,
            limits: Limits::default(),
            branch: "work".into(),
            created: SystemTime::UNIX_EPOCH,
        };
        let executor = Arc::new(ScriptedExecutor::new(script, Arc::clone(&log)));
        Self {
            session,
            journal: Arc::default(),
            workspaces: Arc::default(),
            checks: vec![],
            executor,
            log,
            events: Arc::default(),
        }
    }

    /// Has results checked by these words: `true` passes, anything else fails.
    pub(crate) fn checks(mut self, commands: &[&str]) -> Self {
        let check = |command: &&str| Check {
            command: (*command).to_owned(),
            source: CheckSource::Configured,
            timeout: Duration::from_secs(1),
        };
        self.checks = commands.iter().map(check).collect();
        self
    }

    /// Makes the first attempt at bringing a result in fail.
    pub(crate) fn failing_collect(self) -> Self {
        self.workspaces.fail_next_collect();
        self
    }

    pub(crate) fn kind(mut self, kind: TaskKind) -> Self {
        self.session.kind = kind;
        self
    }

    /// Has results change nothing.
    pub(crate) fn changing_nothing(self) -> Self {
        self.workspaces.change_nothing();
        self
    }

    pub(crate) fn max_cost(mut self, max: MicroUsd) -> Self {
        self.session.limits.max_cost = Some(max);
        self
    }

    pub(crate) async fn start(&self) -> SessionReport {
        let (_switch, signal) = stop_switch();
        self.runner().start(&self.session, signal).await.unwrap()
    }

    /// Starts, waits until the executor waits, and stops it.
    pub(crate) async fn start_and_stop(&self, mode: StopMode) -> SessionReport {
        let (switch, signal) = stop_switch();
        let stop = async {
            self.log.waiting.notified().await;
            switch.stop(mode);
        };
        let runner = self.runner();
        let (report, ()) = tokio::join!(runner.start(&self.session, signal), stop);
        report.unwrap()
    }

    /// Starts, waits until the executor waits, and forgets everything that is not written down.
    pub(crate) async fn start_and_crash(&self) {
        let (_switch, signal) = stop_switch();
        let runner = self.runner();
        tokio::select! {
            report = runner.start(&self.session, signal) => panic!("ended before the crash: {report:?}"),
            () = self.log.waiting.notified() => {}
        }
    }

    pub(crate) async fn resume(&self) -> SessionReport {
        let (_switch, signal): (_, StopSignal) = stop_switch();
        self.runner().resume(&self.session, signal).await.unwrap()
    }

    pub(crate) fn events(&self) -> Vec<SessionEvent> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self) -> Vec<ExecutionRequest> {
        self.log.requests.lock().unwrap().clone()
    }

    pub(crate) fn verdicts(&self) -> Vec<SpendVerdict> {
        self.log.verdicts.lock().unwrap().clone()
    }

    pub(crate) fn spent(&self) -> Option<MicroUsd> {
        self.journal.spent()
    }

    pub(crate) fn state(&self) -> SessionState {
        self.journal.state()
    }

    pub(crate) fn clone_is_gone(&self) -> bool {
        self.workspaces.clone_is_gone()
    }

    fn runner(&self) -> Runner {
        let events = Arc::clone(&self.events);
        Runner {
            ports: Ports {
                workspaces: Arc::clone(&self.workspaces) as _,
                validator: Arc::new(WordValidator(self.checks.clone())),
                journal: Arc::clone(&self.journal) as _,
                clock: Arc::new(SystemClock::default()),
            },
            executor: Arc::clone(&self.executor) as _,
            observer: Arc::new(move |event| events.lock().unwrap().push(event)),
            policy: ToolPolicy::default(),
            template: RequestTemplate::default(),
        }
    }
}
