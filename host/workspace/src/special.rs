//! Pipes, sockets and devices that a program left among the files of a clone. Git keeps none of them, and waits without an
//! end where one has the name of a file that it reads in each directory, such as `.gitignore`. So they are taken away
//! before git looks. What its owner may not read or enter is opened: the modes say nothing that git keeps, and the work
//! would be lost with the clone. No program of the clone runs any more.

use crate::error::in_background;
use cyrus_core::WorkspaceError;
use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// How many names a note has.
const NAMED: usize = 5;

/// Takes them away from below this directory, its own `.git` apart, and says so.
pub(crate) async fn take_away(root: &Path) -> Result<Option<String>, WorkspaceError> {
    let root = root.to_owned();
    let gone = in_background("look for files that are none", move || Ok(remove(&root))).await?;
    if gone.is_empty() {
        return Ok(None);
    }
    let named: Vec<_> = gone.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    let more = match gone.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Ok(Some(format!(
        "not in the result, because git keeps no pipes, sockets and devices: {}{more}",
        named.join(", ")
    )))
}

/// Opens a directory to its owner.
pub(crate) async fn open(root: &Path) -> Result<(), WorkspaceError> {
    let root = root.to_owned();
    in_background("open the clone", move || {
        enter(&root);
        Ok(())
    })
    .await
}

/// Lets the owner of a directory, which is no link, look into it and write. Where that cannot be, what needs it says so.
fn enter(directory: &Path) {
    let Ok(found) = directory.symlink_metadata() else { return };
    let mode = found.permissions().mode();
    if found.is_dir() && mode & 0o700 != 0o700 {
        let _ = fs::set_permissions(directory, fs::Permissions::from_mode(mode | 0o700));
    }
}

/// Lets the owner of a file read it, unless it may be one that lies elsewhere too.
fn let_read(entry: &fs::DirEntry) {
    let Ok(found) = entry.metadata() else { return };
    let mode = found.permissions().mode();
    if mode & 0o400 == 0 && found.nlink() == 1 {
        let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode | 0o400));
    }
}

/// What cannot be read is for git to say.
fn remove(root: &Path) -> Vec<PathBuf> {
    let (mut gone, mut open) = (Vec::new(), vec![root.to_owned()]);
    enter(root);
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                let path = entry.path();
                if path != root.join(".git") {
                    enter(&path);
                    open.push(path);
                }
                continue;
            }
            if kind.is_file() {
                let_read(&entry);
                continue;
            }
            let is_special = kind.is_fifo()
                || kind.is_socket()
                || kind.is_block_device()
                || kind.is_char_device();
            if is_special && fs::remove_file(entry.path()).is_ok() {
                gone.push(entry.path().strip_prefix(root).unwrap_or(&entry.path()).to_owned());
            }
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::os::unix::fs::symlink;

    #[tokio::test]
    async fn a_clone_and_what_is_in_it_is_opened_to_its_owner() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("shut/in")).unwrap();
        for file in ["shut/in/file", "twice"] {
            fs::write(root.join(file), "x").unwrap();
        }
        // What may lie elsewhere, too, is not this clone's alone.
        fs::hard_link(root.join("twice"), place.path().join("elsewhere")).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let close = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        };
        for name in ["shut/in/file", "shut/in", "shut", "twice", ""] {
            close(&root.join(name));
        }
        take_away(&root).await.unwrap();
        let modes =
            ["", "shut", "shut/in", "shut/in/file", "twice"].map(|name| mode(&root.join(name)));
        assert_eq!(modes, [0o700, 0o700, 0o700, 0o400, 0o000]);
        close(&root);
        open(&root).await.unwrap();
        assert_eq!(mode(&root), 0o700);
    }

    #[tokio::test]
    async fn pipes_go_wherever_they_are_and_all_else_stays() {
        let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = place.path();
        let pipe = |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::create_dir_all(root.join("a/b/.git")).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        for name in [".gitignore", "a/b/.gitattributes", "a/b/.git/HEAD", ".git/kept"] {
            pipe(&root.join(name));
        }
        pipe(&outside.path().join("pipe"));
        fs::write(root.join("a/file"), "").unwrap();
        symlink(outside.path(), root.join("link")).unwrap();
        let note = take_away(root).await.unwrap().unwrap();
        assert!(note.contains(".gitignore") && note.contains("a/b/.git/HEAD"), "{note}");
        let left = |name: &str| root.join(name).symlink_metadata().is_ok();
        assert!(!left(".gitignore") && !left("a/b/.gitattributes") && !left("a/b/.git/HEAD"));
        assert!(left(".git/kept") && left("a/file") && left("link"));
        assert!(outside.path().join("pipe").symlink_metadata().is_ok());
        assert_eq!(take_away(root).await.unwrap(), None);
    }
}
