use super::{
    lines::{piece, told},
    print::print_note,
    teller::Teller,
};
use cyrus_core::SessionEvent;
use cyrus_executor::{Event, Line, StepState};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{collections::HashMap, time::Duration};

/// A live line for each execution on standard error, and a line for whatever stays. Without a terminal only the
/// lines that stay are written.
#[derive(Default)]
pub(crate) struct Terminal {
    lines: MultiProgress,
    live: HashMap<String, ProgressBar>,
}

impl Teller for Terminal {
    fn tell(&mut self, event: SessionEvent) {
        self.follow(&event);
        for line in told(&event) {
            self.say(&line);
        }
    }
}

impl Terminal {
    /// Begins, moves and ends the live lines.
    fn follow(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::ExecutionStarted { execution, executor, task } => {
                let what = format_args!("{task} {} ({})", executor.name, executor.placement);
                let line = self.begin(&Line::new(what));
                self.live.insert(execution.clone(), line);
            }
            SessionEvent::ExecutionEvent { execution, event } => {
                if let (Some(line), Some(doing)) = (self.live.get(execution), doing(event)) {
                    line.set_message(String::from(doing));
                }
            }
            SessionEvent::ExecutionFinished(report) => self.end(&report.id),
            SessionEvent::CheckStarted { check } => {
                let line =
                    self.begin(&Line::new(format_args!("check `{}`", piece(&check.command))));
                self.live.insert(check.command.clone(), line);
            }
            SessionEvent::CheckFinished(report) => self.end(&report.check.command),
            SessionEvent::SessionFinished(_) => _ = self.lines.clear(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if let Some(line) = self.live.remove(name) {
            line.finish_and_clear();
        }
    }

    fn say(&self, line: &Line) {
        // `println` of the lines writes nothing where there is no terminal.
        if self.lines.is_hidden() {
            print_note(line);
        } else {
            let _ = self.lines.println(line.as_str());
        }
    }

    fn begin(&self, what: &Line) -> ProgressBar {
        let style = ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {wide_msg}");
        let line = self.lines.add(ProgressBar::new_spinner());
        line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        line.set_prefix(what.to_string());
        line.enable_steady_tick(Duration::from_millis(120));
        line
    }
}

/// What an executor is doing, in a few words.
fn doing(event: &Event) -> Option<Line> {
    let doing = match event {
        Event::Message(text) => return Some(piece(text)),
        Event::Thought(text) => format!("thinks: {}", piece(text)),
        Event::ToolUse(call) => format!("{} {}", piece(&call.tool), piece(&call.input.to_string())),
        Event::Progress(progress) => return Some(piece(&progress.message)),
        Event::Plan(steps) => {
            let done = steps.iter().filter(|step| step.state == StepState::Completed).count();
            let now = steps.iter().find(|step| step.state == StepState::InProgress);
            let now = now.map(|step| piece(&step.text)).unwrap_or_default();
            format!("step {done}/{}: {now}", steps.len())
        }
        _ => return None,
    };
    Some(Line::new(doing))
}
