//! What people are told of the work, with the time.

use cyrus_core::{Clock as _, Observer, Receipt, SessionEvent};
use cyrus_fleet::SimClock;
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// Everything that was told, in order.
#[derive(Clone)]
pub(crate) struct Told {
    clock: SimClock,
    events: Arc<Mutex<Vec<(Duration, SessionEvent)>>>,
}

impl Observer for Told {
    fn on_event(&self, event: SessionEvent) {
        let now = self.clock.elapsed();
        self.events().push((now, event));
    }
}

impl Told {
    pub(crate) fn new(clock: &SimClock) -> Self {
        Self { clock: clock.clone(), events: Arc::default() }
    }

    fn events(&self) -> MutexGuard<'_, Vec<(Duration, SessionEvent)>> {
        self.events.lock().unwrap()
    }

    fn each<T>(&self, of: impl FnMut(&(Duration, SessionEvent)) -> Option<T>) -> Vec<T> {
        self.events().iter().filter_map(of).collect()
    }

    /// Who was started when.
    pub(crate) fn started(&self) -> Vec<(Duration, String)> {
        self.each(|(at, event)| match event {
            SessionEvent::ExecutionStarted { executor, .. } => Some((*at, executor.name.clone())),
            _ => None,
        })
    }

    /// Who was started.
    pub(crate) fn who(&self) -> Vec<String> {
        self.started().into_iter().map(|(_, executor)| executor).collect()
    }

    /// Who was started for this task.
    pub(crate) fn who_had(&self, wanted: &str) -> Vec<String> {
        self.each(|(_, event)| match event {
            SessionEvent::ExecutionStarted { executor, task, .. } if task.as_str() == wanted => {
                Some(executor.name.clone())
            }
            _ => None,
        })
    }

    /// The tasks in the order in which they were first begun.
    pub(crate) fn order(&self) -> Vec<String> {
        self.each(|(_, event)| match event {
            SessionEvent::ExecutionStarted { execution, .. } => Some(execution.clone()),
            _ => None,
        })
    }

    /// The most executions that were under way at once, of those that this holds for.
    pub(crate) fn most(&self, of: impl Fn(&str) -> bool) -> usize {
        let (mut now, mut most) = (0_usize, 0);
        for (_, event) in self.events().iter() {
            match event {
                SessionEvent::ExecutionStarted { executor, .. } if of(&executor.name) => now += 1,
                SessionEvent::ExecutionFinished(report) if of(&report.executor) => now -= 1,
                _ => {}
            }
            most = most.max(now);
        }
        most
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.each(|(_, event)| match event {
            SessionEvent::Warning { message } => Some(message.clone()),
            _ => None,
        })
    }

    /// The receipts, of choices of nobody too.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        self.each(|(_, event)| match event {
            SessionEvent::ExecutorChosen { receipt, .. } => Some((**receipt).clone()),
            _ => None,
        })
    }

    /// For how long tasks waited, each time, and why.
    pub(crate) fn waits(&self) -> Vec<(Duration, String)> {
        self.each(|(_, event)| match event {
            SessionEvent::TaskWaits { time, because, .. } => Some((*time, because.clone())),
            _ => None,
        })
    }

    /// The names of the tasks that the orchestrator added to the plan.
    pub(crate) fn added(&self) -> Vec<String> {
        self.each(|(_, event)| match event {
            SessionEvent::TaskAdded(planned) => Some(planned.id().to_string()),
            _ => None,
        })
    }
}
