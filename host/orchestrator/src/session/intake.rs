//! The beginning of a session's work: what the issue is, what was cut off, and what is to be done.

use super::{
    attempt,
    board::Entry,
    desk::Desk,
    execution,
    finish::Conclusion,
    task::{Ending, produce},
};
use crate::{Broken, Planning, Site, analyse, ending, from_answer};
use cyrus_core::{
    Analysis, Change, ExecutionOutcome, ExecutionRecord, ExecutionReport, Plan, Progress, Session,
    SessionEvent, SessionOutcome, SessionState, TaskRecord, TaskState,
};
use cyrus_executor::{ErrorKind, ExecutionError, Placement, TaskId, WorkProduct};
use std::sync::{Arc, PoisonError};

/// What the issue is: what the rules say, and over it what somebody asked for.
pub(super) fn analysis(session: &Session, site: &Site) -> Analysis {
    let mut analysis = analyse(&session.issue, &site.analysis);
    if let Some(kind) = &session.kind {
        analysis.kind = kind.clone();
        "asked for".clone_into(&mut analysis.because);
    }
    analysis
}

/// What the store knows of a session, besides its tasks.
#[derive(Default)]
pub(super) struct Known {
    pub(super) analysis: Option<Analysis>,
    pub(super) is_planned: bool,
    pub(super) is_paused: bool,
}

/// Takes up what the store has: the analysis as it was made, executions that were cut off, tasks that a person has
/// looked at since.
///
/// Answers what is still to be written down, with the plan.
pub(super) async fn take_in(desk: &mut Desk<'_>, known: Known) -> Result<Vec<Change>, Broken> {
    let Known { analysis, is_planned, is_paused } = known;
    let mut changes = Vec::new();
    match analysis {
        Some(known) => desk.analysis = known,
        None => changes.push(Change::Analysed(desk.analysis.clone())),
    }
    let session = desk.session;
    desk.selection.labels.clone_from(&session.issue.labels);
    let tagged = desk.analysis.tags.strategy;
    let (strategy, refused) = desk.site.strategy(session.strategy, tagged);
    desk.selection.strategy = strategy;
    if let Some(message) = refused {
        desk.tell(SessionEvent::Warning { message });
    }
    let is_new = !is_planned && desk.board().tasks().is_empty();
    if !is_new {
        let progress = {
            let mut board = desk.board();
            let fruitless = board.progress.fruitless + 1;
            board.progress = Progress { fruitless, ..board.progress.clone() };
            board.progress.clone()
        };
        changes.push(Change::Progress(progress));
        desk.commit(std::mem::take(&mut changes)).await?;
    }
    desk.tell(SessionEvent::Analysed(Box::new(desk.analysis.clone())));
    let checks = desk.ports().validator.checks(&session.base);
    // A session that is to stop is looked at again when it is resumed.
    desk.checks = desk.unless_stopped(None, checks).await.transpose()?.unwrap_or_default();
    desk.tell(SessionEvent::ChecksPlanned { checks: desk.checks.clone() });
    settle(desk).await?;
    // One that is paused is resumed by a person. One that was cut off goes on by itself, and nobody has looked at it.
    if is_paused {
        release(desk).await?;
    }
    Ok(changes)
}

/// Takes up the tasks that were held, now that a person has looked at them.
async fn release(desk: &Desk<'_>) -> Result<(), Broken> {
    let mut changes = vec![Change::State(SessionState::Running, None)];
    let mut news = Vec::new();
    let held = |task: &&Entry| matches!(task.state, TaskState::Held { .. });
    let held: Vec<TaskId> = {
        let board = desk.board();
        board.tasks().iter().filter(held).map(|task| task.planned.id().clone()).collect()
    };
    for id in &held {
        desk.released.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        changes.extend(desk.moved(id, &TaskState::Active, &mut news));
        changes.extend(let_go(desk, id));
    }
    desk.commit(changes).await?;
    desk.tell_all(news);
    Ok(())
}

