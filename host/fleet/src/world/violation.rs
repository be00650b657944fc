use cyrus_core::{CapKind, SessionId};
use cyrus_executor::{MicroUsd, TaskId};

/// Something that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Two executions of one task were under way at once.
    #[error("task {task} of {session} was worked on by {first} and {second} at once")]
    DoubleExecution {
        /// The session.
        session: SessionId,
        /// The task.
        task: TaskId,
        /// The execution that was under way.
        first: String,
        /// The one that was started.
        second: String,
    },
    /// An execution was started that the store knows nothing of, or knows as ended.
    #[error("execution {0} was started without being written down before")]
    Unwritten(String),
    /// Something was written or begun by a process from which its session had been taken before.
    #[error("{0} by a process that others had taken over from")]
    Late(String),
    /// A run was ordered in the cloud while another with the same key was under way.
    #[error("a second cloud run was ordered with the key {0}")]
    CloudRunTwice(String),
    /// More was spent or set aside than a cap allows, overshoots of single executions apart.
    #[error("{total} is spent or set aside under {cap}, which is {limit}")]
    OverBudget {
        /// The cap.
        cap: CapKind,
        /// What is spent or set aside.
        total: MicroUsd,
        /// The cap's amount.
        limit: MicroUsd,
    },
    /// More executions were under way than a cap allows.
    #[error("{running} executions were under way under the cap {cap}, which is {limit}")]
    OverCap {
        /// Which.
        cap: String,
        /// How many.
        running: usize,
        /// The cap.
        limit: usize,
    },
    /// A task's clone started from a commit that lacks what the task comes after.
    #[error(
        "task {task} of {session} started from {start}, which is without the result of {after}"
    )]
    OutOfOrder {
        /// The session.
        session: SessionId,
        /// The task.
        task: TaskId,
        /// What it comes after.
        after: TaskId,
        /// Where its clone started from.
        start: String,
    },
    /// A run was ordered in the cloud from a commit that the origin does not have.
    #[error("the cloud run {run} was ordered from {start}, which the origin does not have")]
    NotAtOrigin {
        /// The run.
        run: String,
        /// What it was to start from.
        start: String,
    },
    /// A clone that was there was asked for with another start.
    #[error("the clone at {0} was asked for with another start than it was made with")]
    OtherStart(String),
    /// A branch was moved to a commit that was not validated as it is.
    #[error("{session} published {commit}, which was not validated")]
    Unvalidated {
        /// The session.
        session: SessionId,
        /// The commit.
        commit: String,
    },
    /// A session's branch was moved to two different commits.
    #[error("{session} published twice: {first}, then {second}")]
    PublishedTwice {
        /// The session.
        session: SessionId,
        /// The first commit.
        first: String,
        /// The other.
        second: String,
    },
    /// A branch was pushed at two different commits.
    #[error("the branch {branch} was pushed twice: {first}, then {second}")]
    PushedTwice {
        /// The branch.
        branch: String,
        /// The first commit.
        first: String,
        /// The other.
        second: String,
    },
    /// Something was pushed that is not on the branch here.
    #[error("{commit} was pushed to {branch}, which is somewhere else here")]
    PushedElsewhere {
        /// The branch.
        branch: String,
        /// The commit.
        commit: String,
    },
    /// A second pull request was opened for a branch that has an open one.
    #[error("a second pull request was opened for {0}")]
    PullRequestTwice(String),
    /// A session ended with a task that is neither over nor waits for a person.
    #[error("{session} ended and task {task} is {state}")]
    LostTask {
        /// The session.
        session: SessionId,
        /// The task.
        task: TaskId,
        /// How it stands.
        state: &'static str,
    },
    /// A session did not end.
    #[error("{0} did not end")]
    LostSession(SessionId),
    /// A session is over and something of it is left.
    #[error("{session} is over and left {what}")]
    Leaked {
        /// The session.
        session: SessionId,
        /// What it left.
        what: String,
    },
    /// A session was paused without a reason.
    #[error("{0} was paused without a reason")]
    Unexplained(SessionId),
    /// A session's work broke off.
    #[error("the work on {session} broke off: {error}")]
    Broken {
        /// The session.
        session: SessionId,
        /// Why.
        error: String,
    },
}
