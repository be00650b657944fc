use cyrus_core::{ExecutionOutcome, ExecutionReport};
use cyrus_executor::{ErrorKind, ExecutionError, HostVerdict};
use std::time::Duration;

/// The code of an executor that cannot know whether it created a remote run.
pub(super) const UNCERTAIN: &str = "uncertain";

/// What the end of an execution is to the failure table: one for each of its rows, and those that are no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It finished.
    Completed,
    /// It was stopped with its session, or goes on somewhere and can be taken up again.
    Interrupted,
    /// Nobody can know whether a remote run was created.
    Uncertain,
    /// Not there for now.
    Unavailable {
        /// When it says that it is back, from then.
        retry_after: Option<Duration>,
    },
    /// Too much, too fast.
    RateLimited {
        /// When it takes more, from then.
        retry_after: Option<Duration>,
    },
    /// Not let in.
    Unauthorized,
    /// No credit left.
    QuotaExhausted,
    /// It cannot do this one.
    Unsupported,
    /// The task makes no sense.
    InvalidRequest,
    /// It declines.
    Refused,
    /// Policy forbids what the work needs.
    Denied,
    /// Its money ran out.
    BudgetExceeded,
    /// Its turns ran out.
    TurnLimit,
    /// Its time ran out.
    TimedOut,
    /// The plugin trapped, passed a limit of the host, or does not keep to the contract.
    PluginFault,
    /// It was tried, and did not succeed.
    Failed,
}

/// What the end of an execution is to the failure table. The host's own verdict stands over what the plugin reports.
///
/// Who stops an execution for silence, for time or for money makes the error's kind say so (`timed-out`,
/// `budget-exceeded`), whatever the plugin called it: `cancelled` is taken for a stop of the session.
pub fn ending(report: &ExecutionReport) -> Ending {
    match (report.outcome, &report.error) {
        (ExecutionOutcome::Completed, _) => Ending::Completed,
        (ExecutionOutcome::Suspended, _) => Ending::Interrupted,
        (ExecutionOutcome::Failed, Some(error)) => of_error(error),
        (ExecutionOutcome::Failed, None) => Ending::Failed,
    }
}

fn of_error(error: &ExecutionError) -> Ending {
    match error.host.as_deref() {
        Some(
            HostVerdict::Trap { .. } | HostVerdict::Limit { .. } | HostVerdict::Contract { .. },
        ) => return Ending::PluginFault,
        Some(HostVerdict::Deadline) => return Ending::TimedOut,
        Some(HostVerdict::Budget) => return Ending::BudgetExceeded,
        Some(HostVerdict::Killed) => {
            return match error.kind {
                ErrorKind::TimedOut => Ending::TimedOut,
                ErrorKind::BudgetExceeded => Ending::BudgetExceeded,
                _ => Ending::Interrupted,
            };
        }
        None => {}
    }
    let retry_after = error.retry_after;
    match &error.kind {
        ErrorKind::Unavailable => Ending::Unavailable { retry_after },
        ErrorKind::RateLimited => Ending::RateLimited { retry_after },
        ErrorKind::Unauthorized => Ending::Unauthorized,
        ErrorKind::QuotaExhausted => Ending::QuotaExhausted,
        ErrorKind::Unsupported => Ending::Unsupported,
        ErrorKind::InvalidRequest => Ending::InvalidRequest,
        ErrorKind::Refused => Ending::Refused,
        ErrorKind::Denied => Ending::Denied,
        ErrorKind::BudgetExceeded => Ending::BudgetExceeded,
        ErrorKind::TurnLimit => Ending::TurnLimit,
        ErrorKind::TimedOut => Ending::TimedOut,
        ErrorKind::Cancelled => Ending::Interrupted,
        ErrorKind::Other(code) if code == UNCERTAIN => Ending::Uncertain,
        ErrorKind::Failed | ErrorKind::Other(_) => Ending::Failed,
    }
}
