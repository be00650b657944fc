//! What others ask of whoever works on a session: to stop, or to cancel a task.

use crate::{Store, error::Fault, row};
use cyrus_core::{SessionId, StoreError};
use cyrus_executor::{StopMode, TaskId};
use sqlx::{Row as _, any::AnyRow};

pub(crate) async fn stop(store: &Store, id: &SessionId, mode: StopMode) -> Result<(), Fault> {
    // Nobody would find the request in a session that nobody holds; whoever takes it next was not asked.
    let asked = sqlx::query(
        "UPDATE sessions SET stop = CASE WHEN holder IS NULL THEN NULL ELSE $1 END WHERE id = $2",
    )
    .bind(row::json(&mode)?)
    .bind(id.as_str())
    .execute(&store.writer)
    .await?;
    match asked.rows_affected() {
        0 => Err(StoreError::UnknownSession(id.clone()).into()),
        _ => Ok(()),
    }
}

pub(crate) async fn stops(store: &Store) -> Result<Vec<(SessionId, StopMode)>, Fault> {
    let rows = sqlx::query(
        "SELECT id, stop FROM sessions WHERE holder = $1 AND stop IS NOT NULL ORDER BY id",
    )
    .bind(store.holder.id())
    .fetch_all(&store.reader)
    .await?;
    let request = |row: &AnyRow| {
        let id: &str = row.try_get("id")?;
        let name = format!("session {id}");
        let id = id.parse().map_err(|cause| row::senseless(&name, "id", &cause))?;
        Ok((id, row::parsed(row, &name, "stop")?))
    };
    rows.iter().map(request).collect()
}

/// Asks for a task to be cancelled. Unlike a stop that holds for whoever goes on with the session too.
pub(crate) async fn cancel(store: &Store, id: &SessionId, task: &TaskId) -> Result<(), Fault> {
    let asked = sqlx::query("UPDATE tasks SET cancelled = 1 WHERE session = $1 AND id = $2")
        .bind(id.as_str())
        .bind(task.as_str())
        .execute(&store.writer)
        .await?;
    match asked.rows_affected() {
        0 => Err(StoreError::UnknownTask { session: id.clone(), task: task.clone() }.into()),
        _ => Ok(()),
    }
}

pub(crate) async fn cancelled(store: &Store) -> Result<Vec<(SessionId, TaskId)>, Fault> {
    let rows = sqlx::query(
        "SELECT tasks.session AS session, tasks.id AS id FROM tasks \
         JOIN sessions ON sessions.id = tasks.session \
         WHERE sessions.holder = $1 AND tasks.cancelled = 1 ORDER BY tasks.session, tasks.id",
    )
    .bind(store.holder.id())
    .fetch_all(&store.reader)
    .await?;
    let request = |row: &AnyRow| {
        let (session, task): (&str, &str) = (row.try_get("session")?, row.try_get("id")?);
        let name = format!("task {task} of session {session}");
        let session = session.parse().map_err(|cause| row::senseless(&name, "session", &cause))?;
        let task = task.parse().map_err(|cause| row::senseless(&name, "id", &cause))?;
        Ok((session, task))
    };
    rows.iter().map(request).collect()
}