/// What is still set aside for a task's last attempt, when nobody could know what that did. The next goes on with the
/// same effect and has a reservation of its own, for which there has to be room: this one comes to its estimate.
fn let_go(desk: &Desk<'_>, task: &TaskId) -> Option<Change> {
    let last = desk.board().attempts(task).last()?.report.clone()?;
    let uncertain = ending(&last) == crate::Ending::Uncertain;
    uncertain.then(|| Change::Settle(last.id.clone(), desk.orphaned(&last)))
}

/// Writes down the end of executions that were cut off with the process that held them. What they spent is settled,
/// at the estimate where nothing was reported.
async fn settle(desk: &Desk<'_>) -> Result<(), Broken> {
    let open: Vec<_> = {
        let board = desk.board();
        board.executions().filter(|record| record.report.is_none()).cloned().collect()
    };
    for record in open {
        let member = desk.site.member(&record.executor);
        let placement = member.map_or(Placement::Local, |member| member.candidate.info.placement);
        execution::cut_off(desk, &Arc::new(cut_off(&record, placement))).await?;
    }
    Ok(())
}

/// The report of an execution that was cut off.
fn cut_off(record: &ExecutionRecord, placement: Placement) -> ExecutionReport {
    let error = ExecutionError::new(
        ErrorKind::Cancelled,
        "cyrus ended while this execution was under way; it goes on in the next one",
    );
    // What was begun in the cloud does not end with the process that began it.
    let goes_on = placement == Placement::Cloud && record.checkpoint.is_some();
    ExecutionReport {
        id: record.id.clone(),
        task: record.task.clone(),
        executor: record.executor.clone(),
        placement,
        outcome: if goes_on { ExecutionOutcome::Suspended } else { ExecutionOutcome::Failed },
        error: Some(Box::new(error)),
        summary: String::new(),
        structured: None,
        product: WorkProduct::Nothing,
        cost: record.usage.cost,
        usage: record.usage.clone(),
        duration_ms: 0,
        checkpoint: record.checkpoint.clone(),
        links: Vec::new(),
        denials: Vec::new(),
        programs: vec![],
        implausible: None,
    }
}

/// Makes the plan, and writes it down with these changes. Answers how the session ends when there will be none for
/// now.
pub(super) async fn plan(
    desk: &Desk<'_>,
    mut changes: Vec<Change>,
) -> Result<Option<Conclusion>, Broken> {
    let session = desk.session;
    let plan = match desk.planning() {
        Planning::Ready(plan) => plan,
        Planning::Ask { task, .. } => {
            let id = task.id().clone();
            if desk.board().task(&id).is_none() {
                let record = TaskRecord { planned: task.clone(), state: TaskState::Active };
                changes.push(Change::Task(record.clone()));
                desk.commit(changes).await?;
                desk.board().add(record);
                desk.tell(SessionEvent::TaskAdded(Box::new(task.clone())));
            }
            let answer = match Box::pin(produce(desk, &task)).await? {
                Ending::Stopped => return Ok(Some(Conclusion::new(SessionOutcome::Paused))),
                Ending::Closed => None,
                Ending::Accepted(accepted) => {
                    desk.set(&id, TaskState::Done { commit: None }).await?;
                    accepted.structured
                }
            };
            attempt::discard(desk, &task).await;
            let plan =
                from_answer(&session.issue, &desk.analysis, answer.as_ref(), &desk.site.planning);
            write(desk, plan, Vec::new()).await?;
            return Ok(None);
        }
    };
    write(desk, plan, changes).await?;
    Ok(None)
}

async fn write(desk: &Desk<'_>, mut plan: Plan, mut changes: Vec<Change>) -> Result<(), Broken> {
    if desk.session.plan.is_none() {
        for message in plan.tasks.iter_mut().filter_map(|planned| desk.site.heed(planned)) {
            desk.tell(SessionEvent::Warning { message });
        }
    }
    if let Some(executor) = &desk.session.executor {
        for planned in &mut plan.tasks {
            planned.executor.get_or_insert_with(|| executor.clone());
        }
    }
    changes.push(Change::Planned(plan.clone()));
    desk.commit(changes).await?;
    desk.board().expect(plan.tasks.len());
    for planned in &plan.tasks {
        let record = TaskRecord { planned: planned.clone(), state: TaskState::Waiting };
        desk.board().add(record);
    }
    desk.tell(SessionEvent::Planned(plan));
    Ok(())
}
