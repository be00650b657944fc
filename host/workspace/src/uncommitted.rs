//! What an executor did not commit in a worktree of its own that lies in its clone: agents have other agents work in such
//! worktrees. It becomes a commit on what was committed there, so that it is kept beside the result as commits are.

use crate::{
    commit::NewCommit,
    copy::plain_directory,
    error::io,
    leftovers::Leftovers,
    object::ObjectId,
    scratch::Scratch,
    snapshot::Snapshot,
    tips::{Left, Worktree, worktrees},
    user::Identity,
};
use cyrus_core::WorkspaceError;
use cyrus_executor::Line;
use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// How many worktrees are looked at.
const MOST: usize = 8;

/// Commits what is not committed in the worktrees of a clone. `seen` is where its programs found the clone.
pub(crate) async fn commit(
    scratch: &Scratch,
    (clone, seen): (&Path, Option<&Path>),
    (base, identity, message): (&ObjectId, &Identity, &str),
    included: &BTreeSet<Vec<u8>>,
) -> Result<Vec<(Left, ObjectId)>, WorkspaceError> {
    let mut found = Vec::new();
    for Worktree { name, place, head } in worktrees(&clone.join(".git")).into_iter().take(MOST) {
        let Some(files) = in_clone(clone, seen, &place) else { continue };
        scratch.absorb_objects(clone).await?;
        let Some(head) = scratch.commit_of(&head).await? else { continue };
        match taken(scratch, &files, (&head, base, identity, message), included).await {
            Ok(Some(commit)) => found.push((Left::Uncommitted(name), commit)),
            Ok(None) => {}
            Err(WorkspaceError::Unacceptable(problem)) => {
                tracing::warn!(worktree = %Line::new(&name), problem = %Line::new(&problem), "what is not committed there is not kept");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// A commit with the files of a worktree; `None` where they are those of its `HEAD`.
async fn taken(
    scratch: &Scratch,
    files: &Path,
    (head, base, identity, message): (&ObjectId, &ObjectId, &Identity, &str),
    included: &BTreeSet<Vec<u8>>,
) -> Result<Option<ObjectId>, WorkspaceError> {
    let index = scratch.path().join("of-worktree");
    if index.exists() {
        fs::remove_file(&index).map_err(io("cannot remove", &index))?;
    }
    // With what git knows of files that are as they were, so that only changed ones are taken.
    scratch.read_tree(files, head, &index).await?;
    scratch.git().run(scratch.over(files, &["update-index", "-q", "--refresh"])).await?;
    fs::copy(scratch.path().join("index"), &index).map_err(io("cannot copy", &index))?;
    let snapshot = Snapshot { scratch, files, head, base, checked_out: &index, lfs_store: None };
    let tree = snapshot.take(Leftovers::default(), included).await?.tree;
    if tree == scratch.tree_of(head).await? {
        return Ok(None);
    }
    let new = NewCommit { tree: &tree, parents: &[head], message, identity, date: None };
    scratch.commit(&new).await.map(Some)
}

/// The directory of a worktree that lies in the clone, by the place that programs found it at.
fn in_clone(clone: &Path, seen: Option<&Path>, place: &str) -> Option<PathBuf> {
    let place = Path::new(place.strip_suffix("/.git")?);
    let below = seen.and_then(|seen| place.strip_prefix(seen).ok());
    let below = below.or_else(|| place.strip_prefix(clone).ok())?;
    let is_name = |part: Component<'_>| matches!(part, Component::Normal(name) if !name.eq_ignore_ascii_case(".git"));
    let is_below = below.components().next().is_some() && below.components().all(is_name);
    is_below.then(|| plain_directory(clone, below)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_is_looked_at_where_it_lies_in_the_clone() {
        let place = tempfile::tempdir().unwrap();
        let clone = place.path();
        fs::create_dir_all(clone.join(".work/side")).unwrap();
        fs::create_dir_all(clone.join(".git/x")).unwrap();
        std::os::unix::fs::symlink("/", clone.join("link")).unwrap();
        let seen = Path::new("/seen/tree");
        let found = |place: &str| in_clone(clone, Some(seen), place);
        assert_eq!(found("/seen/tree/.work/side/.git"), Some(clone.join(".work/side")));
        for other in [
            "/seen/tree/.git",
            "/seen/tree/.work/side",
            "/seen/tree/.work/../.work/side/.git",
            "/seen/tree/.git/x/.git",
            "/seen/tree/link/etc/.git",
            "/seen/tree/none/.git",
            "/tmp/side/.git",
            "",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
        let own = clone.join(".work/side/.git");
        assert_eq!(in_clone(clone, None, own.to_str().unwrap()), Some(clone.join(".work/side")));
    }
}
