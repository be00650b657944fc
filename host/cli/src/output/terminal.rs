use super::teller::Teller;
use cyrus_core::{ExecutionOutcome, SessionEvent};
use cyrus_executor::{Event, StepState};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{collections::HashMap, time::Duration};

/// The longest piece of an agent's text that is shown, in characters.
const SHOWN: usize = 100;

/// A live line for each execution on standard error, and a line for whatever stays. Without a terminal only the
/// lines that stay are written.
#[derive(Default)]
pub(crate) struct Terminal {
    lines: MultiProgress,
    live: HashMap<String, ProgressBar>,
}

impl Teller for Terminal {
    fn tell(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::SessionStarted { session, title, repository, resumed, .. } => {
                let verb = if resumed { "Going on with" } else { "Session" };
                self.say(&format!("{verb} {session}: {title} ({})", repository.display()));
            }
            SessionEvent::ChecksPlanned { checks } if checks.is_empty() => {
                self.say("  no checks were found: the result will be unverified");
            }
            SessionEvent::ChecksPlanned { checks } => {
                let commands: Vec<_> = checks.iter().map(|c| format!("`{}`", c.command)).collect();
                self.say(&format!("  checks: {}", commands.join(", ")));
            }
            SessionEvent::ExecutionStarted { execution, executor, .. } => {
                let line = self.begin(&format!("{} ({})", executor.name, executor.placement));
                self.live.insert(execution, line);
            }
            SessionEvent::ExecutionEvent { execution, event } => self.show(&execution, &event),
            SessionEvent::ExecutionFinished(report) => {
                self.live.remove(&report.id).inspect(ProgressBar::finish_and_clear);
                let how = match (&report.error, report.outcome) {
                    (Some(error), _) => error.to_string(),
                    (None, ExecutionOutcome::Suspended) => "goes on remotely".to_owned(),
                    (None, _) => format!("done: {}", piece(&report.summary)),
                };
                self.say(&format!("  {}: {how}", report.executor));
            }
            SessionEvent::CheckStarted { check } => {
                let line = self.begin(&format!("check `{}`", check.command));
                self.live.insert(check.command, line);
            }
            SessionEvent::CheckFinished(report) => {
                self.live.remove(&report.check.command).inspect(ProgressBar::finish_and_clear);
                let verdict = if report.passed { "passed" } else { "failed" };
                self.say(&format!("  check `{}` {verdict}", report.check.command));
            }
            SessionEvent::Warning { message } => self.say(&format!("  warning: {message}")),
            SessionEvent::SessionFinished(_) => _ = self.lines.clear(),
        }
    }
}

impl Terminal {
    fn say(&self, line: &str) {
        // `println` of the lines writes nothing where there is no terminal.
        if self.lines.is_hidden() {
            eprintln!("{line}");
        } else {
            let _ = self.lines.println(line);
        }
    }

    fn begin(&self, what: &str) -> ProgressBar {
        let style = ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {wide_msg}");
        let line = self.lines.add(ProgressBar::new_spinner());
        line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        line.set_prefix(what.to_owned());
        line.enable_steady_tick(Duration::from_millis(120));
        line
    }

    fn show(&self, execution: &str, event: &Event) {
        if let Event::Warning(warning) = event {
            self.say(&format!("  warning: {}", piece(&warning.message)));
        }
        if let Event::Link(link) = event {
            self.say(&format!("  {}: {}", link.kind, piece(&link.url)));
        }
        if let (Some(line), Some(doing)) = (self.live.get(execution), doing(event)) {
            line.set_message(doing);
        }
    }
}

/// What an executor is doing, in a few words.
fn doing(event: &Event) -> Option<String> {
    Some(match event {
        Event::Message(text) => piece(text),
        Event::Thought(text) => format!("thinks: {}", piece(text)),
        Event::ToolUse(call) => format!("{} {}", piece(&call.tool), piece(&call.input.to_string())),
        Event::Progress(progress) => piece(&progress.message),
        Event::Plan(steps) => {
            let done = steps.iter().filter(|step| step.state == StepState::Completed).count();
            let now = steps.iter().find(|step| step.state == StepState::InProgress);
            let now = now.map(|step| piece(&step.text)).unwrap_or_default();
            format!("step {done}/{}: {now}", steps.len())
        }
        _ => return None,
    })
}

/// The beginning of a text on one line, without anything that a terminal would obey.
fn piece(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = plain.skip_while(|c| c.is_whitespace()).take(SHOWN + 1).collect();
    if line.chars().count() > SHOWN {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_text_cannot_steer_the_terminal_or_flood_it() {
        assert_eq!(piece("\n \u{1b}[2Jdone\r\nmore"), "[2Jdone  more");
        let long = piece(&"é".repeat(500));
        assert_eq!(long.chars().count(), SHOWN + 1);
        assert!(long.ends_with('…'));
    }
}
