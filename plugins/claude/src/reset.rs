//! When a limit ends, from the text that says so: `resets 3pm (Europe/Madrid)`, `resets in 5 hours`, `|1760004000`,
//! `Oct 31, 9am`, `2026-11-29T03:00:00Z`.

use jiff::{
    SignedDuration, Timestamp, ToSpan, Zoned,
    civil::{Date, DateTime, Time, Weekday},
    tz::{Offset, TimeZone},
};
use std::time::Duration;

/// A time of day that passed no longer ago than this was meant for today: the message took its time.
const JUST_PASSED: SignedDuration = SignedDuration::from_mins(15);
/// What is waited for a limit whose end has just passed.
const SHORTLY: SignedDuration = SignedDuration::from_mins(1);
/// How much earlier than in UTC a time can come: in the east of Kiribati.
const EARLIEST: SignedDuration = SignedDuration::from_hours(14);

/// How long until the limit ends that a message tells of. `zone` is for times that name none; where it is not known
/// either, the wait is the shortest that there can be.
pub(crate) fn wait(said: &str, now: u64, zone: Option<&TimeZone>) -> Option<Duration> {
    let now = Timestamp::from_second(i64::try_from(now).ok()?).ok()?;
    let at = after_bar(said).or_else(|| announced(said, now, zone))?;
    let left = at.duration_since(now);
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}

/// Seconds or milliseconds since 1970 as a point in time.
pub(crate) fn epoch(number: u64) -> Option<Timestamp> {
    let number = i64::try_from(number).ok()?;
    if number >= 100_000_000_000 {
        Timestamp::from_millisecond(number).ok()
    } else {
        Timestamp::from_second(number).ok().filter(|_| number >= 1_000_000_000)
    }
}

fn after_bar(said: &str) -> Option<Timestamp> {
    let (_, end) = said.rsplit_once('|')?;
    let digits: String = end.trim_start().chars().take_while(char::is_ascii_digit).collect();
    epoch(digits.parse().ok()?)
}

/// The time that comes after a word which announces one.
fn announced(said: &str, now: Timestamp, zone: Option<&TimeZone>) -> Option<Timestamp> {
    const ANNOUNCES: [&str; 11] = [
        "reset",
        "resets",
        "resetting",
        "renews",
        "again",
        "access",
        "until",
        "after",
        "available",
        "retry-after",
        "retry",
    ];
    let said = said.to_lowercase();
    let split = |c: char| c.is_whitespace() || ",()[];\"'·∙".contains(c);
    let trimmed = said.split(split).map(|word| word.trim_end_matches(['.', '!', ':']));
    let words: Vec<&str> = trimmed.filter(|word| !word.is_empty()).collect();
    let mut places = words.iter().enumerate().filter(|(_, word)| ANNOUNCES.contains(word));
    places.find_map(|(at, word)| {
        let mut words = Words { words: &words[at + 1..] };
        words.moment(word.starts_with("retry"), now, zone)
    })
}

/// What is left of a message.
struct Words<'a> {
    words: &'a [&'a str],
}

/// A day, as far as one is named.
#[derive(Clone, Copy)]
enum Day {
    /// The next on which the time is not over.
    Any,
    This(Date),
    /// Of this year or the next.
    Month(i8, i8),
    Week(Weekday),
    /// So many days from today.
    Ahead(i8),
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.first().copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn skip(&mut self, fillers: &[&str]) {
        while self.peek().is_some_and(|word| fillers.contains(&word)) {
            self.next();
        }
    }

    fn moment(
        &mut self,
        bare_is_seconds: bool,
        now: Timestamp,
        zone: Option<&TimeZone>,
    ) -> Option<Timestamp> {
        self.skip(&[
            "at", "on", "is", "will", "be", "by", "your", "the", "limit", "access", "from",
        ]);
        let relative = self.peek().is_some_and(|word| word == "in" || word == "after");
        self.skip(&["in", "after", "about"]);
        if let Some(length) = self.length(bare_is_seconds) {
            return now.checked_add(length).ok();
        }
        if relative {
            return None;
        }
        let number = self.peek().and_then(|word| word.parse::<u64>().ok());
        if let Some(at) = number.and_then(epoch) {
            return Some(at);
        }
        if let Some(at) = self.peek().and_then(|word| word.to_uppercase().parse().ok()) {
            return Some(at);
        }
        let day = self.day();
        self.skip(&["at"]);
        let time = self.time();
        if day.is_none() && time.is_none() {
            return None;
        }
        let named = self.zone();
        let (day, time) = (day.unwrap_or(Day::Any), time.unwrap_or(Time::midnight()));
        match named.as_ref().or(zone) {
            Some(zone) => at(day, time, &now.to_zoned(zone.clone())),
            None => earliest(day, time, now),
        }
    }

