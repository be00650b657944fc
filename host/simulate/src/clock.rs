//! Time as the simulators tell it.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How much time has passed; rate limits are measured with it.
pub trait Clock: Debug + Send + Sync {
    /// Time since some fixed moment. It never goes back.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Timestamps for what is answered: a fixed start, and one second more each time, so that two
/// runs of one script give the same bytes.
#[derive(Debug)]
pub(crate) struct Calendar(Timestamp);

impl Calendar {
    pub(crate) fn from(start: Timestamp) -> Self {
        Self(start)
    }

    /// The next timestamp in RFC 3339.
    pub(crate) fn next(&mut self) -> String {
        let now = self.0;
        // At the end of the calendar, in the year 9999, time stands still.
        self.0 = now.checked_add(jiff::SignedDuration::from_secs(1)).unwrap_or(now);
        now.to_string()
    }
}
