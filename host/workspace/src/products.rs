//! What a set-up makes of files of the repository: what a bundler writes to `dist`, a compiled extension, generated code, a
//! submodule that it brings. What it made of the base's is not what a result is to be checked with, so where there is any
//! the set-up is run once more, in a tree of the result, and the checks' trees get what it makes there, and nothing else
//! of what it left: packages, caches and the home stay those of the base.

use crate::{
    copy::{Bounds, copy_tree, make_plain_directory},
    definitions::Definitions,
    error::{in_background, io},
    installed::{directories, is_installers},
    layout::private_dir,
    litter::litter,
    object::ObjectId,
    plain,
    prepared::put_away,
    remove::remove_tree,
    tree::{LOCKS, Trees},
    validator::{CommandValidator, ending},
};
use cyrus_core::{SessionEvent, WorkspaceError};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// How many products are looked for, and named.
const MOST: usize = 10_000;
const NAMED: usize = 3;

/// Where a directory says that all in it can be made again (<https://bford.info/cachedir>): tools tell by themselves what
/// of it is out of date.
const CACHE_MARK: &str = "CACHEDIR.TAG";

/// What the set-up made of a result.
pub(crate) struct Products {
    pub(crate) of: ObjectId,
    /// From the top of the tree; those that the set-up made of the base and not of the result are among them.
    paths: BTreeSet<PathBuf>,
    place: TempDir,
}

impl Products {
    /// Puts them into a tree, in the place of those of the base.
    pub(crate) async fn lay(&self, root: &Path) -> Result<(), WorkspaceError> {
        let (paths, root, from) =
            (self.paths.clone(), root.to_owned(), self.place.path().to_owned());
        in_background("lay what the set-up makes", move || {
            paths.iter().try_for_each(|path| replace(path, &from, &root, copied))
        })
        .await
    }
}

impl CommandValidator {
    /// Has the set-up make of the result what it makes of files of the repository. Gives why a person has to look at it.
    pub(crate) async fn follow_sources(
        &self,
        trees: &mut Trees<'_>,
        result: &ObjectId,
        definitions: &Definitions,
    ) -> Result<Vec<String>, WorkspaceError> {
        let (main, base) = (trees.site.main, trees.site.base);
        let Some(prepared) = trees.site.prepared().await? else { return Ok(Vec::new()) };
        let mut tracked: BTreeSet<String> = main.files(base).await?.into_iter().collect();
        let included: BTreeSet<Vec<u8>> = prepared.included.iter().cloned().collect();
        let (of_base, kept) = (tracked.clone(), prepared.place.join("tree"));
        let users = included.clone();
        let found = in_background("look for what the set-up makes", move || {
            Ok((made(&kept, &of_base, &users), copies_of_the_project(&kept, &of_base)))
        });
        let (before, copies) = found.await?;
        let mut doubts: Vec<_> = copies.into_iter().map(|copy| {
            format!("the set-up installs a copy of the project ({copy}), so checks may see the base's and not the result's: install it in place (`pip install -e`)")
        }).collect();
        if before.is_empty() {
            return Ok(doubts);
        }
        let settings = self.settings_of_checks();
        let steps = self.stage(trees, &settings).steps_for(result).await?;
        let names = some(&before);
        let message = format!(
            "the set-up makes {names} of files of the repository, so it is run on the result before its checks"
        );
        trees.observer.on_event(SessionEvent::Warning { message });
        let tree = trees.fresh(result).await?;
        definitions.lay_over(&tree.place.root)?;
        for path in &before {
            cleared(path, &tree.place.root)?;
        }
        let set_up = self.stage(trees, &settings).set_up(steps).await?;
        if set_up.failure.is_some() {
            let said = ending(&set_up.said);
            doubts.push(format!(
                "what the set-up makes of the result ({names}) could not be made for its checks: {said}"
            ));
            return Ok(doubts);
        }
        tracked.extend(main.files(result).await?);
        let place = trees.site.task.scratch("products-")?;
        let (root, kept) = (tree.place.root.clone(), prepared.place.join("tree"));
        let to = place.path().to_owned();
        let taken = in_background("keep what the set-up made", move || {
            let mut paths = made(&root, &tracked, &included);
            // What the result has made where the base made nothing may stand before what checks would find.
            let is_other = |path: &&PathBuf| {
                !before.contains(*path) || is_other_file(&kept.join(path), &root.join(path))
            };
            let other: BTreeSet<_> = paths.iter().filter(is_other).cloned().collect();
            paths.extend(before);
            for path in &paths {
                replace(path, &root, &to, put_away)?;
            }
            Ok((paths, other))
        });
        let (paths, other) = taken.await?;
        if !other.is_empty() {
            doubts.push(format!(
                "the set-up makes {} otherwise of the result than of the base, which its checks see: a person has to look at what makes it",
                some(&other)
            ));
        }
        trees.products = Some(Products { of: result.clone(), paths, place });
        Ok(doubts)
    }
}

