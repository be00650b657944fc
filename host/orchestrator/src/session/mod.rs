//! One session, from intake to report.

mod attempt;
mod board;
mod clones;
mod desk;
mod execution;
mod finish;
mod host;
mod intake;
mod integrate;
mod money;
mod share;
mod task;
mod verdict;

use crate::{Broken, Orchestrator, Site, StopSignal, effects::Effects};
use board::Board;
use cyrus_core::{
    Change, Lease, Observer, Session, SessionEvent, SessionOutcome, SessionReport, SessionState,
    Snapshot, StoreError,
};
use desk::Desk;
use finish::{Conclusion, Found};
use futures::{StreamExt as _, stream::FuturesUnordered};
use intake::Known;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

impl Orchestrator {
    /// Takes a session in and works on it to its end, or until it is stopped.
    ///
    /// # Errors
    ///
    /// When nothing can be written down, or somebody else has taken the session over. Everything else that goes wrong
    /// is in the report.
    pub async fn start(
        &self,
        session: &Session,
        site: &Site,
        observer: Arc<dyn Observer>,
        stop: StopSignal,
    ) -> Result<SessionReport, StoreError> {
        let lease = self.ports.store.open(session).await?;
        let run = Run { orchestrator: self, site, observer, stop, resumed: false };
        run.go(lease, session, Box::default()).await
    }

    /// Goes on with a session that was taken from the store.
    ///
    /// # Errors
    ///
    /// As [`Orchestrator::start`].
    pub async fn resume(
        &self,
        lease: Lease,
        snapshot: Snapshot,
        site: &Site,
        observer: Arc<dyn Observer>,
        stop: StopSignal,
    ) -> Result<SessionReport, StoreError> {
        let run = Run { orchestrator: self, site, observer, stop, resumed: true };
        let (session, past) = Past::of(snapshot);
        run.go(lease, &session, past).await
    }
}

/// What there is of a session from a time before.
#[derive(Default)]
struct Past {
    board: Board,
    found: Found,
    known: Known,
    /// How long it was worked on.
    taken: Duration,
}

impl Past {
    fn of(snapshot: Snapshot) -> (Session, Box<Self>) {
        let Snapshot { session, state, analysis, plan, tasks, executions, .. } = snapshot;
        let board = Board::of(tasks, executions, snapshot.progress);
        let found = Found::of(snapshot.verdict);
        let taken = taken(&board, snapshot.report.as_ref());
        let is_paused = state == SessionState::Paused;
        let known = Known { analysis, is_planned: plan.is_some(), is_paused };
        (session, Box::new(Self { board, found, known, taken }))
    }
}

/// How long a session was worked on so far: as its last report says, and where a process left none, at least as long as
/// its longest execution.
fn taken(board: &Board, report: Option<&SessionReport>) -> Duration {
    let executions = board.executions().filter_map(|record| record.report.as_ref());
    let longest = executions.map(|report| report.duration_ms).max().unwrap_or_default();
    let reported = report.map_or(0, |report| report.duration_ms);
    Duration::from_millis(reported.max(longest))
}

/// Work on one session by this process.
struct Run<'a> {
    orchestrator: &'a Orchestrator,
    site: &'a Site,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
    resumed: bool,
}

impl Run<'_> {
    async fn go(
        self,
        lease: Lease,
        session: &Session,
        past: Box<Past>,
    ) -> Result<SessionReport, StoreError> {
        let clock = &self.orchestrator.ports.clock;
        let begun = clock.elapsed();
        self.observer.on_event(SessionEvent::SessionStarted {
            session: session.id.clone(),
            title: session.issue.title.clone(),
            repository: session.base.path.clone(),
            base_commit: session.base.repository.base_commit.clone(),
            resumed: self.resumed,
        });
        let Past { board, mut found, known, taken: before } = unboxed(past);
        let mut desk = self.desk(session, lease, Arc::new(Mutex::new(board)));
        let conclusion = match work(&mut desk, known, &mut found).await {
            Ok(conclusion) => conclusion,
            Err(Broken::Store(error)) => return Err(error),
            Err(error) => Conclusion::failed(error.to_string()),
        };
        let taken = before + clock.elapsed().saturating_sub(begun);
        let report = found.report(&desk, conclusion, taken).await?;
        let state = SessionState::of(report.outcome);
        if state != SessionState::Paused {
            // Before the end is written down: a session that is over is not looked at again. Whoever has taken it over
            // needs what is shared.
            self.orchestrator.ports.store.check(&desk.lease).await?;
            desk.unshare().await;
        }
        let kept = Some(Box::new(report.clone()));
        self.orchestrator.ports.store.commit(&desk.lease, vec![Change::State(state, kept)]).await?;
        desk.tidy(report.outcome).await;
        desk.tell(SessionEvent::SessionFinished(Box::new(report.clone())));
        Ok(report)
    }

    fn desk<'d>(
        &'d self,
        session: &'d Session,
        lease: Lease,
        board: Arc<Mutex<Board>>,
    ) -> Desk<'d> {
        let store = Arc::clone(&self.orchestrator.ports.store);
        let budget = self.site.budget_of(session.limits.max_cost);
        Desk {
            orchestrator: self.orchestrator,
            session,
            site: self.site,
            effects: Effects::new(store, lease.clone(), self.resumed),
            lease,
            observer: Arc::clone(&self.observer),
            stop: self.stop.clone(),
            analysis: intake::analysis(session, self.site),
            selection: self.site.selection_under(&budget),
            budget,
            checks: Vec::new(),
            released: Mutex::default(),
            settled: tokio::sync::Notify::new(),
            merging: tokio::sync::Mutex::default(),
            clones: Mutex::default(),
            sharing: share::Sharing::default(),
            phases: Mutex::default(),
            board,
        }
    }
}

/// What a box held, without the box: one that is moved out of where it is stays until the end of its scope, which is as
/// long as a session waits.
#[expect(clippy::boxed_local, reason = "being rid of the box is what it is for")]
fn unboxed<T>(boxed: Box<T>) -> T {
    *boxed
}

/// The steps that are large and soon over have a place of their own each: sessions wait for days, by the thousand, and
/// nothing is kept for a step that is not under way.
async fn work(desk: &mut Desk<'_>, known: Known, found: &mut Found) -> Result<Conclusion, Broken> {
    let is_planned = known.is_planned;
    let unwritten = Box::pin(intake::take_in(desk, known)).await?;
    let desk = &*desk;
    if !is_planned && let Some(ended) = Box::pin(intake::plan(desk, unwritten)).await? {
        return Ok(ended);
    }
    loop {
        tasks(desk).await?;
        let conclude = Box::pin(finish::conclude(desk, found));
        match desk.unless_stopped(None, conclude).await {
            Some(concluded) => {
                if let Some(conclusion) = concluded? {
                    return Ok(conclusion);
                }
            }
            None => return Ok(Conclusion::new(SessionOutcome::Paused)),
        }
    }
}

/// Works on all tasks that can be worked on, as many at once as there are slots.
async fn tasks(desk: &Desk<'_>) -> Result<(), Broken> {
    let mut running = FuturesUnordered::new();
    loop {
        if desk.stop.asked().is_none() {
            let ready = desk.board().take_ready();
            let work = |planned| Box::pin(task::work(desk, planned));
            running.extend(ready.into_iter().map(work));
        }
        match running.next().await {
            Some(ended) => drop(ended?),
            None => return Ok(()),
        }
    }
}
