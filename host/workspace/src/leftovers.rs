//! What a set-up left in a clone that git would take for the task's work: files that are not ignored, and changes of
//! tracked ones, such as a lock file that an installer wrote anew. Recorded by the host when the set-up has ended; what
//! is still the same when the result is collected is no part of it.

use crate::{
    error::{in_background, io},
    object::ObjectId,
    plain,
    snapshot::{Before, Listing},
};
use cyrus_core::WorkspaceError;
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fs,
    io::ErrorKind,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};

/// The most of a set-up's files that is read to tell whether they changed, in bytes and in number. Those beyond count
/// as the executor's.
const MOST_BYTES: u64 = 4 << 30;
const MOST_FILES: usize = 500_000;

/// See the module.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Leftovers(Vec<Leftover>);

/// A path that is not as it was checked out.
#[derive(Debug, Serialize, Deserialize)]
struct Leftover {
    path: Vec<u8>,
    /// Mode and object of the tracked file there; `None` where there is none.
    tracked: Option<(String, String)>,
    state: State,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Nothing,
    Link(Vec<u8>),
    File { executable: bool, sha256: String },
    Other,
}

impl State {
    fn of(path: &Path) -> std::io::Result<Self> {
        let found = match path.symlink_metadata() {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(Self::Nothing);
            }
            found => found?,
        };
        if found.is_symlink() {
            return Ok(Self::Link(fs::read_link(path)?.as_os_str().as_bytes().to_vec()));
        }
        if !found.is_file() {
            return Ok(Self::Other);
        }
        let executable = found.permissions().mode() & 0o100 != 0;
        Ok(Self::File { executable, sha256: plain::sha256(path)?.0 })
    }
}

impl Leftovers {
    /// What of a working tree is not as it was checked out.
    pub(crate) async fn record(tree: &Path, listing: Listing) -> Result<Self, WorkspaceError> {
        let tree = tree.to_owned();
        in_background("look at what the set-up left", move || {
            let tracked = |before: Before| Some((before.mode, before.object.to_string()));
            let changed = listing.changed.into_iter().map(|c| (c.path, tracked(c.before)));
            let others = listing.others.into_iter().map(|path| (path, None));
            let mut left = Vec::new();
            let mut bytes = MOST_BYTES;
            for (path, tracked) in changed.chain(others).take(MOST_FILES) {
                let place = tree.join(OsStr::from_bytes(&path));
                let size = place.symlink_metadata().map_or(0, |found| found.len());
                let Some(rest) = bytes.checked_sub(size) else {
                    tracing::warn!(clone = %tree.display(), "the set-up left more files than are compared");
                    break;
                };
                bytes = rest;
                let state = State::of(&place).map_err(io("cannot read", &place))?;
                left.push(Leftover { path, tracked, state });
            }
            Ok(Self(left))
        })
        .await
    }

    /// The paths that are as the set-up left them, each with what is tracked there.
    pub(crate) async fn unchanged(
        self,
        tree: &Path,
    ) -> Result<Vec<(Vec<u8>, Option<Before>)>, WorkspaceError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let tree = tree.to_owned();
        in_background("look at what the set-up left", move || {
            let same = |left: &Leftover| {
                let now = State::of(&tree.join(OsStr::from_bytes(&left.path)));
                now.is_ok_and(|now| now == left.state && now != State::Other)
            };
            let before = |(mode, object): (String, String)| {
                Some(Before { mode, object: ObjectId::parse(&object)? })
            };
            let kept = self.0.into_iter().filter(same);
            Ok(kept.map(|left| (left.path, left.tracked.and_then(before))).collect())
        })
        .await
    }
}