    /// `5 hours`, `2h 30m`, `6m0s`.
    fn length(&mut self, bare_is_seconds: bool) -> Option<SignedDuration> {
        let mut total = None;
        while let Some(word) = self.peek() {
            if total.is_some() && word == "and" {
                self.next();
                continue;
            }
            let length = match word.parse::<i64>() {
                Ok(number) => {
                    let unit = self.words.get(1).and_then(|unit| seconds_in(unit));
                    match unit {
                        Some(seconds) => {
                            self.next();
                            Some(number.saturating_mul(seconds))
                        }
                        None if bare_is_seconds && number < 1_000_000 => Some(number),
                        None => None,
                    }
                }
                Err(_) => compact(word),
            };
            let Some(length) = length else { break };
            self.next();
            let sum = total.unwrap_or(0_i64).saturating_add(length);
            total = Some(sum);
        }
        total.map(SignedDuration::from_secs)
    }

    fn day(&mut self) -> Option<Day> {
        let word = self.peek()?;
        if let Some(day) = weekday(word) {
            self.next();
            return Some(Day::Week(day));
        }
        let ahead = match word {
            "today" => Some(0),
            "tomorrow" => Some(1),
            _ => None,
        };
        if let Some(days) = ahead {
            self.next();
            return Some(Day::Ahead(days));
        }
        if let Ok(date) = word.parse::<Date>() {
            self.next();
            return Some(Day::This(date));
        }
        let second = self.words.get(1).copied().unwrap_or_default();
        let found = match (month(word), ordinal(second), ordinal(word), month(second)) {
            (Some(month), Some(day), _, _) | (_, _, Some(day), Some(month)) => (month, day),
            _ => return None,
        };
        self.words = &self.words[2..];
        let year = self.peek().and_then(|word| word.parse::<i16>().ok());
        match year.filter(|year| (2020..2200).contains(year)) {
            Some(year) => {
                self.next();
                Date::new(year, found.0, found.1).ok().map(Day::This)
            }
            None => Some(Day::Month(found.0, found.1)),
        }
    }

    /// `3pm`, `10:10 pm`, `15:00`, `noon`.
    fn time(&mut self) -> Option<Time> {
        let word = self.peek()?;
        if word == "midnight" || word == "noon" {
            self.next();
            return Time::new(if word == "noon" { 12 } else { 0 }, 0, 0, 0).ok();
        }
        let joined = ["am", "pm"].iter().find_map(|half| Some((word.strip_suffix(half)?, *half)));
        let (clock, half) = joined.unwrap_or((word, ""));
        let mut parts = clock.split(':').map(str::parse::<i8>);
        let hour = parts.next()?.ok()?;
        let rest: Vec<i8> = parts.collect::<Result<_, _>>().ok()?;
        let separate = self.words.get(1).copied().filter(|word| ["am", "pm"].contains(word));
        let half = if half.is_empty() { separate.unwrap_or_default() } else { half };
        // A number alone is no time.
        if (rest.is_empty() && half.is_empty()) || rest.len() > 2 {
            return None;
        }
        let hour = match half {
            "" => hour,
            _ if !(1..=12).contains(&hour) => return None,
            "am" => hour % 12,
            _ => hour % 12 + 12,
        };
        let minute = rest.first().copied().unwrap_or_default();
        let time = Time::new(hour, minute, rest.get(1).copied().unwrap_or_default(), 0).ok()?;
        self.next();
        if separate.is_some() && joined.is_none() {
            self.next();
        }
        Some(time)
    }

    /// A zone, where the next word is one.
    fn zone(&mut self) -> Option<TimeZone> {
        zone_named(self.peek()?)
    }
}

