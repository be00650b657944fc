//! Conflicts that leave no markers in a file: of binary files, of a change with a deletion, of a file with a directory, of
//! modes, renames and submodules. `git merge-tree` decides for one side of them and says so in a message alone; whoever
//! resolves the conflict and does nothing would then drop the other side. So each side is put beside the place it is
//! for, under a name that must not stay, and nothing is at the place itself.

use crate::{
    error::{io, unreadable},
    git::Call,
    merge::{Merged, Sides},
    object::ObjectId,
};
use cyrus_core::WorkspaceError;
use std::{collections::BTreeMap, fmt::Write as _, fs};

/// What is behind the name of a place, for each side of a conflict there.
const OURS: &str = ".conflict-ours";
const THEIRS: &str = ".conflict-theirs";

/// The mode of a submodule.
const SUBMODULE: &str = "160000";

/// The place whose conflict a file of this name is a side of.
pub(crate) fn place_of(path: &[u8]) -> Option<&[u8]> {
    [OURS, THEIRS].iter().find_map(|end| path.strip_suffix(end.as_bytes()))
}

/// A path in conflict, as each side has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// By stage, 1 to 3: what both came from, ours and theirs. Mode and object.
    pub(crate) stages: BTreeMap<u8, (String, ObjectId)>,
    /// Whether the file holds both sides with markers between them.
    pub(crate) is_marked: bool,
}

impl Conflict {
    /// Whether this stage is a plain file.
    pub(crate) fn is_file(&self, stage: u8) -> bool {
        self.stages.get(&stage).is_some_and(|(mode, _)| mode.starts_with("100"))
    }
}

impl Sides<'_> {
    /// The tree of a merge with both sides of each conflict in it.
    pub(crate) async fn laid_out(&self, merged: &Merged) -> Result<ObjectId, WorkspaceError> {
        let unmarked = || merged.conflicts.iter().filter(|(_, conflict)| !conflict.is_marked);
        if unmarked().next().is_none() {
            return Ok(merged.tree.clone());
        }
        let scratch = tempfile::tempdir().map_err(|error| WorkspaceError::Io {
            what: "cannot make a directory for an index".to_owned(),
            cause: error.to_string(),
        })?;
        let index = scratch.path().join("index");
        let call = |args: &[&str]| self.neutral.call(args).env("GIT_INDEX_FILE", &index);
        let git = self.git;
        git.output(call(&["read-tree", merged.tree.as_str()])).await?;
        let (mut lines, none) = (String::new(), merged.tree.none_like());
        for (path, conflict) in unmarked() {
            let place = self.place(path);
            let is_submodule = conflict.stages.values().any(|(mode, _)| mode == SUBMODULE);
            if !is_submodule {
                let _ = write!(lines, "0 {none}\t{path}\0");
            }
            for (stage, end) in [(2, OURS), (3, THEIRS)] {
                let Some((mode, object)) = conflict.stages.get(&stage) else { continue };
                let (mode, object) = if mode == SUBMODULE {
                    let text = format!("Subproject commit {object}\n");
                    ("100644", self.blob(call(&["hash-object", "-w", "--stdin"]), text).await?)
                } else {
                    (mode.as_str(), object.clone())
                };
                let _ = write!(lines, "{mode} {object}\t{place}{end}\0");
            }
        }
        git.output(call(&["update-index", "-z", "--index-info"]).stdin(lines.into_bytes())).await?;
        let written = git.text(call(&["write-tree"])).await?;
        let tree = ObjectId::parse(&written).ok_or_else(|| unreadable("write-tree"))?;
        fs::remove_file(&index).map_err(io("cannot remove", &index))?;
        Ok(tree)
    }

    async fn blob(&self, call: Call, text: String) -> Result<ObjectId, WorkspaceError> {
        let written = self.git.text(call.stdin(text.into_bytes())).await?;
        ObjectId::parse(&written).ok_or_else(|| unreadable("hash-object"))
    }

    /// The place that git moved a file from because a directory is there: it adds the side's name.
    fn place<'p>(&self, path: &'p str) -> &'p str {
        let moved = [self.ours, self.theirs].into_iter();
        let mut moved =
            moved.filter_map(|side| path.strip_suffix(side.as_str())?.strip_suffix('~'));
        moved.next().unwrap_or(path)
    }

    /// What there is to say of conflicts without markers, for a prompt.
    pub(crate) fn unmarked(&self, merged: &Merged) -> String {
        let mut text = String::new();
        for (path, conflict) in merged.conflicts.iter().filter(|(_, one)| !one.is_marked) {
            let place = self.place(path);
            let side = |stage, end: &str| match conflict.stages.get(&stage) {
                Some(_) => format!("{place}{end}"),
                None => "nothing: that side has no such file".to_owned(),
            };
            let (ours, theirs) = (side(2, OURS), side(3, THEIRS));
            let _ = writeln!(text, "* {place}: ours is {ours}, theirs is {theirs}");
        }
        if text.is_empty() {
            return text;
        }
        format!(
            "\nThese could not be brought together line by line, so there are no markers. Each side is a file beside its place. Put what is right at the place itself, or leave nothing there, and remove the files `…{OURS}` and `…{THEIRS}`. Of a submodule they name the commit of each side.\n{text}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_known_by_their_names() {
        assert_eq!(place_of(b"a/logo.bin.conflict-ours"), Some(&b"a/logo.bin"[..]));
        assert_eq!(place_of(b"x.conflict-theirs"), Some(&b"x"[..]));
        assert_eq!(place_of(b"x.conflict"), None);
    }
}
