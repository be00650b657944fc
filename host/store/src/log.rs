//! What is told of a session, kept to be looked at later.

use crate::{Store, error::Fault, row, store};
use cyrus_core::{LogLine, SessionEvent, SessionId, StoreError};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, AssertSqlSafe, Row, any::AnyRow};
use std::time::{Duration, SystemTime};

/// Lines kept of one session; the newest are.
const KEPT: i64 = 20_000;

/// What one session's log holds before events of executions are left out of it, in bytes. What marks its course is
/// written all the same.
const CHATTER_BYTES: u64 = 64 << 20;

/// What is read at once, in bytes.
const PAGE_BYTES: usize = 4 << 20;

/// Lines written with one statement.
const AT_ONCE: usize = 200;

pub(crate) async fn add(
    store: &Store,
    session: &SessionId,
    events: &[SessionEvent],
) -> Result<(), Fault> {
    if events.is_empty() {
        return Ok(());
    }
    let mut log = kept(store, session).await?;
    let lines = log.take_in(events)?;
    if !lines.is_empty() {
        let mut transaction = store.begin_write().await?;
        let done = write(&mut transaction, session, &lines).await;
        store::end(transaction, done).await?;
    }
    store.logs().insert(session.clone(), log);
    Ok(())
}

/// A line as it is kept.
#[derive(Serialize, Deserialize)]
struct Line<E> {
    /// When it was written, in milliseconds since 1970; lines from before times were kept have none.
    #[serde(default)]
    at: Option<u64>,
    #[serde(flatten)]
    event: E,
}

impl<E> Line<E> {
    fn now(event: E) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { at: u64::try_from(since.as_millis()).ok(), event }
    }
}

/// What a session's log holds by now, as far as this store knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    bytes: u64,
    /// Events of executions that were left out since the last line that says so.
    left_out: u64,
}

/// What this store wrote and, before it wrote the first line, what others had written.
async fn kept(store: &Store, session: &SessionId) -> Result<Kept, Fault> {
    if let Some(log) = store.logs().get(session) {
        return Ok(*log);
    }
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(LENGTH(event)), 0) AS BIGINT) AS bytes FROM log WHERE session = $1",
    )
    .bind(session.as_str())
    .fetch_one(&store.reader)
    .await?;
    Ok(Kept { bytes: row::count(row.try_get("bytes")?), left_out: 0 })
}

impl Kept {
    /// The lines to be written for these events. Once the log is full those of executions are left out, and the next
    /// line that is written says how many were.
    fn take_in(&mut self, events: &[SessionEvent]) -> Result<Vec<String>, Fault> {
        let mut lines = Vec::with_capacity(events.len());
        for event in events {
            let is_chatter = matches!(event, SessionEvent::ExecutionEvent { .. });
            if is_chatter && self.bytes >= CHATTER_BYTES {
                self.left_out += 1;
                continue;
            }
            if self.left_out > 0 {
                let message = format!(
                    "{} events of executions are not in this log: it holds {} MiB of them",
                    std::mem::take(&mut self.left_out),
                    CHATTER_BYTES >> 20
                );
                lines.push(row::json(&Line::now(SessionEvent::Warning { message }))?);
            }
            let line = row::json(&Line::now(event))?;
            self.bytes += line.len() as u64;
            lines.push(line);
        }
        Ok(lines)
    }
}

async fn write(
    connection: &mut AnyConnection,
    session: &SessionId,
    lines: &[String],
) -> Result<(), Fault> {
    // Two that write to one log at once get numbers one after the other.
    let row =
        sqlx::query("UPDATE sessions SET logged = logged + $1 WHERE id = $2 RETURNING logged")
            .bind(i64::try_from(lines.len()).unwrap_or(i64::MAX))
            .bind(session.as_str())
            .fetch_optional(&mut *connection)
            .await?
            .ok_or_else(|| StoreError::UnknownSession(session.clone()))?;
    let last: i64 = row.try_get("logged")?;
    let first_kept = last - KEPT + 1;
    // Of more than are kept only the newest are written at all.
    let numbered = (1..=last).rev().zip(lines.iter().rev());
    let numbered: Vec<_> = numbered.take_while(|(number, _)| *number >= first_kept).collect();
    for some in numbered.chunks(AT_ONCE) {
        let place = |number: usize| format!("($1, ${}, ${})", number * 2 + 2, number * 2 + 3);
        let places: Vec<_> = (0..some.len()).map(place).collect();
        let sql = format!("INSERT INTO log (session, number, event) VALUES {}", places.join(", "));
        // Nothing but numbered places was put into it. There are many such statements: none is worth keeping.
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(session.as_str());
        let query =
            some.iter().fold(query, |query, (number, line)| query.bind(*number).bind(*line));
        query.execute(&mut *connection).await?;
    }
    if first_kept > 1 {
        sqlx::query("DELETE FROM log WHERE session = $1 AND number < $2")
            .bind(session.as_str())
            .bind(first_kept)
            .execute(connection)
            .await?;
    }
    Ok(())
}

pub(crate) async fn lines(
    store: &Store,
    session: &SessionId,
    after: u64,
    most: usize,
) -> Result<Vec<LogLine>, Fault> {
    let mut found = sqlx::query(
        "SELECT number, event FROM log WHERE session = $1 AND number > $2 ORDER BY number LIMIT $3",
    )
    .bind(session.as_str())
    .bind(row::number(after))
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch(&store.reader);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while bytes < PAGE_BYTES
        && let Some(row) = found.try_next().await?
    {
        bytes += row.try_get::<&str, _>("event").map_or(0, str::len);
        rows.push(row);
    }
    drop(found);
    if rows.is_empty() {
        let known = sqlx::query("SELECT id FROM sessions WHERE id = $1")
            .bind(session.as_str())
            .fetch_optional(&store.reader)
            .await?;
        known.ok_or_else(|| StoreError::UnknownSession(session.clone()))?;
    }
    let read = |row: &AnyRow| -> Result<LogLine, Fault> {
        let number = row::count(row.try_get("number")?);
        let line: Line<SessionEvent> =
            row::parsed(row, &format!("line {number} of {session}'s log"), "event")?;
        let at = line.at.map(|at| SystemTime::UNIX_EPOCH + Duration::from_millis(at));
        Ok(LogLine { number, at, event: line.event })
    };
    // One that cannot be read is no reason to show none.
    let readable = rows.iter().filter_map(|row| {
        let read = read(row).map_err(|fault| store.unread(fault));
        read.map_err(|error| tracing::warn!(%error, "a line is left out of the log")).ok()
    });
    Ok(readable.collect())
}
