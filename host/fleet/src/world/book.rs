use super::Violation;
use cyrus_core::{
    CapKind, Change, Heading, Lease, Reservation, Session, SessionId, SessionReport, SessionState,
    TaskRecord, TaskState,
};
use cyrus_executor::{MicroUsd, TaskId};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

/// What was seen to be written down: the world's own account of it, kept apart from the store's.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) sessions: BTreeMap<SessionId, Page>,
    executions: HashMap<String, Attempt>,
    held: HashMap<Heading, MicroUsd>,
}

/// What was written of one session.
#[derive(Debug)]
pub(crate) struct Page {
    repository: PathBuf,
    pub(crate) state: SessionState,
    pub(crate) tasks: Vec<TaskRecord>,
    pub(crate) report: Option<SessionReport>,
}

/// What was written of one execution.
#[derive(Debug)]
struct Attempt {
    session: SessionId,
    task: TaskId,
    stage: Stage,
    reserved: Option<Reservation>,
    settled: bool,
}

/// How far an execution was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Only its money.
    Reserved,
    Begun,
    Ended,
    /// Ended, and nobody can know what it did.
    Uncertain,
}

impl Book {
    /// A session was taken in.
    pub(crate) fn opened(&mut self, session: &Session) {
        let repository = session.base.path.clone();
        let state = SessionState::Running;
        let page = Page { repository, state, tasks: Vec::new(), report: None };
        self.sessions.entry(session.id.clone()).or_insert(page);
    }

    /// The session and task of an execution that was written down and has not ended, or may have.
    pub(crate) fn begun(
        &self,
        execution: &str,
        may_have_ended: bool,
    ) -> Option<(&SessionId, &TaskId)> {
        let begun = |attempt: &&Attempt| {
            attempt.stage == Stage::Begun || (may_have_ended && attempt.stage != Stage::Reserved)
        };
        let attempt = self.executions.get(execution).filter(begun)?;
        Some((&attempt.session, &attempt.task))
    }

    /// The repository that a session works in.
    pub(crate) fn repository(&self, session: &SessionId) -> PathBuf {
        self.sessions.get(session).map(|page| page.repository.clone()).unwrap_or_default()
    }

    /// What a task has to start from: the commits of the tasks it comes after. One that has none although it should
    /// is answered as an empty text.
    pub(crate) fn results_before(
        &self,
        session: &SessionId,
        task: &TaskId,
    ) -> Vec<(TaskId, String)> {
        let tasks =
            self.sessions.get(session).map(|page| page.tasks.as_slice()).unwrap_or_default();
        let find = |id: &TaskId| tasks.iter().find(|record| record.planned.id() == id);
        let Some(record) = find(task) else { return Vec::new() };
        let result = |id: &TaskId| match find(id).map(|record| &record.state) {
            Some(TaskState::Done { commit: Some(commit) }) => Some((id.clone(), commit.clone())),
            Some(TaskState::Done { commit: None }) => None,
            _ => Some((id.clone(), String::new())),
        };
        record.planned.after.iter().filter_map(result).collect()
    }

    /// The executions of a session whose money is set aside still, those apart of which nobody can know what they
    /// cost.
    pub(crate) fn reserved(&self, session: &SessionId) -> usize {
        let open = |attempt: &&Attempt| {
            let held =
                attempt.reserved.is_some() && !attempt.settled && attempt.stage != Stage::Uncertain;
            attempt.session == *session && held
        };
        self.executions.values().filter(open).count()
    }

