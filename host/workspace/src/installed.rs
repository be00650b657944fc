//! What an installation for a result leaves, and what of it its checks get. Code that the result brings may run while
//! something is installed, so the checks' trees get what is installed and nothing else: tracked files are written anew,
//! loose ones go, and of the home there are the stores of packages.

use crate::{
    copy::{Bounds, copy_tree, make_plain_directory, plain_directory},
    error::io,
    layout::private_dir,
    prepared::put_away,
    remove::remove_tree,
    tree::INSTALLED,
};
use cyrus_core::WorkspaceError;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Further directories that installers make where there was none.
const MADE: [&str; 10] = [
    ".bundle",
    ".eggs",
    ".pnpm-store",
    ".yarn",
    "_build",
    "bower_components",
    "deps",
    "elm-stuff",
    "vendor",
    "vendored",
];

/// Files that installers make beside those of the project.
const MADE_FILES: [&str; 3] = [".pnp.cjs", ".pnp.data.json", ".pnp.loader.mjs"];

/// Where in a home packages are kept. No tool reads there which program it runs.
const STORES: [&str; 18] = [
    ".bun/install/cache",
    ".bundle/cache",
    ".cache",
    ".cargo/git",
    ".cargo/registry",
    ".composer/cache",
    ".gem",
    ".gradle/caches",
    ".hex",
    ".local/lib",
    ".local/share/pnpm",
    ".local/share/uv",
    ".m2/repository",
    ".npm",
    ".nuget/packages",
    ".pub-cache",
    ".yarn/berry/cache",
    "go/pkg",
];

/// Where installers put programs, below the directory of a project.
const PROGRAMS: [&str; 3] = ["node_modules/.bin", ".venv/bin", "vendor/bin"];

/// Where the system's programs are.
const SYSTEM: [&str; 4] = ["/bin", "/sbin", "/usr/bin", "/usr/local/bin"];

/// Programs that packages of Node are run with, wherever they are.
const NODE: [&str; 6] = ["corepack", "node", "npm", "npx", "pnpm", "yarn"];

/// The most programs that are looked at, and files that are named.
const MOST_PROGRAMS: usize = 20_000;
const NAMED: usize = 5;

/// What was installed, and where.
pub(crate) struct Places {
    /// Holds the directories `tree` and `home` in which it was installed.
    pub(crate) from: PathBuf,
    /// What the set-up left of the base commit, in directories of the same names.
    pub(crate) base: Option<PathBuf>,
    /// The paths of the base commit and of the result.
    pub(crate) tracked: BTreeSet<String>,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Programs that are not what they are called, with the reason.
    pub(crate) programs: Vec<String>,
    /// What was taken away, some of it by name.
    pub(crate) dropped: Vec<String>,
}

impl Places {
    /// Moves what was installed to a directory of its own.
    pub(crate) fn keep(&self, to: &Path) -> Result<Kept, WorkspaceError> {
        let programs = self.programs();
        private_dir(to)?;
        let tree = to.join("tree");
        put_away(&self.from.join("tree"), &tree)?;
        // A program could write it.
        remove_tree(&tree.join(".git"))?;
        let dropped = self.prune(&tree)?;
        self.keep_home(&to.join("home"))?;
        Ok(Kept { programs, dropped })
    }

    fn directories(&self) -> BTreeSet<&str> {
        directories(&self.tracked)
    }

    /// Takes away what is neither tracked, nor of an installer, nor there after the set-up on the base commit.
    fn prune(&self, tree: &Path) -> Result<Vec<String>, WorkspaceError> {
        let directories = self.directories();
        let mut dropped = Vec::new();
        let mut left = vec![PathBuf::new()];
        while let Some(directory) = left.pop() {
            let place = tree.join(&directory);
            for entry in fs::read_dir(&place).map_err(io("cannot list", &place))? {
                let entry = entry.map_err(io("cannot list", &place))?;
                let path = directory.join(entry.file_name());
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let name = path.to_str().unwrap_or_default();
                let (is_file, is_above) = (self.tracked.contains(name), directories.contains(name));
                if is_file && !is_directory {
                    continue;
                }
                if is_above && is_directory {
                    left.push(path);
                    continue;
                }
                let is_made = is_installers(&path, is_directory);
                let was_there = self.was_there(&path, is_directory);
                if was_there && !is_made && !is_directory {
                    self.restore(tree, &path)?;
                } else if is_file || is_above || !(is_made || was_there) {
                    remove_tree(&tree.join(&path))?;
                    if dropped.len() < NAMED {
                        dropped.push(path.to_string_lossy().into_owned());
                    }
                }
            }
        }
        dropped.sort();
        Ok(dropped)
    }

