//! How fast one execution may have the host write: each durable write is a commit, and an execution that asks for
//! nothing else would keep every other writer of the store waiting.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Writes that may follow each other at once.
const BURST: u32 = 100;

/// The time between writes after that.
const GAP: Duration = Duration::from_millis(50);

/// Hands out turns: a burst, then one after the other.
pub(crate) struct Pace(Mutex<Instant>);

impl Pace {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(earliest(Instant::now())))
    }

    /// Waits for the next turn. A turn that is waited for and not taken is lost.
    pub(crate) async fn turn(&self) {
        let at = self.take(Instant::now());
        sleep_until(at).await;
    }

    fn take(&self, now: Instant) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*next).max(earliest(now));
        *next = at + GAP;
        at
    }
}

/// The turn that comes first for one who has not taken any for long.
fn earliest(now: Instant) -> Instant {
    now.checked_sub(GAP * BURST).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_a_flood_waits() {
        let start = Instant::now() + Duration::from_hours(1);
        let pace = Pace(Mutex::new(earliest(start)));
        let waits: Vec<_> =
            (0..BURST + 10).map(|_| pace.take(start).saturating_duration_since(start)).collect();
        assert!(waits[..=BURST as usize].iter().all(Duration::is_zero), "{waits:?}");
        assert_eq!(waits[BURST as usize + 9], GAP * 9);
        let later = start + Duration::from_mins(1);
        assert!(pace.take(later) <= later, "a pause gives the burst back");
    }
}
