//! What clones take up.

use crate::{GitWorkspaces, error::io};
use cyrus_core::{SessionId, WorkspaceError};
use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, path::PathBuf};

/// The most entries that are looked at for one session: more is told as at least what was counted.
const MOST_ENTRIES: usize = 2_000_000;

/// What is on disk of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Blocks in use, in bytes. A file with several names counts once.
    pub bytes: u64,
    /// Whether there is more that was not counted.
    pub is_partial: bool,
}

impl GitWorkspaces {
    /// What the clones of a session take up, with the homes of its programs and what is recorded of them. Nothing is
    /// followed or opened.
    pub fn disk_use(&self, session: &SessionId) -> Result<DiskUse, WorkspaceError> {
        let mut open: Vec<PathBuf> = self.roots().places(session).into();
        let (mut used, mut entries, mut seen) = (DiskUse::default(), 0, BTreeSet::new());
        while let Some(place) = open.pop() {
            let found = match fs::symlink_metadata(&place) {
                Ok(found) => found,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io("look at", &place)(error)),
            };
            entries += 1;
            if entries > MOST_ENTRIES {
                used.is_partial = true;
                break;
            }
            let counted =
                found.nlink() > 1 && !found.is_dir() && !seen.insert((found.dev(), found.ino()));
            if !counted {
                used.bytes = used.bytes.saturating_add(found.blocks().saturating_mul(512));
            }
            if found.is_dir() {
                match fs::read_dir(&place) {
                    Ok(list) => open.extend(list.filter_map(|entry| Some(entry.ok()?.path()))),
                    // What programs made may be closed to everybody.
                    Err(_) => used.is_partial = true,
                }
            }
        }
        Ok(used)
    }
}
