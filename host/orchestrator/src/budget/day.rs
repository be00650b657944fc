use cyrus_core::Day;
use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};
use std::time::{Duration, SystemTime};

const EPOCH: civil::Date = civil::date(1970, 1, 1);

/// The day that it is at this moment in the operator's time zone.
pub fn day_of(now: SystemTime, zone: &TimeZone) -> Day {
    let days = date_of(now, zone).duration_since(EPOCH).as_hours() / 24;
    Day(days)
}

/// How long until the next day begins in the operator's time zone, where days have 23 to 25 hours.
pub fn next_day(now: SystemTime, zone: &TimeZone) -> Duration {
    let midnight = date_of(now, zone).checked_add(1.day()).ok();
    let midnight = midnight.and_then(|date| date.to_zoned(zone.clone()).ok());
    let left = midnight.map(|midnight| midnight.timestamp().duration_since(timestamp(now)));
    left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default()
}

fn date_of(now: SystemTime, zone: &TimeZone) -> civil::Date {
    zone.to_datetime(timestamp(now)).date()
}

/// A time outside the years -9999 to 9999 is taken for the nearest inside.
fn timestamp(now: SystemTime) -> Timestamp {
    let outside = if now < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(now).unwrap_or(outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<Timestamp>().unwrap().into()
    }

    /// New York's rules, without the system's database.
    fn new_york() -> TimeZone {
        TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap()
    }

    #[test]
    fn budget_days_roll_over_in_the_operators_zone_across_daylight_saving() {
        let day = |text: &str| day_of(at(text), &new_york()).0;
        assert_eq!(day_of(at("1970-01-01T00:00:00Z"), &TimeZone::UTC), Day(0));
        assert_eq!(day_of(at("1969-12-31T23:59:59Z"), &TimeZone::UTC), Day(-1));
        assert_eq!(day("1970-01-01T04:59:59Z"), -1);
        let winter = 20_520; // 2026-03-08, a day of 23 hours.
        for (moment, expected) in [
            ("2026-03-08T04:59:59Z", winter - 1),
            ("2026-03-08T05:00:00Z", winter),
            ("2026-03-09T03:59:59Z", winter),
            ("2026-03-09T04:00:00Z", winter + 1),
            ("2026-11-01T03:59:59Z", winter + 237),
            ("2026-11-01T04:00:00Z", winter + 238),
            ("2026-11-02T04:59:59Z", winter + 238),
            ("2026-11-02T05:00:00Z", winter + 239),
        ] {
            assert_eq!(day(moment), expected, "{moment}");
        }
    }

    #[test]
    fn budget_a_day_lasts_until_the_next_midnight_there() {
        for (moment, hours) in [
            ("2026-03-08T05:00:00Z", 23),
            ("2026-11-01T04:00:00Z", 25),
            ("2026-11-02T05:00:00Z", 24),
            ("2026-11-03T04:00:00Z", 1),
        ] {
            assert_eq!(next_day(at(moment), &new_york()), Duration::from_hours(hours), "{moment}");
        }
    }
}
