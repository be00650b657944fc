//! A value in a file of its own, among the state of a clone.

use crate::error::io;
use cyrus_core::WorkspaceError;
use serde::{Serialize, de::DeserializeOwned};
use std::{fs, io::ErrorKind, path::Path};

pub(crate) fn write(value: &impl Serialize, file: &Path) -> Result<(), WorkspaceError> {
    let text = serde_json::to_vec(value).map_err(|error| unusable("write", file, &error))?;
    fs::write(file, text).map_err(io("cannot write", file))
}

/// What was written; the default when there is no such file.
pub(crate) fn read<T: Default + DeserializeOwned>(file: &Path) -> Result<T, WorkspaceError> {
    match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| unusable("read", file, &error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(io("cannot read", file)(error)),
    }
}

fn unusable(verb: &str, file: &Path, error: &serde_json::Error) -> WorkspaceError {
    WorkspaceError::Io {
        what: format!("cannot {verb} {}", file.display()),
        cause: error.to_string(),
    }
}
