//! What stays of an event, for people: a line or more, or none.

use super::time::seconds;
use cyrus_core::{
    CheckReport, ExecutionOutcome, ExecutionReport, Plan, Receipt, Repeated, SessionEvent,
    TaskState, ValidationReport, ValidationVerdict,
};
use cyrus_executor::{Event, Line, TaskId};

/// The longest piece of an agent's text that is shown, in characters.
const SHOWN: usize = 100;

/// The most lines that are shown of each side of a change.
const DIFF_LINES: usize = 20;

/// The shortest wait whose line names the way to leave it, in seconds.
const LONG_WAIT: u64 = 600;

/// A phase that took less than this is not worth a line, in milliseconds.
const PHASE_SHOWN: u64 = 1_000;

/// The lines that stay of an event.
pub(crate) fn told(event: &SessionEvent) -> Vec<Line> {
    texts(event).into_iter().map(Line::new).collect()
}

/// What a log shows of an event, with its time: also what the agent did, and what its tools answered.
pub(crate) fn in_full(event: &SessionEvent, time: &str) -> Vec<Line> {
    let mut texts = texts(event);
    match event {
        SessionEvent::ExecutionStarted { task, executor, .. } => {
            texts.push(format!("  {task}: {} begins ({})", executor.name, executor.placement));
        }
        SessionEvent::ExecutionEvent { event, .. } => texts.extend(done(event)),
        SessionEvent::PhaseFinished { task, phase, duration_ms } if *duration_ms < PHASE_SHOWN => {
            let task = task.as_ref().map(|task| format!("{task}: ")).unwrap_or_default();
            texts.push(format!("  {task}{} took {}", phase.as_str(), seconds(*duration_ms)));
        }
        SessionEvent::CheckStarted { check } => {
            texts.push(format!("  check `{}` begins", piece(&check.command)));
        }
        _ => {}
    }
    let begin = if time.is_empty() { String::new() } else { format!("{time} ") };
    let gutter = format!("{}| ", " ".repeat(begin.len() + 4));
    texts.iter().flat_map(|text| Line::block(&begin, &gutter, text)).collect()
}

/// What an agent did, or said.
fn done(event: &Event) -> Option<String> {
    Some(match event {
        Event::Message(text) => format!("  says: {}", reason(text)),
        Event::Thought(text) => format!("  thinks: {}", piece(text)),
        Event::ToolUse(call) => format!("  {} {}", piece(&call.tool), tool_input(&call.input)),
        Event::ToolResult(result) => {
            let how = if result.is_error { "failed" } else { "answered" };
            format!("    {how}: {}", piece(&result.output))
        }
        Event::Progress(progress) => format!("  {}", piece(&progress.message)),
        _ => return None,
    })
}

/// The blanks that a line of code begins with.
fn indent(line: &str) -> String {
    let blanks = line.chars().take_while(|c| matches!(c, ' ' | '\t')).take(SHOWN);
    blanks.collect::<String>().replace('\t', "    ")
}

/// What a tool is given: the command, the file, what it replaces by what, else all of it.
fn tool_input(input: &serde_json::Value) -> String {
    let text = |key: &str| input[key].as_str();
    let file = text("file_path").or_else(|| text("path")).or_else(|| text("notebook_path"));
    match (text("command"), file) {
        (Some(command), _) => reason(command).to_string(),
        (None, Some(file)) => {
            let changed =
                [("-", text("old_string")), ("+", text("new_string")), ("+", text("content"))];
            let lines = changed.iter().filter_map(|(mark, text)| Some((mark, (*text)?)));
            let lines = lines.flat_map(|(mark, text)| {
                let shown = text.lines().take(DIFF_LINES);
                shown.map(move |line| format!("\n{mark}{}{}", indent(line), piece(line)))
            });
            format!("{}{}", piece(file), lines.collect::<String>())
        }
        (None, None) => reason(&input.to_string()).to_string(),
    }
}

