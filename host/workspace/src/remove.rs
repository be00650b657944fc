//! Removes what programs wrote, however it is built.

use crate::error::io;
use cyrus_core::WorkspaceError;
use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Removes a file or a directory with all that is in it; links are removed, never followed. Directories without
/// write permission, such as Go's module cache, are no obstacle.
///
/// Directories are moved up to the top before they are emptied. So neither the stack nor the paths grow with their
/// depth: programs nest them deeper than either is long.
pub(crate) fn remove_tree(path: &Path) -> Result<(), WorkspaceError> {
    let failed = io("cannot remove", path);
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Removal::of(path).run().map_err(failed),
        Ok(_) => fs::remove_file(path).map_err(failed),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io("cannot look at", path)(error)),
    }
}

struct Removal<'a> {
    top: &'a Path,
    /// Directories in the top one.
    open: Vec<PathBuf>,
    moved: u64,
}

impl<'a> Removal<'a> {
    fn of(top: &'a Path) -> Self {
        Self { top, open: Vec::new(), moved: 0 }
    }

    fn run(mut self) -> io::Result<()> {
        self.empty(self.top)?;
        while let Some(directory) = self.open.pop() {
            self.empty(&directory)?;
            gone(fs::remove_dir(&directory))?;
        }
        gone(fs::remove_dir(self.top))
    }

    /// Removes the files of a directory, and notes or moves up its directories.
    fn empty(&mut self, directory: &Path) -> io::Result<()> {
        let entries = match with_rights(directory, || fs::read_dir(directory)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                gone(with_rights(directory, || fs::remove_file(&path)))?;
            } else if directory == self.top {
                self.open.push(path);
            } else {
                self.move_up(directory, &path)?;
            }
        }
        Ok(())
    }

    fn move_up(&mut self, above: &Path, path: &Path) -> io::Result<()> {
        loop {
            self.moved += 1;
            let target = self.top.join(format!(".removed-{}", self.moved));
            // It is itself changed: its `..` is another.
            let rename = || fs::rename(path, &target);
            match with_rights(above, || with_rights(path, rename)) {
                Ok(()) => {
                    self.open.push(target);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::DirectoryNotEmpty
                            | ErrorKind::AlreadyExists
                            | ErrorKind::NotADirectory
                    ) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What another process removed is removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Does something in a directory, with its user's rights on it where it is refused at first.
fn with_rights<T>(directory: &Path, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match act() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            fs::set_permissions(directory, Permissions::from_mode(0o700))?;
            act()
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    use std::os::unix::fs::symlink;

    #[test]
    fn everything_goes_and_nothing_that_links_lead_to() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("tree/sealed/deep/er")).unwrap();
        fs::create_dir_all(at("tree/.removed-1/x")).unwrap();
        fs::write(at("kept"), "x").unwrap();
        fs::write(at("tree/sealed/deep/file"), "x").unwrap();
        symlink(place.path(), at("tree/sealed/deep/up")).unwrap();
        symlink(at("kept"), at("tree/link")).unwrap();
        for directory in ["tree/sealed/deep/er", "tree/sealed/deep", "tree/sealed"] {
            fs::set_permissions(at(directory), Permissions::from_mode(0o500)).unwrap();
        }
        remove_tree(&at("tree")).unwrap();
        assert!(!at("tree").exists() && at("kept").exists());
        symlink("kept", at("link")).unwrap();
        remove_tree(&at("link")).unwrap();
        remove_tree(&at("link")).unwrap();
        assert!(!at("link").is_symlink() && at("kept").exists());
    }

    #[test]
    fn directories_deeper_than_any_path_go_too() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        fs::create_dir(&top).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut directory = openat(CWD, &top, flags, Mode::empty()).unwrap();
        for _ in 0..20_000 {
            mkdirat(&directory, "d", Mode::RWXU).unwrap();
            directory = openat(&directory, "d", flags, Mode::empty()).unwrap();
        }
        // A stack on which a walk of a frame for each would not end well.
        let removed = std::thread::Builder::new().stack_size(256 << 10);
        removed.spawn(move || remove_tree(&top).unwrap()).unwrap().join().unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
