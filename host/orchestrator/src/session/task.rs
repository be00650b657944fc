//! One task, from its first attempt to a result that holds, or to the end of what can be tried.

use super::{attempt, desk::Desk, integrate, verdict};
use crate::{Broken, Outage, Step, Tried, checkpoint_of, decide, ending, released, soonest};
use cyrus_core::{
    Excluded, ExecutionOutcome, PlannedTask, Receipt, SessionEvent, TaskState, WorkspaceError,
};
use cyrus_executor::{Finding, MicroUsd, Placement, TaskId};
use serde_json::Value;
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

/// How the work on a task ended for now.
#[derive(Debug)]
pub(super) enum Ending {
    /// There is a result that passed its checks, or that there is nothing to check with.
    Accepted(Accepted),
    /// It is over or held; that is written down.
    Closed,
    /// The session is to stop; the task goes on when it is resumed.
    Stopped,
}

/// A result that may be merged.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Its commit; `None` when the answer is in words.
    pub(super) commit: Option<String>,
    /// The answer in the asked-for schema.
    pub(super) structured: Option<Value>,
}

/// Works on a task of the plan until its result is merged, or there is none.
pub(super) async fn work(desk: &Desk<'_>, planned: Arc<PlannedTask>) -> Result<TaskId, Broken> {
    let id = planned.id().clone();
    if desk.board().state(&id) == Some(&TaskState::Waiting) {
        desk.set(&id, TaskState::Active).await?;
    }
    let worked = match produce(desk, &planned).await {
        Ok(Ending::Accepted(accepted)) => {
            Box::pin(integrate::merge(desk, &planned, accepted)).await
        }
        Ok(Ending::Closed) => {
            if matches!(
                desk.board().state(&id),
                Some(TaskState::Failed { .. } | TaskState::Cancelled)
            ) {
                Box::pin(attempt::keep(desk, &planned)).await;
            }
            Ok(())
        }
        Ok(Ending::Stopped) => Ok(()),
        Err(error) => Err(error),
    };
    match worked {
        Ok(()) => {}
        // A person can mend what a set-up lacks, and nothing is paid for before that.
        Err(Broken::Workspace(error @ WorkspaceError::SetUp { .. })) => {
            desk.is_ours().await?;
            desk.set(&id, TaskState::Held { reason: error.to_string() }).await?;
        }
        // What is wrong with one task's clone or result is no reason to give up the others.
        Err(error @ (Broken::Workspace(_) | Broken::Name(_))) => {
            // Whoever has taken the session over may have removed what is missing.
            desk.is_ours().await?;
            let reason = error.to_string();
            let state = if is_of_the_surroundings(&error) {
                TaskState::Held { reason }
            } else {
                TaskState::Failed { reason }
            };
            desk.set(&id, state).await?;
        }
        Err(Broken::Uncertain(reason)) => desk.set(&id, TaskState::Held { reason }).await?,
        Err(error @ Broken::Store(_)) => return Err(error),
    }
    attempt::discard(desk, &planned).await;
    Ok(id)
}

/// Whether somebody who looks into it can mend this: a full disk, a lock that was left behind, a file that cannot be read
/// or written. What was paid for is still in the clone.
fn is_of_the_surroundings(error: &Broken) -> bool {
    match error {
        Broken::Workspace(WorkspaceError::Io { .. }) => true,
        Broken::Workspace(WorkspaceError::Git { output, .. }) => [
            "No space left on device",
            "Disk quota exceeded",
            ".lock'",
            "Out of diskspace",
            "unable to write",
            "could not set 'core.",
            "could not write",
        ]
        .iter()
        .any(|sign| output.contains(sign)),
        _ => false,
    }
}

