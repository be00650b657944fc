//! A store in a `PostgreSQL` database, which many machines may share.

use crate::{
    OpenError, Store, dialect,
    holder::Holder,
    lease,
    store::{self, BUSY_TIMEOUT, LEASE_TIME, Parts},
};
use sqlx::{Executor as _, any::AnyPoolOptions};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// What is set on a connection. A commit is on disk when it is answered, whatever the server is set to. Nobody waits
/// for ever for somebody else's write, nor for a process that was frozen in the middle of one.
const SETTINGS: &str = "\
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
    SET lock_timeout = '30s'; \
    SET idle_in_transaction_session_timeout = '30s'";

/// Connections of one process, unless somebody says otherwise.
const CONNECTIONS: u32 = 8;

/// Where the database is, and how it is used.
#[derive(Clone, Debug)]
pub struct Database {
    url: Url,
    holders: PathBuf,
    lease_time: Duration,
    connections: u32,
}

impl Database {
    /// The database at this address (`postgres://user:password@host/database`), which has to be there already. In the
    /// directory `holders` (by custom `$CYRUS_HOME/holders`) the processes of one machine see whether the others are
    /// alive: all that share it must be able to see each other's file locks.
    pub fn new(url: &str, holders: &Path) -> Result<Self, OpenError> {
        let not_an_address = |cause: String| OpenError::NotAnAddress { cause };
        let url: Url =
            url.parse().map_err(|cause: url::ParseError| not_an_address(cause.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(not_an_address(format!("it begins with {}:", url.scheme())));
        }
        let holders = holders.to_owned();
        Ok(Self { url, holders, lease_time: LEASE_TIME, connections: CONNECTIONS })
    }

    /// How long a holder on another machine counts as alive without being heard of; a minute when nobody says
    /// otherwise. All that share the database should say the same.
    #[must_use]
    pub fn lease_time(mut self, time: Duration) -> Self {
        self.lease_time = time;
        self
    }

    /// How many connections this process makes at most; 8 when nobody says otherwise.
    #[must_use]
    pub fn connections(mut self, most: u32) -> Self {
        self.connections = most.max(1);
        self
    }

    /// The address without credentials, for people.
    fn place(&self) -> String {
        let socket = self.url.query_pairs().find(|(key, _)| key == "host");
        let host = match (&socket, self.url.host_str()) {
            (Some((_, directory)), _) => directory.to_string(),
            (None, host) => host.unwrap_or("localhost").to_owned(),
        };
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("postgres://{host}{port}{}", self.url.path())
    }
}

impl Store {
    /// Opens the store in this database, making its tables when they are missing.
    pub async fn connect(database: &Database) -> Result<Self, OpenError> {
        let place = database.place();
        let unreachable = |cause: String| OpenError::Unreachable { place: place.clone(), cause };
        let holder = Holder::announced(&database.holders)?;
        holder.sweep();
        let told = |error: sqlx::Error| unreachable(error.to_string());
        store::probe(database.url.as_str(), SETTINGS).await.map_err(told)?;
        let pool = AnyPoolOptions::new()
            .max_connections(database.connections)
            .acquire_timeout(BUSY_TIMEOUT)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(SETTINGS).await?;
                    Ok(())
                })
            })
            .connect(database.url.as_str())
            .await
            .map_err(told)?;
        store::migrate(&pool, &place, unreachable).await?;
        let store = Self::from(Parts {
            writer: pool.clone(),
            reader: pool,
            dialect: &dialect::POSTGRES,
            holder,
            shared: true,
            lease_time: database.lease_time,
            place,
        });
        lease::forget_the_dead(&store).await;
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        let shown = |url: &str| Database::new(url, Path::new("holders")).unwrap().place();
        for (url, place) in [
            (
                "postgres://u:secret@db.example:5433/cyrus?password=secret",
                "postgres://db.example:5433/cyrus",
            ),
            ("postgresql://u@localhost/cyrus?host=/run/pg", "postgres:///run/pg/cyrus"),
        ] {
            assert_eq!(shown(url), place);
        }
        for bad in ["mysql://u:secret@h/d", "secret", "postgres://u:secret@h:port/d"] {
            let refused = Database::new(bad, Path::new("holders")).unwrap_err().to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