/// What is in a tree that a set-up was run in and is neither tracked, nor of an installer, nor a cache, nor the user's.
fn made(
    tree: &Path,
    tracked: &BTreeSet<String>,
    included: &BTreeSet<Vec<u8>>,
) -> BTreeSet<PathBuf> {
    let above = directories(tracked);
    let (mut found, mut left) = (BTreeSet::new(), vec![PathBuf::new()]);
    while let Some(directory) = left.pop() {
        let entries = fs::read_dir(tree.join(&directory));
        for entry in entries.into_iter().flatten().flatten() {
            let path = directory.join(entry.file_name());
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = path.to_str().unwrap_or_default();
            if is_directory && above.contains(name) {
                left.push(path);
                continue;
            }
            let bytes = path.as_os_str().as_bytes();
            let is_known = tracked.contains(name) && !is_directory
                || included.contains(bytes)
                || name == ".git"
                || is_installers(&path, is_directory)
                || is_of_tools(&path)
                || litter(bytes, &[]).is_some()
                || is_directory && tree.join(&path).join(CACHE_MARK).is_file();
            if !is_known && found.len() < MOST {
                found.insert(path);
            }
        }
    }
    found
}

/// Whether installers keep there what they installed, and how, or hooks of git.
fn is_of_tools(path: &Path) -> bool {
    path.iter().any(|part| part == ".yarn")
        || path.ends_with(".husky/_")
        || path.file_name().is_some_and(|name| LOCKS.iter().any(|lock| name == *lock))
}

/// The packages of a virtual environment that are copies of what is in the repository, as pip says where one is from
/// (<https://packaging.python.org/en/latest/specifications/direct-url/>).
fn copies_of_the_project(tree: &Path, tracked: &BTreeSet<String>) -> Vec<String> {
    let is_copy = |package: &Path| {
        let text = fs::read(package.join("direct_url.json")).unwrap_or_default();
        let said: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let is_local = said["url"].as_str().is_some_and(|url| url.starts_with("file://"));
        is_local && said["dir_info"].is_object() && said["dir_info"]["editable"] != true
    };
    let list = |place: PathBuf| fs::read_dir(place).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for directory in directories(tracked) {
        for version in list(tree.join(directory).join(".venv/lib")) {
            for package in list(version.path().join("site-packages")) {
                let name = package.file_name().to_string_lossy().into_owned();
                if let Some(name) = name.strip_suffix(".dist-info")
                    && found.len() < NAMED
                    && is_copy(&package.path())
                {
                    found.push(name.to_owned());
                }
            }
        }
    }
    found
}

/// Whether a file or a link is not what it was.
fn is_other_file(before: &Path, now: &Path) -> bool {
    let is_directory = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_dir());
    if is_directory(before) || is_directory(now) {
        return false;
    }
    match (fs::read_link(before), fs::read_link(now)) {
        (Ok(before), Ok(now)) => before != now,
        (Err(_), Err(_)) => !plain::same_content(before, now).unwrap_or(false),
        _ => true,
    }
}

/// Takes away what is at a path in one place, and has `put` put there what is at it in another. Where the way there is
/// not plain directories, nothing is done.
fn replace(
    path: &Path,
    from: &Path,
    to: &Path,
    put: impl Fn(&Path, &Path) -> Result<(), WorkspaceError>,
) -> Result<(), WorkspaceError> {
    let (Some(to), from) = (cleared(path, to)?, from.join(path)) else { return Ok(()) };
    if from.symlink_metadata().is_err() {
        return Ok(());
    }
    put(&from, &to)
}