/// Tries executors until one has a result that holds, or nobody is left. Each step has a place of its own only while
/// it is under way: most of the time a task waits, in one of them.
pub(super) async fn produce(desk: &Desk<'_>, planned: &PlannedTask) -> Result<Ending, Broken> {
    let id = planned.id();
    loop {
        if desk.stop.cancels(id) {
            desk.set(id, TaskState::Cancelled).await?;
            return Ok(Ending::Closed);
        }
        if desk.stop.asked().is_some() {
            return Ok(Ending::Stopped);
        }
        let step = step(desk, planned);
        let state = match step {
            Step::Choose { tried, cheaper_than, findings, because } => {
                let wanted = Wanted { same: None, tried, cheaper_than, findings, because };
                take_turn(desk, planned, wanted).await?
            }
            Step::Again {
                executor,
                wait: time,
                resume,
                tried,
                cheaper_than,
                findings,
                because,
            } => {
                if !time.is_zero() {
                    wait(desk, id, time, because.clone()).await;
                    if desk.stop.asked().is_some() || desk.stop.cancels(id) {
                        continue;
                    }
                }
                let because_of = Some(because.clone());
                let same = Some(Same { executor, resume, because });
                let wanted = Wanted { same, tried, cheaper_than, findings, because: because_of };
                take_turn(desk, planned, wanted).await?
            }
            Step::Collect { execution } => {
                let collect = Box::pin(attempt::collect(desk, planned, &execution));
                let Some(collected) = desk.unless_stopped(Some(id), collect).await else {
                    continue;
                };
                collected?
            }
            Step::Validate { execution } => {
                Box::pin(verdict::validate(desk, planned, &execution)).await?
            }
            Step::Accept { execution } => {
                return Ok(Ending::Accepted(accepted(desk, id, &execution)));
            }
            Step::Fail { reason } => Some(TaskState::Failed { reason }),
            Step::Hold { reason } => Some(TaskState::Held { reason }),
        };
        if let Some(state) = state {
            desk.set(id, state).await?;
            return Ok(Ending::Closed);
        }
    }
}

/// What comes next, from the task's history. Somebody who resumes a session has looked at what was held.
fn step(desk: &Desk<'_>, planned: &PlannedTask) -> Step {
    let seen = desk.released.lock().unwrap_or_else(PoisonError::into_inner).contains(planned.id());
    let board = desk.board();
    let attempts = board.attempts(planned.id());
    let next = if seen { released } else { decide };
    next(planned, attempts, &desk.site.attempts)
}

/// Who is to have the next attempt.
struct Wanted {
    same: Option<Same>,
    tried: Vec<Tried>,
    cheaper_than: Option<MicroUsd>,
    findings: Vec<Finding>,
    /// How the attempt before ended; `None` for the first.
    because: Option<String>,
}

/// The executor of the attempt before, once more.
struct Same {
    executor: String,
    resume: Option<String>,
    because: String,
}

/// What came of looking for who has the next attempt.
enum Turn {
    Attempt(attempt::Next),
    /// Somebody may have it after another look.
    Later,
    /// Nobody ever can: where the task stands.
    Nobody(TaskState),
}

/// Makes the next attempt, or waits until somebody can. Answers where the task stands when nobody ever can.
async fn take_turn(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    wanted: Wanted,
) -> Result<Option<TaskState>, Broken> {
    match Box::pin(next(desk, planned, wanted)).await? {
        Turn::Attempt(next) => Box::pin(attempt::run(desk, planned, next)).await,
        Turn::Later => Ok(None),
        Turn::Nobody(state) => Ok(Some(state)),
    }
}

