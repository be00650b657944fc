//! What is made of a result: the checks, the rules on its diff, and the review.

use super::{
    desk::Desk,
    task::{Ending, produce},
};
use crate::{Broken, analyse::acceptance, must_change};
use cyrus_core::{
    Change, Check, CheckReport, OnBase, Phase, PlannedCommand, PlannedTask, SessionEvent, Subject,
    TaskOrigin, TaskRecord, TaskState, ValidationReport, ValidationVerdict,
};
use cyrus_executor::{Finding, Task, TaskId, TaskKind};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Checks an execution's result and writes down the verdict.
pub(super) async fn validate(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    execution: &str,
) -> Result<Option<TaskState>, Broken> {
    let id = planned.id();
    let Some((spec, collected)) = desk.collected(id, execution) else { return Ok(None) };
    let subject = Subject {
        spec: &spec,
        commit: &collected.commit,
        must_change: must_change(planned),
        had_conflict: matches!(planned.origin, TaskOrigin::Conflict { .. }),
        notes: &collected.notes,
    };
    let checks = checks(desk, planned);
    let validator = &desk.ports().validator;
    let validate = validator.validate(&subject, &checks, desk.observer.as_ref());
    let validate = desk.phase(Some(id), Phase::Checking, desk.unless_stopped(Some(id), validate));
    let Some(report) = validate.await else { return Ok(None) };
    let mut report = report?;
    if *planned.kind() == TaskKind::DEBUGGER {
        report = unmended(report);
    }
    if report.verdict != ValidationVerdict::Failed
        && collected.diff.files > 0
        && let Some(reviewer) = &desk.site.scrutiny.review
    {
        match review(desk, planned, execution, reviewer, &collected.commit).await? {
            Review::Findings(findings) => report = report.with_findings(findings),
            Review::None(reason) => report = report.without_proof(reason),
            Review::Open => return Ok(None),
        }
    }
    desk.commit(vec![Change::Verdict(execution.to_owned(), report.clone())]).await?;
    desk.board().verdict(id, execution, report.clone());
    let report = Box::new(report);
    desk.tell(SessionEvent::TaskValidated { task: id.clone(), report });
    Ok(None)
}

/// The verdict on a result that was to mend something: a check that ran, and fails as it does on the base commit, may be
/// what was to be mended, so it goes back. One that lacks something to run, or that a limit ended, says nothing of the
/// result.
fn unmended(report: ValidationReport) -> ValidationReport {
    let fails = |check: &&CheckReport| {
        let as_before = matches!(&check.on_base, Some(OnBase::SameFailures { missing: None, .. }));
        !check.passed && as_before && !was_ended(check)
    };
    let findings: Vec<_> = report
        .checks
        .iter()
        .filter(fails)
        .map(|check| Finding {
            code: "check-failed".to_owned(),
            message: format!("`{}` still fails as it does without the change", check.check.command),
            path: None,
            line: None,
            command: Some(check.check.command.clone()),
            output: Some(check.output.clone()),
        })
        .collect();
    report.with_findings(findings)
}

/// Whether a check was ended before it was done: by its time, or by a kill, as where memory runs out.
fn was_ended(check: &CheckReport) -> bool {
    const KILLED: i32 = 128 + 9;
    check.timed_out || matches!(check.exit_code, None | Some(KILLED))
}

/// What a task's result has to pass: the repository's checks, and the commands of its own. Which of them are run is
/// for the validator to decide, by their origin.
fn checks(desk: &Desk<'_>, planned: &PlannedTask) -> Vec<Check> {
    if matches!(planned.origin, TaskOrigin::Review { .. }) {
        // What it looks at was checked before, and nothing of its own is taken.
        return Vec::new();
    }
    let of_issue = if desk.is_single() { criteria(desk) } else { Vec::new() };
    let own = planned.acceptance.iter().map(|command| check(desk, command));
    distinct(desk.checks.iter().cloned().chain(own).chain(of_issue))
}

/// What a merged result has to pass: the repository's checks, and the commands that the issue's acceptance criteria
/// name, which are about the whole.
pub(super) fn checks_of_merge(desk: &Desk<'_>) -> Vec<Check> {
    distinct(desk.checks.iter().cloned().chain(criteria(desk)))
}

/// The commands of the issue's acceptance criteria.
fn criteria(desk: &Desk<'_>) -> Vec<Check> {
    let commands = acceptance::commands(&desk.analysis.acceptance);
    commands.iter().map(|command| check(desk, command)).collect()
}

/// Whether a merged result has to pass more than its parts.
pub(super) fn has_criteria(desk: &Desk<'_>) -> bool {
    desk.analysis.acceptance.iter().any(|criterion| criterion.command.is_some())
}

