//! The end of a session's work: what was merged is checked, made visible, delivered and reported.

use super::{
    board::Entry,
    desk::Desk,
    verdict::{checks_of_merge, has_criteria},
};
use crate::{Broken, effects::Effect};
use cyrus_core::{
    Change, DiffStat, EffectKind, ExecutionRecord, ExecutionReport, Heading, Phase, PhaseTime,
    PlannedTask, Progress, PullRequest, SessionEvent, SessionOutcome, SessionReport, StoreError,
    Subject, TaskOrigin, TaskRecord, TaskReport, TaskState, ValidationReport, ValidationVerdict,
    WorkspaceSpec,
};
use cyrus_executor::{
    Task, TaskId, TaskKind,
    text::{code_block, code_span, is_issue_key, subject},
};
use std::{fmt::Write as _, sync::Arc, time::Duration};

/// The task that the merged result is checked as.
const MERGED: &str = "merged";

/// How a session ends, and why where that is not plain.
#[derive(Debug)]
pub(super) struct Conclusion {
    outcome: SessionOutcome,
    reason: Option<String>,
}

impl Conclusion {
    pub(super) fn new(outcome: SessionOutcome) -> Self {
        Self { outcome, reason: None }
    }

    pub(super) fn failed(reason: String) -> Self {
        Self::because(SessionOutcome::Failed, reason)
    }

    fn because(outcome: SessionOutcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: Some(reason.into()) }
    }
}

/// What there is to show.
#[derive(Default)]
pub(super) struct Found {
    /// What the checks said of which merged commit.
    verdict: Option<(String, ValidationReport)>,
    branch: Option<String>,
    commit: Option<String>,
    diff: Option<DiffStat>,
    pull_request: Option<String>,
}

/// What follows once nothing can be worked on any more. `None`: there is more to do.
pub(super) async fn conclude(
    desk: &Desk<'_>,
    found: &mut Found,
) -> Result<Option<Conclusion>, Broken> {
    if let Some(conclusion) = unfinished(desk) {
        return Ok(Some(conclusion));
    }
    let failed = failure(desk, found);
    let Some(head) = desk.board().progress.head.clone() else {
        return Ok(Some(failed.unwrap_or_else(|| nothing_changed(desk, found))));
    };
    found.commit = Some(head.clone());
    found.diff = Some(desk.ports().integration.diff(&desk.session.base, &head).await?);
    let report = verdict(desk, found, &head).await?;
    if report.verdict == ValidationVerdict::Failed {
        if failed.is_none() && mend(desk, &head, &report).await? {
            return Ok(None);
        }
        let first = report.findings.first().map(|finding| finding.message.as_str());
        let reason = format!(
            "the merged result does not pass: {}; it is kept as {head}",
            first.unwrap_or("a check failed")
        );
        return Ok(Some(Conclusion::because(SessionOutcome::Rejected, reason)));
    }
    let publishing = publish(desk, found, &head, failed.is_none());
    if let Err(error) = desk.phase(None, Phase::Publishing, publishing).await {
        return unpublished(desk, failed, &head, error).map(Some);
    }
    Ok(Some(failed.unwrap_or_else(|| match report.verdict {
        ValidationVerdict::Passed => Conclusion::new(SessionOutcome::Validated),
        _ => Conclusion::because(SessionOutcome::Unverified, unverified(&report)),
    })))
}

/// How a session ends whose result is there and cannot be published: it is set aside, and publishes again when it is
/// resumed. The work is paid for.
fn unpublished(
    desk: &Desk<'_>,
    failed: Option<Conclusion>,
    head: &str,
    error: Broken,
) -> Result<Conclusion, Broken> {
    let Broken::Workspace(error) = error else { return Err(error) };
    let id = &desk.session.id;
    let kept = format!(
        "{error}; the result is kept as {head}: `git branch NAME {head}` makes a branch of it"
    );
    Ok(match failed {
        Some(Conclusion { outcome, reason }) => {
            let reason = reason.into_iter().chain([format!("not published: {kept}")]);
            Conclusion::because(outcome, reason.collect::<Vec<_>>().join("; "))
        }
        None => Conclusion::because(
            SessionOutcome::Paused,
            format!(
                "the result passes and could not be published: {kept}, and `cyrus session resume {id}` publishes it again"
            ),
        ),
    })
}

