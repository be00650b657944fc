//! Which repository a directory belongs to, where git keeps more than one working tree of it. Read from git's own
//! files; nothing is run.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The longest pointer that git writes, in bytes.
const MOST_BYTES: u64 = 64 << 10;

/// The directory that all working trees of a repository share: `.git` of the first of them, or a bare repository.
pub(crate) fn common_dir(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    path.ancestors().find_map(|directory| of_top(directory).or_else(|| bare(directory)))
}

fn of_top(directory: &Path) -> Option<PathBuf> {
    let git = directory.join(".git");
    if git.is_dir() {
        return git.canonicalize().ok();
    }
    let own = directory.join(pointer(&git)?.strip_prefix("gitdir:")?.trim());
    let common = match pointer(&own.join("commondir")) {
        Some(common) => own.join(common.trim()),
        None => own,
    };
    common.canonicalize().ok()
}

fn bare(directory: &Path) -> Option<PathBuf> {
    let is_repository = directory.join("HEAD").is_file()
        && directory.join("objects").is_dir()
        && directory.join("refs").is_dir();
    is_repository.then(|| directory.to_owned())
}

fn pointer(file: &Path) -> Option<String> {
    let found = fs::metadata(file).ok()?;
    (found.is_file() && found.len() <= MOST_BYTES).then(|| fs::read_to_string(file).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_working_trees_of_a_repository_share_one_directory() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let make = |path: &str| fs::create_dir_all(root.join(path)).unwrap();
        let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        make("main/.git/worktrees/feature");
        make("main/src");
        make("feature");
        write("main/.git/worktrees/feature/commondir", "../..\n");
        write("feature/.git", &format!("gitdir: {}/main/.git/worktrees/feature\n", root.display()));
        let shared = Some(root.join("main/.git"));
        for directory in ["main", "main/src", "feature"] {
            assert_eq!(common_dir(&root.join(directory)), shared, "{directory}");
        }
        make("shop.git/objects");
        make("shop.git/refs");
        make("shop.git/worktrees/tree");
        make("tree");
        write("shop.git/HEAD", "ref: refs/heads/main\n");
        write("shop.git/worktrees/tree/commondir", "../..\n");
        write("tree/.git", "gitdir: ../shop.git/worktrees/tree\n");
        for directory in ["shop.git", "tree"] {
            assert_eq!(
                common_dir(&root.join(directory)),
                Some(root.join("shop.git")),
                "{directory}"
            );
        }
        make("other");
        write("other/.git", "gitdir: ../nowhere\n");
        for directory in ["other", "missing", "."] {
            assert_eq!(common_dir(&root.join(directory)), None, "{directory}");
        }
    }
}
