//! What an operator may ask of a session that ended without a result that holds: to try tasks again, or to check results
//! again.

use cyrus_core::{
    Change, ExecutionRecord, SessionOutcome, SessionState, Snapshot, TaskOrigin, TaskRecord,
    TaskState, ValidationReport, ValidationVerdict,
};
use cyrus_executor::TaskId;
use std::collections::BTreeSet;

/// How tasks are to be tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// This task; `None`: all that have no result.
    pub task: Option<TaskId>,
    /// The executor to do it, by its name in the configuration.
    pub executor: Option<String>,
    /// The model to use.
    pub model: Option<String>,
    /// What to say besides what the task says.
    pub words: Option<String>,
}

/// Why a session cannot be tried or checked again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    /// There is no such task.
    #[error("the session has no task {0}; `cyrus session show` lists those it has")]
    UnknownTask(TaskId),
    /// The task has a result that holds, or its turn has not come.
    #[error(
        "task {task} is {state}: only a task that failed, is held or was cancelled can be tried again"
    )]
    NotFailed {
        /// The task.
        task: TaskId,
        /// Its state.
        state: &'static str,
    },
    /// No task is without a result.
    #[error(
        "no task of the session failed, is held or was cancelled; `cyrus session recheck` checks its result again"
    )]
    NothingFailed,
    /// No result was rejected, or left without proof.
    #[error(
        "no result of the session was rejected or left unverified, so there is nothing to check again"
    )]
    NothingRejected,
}

/// Has tasks tried again, with a new count of attempts. Answers the changes to be committed before the session is
/// resumed.
pub fn retry(snapshot: &mut Snapshot, retry: &Retry) -> Result<Vec<Change>, RetryError> {
    let chosen = chosen(snapshot, retry.task.as_ref())?;
    let mut changed: BTreeSet<TaskId> = chosen.clone();
    for record in &mut snapshot.tasks {
        let id = record.planned.id().clone();
        let resolves = match &record.planned.origin {
            TaskOrigin::Conflict { of, .. } => chosen.contains(of),
            _ => false,
        };
        if resolves && is_lost(&record.state) {
            renew(record, &snapshot.executions, retry);
            changed.insert(id);
        }
    }
    let resolved: BTreeSet<TaskId> = snapshot
        .tasks
        .iter()
        .filter(|record| changed.contains(record.planned.id()))
        .filter_map(|record| match &record.planned.origin {
            TaskOrigin::Conflict { of, .. } => Some(of.clone()),
            _ => None,
        })
        .collect();
    for record in &mut snapshot.tasks {
        let id = record.planned.id();
        if resolved.contains(id) {
            // Its own result stands: what is tried again is bringing it together with the others'.
            record.state = TaskState::Active;
        } else if chosen.contains(id) {
            renew(record, &snapshot.executions, retry);
        } else if matches!(record.state, TaskState::Blocked { .. }) {
            record.state = TaskState::Waiting;
            changed.insert(id.clone());
        }
    }
    Ok(resume(snapshot, &changed))
}

/// Has results checked again that were rejected, or that nothing could be checked with: the commands or what they need
/// have changed. Nothing is executed unless a check fails again and attempts are left.
pub fn recheck(snapshot: &mut Snapshot) -> Result<Vec<Change>, RetryError> {
    let failed = |report: &ValidationReport| report.verdict == ValidationVerdict::Failed;
    let unproved = matches!(
        snapshot.state,
        SessionState::Finished(SessionOutcome::Unverified | SessionOutcome::Rejected)
    );
    let head = snapshot.progress.head.clone();
    let mut changed = BTreeSet::new();
    for record in &mut snapshot.tasks {
        let id = record.planned.id().clone();
        let last = snapshot.executions.iter_mut().rev().find(|one| one.task == id);
        let Some(last) = last else { continue };
        let rejected = last.verdict.as_ref().is_some_and(failed);
        let is_whole = last.collected.as_ref().map(|collected| &collected.commit) == head.as_ref();
        if rejected && is_lost(&record.state) {
            last.verdict = None;
            record.state = TaskState::Active;
            changed.insert(id);
        } else if unproved && is_whole {
            last.verdict = None;
        }
    }
    if changed.is_empty() && !(unproved && head.is_some()) {
        return Err(RetryError::NothingRejected);
    }
    snapshot.verdict = None;
    for record in &mut snapshot.tasks {
        if matches!(record.state, TaskState::Blocked { .. }) {
            record.state = TaskState::Waiting;
            changed.insert(record.planned.id().clone());
        }
    }
    Ok(resume(snapshot, &changed))
}

/// Whether a task has no result and is not worked on.
fn is_lost(state: &TaskState) -> bool {
    matches!(state, TaskState::Failed { .. } | TaskState::Held { .. } | TaskState::Cancelled)
}

fn chosen(snapshot: &Snapshot, task: Option<&TaskId>) -> Result<BTreeSet<TaskId>, RetryError> {
    if let Some(task) = task {
        let found = snapshot.tasks.iter().find(|record| record.planned.id() == task);
        let found = found.ok_or_else(|| RetryError::UnknownTask(task.clone()))?;
        let state = found.state.as_str();
        return if is_lost(&found.state) {
            Ok(BTreeSet::from([task.clone()]))
        } else {
            Err(RetryError::NotFailed { task: task.clone(), state })
        };
    }
    let works = |record: &&TaskRecord| {
        matches!(record.planned.origin, TaskOrigin::Planned | TaskOrigin::Mend { .. })
    };
    let lost = snapshot.tasks.iter().filter(works).filter(|record| is_lost(&record.state));
    let lost: BTreeSet<_> = lost.map(|record| record.planned.id().clone()).collect();
    if lost.is_empty() { Err(RetryError::NothingFailed) } else { Ok(lost) }
}

/// Has a task begun anew, as asked.
fn renew(record: &mut TaskRecord, executions: &[ExecutionRecord], retry: &Retry) {
    let planned = &mut record.planned;
    let own = executions.iter().filter(|one| one.task == *planned.id());
    planned.retried_after = own.map(|one| one.attempt).max().unwrap_or_default();
    if let Some(executor) = &retry.executor {
        planned.executor = Some(executor.clone());
    }
    if let Some(model) = &retry.model {
        planned.model = Some(model.clone());
    }
    if let Some(words) = &retry.words {
        planned.task.prompt.push_str("\n\n");
        planned.task.prompt.push_str(words);
    }
    record.state = TaskState::Waiting;
}

fn resume(snapshot: &mut Snapshot, changed: &BTreeSet<TaskId>) -> Vec<Change> {
    snapshot.state = SessionState::Running;
    let records = snapshot.tasks.iter().filter(|record| changed.contains(record.planned.id()));
    let tasks = records.map(|record| Change::Task(record.clone()));
    std::iter::once(Change::State(SessionState::Running, None)).chain(tasks).collect()
}