/// Why a result that passes is not validated.
fn unverified(report: &ValidationReport) -> String {
    if let Some(reason) = &report.unverified {
        return reason.clone();
    }
    let mut reason = "there is nothing to check the result with: set `validation.commands` in config.json, or give the repository a test command".to_owned();
    if !report.checks.is_empty() {
        reason.push_str("; a command that comes with the issue can show that a result is wrong, not that it is right");
    }
    reason
}

/// How a session is left that somebody stops, or that waits for somebody.
fn unfinished(desk: &Desk<'_>) -> Option<Conclusion> {
    let board = desk.board();
    let held = board.tasks().iter().find_map(|record| match &record.state {
        TaskState::Held { reason } => Some(format!("task {}: {reason}", record.planned.id())),
        _ => None,
    });
    if let Some(reason) = held {
        let reason = format!("{reason}; `cyrus session resume {}` goes on", desk.session.id);
        return Some(Conclusion::because(SessionOutcome::Paused, reason));
    }
    let open = board.tasks().iter().any(|record| !record.state.is_over());
    (open && desk.stop.asked().is_some()).then(|| Conclusion::new(SessionOutcome::Paused))
}

/// How a session ends of which a task has no result; `None` when all have one.
fn failure(desk: &Desk<'_>, found: &mut Found) -> Option<Conclusion> {
    let board = desk.board();
    let planned = |record: &&Entry| {
        matches!(record.planned.origin, TaskOrigin::Planned | TaskOrigin::Mend { .. })
    };
    let failed = board.tasks().iter().filter(planned).find_map(|record| match &record.state {
        TaskState::Failed { reason } => Some((record.planned.id().clone(), reason.clone())),
        TaskState::Cancelled => Some((record.planned.id().clone(), "it was cancelled".to_owned())),
        _ => None,
    });
    let (id, reason) = failed?;
    let last = board.attempts(&id).last();
    let rejected = last
        .and_then(|record| record.verdict.as_ref())
        .is_some_and(|report| report.verdict == ValidationVerdict::Failed);
    let outcome = if rejected { SessionOutcome::Rejected } else { SessionOutcome::Failed };
    let alone = board.tasks().len() == 1;
    let mut reason = if alone { reason } else { format!("task {id}: {reason}") };
    let kept = last.and_then(|record| record.collected.as_ref());
    if let Some(kept) = kept.filter(|kept| kept.diff.files > 0) {
        let what = if rejected { "its last result" } else { "what it had done" };
        let _ = write!(reason, "; {what} is kept as {}", kept.commit);
        (found.commit, found.diff) = (Some(kept.commit.clone()), Some(kept.diff));
    }
    Some(Conclusion::because(outcome, reason))
}

/// The end of a session whose answers are in words. Work that had to change something and did not has failed before.
fn nothing_changed(desk: &Desk<'_>, found: &mut Found) -> Conclusion {
    found.diff = Some(DiffStat::default());
    found.commit = Some(desk.session.base.repository.base_commit.clone());
    let reason = "the answer is in words: there is no change to check";
    Conclusion::because(SessionOutcome::Unverified, reason)
}

/// What the checks say of the merged result. A result that was merged with nothing is the one that was checked.
async fn verdict(
    desk: &Desk<'_>,
    found: &mut Found,
    head: &str,
) -> Result<ValidationReport, Broken> {
    if let Some((of, report)) = &found.verdict
        && of == head
    {
        return Ok(report.clone());
    }
    let same = !has_criteria(desk) || desk.is_single();
    let known = {
        let board = desk.board();
        // The commit of one that changed nothing is what it started from, and its verdict says only that.
        let of_head = |record: &&ExecutionRecord| {
            let collected = record.collected.as_ref();
            collected.is_some_and(|collected| collected.commit == head && collected.diff.files > 0)
        };
        // A review is of the same commit, and its verdict says nothing of it.
        let is_review = |task: &TaskId| {
            let task = board.task(task);
            task.is_some_and(|task| matches!(task.planned.origin, TaskOrigin::Review { .. }))
        };
        let found = board.executions().filter(|record| same && !is_review(&record.task));
        // A later attempt may have come to the same commit, and its checks to something else.
        found.filter(of_head).filter_map(|record| record.verdict.clone()).last()
    };
    let report = match known {
        Some(report) => report,
        None => check(desk, head).await?,
    };
    found.verdict = Some((head.to_owned(), report.clone()));
    Ok(report)
}

