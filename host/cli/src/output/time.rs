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

/// A duration for people: `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 d 1 h`.
pub(crate) fn seconds(milliseconds: u64) -> String {
    match milliseconds / 1000 {
        whole @ 0..120 => format!("{whole}.{} s", milliseconds % 1000 / 100),
        whole @ 120..7_200 => format!("{} min {} s", whole / 60, whole % 60),
        whole @ 7_200..172_800 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        whole => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_units_that_people_use() {
        for (whole, text) in [
            (0, "0.0 s"),
            (119, "119.0 s"),
            (120, "2 min 0 s"),
            (7_199, "119 min 59 s"),
            (7_200, "2 h 0 min"),
            (172_799, "47 h 59 min"),
            (263_386, "3 d 1 h"),
        ] {
            assert_eq!(seconds(whole * 1000), text);
        }
    }
}
