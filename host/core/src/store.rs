use crate::{
    Analysis, CapKind, Collected, EffectRecord, EffectState, ExecutionRecord, ExecutionReport,
    Heading, Lease, Plan, Progress, Reservation, Session, SessionEvent, SessionId, SessionReport,
    SessionState, Settlement, Snapshot, Spending, TaskRecord, TaskState, ValidationReport,
};
use async_trait::async_trait;
use cyrus_executor::{HostError, MicroUsd, TaskId, TaskKind, Usage};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::SystemTime};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such session.
    #[error("there is no session {0}; `cyrus session list` shows those there are")]
    UnknownSession(SessionId),
    /// The session has no such task.
    #[error(
        "session {session} has no task {task}; `cyrus session show {session}` shows those it has"
    )]
    UnknownTask {
        /// The session.
        session: SessionId,
        /// The task.
        task: TaskId,
    },
    /// There is no such execution.
    #[error("there is no execution {0:?} in the store")]
    UnknownExecution(String),
    /// Somebody else is working on it.
    #[error("session {session} is being worked on by process {pid} on {host}; stop that one first")]
    Held {
        /// The session.
        session: SessionId,
        /// The process that holds it.
        pid: u32,
        /// The machine it is on.
        host: String,
    },
    /// Somebody else has taken the session over: nothing more may be done for it under this lease.
    #[error("session {0} has been taken over by another process")]
    Fenced(SessionId),
    /// A reservation does not fit.
    #[error("{amount} more does not fit under {cap}")]
    OverCap {
        /// The cap.
        cap: CapKind,
        /// What was to be set aside.
        amount: MicroUsd,
    },
    /// It could not be read or written.
    #[error("the store at {place} could not be {action}: {cause}")]
    Storage {
        /// The file or the database's address, without credentials.
        place: String,
        /// `read` or `written`.
        action: &'static str,
        /// What the database said.
        cause: String,
    },
}

impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced(_) => Self::Stopped,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// One thing that changes. Those that are committed together become visible together, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// What the issue was found to be.
    Analysed(Analysis),
    /// The plan. Its tasks are [`TaskState::Waiting`].
    Planned(Plan),
    /// A task more, or a known one with other dependencies. A task keeps its place.
    Task(TaskRecord),
    /// Where a task stands now.
    TaskState(TaskId, TaskState),
    /// An execution is about to begin.
    Begin(Box<ExecutionRecord>),
    /// Where an execution can go on from.
    Checkpoint {
        /// Which execution.
        execution: String,
        /// The checkpoint. Saving the same again is harmless.
        token: String,
    },
    /// What an execution has used so far.
    Spent {
        /// Which execution.
        execution: String,
        /// Cumulative.
        usage: Usage,
    },
    /// How an execution ended.
    Ended(Arc<ExecutionReport>),
    /// An execution's result is in the repository.
    Collected(String, Collected),
    /// What validation said of an execution's result.
    Verdict(String, ValidationReport),
    /// Sets money aside. When it does not fit, nothing of the commit happens: [`StoreError::OverCap`]. A second one
    /// for the same execution takes the place of the first, if the difference fits.
    Reserve(Reservation),
    /// Puts what an execution came to cost in the place of its reservation. A second one changes nothing.
    Settle(String, Settlement),
    /// An effect is about to be done. Harmless when it was intended before.
    Intend(EffectRecord),
    /// What became of an intended effect, by its key.
    Effect(String, EffectState),
    /// How far the session has come.
    Progress(Progress),
    /// What the checks said of a merged commit.
    Merged(String, ValidationReport),
    /// Where the session stands; anything but running lets go of it. The report is kept.
    State(SessionState, Option<Box<SessionReport>>),
    /// Forgets the session, with its tasks, executions, effects and log. What was spent stays spent.
    Remove,
}

