//! Attempts at tasks, and what they came to.

use crate::{error::Fault, row};
use cyrus_core::{ExecutionRecord, ExecutionReport, SessionId, StoreError, ValidationReport};
use sqlx::{Any, AnyConnection, Row, any::AnyRow, query::Query};

/// The executions of session `$1`, in the order they began.
pub(crate) const OF_SESSION: &str = "SELECT id, session, task, attempt, idempotency_key, executor, started, receipt, \
     token, start, checkpoint, usage, report, collected, verdict FROM executions WHERE session = $1 \
     ORDER BY position, id";

pub(crate) async fn begin(
    connection: &mut AnyConnection,
    record: &ExecutionRecord,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO executions (id, session, position, task, attempt, idempotency_key, executor, started, receipt, \
         token, start, checkpoint, usage, repository, kind) \
         VALUES ($1, $2, (SELECT COALESCE(MAX(position), 0) + 1 FROM executions WHERE session = $2), \
         $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, (SELECT repository FROM sessions WHERE id = $2), \
         (SELECT kind FROM tasks WHERE session = $2 AND id = $3))",
    )
    .bind(&record.id)
    .bind(record.session.as_str())
    .bind(record.task.as_str())
    .bind(i64::from(record.attempt))
    .bind(&record.idempotency_key)
    .bind(&record.executor)
    .bind(row::nanos(record.started))
    .bind(row::json_of(record.receipt.as_ref())?)
    .bind(row::number(record.token))
    .bind(&record.start)
    .bind(record.checkpoint.as_deref().map(row::foreign_text).transpose()?)
    .bind(row::json(&record.usage)?)
    .execute(&mut *connection)
    .await?;
    // An execution that is written down when it is over already is rare, and goes the way of the others.
    let (id, session) = (&record.id, &record.session);
    if let Some(report) = &record.report {
        ended(connection, session, id, report).await?;
    }
    if let Some(collected) = &record.collected {
        let collected = row::json(collected)?;
        set(connection, session, id, Column::Collected, collected).await?;
    }
    if let Some(verdict) = &record.verdict {
        judged(connection, session, id, verdict).await?;
    }
    Ok(())
}

/// A column that is replaced as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Checkpoint,
    Usage,
    Collected,
}

pub(crate) async fn set(
    connection: &mut AnyConnection,
    session: &SessionId,
    execution: &str,
    column: Column,
    value: String,
) -> Result<(), Fault> {
    let sql = match column {
        Column::Checkpoint => {
            "UPDATE executions SET checkpoint = $3 WHERE id = $1 AND session = $2"
        }
        Column::Usage => "UPDATE executions SET usage = $3 WHERE id = $1 AND session = $2",
        Column::Collected => "UPDATE executions SET collected = $3 WHERE id = $1 AND session = $2",
    };
    let query = about(sql, session, execution).bind(value);
    update(connection, execution, query).await
}

pub(crate) async fn ended(
    connection: &mut AnyConnection,
    session: &SessionId,
    execution: &str,
    report: &ExecutionReport,
) -> Result<(), Fault> {
    let sql = "UPDATE executions SET report = $3, cost = $4, tried = CASE WHEN $5 = 1 THEN 1 ELSE tried END \
               WHERE id = $1 AND session = $2";
    let query = about(sql, session, execution)
        .bind(row::json(report)?)
        .bind(report.cost.map(|cost| row::amount(cost.amount)))
        .bind(i64::from(report.failed_at_its_work()));
    update(connection, execution, query).await
}

pub(crate) async fn judged(
    connection: &mut AnyConnection,
    session: &SessionId,
    execution: &str,
    verdict: &ValidationReport,
) -> Result<(), Fault> {
    let sql = "UPDATE executions SET verdict = $3, validated = $4, tried = CASE WHEN $5 = 1 THEN 1 ELSE tried END \
               WHERE id = $1 AND session = $2";
    let passed = verdict.verdict.passed();
    let query = about(sql, session, execution)
        .bind(row::json(verdict)?)
        .bind(i64::from(passed == Some(true)))
        .bind(i64::from(passed.is_some()));
    update(connection, execution, query).await
}

fn about<'q>(
    sql: &'static str,
    session: &'q SessionId,
    execution: &'q str,
) -> Query<'q, Any, sqlx::any::AnyArguments> {
    sqlx::query(sql).bind(execution).bind(session.as_str())
}

async fn update(
    connection: &mut AnyConnection,
    execution: &str,
    query: Query<'_, Any, sqlx::any::AnyArguments>,
) -> Result<(), Fault> {
    match query.execute(connection).await?.rows_affected() {
        0 => Err(StoreError::UnknownExecution(execution.to_owned()).into()),
        _ => Ok(()),
    }
}

/// The execution, from the columns of [`OF_SESSION`].
pub(crate) fn read(row: &AnyRow) -> Result<ExecutionRecord, Fault> {
    let id: String = row.try_get("id")?;
    let name = format!("execution {id}");
    let (session, task): (&str, &str) = (row.try_get("session")?, row.try_get("task")?);
    let checkpoint: Option<String> = row.try_get("checkpoint")?;
    Ok(ExecutionRecord {
        idempotency_key: row.try_get("idempotency_key")?,
        session: session.parse().map_err(|cause| row::senseless(&name, "session", &cause))?,
        task: task.parse().map_err(|cause| row::senseless(&name, "task", &cause))?,
        executor: row.try_get("executor")?,
        attempt: u32::try_from(row.try_get::<i64, _>("attempt")?)
            .map_err(|cause| row::senseless(&name, "attempt", &cause))?,
        started: row::time(row.try_get("started")?),
        receipt: row::parsed_if_any(row, &name, "receipt")?,
        token: row::count(row.try_get("token")?),
        start: row.try_get("start")?,
        checkpoint: checkpoint.map(row::read_foreign_text),
        usage: row::parsed(row, &name, "usage")?,
        report: row::parsed_if_any(row, &name, "report")?,
        collected: row::parsed_if_any(row, &name, "collected")?,
        verdict: row::parsed_if_any(row, &name, "verdict")?,
        id,
    })
}
