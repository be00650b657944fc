//! A simulated world with the real orchestrator in it.

mod hand;
mod stage;
mod told;
mod work;

pub(crate) use hand::{Hand, cloud, local};
pub(crate) use stage::{Crew, Stage};
use told::Told;
pub(crate) use work::{done, fails, fails_at_work, issue, planned, session_id, task_id, wrong};

use std::time::Duration;

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}
