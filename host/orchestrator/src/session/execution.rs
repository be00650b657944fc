//! One execution, from its first event to its report.

use super::{desk::Desk, host::DeskHost, unboxed};
use crate::Broken;
use cyrus_core::{
    Change, Clock, ExecutionOutcome, ExecutionReport, SessionEvent, Settlement, StoreError,
};
use cyrus_executor::{
    ErrorKind, Event, Execution, ExecutionError, ExecutionHandle, ExecutionRequest,
    ExecutionResult, HostVerdict, Link, Outcome, Placement, StopMode, StopResult, Suspension,
    TaskExecutor, TaskId, Usage,
};
use futures::{
    FutureExt,
    future::{BoxFuture, Fuse, OptionFuture},
};
use std::{sync::Arc, time::Duration};
use tokio::pin;

/// An execution that was written down as begun.
pub(super) struct Begun {
    pub(super) id: String,
    pub(super) task: TaskId,
    pub(super) executor: String,
    pub(super) request: Box<ExecutionRequest>,
    pub(super) host: Arc<DeskHost>,
}

/// Runs an execution. This is where sessions wait longest: what the executor was asked is its own by then.
pub(super) async fn run(
    desk: &Desk<'_>,
    executor: &Arc<dyn TaskExecutor>,
    begun: Begun,
) -> Result<ExecutionReport, Broken> {
    let Begun { id, task, executor: name, request, host } = begun;
    desk.is_ours().await?;
    desk.tell(SessionEvent::ExecutionStarted {
        execution: id.clone(),
        task: task.clone(),
        executor: executor.info().clone(),
    });
    let clock = &desk.ports().clock;
    let begun = clock.elapsed();
    let mut seen = Seen::default();
    let deadline = request.limits.deadline;
    let calling = executor.execute_streaming(unboxed(request), Arc::clone(&host) as _);
    let ended = match calling.await {
        Ok(execution) => follow(desk, (&id, &task), execution, &host, deadline, &mut seen).await,
        Err(error) => Err(error),
    };
    let taken = clock.elapsed().saturating_sub(begun);
    if host.is_lost() {
        desk.is_ours().await?;
    }
    let mut report =
        seen.report((id, task, name), executor.info().placement, ended, host.checkpoint());
    report.programs = host.programs();
    report.duration_ms = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// Writes down how an execution ended, and what it came to cost.
pub(super) async fn finish(desk: &Desk<'_>, report: &Arc<ExecutionReport>) -> Result<(), Broken> {
    let settlement = desk.settlement(report);
    record(desk, report, settlement).await?;
    let now = desk.ports().clock.elapsed();
    let told = desk.orchestrator.circuits().note(&report.executor, report, now);
    if let Some(message) = told {
        desk.tell(SessionEvent::Warning { message });
    }
    Ok(())
}

/// Writes down that an execution was cut off. That says nothing about its executor.
pub(super) async fn cut_off(desk: &Desk<'_>, report: &Arc<ExecutionReport>) -> Result<(), Broken> {
    record(desk, report, Some(desk.orphaned(report))).await
}

async fn record(
    desk: &Desk<'_>,
    report: &Arc<ExecutionReport>,
    settlement: Option<Settlement>,
) -> Result<(), Broken> {
    let mut changes = vec![Change::Ended(Arc::clone(report))];
    changes.extend(settlement.map(|settlement| Change::Settle(report.id.clone(), settlement)));
    desk.commit(changes).await?;
    desk.board().ended(Arc::clone(report));
    desk.settled.notify_waiters();
    desk.tell(SessionEvent::ExecutionFinished(Arc::clone(report)));
    Ok(())
}

/// Why we end an execution ourselves.
enum Cause {
    Asked(StopMode),
    Silence(Duration),
    Deadline(Duration),
    OverBudget(String),
}

/// Passes an execution's events on until it has ended, and ends it when it is told to, is silent for too long, takes
/// too long, or spends too much.
async fn follow(
    desk: &Desk<'_>,
    (id, task): (&str, &TaskId),
    execution: Execution,
    host: &DeskHost,
    deadline: Option<Duration>,
    seen: &mut Seen,
) -> Result<Outcome, ExecutionError> {
    let Execution { mut events, outcome, handle } = execution;
    let clock = Arc::clone(&desk.ports().clock);
    // Boxed: room for it is kept here several times over while it is waited for.
    let outcome = outcome.map(Box::new).fuse();
    let stopping = OptionFuture::<Fuse<BoxFuture<'_, StopResult>>>::from(None);
    let overdue = timer(&*clock, deadline);
    let silence = desk.site.deadlines.silence;
    let quiet = timer(&*clock, silence);
    pin!(outcome, stopping, overdue, quiet);
    let mut stop = desk.stop.clone();
    let (mut ended, mut open, mut cause, mut stopped) = (None, true, None, None);
    while ended.is_none() || open {
        let undisturbed = cause.is_none() && ended.is_none();
        let found = tokio::select! {
            biased;
            batch = events.recv_batch(), if open => {
                let Some(batch) = batch else { open = false; continue };
                quiet.set(timer(&*clock, silence));
                let before = seen.usage.clone();
                for event in batch {
                    seen.note(&event);
                    let execution = id.to_owned();
                    desk.tell(SessionEvent::ExecutionEvent { execution, event });
                }
                if seen.usage != before {
                    Box::pin(host.note(seen.usage.clone())).await;
                }
                continue;
            }
            result = &mut outcome, if ended.is_none() => { ended = Some(result); continue }
            over = host.over_budget(), if undisturbed => Cause::OverBudget(over),
            mode = stop.wait(task), if undisturbed => Cause::Asked(mode),
            () = &mut overdue, if undisturbed => Cause::Deadline(deadline.unwrap_or_default()),
            () = &mut quiet, if undisturbed => Cause::Silence(silence.unwrap_or_default()),
            Some(result) = &mut stopping, if cause.is_some() && stopped.is_none() => {
                stopped = Some(result);
                continue;
            }
        };
        let mode = match found {
            // What goes on elsewhere is for whoever has taken the session over.
            _ if is_taken(desk).await => StopMode::Detach,
            Cause::Asked(mode) => mode,
            _ => StopMode::Cancel,
        };
        cause = Some(found);
        stopping.set(OptionFuture::from(Some(end(&handle, mode).fuse())));
    }
    let ended = ended.map_or_else(
        || Err(ExecutionError::new(ErrorKind::Failed, "the execution ended without an outcome")),
        |ended| *ended,
    );
    let Some(cause) = cause else { return ended };
    // A stop is answered at the latest when the execution has ended.
    let stopped = if stopped.is_none() { stopping.await } else { stopped };
    match cause.of(ended) {
        Err(error) if stopped == Some(StopResult::StillRunningRemotely) => goes_on(error),
        ended => ended,
    }
}

/// What became of an execution that was stopped here and may go on elsewhere: it can be taken up again, if it says from
/// where.
fn goes_on(error: ExecutionError) -> Result<Outcome, ExecutionError> {
    match (error.kind.clone(), error.checkpoint.clone()) {
        (ErrorKind::Cancelled, Some(checkpoint)) => {
            let usage = error.usage.map(|usage| *usage).unwrap_or_default();
            Ok(Outcome::Suspended(Suspension { checkpoint, wake_after: Duration::ZERO, usage }))
        }
        _ => Err(error),
    }
}

/// Whether somebody else has taken the session over.
async fn is_taken(desk: &Desk<'_>) -> bool {
    matches!(desk.is_ours().await, Err(Broken::Store(StoreError::Fenced(_))))
}

fn end(handle: &ExecutionHandle, mode: StopMode) -> BoxFuture<'static, StopResult> {
    let handle = handle.clone();
    async move { handle.stop(mode).await }.boxed()
}

