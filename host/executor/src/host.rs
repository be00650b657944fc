use crate::{Answer, LaunchedProgram, Question, Usage};
use futures::future::{BoxFuture, FutureExt, ready};

/// Why the host did not do what an execution asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The execution is being stopped, or no longer holds its lease.
    #[error("the execution is being stopped")]
    Stopped,
    /// What was passed is too large or malformed.
    #[error("{0}")]
    Invalid(String),
    /// It could not be committed.
    #[error("could not be written: {0}")]
    Failed(String),
}

/// Whether an execution may go on spending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpendVerdict {
    /// It may.
    GoOn,
    /// It has to finish.
    Stop,
}

/// What an execution may call back for while it runs. The caller of an executor provides it.
///
/// The futures are `'static` because the caller's work must not be undone by a component that goes away in
/// the middle of it: whoever calls these spawns them.
pub trait ExecutionHost: Send + Sync + 'static {
    /// Makes `token` the place to go on from. Answers once that would survive a crash. Saving a token again
    /// is harmless.
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>>;

    /// Takes note of what was used so far (cumulative), durably, and says whether to go on.
    fn spend(&self, usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>>;

    /// Answers a question: policy first, then a person. The caller denies it at the question's deadline.
    fn ask(&self, question: Question) -> BoxFuture<'static, Answer>;

    /// Takes note of a program that was launched for the execution. Nothing depends on it but the record.
    fn launched(&self, _program: LaunchedProgram) {}
}

/// A host with nobody behind it: it remembers nothing and denies everything. For `probe`, tools and tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unattended;

impl ExecutionHost for Unattended {
    fn checkpoint(&self, _token: String) -> BoxFuture<'static, Result<(), HostError>> {
        ready(Ok(())).boxed()
    }

    fn spend(&self, _usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        ready(Ok(SpendVerdict::GoOn)).boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        let reason = format!("nobody is there to answer for {:?}", question.subject);
        ready(Answer::Deny(reason)).boxed()
    }
}
