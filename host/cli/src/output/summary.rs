use super::{print::add_line, time::seconds};
use cyrus_core::{
    CheckReport, DiffStat, ExecutionOutcome, ExecutionReport, SessionId, SessionOutcome,
    SessionReport, TaskReport,
};
use cyrus_executor::{Cost, CostSource, Line, MicroUsd};
use std::sync::Arc;

/// What further lines of a text are behind, in the column of the first.
const GUTTER: &str = "            | ";

/// What a session came to, for people: the result first, then how it was come by.
pub(crate) fn summary(report: &SessionReport) -> Vec<Line> {
    let mut lines = Vec::new();
    add_line!(lines, "{}", headline(report));
    if let Some(reason) = &report.reason {
        lines.extend(Line::block("  why       ", GUTTER, reason));
    }
    if let (Some(branch), Some(diff)) = (&report.branch, &report.diff) {
        add_line!(lines, "  branch    {branch}  ({})", diff_stat(diff));
    }
    if let (None, Some(last)) = (&report.branch, report.executions.last()) {
        let said = last.summary.trim();
        if !said.is_empty() {
            // Whole: without a branch it is the result.
            lines.extend(Line::block("  answer    | ", GUTTER, said));
        }
    }
    if let Some(address) = &report.pull_request {
        add_line!(lines, "  pull request {address}");
    }
    if report.tasks.len() > 1 {
        tasks(&mut lines, &report.tasks);
    }
    for note in report.tasks.iter().flat_map(|task| &task.notes) {
        lines.extend(Line::block("  note      ", GUTTER, note));
    }
    for execution in &report.executions {
        add_line!(lines, "  execution {}", execution_line(execution));
        if let Some(claim) = &execution.implausible {
            add_line!(lines, "    not plausible: it reported {claim}");
        }
        for denial in &execution.denials {
            add_line!(lines, "    not allowed: {} ({})", denial.tool, denial.reason);
        }
        for link in &execution.links {
            add_line!(lines, "    {}: {}", link.kind, link.url);
        }
    }
    if !report.sandbox_lacked.is_empty() {
        let lacked = report.sandbox_lacked.join(", ");
        add_line!(lines, "  sandbox   lacked {lacked} (`cyrus doctor` says more)");
    }
    for check in report.validation.iter().flat_map(|validation| &validation.checks) {
        add_line!(lines, "  check     {}", check_line(check));
        if !check.passed {
            lines.extend(Line::block("    | ", "    | ", last_lines(&check.output, 12)));
        }
    }
    for refused in report.validation.iter().flat_map(|validation| &validation.refused) {
        add_line!(lines, "  check     `{}` not run: {}", refused.check.command, refused.reason);
    }
    for directory in report.validation.iter().flat_map(|validation| &validation.carried) {
        add_line!(lines, "  carried   {directory}: the checks had the executor's");
    }
    for finding in report.validation.iter().flat_map(|validation| &validation.findings) {
        let place = finding.path.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
        add_line!(lines, "  finding   {}{place}", finding.message);
    }
    if let Some(account) = account(report) {
        add_line!(lines, "  time      {account}");
    }
    if report.outcome == SessionOutcome::Paused {
        add_line!(lines, "  go on     cyrus session resume {}", report.session);
    }
    if let Some(how) = ways_on(report.outcome, &report.session) {
        add_line!(lines, "  go on     {how}");
    }
    lines
}

/// The commands that go on with a session that is over; only a result can be checked again.
pub(crate) fn ways_on(outcome: SessionOutcome, id: &SessionId) -> Option<String> {
    let retry = format!("`cyrus session retry {id}` has it worked on again");
    let recheck = format!("`cyrus session recheck {id}` checks it again");
    match outcome {
        SessionOutcome::Rejected | SessionOutcome::Unverified => {
            Some(format!("{retry}, {recheck}"))
        }
        SessionOutcome::Failed => Some(retry),
        _ => None,
    }
}

/// Where the time went, all tasks together; `None` where nothing took any.
fn account(report: &SessionReport) -> Option<String> {
    let agents = report.executions.iter().map(|execution| execution.duration_ms).sum();
    let phases = report.phases.iter().map(|time| (time.phase.as_str(), time.duration_ms));
    let all = phases.chain([("agents", agents)]);
    let shown = all.filter(|(_, taken)| *taken >= 100);
    let parts: Vec<_> = shown.map(|(what, taken)| format!("{what} {}", seconds(taken))).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How each task ended.
fn tasks(lines: &mut Vec<Line>, tasks: &[TaskReport]) {
    for task in tasks {
        let who = task.executor.as_deref().map(|who| format!(" by {who}")).unwrap_or_default();
        let attempts =
            if task.attempts > 1 { format!(", {} attempts", task.attempts) } else { String::new() };
        let state = task.state.as_str();
        add_line!(lines, "  task      {}: {state}{who}{attempts}: {}", task.id, task.title);
    }
}

/// The last lines of a text.
fn last_lines(text: &str, most: usize) -> &str {
    let text = text.trim_end();
    let start = text.rmatch_indices('\n').nth(most - 1).map_or(0, |(at, _)| at + 1);
    &text[start..]
}

fn headline(report: &SessionReport) -> String {
    let what = match report.outcome {
        SessionOutcome::Validated => "Validated: the result passed its checks",
        SessionOutcome::Unverified => {
            "Unverified: there is a result, and no proof that it is right"
        }
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
        _ if executions.is_empty() => total.to_string(),
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
        Some(Cost { amount, source: CostSource::Gateway }) => format!("{amount} counted"),
    };
    let cost = match execution.usage.claimed {
        Some(claimed) => format!("{cost} (it reports {})", claimed.amount),
        None => cost,
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
    let tests = match check.tests.map(|tests| tests.executed) {
        None => String::new(),
        Some(1) => ", 1 test".to_owned(),
        Some(executed) => format!(", {executed} tests"),
    };
    let (command, origin) = (&check.check.command, &check.check.origin);
    format!("`{command}` {verdict} ({origin}{tests}, {})", seconds(check.duration_ms))
}

fn diff_stat(diff: &DiffStat) -> String {
    let files = if diff.files == 1 { "file" } else { "files" };
    format!("{} {files}, +{} -{}", diff.files, diff.insertions, diff.deletions)
}