/// Runs the checks on a merged commit. There is no clone of it: each check has a fresh tree.
async fn check(desk: &Desk<'_>, head: &str) -> Result<ValidationReport, Broken> {
    let base = &desk.session.base;
    let spec = WorkspaceSpec {
        session: desk.session.id.clone(),
        task: format!("{MERGED}-{}", head.get(..12).unwrap_or(head)).parse()?,
        token: desk.lease.token,
        base: base.clone(),
        start: head.to_owned(),
    };
    // Each part's changes were looked at by themselves.
    let subject =
        Subject { spec: &spec, commit: head, must_change: false, had_conflict: false, notes: &[] };
    let validator = &desk.ports().validator;
    let checks = checks_of_merge(desk);
    let validate = validator.validate(&subject, &checks, desk.observer.as_ref());
    let mut report = desk.phase(None, Phase::Checking, validate).await?;
    if let Some(reason) = unreviewed(desk) {
        report = report.without_proof(reason);
    }
    desk.commit(vec![Change::Merged(head.to_owned(), report.clone())]).await?;
    Ok(report)
}

/// Why what was merged does not count as validated although it may pass its checks: the part of it that has no proof.
fn unreviewed(desk: &Desk<'_>) -> Option<String> {
    let board = desk.board();
    let merged = board.tasks().iter().filter(|task| matches!(task.state, TaskState::Done { .. }));
    merged
        .filter_map(|task| board.attempts(task.planned.id()).last()?.verdict.as_ref())
        .find_map(|verdict| verdict.unverified.clone())
}

/// Has the merged result mended, unless that was tried often enough.
async fn mend(desk: &Desk<'_>, head: &str, report: &ValidationReport) -> Result<bool, Broken> {
    let round = desk.board().progress.mend_rounds + 1;
    if round > desk.site.attempts.rounds {
        return Ok(false);
    }
    let progress = {
        let mut board = desk.board();
        board.progress = Progress { mend_rounds: round, ..board.progress.clone() };
        board.progress.clone()
    };
    let planned = mend_task(desk, round, head, report)?;
    let record = TaskRecord { planned, state: TaskState::Waiting };
    desk.add(record, vec![Change::Progress(progress)]).await?;
    Ok(true)
}

fn mend_task(
    desk: &Desk<'_>,
    round: u32,
    head: &str,
    report: &ValidationReport,
) -> Result<PlannedTask, Broken> {
    let mut prompt = format!(
        "Several pieces of work were merged here. Each passed the checks by itself; together they do not. Mend that, and \
         keep what each is for.\n\nThe issue they are for is \"{}\".\n\nWhat was found:\n",
        desk.session.issue.title
    );
    for finding in &report.findings {
        let _ = writeln!(prompt, "\n- {}", finding.message);
        if let Some(output) = &finding.output {
            let _ = writeln!(prompt, "\n{output}");
        }
    }
    let task = Task {
        id: format!("mend-{round}").parse()?,
        kind: TaskKind::DEBUGGER,
        title: "Mend the merged result".to_owned(),
        prompt,
    };
    Ok(PlannedTask {
        origin: TaskOrigin::Mend { round },
        executor: desk.session.executor.clone(),
        start: Some(head.to_owned()),
        ..PlannedTask::new(task)
    })
}

