use super::listed::Listed;
use cyrus_core::{
    Change, EffectRecord, EffectState, ExecutionRecord, LogLine, Plan, PlannedTask, Progress,
    Session, SessionEvent, SessionReport, SessionState, Snapshot, StoreError, TaskRecord,
    TaskState, ValidationReport,
};
use cyrus_executor::{StopMode, TaskId, TaskKind};
use std::collections::{BTreeSet, HashSet, VecDeque};

/// Lines of one session's log that are kept; older ones are dropped first.
const LOG_LINES: usize = 2000;

/// Everything about one session.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) session: Session,
    pub(crate) state: SessionState,
    /// Goes up each time somebody takes hold of it.
    pub(crate) token: u64,
    /// The number of whoever holds it.
    pub(crate) holder: Option<u64>,
    pub(crate) stop: Option<StopMode>,
    pub(crate) cancelled: BTreeSet<TaskId>,
    analysis: Option<cyrus_core::Analysis>,
    plan: Option<Plan>,
    tasks: Listed<TaskRecord>,
    pub(crate) executions: Listed<ExecutionRecord>,
    progress: Progress,
    verdict: Option<(String, ValidationReport)>,
    pub(crate) effects: Listed<EffectRecord>,
    report: Option<SessionReport>,
    log: VecDeque<LogLine>,
    lines: u64,
}

