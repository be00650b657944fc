//! What comes next for a task, worked out from its history alone: the failure table, and with it the recovery.
//!
//! * [`ending`]: what the end of an execution is to the failure table.
//! * [`decide`]: the next step for a task; [`released`]: the next step once somebody has looked at one that is held.

mod decide;
mod ending;
#[cfg(test)]
pub(crate) mod tests;

pub use decide::{Outage, Tried, checkpoint_of, counted, decide, must_change, released};
pub use ending::{Ending, ending};

use crate::budget::WhenOver;
use cyrus_executor::{Finding, MicroUsd};
use std::time::Duration;

/// How often, how soon and how long a task is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptPolicy {
    /// Attempts at a task in all, by whomever. Those that came to no work do not count: see [`counted`].
    pub most_attempts: u32,
    /// Times in a row that an executor which is not there is asked again.
    pub retries: u32,
    /// Times more that it is asked when nobody else can have the task, before the task is held.
    pub outage: u32,
    /// How long before it is asked again the first time; doubled each time.
    pub backoff: Duration,
    /// A reset no further away than this is waited for; else the next executor has the task.
    pub near: Duration,
    /// Times that an executor gets its own work back, failed or rejected, before the next has the task.
    pub rounds: u32,
    /// What is done when the money for a task runs out.
    pub when_over: WhenOver,
    /// Executions in a row that came to no work, before one that is interrupted or put off holds the task: so that
    /// nothing goes on for ever.
    pub patience: u32,
}

impl Default for AttemptPolicy {
    fn default() -> Self {
        Self {
            most_attempts: 6,
            retries: 3,
            outage: 2,
            backoff: Duration::from_secs(2),
            near: Duration::from_mins(5),
            rounds: 2,
            when_over: WhenOver::Pause,
            patience: 20,
        }
    }
}

/// What comes next for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Let the selection choose who has the next attempt.
    Choose {
        /// Who is out for this task now.
        tried: Vec<Tried>,
        /// Only who is expected to cost less than this.
        cheaper_than: Option<MicroUsd>,
        /// What was wrong with the last result that was checked.
        findings: Vec<Finding>,
        /// Why not the one before; `None` for the first attempt.
        because: Option<String>,
    },
    /// The same executor once more.
    Again {
        /// Which.
        executor: String,
        /// How long to wait before.
        wait: Duration,
        /// Its own checkpoint to go on from.
        resume: Option<String>,
        /// Who is out besides, for when it cannot be had.
        tried: Vec<Tried>,
        /// Only who is expected to cost less than this, for when it cannot be had.
        cheaper_than: Option<MicroUsd>,
        /// What was wrong with the last result that was checked.
        findings: Vec<Finding>,
        /// Why, for people.
        because: String,
    },
    /// Bring this execution's result into the repository.
    Collect {
        /// Its id.
        execution: String,
    },
    /// Check this execution's result.
    Validate {
        /// Its id.
        execution: String,
    },
    /// Take this execution's result: merge it, or use its answer.
    Accept {
        /// Its id.
        execution: String,
    },
    /// There will be no result.
    Fail {
        /// Why, and what to do.
        reason: String,
    },
    /// Pause and ask.
    Hold {
        /// For what.
        reason: String,
    },
}