/// The place of a path, with nothing there; `None` where the way to it is not plain directories.
fn cleared(path: &Path, root: &Path) -> Result<Option<PathBuf>, WorkspaceError> {
    let above = path.parent().unwrap_or(Path::new(""));
    let above = make_plain_directory(root, above)?;
    let Some(place) = above.zip(path.file_name()).map(|(above, name)| above.join(name)) else {
        return Ok(None);
    };
    remove_tree(&place)?;
    Ok(Some(place))
}

fn copied(from: &Path, to: &Path) -> Result<(), WorkspaceError> {
    let found = from.symlink_metadata().map_err(io("cannot look at", from))?;
    if found.is_dir() {
        private_dir(to)?;
        return copy_tree(from, to, Bounds::default());
    }
    if found.is_symlink() {
        let target = fs::read_link(from).map_err(io("cannot read", from))?;
        return symlink(target, to).map_err(io("cannot make", to));
    }
    if !found.is_file() {
        return Ok(());
    }
    fs::copy(from, to).map(drop).map_err(io("cannot write", to))
}

/// Some of these paths, for people.
fn some(paths: &BTreeSet<PathBuf>) -> String {
    let names: Vec<_> =
        paths.iter().take(NAMED).map(|path| format!("`{}`", path.display())).collect();
    let more = paths.len().saturating_sub(NAMED);
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> TempDir {
        let tree = tempfile::tempdir().unwrap();
        for file in files {
            let place = tree.path().join(file);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "{}").unwrap();
        }
        tree
    }

    fn of(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn what_is_made_of_the_repository_is_told_from_packages_and_caches() {
        let there = tree(&[
            ".env",
            ".git/config",
            ".husky/_/h",
            ".husky/pre-commit",
            ".yarn/install-state.gz",
            ".yarn/releases/yarn.cjs",
            ".venv/bin/python",
            "dist/app.js",
            "module/file",
            "node_modules/a/index.js",
            "package-lock.json",
            "src/__pycache__/a.pyc",
            "src/lib.so",
            "src/main.c",
            "target/CACHEDIR.TAG",
            "target/debug/app",
        ]);
        let tracked = of(&[".husky/pre-commit", ".yarn/releases/yarn.cjs", "module", "src/main.c"]);
        let found = made(there.path(), &tracked, &BTreeSet::from([b".env".to_vec()]));
        let expected = ["dist", "module", "src/lib.so"].map(PathBuf::from);
        assert_eq!(found, BTreeSet::from(expected));
    }

    #[test]
    fn a_package_that_is_a_copy_of_the_repository_is_found() {
        let place = ".venv/lib/python3.11/site-packages";
        let there = tree(&[&format!("{place}/other-1.dist-info/METADATA")]);
        for (name, said) in [
            ("copy-1", r#"{"url": "file:///x/tree", "dir_info": {}}"#),
            ("in_place-1", r#"{"url": "file:///x/tree", "dir_info": {"editable": true}}"#),
            ("far-1", r#"{"url": "https://example.invalid/a.whl", "archive_info": {}}"#),
        ] {
            let package = there.path().join(place).join(format!("{name}.dist-info"));
            fs::create_dir_all(&package).unwrap();
            fs::write(package.join("direct_url.json"), said).unwrap();
        }
        assert_eq!(copies_of_the_project(there.path(), &of(&["a.py"])), ["copy-1"]);
    }

    #[tokio::test]
    async fn products_replace_those_of_the_base_and_follow_no_link() {
        let (outside, root) = (tree(&["kept"]), tree(&["dist/old.js", "gone", "a"]));
        fs::remove_file(root.path().join("a")).unwrap();
        symlink(outside.path(), root.path().join("a")).unwrap();
        let products = Products {
            of: ObjectId::parse(&"1".repeat(40)).unwrap(),
            paths: ["dist", "gone", "a/kept"].map(PathBuf::from).into(),
            place: tree(&["dist/new.js", "a/kept"]),
        };
        products.lay(root.path()).await.unwrap();
        let is_there = |path: &str| root.path().join(path).symlink_metadata().is_ok();
        assert!(is_there("dist/new.js") && !is_there("dist/old.js") && !is_there("gone"));
        assert!(outside.path().join("kept").is_file());
    }
}