/// A zone by its name, its usual letters or its distance from UTC.
pub(crate) fn zone_named(name: &str) -> Option<TimeZone> {
    const LETTERS: [(&str, i8); 17] = [
        ("utc", 0),
        ("gmt", 0),
        ("z", 0),
        ("bst", 1),
        ("cet", 1),
        ("cest", 2),
        ("eet", 2),
        ("eest", 3),
        ("est", -5),
        ("edt", -4),
        ("cst", -6),
        ("cdt", -5),
        ("mst", -7),
        ("mdt", -6),
        ("pst", -8),
        ("pdt", -7),
        ("jst", 9),
    ];
    let name = name.to_lowercase();
    if let Some((_, hours)) = LETTERS.iter().find(|(letters, _)| *letters == name) {
        return Some(TimeZone::fixed(Offset::constant(*hours)));
    }
    let distance = name.strip_prefix("utc").or_else(|| name.strip_prefix("gmt")).unwrap_or(&name);
    if let Some(sign) = distance.chars().next().filter(|sign| "+-".contains(*sign)) {
        let (hours, minutes) = distance[1..].split_once(':').unwrap_or((&distance[1..], "0"));
        let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
        let seconds = if sign == '-' { -seconds } else { seconds };
        return Offset::from_seconds(seconds).ok().map(TimeZone::fixed);
    }
    name.contains('/').then(|| TimeZone::get(&name).ok()).flatten()
}

/// The next time that this is.
fn at(day: Day, time: Time, now: &Zoned) -> Option<Timestamp> {
    let today = now.date();
    let on = |date: Date| -> Option<Timestamp> {
        Some(date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp())
    };
    let next = |date: Date, again: Option<Date>| {
        let at = on(date)?;
        let ago = now.timestamp().duration_since(at);
        if ago < SignedDuration::ZERO {
            Some(at)
        } else if ago <= JUST_PASSED {
            now.timestamp().checked_add(SHORTLY).ok()
        } else {
            again.and_then(on)
        }
    };
    match day {
        Day::Any => next(today, today.tomorrow().ok()),
        Day::This(date) => next(date, None),
        Day::Ahead(days) => next(today.checked_add(i64::from(days).days()).ok()?, None),
        Day::Month(month, day) => {
            let of = |year: i16| Date::new(year, month, day).ok();
            // In December a day of January is one of the next year; a day that is long past is not meant at all.
            let this = of(today.year())?;
            let past = this.until(today).ok().is_some_and(|span| span.get_days() > 180);
            next(if past { of(today.year() + 1)? } else { this }, None)
        }
        Day::Week(day) => {
            let ahead = i64::from(today.weekday().until(day));
            let date = today.checked_add(ahead.days()).ok()?;
            next(date, date.checked_add(7.days()).ok())
        }
    }
}

/// The first time that this can be, whatever the zone is. Of a time without a day: the next at which clocks somewhere
/// show this minute, so that the limit is met once an hour at most.
fn earliest(day: Day, time: Time, now: Timestamp) -> Option<Timestamp> {
    let utc = now.to_zoned(TimeZone::UTC);
    let first = match day {
        Day::Any => None,
        _ => at(day, time, &utc).and_then(|at| at.checked_sub(EARLIEST).ok()),
    };
    if let Some(first) = first.filter(|first| *first > now) {
        return Some(first);
    }
    let hour: DateTime =
        utc.datetime().date().to_datetime(Time::new(utc.hour(), time.minute(), 0, 0).ok()?);
    let at = hour.to_zoned(TimeZone::UTC).ok()?.timestamp();
    if at > now { Some(at) } else { at.checked_add(SignedDuration::from_hours(1)).ok() }
}

/// `2h`, `30min`, `6m0s`, `1h30m`.
fn compact(word: &str) -> Option<i64> {
    let mut rest = word;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let length = number.parse::<i64>().ok()?.saturating_mul(seconds_in(unit)?);
        total = total.saturating_add(length);
        rest = after;
    }
    Some(total)
}

fn seconds_in(unit: &str) -> Option<i64> {
    Some(match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return None,
    })
}

fn month(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let place = named(word, &MONTHS)?;
    i8::try_from(place + 1).ok()
}

fn weekday(word: &str) -> Option<Weekday> {
    const DAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let place = named(word, &DAYS)?;
    Weekday::from_monday_zero_offset(i8::try_from(place).ok()?).ok()
}

/// The place of a name in a list, written out or with its first three letters or four.
fn named(word: &str, names: &[&str]) -> Option<usize> {
    let short = word.len() >= 3;
    names
        .iter()
        .position(|name| short && (*name == word || (word.len() <= 5 && name.starts_with(word))))
}

