use crate::{ExecutionReport, Session, SessionId, SessionReport, SessionState};
use async_trait::async_trait;
use cyrus_executor::{HostError, TaskId, Usage};
use std::time::SystemTime;

/// Why the journal did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no such session.
    #[error("there is no session {0}; `cyrus session list` shows those there are")]
    UnknownSession(SessionId),
    /// There is no such execution.
    #[error("there is no execution {0:?} in the store")]
    UnknownExecution(String),
    /// Somebody else is working on it.
    #[error("session {session} is being worked on by process {pid}; stop that one first")]
    Held {
        /// The session.
        session: SessionId,
        /// The process that holds it.
        pid: u32,
    },
    /// It could not be read or written.
    #[error("the store at {path} could not be {action}: {cause}")]
    Storage {
        /// The file.
        path: String,
        /// `read` or `written`.
        action: &'static str,
        /// What the database said.
        cause: String,
    },
}

impl From<JournalError> for HostError {
    fn from(error: JournalError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What is known of an execution, from before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRecord {
    /// Its id, unique for ever.
    pub id: String,
    /// The same for every try at the same effect, across crashes.
    pub idempotency_key: String,
    /// The session it belongs to.
    pub session: SessionId,
    /// The task it is an attempt at.
    pub task: TaskId,
    /// Who does it, by the name in the configuration.
    pub executor: String,
    /// 1 for the first attempt at the task.
    pub attempt: u32,
    /// When it began.
    pub started: SystemTime,
    /// The last checkpoint saved.
    pub checkpoint: Option<String>,
    /// What it last said it used.
    pub usage: Usage,
    /// How it ended; `None` while it has not.
    pub report: Option<ExecutionReport>,
}

/// What is written down, so that a crash loses nothing. Every call that changes something answers once the change
/// would survive a crash of the machine.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Takes in a session, held by this process.
    async fn open(&self, session: &Session) -> Result<(), JournalError>;

    /// Takes hold of a session that nobody holds, to go on with it. A holder that is no longer alive does not
    /// count.
    async fn take(&self, id: &SessionId) -> Result<(Session, SessionState), JournalError>;

    /// Sets a session's state and lets go of it. A finished session's report is kept.
    async fn close(
        &self,
        id: &SessionId,
        state: SessionState,
        report: &SessionReport,
    ) -> Result<(), JournalError>;

    /// Every session with its state, the newest first.
    async fn sessions(&self) -> Result<Vec<(Session, SessionState)>, JournalError>;

    /// Notes that an execution is about to begin.
    async fn begin_execution(&self, record: &ExecutionRecord) -> Result<(), JournalError>;

    /// Saves where an execution can go on from. Saving the same again is harmless.
    async fn checkpoint(&self, execution: &str, token: &str) -> Result<(), JournalError>;

    /// Saves what an execution has used so far.
    async fn spend(&self, execution: &str, usage: &Usage) -> Result<(), JournalError>;

    /// Notes how an execution ended.
    async fn finish_execution(
        &self,
        execution: &str,
        report: &ExecutionReport,
    ) -> Result<(), JournalError>;

    /// The executions of a session, in the order they began.
    async fn executions(&self, session: &SessionId) -> Result<Vec<ExecutionRecord>, JournalError>;
}