/// Finds who has the next attempt, or waits until somebody can.
async fn next(desk: &Desk<'_>, planned: &PlannedTask, wanted: Wanted) -> Result<Turn, Broken> {
    let Wanted { same, mut tried, cheaper_than, findings, because } = wanted;
    if let Some(Same { executor, resume, because }) = same {
        // As if it had been asked for by name: readiness and money still count.
        let asked = PlannedTask { executor: Some(executor.clone()), ..planned.clone() };
        let elsewhere = resume.is_some() && is_elsewhere(desk, planned.id());
        // What is under way there may end there; nothing new goes where the rules do not send it any more.
        let barred = out_of_reach(desk, planned, &executor).await?;
        // Nobody else has what may have been begun there, unless the rules say so now.
        let stays = elsewhere || (barred.is_none() && is_uncertain(desk, planned.id()));
        let choice = match barred {
            Some(error) if !elsewhere => {
                Choice::Nobody(error.clone(), TaskState::Failed { reason: error })
            }
            _ => choose(desk, &asked, &[], None).await?,
        };
        match choice {
            Choice::Executor(mut receipt, executor) => {
                receipt.because = because;
                return Ok(Turn::Attempt(attempt::Next { executor, resume, findings, receipt }));
            }
            // A limit passes soon enough; how long somebody is out who fails nobody knows, and others may have it.
            Choice::Wait(time, because) if stays || desk.is_parked(&executor) => {
                wait(desk, planned.id(), time, because).await;
                return Ok(Turn::Later);
            }
            Choice::Money => return Ok(Turn::Later),
            Choice::Nobody(error, _) if stays => {
                let reason = format!(
                    "its work may be going on in the cloud, and {executor} cannot go on with it: {error}"
                );
                return Ok(Turn::Nobody(TaskState::Held { reason }));
            }
            Choice::Wait(_, error) | Choice::Nobody(error, _) => {
                tried.push(Tried { executor, error, outage: None });
            }
        }
    }
    match choose(desk, planned, &tried, cheaper_than).await? {
        Choice::Executor(receipt, executor) => {
            let resume = checkpoint_of(desk.board().attempts(planned.id()), &executor);
            Ok(Turn::Attempt(attempt::Next { executor, resume, findings, receipt }))
        }
        Choice::Wait(time, because) => {
            wait(desk, planned.id(), time, because).await;
            Ok(Turn::Later)
        }
        Choice::Money => Ok(Turn::Later),
        Choice::Nobody(why, TaskState::Failed { .. }) => {
            Box::pin(alone(desk, planned, tried, findings, because.unwrap_or(why))).await
        }
        Choice::Nobody(_, state) => Ok(Turn::Nobody(state)),
    }
}

/// What follows when nobody else can have a task. One that is only not there for now is waited for a while, and then the
/// task is held: an outage is no failure.
async fn alone(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    mut tried: Vec<Tried>,
    findings: Vec<Finding>,
    because: String,
) -> Result<Turn, Broken> {
    let Some(at) = tried.iter().position(|tried| tried.outage.is_some()) else {
        return Ok(Turn::Nobody(TaskState::Failed { reason: because }));
    };
    let Tried { executor, error, outage } = tried.remove(at);
    let held = || {
        let reason =
            format!("{executor} is not there: {error}; when it is back, resume the session");
        Turn::Nobody(TaskState::Held { reason })
    };
    let Some(Outage::Wait(time)) = outage else { return Ok(held()) };
    wait(desk, planned.id(), time, error.clone()).await;
    if desk.stop.asked().is_some() || desk.stop.cancels(planned.id()) {
        return Ok(Turn::Later);
    }
    let asked = PlannedTask { executor: Some(executor.clone()), ..planned.clone() };
    match choose(desk, &asked, &tried, None).await? {
        Choice::Executor(mut receipt, executor) => {
            receipt.because = error;
            let resume = checkpoint_of(desk.board().attempts(planned.id()), &executor);
            Ok(Turn::Attempt(attempt::Next { executor, resume, findings, receipt }))
        }
        Choice::Wait(time, because) => {
            wait(desk, planned.id(), time, because).await;
            Ok(Turn::Later)
        }
        Choice::Money => Ok(Turn::Later),
        Choice::Nobody(..) => Ok(held()),
    }
}

/// Whether the last attempt was interrupted and may go on in the cloud. While it may, nobody else has the task: two
/// would work on it at once.
fn is_elsewhere(desk: &Desk<'_>, task: &TaskId) -> bool {
    let board = desk.board();
    let report = board.attempts(task).last().and_then(|last| last.report.as_ref());
    report.is_some_and(|report| {
        let goes_on = report.outcome == ExecutionOutcome::Suspended;
        report.placement == Placement::Cloud && report.checkpoint.is_some() && goes_on
    })
}

/// Whether nobody can know what the last attempt began in the cloud.
fn is_uncertain(desk: &Desk<'_>, task: &TaskId) -> bool {
    let board = desk.board();
    let report = board.attempts(task).last().and_then(|last| last.report.as_ref());
    report.is_some_and(|report| ending(report) == crate::Ending::Uncertain)
}

