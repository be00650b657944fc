//! What is told of a session, kept to be looked at later.

use crate::{Store, error::Fault, row, store};
use cyrus_core::{LogLine, SessionEvent, SessionId, StoreError};
use sqlx::{AnyConnection, AssertSqlSafe, Row, any::AnyRow};

/// Lines kept of one session; the newest are.
const KEPT: i64 = 20_000;

/// Lines written with one statement.
const AT_ONCE: usize = 200;

pub(crate) async fn add(
    store: &Store,
    session: &SessionId,
    events: &[SessionEvent],
) -> Result<(), Fault> {
    let lines = events.iter().map(row::json).collect::<Result<Vec<_>, _>>()?;
    if lines.is_empty() {
        return Ok(());
    }
    let mut transaction = store.begin_write().await?;
    let done = write(&mut transaction, session, &lines).await;
    store::end(transaction, done).await
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
    let rows = sqlx::query(
        "SELECT number, event FROM log WHERE session = $1 AND number > $2 ORDER BY number LIMIT $3",
    )
    .bind(session.as_str())
    .bind(row::number(after))
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(&store.reader)
    .await?;
    if rows.is_empty() {
        let known = sqlx::query("SELECT id FROM sessions WHERE id = $1")
            .bind(session.as_str())
            .fetch_optional(&store.reader)
            .await?;
        known.ok_or_else(|| StoreError::UnknownSession(session.clone()))?;
    }
    let read = |row: &AnyRow| -> Result<LogLine, Fault> {
        let number = row::count(row.try_get("number")?);
        let event = row::parsed(row, &format!("line {number} of {session}'s log"), "event")?;
        Ok(LogLine { number, event })
    };
    // One that cannot be read is no reason to show none.
    let readable = rows.iter().filter_map(|row| {
        let read = read(row).map_err(|fault| store.unread(fault));
        read.map_err(|error| tracing::warn!(%error, "a line is left out of the log")).ok()
    });
    Ok(readable.collect())
}
