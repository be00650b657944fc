//! What a session knows of its tasks, in memory: the same as the store has.

use cyrus_core::{
    Collected, ExecutionRecord, ExecutionReport, PlannedTask, Progress, TaskOrigin, TaskRecord,
    TaskState, ValidationReport,
};
use cyrus_executor::{TaskId, Usage};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// A task and where it stands. Whoever works on it has the task itself too, for as long as that takes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) planned: Arc<PlannedTask>,
    pub(super) state: TaskState,
}

/// The tasks of a session, their attempts, and how far the session has come.
#[derive(Debug, Default)]
pub(super) struct Board {
    tasks: Vec<Entry>,
    places: HashMap<TaskId, usize>,
    /// For each task, the tasks that come after it.
    next: HashMap<TaskId, Vec<TaskId>>,
    /// For each task that waits, how many of those it comes after are not done.
    missing: HashMap<TaskId, usize>,
    /// Tasks of the plan that wait for nothing but their turn.
    ready: BTreeSet<usize>,
    executions: HashMap<TaskId, Vec<ExecutionRecord>>,
    order: Vec<(TaskId, usize)>,
    pub(super) progress: Progress,
}

impl Board {
    /// The board as the store has it.
    pub(super) fn of(
        tasks: Vec<TaskRecord>,
        executions: Vec<ExecutionRecord>,
        progress: Progress,
    ) -> Self {
        let mut board = Self { progress, ..Self::default() };
        board.expect(tasks.len());
        for task in tasks {
            board.add(task);
        }
        for record in executions {
            board.begin(record);
        }
        board
    }

    /// Makes room for so many tasks more, and no larger: most sessions have one.
    pub(super) fn expect(&mut self, tasks: usize) {
        self.tasks.reserve_exact(tasks);
    }

    /// Adds a task. One that is known already stays as it is.
    pub(super) fn add(&mut self, record: TaskRecord) {
        let id = record.planned.id().clone();
        if self.places.contains_key(&id) {
            return;
        }
        let place = self.tasks.len();
        self.places.insert(id.clone(), place);
        let done = |id: &TaskId| {
            self.state(id).is_some_and(|state| matches!(state, TaskState::Done { .. }))
        };
        let missing = record.planned.after.iter().filter(|id| !done(id)).count();
        for before in &record.planned.after {
            self.next.entry(before.clone()).or_default().push(id.clone());
        }
        if !record.state.is_over() {
            self.missing.insert(id, missing);
            // The others are worked on by the task that they are for.
            let own =
                matches!(record.planned.origin, TaskOrigin::Planned | TaskOrigin::Mend { .. });
            if missing == 0 && own {
                self.ready.insert(place);
            }
        }
        let TaskRecord { planned, state } = record;
        self.tasks.push(Entry { planned: Arc::new(planned), state });
    }

    pub(super) fn tasks(&self) -> &[Entry] {
        &self.tasks
    }

    pub(super) fn task(&self, id: &TaskId) -> Option<&Entry> {
        self.places.get(id).and_then(|place| self.tasks.get(*place))
    }

    pub(super) fn state(&self, id: &TaskId) -> Option<&TaskState> {
        self.task(id).map(|record| &record.state)
    }

    /// Takes the tasks that can begin and have not been taken.
    pub(super) fn take_ready(&mut self) -> Vec<Arc<PlannedTask>> {
        let ready = std::mem::take(&mut self.ready);
        ready
            .into_iter()
            .filter_map(|place| Some(Arc::clone(&self.tasks.get(place)?.planned)))
            .collect()
    }

    /// Sets where a task stands. Answers the tasks that can never begin because of it, which are blocked now.
    pub(super) fn set(&mut self, id: &TaskId, state: TaskState) -> Vec<(TaskId, TaskState)> {
        let done = matches!(state, TaskState::Done { .. });
        let lost = state.is_over() && !done;
        if let Some(record) = self.places.get(id).and_then(|place| self.tasks.get_mut(*place)) {
            record.state = state;
        }
        self.missing.remove(id);
        let next = self.next.get(id).cloned().unwrap_or_default();
        let mut blocked = Vec::new();
        for id_after in next {
            if done {
                self.one_less(&id_after);
            } else if lost && self.missing.contains_key(&id_after) {
                let state = TaskState::Blocked { by: id.clone() };
                blocked.push((id_after.clone(), state.clone()));
                blocked.extend(self.set(&id_after, state));
            }
        }
        blocked
    }

