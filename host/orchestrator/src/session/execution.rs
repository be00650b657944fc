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

/// The time between two writes of what an execution has used so far.
const USAGE_PAUSE: Duration = Duration::from_millis(100);

/// The most links that are kept of an execution, and the most bytes of them.
const LINKS: usize = 100;
const LINKS_BYTES: usize = 256 << 10;

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
    report.implausible = host.believed(&mut report.usage).await;
    report.cost = report.usage.cost;
    if let Some(claim) = &report.implausible {
        let message = format!(
            "executor {} reported {claim}, which is not plausible for what was set aside for {}",
            report.executor, report.id
        );
        desk.tell(SessionEvent::Warning { message });
    }
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
/// too long, or spends too much. What ends it is looked at before its events: an execution that always has one more
/// is ended all the same.
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
    let noting = OptionFuture::<BoxFuture<'_, ()>>::from(None);
    let pause = timer(&*clock, None);
    pin!(outcome, stopping, overdue, quiet, noting, pause);
    let mut stop = desk.stop.clone();
    let (mut ended, mut open, mut cause, mut stopped) = (None, true, None, None);
    let mut noted = Noted::default();
    while ended.is_none() || open {
        if noted.is_due(&seen.usage, host) {
            noted = Noted { usage: seen.usage.clone(), pace: Pace::Writing };
            noting.set(OptionFuture::from(Some(host.note(seen.usage.clone()).boxed())));
        }
        let undisturbed = cause.is_none() && ended.is_none();
        let found = tokio::select! {
            biased;
            over = host.over_budget(), if undisturbed => Cause::OverBudget(over),
            mode = stop.wait(task), if undisturbed => Cause::Asked(mode),
            () = &mut overdue, if undisturbed => Cause::Deadline(deadline.unwrap_or_default()),
            Some(result) = &mut stopping, if cause.is_some() && stopped.is_none() => {
                stopped = Some(result);
                continue;
            }
            result = &mut outcome, if ended.is_none() => { ended = Some(result); continue }
            Some(()) = &mut noting, if noted.pace == Pace::Writing => {
                noted.pace = Pace::Pausing;
                pause.set(clock.sleep(USAGE_PAUSE));
                continue;
            }
            () = &mut pause, if noted.pace == Pace::Pausing => { noted.pace = Pace::Free; continue }
            batch = events.recv_batch(), if open => {
                let Some(batch) = batch else { open = false; continue };
                quiet.set(timer(&*clock, silence));
                for event in batch {
                    seen.note(&event);
                    let execution = id.to_owned();
                    desk.tell(SessionEvent::ExecutionEvent { execution, event });
                }
                continue;
            }
            () = &mut quiet, if undisturbed => Cause::Silence(silence.unwrap_or_default()),
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
    if noted.pace == Pace::Writing {
        noting.await;
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

/// What of an execution's usage was written down. Not each change is: an execution that reports nothing else would
/// keep every other writer of the store waiting.
#[derive(Default)]
struct Noted {
    usage: Usage,
    pace: Pace,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Pace {
    #[default]
    Free,
    Writing,
    Pausing,
}

impl Noted {
    /// Whether this usage is to be written down now: one that passes what is set aside at once, any other when the
    /// last was a while ago.
    fn is_due(&self, usage: &Usage, host: &DeskHost) -> bool {
        match self.pace {
            _ if *usage == self.usage => false,
            Pace::Free => true,
            Pace::Writing => false,
            Pace::Pausing => host.is_passed_by(usage),
        }
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
    links_size: usize,
}

impl Seen {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Usage(usage) => self.usage = usage.clone(),
            Event::Link(link) => self.link(link),
            _ => {}
        }
    }

    /// Keeps a link that is not known yet, as long as there is room.
    fn link(&mut self, link: &Link) {
        let size = self.links_size + link.size();
        if self.links.len() < LINKS
            && size <= LINKS_BYTES
            && self.links.iter().all(|known| known.url != link.url)
        {
            self.links_size = size;
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
            implausible: None,
        }
    }
}
