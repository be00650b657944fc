use crate::output::Telling;
use cyrus_core::{Observer, Plan, SessionEvent, TaskState};
use cyrus_executor::TaskId;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Passes on what happens in a session, the end apart, and takes down the plan and the tasks' times.
pub(super) struct Watch {
    telling: Mutex<Option<Telling>>,
    seen: Mutex<Seen>,
}

/// What was taken down.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The plan, once there is one.
    pub(super) plan: Option<Plan>,
    /// How long each task took that is done.
    pub(super) times: BTreeMap<TaskId, Duration>,
    begun: BTreeMap<TaskId, Instant>,
}

impl Watch {
    pub(super) fn new(telling: Telling) -> Self {
        Self { telling: Mutex::new(Some(telling)), seen: Mutex::default() }
    }

    /// What was seen. Everything told is written before this returns, and nothing is told any more.
    pub(super) fn end(&self) -> Seen {
        drop(self.telling.lock().unwrap_or_else(PoisonError::into_inner).take());
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Watch {
    fn on_event(&self, event: SessionEvent) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).note(&event, Instant::now());
        if matches!(event, SessionEvent::SessionFinished(_)) {
            return;
        }
        let telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(telling) = &*telling {
            telling.on_event(event);
        }
    }
}

impl Seen {
    fn note(&mut self, event: &SessionEvent, now: Instant) {
        match event {
            SessionEvent::Planned(plan) => self.plan = Some(plan.clone()),
            SessionEvent::TaskChanged { task, state: TaskState::Active } => {
                self.begun.entry(task.clone()).or_insert(now);
            }
            SessionEvent::TaskChanged { task, state: TaskState::Done { .. } } => {
                if let Some(begun) = self.begun.remove(task) {
                    self.times.insert(task.clone(), now.saturating_duration_since(begun));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_takes_from_its_beginning_until_it_is_done() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let task: TaskId = "t1".parse().unwrap();
        let mut at = |second, state| {
            let event = SessionEvent::TaskChanged { task: task.clone(), state };
            seen.note(&event, now + Duration::from_secs(second));
        };
        at(1, TaskState::Active);
        at(2, TaskState::Active);
        at(4, TaskState::Done { commit: None });
        assert_eq!(seen.times.get(&task), Some(&Duration::from_secs(3)));
    }
}
