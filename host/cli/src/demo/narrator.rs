use crate::output::{Teller, piece, print_all, say, table};
use cyrus_core::{
    Excluded, ExecutionReport, Plan, Receipt, SessionEvent, Standing, TaskOrigin, TaskState,
    ValidationReport, ValidationVerdict,
};
use cyrus_executor::{Line, TaskId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    time::{Duration, Instant},
};

/// Tells what a viewer should see, as it happens: the plan, who has each task and why, and what goes wrong and is
/// mended.
pub(super) struct Narrator {
    begun: Instant,
    /// Who had each task last.
    had: BTreeMap<TaskId, String>,
    /// Tasks whose result did not pass.
    sent_back: BTreeSet<TaskId>,
    /// The tasks whose conflict each of these resolves.
    conflicts: BTreeMap<TaskId, TaskId>,
}

impl Narrator {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            had: BTreeMap::new(),
            sent_back: BTreeSet::new(),
            conflicts: BTreeMap::new(),
        }
    }
}

impl Teller for Narrator {
    fn tell(&mut self, event: SessionEvent) {
        if let SessionEvent::Planned(plan) = &event {
            print_all(&planned(plan));
            say!("");
        }
        let at = self.begun.elapsed();
        for line in self.lines(&event) {
            say!("  {:>6}  {line}", seconds(at));
        }
    }
}

impl Narrator {
    /// What there is to say of an event.
    fn lines(&mut self, event: &SessionEvent) -> Vec<String> {
        match event {
            SessionEvent::SessionStarted { .. } => {
                self.begun = Instant::now();
                Vec::new()
            }
            SessionEvent::ExecutorChosen { task, receipt } => self.chosen(task, receipt),
            SessionEvent::ExecutionFinished(report) => failed(report).into_iter().collect(),
            SessionEvent::TaskValidated { task, report } => self.validated(task, report),
            SessionEvent::TaskAdded(added) => {
                if let TaskOrigin::Conflict { of, .. } = &added.origin {
                    self.conflicts.insert(added.id().clone(), of.clone());
                    let conflicts = "passed, but conflicts with what was merged before: that is a task of its own";
                    return vec![told(of, &format!("{conflicts}, {}", added.id()))];
                }
                vec![told(added.id(), &format!("added: {}", piece(&added.task.title)))]
            }
            SessionEvent::TaskMerged { task, .. } => vec![told(task, "merged")],
            SessionEvent::TaskChanged { task, state } => self.changed(task, state),
            SessionEvent::TaskWaits { task, time, because } => {
                vec![told(task, &format!("waits {}: {}", seconds(*time), piece(because)))]
            }
            SessionEvent::Warning { message } => vec![told(&"note", piece(message).as_str())],
            _ => Vec::new(),
        }
    }

    fn chosen(&mut self, task: &TaskId, receipt: &Receipt) -> Vec<String> {
        let Some(executor) = &receipt.chosen else {
            return vec![told(
                task,
                &format!("nobody can have it now: {}", piece(&receipt.because)),
            )];
        };
        let line = receipt.considered.iter().find(|line| line.executor == *executor);
        let placement = line.map(|line| format!(" ({})", line.placement)).unwrap_or_default();
        let again = self.had.insert(task.clone(), executor.clone()).as_ref() == Some(executor);
        if again {
            let why = if self.sent_back.contains(task) {
                ", with what was found".to_owned()
            } else {
                format!(": {}", piece(&receipt.because))
            };
            return vec![told(task, &format!("goes back to {executor}{placement}{why}"))];
        }
        let out = receipt.considered.iter().filter_map(|line| match &line.excluded {
            Some(Excluded::Tried { .. }) => Some(format!("{} was tried", line.executor)),
            Some(out @ Excluded::Marked { .. }) => Some(format!("{} is {out}", line.executor)),
            _ => None,
        });
        let out: Vec<_> = out.collect();
        let falls = line.is_some_and(|line| line.standing == Some(Standing::Fallback));
        if falls && !out.is_empty() {
            let out = piece(&out.join("; "));
            return vec![told(task, &format!("falls back to {executor}{placement}: {out}"))];
        }
        let because = piece(&receipt.because);
        vec![told(task, &format!("goes to {executor}{placement}: {because}"))]
    }

    fn validated(&mut self, task: &TaskId, report: &ValidationReport) -> Vec<String> {
        match report.verdict {
            ValidationVerdict::Failed => {
                self.sent_back.insert(task.clone());
                let why = report.findings.first().map(|found| piece(&found.message));
                let printed = report.checks.iter().flat_map(|check| check.output.lines());
                let failing = printed
                    .filter(|line| line.starts_with("FAIL"))
                    .map(|line| format!(" | {}", piece(line)));
                let failing: String = failing.collect();
                vec![told(task, &format!("did not pass: {}{failing}", why.unwrap_or_default()))]
            }
            ValidationVerdict::Passed if self.sent_back.remove(task) => {
                vec![told(task, "passes now")]
            }
            _ => Vec::new(),
        }
    }

    fn changed(&self, task: &TaskId, state: &TaskState) -> Vec<String> {
        let what = match state {
            TaskState::Done { .. } => match self.conflicts.get(task) {
                Some(of) => format!("the conflict of {of} is resolved"),
                None => return Vec::new(),
            },
            TaskState::Failed { reason } => format!("failed: {}", piece(reason)),
            TaskState::Held { reason } => format!("held: {}", piece(reason)),
            TaskState::Blocked { by } => format!("blocked by {by}"),
            TaskState::Cancelled => "cancelled".to_owned(),
            TaskState::Waiting | TaskState::Active => return Vec::new(),
        };
        vec![told(task, &what)]
    }
}

fn failed(report: &ExecutionReport) -> Option<String> {
    let error = piece(&report.error.as_ref()?.to_string());
    Some(told(&report.task, &format!("{} failed: {error}", report.executor)))
}

/// What there is to say of something, behind its name.
fn told(of: &dyn Display, what: &str) -> String {
    // Some names are longer than this; most are not.
    format!("{:<8}  {what}", of.to_string())
}

/// The plan, a line for each task.
fn planned(plan: &Plan) -> Vec<Line> {
    let rows = plan.tasks.iter().map(|task| {
        let after: Vec<_> = task.after.iter().map(TaskId::as_str).collect();
        let after =
            if after.is_empty() { String::new() } else { format!("after {}", after.join(", ")) };
        vec![String::new(), task.id().to_string(), piece(&task.task.title).into(), after]
    });
    table(&rows.collect::<Vec<_>>())
}

/// A time for people, in tenths of a second.
pub(super) fn seconds(time: Duration) -> String {
    format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100)
}
