use super::{
    lines::{once_more, piece, told},
    print::{print_note, width_of_notes},
    teller::Teller,
    wrap::wrapped,
};
use cyrus_core::{Phase, SessionEvent};
use cyrus_executor::{Event, Line, MicroUsd, StepState, TaskId};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// The columns of a terminal that does not say how many it has.
const USUAL_WIDTH: usize = 80;

/// A live line for each execution, check and phase on standard error, one below for all of it, and a line for whatever
/// stays. Without a terminal only the lines that stay are written.
#[derive(Default)]
pub(crate) struct Terminal {
    lines: MultiProgress,
    live: HashMap<String, ProgressBar>,
    total: Option<ProgressBar>,
    tasks: BTreeMap<TaskId, &'static str>,
    cost: MicroUsd,
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
            SessionEvent::Planned(plan) => {
                self.tasks.extend(plan.tasks.iter().map(|task| (task.id().clone(), "waiting")));
                self.show_total();
            }
            SessionEvent::TaskAdded(task) => {
                self.tasks.insert(task.id().clone(), "waiting");
                self.show_total();
            }
            SessionEvent::TaskChanged { task, state } => {
                self.tasks.insert(task.clone(), state.as_str());
                self.show_total();
            }
            SessionEvent::PhaseStarted { task, phase } => {
                let of = task.as_ref().map(|task| format!("{task} ")).unwrap_or_default();
                let line = self.begin(&Line::new(format_args!("{of}{}", phase.as_str())));
                self.live.insert(phase_name(task.as_ref(), *phase), line);
            }
            SessionEvent::PhaseFinished { task, phase, .. } => {
                self.end(&phase_name(task.as_ref(), *phase));
            }
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
            SessionEvent::ExecutionFinished(report) => {
                self.end(&report.id);
                let cost = report.cost.map(|cost| cost.amount).unwrap_or_default();
                self.cost = self.cost.saturating_add(cost);
                self.show_total();
            }
            SessionEvent::CheckStarted { check } => {
                let line =
                    self.begin(&Line::new(format_args!("check `{}`", piece(&check.command))));
                self.live.insert(check.command.clone(), line);
            }
            SessionEvent::CheckRepeated { check, on } => {
                if let Some(line) = self.live.get(&check.command) {
                    line.set_message(once_more(*on));
                }
            }
            SessionEvent::CheckFinished(report) => self.end(&report.check.command),
            SessionEvent::SessionFinished(_) => _ = self.lines.clear(),
            _ => {}
        }
    }

    /// Shows how many tasks stand where, and what was spent.
    fn show_total(&mut self) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for state in self.tasks.values() {
            *counts.entry(state).or_default() += 1;
        }
        let counts: Vec<_> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
        let said = format!("{}, {}", counts.join(", "), self.cost);
        let lines = &self.lines;
        let total = self.total.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("  total {elapsed} {wide_msg}");
            let line = lines.add(ProgressBar::new_spinner());
            line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            line.enable_steady_tick(Duration::from_secs(1));
            line
        });
        total.set_message(said);
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
            let width = width_of_notes().unwrap_or(USUAL_WIDTH);
            for part in wrapped(line, width) {
                let _ = self.lines.println(part);
            }
        }
    }

    fn begin(&self, what: &Line) -> ProgressBar {
        let style = ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {wide_msg}");
        let line = match &self.total {
            Some(total) => self.lines.insert_before(total, ProgressBar::new_spinner()),
            None => self.lines.add(ProgressBar::new_spinner()),
        };
        line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        // The rest of the line is the time, and what is done now.
        let room = width_of_notes().unwrap_or(USUAL_WIDTH).saturating_sub(30);
        line.set_prefix(wrapped(what, room).swap_remove(0));
        line.enable_steady_tick(Duration::from_millis(120));
        line
    }
}

/// What the live line of a phase is called.
fn phase_name(task: Option<&TaskId>, phase: Phase) -> String {
    format!("{} {}", task.map(TaskId::as_str).unwrap_or_default(), phase.as_str())
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