fn ordinal(word: &str) -> Option<i8> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let end = &word[digits.len()..];
    let day = digits.parse::<i8>().ok()?;
    (["", "st", "nd", "rd", "th"].contains(&end) && (1..=31).contains(&day)).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday, 29 November 2026, 02:00 in London.
    const NOW: &str = "2026-11-29T02:00:00Z";

    fn until(said: &str) -> Option<String> {
        let now: Timestamp = NOW.parse().unwrap();
        let wait = wait(said, u64::try_from(now.as_second()).unwrap(), None)?;
        Some(now.checked_add(SignedDuration::try_from(wait).unwrap()).unwrap().to_string())
    }

    #[test]
    fn every_form_of_a_reset_is_a_point_in_time() {
        for (said, at) in [
            ("Claude AI usage limit reached|1795917600", "2026-11-29T02:00:00Z"),
            ("Claude AI usage limit reached|1795921200", "2026-11-29T03:00:00Z"),
            ("Claude AI usage limit reached|1795921200000", "2026-11-29T03:00:00Z"),
            ("You've hit your limit · resets 3pm (Europe/Madrid)", "2026-11-29T14:00:00Z"),
            (
                "You've hit your session limit · resets 10:10pm (Europe/Madrid)",
                "2026-11-29T21:10:00Z",
            ),
            (
                "You've hit your session limit · resets 1am (America/Sao_Paulo)",
                "2026-11-29T04:00:00Z",
            ),
            (
                "You've hit your session limit · resets 2:30am (Europe/London)",
                "2026-11-29T02:30:00Z",
            ),
            ("resets 1am (Europe/London)", "2026-11-30T01:00:00Z"),
            (
                "You've hit your weekly limit · resets Dec 1 at 1am (America/Sao_Paulo)",
                "2026-12-01T04:00:00Z",
            ),
            ("Opus weekly limit reached ∙ resets Dec 31, 9am (UTC)", "2026-12-31T09:00:00Z"),
            ("resets Jan 2, 9am (UTC)", "2027-01-02T09:00:00Z"),
            ("resets Monday 9am (UTC)", "2026-11-30T09:00:00Z"),
            ("resets Sun 1am (UTC)", "2026-12-06T01:00:00Z"),
            ("resets tomorrow at 9am (Asia/Tokyo)", "2026-11-30T00:00:00Z"),
            ("Your limit will reset at 3pm (America/Santiago).", "2026-11-29T18:00:00Z"),
            ("Limit reached · resets in 5 hours", "2026-11-29T07:00:00Z"),
            ("Session limit reached, resets in 2h 30m", "2026-11-29T04:30:00Z"),
            ("resets in 1 day and 3 hours", "2026-11-30T05:00:00Z"),
            ("Please try again in 6m0s.", "2026-11-29T02:06:00Z"),
            ("Rate limited. Retry after 30 seconds", "2026-11-29T02:00:30Z"),
            ("retry-after: 90", "2026-11-29T02:01:30Z"),
            ("the limit resets at 2026-11-29T03:00:00Z", "2026-11-29T03:00:00Z"),
            ("resets 2026-11-29T05:00:00+01:00", "2026-11-29T04:00:00Z"),
            ("You will regain access on 2026-12-01 at 00:00 UTC.", "2026-12-01T00:00:00Z"),
            ("resets 15:00 UTC", "2026-11-29T15:00:00Z"),
            ("resets 5:00 PM GMT+2", "2026-11-29T15:00:00Z"),
            ("resets 9am PST", "2026-11-29T17:00:00Z"),
        ] {
            let expected = (at != NOW).then(|| at.to_owned());
            assert_eq!(until(said), expected, "{said}");
        }
    }

    #[test]
    fn what_names_no_time_is_no_time() {
        for said in [
            "",
            "You've hit your limit",
            "usage limit reached|soon",
            "resets soon",
            "try again later",
            "reset 7",
        ] {
            assert_eq!(until(said), None, "{said}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_never_waited_for_too_long() {
        assert_eq!(
            until("5-hour limit reached ∙ resets 3am").as_deref(),
            Some("2026-11-29T03:00:00Z")
        );
        assert_eq!(until("resets 10:30pm").as_deref(), Some("2026-11-29T02:30:00Z"));
        assert_eq!(until("resets Dec 24, 9am").as_deref(), Some("2026-12-23T19:00:00Z"));
        let now = Timestamp::from_second(1_795_917_600).unwrap();
        let madrid = zone_named("Europe/Madrid").unwrap();
        let wait = wait("resets 4am", u64::try_from(now.as_second()).unwrap(), Some(&madrid));
        assert_eq!(wait, Some(Duration::from_hours(1)));
    }

    #[test]
    fn a_time_that_has_just_passed_is_not_tomorrows() {
        assert_eq!(until("resets 1:50am (UTC)").as_deref(), Some("2026-11-29T02:01:00Z"));
    }
}
