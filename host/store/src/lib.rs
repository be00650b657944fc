//! Sessions, tasks, executions, effects and money, durable: [`SessionStore`](cyrus_core::SessionStore) on `SQLite`
//! and `PostgreSQL`.
//!
//! Nothing needs setting up: [`Store::open`] makes a file and its tables, [`Store::connect`] makes the tables in a
//! database; both bring older tables up to date. Any number of processes may have the same store open. All statements
//! but a handful are the same for both databases.
//!
//! # Layout
//!
//! * `store`, `sqlite`, `postgres`: opening, transactions, the schema (`migrations/`).
//! * `dialect`: where the two databases differ.
//! * `holder`, `host`: who works on a session, where, and whether that process is still alive.
//! * `port`: the port; `lease`, `request`, `commit`, `execution`, `ledger`, `track`, `snapshot`, `log`: what its calls do.
//! * `row`: how the domain types are written into columns.

mod commit;
mod dialect;
mod error;
mod execution;
mod holder;
mod host;
mod lease;
mod ledger;
mod log;
mod port;
mod postgres;
mod request;
mod row;
mod snapshot;
mod sqlite;
mod store;
mod track;

pub use error::OpenError;
pub use postgres::Database;
pub use store::Store;
