use crate::{
    Store,
    row::{self, RowError},
};
use async_trait::async_trait;
use cyrus_core::{
    ExecutionRecord, ExecutionReport, Journal, JournalError, Session, SessionId, SessionReport,
    SessionState,
};
use cyrus_executor::Usage;
use sqlx::Row;

/// Somebody who works on a session, as its row has it.
struct Holding {
    holder: String,
    pid: u32,
}

/// A session's row, as far as taking hold of it needs it.
struct Claim {
    session: Session,
    state: SessionState,
    holding: Option<Holding>,
    fence: i64,
}

#[async_trait]
impl Journal for Store {
    async fn open(&self, session: &Session) -> Result<(), JournalError> {
        let (state, outcome) = self.written(row::state_columns(SessionState::Running))?;
        sqlx::query(
            "INSERT INTO sessions (id, document, state, outcome, created, holder, holder_pid, fence) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
        )
        .bind(session.id.as_str())
        .bind(self.written(row::json(session))?)
        .bind(state)
        .bind(outcome)
        .bind(row::nanos(session.created))
        .bind(self.holder.id())
        .bind(own_pid())
        .execute(&self.pool)
        .await
        .map_err(|error| self.unwritten(&error))?;
        Ok(())
    }

    async fn take(&self, id: &SessionId) -> Result<(Session, SessionState), JournalError> {
        loop {
            let claim = self.claim(id).await?;
            if let Some(holding) = &claim.holding
                && self.holder.is_alive(&holding.holder)
            {
                return Err(JournalError::Held { session: id.clone(), pid: holding.pid });
            }
            // Whoever comes first moves the fence; the others find it moved, and look again.
            let taken = sqlx::query(
                "UPDATE sessions SET holder = $1, holder_pid = $2, fence = fence + 1 \
                 WHERE id = $3 AND fence = $4",
            )
            .bind(self.holder.id())
            .bind(own_pid())
            .bind(id.as_str())
            .bind(claim.fence)
            .execute(&self.pool)
            .await
            .map_err(|error| self.unwritten(&error))?;
            if taken.rows_affected() == 1 {
                return Ok((claim.session, claim.state));
            }
        }
    }

    async fn close(
        &self,
        id: &SessionId,
        state: SessionState,
        report: &SessionReport,
    ) -> Result<(), JournalError> {
        let (state, outcome) = self.written(row::state_columns(state))?;
        let report = self.written(row::json(report))?;
        loop {
            let closed = sqlx::query(
                "UPDATE sessions SET state = $1, outcome = $2, report = $3, holder = NULL, holder_pid = NULL \
                 WHERE id = $4 AND (holder = $5 OR holder IS NULL)",
            )
            .bind(&state)
            .bind(&outcome)
            .bind(&report)
            .bind(id.as_str())
            .bind(self.holder.id())
            .execute(&self.pool)
            .await
            .map_err(|error| self.unwritten(&error))?;
            if closed.rows_affected() == 1 {
                return Ok(());
            }
            // Somebody else's, unless that one has let go of it meanwhile.
            if let Some(holding) = self.claim(id).await?.holding {
                return Err(JournalError::Held { session: id.clone(), pid: holding.pid });
            }
        }
    }

    async fn sessions(&self) -> Result<Vec<(Session, SessionState)>, JournalError> {
        let rows = sqlx::query(
            "SELECT id, document, state, outcome FROM sessions ORDER BY created DESC, id DESC",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.unread(&error))?;
        // One that cannot be read is no reason to show none.
        let readable = rows.iter().filter_map(|row| {
            let read = row::session(row);
            read.map_err(|error| tracing::warn!(%error, "a session is left out of the list")).ok()
        });
        Ok(readable.collect())
    }

    async fn begin_execution(&self, record: &ExecutionRecord) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO executions (id, session, position, task, attempt, idempotency_key, executor, \
             started, checkpoint, usage, report) \
             VALUES ($1, $2, (SELECT COALESCE(MAX(position), 0) + 1 FROM executions WHERE session = $2), \
             $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&record.id)
        .bind(record.session.as_str())
        .bind(record.task.as_str())
        .bind(i64::from(record.attempt))
        .bind(&record.idempotency_key)
        .bind(&record.executor)
        .bind(row::nanos(record.started))
        .bind(&record.checkpoint)
        .bind(self.written(row::json(&record.usage))?)
        .bind(self.written(record.report.as_ref().map(row::json).transpose())?)
        .execute(&self.pool)
        .await
        .map_err(|error| match error {
            sqlx::Error::Database(error) if error.is_foreign_key_violation() => {
                JournalError::UnknownSession(record.session.clone())
            }
            other => self.unwritten(&other),
        })?;
        Ok(())
    }

    async fn checkpoint(&self, execution: &str, token: &str) -> Result<(), JournalError> {
        let query = sqlx::query("UPDATE executions SET checkpoint = $1 WHERE id = $2").bind(token);
        self.update_execution(query, execution).await
    }

    async fn spend(&self, execution: &str, usage: &Usage) -> Result<(), JournalError> {
        let usage = self.written(row::json(usage))?;
        let query = sqlx::query("UPDATE executions SET usage = $1 WHERE id = $2").bind(usage);
        self.update_execution(query, execution).await
    }

    async fn finish_execution(
        &self,
        execution: &str,
        report: &ExecutionReport,
    ) -> Result<(), JournalError> {
        let report = self.written(row::json(report))?;
        let query = sqlx::query("UPDATE executions SET report = $1 WHERE id = $2").bind(report);
        self.update_execution(query, execution).await
    }

    async fn executions(&self, session: &SessionId) -> Result<Vec<ExecutionRecord>, JournalError> {
        let rows = sqlx::query(
            "SELECT id, session, task, attempt, idempotency_key, executor, started, checkpoint, usage, \
             report FROM executions WHERE session = $1 ORDER BY position, id",
        )
        .bind(session.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.unread(&error))?;
        let records: Result<_, _> = rows.iter().map(row::execution).collect();
        records.map_err(|error| self.unread(&error))
    }
}

impl Store {
    async fn claim(&self, id: &SessionId) -> Result<Claim, JournalError> {
        let row = sqlx::query(
            "SELECT id, document, state, outcome, holder, holder_pid, fence FROM sessions WHERE id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.unread(&error))?
        .ok_or_else(|| JournalError::UnknownSession(id.clone()))?;
        let read = || -> Result<Claim, RowError> {
            let (session, state) = row::session(&row)?;
            let holder: Option<String> = row.try_get("holder")?;
            let pid: Option<i64> = row.try_get("holder_pid")?;
            let pid = u32::try_from(pid.unwrap_or_default()).unwrap_or_default();
            let holding = holder.map(|holder| Holding { holder, pid });
            Ok(Claim { session, state, holding, fence: row.try_get("fence")? })
        };
        read().map_err(|error| self.unread(&error))
    }

    /// Runs a statement that sets one column, whose last parameter is the execution.
    async fn update_execution(
        &self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
        execution: &str,
    ) -> Result<(), JournalError> {
        let updated = query.bind(execution).execute(&self.pool).await;
        match updated.map_err(|error| self.unwritten(&error))?.rows_affected() {
            0 => Err(JournalError::UnknownExecution(execution.to_owned())),
            _ => Ok(()),
        }
    }

    fn written<T>(&self, encoded: Result<T, serde_json::Error>) -> Result<T, JournalError> {
        encoded.map_err(|error| self.unwritten(&error))
    }
}

fn own_pid() -> i64 {
    i64::from(std::process::id())
}
