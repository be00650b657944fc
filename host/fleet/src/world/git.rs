use crate::stable_hash;
use cyrus_core::DiffStat;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// What is in a file: no bytes, only what matters to who merges and checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    /// One version of it.
    Version {
        /// Unique.
        id: u64,
        /// Whether the checks of the repository fail on it.
        wrong: bool,
        /// Versions of different files with the same number are right each by itself and wrong together.
        clash: Option<u32>,
    },
    /// Both sides of a merge, with marks between them.
    Conflict {
        /// What it was made of.
        id: u64,
    },
}

impl Content {
    /// A version with nothing wrong about it.
    pub(crate) fn good(id: u64) -> Self {
        Self::Version { id, wrong: false, clash: None }
    }

    fn words(self) -> [u64; 3] {
        match self {
            Self::Version { id, wrong, clash } => {
                [id, u64::from(wrong), clash.map_or(0, |clash| 1 + u64::from(clash))]
            }
            Self::Conflict { id } => [id, 2, 0],
        }
    }
}

/// Files by their path.
pub(crate) type Tree = BTreeMap<Arc<str>, Content>;

/// A commit, as far as anybody asks.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// The commits it comes from.
    pub(crate) parents: Vec<Arc<str>>,
    /// What is in it.
    pub(crate) tree: Arc<Tree>,
    /// The length of the longest way to the first commit.
    depth: u64,
}

/// A merge, before anybody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    /// Both are in this commit.
    Clean(Arc<str>),
    /// Both sides changed these files; the commit has them marked.
    Conflict(Arc<str>, Vec<Arc<str>>),
}

/// The objects and refs of one repository, and the branches of its origin. A commit with the same parents, files and
/// message is the same commit.
#[derive(Debug)]
pub(crate) struct Git {
    commits: HashMap<Arc<str>, Commit>,
    /// Branches and what is kept under `refs/cyrus/`, by their full names.
    pub(crate) refs: BTreeMap<String, Arc<str>>,
    /// The branches of the origin, by their short names.
    pub(crate) origin: BTreeMap<String, Arc<str>>,
}

/// What is wrong with a commit's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Files with marks of a conflict.
    pub(crate) marked: Vec<Arc<str>>,
    /// Files that the checks fail on, by themselves or together.
    pub(crate) wrong: Vec<Arc<str>>,
}

impl Git {
    /// A repository with one commit on `main`.
    pub(crate) fn new(name: &str, files: u32) -> Self {
        let mut git =
            Self { commits: HashMap::new(), refs: BTreeMap::new(), origin: BTreeMap::new() };
        let tree = (0..files).map(|n| (Self::path(n), Content::good(u64::from(n)))).collect();
        let root = git.commit(&[], tree, name);
        git.refs.insert("refs/heads/main".to_owned(), root.clone());
        git.origin.insert("main".to_owned(), root);
        git
    }

    /// The path of a repository's n-th file.
    pub(crate) fn path(number: u32) -> Arc<str> {
        format!("src/{number}.rs").into()
    }

    /// A commit, by its id.
    pub(crate) fn find(&self, id: &str) -> Option<&Commit> {
        self.commits.get(id)
    }

    /// The id of a commit as it is kept here.
    pub(crate) fn known(&self, id: &str) -> Option<Arc<str>> {
        self.commits.get_key_value(id).map(|(id, _)| id.clone())
    }

    /// Writes a commit, unless it is there.
    pub(crate) fn commit(&mut self, parents: &[Arc<str>], tree: Tree, message: &str) -> Arc<str> {
        let depths = parents.iter().filter_map(|id| self.find(id)).map(|commit| commit.depth);
        let depth = depths.max().map_or(0, |depth| depth + 1);
        let id: Arc<str> = commit_id(parents, &tree, message).into();
        let commit = Commit { parents: parents.to_vec(), tree: Arc::new(tree), depth };
        self.commits.entry(id.clone()).or_insert(commit);
        id
    }

