//! The commits that a clone names beside its `HEAD`: whatever an agent committed, something leads there. As with all of
//! a clone's `.git`, plain files are read and nothing is run.

use crate::{
    harvest::{MAX_REFS_BYTES, entries, is_branch_like, read_plain},
    object::ObjectId,
};
use std::{collections::BTreeMap, fmt, fs, path::Path};

/// How many names are looked at of each kind.
const MOST: usize = 256;

/// Where a commit is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Branch(String),
    Tag(String),
    /// A commit that no branch was at when its `HEAD` left it.
    Detached,
    /// The `HEAD` of a worktree, by the name that git gave that.
    Worktree(String),
    /// What was not committed in a worktree.
    Uncommitted(String),
    /// By its number.
    Stash(usize),
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "the branch {name}"),
            Self::Tag(name) => write!(f, "the tag {name}"),
            Self::Detached => f.write_str("a detached HEAD"),
            Self::Worktree(name) => write!(f, "the worktree {name}"),
            Self::Uncommitted(name) => write!(f, "the files of the worktree {name}"),
            Self::Stash(number) => write!(f, "stash@{{{number}}}"),
        }
    }
}

/// All of a clone, by its `.git`. A tag may be an object of its own.
pub(crate) fn tips(git_dir: &Path) -> Vec<(Left, ObjectId)> {
    let mut found = refs(git_dir, "refs/heads/", Left::Branch);
    found.extend(refs(git_dir, "refs/tags/", Left::Tag));
    let worktrees = entries(&git_dir.join("worktrees"), fs::FileType::is_dir).unwrap_or_default();
    let worktrees: Vec<_> = worktrees.into_iter().take(MOST).collect();
    let detached = |log: &str| left_by_checkout(&text(git_dir, log));
    for name in &worktrees {
        let head = text(git_dir, &format!("worktrees/{name}/HEAD"));
        found.extend(ObjectId::parse(&head).map(|head| (Left::Worktree(name.clone()), head)));
    }
    let logs = worktrees.iter().map(|name| format!("worktrees/{name}/logs/HEAD"));
    for log in std::iter::once("logs/HEAD".to_owned()).chain(logs) {
        found.extend(detached(&log).into_iter().map(|commit| (Left::Detached, commit)));
    }
    found.extend(stashes(git_dir));
    found
}

/// A worktree of a clone.
pub(crate) struct Worktree {
    pub(crate) name: String,
    /// Its `.git`, where the program that made it found that.
    pub(crate) place: String,
    pub(crate) head: ObjectId,
}

/// The worktrees of a clone, by its `.git`.
pub(crate) fn worktrees(git_dir: &Path) -> Vec<Worktree> {
    let names = entries(&git_dir.join("worktrees"), fs::FileType::is_dir).unwrap_or_default();
    let branches =
        if names.is_empty() { Vec::new() } else { refs(git_dir, "refs/heads/", Left::Branch) };
    let worktree = |name: String| {
        let said = |file: &str| text(git_dir, &format!("worktrees/{name}/{file}"));
        let (place, head) = (said("gitdir").trim_end().to_owned(), said("HEAD"));
        let of_branch = head.trim_end().strip_prefix("ref: refs/heads/").and_then(|branch| {
            let is_it = |left: &Left| matches!(left, Left::Branch(name) if name == branch);
            branches.iter().find(|(left, _)| is_it(left)).map(|(_, commit)| commit.clone())
        });
        let head = of_branch.or_else(|| ObjectId::parse(&head))?;
        Some(Worktree { name, place, head })
    };
    names.into_iter().take(MOST).filter_map(worktree).collect()
}

/// The refs below a directory, loose and packed.
fn refs(git_dir: &Path, below: &str, left: fn(String) -> Left) -> Vec<(Left, ObjectId)> {
    let named =
        |name: &str| name.strip_prefix(below).filter(|_| is_branch_like(name)).map(str::to_owned);
    let mut found = BTreeMap::new();
    for line in text(git_dir, "packed-refs").lines() {
        if let Some((object, name)) = line.split_once(' ')
            && let (Some(object), Some(name)) = (ObjectId::parse(object), named(name))
        {
            found.insert(name, object);
        }
    }
    let mut open = vec![below.trim_end_matches('/').to_owned()];
    while let Some(directory) = open.pop().filter(|_| found.len() < MOST) {
        let place = git_dir.join(&directory);
        let inside = |kind: fn(&fs::FileType) -> bool| {
            entries(&place, kind).unwrap_or_default().into_iter().take(MOST)
        };
        open.extend(inside(fs::FileType::is_dir).map(|name| format!("{directory}/{name}")));
        for name in inside(fs::FileType::is_file).map(|name| format!("{directory}/{name}")) {
            if let (Some(object), Some(name)) =
                (ObjectId::parse(&text(git_dir, &name)), named(&name))
            {
                found.insert(name, object);
            }
        }
    }
    found.into_iter().take(MOST).map(|(name, object)| (left(name), object)).collect()
}

