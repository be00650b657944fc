use crate::preview::source;
use cyrus_core::{
    CheckReport, DiffStat, ExecutionOutcome, ExecutionReport, SessionOutcome, SessionReport,
    TaskReport,
};
use cyrus_executor::{Cost, CostSource, MicroUsd};
use std::{fmt::Write, sync::Arc};

/// What a session came to, for people: the result first, then how it was come by.
pub(crate) fn summary(report: &SessionReport) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", headline(report));
    if let Some(reason) = &report.reason {
        let _ = writeln!(text, "  why       {reason}");
    }
    if let (Some(branch), Some(diff)) = (&report.branch, &report.diff) {
        let _ = writeln!(text, "  branch    {branch}  ({})", diff_stat(diff));
    }
    if let (None, Some(last)) = (&report.branch, report.executions.last()) {
        answer(&mut text, &last.summary);
    }
    if let Some(address) = &report.pull_request {
        let _ = writeln!(text, "  pull request {address}");
    }
    if report.tasks.len() > 1 {
        tasks(&mut text, &report.tasks);
    }
    for execution in &report.executions {
        let _ = writeln!(text, "  execution {}", execution_line(execution));
        for denial in &execution.denials {
            let _ = writeln!(text, "    not allowed: {} ({})", denial.tool, denial.reason);
        }
        for link in &execution.links {
            let _ = writeln!(text, "    {}: {}", link.kind, link.url);
        }
    }
    for check in report.validation.iter().flat_map(|validation| &validation.checks) {
        let _ = writeln!(text, "  check     {}", check_line(check));
        if !check.passed {
            check.output.lines().rev().take(12).collect::<Vec<_>>().iter().rev().for_each(|line| {
                let _ = writeln!(text, "    | {line}");
            });
        }
    }
    for finding in report.validation.iter().flat_map(|validation| &validation.findings) {
        let place = finding.path.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
        let _ = writeln!(text, "  finding   {}{place}", finding.message);
    }
    if report.outcome == SessionOutcome::Paused {
        let _ = writeln!(text, "  go on     cyrus session resume {}", report.session);
    }
    text
}

/// How each task ended.
fn tasks(text: &mut String, tasks: &[TaskReport]) {
    for task in tasks {
        let who = task.executor.as_deref().map(|who| format!(" by {who}")).unwrap_or_default();
        let attempts =
            if task.attempts > 1 { format!(", {} attempts", task.attempts) } else { String::new() };
        let state = task.state.as_str();
        let _ = writeln!(text, "  task      {}: {state}{who}{attempts}: {}", task.id, task.title);
    }
}

/// What an executor answered in words, whole: without a branch it is the result.
fn answer(text: &mut String, said: &str) {
    let printable = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let said: String = said.trim().chars().filter(printable).collect();
    for (index, line) in said.lines().enumerate() {
        let label = if index == 0 { "answer" } else { "" };
        let _ = writeln!(text, "  {label:<9} {line}");
    }
}

fn headline(report: &SessionReport) -> String {
    let what = match report.outcome {
        SessionOutcome::Validated => "Validated: the result passed its checks",
        SessionOutcome::Unverified => "Unverified: there is a result, and nothing to check it with",
        SessionOutcome::Rejected => "Rejected: the result did not pass its checks",
        SessionOutcome::Failed => "Failed: there is no result",
        SessionOutcome::Cancelled => "Cancelled",
        SessionOutcome::Paused => "Paused: it can go on from here",
    };
    format!("{what} ({}, {})", total_cost(&report.executions), seconds(report.duration_ms))
}

fn total_cost(executions: &[Arc<ExecutionReport>]) -> String {
    let costs: Vec<Cost> = executions.iter().filter_map(|execution| execution.cost).collect();
    let total: MicroUsd = costs.iter().map(|cost| cost.amount).sum();
    match costs.iter().any(|cost| cost.source == CostSource::Estimated) {
        _ if costs.is_empty() => "cost not known".to_owned(),
        true => format!("about {total}"),
        false => total.to_string(),
    }
}

fn execution_line(execution: &ExecutionReport) -> String {
    let cost = match execution.cost {
        None => "cost not known".to_owned(),
        Some(Cost { amount, source: CostSource::Reported }) => format!("{amount} reported"),
        Some(Cost { amount, source: CostSource::Estimated }) => format!("{amount} estimated"),
    };
    let how = match (&execution.outcome, &execution.error) {
        (_, Some(error)) => error.to_string(),
        (ExecutionOutcome::Suspended, None) => "goes on remotely".to_owned(),
        (_, None) => "completed".to_owned(),
    };
    let ExecutionReport { task, executor, placement, .. } = execution;
    format!("{task} by {executor} ({placement}): {how}; {cost}, {}", seconds(execution.duration_ms))
}

fn check_line(check: &CheckReport) -> String {
    let verdict = match (check.passed, check.timed_out, check.exit_code) {
        (true, ..) => "passed".to_owned(),
        (false, true, _) => "ran out of time".to_owned(),
        (false, false, Some(code)) => format!("failed with exit status {code}"),
        (false, false, None) => "was killed".to_owned(),
    };
    let source = source(&check.check.source);
    format!("`{}` {verdict} ({source}, {})", check.check.command, seconds(check.duration_ms))
}

fn diff_stat(diff: &DiffStat) -> String {
    let files = if diff.files == 1 { "file" } else { "files" };
    format!("{} {files}, +{} -{}", diff.files, diff.insertions, diff.deletions)
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}