/// Makes the merged result visible, and delivers it when all of it is there.
async fn publish(
    desk: &Desk<'_>,
    found: &mut Found,
    head: &str,
    whole: bool,
) -> Result<(), Broken> {
    let (session, ports) = (desk.session, desk.ports());
    let base = &session.base;
    let effect = |kind| Effect { kind, task: None, what: head };
    let published = ports.integration.publish(base, &session.id, head);
    let branch: String =
        desk.effects.perform(effect(EffectKind::Publish), || published, |_| Vec::new()).await?;
    found.branch = Some(branch.clone());
    let delivery = desk.site.delivery;
    if !whole || !(delivery.push || delivery.pull_request) {
        return Ok(());
    }
    let pushed = ports.integration.push(base, &branch, head);
    desk.effects.perform(effect(EffectKind::Push), || pushed, |()| Vec::new()).await?;
    if !delivery.pull_request {
        return Ok(());
    }
    let Some(forge) = &ports.forge else {
        let message = "no pull request was opened: `gh` was not found; install it and log in";
        desk.tell(SessionEvent::Warning { message: message.to_owned() });
        return Ok(());
    };
    let request = PullRequest {
        head: branch,
        into: base.repository.base_branch.clone(),
        title: subject(&session.issue.title),
        body: body(desk),
    };
    // Looked for first: writing the intent then shows that nobody took the session over meanwhile.
    let known = forge.find(base, &request.head).await?;
    let open = async || match known {
        Some(address) => Ok(address),
        None => forge.open(base, &request).await,
    };
    let address =
        desk.effects.perform(effect(EffectKind::PullRequest), open, |_| Vec::new()).await?;
    found.pull_request = Some(address);
    Ok(())
}

/// What a pull request says. Everything in it that others wrote is code, which a forge shows and does not act on.
fn body(desk: &Desk<'_>) -> String {
    let session = desk.session;
    let mut text = code_block(&session.issue.text());
    text.push('\n');
    if let Some(key) = &session.issue.identifier {
        let key = if is_issue_key(key) { key.clone() } else { code_span(key) };
        let _ = writeln!(text, "Issue: {key}\n");
    }
    for record in desk.board().tasks() {
        let title = code_span(&record.planned.task.title);
        let _ = writeln!(text, "- {}: {title}", record.planned.id());
    }
    let _ = write!(text, "\nCyrus session {}", session.id);
    text
}

impl Found {
    pub(super) fn of(verdict: Option<(String, ValidationReport)>) -> Self {
        Self { verdict, ..Self::default() }
    }

    pub(super) async fn report(
        self,
        desk: &Desk<'_>,
        conclusion: Conclusion,
        taken: Duration,
    ) -> Result<SessionReport, StoreError> {
        let Conclusion { outcome, reason } = conclusion;
        let heading = Heading::Session(desk.session.id.clone());
        let spending = desk.ports().store.spending(&[heading]).await?;
        let board = desk.board();
        let last = board.executions().filter_map(|record| record.verdict.as_ref()).last().cloned();
        let executions: Vec<_> =
            board.executions().filter_map(|record| record.report.clone()).collect();
        Ok(SessionReport {
            session: desk.session.id.clone(),
            outcome,
            reason,
            branch: self.branch,
            commit: self.commit,
            diff: self.diff,
            tasks: board
                .tasks()
                .iter()
                .map(|task| of_task(task, board.attempts(task.planned.id())))
                .collect(),
            sandbox_lacked: sandbox_lacked(&executions),
            executions,
            validation: self.verdict.map(|(_, report)| report).or(last),
            cost: spending.into_iter().next().unwrap_or_default(),
            pull_request: self.pull_request,
            phases: desk
                .phase_times()
                .iter()
                .map(|(phase, taken)| PhaseTime {
                    phase: *phase,
                    duration_ms: u64::try_from(taken.as_millis()).unwrap_or(u64::MAX),
                })
                .collect(),
            duration_ms: u64::try_from(taken.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// What the sandboxes of the programs of these executions lacked, each once.
fn sandbox_lacked(executions: &[Arc<ExecutionReport>]) -> Vec<String> {
    let mut lacked: Vec<String> = Vec::new();
    let programs = executions.iter().flat_map(|execution| &execution.programs);
    for row in programs.flat_map(|program| &program.sandbox_lacked) {
        if !lacked.contains(row) {
            lacked.push(row.clone());
        }
    }
    lacked
}

fn of_task(record: &Entry, attempts: &[ExecutionRecord]) -> TaskReport {
    let last = attempts.last().and_then(|record| record.collected.as_ref());
    let durations = attempts.iter().filter_map(|record| Some(record.report.as_ref()?.duration_ms));
    TaskReport {
        id: record.planned.id().clone(),
        kind: record.planned.kind().clone(),
        title: record.planned.task.title.clone(),
        after: record.planned.after.clone(),
        state: record.state.clone(),
        executor: attempts.last().map(|record| record.executor.clone()),
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        duration_ms: durations.sum(),
        notes: last.map(|collected| collected.notes.clone()).unwrap_or_default(),
    }
}
