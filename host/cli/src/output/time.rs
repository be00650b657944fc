//! Times and durations, for people and for machines.

use jiff::{Timestamp, tz::TimeZone};
use std::time::SystemTime;

/// A time for machines: RFC 3339, in UTC.
pub(crate) fn timestamp(at: SystemTime) -> Option<String> {
    Timestamp::try_from(at).ok().map(|at| at.to_string())
}

/// A time of day for people, in their own time zone.
pub(crate) fn clock_time(at: SystemTime) -> String {
    let local = Timestamp::try_from(at).map(|at| at.to_zoned(TimeZone::system()));
    local.map(|at| at.strftime("%H:%M:%S").to_string()).unwrap_or_default()
}

/// A duration for people: `4.2 s`, `3 min 5 s`.
pub(crate) fn seconds(milliseconds: u64) -> String {
    match milliseconds / 1000 {
        whole @ 0..120 => format!("{whole}.{} s", milliseconds % 1000 / 100),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}