    /// Whether the set-up on the base commit left the same kind of thing there.
    fn was_there(&self, path: &Path, is_directory: bool) -> bool {
        let found = self.base.as_ref().map(|base| base.join("tree").join(path).symlink_metadata());
        found.is_some_and(|found| found.is_ok_and(|found| found.is_dir() == is_directory))
    }

    /// Has a loose file be what the set-up on the base commit left: what was run meanwhile may have written it.
    fn restore(&self, tree: &Path, path: &Path) -> Result<(), WorkspaceError> {
        let (Some(base), to) = (&self.base, tree.join(path)) else { return Ok(()) };
        let from = base.join("tree").join(path);
        remove_tree(&to)?;
        match fs::read_link(&from) {
            Ok(target) => symlink(target, &to).map_err(io("cannot make", &to)),
            Err(_) => fs::copy(&from, &to).map(drop).map_err(io("cannot write", &to)),
        }
    }

    /// The home of the base's set-up, with the packages that were stored since.
    fn keep_home(&self, to: &Path) -> Result<(), WorkspaceError> {
        private_dir(to)?;
        if let Some(base) = &self.base {
            copy_tree(&base.join("home"), to, Bounds::default())?;
        }
        let home = self.from.join("home");
        for store in STORES.map(Path::new) {
            let Some(from) = plain_directory(&home, store) else { continue };
            let above = store.parent().unwrap_or(Path::new(""));
            let Some(above) = make_plain_directory(to, above)? else { continue };
            let kept = above.join(store.file_name().unwrap_or_default());
            remove_tree(&kept)?;
            put_away(&from, &kept)?;
        }
        Ok(())
    }

    /// The programs that were installed and are the result's own files, or stand before those of the system.
    fn programs(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        let root = self.from.join("tree");
        let Ok(root) = root.canonicalize() else { return found };
        for directory in self.directories() {
            for programs in PROGRAMS {
                let below = Path::new(directory).join(programs);
                let entries =
                    plain_directory(&root, &below).and_then(|place| fs::read_dir(place).ok());
                for entry in entries.into_iter().flatten().flatten() {
                    looked_at += 1;
                    if looked_at > MOST_PROGRAMS {
                        return found;
                    }
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if let Some(reason) = self.reason(&root, &below.join(&name), &name) {
                        found.push(format!("the program `{name}` {reason}"));
                    }
                }
            }
        }
        found.sort();
        found.truncate(NAMED);
        found
    }

    /// What is to be said of one program.
    fn reason(&self, root: &Path, path: &Path, name: &str) -> Option<&'static str> {
        let before = self.base.as_ref().map(|base| base.join("tree").join(path));
        let link = |path: &Path| fs::read_link(path).ok();
        let (leads, led) = (link(&root.join(path)), before.as_deref().and_then(link));
        if leads.is_some() && leads == led {
            return None;
        }
        let target = leads.and_then(|_| root.join(path).canonicalize().ok());
        let own = target.as_deref().and_then(|target| target.strip_prefix(root).ok());
        if own.is_some_and(|own| !own.iter().any(|part| INSTALLED.iter().any(|one| part == *one))) {
            return Some("is a file of the result's");
        }
        let is_new = before.is_none_or(|before| before.symlink_metadata().is_err());
        let stands_before = is_new
            && is_systems(name)
            && path.parent().is_some_and(|in_it| in_it.ends_with(".bin"));
        stands_before.then_some("stands before the one of that name which the machine has")
    }
}

/// The directories that tracked files are in; the top is the empty one.
pub(crate) fn directories(tracked: &BTreeSet<String>) -> BTreeSet<&str> {
    let above = |path: &str| path.rfind('/').map_or(0, |at| at);
    let mut found = BTreeSet::from([""]);
    for path in tracked {
        let mut directory = &path[..above(path)];
        while !directory.is_empty() && found.insert(directory) {
            directory = &directory[..above(directory)];
        }
    }
    found
}

/// Whether there is a program of this name that is not a project's.
pub(crate) fn is_systems(name: &str) -> bool {
    NODE.contains(&name)
        || SYSTEM.iter().any(|system| Path::new(system).join(name).symlink_metadata().is_ok())
}