fn texts(event: &SessionEvent) -> Vec<String> {
    match event {
        SessionEvent::SessionStarted { session, title, repository, resumed, .. } => {
            let verb = if *resumed { "Going on with" } else { "Session" };
            vec![format!("{verb} {session}: {} ({})", piece(title), repository.display())]
        }
        SessionEvent::Planned(plan) => planned(plan),
        SessionEvent::TaskAdded(task) => {
            vec![format!("  {}: added: {}", task.id(), piece(&task.task.title))]
        }
        SessionEvent::TaskChanged { task, state } => changed(task, state),
        SessionEvent::ExecutorChosen { task, receipt } => chosen(task, receipt),
        SessionEvent::TaskWaits { task, time, because } => {
            let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let later = if time.as_secs() < LONG_WAIT {
                ""
            } else {
                "; an interrupt is no loss: `cyrus session resume` goes on when it is over"
            };
            vec![format!("  {task}: waits {}: {}{later}", seconds(milliseconds), piece(because))]
        }
        SessionEvent::TaskValidated { task, report } => validated(task, report),
        SessionEvent::TaskMerged { task, commit } => {
            vec![format!("  {task}: merged ({})", commit.get(..12).unwrap_or(commit))]
        }
        SessionEvent::ChecksPlanned { checks } if checks.is_empty() => {
            vec!["  no checks were found: the result will be unverified".to_owned()]
        }
        SessionEvent::ChecksPlanned { checks } => {
            let commands: Vec<_> =
                checks.iter().map(|c| format!("`{}`", piece(&c.command))).collect();
            vec![format!("  checks: {}", commands.join(", "))]
        }
        SessionEvent::ExecutionEvent { event, .. } => shown(event),
        SessionEvent::ExecutionFinished(report) => vec![finished(report)],
        SessionEvent::CheckRepeated { check, on } => {
            vec![format!("  check `{}` {}", piece(&check.command), once_more(*on))]
        }
        SessionEvent::CheckFinished(report) => vec![check(report)],
        SessionEvent::Warning { message } => vec![format!("  warning: {}", reason(message))],
        SessionEvent::PhaseFinished { task, phase, duration_ms } if *duration_ms >= PHASE_SHOWN => {
            let task = task.as_ref().map(|task| format!("{task}: ")).unwrap_or_default();
            vec![format!("  {task}{} took {}", phase.as_str(), seconds(*duration_ms))]
        }
        SessionEvent::Analysed(_)
        | SessionEvent::PhaseStarted { .. }
        | SessionEvent::PhaseFinished { .. }
        | SessionEvent::ExecutionStarted { .. }
        | SessionEvent::CheckStarted { .. }
        | SessionEvent::SessionFinished(_) => Vec::new(),
    }
}

fn planned(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<_> =
        plan.note.iter().map(|note| format!("  plan: {}", piece(note))).collect();
    if plan.tasks.len() > 1 {
        lines.push(format!("  plan: {} tasks", plan.tasks.len()));
        lines.extend(plan.tasks.iter().map(|task| {
            let after: Vec<_> = task.after.iter().map(TaskId::as_str).collect();
            let after = if after.is_empty() {
                String::new()
            } else {
                format!(" (after {})", after.join(", "))
            };
            format!("    {}  {}{after}", task.id(), piece(&task.task.title))
        }));
    }
    lines
}

fn changed(task: &TaskId, state: &TaskState) -> Vec<String> {
    match state {
        TaskState::Failed { reason } => vec![format!("  {task}: failed: {}", self::reason(reason))],
        TaskState::Held { reason } => vec![format!("  {task}: held: {}", self::reason(reason))],
        TaskState::Blocked { by } => vec![format!("  {task}: blocked by {by}")],
        TaskState::Cancelled => vec![format!("  {task}: cancelled")],
        TaskState::Waiting | TaskState::Active | TaskState::Done { .. } => Vec::new(),
    }
}

fn chosen(task: &TaskId, receipt: &Receipt) -> Vec<String> {
    match &receipt.chosen {
        Some(executor) => {
            vec![format!("  {task}: {executor} has it ({})", piece(&receipt.because))]
        }
        None => vec![format!("  {task}: {}", piece(&receipt.because))],
    }
}

fn validated(task: &TaskId, report: &ValidationReport) -> Vec<String> {
    match report.verdict {
        ValidationVerdict::Passed => vec![format!("  {task}: passed its checks")],
        ValidationVerdict::Unchecked => Vec::new(),
        ValidationVerdict::Failed => {
            let first = report.findings.first().map(|finding| piece(&finding.message));
            vec![format!("  {task}: did not pass: {}", first.unwrap_or_default())]
        }
    }
}

fn shown(event: &Event) -> Vec<String> {
    match event {
        Event::Warning(warning) => vec![format!("  warning: {}", piece(&warning.message))],
        Event::Link(link) => {
            vec![format!("  {}: {}", piece(&link.kind), piece(&link.url))]
        }
        _ => Vec::new(),
    }
}

fn finished(report: &ExecutionReport) -> String {
    let how = match (&report.error, report.outcome) {
        (Some(error), _) => reason(&error.to_string()).into(),
        (None, ExecutionOutcome::Suspended) => "goes on remotely".to_owned(),
        (None, _) => format!("done: {}", piece(&report.summary)),
    };
    format!("  {}: {}: {how}", report.task, report.executor)
}

fn check(report: &CheckReport) -> String {
    let verdict = if report.passed { "passed" } else { "failed" };
    format!("  check `{}` {verdict}", piece(&report.check.command))
}

/// Why a check is run once more.
pub(crate) fn once_more(on: Repeated) -> &'static str {
    match on {
        Repeated::OnBase => "is run on the base commit, to compare",
        Repeated::OnResult => "failed, and is run again on the same commit",
    }
}

/// The beginning of a text on one line.
pub(crate) fn piece(text: &str) -> Line {
    Line::excerpt(text, SHOWN)
}

/// More of a text on one line: of what went wrong, the end may be what matters.
fn reason(text: &str) -> Line {
    Line::excerpt(text, SHOWN * 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_keeps_its_indentation() {
        let input =
            json!({ "file_path": "a.py", "old_string": "if x:\n    y", "new_string": "\tz" });
        assert_eq!(tool_input(&input), "a.py\n-if x:\n-    y\n+    z");
    }
}
