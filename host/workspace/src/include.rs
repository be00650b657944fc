//! `.worktreeinclude`: ignored files of the user's working tree that a clone gets a copy of, such as `.env`.
//!
//! The list is that of the base commit, in the form of `.gitignore`. A file is copied when the list matches it, git
//! does not track it, and what the clone starts from has git ignore it too: else it would become part of the result.
//! A name that leads through a link in the clone is left out, and so is one that is there already.

use crate::{
    clone::Source,
    error::{in_background, io},
    git::{Call, Git},
};
use cyrus_core::WorkspaceError;
use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The list's name.
const LIST: &str = ".worktreeinclude";

/// The most that is copied, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// Copies what the list names into a clone that nobody but the host has written to. `scratch` is a directory for
/// what is under way.
pub(crate) async fn copy(
    git: &Git,
    source: &Source<'_>,
    clone: &Path,
    scratch: &Path,
) -> Result<(), WorkspaceError> {
    let Some(list) = source.main.file(source.base, LIST).await? else { return Ok(()) };
    let Some(from) = source.main.working_tree().await?.map(Path::to_owned) else { return Ok(()) };
    let patterns = scratch.join("include");
    fs::write(&patterns, list).map_err(io("cannot write", &patterns))?;
    let mut exclude = OsString::from("--exclude-from=");
    exclude.push(&patterns);
    let call = source.main.call(&["ls-files", "-z", "--others", "--ignored"]).await?.arg(exclude);
    let named = git.output(call).await?;
    let mut free = Vec::new();
    // A name that ends in a slash is a repository inside of the working tree.
    for name in named.split(|b| *b == 0).filter(|name| !name.is_empty() && !name.ends_with(b"/")) {
        if place(clone, Path::new(OsStr::from_bytes(name))).is_some() {
            // So that no name is taken for a pathspec with magic in it.
            free.extend([b"./", name, b"\0"].concat());
        } else {
            let name = String::from_utf8_lossy(name);
            tracing::warn!(%name, "not copied: a link or a file is in the way");
        }
    }
    if free.is_empty() {
        return Ok(());
    }
    let call = Call::new(clone, &["check-ignore", "-z", "--stdin"])
        .stdin(free)
        .env("GIT_LITERAL_PATHSPECS", "0");
    let answer = git.run(call).await?;
    let ignored = match answer.code {
        0 => answer.stdout,
        1 => return Ok(()),
        _ => return Err(answer.into_error()),
    };
    let to = clone.to_owned();
    in_background("copy ignored files", move || {
        let mut left = MAX_BYTES;
        let files = ignored.split(|b| *b == 0).filter(|name| !name.is_empty());
        for name in files.map(|name| Path::new(OsStr::from_bytes(name))) {
            copy_file(&from, &to, name, &mut left)?;
        }
        Ok(())
    })
    .await
}

fn copy_file(from: &Path, to: &Path, name: &Path, left: &mut u64) -> Result<(), WorkspaceError> {
    let source = from.join(name);
    let Some(found) = source.metadata().ok().filter(fs::Metadata::is_file) else { return Ok(()) };
    let target = to.join(name);
    let Some(rest) = left.checked_sub(found.len()) else {
        tracing::warn!(file = %name.display(), "not copied: {LIST} names more than {MAX_BYTES} bytes");
        return Ok(());
    };
    *left = rest;
    if let Some(above) = target.parent() {
        fs::create_dir_all(above).map_err(io("cannot make", above))?;
    }
    fs::copy(&source, &target).map(drop).map_err(io("cannot copy", &source))
}

/// Where a file goes, when the way there is plain directories, or not there yet, and nothing is in its place.
fn place(root: &Path, name: &Path) -> Option<PathBuf> {
    let target = root.join(name);
    let above = target.ancestors().skip(1).take_while(|path| *path != root);
    let mut plain = above.map(Path::symlink_metadata);
    let open = plain.all(|found| found.map_or(true, |found| found.is_dir()));
    (open && target.symlink_metadata().is_err()).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_through_a_link_or_over_a_file() {
        let place_of = tempfile::tempdir().unwrap();
        let root = place_of.path();
        fs::create_dir(root.join("plain")).unwrap();
        fs::write(root.join("there"), "").unwrap();
        std::os::unix::fs::symlink("/tmp", root.join("link")).unwrap();
        for (name, free) in [
            ("new", true),
            ("plain/new", true),
            ("deep/er/new", true),
            ("there", false),
            ("there/new", false),
            ("link", false),
            ("link/new", false),
            ("link/deep/new", false),
        ] {
            assert_eq!(place(root, Path::new(name)).is_some(), free, "{name}");
        }
    }
}
