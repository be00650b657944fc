use cyrus_core::SessionOutcome;
use std::process::ExitCode;

/// How the command ends, as scripts rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was for.
    Done,
    /// It ended in another way.
    NotDone,
    /// The command line or the configuration is wrong; nothing was begun.
    Usage,
    /// Interrupted.
    Interrupted,
}

impl Exit {
    /// The end of a command that worked on a session.
    pub(crate) fn of_session(outcome: SessionOutcome, interrupted: bool) -> Self {
        match outcome {
            SessionOutcome::Validated => Self::Done,
            _ if interrupted => Self::Interrupted,
            _ => Self::NotDone,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::NotDone => 1,
            Exit::Usage => 2,
            Exit::Interrupted => 130,
        })
    }
}

/// Marks an error as one of usage or configuration: nothing was begun.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// An error of usage with this message.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}
