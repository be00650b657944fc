//! Where a store is.

use cyrus_store::{Database, Store};
use sqlx::{AnyPool, AssertSqlSafe};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

/// A place for a store that nobody else uses.
pub(crate) struct Home {
    pub(crate) directory: TempDir,
    pub(crate) kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    /// In this file.
    Sqlite(PathBuf),
    /// At this address.
    Postgres(String),
}

impl Home {
    pub(crate) fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("home").join("cyrus.db");
        Self { directory, kind: Kind::Sqlite(file) }
    }

    pub(crate) fn postgres(url: String) -> Self {
        Self { directory: TempDir::new().unwrap(), kind: Kind::Postgres(url) }
    }

    /// The store as another process of this machine has it.
    pub(crate) async fn store(&self) -> Store {
        open(&self.kind, self.directory.path().join("holders"), None).await
    }

    /// The same, for a task of its own.
    pub(crate) async fn shared(&self) -> Arc<Store> {
        Arc::new(self.store().await)
    }

    /// The store as another machine has it, which sees no locks of this one and believes it dead after this time.
    /// `None` where other machines cannot be.
    pub(crate) async fn elsewhere(&self, name: &str, lease_time: Duration) -> Option<Store> {
        let holders = self.directory.path().join(name);
        match &self.kind {
            Kind::Sqlite(_) => None,
            Kind::Postgres(_) => Some(open(&self.kind, holders, Some(lease_time)).await),
        }
    }

    /// Does something to the tables that no store would do.
    pub(crate) async fn spoil(&self, sql: &str) {
        let url = match &self.kind {
            Kind::Sqlite(file) => format!("sqlite://{}", file.display()),
            Kind::Postgres(url) => url.clone(),
        };
        let pool = AnyPool::connect(&url).await.unwrap();
        sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

pub(crate) async fn open(kind: &Kind, holders: PathBuf, lease_time: Option<Duration>) -> Store {
    match kind {
        Kind::Sqlite(file) => Store::open(file).await.unwrap(),
        Kind::Postgres(url) => {
            let database = Database::new(url, &holders).unwrap().connections(2);
            let lease_time = lease_time.unwrap_or(Duration::from_mins(1));
            Store::connect(&database.lease_time(lease_time)).await.unwrap()
        }
    }
}
