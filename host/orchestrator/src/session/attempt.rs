//! One attempt at a task: the slot, the clone, the money, the execution, and its result.

use super::{
    desk::Desk,
    execution::{self, Begun},
    host::DeskHost,
};
use crate::{Broken, Candidate, effects::Effect, schedule::Claim};
use cyrus_core::{
    Change, Collected, EffectKind, ExecutionRecord, Phase, PlannedTask, PreparedWorkspace, Receipt,
    SessionEvent, StoreError, TaskState, WorkspaceSpec,
};
use cyrus_executor::{
    ExecutionRequest, Finding, Limits, MicroUsd, Placement, Repository, TaskId, Usage, WorkProduct,
    text::{is_issue_key, subject},
};
use std::sync::{Arc, PoisonError};

/// Who has the next attempt, and with what.
pub(super) struct Next {
    pub(super) executor: String,
    pub(super) resume: Option<String>,
    pub(super) findings: Vec<Finding>,
    pub(super) receipt: Receipt,
}

/// Makes an attempt and writes down how it ended. Nothing is answered: what follows is in the task's history.
pub(super) async fn run(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    next: Next,
) -> Result<Option<TaskState>, Broken> {
    let Some(member) = desk.site.member(&next.executor) else {
        let reason = format!("executor {} is not configured any more", next.executor);
        return Ok(Some(TaskState::Failed { reason }));
    };
    let Some(executor) = member.executor.clone() else {
        let why = member.candidate.ready.clone().err().unwrap_or_default();
        let reason = format!("executor {} could not be made: {why}", next.executor);
        return Ok(Some(TaskState::Failed { reason }));
    };
    let placement = executor.info().placement;
    let claim = Claim {
        session: desk.session.id.clone(),
        repository: desk.session.base.path.clone(),
        executor: next.executor.clone(),
        placement,
        urgency: desk.analysis.urgency,
    };
    // Tokio's budget for one turn is not for these: a session's tasks wait here by the thousand, and with the budget
    // used up all of them would be looked at again each turn.
    let slot = tokio::task::unconstrained(async {
        let mut stop = desk.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait(planned.id()) => None,
            slot = desk.orchestrator.slots.acquire(claim) => Some(slot),
        }
    });
    let Some(_slot) = slot.await else { return Ok(None) };
    // While it waited the executor may have been found not to work.
    let now = desk.ports().clock.elapsed();
    if desk.orchestrator.circuits().exclusion(&next.executor, now).is_some() {
        return Ok(None);
    }
    let prepared = Box::pin(prepared(desk, planned, next, &member.candidate, placement));
    let Some(begun) = desk.unless_stopped(Some(planned.id()), prepared).await else {
        return Ok(None);
    };
    let Some(begun) = begun? else { return Ok(None) };
    let report = Arc::new(execution::run(desk, &executor, begun).await?);
    Box::pin(execution::finish(desk, &report)).await?;
    Ok(None)
}

/// Makes everything ready for an execution, and writes it down as begun. What only that takes is gone when it runs.
/// `None`: the choice is to be made again.
async fn prepared(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    next: Next,
    candidate: &Candidate,
    placement: Placement,
) -> Result<Option<Begun>, Broken> {
    let start = start_of(desk, planned, &next, placement);
    if !desk.share(placement, &start.commit).await? {
        return Ok(None);
    }
    if start.afresh {
        for left in desk.specs(planned.id()) {
            desk.drop_workspace(&left).await?;
        }
    }
    let id = planned.id();
    let workspace = desk.phase(Some(id), Phase::Preparing, prepare(desk, id, &start)).await?;
    let Some((record, host)) = begin(desk, planned, &next, candidate, &start).await? else {
        return Ok(None);
    };
    desk.orchestrator.circuits().begin(&next.executor, desk.ports().clock.elapsed());
    let repository = repository(desk, placement, &start);
    let request = request(desk, planned, &next, &record, repository, &workspace, host.most());
    let ExecutionRecord { id, task, executor, .. } = record;
    Ok(Some(Begun { id, task, executor, request: Box::new(request), host }))
}

/// Where an attempt's clone starts from, and under which token it is made.
struct Start {
    commit: String,
    token: u64,
    /// Whether nothing of an attempt before is to be seen in it.
    afresh: bool,
}

