use crate::{Config, reader::At};
use std::time::Duration;

/// A day; there is no leap in what is kept.
const DAY: Duration = Duration::from_hours(24);

/// Which clones are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Whether the clones of a task that failed are kept, for somebody to look at.
    pub keep_failed: bool,
    /// How long what is kept stays, counted from the end of its session.
    pub keep_for: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep_failed: true, keep_for: 7 * DAY }
    }
}

impl Retention {
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        let usual = Self::default();
        Self {
            keep_failed: at.get("keepFailed").flag().unwrap_or(usual.keep_failed),
            keep_for: at.get("days").time(DAY).unwrap_or(usual.keep_for),
        }
    }
}

impl Config {
    /// Which clones are kept, and for how long.
    pub fn retention(&self) -> Retention {
        self.retention
    }
}
