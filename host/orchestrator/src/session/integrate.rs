//! Brings a result together with what was merged before it.

use super::{
    attempt,
    desk::Desk,
    task::{Accepted, Ending, produce},
};
use crate::{Broken, effects::Effect};
use cyrus_core::{
    Change, EffectKind, Merge, Needs, Phase, PlannedTask, Progress, SessionEvent, TaskOrigin,
    TaskRecord, TaskState,
};
use cyrus_executor::{InvalidTaskId, Task, TaskId, TaskKind, text::subject};

/// Conflicts that are resolved on the way of one result. Each means that others merged meanwhile in the same place.
const MOST_CONFLICTS: u32 = 3;

/// Merges a task's result. When it conflicts with what was merged before, that becomes a task of its own, whose result
/// takes its place. Afterwards the task is done, failed, held or still active because the session is to stop.
pub(super) async fn merge(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    accepted: Accepted,
) -> Result<(), Broken> {
    let id = planned.id();
    let Some(mut theirs) = accepted.commit else {
        return desk.set(id, TaskState::Done { commit: None }).await;
    };
    for number in 1..=MOST_CONFLICTS {
        let conflict = Box::pin(conflict(desk, planned, number, &theirs));
        let Some(conflict) = desk.unless_stopped(None, conflict).await else { return Ok(()) };
        let Some(resolver) = conflict? else { return Ok(()) };
        match Box::pin(settle(desk, &resolver)).await? {
            Settled::Resolved(commit) => theirs = commit,
            Settled::Open => return Ok(()),
            Settled::Failed(why) => {
                let reason = format!(
                    "its conflict with what was merged before could not be resolved: {why}"
                );
                return desk.set(id, TaskState::Failed { reason }).await;
            }
        }
    }
    let reason = format!("it conflicted {MOST_CONFLICTS} times with what others merged meanwhile");
    desk.set(id, TaskState::Failed { reason }).await
}

/// The task that resolves a result's conflict of this number: the one there is, or a new one when merging finds a
/// conflict. `None`: there was none, and the result is merged.
async fn conflict(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    number: u32,
    theirs: &str,
) -> Result<Option<PlannedTask>, Broken> {
    let id = resolver_id(planned.id(), number)?;
    if let Some(known) = desk.board().task(&id) {
        return Ok(Some(PlannedTask::clone(&known.planned)));
    }
    let Some(found) = attempt_merge(desk, planned, theirs).await? else { return Ok(None) };
    let added = conflict_task(planned, id, theirs, found);
    desk.add(TaskRecord { planned: added.clone(), state: TaskState::Active }, vec![]).await?;
    Ok(Some(added))
}

/// What became of a conflict.
enum Settled {
    /// The commit that holds both sides.
    Resolved(String),
    /// It goes on later.
    Open,
    Failed(String),
}

async fn settle(desk: &Desk<'_>, conflict: &PlannedTask) -> Result<Settled, Broken> {
    let id = conflict.id();
    let TaskOrigin::Conflict { ours, theirs, .. } = &conflict.origin else {
        return Ok(Settled::Failed(format!("task {id} resolves no conflict")));
    };
    let state = desk.board().state(id).cloned().unwrap_or_default();
    let resolved = match state {
        TaskState::Done { commit: Some(commit) } => commit,
        TaskState::Failed { reason } => return Ok(Settled::Failed(reason)),
        _ => match produce(desk, conflict).await? {
            Ending::Accepted(Accepted { commit: Some(resolved), .. }) => resolved,
            Ending::Accepted(Accepted { commit: None, .. }) => {
                let reason = "it was left as it is".to_owned();
                desk.set(id, TaskState::Failed { reason: reason.clone() }).await?;
                return Ok(Settled::Failed(reason));
            }
            Ending::Stopped => return Ok(Settled::Open),
            Ending::Closed => {
                return Ok(match desk.board().state(id) {
                    Some(TaskState::Failed { reason }) => Settled::Failed(reason.clone()),
                    _ => Settled::Open,
                });
            }
        },
    };
    let resolve = Box::pin(resolve(desk, id, (ours, theirs), &resolved));
    let Some(commit) = desk.unless_stopped(None, resolve).await else { return Ok(Settled::Open) };
    let commit = commit?;
    attempt::discard(desk, conflict).await;
    Ok(Settled::Resolved(commit))
}

/// A conflict that merging found.
struct Found {
    /// What was merged into.
    ours: String,
    /// The commit with both sides marked.
    start: String,
    /// What each side did.
    account: String,
}

