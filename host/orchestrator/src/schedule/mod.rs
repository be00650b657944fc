//! Who may execute now: caps on how many at once, fair between sessions, urgent issues first.

mod queue;

use cyrus_core::{SessionId, Urgency};
use cyrus_executor::Placement;
use queue::{Queue, Ticket};
use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// How many executions there may be at once. Each is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// In all.
    pub total: usize,
    /// In one session.
    pub per_session: usize,
    /// In one repository.
    pub per_repository: usize,
    /// On this machine.
    pub local: usize,
    /// In the cloud.
    pub cloud: usize,
    /// By an executor of this name; those that are not named have no cap of their own.
    pub per_executor: BTreeMap<String, usize>,
}

impl Default for Scheduling {
    fn default() -> Self {
        Self {
            total: 32,
            per_session: 16,
            per_repository: 16,
            local: 4,
            cloud: 16,
            per_executor: BTreeMap::new(),
        }
    }
}

/// What somebody who waits wants to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) session: SessionId,
    pub(crate) repository: PathBuf,
    pub(crate) executor: String,
    pub(crate) placement: Placement,
    pub(crate) urgency: Urgency,
}

/// The executions that may run at once, shared by every session of this process.
#[derive(Clone)]
pub struct Slots(Arc<Mutex<State>>);

struct State {
    caps: Scheduling,
    queue: Queue<oneshot::Sender<Permit>>,
}

/// The right to execute. Dropping it gives the slot to the next.
pub(crate) struct Permit {
    slots: Slots,
    claim: Option<Claim>,
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

impl Slots {
    /// So many slots.
    pub fn new(caps: Scheduling) -> Self {
        Self(Arc::new(Mutex::new(State { caps, queue: Queue::default() })))
    }

    /// Waits for a slot. Whoever waits is served by urgency, then the session with the fewest slots, then the one that
    /// waits longest for its turn.
    pub(crate) async fn acquire(&self, claim: Claim) -> Permit {
        let (tx, rx) = oneshot::channel();
        let served = {
            let mut state = self.state();
            state.queue.push(claim, tx);
            state.serve()
        };
        self.hand_out(served);
        match rx.await {
            Ok(permit) => permit,
            // The queue lives as long as we do and never drops a ticket unserved.
            Err(_) => std::future::pending().await,
        }
    }

    fn release(&self, claim: &Claim) {
        let served = {
            let mut state = self.state();
            state.queue.release(claim);
            state.serve()
        };
        self.hand_out(served);
    }

    /// Outside of the lock: a permit that nobody waits for any more is given back at once.
    fn hand_out(&self, served: Vec<Ticket<oneshot::Sender<Permit>>>) {
        for Ticket { claim, waiter } in served {
            let permit = Permit { slots: self.clone(), claim: Some(claim) };
            drop(waiter.send(permit));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn serve(&mut self) -> Vec<Ticket<oneshot::Sender<Permit>>> {
        std::iter::from_fn(|| self.queue.next(&self.caps)).collect()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.slots.release(&claim);
        }
    }
}