    /// Whether `old` is part of `new`'s history, or is it.
    pub(crate) fn contains(&self, new: &str, old: &str) -> bool {
        new == old || self.history(new).contains(old)
    }

    /// Whether somebody who has only the origin has this commit.
    pub(crate) fn is_at_origin(&self, commit: &str) -> bool {
        self.origin.values().any(|tip| self.contains(tip, commit))
    }

    /// A commit and everything it comes from.
    fn history(&self, of: &str) -> HashSet<&str> {
        let mut seen = HashSet::new();
        let mut open: Vec<&str> =
            self.commits.get_key_value(of).map(|(id, _)| &**id).into_iter().collect();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                let parents = self.find(id).map(|commit| commit.parents.as_slice());
                open.extend(parents.unwrap_or_default().iter().map(|parent| &**parent));
            }
        }
        seen
    }

    /// The newest commit that both come from.
    fn merge_base(&self, ours: &str, theirs: &str) -> Option<&Commit> {
        let of_theirs = self.history(theirs);
        let shared = self.history(ours).into_iter().filter(|id| of_theirs.contains(id));
        let depth = |id: &&str| (self.find(id).map(|commit| commit.depth), (*id).to_owned());
        shared.max_by_key(depth).and_then(|id| self.find(id))
    }

    /// Merges two commits. `None`: one of them is not there.
    pub(crate) fn merge(&mut self, ours: &str, theirs: &str, message: &str) -> Option<Merged> {
        let (our_id, their_id) = (self.known(ours)?, self.known(theirs)?);
        if self.contains(ours, theirs) {
            return Some(Merged::Clean(our_id));
        }
        if self.contains(theirs, ours) {
            return Some(Merged::Clean(their_id));
        }
        let base = self.merge_base(ours, theirs).map(|c| c.tree.clone()).unwrap_or_default();
        let (left, right) = (self.find(ours)?.tree.clone(), self.find(theirs)?.tree.clone());
        let (mut tree, mut clashing) = ((*left).clone(), Vec::new());
        for (path, theirs) in right.iter() {
            let (ours, before) = (left.get(path), base.get(path));
            if ours == Some(theirs) || before == Some(theirs) {
                continue;
            }
            if ours == before {
                tree.insert(path.clone(), *theirs);
            } else {
                let words = [ours.map_or([0; 3], |ours| ours.words()), theirs.words()];
                let id = words.iter().flatten().fold(0, |id, word| stable_hash(id ^ word, &[]));
                tree.insert(path.clone(), Content::Conflict { id });
                clashing.push(path.clone());
            }
        }
        let commit = self.commit(&[our_id, their_id], tree, message);
        Some(if clashing.is_empty() {
            Merged::Clean(commit)
        } else {
            Merged::Conflict(commit, clashing)
        })
    }

    /// How `new` differs from what it and `old` have in common. `None`: one of them is not there.
    pub(crate) fn diff(&self, old: &str, new: &str) -> Option<DiffStat> {
        let (old, new) = (self.find(old)?, self.find(new)?);
        let changed =
            new.tree.iter().filter(|(path, content)| old.tree.get(*path) != Some(content));
        let files = changed.count() as u64;
        Some(DiffStat { files, insertions: files, deletions: files })
    }

    /// What is wrong with a commit.
    pub(crate) fn faults(&self, id: &str) -> Faults {
        self.find(id).map(|commit| faults(&commit.tree)).unwrap_or_default()
    }

    /// Moves a ref from `old` to `new` if it is at `old`, or does not exist where that is `None`.
    pub(crate) fn compare_and_set(&mut self, name: &str, old: Option<&str>, new: Arc<str>) -> bool {
        if self.refs.get(name).map(|id| &**id) != old {
            return false;
        }
        self.refs.insert(name.to_owned(), new);
        true
    }
}