/// Whether an installer makes what is at a path.
pub(crate) fn is_installers(path: &Path, is_directory: bool) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if is_directory {
        return INSTALLED.contains(&name)
            || MADE.contains(&name)
            || Path::new(name).extension().is_some_and(|ending| ending == "egg-info");
    }
    MADE_FILES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn write(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn places(root: &Path, tracked: &[&str]) -> Places {
        for part in ["new/tree", "new/home", "base/tree", "base/home"] {
            fs::create_dir_all(root.join(part)).unwrap();
        }
        let tracked = tracked.iter().map(|path| (*path).to_owned()).collect();
        Places { from: root.join("new"), base: Some(root.join("base")), tracked }
    }

    #[test]
    fn what_is_installed_stays_and_what_lies_about_goes() {
        let scratch = TempDir::new().unwrap();
        let root = scratch.path();
        let places = places(root, &["a", "d/b", "e", "f/g"]);
        for path in ["cache/x", "loose"] {
            write(&root.join("base/tree"), path);
        }
        for path in [
            "a",
            "d/b",
            "d/c",
            "e/in-place-of-a-file",
            "f",
            "GNUmakefile",
            "cache/y",
            "loose",
            "node_modules/p/index.js",
            "d/node_modules/q",
            "x.egg-info/y",
            "z/w",
            ".pnp.cjs",
            ".git/config",
        ] {
            write(&root.join("new/tree"), path);
        }
        for path in [".npmrc", ".cache/pip/x", ".cargo/config.toml", ".cargo/registry/y"] {
            write(&root.join("new/home"), path);
        }
        write(&root.join("base/home"), ".kept");
        fs::write(root.join("new/tree/loose"), "forged").unwrap();
        let to = root.join("to");
        let kept = places.keep(&to).unwrap();
        assert_eq!(kept.dropped, ["GNUmakefile", "d/c", "e", "f", "z"]);
        assert_eq!(kept.programs, [""; 0]);
        assert_eq!(fs::read_to_string(to.join("tree/loose")).unwrap(), "x");
        for there in [
            "tree/a",
            "tree/d/b",
            "tree/cache/y",
            "tree/loose",
            "tree/d/node_modules/q",
            "tree/node_modules/p/index.js",
            "tree/x.egg-info/y",
            "tree/.pnp.cjs",
            "home/.cache/pip/x",
            "home/.cargo/registry/y",
            "home/.kept",
        ] {
            assert!(to.join(there).exists(), "{there}");
        }
        for gone in ["tree/.git", "tree/d/c", "home/.npmrc", "home/.cargo/config.toml"] {
            assert!(!to.join(gone).exists(), "{gone}");
        }
    }

    #[test]
    fn no_link_leads_what_is_kept_elsewhere() {
        let scratch = TempDir::new().unwrap();
        let root = scratch.path();
        let places = places(root, &["tests/a"]);
        write(root, "elsewhere/x");
        symlink(root.join("elsewhere"), root.join("new/tree/tests")).unwrap();
        symlink(root.join("elsewhere"), root.join("new/tree/node_modules")).unwrap();
        symlink(root.join("elsewhere"), root.join("new/home/.cache")).unwrap();
        let to = root.join("to");
        assert_eq!(places.keep(&to).unwrap().dropped, ["node_modules", "tests"]);
        assert!(root.join("elsewhere/x").exists());
        assert!(to.join("home/.cache").symlink_metadata().is_err());
    }

    #[test]
    fn programs_that_are_the_results_or_stand_before_others_are_named() {
        let scratch = TempDir::new().unwrap();
        let root = scratch.path();
        let places = places(root, &["evil/x.js", "own/cli.js", "package.json"]);
        let (new, base) = (root.join("new/tree"), root.join("base/tree"));
        for path in ["evil/x.js", "own/cli.js", "node_modules/p/bin.js"] {
            write(&new, path);
        }
        for tree in [&new, &base] {
            fs::create_dir_all(tree.join("node_modules/.bin")).unwrap();
        }
        let link = |tree: &Path, name: &str, to: &str| {
            symlink(to, tree.join("node_modules/.bin").join(name)).unwrap();
        };
        link(&new, "own", "../../own/cli.js");
        link(&base, "own", "../../own/cli.js");
        link(&new, "p", "../p/bin.js");
        link(&new, "sh", "../p/bin.js");
        link(&new, "node", "../p/bin.js");
        link(&new, "tested", "../../evil/x.js");
        assert_eq!(
            places.programs(),
            [
                "the program `node` stands before the one of that name which the machine has",
                "the program `sh` stands before the one of that name which the machine has",
                "the program `tested` is a file of the result's",
            ]
        );
    }
}
