//! A session on a plan, and the orchestrator that works on it.

use crate::{
    instant::InstantRepository,
    setting::{ports, session, site, task},
    worker::{Calls, worker},
};
use cyrus_core::{Observer, PlannedTask, Session, SessionOutcome, SessionStore};
use cyrus_executor::TaskId;
use cyrus_orchestrator::{Orchestrator, Scheduling, stop_switch};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A session's plan and what is worked with.
pub(crate) struct Scene {
    /// Tasks in all.
    pub(crate) tasks: usize,
    /// Each task comes after the one this far before it: so many can be worked on at once.
    pub(crate) lanes: usize,
    /// Executions at once.
    pub(crate) caps: usize,
    /// How long an execution takes.
    pub(crate) takes: Duration,
}

impl Scene {
    /// The task that has to be merged before this one may begin, both counted from 0.
    pub(crate) fn before(&self, task: usize) -> Option<usize> {
        task.checked_sub(self.lanes)
    }

    /// Works on the plan to its end on this store, in a session of this name. Answers how long that took.
    pub(crate) async fn play(
        &self,
        name: &str,
        store: Arc<dyn SessionStore>,
        calls: Calls,
        observer: Arc<dyn Observer>,
    ) -> Duration {
        let repository = Arc::new(InstantRepository::default());
        let orchestrator = Orchestrator::new(ports(store, repository), self.scheduling());
        let (site, session) = (site(worker(self.takes, calls)), self.session(name));
        let (_switch, stop) = stop_switch();
        let begun = Instant::now();
        let report = orchestrator.start(&session, &site, observer, stop).await;
        let taken = begun.elapsed();
        let report = report.expect("a store that works");
        assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
        assert_eq!(report.executions.len(), self.tasks);
        taken
    }

    fn scheduling(&self) -> Scheduling {
        let caps = self.caps;
        Scheduling {
            total: caps,
            per_session: caps,
            per_repository: caps,
            local: caps,
            ..Scheduling::default()
        }
    }

    fn session(&self, name: &str) -> Session {
        let tasks = (0..self.tasks).map(|number| self.task(number)).collect();
        session(name, "Do all of it", Some(tasks))
    }

    fn task(&self, number: usize) -> PlannedTask {
        let after = self.before(number).map(TaskId::numbered).into_iter().collect();
        let prompt = format!("Do part {number} of it, and nothing else.");
        PlannedTask { after, ..task(TaskId::numbered(number), prompt) }
    }
}