    fn one_less(&mut self, id: &TaskId) {
        if let Some(missing) = self.missing.get_mut(id) {
            *missing = missing.saturating_sub(1);
            if *missing == 0
                && let Some(place) = self.places.get(id)
            {
                self.ready.insert(*place);
            }
        }
    }

    pub(super) fn attempts(&self, task: &TaskId) -> &[ExecutionRecord] {
        self.executions.get(task).map_or(&[], Vec::as_slice)
    }

    /// The commit that the clone of a task's last attempt started from, and the token it was made under.
    pub(super) fn started(&self, task: &TaskId) -> Option<(String, u64)> {
        self.attempts(task).last().map(|record| (record.start.clone(), record.token))
    }

    /// All attempts, in the order they began.
    pub(super) fn executions(&self) -> impl Iterator<Item = &ExecutionRecord> {
        self.order.iter().filter_map(|(task, place)| self.executions.get(task)?.get(*place))
    }

    /// Whether an attempt is under way.
    pub(super) fn is_at_work(&self) -> bool {
        self.executions().any(|record| record.report.is_none())
    }

    pub(super) fn begin(&mut self, record: ExecutionRecord) {
        // Records are large, and most tasks have one.
        let attempts =
            self.executions.entry(record.task.clone()).or_insert_with(|| Vec::with_capacity(1));
        self.order.push((record.task.clone(), attempts.len()));
        attempts.push(record);
    }

    fn last(&mut self, execution: &str, task: &TaskId) -> Option<&mut ExecutionRecord> {
        let attempts = self.executions.get_mut(task)?;
        attempts.iter_mut().rev().find(|record| record.id == execution)
    }

    pub(super) fn checkpoint(&mut self, task: &TaskId, execution: &str, token: String) {
        if let Some(record) = self.last(execution, task) {
            record.checkpoint = Some(token);
        }
    }

    pub(super) fn spent(&mut self, task: &TaskId, execution: &str, usage: Usage) {
        if let Some(record) = self.last(execution, task) {
            record.usage = usage;
        }
    }

    pub(super) fn ended(&mut self, report: Arc<ExecutionReport>) {
        if let Some(record) = self.last(&report.id.clone(), &report.task.clone()) {
            record.report = Some(report);
        }
    }

    pub(super) fn collected(&mut self, task: &TaskId, execution: &str, collected: Collected) {
        if let Some(record) = self.last(execution, task) {
            record.collected = Some(collected);
        }
    }

    pub(super) fn verdict(&mut self, task: &TaskId, execution: &str, report: ValidationReport) {
        if let Some(record) = self.last(execution, task) {
            record.verdict = Some(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_executor::{Task, TaskKind};

    fn id(name: &str) -> TaskId {
        name.parse().unwrap()
    }

    fn board(tasks: &[(&str, &[&str])]) -> Board {
        let mut board = Board::default();
        for (name, after) in tasks {
            let task = Task {
                id: id(name),
                kind: TaskKind::BUILDER,
                title: String::new(),
                prompt: "p".into(),
            };
            let after = after.iter().map(|name| id(name)).collect();
            let planned = PlannedTask { after, ..PlannedTask::new(task) };
            board.add(TaskRecord { planned, state: TaskState::Waiting });
        }
        board
    }

    fn ready(board: &mut Board) -> Vec<String> {
        board.take_ready().iter().map(|task| task.id().to_string()).collect()
    }

    const DONE: TaskState = TaskState::Done { commit: None };

    #[test]
    fn a_task_is_ready_once_when_all_before_it_are_done() {
        let mut board = board(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"]), ("d", &[])]);
        assert_eq!(ready(&mut board), ["a", "d"]);
        assert!(ready(&mut board).is_empty());
        board.set(&id("a"), DONE);
        assert_eq!(ready(&mut board), ["b"]);
        board.set(&id("b"), DONE);
        assert_eq!(ready(&mut board), ["c"]);
    }

    #[test]
    fn what_comes_after_a_failure_is_blocked_all_the_way_down() {
        let mut board = board(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &[])]);
        ready(&mut board);
        let blocked = board.set(&id("a"), TaskState::Failed { reason: "no".into() });
        let by = |by: &str| TaskState::Blocked { by: id(by) };
        assert_eq!(blocked, [(id("b"), by("a")), (id("c"), by("b"))]);
        assert!(ready(&mut board).is_empty());
        assert_eq!(board.state(&id("d")), Some(&TaskState::Waiting));
    }
}