/// What is wrong with files.
pub(crate) fn faults(tree: &Tree) -> Faults {
    let mut faults = Faults::default();
    let mut clashes: BTreeMap<u32, Vec<&Arc<str>>> = BTreeMap::new();
    for (path, content) in tree {
        match content {
            Content::Conflict { .. } => faults.marked.push(path.clone()),
            Content::Version { wrong: true, .. } => faults.wrong.push(path.clone()),
            Content::Version { clash: Some(clash), .. } => {
                clashes.entry(*clash).or_default().push(path);
            }
            Content::Version { .. } => {}
        }
    }
    let together = clashes.into_values().filter(|paths| paths.len() > 1);
    faults.wrong.extend(together.flatten().cloned());
    faults
}

fn commit_id(parents: &[Arc<str>], tree: &Tree, message: &str) -> String {
    let words = |seed: u64| {
        let parents = parents.iter().fold(seed, |hash, parent| stable_hash(hash, &[parent]));
        let tree = tree.iter().fold(parents, |hash, (path, content)| {
            let words = content.words();
            words.iter().fold(stable_hash(hash, &[path]), |hash, word| {
                hash.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word
            })
        });
        stable_hash(tree, &[message])
    };
    format!("{:016x}{:016x}00000000", words(1), words(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(git: &mut Git, from: &str, edits: &[(u32, Content)]) -> Arc<str> {
        let parent = git.known(from).unwrap();
        let mut tree = (*git.find(from).unwrap().tree).clone();
        tree.extend(edits.iter().map(|(path, content)| (Git::path(*path), *content)));
        git.commit(&[parent], tree, "edit")
    }

    #[test]
    fn changes_to_different_files_merge_and_to_the_same_file_conflict() {
        let mut git = Git::new("repository", 4);
        let root = git.origin["main"].clone();
        let one = edited(&mut git, &root, &[(0, Content::good(10))]);
        let two = edited(&mut git, &root, &[(1, Content::good(11))]);
        let three = edited(&mut git, &root, &[(0, Content::good(12)), (2, Content::good(13))]);
        let Some(Merged::Clean(both)) = git.merge(&one, &two, "merge") else { panic!() };
        assert_eq!(git.find(&both).unwrap().tree[&Git::path(1)], Content::good(11));
        assert!(
            git.contains(&both, &one) && git.contains(&both, &two) && !git.contains(&one, &two)
        );
        assert_eq!(git.merge(&both, &two, "again"), Some(Merged::Clean(both.clone())));
        assert_eq!(git.merge(&one, &both, "forward"), Some(Merged::Clean(both.clone())));
        let Some(Merged::Conflict(start, files)) = git.merge(&both, &three, "clash") else {
            panic!()
        };
        assert_eq!((files, git.faults(&start).marked), (vec![Git::path(0)], vec![Git::path(0)]));
        assert_eq!(git.merge(&both, &three, "clash"), git.merge(&both, &three, "clash"));
        assert_eq!(git.diff(&root, &both).unwrap().files, 2);
    }

    #[test]
    fn what_is_right_by_itself_may_be_wrong_together() {
        let mut git = Git::new("repository", 4);
        let root = git.origin["main"].clone();
        let half = |id| Content::Version { id, wrong: false, clash: Some(7) };
        let one = edited(&mut git, &root, &[(0, half(10))]);
        let two = edited(&mut git, &root, &[(1, half(11))]);
        assert_eq!(git.faults(&one), Faults::default());
        let Some(Merged::Clean(both)) = git.merge(&one, &two, "merge") else { panic!() };
        assert_eq!(git.faults(&both).wrong, [Git::path(0), Git::path(1)]);
    }

    #[test]
    fn a_ref_moves_only_from_where_it_is_thought_to_be() {
        let mut git = Git::new("repository", 1);
        let root = git.origin["main"].clone();
        assert!(git.compare_and_set("refs/heads/x", None, root.clone()));
        assert!(!git.compare_and_set("refs/heads/x", None, root.clone()));
        assert!(!git.compare_and_set("refs/heads/x", Some("other"), root.clone()));
        assert!(git.compare_and_set("refs/heads/x", Some(&root.clone()), root));
    }
}
