use std::path::PathBuf;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer Cyrus has changed the tables.
    #[error(
        "{path} was written by a newer Cyrus (its schema is {found}, this one knows up to {known}): use that \
         version, or point --cyrus-home at another directory"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
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
    /// It is there, and is no store of ours or is damaged.
    #[error("{path} cannot be used as a store: {cause}; move it away to start with an empty one")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the database said.
        cause: String,
    },
}