    /// Takes note of a commit that the store has made. Answers what must not have happened.
    pub(crate) fn note(&mut self, lease: &Lease, changes: &[Change]) -> Vec<Violation> {
        let mut violations = Vec::new();
        for change in changes {
            match change {
                Change::Reserve(reservation) => violations.extend(self.reserve(reservation)),
                Change::Settle(execution, settlement) => self.settle(execution, settlement.amount),
                Change::Begin(record) => {
                    let attempt = self.attempt(&record.id, &record.session, &record.task);
                    attempt.stage = Stage::Begun;
                }
                Change::Ended(report) => {
                    if let Some(attempt) = self.executions.get_mut(&report.id) {
                        let kind = report.error.as_ref().map(|error| error.kind.as_str());
                        let uncertain = kind.as_deref() == Some("uncertain");
                        attempt.stage = if uncertain { Stage::Uncertain } else { Stage::Ended };
                    }
                }
                change => {
                    if let Some(page) = self.sessions.get_mut(&lease.session) {
                        page.note(change);
                    }
                }
            }
        }
        violations
    }

    fn attempt(&mut self, id: &str, session: &SessionId, task: &TaskId) -> &mut Attempt {
        self.executions.entry(id.to_owned()).or_insert_with(|| Attempt {
            session: session.clone(),
            task: task.clone(),
            stage: Stage::Reserved,
            reserved: None,
            settled: false,
        })
    }

    /// Money was set aside: under every cap, what is held has to fit.
    fn reserve(&mut self, reservation: &Reservation) -> Option<Violation> {
        let Reservation { execution, session, task, .. } = reservation;
        let attempt = self.attempt(execution, session, task);
        let before = attempt.reserved.replace(reservation.clone());
        attempt.settled = false;
        if let Some(before) = before {
            self.hold(&before, |held| held.saturating_sub(before.amount));
        }
        self.hold(reservation, |held| held + reservation.amount);
        headings(reservation).into_iter().find_map(|(cap, heading, limit)| {
            let (total, limit) = (self.held.get(&heading).copied().unwrap_or_default(), limit?);
            (total > limit).then_some(Violation::OverBudget { cap, total, limit })
        })
    }

    /// What it came to takes the place of what was set aside. What is above that is the execution's own overshoot.
    fn settle(&mut self, execution: &str, amount: MicroUsd) {
        let Some(attempt) = self.executions.get_mut(execution).filter(|a| !a.settled) else {
            return;
        };
        attempt.settled = true;
        let Some(reservation) = attempt.reserved.clone() else { return };
        let spared = reservation.amount.saturating_sub(amount);
        self.hold(&reservation, |held| held.saturating_sub(spared));
    }

    fn hold(&mut self, under: &Reservation, change: impl Fn(MicroUsd) -> MicroUsd) {
        for (_, heading, _) in headings(under) {
            let held = self.held.entry(heading).or_default();
            *held = change(*held);
        }
    }
}

fn headings(reservation: &Reservation) -> [(CapKind, Heading, Option<MicroUsd>); 4] {
    let Reservation { session, task, executor, day, caps, .. } = reservation;
    [
        (CapKind::Task, Heading::Task(session.clone(), task.clone()), caps.task),
        (CapKind::Session, Heading::Session(session.clone()), caps.session),
        (CapKind::Executor, Heading::Executor(executor.clone(), *day), caps.executor),
        (CapKind::Day, Heading::Day(*day), caps.day),
    ]
}

impl Page {
    fn note(&mut self, change: &Change) {
        match change {
            Change::Planned(plan) => {
                for planned in &plan.tasks {
                    let state = TaskState::Waiting;
                    self.put(TaskRecord { planned: planned.clone(), state });
                }
            }
            Change::Task(record) => self.put(record.clone()),
            Change::TaskState(id, state) => {
                let mut tasks = self.tasks.iter_mut();
                if let Some(record) = tasks.find(|record| record.planned.id() == id) {
                    record.state = state.clone();
                }
            }
            Change::State(state, report) => {
                self.state = *state;
                self.report = report.as_deref().cloned().or_else(|| self.report.take());
            }
            _ => {}
        }
    }

    fn put(&mut self, record: TaskRecord) {
        match self.tasks.iter_mut().find(|known| known.planned.id() == record.planned.id()) {
            Some(known) => *known = record,
            None => self.tasks.push(record),
        }
    }
}
