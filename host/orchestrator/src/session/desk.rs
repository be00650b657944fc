//! What the parts of one session's work share.

use super::{
    board::{Board, Entry},
    share::Sharing,
    verdict,
};
use crate::{
    Broken, BudgetPolicy, Orchestrator, Planning, Ports, RequestTemplate, SelectionPolicy, Site,
    StopSignal, effects::Effects, plan,
};
use cyrus_core::{
    Analysis, Change, Check, Lease, Observer, Phase, PlannedTask, PreparedWorkspace, Session,
    SessionEvent, SessionOutcome, TaskOrigin, TaskRecord, TaskState,
};
use cyrus_executor::TaskId;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// One session's work: who it is, what it may do, and what is known of it.
pub(super) struct Desk<'a> {
    pub(super) orchestrator: &'a Orchestrator,
    pub(super) session: &'a Session,
    pub(super) site: &'a Site,
    pub(super) lease: Lease,
    pub(super) effects: Effects,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: StopSignal,
    pub(super) analysis: Analysis,
    /// How executors are ranked for this issue.
    pub(super) selection: SelectionPolicy,
    /// What may be spent, on this session too.
    pub(super) budget: BudgetPolicy,
    pub(super) checks: Vec<Check>,
    /// Tasks that were held, and that somebody has looked at since.
    pub(super) released: Mutex<BTreeSet<TaskId>>,
    /// Told of every execution that has ended: what was set aside for it and not used is there for others.
    pub(super) settled: tokio::sync::Notify,
    /// One merge at a time.
    pub(super) merging: tokio::sync::Mutex<()>,
    /// The clones that this process made or found.
    pub(super) clones: Mutex<BTreeMap<(TaskId, u64), Box<PreparedWorkspace>>>,
    pub(super) sharing: Sharing,
    /// How long each phase took so far, all tasks together.
    pub(super) phases: Mutex<BTreeMap<Phase, Duration>>,
    pub(super) board: Arc<Mutex<Board>>,
}

impl Desk<'_> {
    pub(super) fn ports(&self) -> &Ports {
        &self.orchestrator.ports
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: SessionEvent) {
        self.observer.on_event(event);
    }

    pub(super) fn tell_all(&self, events: Vec<SessionEvent>) {
        for event in events {
            self.tell(event);
        }
    }

    /// Does a part of the work, with events of when it begins and ends, and counts its time.
    pub(super) async fn phase<T>(
        &self,
        task: Option<&TaskId>,
        phase: Phase,
        work: impl Future<Output = T>,
    ) -> T {
        let clock = &self.ports().clock;
        let task = task.cloned();
        self.tell(SessionEvent::PhaseStarted { task: task.clone(), phase });
        let begun = clock.elapsed();
        let done = work.await;
        let taken = clock.elapsed().saturating_sub(begun);
        *self.phase_times().entry(phase).or_default() += taken;
        let duration_ms = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
        self.tell(SessionEvent::PhaseFinished { task, phase, duration_ms });
        done
    }

    pub(super) fn phase_times(&self) -> MutexGuard<'_, BTreeMap<Phase, Duration>> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<(), Broken> {
        Ok(self.ports().store.commit(&self.lease, changes).await?)
    }

    /// Refused when somebody else has taken the session over. Asked right before what cannot be called back: writing its
    /// intent down may have taken long.
    pub(super) async fn is_ours(&self) -> Result<(), Broken> {
        Ok(self.ports().store.check(&self.lease).await?)
    }

    /// Does this, unless the session is to stop first, or this task of it. What is dropped then is like what a crash
    /// leaves: the programs that it launched end, and a resumed session takes it up again.
    pub(super) async fn unless_stopped<T>(
        &self,
        task: Option<&TaskId>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut stop = self.stop.clone();
        let stopped = async {
            match task {
                Some(task) => drop(stop.wait(task).await),
                None => stop.stopped().await,
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = stopped => None,
        }
    }

    /// Everything that was merged so far.
    pub(super) fn head(&self) -> String {
        let merged = self.board().progress.head.clone();
        merged.unwrap_or_else(|| self.session.base.repository.base_commit.clone())
    }

    /// Sets where a task stands, with everything that follows from it for others.
    pub(super) async fn set(&self, task: &TaskId, state: TaskState) -> Result<(), Broken> {
        let mut news = Vec::new();
        let changes = self.moved(task, &state, &mut news);
        self.commit(changes).await?;
        self.tell_all(news);
        Ok(())
    }

    /// The same, as changes to be committed together with others. The board has them already; `news` gets what is to be
    /// told once they are committed.
    pub(super) fn moved(
        &self,
        task: &TaskId,
        state: &TaskState,
        news: &mut Vec<SessionEvent>,
    ) -> Vec<Change> {
        let blocked = self.board().set(task, state.clone());
        let all = std::iter::once((task.clone(), state.clone())).chain(blocked);
        all.map(|(task, state)| {
            news.push(SessionEvent::TaskChanged { task: task.clone(), state: state.clone() });
            Change::TaskState(task, state)
        })
        .collect()
    }

    /// Adds a task, unless it was added before, together with these changes.
    pub(super) async fn add(
        &self,
        record: TaskRecord,
        mut with: Vec<Change>,
    ) -> Result<(), Broken> {
        if self.board().task(record.planned.id()).is_none() {
            with.push(Change::Task(record.clone()));
        }
        if with.is_empty() {
            return Ok(());
        }
        self.commit(with).await?;
        self.tell(SessionEvent::TaskAdded(Box::new(record.planned.clone())));
        self.board().add(record);
        Ok(())
    }

    /// Whether the plan is one task, whose result is the whole.
    pub(super) fn is_single(&self) -> bool {
        let board = self.board();
        let planned = |task: &&Entry| task.planned.origin == TaskOrigin::Planned;
        // Asked for each result: no more of a long plan is looked at than it takes.
        board.tasks().iter().filter(planned).take(2).count() == 1
    }

    /// How the session is planned.
    pub(super) fn planning(&self) -> Planning {
        plan(&self.session.issue, &self.analysis, self.session.plan.as_ref(), &self.site.planning)
    }

    /// What an execution of this task is given.
    pub(super) fn template(&self, planned: &PlannedTask) -> RequestTemplate {
        (self.site.template)(planned.kind())
    }

    /// The form that the answer to this task has to have.
    pub(super) fn schema(&self, planned: &PlannedTask) -> Option<Value> {
        match planned.origin {
            TaskOrigin::Review { .. } => Some(verdict::review_schema()),
            TaskOrigin::Planning => match self.planning() {
                Planning::Ask { schema, .. } => Some(schema),
                Planning::Ready(_) => None,
            },
            _ => None,
        }
    }

    /// Removes what nobody needs any more once the session has ended. What stays is no reason to fail.
    pub(super) async fn tidy(&self, outcome: SessionOutcome) {
        let done = matches!(outcome, SessionOutcome::Validated | SessionOutcome::Unverified);
        if !done {
            return;
        }
        let Session { id, base, .. } = self.session;
        let clear = self.ports().workspaces.clear(base, id);
        if let Some(Err(error)) = self.unless_stopped(None, clear).await {
            let message = format!("what the session left behind could not be removed: {error}");
            self.tell(SessionEvent::Warning { message });
        }
    }
}
