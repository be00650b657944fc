use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads a `Retry-After` header (RFC 9110): seconds from now, or a date. `None` when it is neither. A date in the
/// past is now. Fractions of a second, which some services send, count.
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = UNIX_EPOCH + Duration::from_secs(parse_date(value)?);
    Some(date.duration_since(now).unwrap_or_default())
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that senders may still use.
fn parse_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_weekday, rest) = text.split_once(", ")?;
    let words: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = words[..] else { return None };
    let clock: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hour @ 0..24, minute @ 0..60, second @ 0..=60] = clock[..] else { return None };
    let (day, year) = (day.parse().ok()?, year.parse().ok()?);
    let month = 1 + u64::try_from(MONTHS.iter().position(|&name| name == month)?).ok()?;
    let days = days_since_1970(year, month, day)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day;
    // The count on the first of January 1970 is 719,469.
    days.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let cases = [
            ("120", 0, Some(120.0)),
            (" 0 ", 0, Some(0.0)),
            ("1.5", 0, Some(1.5)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777 - 30, Some(30.0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777 + 30, Some(0.0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0, Some(0.0)),
            ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800 - 1, Some(1.0)),
            ("-1", 0, None),
            ("inf", 0, None),
            ("soon", 0, None),
            ("", 0, None),
            ("Sun, 06 Nov 1994 25:49:37 GMT", 0, None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", 0, None),
            ("Sun, 06 Nov 0001 08:49:37 GMT", 0, None),
        ];
        for (value, now, expected) in cases {
            let read = parse_retry_after(value, at(now));
            assert_eq!(read, expected.map(Duration::from_secs_f64), "{value}");
        }
    }
}