/// An attempt that goes on from a checkpoint, or mends a result, does so in the clone of the attempt before; any other
/// begins afresh, as one does that cannot have what the attempt before started from.
fn start_of(desk: &Desk<'_>, planned: &PlannedTask, next: &Next, placement: Placement) -> Start {
    let started = desk.board().started(planned.id());
    let goes_on = next.resume.is_some() || !next.findings.is_empty();
    match started.filter(|(commit, _)| goes_on && desk.reaches(placement, commit)) {
        Some((commit, token)) => Start { commit, token, afresh: false },
        None => {
            Start { commit: desk.root(planned, placement), token: desk.lease.token, afresh: true }
        }
    }
}

/// What an executor is told of the repository: what this attempt starts from, and where that is.
fn repository(desk: &Desk<'_>, placement: Placement, start: &Start) -> Repository {
    let known = desk.session.base.repository.clone();
    let branch = desk.branch_of_start(placement, &start.commit);
    Repository {
        base_commit: start.commit.clone(),
        base_branch: branch.or(known.base_branch),
        ..known
    }
}

/// Makes the clone, or finds it.
async fn prepare(
    desk: &Desk<'_>,
    task: &TaskId,
    start: &Start,
) -> Result<PreparedWorkspace, Broken> {
    let spec = WorkspaceSpec {
        session: desk.session.id.clone(),
        task: task.clone(),
        token: start.token,
        base: desk.session.base.clone(),
        start: start.commit.clone(),
    };
    desk.workspace(&spec).await
}

