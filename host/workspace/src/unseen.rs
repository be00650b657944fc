//! What an executor wrote that is in no result without anyone having meant it: files that git ignores, and files in a
//! submodule, which is an empty directory in a clone. They are named, so that nothing is lost without a word.

use crate::{
    copy::plain_directory, error::in_background, object::ObjectId, repository::Main,
    scratch::Scratch,
};
use cyrus_core::WorkspaceError;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

/// How many names a note has.
const NAMED: usize = 5;

/// Endings of files that tools make again.
const MADE: [&str; 16] = [
    ".a",
    ".bak",
    ".class",
    ".gcda",
    ".gcno",
    ".log",
    ".o",
    ".obj",
    ".out",
    ".pid",
    ".pyc",
    ".pyo",
    ".so",
    ".swp",
    ".tmp",
    ".tsbuildinfo",
];

/// What is in no result.
pub(crate) struct Unseen {
    /// For people.
    pub(crate) notes: Vec<String>,
    /// The repositories that were made inside of the clone since its set-up, with a slash at the end.
    pub(crate) repositories: Vec<String>,
}

/// Looks at the files of a clone. `since`: a file that was written when its set-up had ended. `included` are the user's.
pub(crate) async fn find(
    scratch: &Scratch,
    (main, base): (&Main, &ObjectId),
    files: &Path,
    since: PathBuf,
    included: &BTreeSet<Vec<u8>>,
) -> Result<Unseen, WorkspaceError> {
    let args = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"];
    let listed = scratch.git().output(scratch.over(files, &args)).await?;
    let args = ["ls-files", "-z", "--others", "--exclude-standard"];
    let others = scratch.git().run(scratch.over(files, &args)).await?;
    let modules = main.submodules(base).await?;
    let (files, included) = (files.to_owned(), included.clone());
    in_background("look at what is in no result", move || {
        let mut notes = Vec::new();
        let mut left = repositories(&others.stdout, &files);
        let is_new = |name: &&String| is_since(&files.join(name).join(".git"), &since);
        let repositories = left.iter().filter(is_new).cloned().collect();
        left.extend(closed(&others.stderr));
        if !left.is_empty() {
            notes.push(format!(
                "not in the result, because they are repositories of their own, or may not be read: {}",
                some(&left)
            ));
        }
        let ignored = ignored(&listed, &files, &since, &included);
        if !ignored.is_empty() {
            notes.push(format!(
                "not in the result, because git ignores them: {}; an executor that means to add such files commits them (`git add --force`)",
                some(&ignored)
            ));
        }
        let modules = modules.iter().map(|module| Path::new(OsStr::from_bytes(module)));
        let written: Vec<_> = modules
            .filter(|module| plain_directory(&files, module).is_some_and(|at| is_written(&at)))
            .map(|module| module.display().to_string())
            .collect();
        if !written.is_empty() {
            notes.push(format!(
                "not in the result, because they lie in submodules, which are empty in a clone: what is in {}",
                some(&written)
            ));
        }
        Ok(Unseen { notes, repositories })
    })
    .await
}

/// Whether something was made or changed since a file was written.
fn is_since(path: &Path, since: &Path) -> bool {
    let (Ok(found), Ok(since)) = (path.symlink_metadata(), since.metadata()) else { return false };
    (found.ctime(), found.ctime_nsec()) > (since.mtime(), since.mtime_nsec())
}

/// The ignored files, one by one, that were made since then and that no tool makes again. Directories of which all is
/// ignored are what tools build into.
fn ignored(listed: &[u8], files: &Path, since: &Path, included: &BTreeSet<Vec<u8>>) -> Vec<String> {
    let names = listed.split(|b| *b == 0).filter(|name| !name.is_empty() && !name.ends_with(b"/"));
    let own = names.filter(|name| !included.contains(*name)).filter(|name| {
        let text = String::from_utf8_lossy(name).to_lowercase();
        !MADE.iter().any(|ending| text.ends_with(ending))
    });
    let new = own.filter(|name| {
        let path = files.join(OsStr::from_bytes(name));
        path.symlink_metadata().is_ok_and(|found| found.is_file()) && is_since(&path, since)
    });
    new.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Directories that are listed with a slash: repositories inside of this one. Those of a worktree are looked for by
/// their branches.
fn repositories(listed: &[u8], files: &Path) -> Vec<String> {
    let directories = listed.split(|b| *b == 0).filter(|name| name.ends_with(b"/"));
    let own = directories.filter(|name| {
        let git = files.join(OsStr::from_bytes(name)).join(".git");
        git.symlink_metadata().is_ok_and(|found| found.is_dir())
    });
    own.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Directories that git could not open: `warning: could not open directory 'd/': Permission denied`.
fn closed(said: &str) -> Vec<String> {
    let name = |line: &str| {
        let rest = line.strip_prefix("warning: could not open directory '")?;
        Some(rest.split_once("':")?.0.to_owned())
    };
    said.lines().filter_map(name).collect()
}

/// Whether a submodule's directory holds files although no repository is there.
fn is_written(directory: &Path) -> bool {
    directory.join(".git").symlink_metadata().is_err()
        && fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

pub(crate) fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
