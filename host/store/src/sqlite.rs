//! A store in a file of its own, or in memory.

use crate::{
    OpenError, Store, dialect,
    holder::{self, Holder},
    store::{self, BUSY_TIMEOUT, LEASE_TIME, Parts},
};
use sqlx::{AnyPool, Executor as _, any::AnyPoolOptions};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// What is set on the connection that writes: a commit is on disk when it is answered.
const WRITER: &str = "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                      PRAGMA foreign_keys = ON";

/// What is set on those that read.
const READER: &str = "PRAGMA busy_timeout = 30000; PRAGMA query_only = ON";

/// Connections that read at once.
const READERS: u32 = 4;

impl Store {
    /// Opens the store in this file (by custom `$CYRUS_HOME/cyrus.db`), making it and its directory when they are
    /// missing. Only its owner can read it. Beside it appear `-wal` and `-shm` files, and a directory `-holders`
    /// that shows which processes have it open.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let holders = beside(path, "-holders");
        let inaccessible =
            |path: &Path, cause| OpenError::Inaccessible { path: path.to_owned(), cause };
        make_private(path).map_err(|cause| inaccessible(path, cause))?;
        let address = address(path).map_err(|cause| inaccessible(path, cause))?;
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
        holder.sweep();

        let place = path.display().to_string();
        let unusable = |cause: String| OpenError::Unusable { path: path.to_owned(), cause };
        let told = |error: sqlx::Error| unusable(error.to_string());
        store::probe(&address, WRITER).await.map_err(told)?;
        // `SQLite` writes one at a time: waiting for the one connection, first come first served, is fairer and
        // cheaper than waiting for its lock.
        let writer = connect(&address, WRITER, 1).await.map_err(told)?;
        store::migrate(&writer, &place, unusable).await?;
        let reader = connect(&address, READER, READERS).await.map_err(told)?;
        let dialect = &dialect::SQLITE;
        let lease_time = LEASE_TIME;
        Ok(Parts { writer, reader, dialect, holder, shared: false, lease_time, place }.into())
    }

    /// A store that is gone when it is dropped.
    pub async fn in_memory() -> Result<Self, OpenError> {
        let place = ":memory:".to_owned();
        let unusable = |cause: String| OpenError::Unusable { path: ":memory:".into(), cause };
        // The one connection, for ever, is also what keeps it there.
        store::install_drivers();
        let pool = connect("sqlite::memory:", WRITER, 1).await;
        let writer = pool.map_err(|error| unusable(error.to_string()))?;
        store::migrate(&writer, &place, unusable).await?;
        let (reader, dialect) = (writer.clone(), &dialect::SQLITE);
        let (holder, lease_time) = (Holder::private(), LEASE_TIME);
        Ok(Parts { writer, reader, dialect, holder, shared: false, lease_time, place }.into())
    }
}

async fn connect(
    address: &str,
    settings: &'static str,
    connections: u32,
) -> Result<AnyPool, sqlx::Error> {
    AnyPoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(settings).await?;
                Ok(())
            })
        })
        .connect(address)
        .await
}

/// The file as sqlx wants it named. It has to be there.
fn address(path: &Path) -> io::Result<String> {
    let unnameable = || io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8");
    let whole = fs::canonicalize(path)?;
    whole.to_str().ok_or_else(unnameable)?;
    let url = url::Url::from_file_path(&whole).map_err(|()| unnameable())?;
    Ok(format!("sqlite://{}?mode=rw", url.path()))
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
        // Nothing in a path is taken for part of an address.
        let file = home.path().join("50% a?b=c#d é").join("cyrus.db");
        let store = Store::open(&file).await.unwrap();
        assert!(beside(&file, "-wal").exists());
        let pragma = async |sql: &'static str| {
            sqlx::query_scalar::<_, String>(sql).fetch_one(&store.writer).await.unwrap()
        };
        assert_eq!(pragma("SELECT journal_mode FROM pragma_journal_mode").await, "wal");
        assert_eq!(pragma("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "2");
        assert_eq!(pragma("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys").await, "1");
        assert_eq!(pragma("SELECT CAST(timeout AS TEXT) FROM pragma_busy_timeout").await, "30000");
    }
}
