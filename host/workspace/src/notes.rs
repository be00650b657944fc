//! What a person is to know of what was taken from an executor's clone and what was left there.

use std::collections::BTreeMap;

/// How many names a note has.
const NAMED: usize = 5;

/// What there is to say of what is taken, by the names of files.
#[derive(Default)]
pub(crate) struct Notes {
    /// Left out as litter: what, and how many files are in it.
    pub(crate) litter: BTreeMap<Vec<u8>, usize>,
    /// Pointers of Git LFS that were made.
    pub(crate) pointers: Vec<String>,
    /// Files that would be pointers if Git LFS were installed.
    pub(crate) plain: Vec<String>,
    /// Files that their modes keep the host from reading.
    pub(crate) closed: Vec<String>,
    /// The user's own, which git does not ignore any more.
    pub(crate) users: Vec<String>,
    /// Working trees of the clone's own that were committed.
    pub(crate) worktrees: Vec<String>,
}

impl Notes {
    /// A line for each kind.
    pub(crate) fn lines(self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.litter.is_empty() {
            let files: usize = self.litter.values().sum();
            let names = self.litter.keys().map(|path| String::from_utf8_lossy(path).into_owned());
            lines.push(format!(
                "not in the result, because tools make it again: {} ({files} files in all); an executor that means to add such files commits them",
                listed(names)
            ));
        }
        if !self.pointers.is_empty() {
            lines.push(format!(
                "in the result as pointers of Git LFS: {}; the content is in this repository's LFS store, and `git lfs push origin BRANCH` sends it to a remote",
                listed(self.pointers.into_iter())
            ));
        }
        if !self.users.is_empty() {
            lines.push(format!(
                "not in the result, because they were copied from your working tree, and git ignored them there: {}",
                listed(self.users.into_iter())
            ));
        }
        if !self.worktrees.is_empty() {
            lines.push(format!(
                "taken out of the result, because they are other working trees of the executor's clone: {}",
                listed(self.worktrees.into_iter())
            ));
        }
        if !self.closed.is_empty() {
            lines.push(format!(
                "not in the result, because they may not be read: {}",
                listed(self.closed.into_iter())
            ));
        }
        if !self.plain.is_empty() {
            lines.push(format!(
                "in the result as they are, although .gitattributes sends them to Git LFS: {}; git-lfs is not installed here. With it, `git lfs migrate import --no-rewrite FILE` makes them pointers",
                listed(self.plain.into_iter())
            ));
        }
        lines
    }
}

/// The first of these names, and how many more there are.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let shown = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
