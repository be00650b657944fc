//! Changes to a session, all of them or none.

use crate::{
    Store,
    error::Fault,
    execution::{self, Column},
    lease, ledger, row, store, track,
};
use cyrus_core::{
    Change, EffectRecord, EffectState, Lease, Plan, SessionId, SessionReport, SessionState,
    TaskRecord, TaskState,
};
use cyrus_executor::TaskId;
use sqlx::AnyConnection;

pub(crate) async fn commit(store: &Store, lease: &Lease, changes: &[Change]) -> Result<(), Fault> {
    let mut transaction = store.begin_write().await?;
    let done = apply_all(store, &mut transaction, lease, changes).await;
    store::end(transaction, done).await?;
    let lets_go = changes.iter().rev().find_map(|change| match change {
        Change::State(state, _) => Some(*state != SessionState::Running),
        Change::Remove => Some(true),
        _ => None,
    });
    if lets_go == Some(true) {
        let mut held = store.held();
        if held.get(&lease.session) == Some(&lease.token) {
            held.remove(&lease.session);
        }
    }
    Ok(())
}

async fn apply_all(
    store: &Store,
    connection: &mut AnyConnection,
    lease: &Lease,
    changes: &[Change],
) -> Result<(), Fault> {
    lease::hold(store, connection, lease).await?;
    ledger::prepare(connection, &lease.session, changes).await?;
    let before = track::before(connection, &lease.session, changes).await?;
    for change in changes {
        is_ours(&lease.session, change)?;
        apply(connection, &lease.session, change).await?;
    }
    track::add(connection, &lease.session, before).await
}

/// Refuses what belongs to another session: the lease says nothing about that one.
fn is_ours(session: &SessionId, change: &Change) -> Result<(), Fault> {
    let of = match change {
        Change::Begin(record) => &record.session,
        Change::Reserve(reservation) => &reservation.session,
        Change::Intend(effect) => &effect.session,
        _ => session,
    };
    if of == session {
        return Ok(());
    }
    Err(Fault::Storage(format!(
        "a change to session {of} was to be made under a lease of {session}"
    )))
}

async fn apply(
    connection: &mut AnyConnection,
    session: &SessionId,
    change: &Change,
) -> Result<(), Fault> {
    match change {
        Change::Analysed(analysis) => {
            let sql = "UPDATE documents SET analysis = $2 WHERE session = $1";
            set(connection, session, sql, row::json(analysis)?).await
        }
        Change::Planned(plan) => planned(connection, session, plan).await,
        Change::Task(task) => put_task(connection, session, task).await,
        Change::TaskState(task, state) => move_task(connection, session, task, state).await,
        Change::Begin(record) => execution::begin(connection, record).await,
        Change::Checkpoint { execution, token } => {
            let token = row::foreign_text(token)?;
            execution::set(connection, session, execution, Column::Checkpoint, token).await
        }
        Change::Spent { execution, usage } => {
            let usage = row::json(usage)?;
            execution::set(connection, session, execution, Column::Usage, usage).await
        }
        Change::Ended(report) => execution::ended(connection, session, &report.id, report).await,
        Change::Collected(execution, collected) => {
            let collected = row::json(collected)?;
            execution::set(connection, session, execution, Column::Collected, collected).await
        }
        Change::Verdict(execution, verdict) => {
            execution::judged(connection, session, execution, verdict).await
        }
        Change::Reserve(reservation) => ledger::reserve(connection, reservation).await,
        Change::Settle(execution, settlement) => {
            ledger::settle(connection, session, execution, settlement).await
        }
        Change::Intend(effect) => intend(connection, effect).await,
        Change::Effect(key, state) => acknowledge(connection, session, key, state).await,
        Change::Progress(progress) => {
            let sql = "UPDATE sessions SET progress = $2 WHERE id = $1";
            set(connection, session, sql, row::json(progress)?).await
        }
        Change::Merged(commit, report) => {
            let sql = "UPDATE documents SET merged = $2 WHERE session = $1";
            set(connection, session, sql, row::json(&(commit, report))?).await
        }
        Change::State(state, report) => stand(connection, session, *state, report.as_deref()).await,
        Change::Remove => remove(connection, session).await,
    }
}

async fn set(
    connection: &mut AnyConnection,
    session: &SessionId,
    sql: &'static str,
    value: String,
) -> Result<(), Fault> {
    sqlx::query(sql).bind(session.as_str()).bind(value).execute(connection).await?;
    Ok(())
}