impl Record {
    pub(crate) fn new(session: Session, holder: u64) -> Self {
        Self {
            session,
            state: SessionState::Running,
            token: 1,
            holder: Some(holder),
            stop: None,
            cancelled: BTreeSet::new(),
            analysis: None,
            plan: None,
            tasks: Listed::default(),
            executions: Listed::default(),
            progress: Progress::default(),
            verdict: None,
            effects: Listed::default(),
            report: None,
            log: VecDeque::new(),
            lines: 0,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let open = |effect: &&EffectRecord| !matches!(effect.state, EffectState::Done(_));
        Snapshot {
            session: self.session.clone(),
            state: self.state,
            analysis: self.analysis.clone(),
            plan: self.plan.clone(),
            tasks: self.tasks.all().to_vec(),
            executions: self.executions.all().to_vec(),
            progress: self.progress.clone(),
            verdict: self.verdict.clone(),
            open_effects: self.effects.all().iter().filter(open).cloned().collect(),
            report: self.report.clone(),
        }
    }

    pub(crate) fn log(&mut self, events: Vec<SessionEvent>) {
        for event in events {
            self.lines += 1;
            self.log.push_back(LogLine { number: self.lines, at: None, event });
            if self.log.len() > LOG_LINES {
                self.log.pop_front();
            }
        }
    }

    pub(crate) fn log_lines(&self, after: u64, most: usize) -> Vec<LogLine> {
        self.log.iter().filter(|line| line.number > after).take(most).cloned().collect()
    }

    /// Takes note that somebody wants a task cancelled.
    pub(crate) fn cancel(&mut self, task: &TaskId) -> Result<(), StoreError> {
        if !self.tasks.contains(task.as_str()) {
            let session = self.session.id.clone();
            return Err(StoreError::UnknownTask { session, task: task.clone() });
        }
        self.cancelled.insert(task.clone());
        Ok(())
    }

    /// The kind of a task, as far as it is known.
    pub(crate) fn kind(&self, task: &TaskId) -> Option<&TaskKind> {
        self.tasks.get(task.as_str()).map(|record| record.planned.kind())
    }

    /// Refuses changes to what does not exist, before any of them is made.
    pub(crate) fn admits(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut begun = HashSet::new();
        let mut planned = HashSet::new();
        let mut intended = HashSet::new();
        for change in changes {
            match change {
                Change::Planned(plan) => planned.extend(plan.tasks.iter().map(PlannedTask::id)),
                Change::Task(record) => {
                    planned.insert(record.planned.id());
                }
                Change::TaskState(task, _) => {
                    if !planned.contains(task) && self.kind(task).is_none() {
                        return Err(missing(format!("there is no task {task}")));
                    }
                }
                Change::Begin(record) => {
                    begun.insert(record.id.as_str());
                }
                Change::Checkpoint { execution, .. }
                | Change::Spent { execution, .. }
                | Change::Collected(execution, _)
                | Change::Verdict(execution, _) => self.knows(&begun, execution)?,
                Change::Ended(report) => self.knows(&begun, &report.id)?,
                Change::Intend(effect) => {
                    intended.insert(effect.key.as_str());
                }
                Change::Effect(key, _) => {
                    if !self.effects.contains(key) && !intended.contains(key.as_str()) {
                        return Err(missing(format!("nobody intended the effect {key:?}")));
                    }
                }
                Change::Analysed(_)
                | Change::Reserve(_)
                | Change::Settle(..)
                | Change::Progress(_)
                | Change::Merged(..)
                | Change::State(..)
                | Change::Remove => {}
            }
        }
        Ok(())
    }

    fn knows(&self, begun: &HashSet<&str>, execution: &str) -> Result<(), StoreError> {
        let known = begun.contains(execution) || self.executions.contains(execution);
        known.then_some(()).ok_or_else(|| StoreError::UnknownExecution(execution.to_owned()))
    }

    /// Makes a change that was admitted. Those of the ledger are made elsewhere. Answers the execution whose record
    /// is another now.
    pub(crate) fn apply(&mut self, change: Change) -> Option<String> {
        match change {
            Change::Analysed(analysis) => self.analysis = Some(analysis),
            Change::Planned(plan) => {
                for planned in plan.tasks.clone() {
                    self.put_task(TaskRecord { planned, state: TaskState::Waiting });
                }
                self.plan = Some(plan);
            }
            Change::Task(record) => self.put_task(record),
            Change::TaskState(task, state) => {
                if let Some(record) = self.tasks.get_mut(task.as_str()) {
                    record.state = state;
                }
            }
            Change::Begin(record) => {
                let id = record.id.clone();
                self.executions.put(&id, *record);
                return Some(id);
            }
            Change::Checkpoint { execution, token } => {
                return Some(
                    self.on_execution(execution, |record| record.checkpoint = Some(token)),
                );
            }
            Change::Spent { execution, usage } => {
                return Some(self.on_execution(execution, |record| record.usage = usage));
            }
            Change::Ended(report) => {
                let id = report.id.clone();
                return Some(self.on_execution(id, |record| record.report = Some(report)));
            }
            Change::Collected(execution, collected) => {
                return Some(
                    self.on_execution(execution, |record| record.collected = Some(collected)),
                );
            }
            Change::Verdict(execution, verdict) => {
                return Some(self.on_execution(execution, |record| record.verdict = Some(verdict)));
            }
            Change::Intend(effect) => self.intend(effect),
            Change::Effect(key, state) => {
                if let Some(effect) = self.effects.get_mut(&key) {
                    effect.state = state;
                }
            }
            Change::Progress(progress) => self.progress = progress,
            Change::Merged(commit, report) => self.verdict = Some((commit, report)),
            Change::State(state, report) => self.stand(state, report.map(|report| *report)),
            Change::Reserve(_) | Change::Settle(..) | Change::Remove => {}
        }
        None
    }

    fn put_task(&mut self, record: TaskRecord) {
        let id = record.planned.id().clone();
        self.cancelled.remove(&id);
        self.tasks.put(id.as_str(), record);
    }

    fn on_execution(&mut self, id: String, change: impl FnOnce(&mut ExecutionRecord)) -> String {
        self.executions.get_mut(&id).map(change);
        id
    }

    fn intend(&mut self, effect: EffectRecord) {
        if !self.effects.contains(&effect.key) {
            self.effects.put(&effect.key.clone(), effect);
        }
    }

    fn stand(&mut self, state: SessionState, report: Option<SessionReport>) {
        self.state = state;
        self.report = report.or_else(|| self.report.take());
        if state != SessionState::Running {
            self.holder = None;
            self.stop = None;
        }
    }
}

/// Something that has to be there is not.
pub(crate) fn missing(cause: String) -> StoreError {
    StoreError::Storage { place: "memory".to_owned(), action: "written", cause }
}