/// Merges once, and says what conflicts, if something does.
async fn attempt_merge(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    theirs: &str,
) -> Result<Option<Found>, Broken> {
    let id = planned.id();
    let _one_at_a_time = desk.merging.lock().await;
    let ours = desk.head();
    let title = subject(&planned.task.title);
    let message = format!("Merge task {id}: {title}\n\nCyrus-Session: {}\n", desk.session.id);
    let (session, ports) = (desk.session, desk.ports());
    let what = format!("{ours}..{theirs}");
    let effect = Effect { kind: EffectKind::Merge, task: Some(id), what: &what };
    let mut news = Vec::new();
    let merging = desk.effects.perform(
        effect,
        || ports.integration.merge(&session.base, &session.id, id, &ours, theirs, &message),
        |merge| match merge {
            Merge::Clean { commit } => done(desk, id, theirs, commit, &mut news),
            Merge::Conflict { .. } => Vec::new(),
        },
    );
    let merged = desk.phase(Some(id), Phase::Merging, merging).await?;
    desk.tell_all(news);
    match merged {
        Merge::Clean { commit } => {
            desk.tell(SessionEvent::TaskMerged { task: id.clone(), commit });
            Ok(None)
        }
        Merge::Conflict { start, account, .. } => Ok(Some(Found { ours, start, account })),
    }
}

/// What follows from a merge.
fn done(
    desk: &Desk<'_>,
    id: &TaskId,
    theirs: &str,
    commit: &str,
    news: &mut Vec<SessionEvent>,
) -> Vec<Change> {
    let progress = {
        let mut board = desk.board();
        let head = Some(commit.to_owned());
        board.progress = Progress { head, fruitless: 0, ..board.progress.clone() };
        board.progress.clone()
    };
    let state = TaskState::Done { commit: Some(theirs.to_owned()) };
    let mut changes = desk.moved(id, &state, news);
    changes.push(Change::Progress(progress));
    changes
}

async fn resolve(
    desk: &Desk<'_>,
    id: &TaskId,
    (ours, theirs): (&str, &str),
    resolved: &str,
) -> Result<String, Broken> {
    let message = format!("Resolve a conflict\n\nCyrus-Session: {}\n", desk.session.id);
    let (session, ports) = (desk.session, desk.ports());
    let what = format!("resolve {resolved}");
    let effect = Effect { kind: EffectKind::Merge, task: Some(id), what: &what };
    let mut news = Vec::new();
    let merged = desk
        .effects
        .perform(
            effect,
            || {
                ports.integration.resolve(
                    &session.base,
                    &session.id,
                    id,
                    (ours, theirs),
                    resolved,
                    &message,
                )
            },
            |_| {
                let state = TaskState::Done { commit: Some(resolved.to_owned()) };
                desk.moved(id, &state, &mut news)
            },
        )
        .await?;
    desk.tell_all(news);
    Ok(merged)
}

/// What tells the task that resolves a conflict from every other.
fn resolver_id(of: &TaskId, number: u32) -> Result<TaskId, InvalidTaskId> {
    let suffix = if number == 1 { String::new() } else { format!("-{number}") };
    format!("{of}.merge{suffix}").parse()
}

/// The task that brings two results together. It is done on this machine: only here are both sides to be had.
fn conflict_task(of: &PlannedTask, id: TaskId, theirs: &str, found: Found) -> PlannedTask {
    let Found { ours, start, account } = found;
    let prompt = format!(
        "Two pieces of work change the same place. Both are wanted. The files of this directory hold both, with \
         conflict markers (`<<<<<<<`, `=======`, `>>>>>>>`) where they differ, or as files beside each other where a \
         file cannot hold both. Resolve every conflict so that both pieces of work keep their meaning, remove the \
         markers, and change nothing else. Where one side makes the other superfluous, commit with a message that \
         names the file and says why.\n\n\
         The piece that could not be merged is \"{}\":\n\n{}\n\nWhat each side did:\n\n{account}",
        of.task.title, of.task.prompt
    );
    let task = Task {
        id,
        kind: TaskKind::DEBUGGER,
        title: format!("Resolve the conflict of {} with what was merged before", of.id()),
        prompt,
    };
    PlannedTask {
        needs: Needs { local_context: true, ..Needs::default() },
        acceptance: of.acceptance.clone(),
        origin: TaskOrigin::Conflict { of: of.id().clone(), ours, theirs: theirs.to_owned() },
        start: Some(start),
        ..PlannedTask::new(task)
    }
}
