use crate::{
    OpenError,
    holder::{self, Holder},
};
use cyrus_core::JournalError;
use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for another process's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// What Cyrus remembers. Writes are answered once they would survive a crash of the machine.
///
/// While a store is open it counts as alive, and the sessions it holds cannot be taken by another. Dropping it, or
/// the end of its process, gives them free.
#[derive(Debug)]
pub struct Store {
    pub(crate) pool: SqlitePool,
    pub(crate) holder: Holder,
    path: PathBuf,
}

impl Store {
    /// Opens the store in this file (by custom `$CYRUS_HOME/cyrus.db`), making it and its directory when they are
    /// missing. Only its owner can read it. Beside it appear `-wal` and `-shm` files, and a directory `-holders`
    /// that shows which processes have it open.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let holders = beside(path, "-holders");
        let inaccessible =
            |path: &Path, cause| OpenError::Inaccessible { path: path.to_owned(), cause };
        make_private(path).map_err(|cause| inaccessible(path, cause))?;
        let holder = Holder::announced(&holders)?;

        // SQLite's migrations take no lock of their own, and switching to WAL does not wait for one either: two
        // processes that open a new store at the same moment go through here one after the other.
        let gate = holders.join("open.lock");
        let waited = tokio::task::spawn_blocking({
            let gate = gate.clone();
            move || holder::lock(&gate)
        });
        let locked = waited.await.map_err(io::Error::other).flatten();
        let _gate = locked.map_err(|cause| inaccessible(&gate, cause))?;
        if let Err(error) = holder.sweep() {
            tracing::warn!(directory = %holders.display(), %error, "marks of ended processes stay behind");
        }

        let options =
            SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Wal);
        let pool = connect(options, path).await?;
        Ok(Self { pool, holder, path: path.to_owned() })
    }

    /// A store that is gone when it is dropped.
    pub async fn in_memory() -> Result<Self, OpenError> {
        let path = PathBuf::from(":memory:");
        let pool = connect(SqliteConnectOptions::new().in_memory(true), &path).await?;
        Ok(Self { pool, holder: Holder::private(), path })
    }

    /// What went wrong while reading, as the port says it.
    pub(crate) fn unread(&self, cause: &impl ToString) -> JournalError {
        self.storage("read", cause)
    }

    /// What went wrong while writing, as the port says it.
    pub(crate) fn unwritten(&self, cause: &impl ToString) -> JournalError {
        self.storage("written", cause)
    }

    fn storage(&self, action: &'static str, cause: &impl ToString) -> JournalError {
        let path = self.path.display().to_string();
        JournalError::Storage { path, action, cause: cause.to_string() }
    }
}

/// One connection, for ever: `SQLite` writes one at a time, so that waiting for the connection, first come first
/// served, is fairer and cheaper than waiting for its lock. It is also what keeps a store in memory alive.
async fn connect(options: SqliteConnectOptions, path: &Path) -> Result<SqlitePool, OpenError> {
    let unusable = |cause: String| OpenError::Unusable { path: path.to_owned(), cause };
    let options = options
        .create_if_missing(true)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(|error| unusable(error.to_string()))?;
    MIGRATIONS.run(&pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => {
            let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
            OpenError::NewerSchema { path: path.to_owned(), found, known }
        }
        other => unusable(other.to_string()),
    })?;
    Ok(pool)
}

/// Makes the file and its directory when they are missing, readable by their owner alone. An existing file is not
/// opened: closing it would let go of the locks that `SQLite` has on it in this process.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    match holder::create_private(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        }
        made => made.map(drop),
    }
}

/// The path with this added to its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_is_on_disk_when_it_is_answered() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("cyrus.db")).await.unwrap();
        let pragma = async |sql: &'static str| {
            sqlx::query_scalar::<_, String>(sql).fetch_one(&store.pool).await.unwrap()
        };
        assert_eq!(pragma("SELECT journal_mode FROM pragma_journal_mode").await, "wal");
        assert_eq!(pragma("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "2");
        assert_eq!(pragma("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys").await, "1");
    }
}
