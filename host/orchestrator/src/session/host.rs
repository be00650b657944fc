//! What an execution calls back for: the store, the money, and the policy on tools.

use super::{board::Board, desk::Desk};
use crate::{Meter, MeterVerdict, Plausible, ToolPolicy};
use cyrus_core::{Change, ExecutionRecord, Lease, Reservation, SessionStore, StoreError};
use cyrus_executor::{
    Answer, ExecutionHost, HostError, LaunchedProgram, MicroUsd, Question, SpendVerdict, TaskId,
    Usage,
};
use futures::{FutureExt, future::BoxFuture};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The most programs that are named in the record of an execution.
const MOST_PROGRAMS: usize = 64;

/// The other side of one execution.
pub(super) struct DeskHost {
    inner: Arc<Inner>,
    policy: ToolPolicy,
    most: Option<MicroUsd>,
}

struct Inner {
    execution: String,
    task: TaskId,
    lease: Lease,
    store: Arc<dyn SessionStore>,
    board: Arc<Mutex<Board>>,
    /// What is set aside for it, and what it may use.
    money: tokio::sync::Mutex<Money>,
    /// Why it may not go on spending.
    over: watch::Sender<Option<String>>,
    state: Mutex<State>,
}

struct Money {
    reservation: Reservation,
    meter: Meter,
    /// What was set aside at first, or was expected if that is more.
    at_first: MicroUsd,
}

impl Money {
    fn plausible(&self) -> Plausible {
        Plausible::new(self.at_first, self.meter.reserved(), MicroUsd::ZERO)
    }
}

#[derive(Default)]
struct State {
    checkpoint: Option<String>,
    /// What was launched for it, each program once.
    programs: Vec<LaunchedProgram>,
    /// What it claimed to have used that it cannot have.
    implausible: Option<String>,
    /// Nothing more can be written down for it.
    lost: bool,
}

impl DeskHost {
    pub(super) fn new(
        desk: &Desk<'_>,
        record: &ExecutionRecord,
        (reservation, meter, expected): (Reservation, Meter, MicroUsd),
        policy: ToolPolicy,
    ) -> Self {
        let at_first = reservation.amount.max(expected);
        let most = reservation.caps.task.map(|_| reservation.amount);
        let inner = Inner {
            execution: record.id.clone(),
            task: record.task.clone(),
            lease: desk.lease.clone(),
            store: Arc::clone(&desk.ports().store),
            board: Arc::clone(&desk.board),
            money: tokio::sync::Mutex::new(Money { reservation, meter, at_first }),
            over: watch::Sender::new(None),
            state: Mutex::new(State { checkpoint: record.checkpoint.clone(), ..State::default() }),
        };
        Self { inner: Arc::new(inner), policy, most }
    }

    /// What the executor is told that it may spend: advice, which spares it being stopped.
    pub(super) fn most(&self) -> Option<MicroUsd> {
        self.most
    }

    /// The last checkpoint that was saved.
    pub(super) fn checkpoint(&self) -> Option<String> {
        self.inner.state().checkpoint.clone()
    }

    /// The programs that were launched for it.
    pub(super) fn programs(&self) -> Vec<LaunchedProgram> {
        self.inner.state().programs.clone()
    }

    /// Brings what it says it used in all down to what it can have used; returns what it claimed, now or before, that
    /// it cannot have.
    pub(super) async fn believed(&self, usage: &mut Usage) -> Option<String> {
        let claimed = self.inner.money.lock().await.plausible().clamp(usage);
        claimed.or_else(|| self.inner.state().implausible.clone())
    }

    /// Whether nothing more can be written down for it.
    pub(super) fn is_lost(&self) -> bool {
        self.inner.state().lost
    }

    /// Notes what the execution says it used. It is stopped when that is too much.
    pub(super) async fn note(&self, usage: Usage) {
        // What goes wrong ends the execution, through `over_budget`.
        drop(self.inner.spend(usage).await);
    }