/// Rings after this long; never, without a time.
fn timer(clock: &dyn Clock, time: Option<Duration>) -> BoxFuture<'static, ()> {
    time.map_or_else(|| std::future::pending().boxed(), |time| clock.sleep(time))
}

impl Cause {
    /// What an execution that we ended came to: our reason stands over what the executor makes of it.
    fn of(self, ended: Result<Outcome, ExecutionError>) -> Result<Outcome, ExecutionError> {
        let mut error = match (ended, &self) {
            (ended @ Ok(Outcome::Completed(_)), _) | (ended, Self::Asked(_)) => return ended,
            (Ok(Outcome::Suspended(suspension)), _) => ExecutionError {
                usage: Some(Box::new(suspension.usage)),
                checkpoint: Some(suspension.checkpoint),
                ..ExecutionError::new(ErrorKind::Cancelled, "")
            },
            (Err(error), _) => error,
        };
        let (kind, message) = match self {
            Self::Asked(_) => return Err(error),
            Self::Silence(time) => {
                (ErrorKind::TimedOut, format!("nothing was heard of it for {} s", time.as_secs()))
            }
            Self::Deadline(time) => {
                (ErrorKind::TimedOut, format!("it took longer than {} s", time.as_secs()))
            }
            Self::OverBudget(message) => (ErrorKind::BudgetExceeded, message),
        };
        if error.kind == ErrorKind::Cancelled || kind == ErrorKind::BudgetExceeded {
            error.kind = kind;
            error.message = message;
            if error.kind == ErrorKind::TimedOut && error.host.is_none() {
                error.host = Some(Box::new(HostVerdict::Deadline));
            }
        }
        Err(error)
    }
}

/// What was seen of an execution while it ran.
#[derive(Default)]
struct Seen {
    usage: Usage,
    links: Vec<Link>,
}

impl Seen {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Usage(usage) => self.usage = usage.clone(),
            Event::Link(link) => self.link(link),
            _ => {}
        }
    }

    fn link(&mut self, link: &Link) {
        if self.links.iter().all(|known| known.url != link.url) {
            self.links.push(link.clone());
        }
    }

    fn report(
        mut self,
        (id, task, executor): (String, TaskId, String),
        placement: Placement,
        ended: Result<Outcome, ExecutionError>,
        saved: Option<String>,
    ) -> ExecutionReport {
        let (outcome, result, error) = match ended {
            Ok(Outcome::Completed(result)) => (ExecutionOutcome::Completed, result, None),
            Ok(Outcome::Suspended(suspension)) => {
                let result = ExecutionResult {
                    usage: suspension.usage,
                    checkpoint: Some(suspension.checkpoint),
                    ..ExecutionResult::default()
                };
                (ExecutionOutcome::Suspended, result, None)
            }
            Err(mut error) => {
                let mut result = error.partial.take().map(|partial| *partial).unwrap_or_default();
                if let Some(usage) = error.usage.take() {
                    result.usage = *usage;
                }
                result.checkpoint = error.checkpoint.take().or(result.checkpoint);
                (ExecutionOutcome::Failed, result, Some(Box::new(error)))
            }
        };
        result.links.iter().for_each(|link| self.link(link));
        let usage = if result.usage.is_unknown() { self.usage } else { result.usage };
        ExecutionReport {
            id,
            task,
            executor,
            placement,
            outcome,
            error,
            summary: result.summary,
            structured: result.structured,
            product: result.product,
            cost: usage.cost,
            usage,
            duration_ms: 0,
            checkpoint: result.checkpoint.or(saved),
            links: self.links,
            denials: result.denials,
            programs: Vec::new(),
        }
    }
}
