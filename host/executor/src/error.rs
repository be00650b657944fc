use crate::{ExecutionResult, Usage};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, time::Duration};

/// What kind of failure it was. The host acts on the kind alone and never reads a message; the table in
/// `docs/selection.md` says what it does for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Not there, or not working, for now.
    Unavailable,
    /// Too much, too fast.
    RateLimited,
    /// No credentials, or not these.
    Unauthorized,
    /// No credit, no plan, no seats left.
    QuotaExhausted,
    /// The task or the settings make no sense.
    InvalidRequest,
    /// This executor cannot do this one.
    Unsupported,
    /// The model or service declines to do it.
    Refused,
    /// Policy forbids something that the work needs.
    Denied,
    /// The limit on cost was reached.
    BudgetExceeded,
    /// The limit on turns was reached.
    TurnLimit,
    /// A deadline passed.
    TimedOut,
    /// Stopped because it was asked to.
    Cancelled,
    /// The work was tried and did not succeed.
    Failed,
    /// Anything else, by the plugin's own code; treated as [`ErrorKind::Failed`].
    Other(String),
}

impl ErrorKind {
    /// The word for it in messages and JSON; the plugin's code for [`ErrorKind::Other`].
    pub fn as_str(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate-limited",
            Self::Unauthorized => "unauthorized",
            Self::QuotaExhausted => "quota-exhausted",
            Self::InvalidRequest => "invalid-request",
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::BudgetExceeded => "budget-exceeded",
            Self::TurnLimit => "turn-limit",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Other(code) => code,
        })
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

/// What the host itself did to an execution. It knows, and its word stands over what the plugin reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum HostVerdict {
    /// The component trapped.
    #[serde(rename_all = "camelCase")]
    Trap {
        /// The plugin's name.
        plugin: String,
        /// The component's digest, `sha256:…`.
        digest: String,
        /// The export that was being called.
        export: String,
    },
    /// The component passed a limit of the host.
    #[serde(rename_all = "camelCase")]
    Limit {
        /// The plugin's name.
        plugin: String,
        /// The component's digest, `sha256:…`.
        digest: String,
        /// The export that was being called.
        export: String,
        /// Which limit: `memory`, `table-elements`, …
        which: String,
    },
    /// The component could not be loaded, or does not keep to the contract.
    #[serde(rename_all = "camelCase")]
    Contract {
        /// The plugin's name.
        plugin: String,
        /// The component's digest, `sha256:…`.
        digest: String,
    },
    /// A deadline passed.
    Deadline,
    /// The host was asked to stop it, and the component did not let go in time.
    Killed,
    /// The model gateway counted more than the execution may spend.
    Budget,
}

/// How an execution ended when something went wrong. Failed work costs money too, and may have got somewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionError {
    /// What the host acts on.
    pub kind: ErrorKind,
    /// For people: what went wrong, where, what to do.
    pub message: String,
    /// When a retry makes sense, from now.
    #[serde(
        rename = "retryAfterMs",
        with = "crate::millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub retry_after: Option<Duration>,
    /// What was used all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Box<Usage>>,
    /// From here a later execution may go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// What there is to show in spite of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial: Option<Box<ExecutionResult>>,
    /// What the host itself did, if it did something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Box<HostVerdict>>,
}

impl ExecutionError {
    /// An error of this kind with this message, and nothing more known.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
            usage: None,
            checkpoint: None,
            partial: None,
            host: None,
        }
    }

    /// The same, as the host's own verdict.
    #[must_use]
    pub fn by_host(mut self, verdict: HostVerdict) -> Self {
        self.host = Some(Box::new(verdict));
        self
    }
}

impl fmt::Display for ExecutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for ExecutionError {}