    /// Whether this usage is more than what is set aside.
    pub(super) fn is_passed_by(&self, usage: &Usage) -> bool {
        let money = self.inner.money.try_lock();
        money.is_ok_and(|money| money.meter.spend(usage) != MeterVerdict::GoOn)
    }

    /// Waits until the execution may not go on, and says why: it has spent more than it may, or nothing more can be written
    /// down for it.
    pub(super) async fn over_budget(&self) -> String {
        let mut over = self.inner.over.subscribe();
        let found = over.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match found {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refused when somebody else has taken the session over.
    async fn check(&self) -> Result<(), StoreError> {
        self.seen(self.store.check(&self.lease).await)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.seen(self.store.commit(&self.lease, changes).await)
    }

    /// Ends the execution when the store takes no more of it.
    fn seen(&self, answer: Result<(), StoreError>) -> Result<(), StoreError> {
        match &answer {
            Ok(()) | Err(StoreError::OverCap { .. }) => {}
            Err(StoreError::Fenced(_)) => self.lose("somebody else has taken the session over"),
            Err(error) => self.lose(&error.to_string()),
        }
        answer
    }

    /// Notes what was used, and sets more aside when that is more than was, if it fits.
    async fn spend(&self, mut usage: Usage) -> Result<SpendVerdict, StoreError> {
        let mut money = self.money.lock().await;
        if let Some(claimed) = money.plausible().clamp(&mut usage) {
            self.state().implausible = Some(claimed);
        }
        let verdict = money.meter.spend(&usage);
        self.board().spent(&self.task, &self.execution, usage.clone());
        let spent = Change::Spent { execution: self.execution.clone(), usage };
        let reserved = money.meter.reserved();
        let more = match verdict {
            MeterVerdict::GoOn => {
                self.commit(vec![spent]).await?;
                return Ok(SpendVerdict::GoOn);
            }
            MeterVerdict::Stop => {
                self.commit(vec![spent]).await?;
                return Ok(self.stop(&format!("{reserved} were set aside for it")));
            }
            MeterVerdict::GrowBy(more) => more,
        };
        let amount = money.reservation.amount + more;
        let grown = Reservation { amount, ..money.reservation.clone() };
        match self.commit(vec![spent.clone(), Change::Reserve(grown.clone())]).await {
            Ok(()) => {
                money.reservation = grown;
                money.meter.grown(more);
                Ok(SpendVerdict::GoOn)
            }
            Err(StoreError::OverCap { cap, .. }) => {
                self.commit(vec![spent]).await?;
                Ok(self.stop(&format!("{cap} leaves no more than {reserved}")))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the execution: what it does from now on could not be written down.
    fn lose(&self, why: &str) {
        self.state().lost = true;
        self.over.send_replace(Some(why.to_owned()));
    }

    fn stop(&self, why: &str) -> SpendVerdict {
        self.over.send_replace(Some(format!("it spent more than it may: {why}")));
        SpendVerdict::Stop
    }
}

impl ExecutionHost for DeskHost {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        let inner = Arc::clone(&self.inner);
        async move {
            let execution = inner.execution.clone();
            inner.commit(vec![Change::Checkpoint { execution, token: token.clone() }]).await?;
            // An effect follows that depends on it, and writing it down may have taken long.
            inner.check().await?;
            inner.board().checkpoint(&inner.task, &inner.execution, token.clone());
            inner.state().checkpoint = Some(token);
            Ok(())
        }
        .boxed()
    }

    fn spend(&self, usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        let inner = Arc::clone(&self.inner);
        async move { Ok(inner.spend(usage).await?) }.boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        std::future::ready(self.policy.answer(&question)).boxed()
    }

    fn launched(&self, program: LaunchedProgram) {
        let programs = &mut self.inner.state().programs;
        if programs.len() < MOST_PROGRAMS && !programs.contains(&program) {
            programs.push(program);
        }
    }
}
