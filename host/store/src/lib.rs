//! Sessions, executions and checkpoints, durable: the [`Journal`](cyrus_core::Journal) on `SQLite`.
//!
//! Nothing needs setting up: [`Store::open`] makes the file and its tables, and brings older tables up to date.
//! Any number of processes may have the same store open. Every statement is written so that `PostgreSQL`
//! understands it too.
//!
//! # Layout
//!
//! * `store`: opening, and the schema (`migrations/`).
//! * `holder`: who works on a session, and whether that process is still alive.
//! * `journal`: the port.
//! * `row`: how the domain types are written into columns.

mod error;
mod holder;
mod journal;
mod row;
mod store;

pub use error::OpenError;
pub use store::Store;
