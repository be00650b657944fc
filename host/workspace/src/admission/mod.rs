//! What a result is held to before it is taken: how many files it adds, how large they are, how deep they lie.
//!
//! Git stores what is equal once, and packs it small. A pack of a kilobyte can hold a file of a gigabyte, and eleven
//! objects a tree of ten thousand million files. So everything is counted by code of our own from what objects say of
//! themselves, before git, or anything else, writes it out or holds it in memory:
//!
//! | what | counted by | when |
//! |---|---|---|
//! | objects of the executor's clone, or of a fetched branch | the sizes in their headers ([`objects`]) | before git reads them |
//! | files and directories, their bytes, the longest path | a walk over the trees that the result does not share with what its task started from ([`trees`], [`Admission`]) | before a tree is expanded or handed over |
//! | files that were left uncommitted | their apparent sizes ([`Leftovers`]) | before git hashes them |
//!
//! What the start has is not counted again: a repository may be as large as it likes.

mod files;
#[cfg(test)]
mod fuzz;
mod inflate;
mod objects;
mod reader;
mod trees;

pub(crate) use files::Leftovers;
pub(crate) use objects::{Tally, scan_packs};

use crate::{git::Git, object::ObjectId};
use cyrus_core::WorkspaceError;
use reader::ObjectReader;
use trees::Comparison;

/// The most objects of all kinds that one result brings. Each costs some hundred bytes of memory, whatever its size.
const MOST_OBJECTS: u64 = 1_000_000;

/// The longest path of a result, in bytes: no system that Cyrus runs on opens a longer one.
const LONGEST_PATH: u64 = 4096;

/// The most that a commit says, in bytes.
const COMMIT_BYTES: u64 = 4 << 20;

/// What a result may hold. [`DiffRules`](crate::DiffRules) says what a result *should* change; these limits say what
/// can be taken at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultLimits {
    /// Files and directories that a result adds or changes.
    pub files: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all the files that a result adds or changes, and of all objects that it brings.
    pub total_bytes: u64,
}

impl Default for ResultLimits {
    /// 100,000 files of up to 256 MiB, 2 GiB in all.
    fn default() -> Self {
        Self { files: 100_000, file_bytes: 256 << 20, total_bytes: 2 << 30 }
    }
}

impl ResultLimits {
    fn too_many_files(&self, place: &str) -> WorkspaceError {
        refused(format!(
            "it adds or changes more than {} files and directories, most of them in {place}: leave out what can be made again, such as dependencies and build output, or raise `resultLimits.files` in config.json",
            self.files
        ))
    }

    fn file_too_large(&self, place: &str, bytes: u64) -> WorkspaceError {
        refused(format!(
            "{place} has {bytes} bytes, and a file may have {}: leave it out, or raise `resultLimits.fileMib` in config.json",
            self.file_bytes
        ))
    }

    fn too_large(&self, place: &str) -> WorkspaceError {
        refused(format!(
            "{place} has more than {} bytes in all: leave out what can be made again, or raise `resultLimits.totalMib` in config.json",
            self.total_bytes
        ))
    }
}

fn refused(why: String) -> WorkspaceError {
    WorkspaceError::Unacceptable(why)
}

/// A path of a result, for a message.
fn shown(path: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(path);
    let end = text.floor_char_boundary(MOST);
    if end < text.len() { format!("{}…", &text[..end]) } else { text.into_owned() }
}

/// Counts what the tree of one commit adds to that of another.
pub(crate) struct Admission<'a> {
    pub(crate) git: &'a Git,
    pub(crate) limits: ResultLimits,
    /// Runs git in the repository that has both, with these arguments.
    pub(crate) call: &'a (dyn Fn(&[&str]) -> crate::git::Call + Sync),
}

impl Admission<'_> {
    /// Refuses `result` when it adds more to `start` than the limits allow. `None`: there is no such commit.
    pub(crate) async fn admit(
        &self,
        start: &ObjectId,
        result: &ObjectId,
    ) -> Result<Option<()>, WorkspaceError> {
        let mut reader =
            ObjectReader::start(self.git, (self.call)(&["cat-file", "--batch"])).await?;
        let Some(after) = reader.tree_of(result).await? else { return Ok(None) };
        let before = reader.tree_of(start).await?;
        let mut comparison = Comparison::new(self.limits, before, after);
        loop {
            let wanted = comparison.wanted();
            if wanted.is_empty() {
                break;
            }
            let trees = reader.trees(&wanted).await?;
            comparison.advance(&trees)?;
        }
        drop(reader);
        let blobs = comparison.blobs();
        let sizes =
            reader::sizes(self.git, (self.call)(&["cat-file", reader::SIZES]), &blobs).await?;
        comparison.weigh(&sizes)?;
        Ok(Some(()))
    }
}
