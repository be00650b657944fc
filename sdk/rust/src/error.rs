use crate::contract::{
    ErrorKind, ExecutionError, ExecutionResult, Usage,
    generated::cyrus::executor::context::HostError, milliseconds,
};
use std::{fmt, io, ops::Deref, time::Duration};

/// The result of whatever an executor does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The host has asked the execution to stop, so a wait was given up.
///
/// With `?` it becomes an [`Error`] of kind [`ErrorKind::Cancelled`], which is what a stopped execution has to
/// end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped, because the host asked")]
pub struct Stopped;

/// How an execution, a probe or a description failed: the contract's [`ExecutionError`], boxed.
///
/// ```
/// use cyrus_sdk::{Error, contract::ErrorKind};
/// use std::time::Duration;
///
/// let error = Error::rate_limited("the service allows ten runs a minute")
///     .retry_after(Duration::from_secs(20));
/// assert_eq!(error.kind, ErrorKind::RateLimited);
/// assert_eq!(error.retry_after, Some(20_000));
/// ```
#[derive(Clone, PartialEq)]
pub struct Error(Box<ExecutionError>);

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        impl Error {
            $($(#[$doc])*
            pub fn $name(message: impl Into<String>) -> Self {
                Self::new(ErrorKind::$kind, message)
            })*
        }
    };
}

constructors! {
    /// Not there, or not working, for now.
    unavailable => Unavailable;
    /// Too much, too fast. Say when with [`Error::retry_after`].
    rate_limited => RateLimited;
    /// No credentials, or not these.
    unauthorized => Unauthorized;
    /// No credit, no plan, no seats left.
    quota_exhausted => QuotaExhausted;
    /// The task or the settings make no sense.
    invalid_request => InvalidRequest;
    /// This executor cannot do this one.
    unsupported => Unsupported;
    /// The model or service declines to do it.
    refused => Refused;
    /// The host's policy forbids something the work needs.
    denied => Denied;
    /// The limit on cost was reached.
    budget_exceeded => BudgetExceeded;
    /// The limit on turns was reached.
    turn_limit => TurnLimit;
    /// A deadline passed.
    timed_out => TimedOut;
    /// Stopped because the host asked.
    cancelled => Cancelled;
    /// The work was tried and did not succeed.
    failed => Failed;
}

impl Error {
    /// An error of this kind. The message is for people: what went wrong, where, what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(ExecutionError {
            kind,
            message: message.into(),
            retry_after: None,
            usage: None,
            checkpoint: None,
            partial: None,
        }))
    }

    /// An error with a code of the plugin's own.
    pub fn other(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Other(code.into()), message)
    }

    /// When a retry makes sense, from now.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(milliseconds(delay));
        self
    }

    /// What was used all the same.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.0.usage = Some(usage);
        self
    }

    /// From here a later execution may go on.
    #[must_use]
    pub fn with_checkpoint(mut self, token: impl Into<String>) -> Self {
        self.0.checkpoint = Some(token.into());
        self
    }

    /// What there is to show in spite of it.
    #[must_use]
    pub fn with_partial(mut self, result: ExecutionResult) -> Self {
        self.0.partial = Some(result);
        self
    }

    /// The same error, with what was being done in front of its message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.0.message = format!("{doing}: {}", self.0.message);
        self
    }

    /// The same error of another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Whether it says that the host asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.kind == ErrorKind::Cancelled
    }
}

impl Deref for Error {
    type Target = ExecutionError;

    fn deref(&self) -> &ExecutionError {
        &self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<ExecutionError> for Error {
    fn from(error: ExecutionError) -> Self {
        Self(Box::new(error))
    }
}

impl From<Error> for ExecutionError {
    fn from(error: Error) -> Self {
        *error.0
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        Self::cancelled(stopped.to_string())
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Stopped => Stopped.into(),
            HostError::Invalid(what) => Self::failed(format!("the host refused it: {what}")),
            HostError::Failed(what) => {
                Self::unavailable(format!("the host could not write it: {what}"))
            }
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::denied(error.to_string())
            }
            _ => Self::failed(error.to_string()),
        }
    }
}