/// How executions of one executor went on one repository and kind of task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackRecord {
    /// The executor.
    pub executor: String,
    /// The kind of task.
    pub kind: TaskKind,
    /// Executions whose result passed or failed validation ([`crate::ValidationVerdict::passed`]), or that failed at
    /// their work ([`crate::ExecutionReport::failed_at_its_work`]).
    pub tried: u64,
    /// Those whose result passed validation.
    pub validated: u64,
    /// What those with a known cost came to.
    pub cost: MicroUsd,
    /// How many those are.
    pub priced: u64,
}

/// A line of a session's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Counts up within the session.
    pub number: u64,
    /// When it was written; `None` in a line from before times were kept.
    #[serde(skip)]
    pub at: Option<SystemTime>,
    /// What happened.
    #[serde(flatten)]
    pub event: SessionEvent,
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSummary {
    /// The session.
    pub session: Session,
    /// Where it stands.
    pub state: SessionState,
    /// Whether somebody who is alive works on it.
    pub held: bool,
}

/// What is written down, so that a crash loses nothing. Every call that changes something answers once the change
/// would survive a crash of the machine. Any number of processes, on any number of machines, may share one.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Takes in a session, held by this process.
    async fn open(&self, session: &Session) -> Result<Lease, StoreError>;

    /// Takes hold of a session that nobody holds, to go on with it. A holder that is no longer alive does not count.
    async fn take(&self, id: &SessionId) -> Result<(Lease, Snapshot), StoreError>;

    /// Says that this process still works on its sessions. Called at least every third of
    /// [`SessionStore::lease_time`]; without it others may take them over. Answers the sessions that were lost.
    async fn renew(&self) -> Result<Vec<SessionId>, StoreError>;

    /// How long a holder on another machine counts as alive without being heard of.
    fn lease_time(&self) -> std::time::Duration;

    /// Makes all of these changes to the lease's session, or none. Refused with [`StoreError::Fenced`] when somebody
    /// else has taken it over.
    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<(), StoreError>;

    /// Whether the lease is still the newest, to be asked right before an effect.
    async fn check(&self, lease: &Lease) -> Result<(), StoreError>;

    /// An effect, by its key.
    async fn effect(&self, key: &str) -> Result<Option<EffectRecord>, StoreError>;

    /// Everything about a session, whoever holds it.
    async fn snapshot(&self, id: &SessionId) -> Result<Snapshot, StoreError>;

    /// Every session, the newest first.
    async fn sessions(&self) -> Result<Vec<SessionSummary>, StoreError>;

    /// What is spent and set aside under these headings, in their order.
    async fn spending(&self, headings: &[Heading]) -> Result<Vec<Spending>, StoreError>;

    /// How executions went so far on this repository (its path).
    async fn track_records(
        &self,
        repository: &std::path::Path,
    ) -> Result<Vec<TrackRecord>, StoreError>;

    /// Adds to a session's log. It may be lost in a crash of the machine, as nothing depends on it.
    async fn log(&self, session: &SessionId, events: Vec<SessionEvent>) -> Result<(), StoreError>;

    /// A session's log after this line, at most so many lines of it, and fewer when they are long. None: that was all.
    async fn log_lines(
        &self,
        session: &SessionId,
        after: u64,
        most: usize,
    ) -> Result<Vec<LogLine>, StoreError>;

    /// Asks whoever works on a session to stop; they find it in [`SessionStore::requests`].
    async fn request_stop(
        &self,
        session: &SessionId,
        mode: cyrus_executor::StopMode,
    ) -> Result<(), StoreError>;

    /// The stops that were asked for of sessions this process holds.
    async fn requests(&self) -> Result<Vec<(SessionId, cyrus_executor::StopMode)>, StoreError>;

    /// Asks for one task of a session to be cancelled, by whoever works on it now or later; they find it in
    /// [`SessionStore::cancelled`].
    async fn cancel(&self, session: &SessionId, task: &TaskId) -> Result<(), StoreError>;

    /// The tasks that are to be cancelled of sessions this process holds.
    async fn cancelled(&self) -> Result<Vec<(SessionId, TaskId)>, StoreError>;
}
