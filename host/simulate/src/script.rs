//! Reading a script: JSON, unknown keys refused.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a script could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read the script {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a script of this simulator.
    #[error("{path} is not a script for this simulator: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
}

/// Reads a script from a JSON file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ScriptError> {
    let text = std::fs::read(path)
        .map_err(|source| ScriptError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&text)
        .map_err(|source| ScriptError::Parse { path: path.to_owned(), source })
}
