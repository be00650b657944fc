use crate::{Circuits, Scheduling, Slots};
use cyrus_core::{Clock, Forge, Integration, SessionStore, Validator, Workspaces};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What the work needs of the world.
#[derive(Clone)]
pub struct Ports {
    /// What is written down.
    pub store: Arc<dyn SessionStore>,
    /// Clones, and what comes back from them.
    pub workspaces: Arc<dyn Workspaces>,
    /// What brings results together.
    pub integration: Arc<dyn Integration>,
    /// Where pull requests are opened, when they can be.
    pub forge: Option<Arc<dyn Forge>>,
    /// The checks.
    pub validator: Arc<dyn Validator>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Works on any number of sessions at once. What they share is in here: the slots, and what is known of the executors'
/// health.
///
/// It starts no task of its own: each session is one future, and dropping that ends its executions.
pub struct Orchestrator {
    pub(crate) ports: Ports,
    pub(crate) slots: Slots,
    circuits: Mutex<Circuits>,
}

impl Orchestrator {
    /// An orchestrator that has seen nothing yet.
    pub fn new(ports: Ports, scheduling: Scheduling) -> Self {
        Self { ports, slots: Slots::new(scheduling), circuits: Mutex::new(Circuits::default()) }
    }

    /// What it works with.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    pub(crate) fn circuits(&self) -> MutexGuard<'_, Circuits> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Orchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orchestrator").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Site, StopSignal};
    use cyrus_core::{Observer, Session};

    /// A session can be worked on by any thread.
    #[expect(dead_code, reason = "that it compiles is the test")]
    fn sessions_can_be_spawned(
        orchestrator: &Orchestrator,
        session: &Session,
        site: &Site,
        observer: Arc<dyn Observer>,
        stop: StopSignal,
    ) -> impl Send {
        orchestrator.start(session, site, observer, stop)
    }
}
