//! Everything about a session.

use crate::{Store, error::Fault, execution, row, store};
use cyrus_core::{EffectRecord, ExecutionRecord, SessionId, Snapshot, StoreError, TaskRecord};
use sqlx::{AnyConnection, Row, any::AnyRow};
use std::path::Path;

/// A session's rows, not yet read.
pub(crate) struct Saved {
    session: AnyRow,
    tasks: Vec<AnyRow>,
    executions: Vec<AnyRow>,
    effects: Vec<AnyRow>,
}

pub(crate) async fn snapshot(store: &Store, id: &SessionId) -> Result<Snapshot, Fault> {
    let mut transaction = store.begin_read().await?;
    let fetched = fetch(&mut transaction, id).await;
    store::end(transaction, fetched).await?.read()
}

/// The rows, as they are in one transaction.
pub(crate) async fn fetch(connection: &mut AnyConnection, id: &SessionId) -> Result<Saved, Fault> {
    let session = sqlx::query(
        "SELECT id, state, outcome, progress, document, analysis, plan, merged, report \
         FROM sessions JOIN documents ON session = id WHERE id = $1",
    )
    .bind(id.as_str())
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(|| StoreError::UnknownSession(id.clone()))?;
    let mut all = async |sql: &'static str| {
        sqlx::query(sql).bind(id.as_str()).fetch_all(&mut *connection).await
    };
    Ok(Saved {
        session,
        tasks: all("SELECT id, document, state FROM tasks WHERE session = $1 ORDER BY position")
            .await?,
        executions: all(execution::OF_SESSION).await?,
        effects: all(
            "SELECT key, session, task, kind, state FROM effects WHERE session = $1 AND done = 0 ORDER BY position",
        )
        .await?,
    })
}

impl Saved {
    /// What the rows say.
    pub(crate) fn read(&self) -> Result<Snapshot, Fault> {
        let row = &self.session;
        let (session, state) = row::session(row)?;
        let name = format!("session {}", session.id);
        Ok(Snapshot {
            session,
            state,
            analysis: row::parsed_if_any(row, &name, "analysis")?,
            plan: row::parsed_if_any(row, &name, "plan")?,
            tasks: self.tasks.iter().map(task).collect::<Result<Vec<TaskRecord>, _>>()?,
            executions: self
                .executions
                .iter()
                .map(execution::read)
                .collect::<Result<Vec<ExecutionRecord>, _>>()?,
            progress: row::parsed_if_any(row, &name, "progress")?.unwrap_or_default(),
            verdict: row::parsed_if_any(row, &name, "merged")?,
            open_effects: self
                .effects
                .iter()
                .map(effect)
                .collect::<Result<Vec<EffectRecord>, _>>()?,
            report: row::parsed_if_any(row, &name, "report")?,
        })
    }
}

fn task(row: &AnyRow) -> Result<TaskRecord, Fault> {
    let name = format!("task {}", row.try_get::<&str, _>("id")?);
    let planned = row::parsed(row, &name, "document")?;
    Ok(TaskRecord { planned, state: row::parsed(row, &name, "state")? })
}

/// The effect of this row.
pub(crate) fn effect(row: &AnyRow) -> Result<EffectRecord, Fault> {
    let key: String = row.try_get("key")?;
    let name = format!("effect {key}");
    let (session, task): (&str, Option<&str>) = (row.try_get("session")?, row.try_get("task")?);
    let task = task.map(str::parse).transpose();
    Ok(EffectRecord {
        kind: row::parsed(row, &name, "kind")?,
        session: session.parse().map_err(|cause| row::senseless(&name, "session", &cause))?,
        task: task.map_err(|cause| row::senseless(&name, "task", &cause))?,
        state: row::parsed(row, &name, "state")?,
        key,
    })
}

pub(crate) async fn effect_of_key(store: &Store, key: &str) -> Result<Option<EffectRecord>, Fault> {
    let row = sqlx::query("SELECT key, session, task, kind, state FROM effects WHERE key = $1")
        .bind(key)
        .fetch_optional(&store.reader)
        .await?;
    row.as_ref().map(effect).transpose()
}

/// A repository, for a column.
pub(crate) fn repository(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
