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
    sides::Conflict,
    user::Identity,
};
use cyrus_core::WorkspaceError;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// The first git with `merge-tree --write-tree`.
const NEEDED: Version = Version(2, 38);

/// The longest account of a conflict, in characters, and how many files it shows.
const MAX_ACCOUNT: usize = 6_000;
const MAX_FILES: usize = 8;

/// What came of a merge.
pub(crate) struct Merged {
    pub(crate) tree: ObjectId,
    /// The paths that could not be merged; none when all could.
    pub(crate) conflicts: BTreeMap<String, Conflict>,
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
        let args = ["merge-tree", "--write-tree", "-z", "--messages"];
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
        text.push_str(&cut(&self.unmarked(merged), MAX_ACCOUNT / 3));
        let call = self.neutral.call(&["merge-base", ours.as_str(), theirs.as_str()]);
        let since = self.git.text(call).await?;
        let shown = merged.conflicts.len().min(MAX_FILES);
        let room = MAX_ACCOUNT.saturating_sub(text.chars().count() + 500) / (2 * shown.max(1));
        for file in merged.conflicts.keys().take(shown) {
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

/// Reads `merge-tree -z --messages`: the tree, the stages of files in conflict as `<mode> <object> <stage>\t<path>`, an
/// empty field, and messages of `<count> <path>… <kind> <text>`, each field ended by a zero byte.
fn parse(output: &[u8]) -> Option<Merged> {
    let mut fields = output.split(|b| *b == 0).map(String::from_utf8_lossy);
    let tree = ObjectId::parse(&fields.next()?)?;
    let mut conflicts: BTreeMap<String, Conflict> = BTreeMap::new();
    for entry in fields.by_ref().take_while(|entry| !entry.is_empty()) {
        let (about, path) = entry.split_once('\t')?;
        let [mode, object, stage] = about.split(' ').collect::<Vec<_>>()[..] else { return None };
        let side = (mode.to_owned(), ObjectId::parse(object)?);
        conflicts.entry(path.to_owned()).or_default().stages.insert(stage.parse().ok()?, side);
    }
    let mut messages = Vec::new();
    let mut binary = BTreeSet::new();
    while let Some(count) = fields.next().filter(|count| !count.is_empty()) {
        let count = count.trim().parse::<usize>().ok()?;
        let paths: Vec<_> = fields.by_ref().take(count).map(String::from).collect();
        let (kind, text) = (fields.next()?, fields.next()?);
        if !kind.starts_with("CONFLICT") {
            continue;
        }
        messages.push(text.trim().to_owned());
        for path in paths {
            if kind == "CONFLICT (binary)" {
                binary.insert(path);
            } else if let Some(conflict) = conflicts.get_mut(&path)
                && kind == "CONFLICT (contents)"
            {
                // A file can have markers where both sides have a file.
                conflict.is_marked = [2, 3].iter().all(|stage| conflict.is_file(*stage));
            }
        }
    }
    for path in binary {
        if let Some(conflict) = conflicts.get_mut(&path) {
            conflict.is_marked = false;
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
        let stage = |stage: u8, path: &str| format!("100644 {tree} {stage}\t{path}\0");
        let stages = [stage(1, "f"), stage(2, "f"), stage(3, "f"), stage(3, "g h")].concat();
        let output = format!(
            "{tree}\0{stages}\x001\0f\0Auto-merging\0Auto-merging f\n\x001\0f\0CONFLICT (contents)\0CONFLICT (content): Merge conflict in f\n\x002\0g h\0i\0CONFLICT (rename/delete)\0CONFLICT: g h\n\0"
        );
        let found = parse(output.as_bytes()).unwrap();
        let seen: Vec<_> = found.conflicts.iter().map(|(p, c)| (p.as_str(), c.is_marked)).collect();
        assert_eq!(seen, [("f", true), ("g h", false)]);
        let binary = format!(
            "{tree}\0{stages}\x001\0f\0CONFLICT (contents)\0x\x001\0f\0CONFLICT (binary)\0y\0\0"
        );
        assert!(!parse(binary.as_bytes()).unwrap().conflicts["f"].is_marked);
        assert_eq!(found.messages, ["CONFLICT (content): Merge conflict in f", "CONFLICT: g h"]);
        assert!(parse(b"nonsense\0").is_none());
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö…");
    }
}