fn check(desk: &Desk<'_>, command: &PlannedCommand) -> Check {
    let PlannedCommand { command, origin } = command.clone();
    Check { command, origin, timeout: desk.site.scrutiny.timeout }
}

/// Each command once, with the first of its origins: those of the operator come first.
fn distinct(checks: impl Iterator<Item = Check>) -> Vec<Check> {
    let mut seen = BTreeSet::new();
    checks.filter(|check| seen.insert(check.command.clone())).collect()
}

/// What a review came to.
enum Review {
    /// The reviewer's findings; none when it approves.
    Findings(Vec<Finding>),
    /// The reviewer gave no verdict, in words for the report.
    None(String),
    /// The session is to stop before the reviewer answered.
    Open,
}

/// What a reviewer answers.
#[derive(Deserialize)]
struct Answer {
    approved: bool,
    #[serde(default)]
    findings: Vec<Remark>,
}

#[derive(Deserialize)]
struct Remark {
    message: String,
    path: Option<String>,
    line: Option<u32>,
}

/// The answer that a reviewer is asked for.
pub(super) fn review_schema() -> Value {
    json!({
        "type": "object",
        "required": ["approved", "findings"],
        "additionalProperties": false,
        "properties": {
            "approved": { "type": "boolean", "description": "whether the change may be merged as it is" },
            "findings": { "type": "array", "items": {
                "type": "object",
                "required": ["message"],
                "additionalProperties": false,
                "properties": {
                    "message": { "type": "string", "description": "what is wrong, and what to do" },
                    "path": { "type": "string" },
                    "line": { "type": "integer", "minimum": 1 },
                },
            } },
        },
    })
}

/// Has a second executor judge a result. Without its verdict the result goes on, but it does not count as validated.
async fn review(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    execution: &str,
    reviewer: &str,
    commit: &str,
) -> Result<Review, Broken> {
    let task = review_task(desk, planned, execution, reviewer, commit)?;
    let id = task.id().clone();
    desk.add(TaskRecord { planned: task.clone(), state: TaskState::Active }, vec![]).await?;
    let answer = match Box::pin(produce(desk, &task)).await? {
        Ending::Stopped => return Ok(Review::Open),
        Ending::Closed => {
            // It stops nothing, so nobody is to be asked about it either.
            let state = desk.board().state(&id).cloned();
            if let Some(TaskState::Held { reason }) = state {
                desk.set(&id, TaskState::Failed { reason }).await?;
            }
            None
        }
        Ending::Accepted(accepted) => {
            desk.set(&id, TaskState::Done { commit: None }).await?;
            accepted.structured.and_then(|value| serde_json::from_value::<Answer>(value).ok())
        }
    };
    let Some(answer) = answer else {
        let message = format!(
            "{reviewer} gave no verdict on task {}, so the result is not reviewed",
            planned.id()
        );
        desk.observer.on_event(SessionEvent::Warning { message: message.clone() });
        return Ok(Review::None(message));
    };
    Ok(Review::Findings(if answer.approved { Vec::new() } else { findings(answer.findings) }))
}

fn findings(remarks: Vec<Remark>) -> Vec<Finding> {
    const CODE: &str = "review";
    let none = remarks.is_empty();
    let mut found: Vec<_> = remarks
        .into_iter()
        .map(|Remark { message, path, line }| Finding {
            code: CODE.to_owned(),
            message,
            path,
            line,
            command: None,
            output: None,
        })
        .collect();
    if none {
        found.push(Finding {
            code: CODE.to_owned(),
            message: "the reviewer does not approve, and does not say why".to_owned(),
            path: None,
            line: None,
            command: None,
            output: None,
        });
    }
    found
}

fn review_task(
    desk: &Desk<'_>,
    planned: &PlannedTask,
    execution: &str,
    reviewer: &str,
    commit: &str,
) -> Result<PlannedTask, Broken> {
    let of = planned.id();
    let attempt = desk.board().attempts(of).iter().position(|record| record.id == execution);
    let id: TaskId = format!("{of}.review-{}", attempt.unwrap_or_default() + 1).parse()?;
    let base = &desk.session.base.repository.base_commit;
    let prompt = format!(
        "Review a change that somebody else made. Change nothing yourself. The files here are as the change leaves \
         them; compare them with commit {base}, from which the work began, to see what was changed. Approve it if it \
         does what was asked, breaks nothing and is fit to be merged. Otherwise say what has to be mended, each \
         finding with its file and line.\n\nWhat was asked:\n\n{}\n\n{}",
        planned.task.title, planned.task.prompt
    );
    let task =
        Task { id, kind: TaskKind::SCOPER, title: format!("Review the result of {of}"), prompt };
    Ok(PlannedTask {
        executor: Some(reviewer.to_owned()),
        origin: TaskOrigin::Review { of: of.clone() },
        start: Some(commit.to_owned()),
        ..PlannedTask::new(task)
    })
}