/// Why the rules do not let an executor have a task that it had before: they were changed meanwhile.
async fn out_of_reach(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    executor: &str,
) -> Result<Option<String>, Broken> {
    let receipt = desk.select(planned, &[], None).await?;
    let line = receipt.considered.into_iter().find(|line| line.executor == executor);
    let excluded = line.and_then(|line| line.excluded).filter(|excluded| {
        use Excluded::{NoRule, NotAsked, PlacementNotUsed};
        matches!(excluded, NotAsked | NoRule | PlacementNotUsed)
    });
    Ok(excluded.map(|excluded| excluded.to_string()))
}

/// What came of asking the selection.
enum Choice {
    Executor(Receipt, String),
    /// Nobody now; somebody may be tried again after this time.
    Wait(Duration, String),
    /// Nobody for want of money, and some of it came back meanwhile.
    Money,
    /// Nobody: why, and what that makes of the task.
    Nobody(String, TaskState),
}

async fn choose(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    tried: &[Tried],
    cheaper_than: Option<MicroUsd>,
) -> Result<Choice, Broken> {
    // From before the look: what comes back during it is not missed.
    let settled = desk.settled.notified();
    tokio::pin!(settled);
    settled.as_mut().enable();
    let receipt = desk.select(planned, tried, cheaper_than).await?;
    if let Some(executor) = receipt.chosen.clone() {
        return Ok(Choice::Executor(receipt, executor));
    }
    let why = nobody(&receipt);
    desk.tell(SessionEvent::ExecutorChosen {
        task: planned.id().clone(),
        receipt: Box::new(receipt.clone()),
    });
    if let Some(time) = soonest(&receipt) {
        return Ok(Choice::Wait(time, why));
    }
    let full = |excluded: &Excluded| matches!(excluded, Excluded::OverBudget { .. });
    let is_full = receipt.considered.iter().any(|line| line.excluded.as_ref().is_some_and(full));
    // What is set aside for others of this session may not be used up.
    if is_full && settled.as_mut().enable() {
        return Ok(Choice::Money);
    }
    if is_full && desk.board().is_at_work() && desk.stop.asked().is_none() {
        settled.await;
        return Ok(Choice::Money);
    }
    // What somebody who looks into it can change, while nobody has failed at the task.
    let can_be_changed = |excluded: &Excluded| match excluded {
        Excluded::OverBudget { .. } | Excluded::NotCheaper => true,
        Excluded::Unshared => tried.is_empty(),
        _ => false,
    };
    let mut excluded = receipt.considered.iter().filter_map(|line| line.excluded.as_ref());
    let state = if excluded.any(can_be_changed) || desk.site.waits_for_cloud(&receipt) {
        TaskState::Held { reason: why.clone() }
    } else {
        TaskState::Failed { reason: why.clone() }
    };
    Ok(Choice::Nobody(why, state))
}

/// Why nobody can have a task, in one line.
fn nobody(receipt: &Receipt) -> String {
    let lines: Vec<_> = receipt
        .considered
        .iter()
        .filter_map(|line| Some(format!("{}: {}", line.executor, line.excluded.as_ref()?)))
        .collect();
    let all = if lines.is_empty() { "there is none".to_owned() } else { lines.join("; ") };
    format!("no executor can take it with strategy {} ({all})", receipt.strategy)
}

/// Waits, unless the session is to stop.
async fn wait(desk: &Desk<'_>, task: &TaskId, time: Duration, because: String) {
    desk.tell(SessionEvent::TaskWaits { task: task.clone(), time, because });
    let mut stop = desk.stop.clone();
    tokio::select! {
        biased;
        _ = stop.wait(task) => {}
        () = desk.ports().clock.sleep(time) => {}
    }
}

fn accepted(desk: &Desk<'_>, id: &TaskId, execution: &str) -> Accepted {
    let board = desk.board();
    let record = board.attempts(id).iter().find(|record| record.id == execution);
    let changed = record.and_then(|record| record.collected.as_ref());
    let changed = changed.filter(|collected| collected.diff.files > 0);
    Accepted {
        commit: changed.map(|collected| collected.commit.clone()),
        structured: record.and_then(|record| record.report.as_ref()?.structured.clone()),
    }
}
