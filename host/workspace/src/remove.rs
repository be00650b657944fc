//! Removes what programs wrote, however it is built.

use crate::error::io;
use cyrus_core::WorkspaceError;
use std::path::Path;

/// Removes a file or a directory with all that is in it, see [`cyrus_sandbox::remove_tree`].
pub(crate) fn remove_tree(path: &Path) -> Result<(), WorkspaceError> {
    cyrus_sandbox::remove_tree(path).map_err(io("cannot remove", path))
}
