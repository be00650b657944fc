use cyrus_core::StoreError;
use std::path::PathBuf;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer Cyrus has changed the tables.
    #[error(
        "{place} was written by a newer Cyrus (its schema is {found}, this one knows up to {known}): use that \
         version, or another store (--cyrus-home)"
    )]
    NewerSchema {
        /// The file, or the database's address without credentials.
        place: String,
        /// The newest migration it has had.
        found: i64,
        /// The newest that this program has.
        known: i64,
    },
    /// The directory or the file cannot be made, read or written.
    #[error("{path}: {cause}; Cyrus keeps its sessions there and must be able to write to it")]
    Inaccessible {
        /// What could not be used.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is there, and is no store of ours or is damaged.
    #[error("{path} cannot be used as a store: {cause}; move it away to start with an empty one")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the database said.
        cause: String,
    },
    /// The text is no address of a `PostgreSQL` database. It is not repeated, as it may hold a password.
    #[error(
        "the store's address is not one of PostgreSQL ({cause}): write it like postgres://user@host/database"
    )]
    NotAnAddress {
        /// What is wrong with it.
        cause: String,
    },
    /// The database cannot be reached, or does not let us in or make our tables.
    #[error("the database at {place} cannot be used as a store: {cause}")]
    Unreachable {
        /// Its address, without credentials.
        place: String,
        /// What it said.
        cause: String,
    },
}

/// Why a statement or what it gave is of no use, before it is known where that was.
#[derive(Debug)]
pub(crate) enum Fault {
    /// As the port says it.
    Refused(StoreError),
    /// What the database said, or what is wrong with what it has.
    Storage(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Storage(error.to_string())
    }
}
