//! Merges two commits as objects, with `git merge-tree --write-tree`: no file is checked out and no branch moves.
//!
//! It is done in a repository of the host's own (see [`crate::neutral`]), so a `merge.*` driver, a filter or an
//! attribute that somebody put into a result runs and changes nothing. Attributes are those of the base commit (git
//! 2.43 or newer; before that there are none), and of them only what git does by itself counts: `merge=union`,
//! `merge=binary`, `-merge`.

use crate::{
    commit::NewCommit,
    confinement::Confinement,
    error::unreadable,
    git::{Git, Version},
    neutral::Neutral,
    object::ObjectId,
    user::Identity,
};
use cyrus_core::WorkspaceError;
use std::fmt::Write as _;

/// The first git with `merge-tree --write-tree`.
const NEEDED: Version = Version(2, 38);

/// The longest account of a conflict, in characters, and how many files it shows.
const MAX_ACCOUNT: usize = 6_000;
const MAX_FILES: usize = 8;

/// What came of a merge.
pub(crate) struct Merged {
    pub(crate) tree: ObjectId,
    /// The files that could not be merged; none when all could.
    pub(crate) conflicts: Vec<String>,
    /// What git says of them.
    messages: Vec<String>,
}

/// Two commits, of which neither is part of the other.
pub(crate) struct Sides<'a> {
    pub(crate) git: &'a Git,
    pub(crate) neutral: &'a Neutral<'a>,
    /// Whose attributes count.
    pub(crate) base: &'a ObjectId,
    pub(crate) ours: &'a ObjectId,
    pub(crate) theirs: &'a ObjectId,
}

impl Sides<'_> {
    /// Their merge, with conflicts marked in its files.
    pub(crate) async fn merge(&self) -> Result<Merged, WorkspaceError> {
        let found = self.git.version().await?;
        if found < NEEDED {
            return Err(WorkspaceError::Io {
                what: "cannot merge results".to_owned(),
                cause: format!(
                    "git {NEEDED} or newer is needed for it, and this is {found}: install a newer git"
                ),
            });
        }
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", "--messages"];
        let call = self
            .neutral
            .call(&args)
            .settings([("attr.tree".to_owned(), self.base.to_string())])
            .arg(self.ours.as_str())
            .arg(self.theirs.as_str())
            .confined(Confinement::only_limits());
        let answer = self.git.run(call).await?;
        match answer.code {
            0 | 1 => parse(&answer.stdout).ok_or_else(|| unreadable("merge-tree")),
            _ if answer.stderr.contains("unrelated histories") => {
                Err(WorkspaceError::Unacceptable(format!(
                    "{} and {} have no history in common",
                    self.ours, self.theirs
                )))
            }
            _ => Err(answer.into_error()),
        }
    }

    /// The commit of a merge: the same for the same sides, files, message and user.
    pub(crate) async fn commit(
        &self,
        tree: &ObjectId,
        message: &str,
        identity: &Identity,
    ) -> Result<ObjectId, WorkspaceError> {
        let args = ["rev-list", "--no-walk", "--no-commit-header", "--format=%ct"];
        let call = self.neutral.call(&args).arg(self.ours.as_str()).arg(self.theirs.as_str());
        let dates = self.git.text(call).await?;
        let newest = dates.lines().filter_map(|line| line.parse().ok()).max();
        let date = Some(newest.ok_or_else(|| unreadable("rev-list --format=%ct"))?);
        let parents = &[self.ours, self.theirs];
        let new = NewCommit { tree, parents, message, identity, date };
        new.make(self.git, self.neutral.call(&[])).await
    }

    /// What each side did to the files in conflict, for a prompt.
    pub(crate) async fn account(&self, merged: &Merged) -> Result<String, WorkspaceError> {
        let Self { ours, theirs, .. } = self;
        let mut text = format!(
            "Both sides changed the same places. Where a file could be merged in part, the lines of `ours` ({ours}) are between `<<<<<<<` and `=======`, and those of `theirs` ({theirs}) between that and `>>>>>>>`.\n\n"
        );
        for message in merged.messages.iter().take(MAX_FILES) {
            let _ = writeln!(text, "* {}", cut(message, 300));
        }
        let call = self.neutral.call(&["merge-base", ours.as_str(), theirs.as_str()]);
        let since = self.git.text(call).await?;
        let shown = merged.conflicts.len().min(MAX_FILES);
        let room = MAX_ACCOUNT.saturating_sub(text.chars().count() + 500) / (2 * shown.max(1));
        for file in &merged.conflicts[..shown] {
            for (side, commit) in [("ours", ours), ("theirs", theirs)] {
                let args = ["diff-tree", "-p", "-U2", "--no-ext-diff", "--no-textconv"];
                let call = self.neutral.call(&args).args([&since, commit.as_str(), "--", file]);
                let call = call.confined(Confinement::only_limits());
                let diff = String::from_utf8_lossy(&self.git.output(call).await?).into_owned();
                // From the first hunk on: what comes before it repeats the name.
                let hunks = diff.find("\n@@").map_or(diff.as_str(), |at| &diff[at + 1..]);
                let room = room.saturating_sub(file.chars().count() + 40);
                let _ = write!(text, "\n{file}, {side}:\n{}\n", cut(hunks.trim_end(), room));
            }
        }
        if merged.conflicts.len() > shown {
            let _ = writeln!(text, "\nAnd {} more files.", merged.conflicts.len() - shown);
        }
        Ok(cut(&text, MAX_ACCOUNT))
    }
}

/// At most this many characters, and whether that was all.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Reads `merge-tree -z --name-only --messages`: the tree, the files in conflict, an empty field, and messages of
/// `<count> <path>… <kind> <text>`, each field ended by a zero byte.
fn parse(output: &[u8]) -> Option<Merged> {
    let mut fields = output.split(|b| *b == 0).map(String::from_utf8_lossy);
    let tree = ObjectId::parse(&fields.next()?)?;
    let conflicts: Vec<_> =
        fields.by_ref().take_while(|name| !name.is_empty()).map(String::from).collect();
    let mut messages = Vec::new();
    while let Some(count) = fields.next().filter(|count| !count.is_empty()) {
        let paths = count.trim().parse::<usize>().ok()?;
        let kind = fields.nth(paths)?;
        let text = fields.next()?;
        if kind.starts_with("CONFLICT") {
            messages.push(text.trim().to_owned());
        }
    }
    Some(Merged { tree, conflicts, messages })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_merge_tree_prints() {
        let tree = "a".repeat(40);
        let clean = parse(format!("{tree}\0").as_bytes()).unwrap();
        assert_eq!((clean.tree.as_str(), clean.conflicts.len()), (tree.as_str(), 0));
        let output = format!(
            "{tree}\0f\0g h\0\x001\0f\0Auto-merging\0Auto-merging f\n\x001\0f\0CONFLICT (contents)\0CONFLICT (content): Merge conflict in f\n\x002\0g h\0i\0CONFLICT (rename/delete)\0CONFLICT: g h\n\0"
        );
        let found = parse(output.as_bytes()).unwrap();
        assert_eq!(found.conflicts, ["f", "g h"]);
        assert_eq!(found.messages, ["CONFLICT (content): Merge conflict in f", "CONFLICT: g h"]);
        assert!(parse(b"nonsense\0").is_none());
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö…");
    }
}
