//! Taking hold of a session, showing that we still do, and finding out that somebody else does.

use crate::{
    Store,
    error::Fault,
    holder::Holding,
    host::Host,
    row,
    snapshot::{self, Saved},
    store,
};
use cyrus_core::{Lease, Session, SessionId, SessionState, SessionSummary, Snapshot, StoreError};
use sqlx::{Any, AnyConnection, Row, Transaction, any::AnyRow};
use std::{collections::HashMap, time::Duration};

/// Holders that were not heard of for so many times the lease time are forgotten, when they hold nothing.
const FORGOTTEN_AFTER: u32 = 60;

pub(crate) async fn open(store: &Store, session: &Session) -> Result<Lease, Fault> {
    const FIRST: u64 = 1;
    let (state, outcome) = row::state_columns(SessionState::Running)?;
    let document = row::json(session)?;
    let mut transaction = store.begin_write().await?;
    let done = async {
        announce(store, &mut transaction).await?;
        sqlx::query(
            "INSERT INTO sessions (id, repository, state, outcome, created, holder, holder_pid, fence) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(session.id.as_str())
        .bind(snapshot::repository(&session.base.path))
        .bind(state)
        .bind(outcome)
        .bind(row::nanos(session.created))
        .bind(store.holder.id())
        .bind(own_pid())
        .bind(row::number(FIRST))
        .execute(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO documents (session, document) VALUES ($1, $2)")
            .bind(session.id.as_str())
            .bind(document)
            .execute(&mut *transaction)
            .await?;
        Ok(Lease { session: session.id.clone(), token: FIRST })
    };
    let done = done.await;
    let lease = store::end(transaction, done).await?;
    store.held().insert(lease.session.clone(), lease.token);
    Ok(lease)
}

pub(crate) async fn take(store: &Store, id: &SessionId) -> Result<(Lease, Snapshot), Fault> {
    loop {
        let (holding, fence) = claim(store, id).await?;
        if let Some(holding) = holding
            && store.holder.sees_alive(&holding, store.patience())
        {
            let host = holding.seen.map(|(host, _)| host.name);
            let host = host.unwrap_or_else(|| store.holder.host().name.clone());
            return Err(StoreError::Held { session: id.clone(), pid: holding.pid, host }.into());
        }
        let mut transaction = store.begin_write().await?;
        let done = take_over(store, &mut transaction, id, fence).await;
        if let Some(saved) = store::end(transaction, done).await? {
            let lease = Lease { session: id.clone(), token: row::count(fence + 1) };
            // What cannot be read cannot be gone on with, and is left to nobody.
            let snapshot = saved.read();
            if snapshot.is_err() {
                let_go(store, &lease).await?;
            }
            let snapshot = snapshot?;
            store.held().insert(id.clone(), lease.token);
            return Ok((lease, snapshot));
        }
    }
}

/// Who holds a session, and its fence.
async fn claim(store: &Store, id: &SessionId) -> Result<(Option<Holding>, i64), Fault> {
    let row = sqlx::query(store.dialect.claim)
        .bind(id.as_str())
        .fetch_optional(&store.reader)
        .await?
        .ok_or_else(|| StoreError::UnknownSession(id.clone()))?;
    Ok((holding(&row)?, row.try_get("fence")?))
}

/// Moves the fence, if it is still where it was seen: whoever comes first does, the others find it moved and look
/// again.
async fn take_over(
    store: &Store,
    transaction: &mut Transaction<'static, Any>,
    id: &SessionId,
    fence: i64,
) -> Result<Option<Saved>, Fault> {
    announce(store, transaction).await?;
    let taken = sqlx::query(
        "UPDATE sessions SET holder = $1, holder_pid = $2, stop = NULL, fence = fence + 1 \
         WHERE id = $3 AND fence = $4",
    )
    .bind(store.holder.id())
    .bind(own_pid())
    .bind(id.as_str())
    .bind(fence)
    .execute(&mut **transaction)
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(None);
    }
    snapshot::fetch(transaction, id).await.map(Some)
}

async fn let_go(store: &Store, lease: &Lease) -> Result<(), Fault> {
    sqlx::query(
        "UPDATE sessions SET holder = NULL, holder_pid = NULL, stop = NULL WHERE id = $1 AND fence = $2",
    )
    .bind(lease.session.as_str())
    .bind(row::number(lease.token))
    .execute(&store.writer)
    .await?;
    Ok(())
}

/// Waits for the session's row and keeps it until the transaction ends. Refused when the lease is not the newest.
pub(crate) async fn hold(
    store: &Store,
    connection: &mut AnyConnection,
    lease: &Lease,
) -> Result<(), Fault> {
    let fence = sqlx::query(store.dialect.hold)
        .bind(lease.session.as_str())
        .fetch_optional(connection)
        .await?;
    is_newest(lease, fence)
}

pub(crate) async fn check(store: &Store, lease: &Lease) -> Result<(), Fault> {
    let fence = sqlx::query("SELECT fence FROM sessions WHERE id = $1")
        .bind(lease.session.as_str())
        .fetch_optional(&store.reader)
        .await?;
    is_newest(lease, fence)
}

fn is_newest(lease: &Lease, fence: Option<AnyRow>) -> Result<(), Fault> {
    let fence = fence.ok_or_else(|| StoreError::UnknownSession(lease.session.clone()))?;
    if fence.try_get::<i64, _>("fence")? == row::number(lease.token) {
        Ok(())
    } else {
        Err(StoreError::Fenced(lease.session.clone()).into())
    }
}

pub(crate) async fn renew(store: &Store) -> Result<Vec<SessionId>, Fault> {
    // Before the store is looked at: what is taken meanwhile is in neither.
    let believed: Vec<_> = store.held().iter().map(|(id, token)| (id.clone(), *token)).collect();
    announce(store, &mut *store.writer.acquire().await?).await?;
    let rows = sqlx::query("SELECT id, fence FROM sessions WHERE holder = $1")
        .bind(store.holder.id())
        .fetch_all(&store.reader)
        .await?;
    let mut ours = HashMap::new();
    for row in &rows {
        ours.insert(row.try_get::<String, _>("id")?, row::count(row.try_get("fence")?));
    }
    let mut held = store.held();
    let mut lost = Vec::new();
    for (id, token) in believed {
        // What was let go of meanwhile is not lost.
        if ours.get(id.as_str()) != Some(&token) && held.get(&id) == Some(&token) {
            held.remove(&id);
            lost.push(id);
        }
    }
    Ok(lost)
}

pub(crate) async fn sessions(store: &Store) -> Result<Vec<SessionSummary>, Fault> {
    let rows = sqlx::query(store.dialect.list).fetch_all(&store.reader).await?;
    let mut alive = HashMap::new();
    let mut summary = |row: &AnyRow| -> Result<SessionSummary, Fault> {
        let (session, state) = row::session(row)?;
        let held = holding(row)?.is_some_and(|holding| {
            *alive
                .entry(holding.holder.clone())
                .or_insert_with(|| store.holder.sees_alive(&holding, store.patience()))
        });
        Ok(SessionSummary { session, state, held })
    };
    // One that cannot be read is no reason to show none.
    let readable = rows.iter().filter_map(|row| {
        let read = summary(row).map_err(|fault| store.unread(fault));
        read.map_err(|error| tracing::warn!(%error, "a session is left out of the list")).ok()
    });
    Ok(readable.collect())
}

/// Lets others see that this store is alive.
async fn announce(store: &Store, connection: &mut AnyConnection) -> Result<(), Fault> {
    let host = store.holder.host();
    sqlx::query(store.dialect.heard_of)
        .bind(store.holder.id())
        .bind(&host.identity)
        .bind(&host.name)
        .bind(&host.boot)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets holders of long ago.
pub(crate) async fn forget_the_dead(store: &Store) {
    let silence = store.lease_time.saturating_mul(FORGOTTEN_AFTER);
    let silence = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
    let forgotten = sqlx::query(store.dialect.forget).bind(silence).execute(&store.writer).await;
    if let Err(error) = forgotten {
        tracing::warn!(%error, "rows of ended processes stay behind");
    }
}

/// Who holds the session of this row.
fn holding(row: &AnyRow) -> Result<Option<Holding>, Fault> {
    let Some(holder) = row.try_get::<Option<String>, _>("holder")? else { return Ok(None) };
    let pid: Option<i64> = row.try_get("holder_pid")?;
    let pid = u32::try_from(pid.unwrap_or_default()).unwrap_or_default();
    let seen = match row.try_get::<Option<String>, _>("host")? {
        Some(identity) => {
            let host = Host { identity, name: row.try_get("name")?, boot: row.try_get("boot")? };
            Some((host, Duration::from_millis(row::count(row.try_get("silence")?))))
        }
        None => None,
    };
    Ok(Some(Holding { holder, pid, seen }))
}

fn own_pid() -> i64 {
    i64::from(std::process::id())
}
