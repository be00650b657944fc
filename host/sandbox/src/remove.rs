//! Removes what programs made, whatever its shape.
//!
//! A program can make directories in directories until the disk is full. So nothing here calls itself, and no more than
//! three descriptors are open: a directory that is met inside of another one is moved to the top of the tree and
//! emptied there.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, fchmod, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

/// Removes a file, or a directory with all that is in it. Links are removed and never followed; what is not there is no
/// error. Directories without permissions, such as those of Go's module cache, are no obstacle.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match unlinkat(CWD, path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        // Linux and others say it differently.
        Err(error @ (Errno::ISDIR | Errno::PERM)) => {
            let found = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
            if !FileType::from_raw_mode(found.st_mode).is_dir() {
                return Err(error.into());
            }
        }
        Err(error) => return Err(error.into()),
    }
    let top = open(CWD, path)?;
    Tree { top, moved: 0 }.empty()?;
    Ok(unlinkat(CWD, path, AtFlags::REMOVEDIR)?)
}

struct Tree {
    top: OwnedFd,
    /// How many directories were moved to the top: their names there.
    moved: u64,
}

impl Tree {
    /// Until a look finds nothing: what is moved here may or may not be seen by the look under way.
    fn empty(&mut self) -> io::Result<()> {
        loop {
            let mut found = false;
            for name in Names::of(&self.top)? {
                found = true;
                let name = name?;
                if !removed(&self.top, &name)? {
                    self.empty_one(&name)?;
                    unlinkat(&self.top, &name, AtFlags::REMOVEDIR)?;
                }
            }
            if !found {
                return Ok(());
            }
        }
    }

    /// Empties a directory at the top: the directories in it come to the top, and wait.
    fn empty_one(&mut self, name: &CStr) -> io::Result<()> {
        let directory = open(&self.top, name)?;
        loop {
            let mut found = false;
            for name in Names::of(&directory)? {
                found = true;
                let name = name?;
                if !removed(&directory, &name)? {
                    self.move_up(&directory, &name)?;
                }
            }
            if !found {
                return Ok(());
            }
        }
    }

    fn move_up(&mut self, from: &OwnedFd, name: &CStr) -> io::Result<()> {
        // To be moved it has to be written to: it says in it where it is.
        let _ = chmodat(from, name, Mode::RWXU, AtFlags::empty());
        loop {
            self.moved += 1;
            match renameat(from, name, &self.top, format!(".{}", self.moved)) {
                Ok(()) => return Ok(()),
                // There is something of that name.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Removes what is no directory, or an empty one. `false`: it is a directory with something in it.
fn removed(directory: &OwnedFd, name: &CStr) -> io::Result<bool> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::EXIST | Errno::NOTEMPTY | Errno::ACCESS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Opens a directory, whose entries may then be removed.
fn open<P: rustix::path::Arg + Copy>(
    above: impl std::os::fd::AsFd + Copy,
    name: P,
) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match openat(above, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            chmodat(above, name, Mode::RWXU, AtFlags::empty())?;
            openat(above, name, flags, Mode::empty())?
        }
        opened => opened?,
    };
    // Where it is another user's, the removal says so.
    let _ = fchmod(&opened, Mode::RWXU);
    Ok(opened)
}

/// The names in a directory.
struct Names(Dir);

impl Names {
    fn of(directory: &OwnedFd) -> io::Result<Self> {
        Ok(Self(Dir::read_from(directory)?))
    }
}

impl Iterator for Names {
    type Item = io::Result<CString>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.by_ref().find_map(|entry| match entry {
            Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => None,
            Ok(entry) => Some(Ok(entry.file_name().to_owned())),
            Err(error) => Some(Err(error.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::mkdirat;

    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("tree/a/b/c")).unwrap();
        fs::create_dir_all(at("kept/inside")).unwrap();
        for file in ["tree/x", "tree/a/x", "tree/a/b/x", "tree/.1", "kept/inside/x"] {
            fs::write(at(file), "").unwrap();
        }
        symlink(at("kept"), at("tree/a/b/link")).unwrap();
        symlink(at("tree"), at("tree/a/up")).unwrap();
        remove_tree(&at("tree")).unwrap();
        assert!(!at("tree").exists() && at("kept/inside/x").exists());

        symlink(at("kept"), at("link")).unwrap();
        for name in ["link", "kept/inside/x", "not/there", "absent"] {
            remove_tree(&at(name)).unwrap();
        }
        assert!(at("kept/inside").exists() && at("link").symlink_metadata().is_err());
    }

    #[test]
    fn permissions_are_no_obstacle() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("tree/a/b/c")).unwrap();
        fs::write(at("tree/a/b/c/x"), "").unwrap();
        for directory in ["tree/a/b/c", "tree/a/b", "tree/a", "tree"] {
            fs::set_permissions(at(directory), Permissions::from_mode(0o0)).unwrap();
        }
        remove_tree(&at("tree")).unwrap();
        assert!(!at("tree").exists());
    }

    /// As deep as a program can make it: no path leads there, no stack holds it and there are not so many descriptors.
    #[test]
    fn no_depth_is_an_obstacle() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("tree");
        fs::create_dir(&top).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut deepest = openat(CWD, &top, flags, Mode::empty()).unwrap();
        for _ in 0..20_000 {
            mkdirat(&deepest, c"d", Mode::RWXU).unwrap();
            deepest = openat(&deepest, c"d", flags, Mode::empty()).unwrap();
        }
        drop(deepest);
        remove_tree(&top).unwrap();
        assert!(!top.exists());
    }
}
