use crate::{RepositoryConfig, reader::At};
use std::{thread, time::Duration};

/// How many executions may be in the cloud at once when nothing is said of it.
const MAX_CLOUD: u32 = 16;

/// How many executions one session may have at once when nothing is said of it.
const MAX_PER_SESSION: u32 = 8;

/// How many executions one repository may have at once when nothing is said of it.
const MAX_PER_REPOSITORY: u32 = 16;

/// How long an execution may say nothing when nothing is said of it. A command that an agent runs may be silent for
/// ten minutes.
const SILENCE: Duration = Duration::from_mins(30);

/// What bounds how much is done at once, and for how long. Every number is at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// Executions at once, in all.
    pub max_at_once: u32,
    /// Executions of one session at once.
    pub max_per_session: u32,
    /// Executions on one repository at once.
    pub max_per_repository: u32,
    /// Executions on this machine at once.
    pub max_local: u32,
    /// Executions in the cloud at once.
    pub max_cloud: u32,
    /// An execution with no event for this long is stopped. A question that waits for its answer is no silence.
    pub silence: Duration,
    /// How long a session may take, from its start to its report. `None` is as long as it needs.
    pub deadline: Option<Duration>,
}

impl Scheduling {
    /// The defaults on a machine with so many processors. An agent waits for its model most of the time and then
    /// compiles and tests, so there are never more than eight on one machine unless somebody says so.
    fn on(processors: u32) -> Self {
        let max_local = processors.clamp(2, 8);
        Self {
            max_at_once: max_local + MAX_CLOUD,
            max_per_session: MAX_PER_SESSION,
            max_per_repository: MAX_PER_REPOSITORY,
            max_local,
            max_cloud: MAX_CLOUD,
            silence: SILENCE,
            deadline: None,
        }
    }
}

/// The section `scheduling`. What bounds more than one repository is read only from the whole configuration's.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchedulingSection {
    max_at_once: Option<u32>,
    max_per_session: Option<u32>,
    max_per_repository: Option<u32>,
    max_local: Option<u32>,
    max_cloud: Option<u32>,
    silence: Option<Duration>,
    deadline: Option<Duration>,
}

impl SchedulingSection {
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        let minutes = |key| at.get(key).time(Duration::from_mins(1));
        Self {
            max_at_once: at.get("maxAtOnce").number(),
            max_per_session: at.get("maxPerSession").number(),
            max_per_repository: at.get("maxPerRepository").number(),
            max_local: at.get("maxLocal").number(),
            max_cloud: at.get("maxCloud").number(),
            silence: minutes("silenceMinutes"),
            deadline: minutes("deadlineMinutes"),
        }
    }
}

/// How often a task is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Executions of one task, by all executors together; at least 1.
    pub most: u32,
    /// How often an executor that is unavailable is tried again before the next one has the task.
    pub retries: u32,
    /// How long before it is tried again the first time; doubled each time.
    pub backoff: Duration,
    /// How often a result that failed its validation goes back to its executor with the findings.
    pub rounds: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { most: 6, retries: 3, backoff: Duration::from_secs(2), rounds: 2 }
    }
}

/// The section `attempts`.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttemptsSection {
    most: Option<u32>,
    retries: Option<u32>,
    backoff: Option<Duration>,
    rounds: Option<u32>,
}

impl AttemptsSection {
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        Self {
            most: at.get("most").number(),
            retries: at.get("retries").number_or_none(),
            backoff: at.get("backoffSeconds").seconds(),
            rounds: at.get("rounds").number_or_none(),
        }
    }
}

impl RepositoryConfig<'_> {
    /// What bounds how much is done at once, and for how long.
    pub fn scheduling(&self) -> Scheduling {
        let for_all = &self.for_all().scheduling;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let usual = Scheduling::on(u32::try_from(processors).unwrap_or(u32::MAX));
        let said = |of: fn(&SchedulingSection) -> Option<&u32>| {
            self.find(|section| of(&section.scheduling)).copied()
        };
        let max_local = for_all.max_local.unwrap_or(usual.max_local);
        let max_cloud = for_all.max_cloud.unwrap_or(usual.max_cloud);
        let silence = self.find(|section| section.scheduling.silence.as_ref()).copied();
        Scheduling {
            max_at_once: for_all.max_at_once.unwrap_or(max_local.saturating_add(max_cloud)),
            max_per_session: said(|s| s.max_per_session.as_ref()).unwrap_or(usual.max_per_session),
            max_per_repository: said(|s| s.max_per_repository.as_ref())
                .unwrap_or(usual.max_per_repository),
            max_local,
            max_cloud,
            silence: silence.unwrap_or(usual.silence),
            deadline: self.find(|section| section.scheduling.deadline.as_ref()).copied(),
        }
    }

    /// How often a task is tried.
    pub fn attempts(&self) -> Attempts {
        let said = |of: fn(&AttemptsSection) -> Option<&u32>| {
            self.find(|section| of(&section.attempts)).copied()
        };
        let backoff = self.find(|section| section.attempts.backoff.as_ref()).copied();
        let usual = Attempts::default();
        Attempts {
            most: said(|s| s.most.as_ref()).unwrap_or(usual.most),
            retries: said(|s| s.retries.as_ref()).unwrap_or(usual.retries),
            backoff: backoff.unwrap_or(usual.backoff),
            rounds: said(|s| s.rounds.as_ref()).unwrap_or(usual.rounds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_as_many_agents_as_it_bears() {
        for (processors, local) in [(0, 2), (1, 2), (2, 2), (6, 6), (8, 8), (128, 8)] {
            let usual = Scheduling::on(processors);
            assert_eq!((usual.max_local, usual.max_at_once), (local, local + 16), "{processors}");
        }
    }
}
