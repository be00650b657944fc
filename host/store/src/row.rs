//! How the domain types are written into columns, and read back.

use cyrus_core::{ExecutionRecord, Session, SessionState};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};
use std::time::{Duration, SystemTime};

/// Why a row is not what we would have written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error(transparent)]
    Column(#[from] sqlx::Error),
    #[error("the {column} of {row} makes no sense: {cause}")]
    Content { column: &'static str, row: String, cause: String },
}

/// JSON, for a column.
pub(crate) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

fn parse<T: DeserializeOwned>(row: &str, column: &'static str, text: &str) -> Result<T, RowError> {
    serde_json::from_str(text).map_err(|cause| content(row, column, &cause))
}

fn content(row: &str, column: &'static str, cause: &impl ToString) -> RowError {
    RowError::Content { column, row: row.to_owned(), cause: cause.to_string() }
}

/// Nanoseconds since 1970. Reaches from 1677 to 2262; what lies beyond is taken as the nearest of these.
pub(crate) fn nanos(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

fn time(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
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
pub(crate) fn session(row: &SqliteRow) -> Result<(Session, SessionState), RowError> {
    let id: String = row.try_get("id")?;
    let name = format!("session {id}");
    let document = parse(&name, "document", row.try_get("document")?)?;
    let (state, outcome): (&str, Option<&str>) = (row.try_get("state")?, row.try_get("outcome")?);
    let state = match outcome {
        Some(outcome) => serde_json::json!({"state": state, "outcome": outcome}),
        None => serde_json::json!({"state": state}),
    };
    let state = serde_json::from_value(state).map_err(|cause| content(&name, "state", &cause))?;
    Ok((document, state))
}

/// The execution, from all columns of its table but `position`.
pub(crate) fn execution(row: &SqliteRow) -> Result<ExecutionRecord, RowError> {
    let id: String = row.try_get("id")?;
    let name = format!("execution {id}");
    let report: Option<&str> = row.try_get("report")?;
    let session: &str = row.try_get("session")?;
    let task: &str = row.try_get("task")?;
    Ok(ExecutionRecord {
        idempotency_key: row.try_get("idempotency_key")?,
        session: session.parse().map_err(|cause| content(&name, "session", &cause))?,
        task: task.parse().map_err(|cause| content(&name, "task", &cause))?,
        executor: row.try_get("executor")?,
        attempt: u32::try_from(row.try_get::<i64, _>("attempt")?)
            .map_err(|cause| content(&name, "attempt", &cause))?,
        started: time(row.try_get("started")?),
        checkpoint: row.try_get("checkpoint")?,
        usage: parse(&name, "usage", row.try_get("usage")?)?,
        report: report.map(|text| parse(&name, "report", text)).transpose()?,
        id,
    })
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
}