async fn planned(
    connection: &mut AnyConnection,
    session: &SessionId,
    plan: &Plan,
) -> Result<(), Fault> {
    let sql = "UPDATE documents SET plan = $2 WHERE session = $1";
    set(connection, session, sql, row::json(plan)?).await?;
    for planned in &plan.tasks {
        let task = TaskRecord { planned: planned.clone(), state: TaskState::Waiting };
        put_task(connection, session, &task).await?;
    }
    Ok(())
}

async fn put_task(
    connection: &mut AnyConnection,
    session: &SessionId,
    task: &TaskRecord,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO tasks (session, id, position, kind, document, state) \
         VALUES ($1, $2, (SELECT COALESCE(MAX(position), 0) + 1 FROM tasks WHERE session = $1), $3, $4, $5) \
         ON CONFLICT (session, id) DO UPDATE SET kind = excluded.kind, document = excluded.document, \
         state = excluded.state, cancelled = 0",
    )
    .bind(session.as_str())
    .bind(task.planned.id().as_str())
    .bind(row::json(task.planned.kind())?)
    .bind(row::json(&task.planned)?)
    .bind(row::json(&task.state)?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn move_task(
    connection: &mut AnyConnection,
    session: &SessionId,
    task: &TaskId,
    state: &TaskState,
) -> Result<(), Fault> {
    let moved = sqlx::query("UPDATE tasks SET state = $3 WHERE session = $1 AND id = $2")
        .bind(session.as_str())
        .bind(task.as_str())
        .bind(row::json(state)?)
        .execute(connection)
        .await?;
    match moved.rows_affected() {
        0 => Err(Fault::Storage(format!("session {session} has no task {task}"))),
        _ => Ok(()),
    }
}

async fn intend(connection: &mut AnyConnection, effect: &EffectRecord) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO effects (key, session, position, task, kind, done, state) \
         VALUES ($1, $2, (SELECT COALESCE(MAX(position), 0) + 1 FROM effects WHERE session = $2), $3, $4, $5, $6) \
         ON CONFLICT (key) DO NOTHING",
    )
    .bind(&effect.key)
    .bind(effect.session.as_str())
    .bind(effect.task.as_ref().map(TaskId::as_str))
    .bind(row::json(&effect.kind)?)
    .bind(i64::from(is_done(&effect.state)))
    .bind(row::json(&effect.state)?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn acknowledge(
    connection: &mut AnyConnection,
    session: &SessionId,
    key: &str,
    state: &EffectState,
) -> Result<(), Fault> {
    let known =
        sqlx::query("UPDATE effects SET done = $3, state = $4 WHERE key = $1 AND session = $2")
            .bind(key)
            .bind(session.as_str())
            .bind(i64::from(is_done(state)))
            .bind(row::json(state)?)
            .execute(connection)
            .await?;
    match known.rows_affected() {
        0 => Err(Fault::Storage(format!("session {session} never intended an effect {key:?}"))),
        _ => Ok(()),
    }
}

fn is_done(state: &EffectState) -> bool {
    matches!(state, EffectState::Done(_))
}

async fn remove(connection: &mut AnyConnection, session: &SessionId) -> Result<(), Fault> {
    // What refers to the session goes before it.
    for sql in [
        "DELETE FROM log WHERE session = $1",
        "DELETE FROM effects WHERE session = $1",
        "DELETE FROM reservations WHERE session = $1",
        "DELETE FROM executions WHERE session = $1",
        "DELETE FROM tasks WHERE session = $1",
        "DELETE FROM documents WHERE session = $1",
        "DELETE FROM sessions WHERE id = $1",
    ] {
        sqlx::query(sql).bind(session.as_str()).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn stand(
    connection: &mut AnyConnection,
    session: &SessionId,
    state: SessionState,
    report: Option<&SessionReport>,
) -> Result<(), Fault> {
    let (word, outcome) = row::state_columns(state)?;
    let sql = if state == SessionState::Running {
        "UPDATE sessions SET state = $2, outcome = $3 WHERE id = $1"
    } else {
        "UPDATE sessions SET state = $2, outcome = $3, holder = NULL, holder_pid = NULL, stop = NULL WHERE id = $1"
    };
    sqlx::query(sql)
        .bind(session.as_str())
        .bind(word)
        .bind(outcome)
        .execute(&mut *connection)
        .await?;
    if let Some(report) = report {
        let sql = "UPDATE documents SET report = $2 WHERE session = $1";
        set(connection, session, sql, row::json(report)?).await?;
    }
    Ok(())
}
