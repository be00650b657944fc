use crate::{OpenError, dialect::Dialect, error::Fault, holder::Holder, log::Kept};
use cyrus_core::{SessionId, StoreError};
use sqlx::{
    Any, AnyConnection, AnyPool, Connection as _, Executor as _, Transaction,
    migrate::{MigrateError, Migrator},
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    time::Duration,
};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for another's write to end.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a holder on another machine counts as alive without being heard of, unless somebody says otherwise.
pub(crate) const LEASE_TIME: Duration = Duration::from_mins(1);

/// What Cyrus remembers. Writes are answered once they would survive a crash of the machine.
///
/// While a store is open it counts as alive, and the sessions it holds cannot be taken by another. Dropping it, or
/// the end of its process, gives them free.
#[derive(Debug)]
pub struct Store {
    /// Every transaction that writes.
    pub(crate) writer: AnyPool,
    /// What only reads.
    pub(crate) reader: AnyPool,
    pub(crate) dialect: &'static Dialect,
    pub(crate) holder: Holder,
    /// Whether other machines may use it too.
    pub(crate) shared: bool,
    pub(crate) lease_time: Duration,
    /// The sessions this store holds, with their fencing tokens.
    held: Mutex<HashMap<SessionId, u64>>,
    /// What the logs hold that this store writes.
    logs: Mutex<HashMap<SessionId, Kept>>,
    /// The file, or the database's address without credentials.
    place: String,
}

/// What a store is made of.
pub(crate) struct Parts {
    pub(crate) writer: AnyPool,
    pub(crate) reader: AnyPool,
    pub(crate) dialect: &'static Dialect,
    pub(crate) holder: Holder,
    pub(crate) shared: bool,
    pub(crate) lease_time: Duration,
    pub(crate) place: String,
}

impl From<Parts> for Store {
    fn from(parts: Parts) -> Self {
        let Parts { writer, reader, dialect, holder, shared, lease_time, place } = parts;
        let (held, logs) = (Mutex::default(), Mutex::default());
        Self { writer, reader, dialect, holder, shared, lease_time, held, logs, place }
    }
}

impl Store {
    /// A transaction that writes.
    pub(crate) async fn begin_write(&self) -> Result<Transaction<'static, Any>, Fault> {
        match self.writer.begin_with(self.dialect.begin_write).await {
            // A database without room ends its transaction by itself, and the connection does not know it.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await?.close().await?;
                Ok(self.writer.begin_with(self.dialect.begin_write).await?)
            }
            begun => Ok(begun?),
        }
    }

    /// A transaction that sees one moment.
    pub(crate) async fn begin_read(&self) -> Result<Transaction<'static, Any>, Fault> {
        Ok(self.reader.begin_with(self.dialect.begin_read).await?)
    }

    /// The sessions this store holds.
    pub(crate) fn held(&self) -> MutexGuard<'_, HashMap<SessionId, u64>> {
        // What is written under the lock is whole at any moment.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the logs hold that this store writes.
    pub(crate) fn logs(&self) -> MutexGuard<'_, HashMap<SessionId, Kept>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long another machine is believed to be alive; `None` when there can be none.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.shared.then_some(self.lease_time)
    }

    /// What went wrong while reading, as the port says it.
    pub(crate) fn unread(&self, fault: Fault) -> StoreError {
        self.storage("read", fault)
    }

    /// What went wrong while writing, as the port says it.
    pub(crate) fn unwritten(&self, fault: Fault) -> StoreError {
        self.storage("written", fault)
    }

    fn storage(&self, action: &'static str, fault: Fault) -> StoreError {
        match fault {
            Fault::Refused(refused) => refused,
            Fault::Storage(cause) => {
                StoreError::Storage { place: self.place.clone(), action, cause }
            }
        }
    }
}

/// Makes the changes of a transaction visible, or none of them when something went wrong.
pub(crate) async fn end<T>(
    transaction: Transaction<'static, Any>,
    done: Result<T, Fault>,
) -> Result<T, Fault> {
    match done {
        Ok(value) => {
            transaction.commit().await?;
            Ok(value)
        }
        Err(fault) => {
            // Waited for, so that nobody waits for what it has locked. Without it the same happens later.
            if let Err(error) = transaction.rollback().await {
                tracing::debug!(%error, "a transaction that failed could not be taken back by itself");
            }
            Err(fault)
        }
    }
}

/// Connects to the database at this address once, by itself: a pool that cannot connect tries again until it is out of
/// time, and does not say why.
pub(crate) async fn probe(address: &str, settings: &'static str) -> Result<(), sqlx::Error> {
    install_drivers();
    let mut connection = AnyConnection::connect(address).await?;
    connection.execute(settings).await?;
    connection.close().await
}

/// Brings the tables up to date. What went wrong becomes an error through `unusable`, but for the case that they are
/// newer than this program.
pub(crate) async fn migrate(
    pool: &AnyPool,
    place: &str,
    unusable: impl Fn(String) -> OpenError,
) -> Result<(), OpenError> {
    MIGRATIONS.run(pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => {
            let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
            OpenError::NewerSchema { place: place.to_owned(), found, known }
        }
        other => unusable(other.to_string()),
    })
}

/// Makes both databases known to sqlx, once.
pub(crate) fn install_drivers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(sqlx::any::install_default_drivers);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database without room does so.
    #[tokio::test]
    async fn a_transaction_that_the_database_ended_by_itself_keeps_no_other_from_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("cyrus.db")).await.unwrap();
        let mut ended = store.begin_write().await.unwrap();
        ended.execute("ROLLBACK").await.unwrap();
        drop(ended);
        for _ in 0..2 {
            store.begin_write().await.unwrap().commit().await.unwrap();
        }
    }
}
