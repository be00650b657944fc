//! How the domain types are written into columns, and read back.

use crate::error::Fault;
use cyrus_core::{Session, SessionState};
use cyrus_executor::MicroUsd;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, any::AnyRow};
use std::time::{Duration, SystemTime};

/// JSON, for a column.
pub(crate) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

/// JSON, for a column that may be empty.
pub(crate) fn json_of<T: Serialize>(
    value: Option<&T>,
) -> Result<Option<String>, serde_json::Error> {
    value.map(json).transpose()
}

/// Whatever this column's JSON says; `of` names the row for people.
pub(crate) fn parsed<T: DeserializeOwned>(
    row: &AnyRow,
    of: &str,
    column: &'static str,
) -> Result<T, Fault> {
    parse(of, column, row.try_get(column)?)
}

/// The same, of a column that may be empty.
pub(crate) fn parsed_if_any<T: DeserializeOwned>(
    row: &AnyRow,
    of: &str,
    column: &'static str,
) -> Result<Option<T>, Fault> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| parse(of, column, &text)).transpose()
}

fn parse<T: DeserializeOwned>(of: &str, column: &'static str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|cause| senseless(of, column, &cause))
}

/// A column that has something we would not have written.
pub(crate) fn senseless(of: &str, column: &'static str, cause: &impl ToString) -> Fault {
    Fault::Storage(format!("the {column} of {of} makes no sense: {}", cause.to_string()))
}

/// Nanoseconds since 1970. Reaches from 1677 to 2262; what lies beyond is taken as the nearest of these.
pub(crate) fn nanos(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

pub(crate) fn time(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}

/// A number that counts something, for a column.
pub(crate) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A number that counts something, from a column.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// An amount, for a column: at most 2^53 millionths, nine thousand million dollars, so that sums of a thousand such
/// still fit a column.
pub(crate) fn amount(money: MicroUsd) -> i64 {
    number(money.0.min(1 << 53))
}

/// An amount, from a column.
pub(crate) fn money(amount: i64) -> MicroUsd {
    MicroUsd(count(amount))
}

/// What begins a text that is written as JSON.
const AS_JSON: &str = "json:";

/// A text that somebody else chose, for a column: `PostgreSQL` takes no NUL.
pub(crate) fn foreign_text(text: &str) -> Result<String, serde_json::Error> {
    if text.contains('\0') || text.starts_with(AS_JSON) {
        Ok(format!("{AS_JSON}{}", json(&text)?))
    } else {
        Ok(text.to_owned())
    }
}

/// Such a text, from its column.
pub(crate) fn read_foreign_text(column: String) -> String {
    let quoted = column.strip_prefix(AS_JSON);
    quoted.and_then(|quoted| serde_json::from_str(quoted).ok()).unwrap_or(column)
}

/// A state as its columns `state` and `outcome`, in the words that the domain's JSON uses.
pub(crate) fn state_columns(
    state: SessionState,
) -> Result<(String, Option<String>), serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Columns {
        state: String,
        outcome: Option<String>,
    }
    let columns: Columns = serde_json::from_value(serde_json::to_value(state)?)?;
    Ok((columns.state, columns.outcome))
}

/// The session and its state, from the columns `id`, `document`, `state` and `outcome`.
pub(crate) fn session(row: &AnyRow) -> Result<(Session, SessionState), Fault> {
    let name = format!("session {}", row.try_get::<&str, _>("id")?);
    let document = parsed(row, &name, "document")?;
    let (state, outcome): (&str, Option<&str>) = (row.try_get("state")?, row.try_get("outcome")?);
    let state = match outcome {
        Some(outcome) => serde_json::json!({"state": state, "outcome": outcome}),
        None => serde_json::json!({"state": state}),
    };
    let state = serde_json::from_value(state).map_err(|cause| senseless(&name, "state", &cause))?;
    Ok((document, state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_core::SessionOutcome;

    #[test]
    fn times_read_back_to_the_nanosecond() {
        for nanos_since in [0, 1, -1, 1_764_000_000_123_456_789, i64::MAX] {
            assert_eq!(nanos(time(nanos_since)), nanos_since);
        }
    }

    #[test]
    fn a_state_is_two_words() {
        let columns = |state| state_columns(state).unwrap();
        assert_eq!(columns(SessionState::Paused), ("paused".into(), None));
        assert_eq!(
            columns(SessionState::Finished(SessionOutcome::Unverified)),
            ("finished".into(), Some("unverified".into()))
        );
    }

    #[test]
    fn any_text_reads_back_and_none_is_written_with_a_nul() {
        for text in ["", "plain", "a\0b", "json:", "json:\"x\"", "json:{"] {
            let written = foreign_text(text).unwrap();
            assert!(!written.contains('\0'));
            assert_eq!(read_foreign_text(written), text);
        }
        // As it was written before texts were looked at.
        assert_eq!(read_foreign_text("json:{".into()), "json:{");
    }
}
