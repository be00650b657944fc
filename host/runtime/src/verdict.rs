//! What the host says of an execution that it ended itself, or that ended badly.

use crate::{bound, run::Run};
use cyrus_executor::{ErrorKind, ExecutionError, HostVerdict};
use wasmtime::component::ResourceTableError;

/// The most of a backtrace that goes into a message, in bytes.
const BACKTRACE_BYTES: usize = 1024;

/// The component trapped, or passed a limit, while `export` was being called.
pub(crate) fn of_trap(
    run: &Run,
    export: &str,
    error: &wasmtime::Error,
    passed: Option<&'static str>,
) -> ExecutionError {
    let info = &run.executor.info;
    let (plugin, digest, export) = (info.plugin.clone(), info.digest.clone(), export.to_owned());
    let limit = passed.or(run.notes().limit).or_else(|| limit_of(error));
    let what = limit.map_or("trapped".to_owned(), |which| format!("passed the limit {which:?}"));
    let mut message =
        format!("plugin {plugin} ({digest}) {what} in {export}: {}", error.root_cause());
    let stderr = run.stderr.text();
    if !stderr.is_empty() {
        message.push_str("\nIt wrote: ");
        message.push_str(&stderr);
    }
    let backtrace = error.to_string();
    if limit.is_none() && backtrace != error.root_cause().to_string() {
        message.push('\n');
        message.push_str(&bound::text(backtrace, BACKTRACE_BYTES));
    }
    let message = bound::redacted(message, bound::MESSAGE_BYTES, &run.redactor);
    tracing::warn!(executor = %info.name, execution = run.id(), "{message}");
    let verdict = match limit {
        Some(which) => HostVerdict::Limit { plugin, digest, export, which: which.to_owned() },
        None => HostVerdict::Trap { plugin, digest, export },
    };
    with_notes(run, ExecutionError::new(ErrorKind::Failed, message).by_host(verdict))
}

/// Which limit of wasmtime's own an error speaks of.
fn limit_of(error: &wasmtime::Error) -> Option<&'static str> {
    if error.is::<ResourceTableError>() {
        return Some("handles");
    }
    // These have no type of their own; the tests notice when the words change.
    let text = error.root_cause().to_string();
    [
        ("too much data is being copied", "call-bytes"),
        ("handle limit exceeded", "handles"),
        ("resource limit exceeded", "instances"),
    ]
    .into_iter()
    .find_map(|(words, limit)| text.contains(words).then_some(limit))
}

/// The component does not keep to the contract.
pub(crate) fn of_contract(run: &Run, problem: &str) -> ExecutionError {
    let info = &run.executor.info;
    let message = format!("plugin {} ({}) {problem}", info.plugin, info.digest);
    let verdict =
        HostVerdict::Contract { plugin: info.plugin.clone(), digest: info.digest.clone() };
    with_notes(run, ExecutionError::new(ErrorKind::Failed, message).by_host(verdict))
}

/// The deadline passed. What the component still said about it is kept.
pub(crate) fn of_deadline(run: &Run, said: Option<ExecutionError>) -> ExecutionError {
    let error = ExecutionError {
        kind: ErrorKind::TimedOut,
        message: "the deadline of the execution passed".to_owned(),
        ..said.unwrap_or_else(|| ExecutionError::new(ErrorKind::TimedOut, ""))
    };
    with_notes(run, error.by_host(HostVerdict::Deadline))
}

/// The component did not stop in time, and was dropped.
pub(crate) fn of_kill(run: &Run) -> ExecutionError {
    let grace = run.executor.config.limits.stop_grace_seconds;
    let message = format!("it did not stop within {grace} s of being asked, and was ended");
    with_notes(run, ExecutionError::new(ErrorKind::Cancelled, message).by_host(HostVerdict::Killed))
}

/// What the component reported, corrected by what the host knows: whether it was being stopped by then, and
/// what was denied.
pub(crate) fn of_report(run: &Run, error: ExecutionError, stopping: bool) -> ExecutionError {
    let mut error = with_notes(run, error);
    if error.host.as_deref() == Some(&HostVerdict::Budget) {
        return error;
    }
    if stopping {
        error.kind = ErrorKind::Cancelled;
        return error;
    }
    let may_hide_a_denial = matches!(
        error.kind,
        ErrorKind::Denied
            | ErrorKind::Failed
            | ErrorKind::Unavailable
            | ErrorKind::InvalidRequest
            | ErrorKind::Unsupported
            | ErrorKind::Other(_)
    );
    if let Some(denied) = run.notes().denied.take()
        && may_hide_a_denial
    {
        error.kind = ErrorKind::Denied;
        let known = denied.to_string();
        if !error.message.contains(&known) {
            let message = format!("{known}\n{}", error.message);
            error.message = bound::text(message, bound::MESSAGE_BYTES);
        }
    }
    error
}

/// The host itself failed.
pub(crate) fn of_host(run: &Run, problem: &dyn std::fmt::Display) -> ExecutionError {
    let problem = run.redactor.text(problem.to_string());
    let message = format!("the host failed: {}", bound::text(problem, bound::MESSAGE_BYTES / 2));
    with_notes(run, ExecutionError::new(ErrorKind::Failed, message))
}

/// Fills in what the host knows of usage and checkpoint, where the error does not say.
fn with_notes(run: &Run, mut error: ExecutionError) -> ExecutionError {
    let notes = run.notes();
    let claimed = error.usage.take().or_else(|| notes.usage.clone().map(Box::new));
    error.usage = match claimed {
        Some(claimed) => Some(Box::new(run.counted(*claimed))),
        None => run.counted_alone().map(Box::new),
    };
    error.checkpoint = error.checkpoint.or_else(|| notes.checkpoint.clone());
    drop(notes);
    if let Some(partial) = &mut error.partial {
        partial.usage = run.counted(std::mem::take(&mut partial.usage));
    }
    match run.over_budget() {
        // What the plugin makes of a model that answers no more is not the reason.
        Some(why) if matches!(error.host.as_deref(), None | Some(HostVerdict::Killed)) => {
            ExecutionError { kind: ErrorKind::BudgetExceeded, message: why, ..error }
                .by_host(HostVerdict::Budget)
        }
        _ => error,
    }
}