/// Sets the money aside and writes down that the execution is about to begin. `None`: somebody else was faster, and
/// the money is gone.
async fn begin(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    next: &Next,
    candidate: &Candidate,
    start: &Start,
) -> Result<Option<(ExecutionRecord, Arc<DeskHost>)>, Broken> {
    let id = planned.id();
    let (attempt, key) = {
        let board = desk.board();
        let attempts = board.attempts(id);
        let attempt = attempts.last().map_or(1, |last| last.attempt + 1);
        // The same for as long as one executor goes on with the same work.
        let same = attempts.iter().rev().find(|record| record.executor == next.executor);
        let is_last =
            |record: &ExecutionRecord| attempts.last().is_some_and(|last| last.id == record.id);
        let same = same.filter(|record| goes_on(record, next, is_last(record)));
        let key = same.map_or_else(
            || format!("{}-{id}-{attempt}", desk.session.id),
            |record| record.idempotency_key.clone(),
        );
        (attempt, key)
    };
    let record = ExecutionRecord {
        id: format!("{}-{id}-{attempt}", desk.session.id),
        idempotency_key: key,
        session: desk.session.id.clone(),
        task: id.clone(),
        executor: next.executor.clone(),
        attempt,
        started: desk.ports().clock.now(),
        receipt: Some(next.receipt.clone()),
        token: start.token,
        start: start.commit.clone(),
        checkpoint: next.resume.clone(),
        usage: Usage::default(),
        report: None,
        collected: None,
        verdict: None,
    };
    let money = desk.reserve(&record, candidate).await?;
    let changes = vec![Change::Reserve(money.0.clone()), Change::Begin(Box::new(record.clone()))];
    match desk.ports().store.commit(&desk.lease, changes).await {
        Ok(()) => {}
        // Selection looks again, and finds it out.
        Err(StoreError::OverCap { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    desk.tell(SessionEvent::ExecutorChosen {
        task: id.clone(),
        receipt: Box::new(next.receipt.clone()),
    });
    desk.board().begin(record.clone());
    desk.released.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    let host = DeskHost::new(desk, &record, money, desk.template(planned).policy);
    Ok(Some((record, Arc::new(host))))
}

/// Whether an attempt repeats the effects of this one, rather than asking for something new. What was found wrong is
/// new, unless the last attempt was about that already and did not finish.
fn goes_on(record: &ExecutionRecord, next: &Next, is_last: bool) -> bool {
    let unfinished = record
        .report
        .as_ref()
        .is_none_or(|report| report.outcome != cyrus_core::ExecutionOutcome::Completed);
    unfinished && (next.findings.is_empty() || is_last)
}

fn request(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    next: &Next,
    record: &ExecutionRecord,
    repository: Repository,
    workspace: &PreparedWorkspace,
    most: Option<MicroUsd>,
) -> ExecutionRequest {
    let template = desk.template(planned);
    let limits = desk.session.limits;
    ExecutionRequest {
        idempotency_key: record.idempotency_key.clone(),
        attempt: record.attempt,
        repository: Some(repository),
        workspace: Some(workspace.workspace.clone()),
        model: planned.model.clone().or_else(|| desk.session.model.clone()),
        system_prompt: template.system_prompt,
        allowed_tools: template.allowed_tools,
        disallowed_tools: template.disallowed_tools,
        mcp_servers: template.mcp_servers,
        output_schema: desk.schema(planned),
        limits: Limits {
            deadline: limits.deadline.or(desk.site.deadlines.total),
            max_cost: most.or(limits.max_cost),
            ..limits
        },
        resume: record.checkpoint.clone(),
        findings: next.findings.clone(),
        ..ExecutionRequest::new(planned.task.clone(), record.id.clone())
    }
}

/// Brings an execution's result into the repository.
pub(super) async fn collect(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    execution: &str,
) -> Result<Option<TaskState>, Broken> {
    let id = planned.id();
    let Some((workspace, product)) = desk.result_of(id, execution).await? else { return Ok(None) };
    bring(desk, planned, execution, &workspace, &product).await?;
    Ok(None)
}

/// Keeps what the last attempt at a task left that has come to nothing, whatever it ended with: it may be all but done,
/// and is paid for. That it cannot be kept is said, and changes nothing.
pub(super) async fn keep(desk: &Desk<'_>, planned: &PlannedTask) {
    let id = planned.id();
    let last = desk.board().attempts(id).last().cloned();
    let Some(last) = last.filter(|last| last.collected.is_none()) else { return };
    let Some(workspace) = desk.known_workspace(&last) else { return };
    let bring = Box::pin(bring(desk, planned, &last.id, &workspace, &WorkProduct::Workspace));
    if let Some(Err(error)) = desk.unless_stopped(None, bring).await {
        let place = &workspace.workspace.root;
        let message =
            format!("what task {id} left could not be kept: {error}; it is in {}", place.display());
        desk.tell(SessionEvent::Warning { message });
    }
}

/// Brings what is in a clone, or in another product, into the repository.
async fn bring(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    execution: &str,
    workspace: &PreparedWorkspace,
    product: &WorkProduct,
) -> Result<(), Broken> {
    let id = planned.id();
    let message = commit_message(desk, planned);
    let ports = desk.ports();
    let effect = Effect { kind: EffectKind::Collect, task: Some(id), what: execution };
    let collecting = desk.effects.perform(
        effect,
        || ports.workspaces.collect(workspace, product, &message),
        |collected: &Collected| vec![Change::Collected(execution.to_owned(), collected.clone())],
    );
    let collected: Collected = desk.phase(Some(id), Phase::Collecting, collecting).await?;
    for note in &collected.notes {
        desk.tell(SessionEvent::Warning { message: format!("task {id}: {note}") });
    }
    desk.board().collected(id, execution, collected);
    Ok(())
}

/// Removes a task's clones once it is over. That one stays is no reason to fail: it is swept with the session's end.
pub(super) async fn discard(desk: &Desk<'_>, planned: &PlannedTask) {
    let id = planned.id();
    if !matches!(desk.board().state(id), Some(TaskState::Done { .. })) {
        return;
    }
    for spec in desk.specs(id) {
        let drop = desk.phase(Some(id), Phase::Removing, desk.drop_workspace(&spec));
        if let Some(Err(error)) = desk.unless_stopped(None, drop).await {
            let message = format!("the clone of task {id} could not be removed: {error}");
            desk.tell(SessionEvent::Warning { message });
        }
    }
}

fn commit_message(desk: &Desk<'_>, planned: &PlannedTask) -> String {
    let session = desk.session;
    let key = session.issue.identifier.as_ref().filter(|key| is_issue_key(key));
    let issue = key.map(|key| format!("Issue: {key}\n")).unwrap_or_default();
    let title = subject(&planned.task.title);
    format!("{title}\n\n{issue}Cyrus-Session: {}\nCyrus-Task: {}\n", session.id, planned.id())
}
