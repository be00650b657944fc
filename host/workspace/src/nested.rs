//! Repositories that an executor made inside of its clone. Git takes nothing of them into a result, and they go with the
//! clone, so a result beside them goes back. Which there are is found when the result is collected, and kept with the
//! state of the clone.

use crate::error::io;
use cyrus_core::WorkspaceError;
use std::{fs, io::ErrorKind, path::Path};

/// Keeps the names of those there are.
pub(crate) fn write(names: &[String], file: &Path) -> Result<(), WorkspaceError> {
    let text = serde_json::to_vec(names).unwrap_or_default();
    fs::write(file, text).map_err(io("cannot write", file))
}

/// Those that were there; none when there is no such file.
pub(crate) fn read(file: &Path) -> Result<Vec<String>, WorkspaceError> {
    match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| WorkspaceError::Io {
            what: format!("cannot read {}", file.display()),
            cause: error.to_string(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io("cannot read", file)(error)),
    }
}
