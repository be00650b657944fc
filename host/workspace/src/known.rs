//! What git said and would say again: of commits, which never change, and of repositories, of which it does not change
//! while they are worked on.

use crate::{detect::Listing, diff::Change, object::ObjectId, user::UserConfig};
use cyrus_core::DiffStat;
use std::{
    collections::HashMap,
    hash::Hash,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// How many repositories are known at once.
const REPOSITORIES: usize = 64;

/// How many comparisons of commits are, and of how many changes.
const COMPARED: usize = 32;
pub(crate) const CHANGES: usize = 10_000;

/// How many commits, whose files may be many, and of which length a list of them is remembered, in bytes.
const COMMITS: usize = 4;
pub(crate) const LIST_BYTES: usize = 16 << 20;

/// Two commits.
type Pair = (ObjectId, ObjectId);

#[derive(Debug)]
pub(crate) struct Known {
    /// The user's list of ignored files, and where it is or would be.
    pub(crate) ignored: Memory<PathBuf, Arc<[u8]>>,
    pub(crate) lists_of_ignored: Memory<PathBuf, PathBuf>,
    pub(crate) facts: Memory<PathBuf, Facts>,
    /// What the user configured there.
    pub(crate) users: Memory<PathBuf, UserConfig>,
    pub(crate) changes: Memory<Pair, Arc<[Change]>>,
    pub(crate) stats: Memory<Pair, DiffStat>,
    /// Only where there is one: a shallow repository can be deepened.
    pub(crate) merge_bases: Memory<Pair, ObjectId>,
    /// The files of a commit, as `ls-tree -r -z` lists them.
    pub(crate) files: Memory<ObjectId, Arc<[u8]>>,
    /// The configuration of a new repository on a device, bare or not, in a format of objects, as git writes it there.
    pub(crate) configurations: Memory<(u64, bool, String), Arc<[u8]>>,
    pub(crate) listings: Memory<ObjectId, Arc<Listing>>,
}

/// What does not change of a repository while it is worked on.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The `.git` that all of its worktrees share.
    pub(crate) common: PathBuf,
    pub(crate) objects: PathBuf,
    /// `sha1` or `sha256`.
    pub(crate) format: String,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            ignored: Memory::of(REPOSITORIES),
            lists_of_ignored: Memory::of(REPOSITORIES),
            facts: Memory::of(REPOSITORIES),
            users: Memory::of(REPOSITORIES),
            changes: Memory::of(COMPARED),
            stats: Memory::of(COMPARED),
            merge_bases: Memory::of(COMPARED),
            files: Memory::of(COMMITS),
            configurations: Memory::of(REPOSITORIES),
            listings: Memory::of(COMMITS),
        }
    }
}

/// Answers by their question. When there are too many, all are forgotten.
#[derive(Debug)]
pub(crate) struct Memory<Q, A> {
    most: usize,
    answers: Mutex<HashMap<Q, A>>,
}

impl<Q: Eq + Hash, A: Clone> Memory<Q, A> {
    fn of(most: usize) -> Self {
        Self { most, answers: Mutex::default() }
    }

    pub(crate) fn get(&self, question: &Q) -> Option<A> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(question).cloned()
    }

    pub(crate) fn keep(&self, question: Q, answer: A) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= self.most && !answers.contains_key(&question) {
            answers.clear();
        }
        answers.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let memory = Memory::of(2);
        for number in 0..2 {
            memory.keep(number, number);
        }
        memory.keep(1, 7);
        assert_eq!((memory.get(&0), memory.get(&1)), (Some(0), Some(7)));
        memory.keep(2, 2);
        assert_eq!((memory.get(&0), memory.get(&1), memory.get(&2)), (None, None, Some(2)));
    }
}