/// The stash, the newest first; what is below its top only the log of its ref says.
fn stashes(git_dir: &Path) -> Vec<(Left, ObjectId)> {
    let log = text(git_dir, "logs/refs/stash");
    let mut all: Vec<_> = log.lines().rev().filter_map(|line| entry(line)?.1.into()).collect();
    if let Some(top) = ObjectId::parse(&text(git_dir, "refs/stash"))
        && !all.contains(&top)
    {
        all.insert(0, top);
    }
    all.into_iter().take(MOST).enumerate().map(|(n, commit)| (Left::Stash(n), commit)).collect()
}

/// The commits that no branch was at when something else was checked out, by the log of a `HEAD`. What an amended commit
/// or a rebase left behind is not among them: that is what was to go.
fn left_by_checkout(log: &str) -> Vec<ObjectId> {
    let mut found: Vec<_> = log.lines().rev().filter_map(left).take(MOST).collect();
    found.dedup();
    found
}

fn left(line: &str) -> Option<ObjectId> {
    let (before, _, message) = entry(line)?;
    let from = message.strip_prefix("checkout: moving from ")?.split(' ').next()?;
    ObjectId::parse(from).filter(|from| *from == before)
}

/// Reads `<old> <new> <who> <when>\t<message>`.
fn entry(line: &str) -> Option<(ObjectId, ObjectId, &str)> {
    let (head, message) = line.split_once('\t').unwrap_or((line, ""));
    let mut words = head.split(' ');
    Some((ObjectId::parse(words.next()?)?, ObjectId::parse(words.next()?)?, message))
}

fn text(git_dir: &Path, file: &str) -> String {
    let content = read_plain(git_dir, file, MAX_REFS_BYTES).unwrap_or_default();
    String::from_utf8_lossy(&content).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harvest::repository;
    use std::os::unix::fs::symlink;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

    fn found(clone: &tempfile::TempDir) -> Vec<(String, String)> {
        let named = |(left, tip): (Left, ObjectId)| (left.to_string(), tip.to_string());
        tips(clone.path()).into_iter().map(named).collect()
    }

    fn is(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(left, tip)| ((*left).to_owned(), (*tip).to_owned())).collect()
    }

    #[test]
    fn refs_are_found_loose_and_packed() {
        let packed =
            format!("# pack-refs\n{A} refs/heads/x/y\n{A} refs/tags/t\n{A} refs/heads/z\n^{B}\n");
        let there = repository(&[
            ("packed-refs", &packed),
            ("refs/heads/x/y", B),
            ("refs/heads/w", "ref: refs/heads/z"),
            ("refs/heads/.hidden", A),
            ("refs/tags/v1", C),
            ("refs/stash", B),
        ]);
        let secret = repository(&[("heads", A)]);
        symlink(secret.path(), there.path().join("refs/heads/link")).unwrap();
        let expected = is(&[
            ("the branch x/y", B),
            ("the branch z", A),
            ("the tag t", A),
            ("the tag v1", C),
            ("stash@{0}", B),
        ]);
        assert_eq!(found(&there), expected);
        assert_eq!(found(&secret), []);
    }

    #[test]
    fn what_no_ref_is_at_is_found_by_the_logs_and_the_worktrees() {
        let who = "a <a@b> 1 +0000";
        let head = format!(
            "{A} {B} {who}\tcommit: one\n{B} {C} {who}\tcommit (amend): two\n\
             {C} {A} {who}\tcheckout: moving from {C} to main\n\
             {A} {B} {who}\tcheckout: moving from main to other\n\
             {B} {A} {who}\tcheckout: moving from {C} to forged\nnonsense\n"
        );
        let stash = format!("{A} {B} {who}\tWIP on main: first\n{B} {C} {who}\tWIP on main\n");
        let there = repository(&[
            ("logs/HEAD", &head),
            ("worktrees/wt/HEAD", &format!("{B}\n")),
            ("worktrees/wt/logs/HEAD", &format!("{A} {B} {who}\tcheckout: moving from {A} to {B}")),
            ("worktrees/on-a-branch/HEAD", "ref: refs/heads/x\n"),
            ("logs/refs/stash", &stash),
            ("refs/stash", C),
        ]);
        let expected = is(&[
            ("the worktree wt", B),
            ("a detached HEAD", C),
            ("a detached HEAD", A),
            ("stash@{0}", C),
            ("stash@{1}", B),
        ]);
        assert_eq!(found(&there), expected);
    }
}
