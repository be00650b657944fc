//! Copies trees that programs wrote. Links are copied as links and never followed, what is neither file, link nor
//! directory is left out, and nothing is shared: where the file system can, the blocks of a file are (a reflink), which
//! is not seen by either side. Never hard links: a program that changes its file would change the other.

use crate::error::io;
use cyrus_core::WorkspaceError;
use rustix::{
    fs::{OFlags, seek},
    io::Errno,
};
use std::{
    fs::{self, DirBuilder, File, Metadata, Permissions},
    io::{ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink},
    path::{Path, PathBuf},
};

/// How much one copy may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 2_000_000, bytes: 32 << 30 }
    }
}

/// Copies what is in the directory `from` into the directory `to`, which must be there.
pub(crate) fn copy_tree(from: &Path, to: &Path, mut bounds: Bounds) -> Result<(), WorkspaceError> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    // From the inside out, so that a directory that must not be written can be filled first.
    let mut modes: Vec<(PathBuf, Metadata)> = Vec::new();
    while let Some((from, to)) = open.pop() {
        for entry in fs::read_dir(&from).map_err(io("cannot list", &from))? {
            let entry = entry.map_err(io("cannot list", &from))?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let found = entry.metadata().map_err(io("cannot look at", &source))?;
            bounds.take_entry(&source)?;
            if found.is_dir() {
                let made = DirBuilder::new().mode(0o700).create(&target);
                made.map_err(io("cannot make", &target))?;
                open.push((source, target.clone()));
                modes.push((target, found));
            } else if found.is_symlink() {
                let points_to = fs::read_link(&source).map_err(io("cannot read", &source))?;
                symlink(points_to, &target).map_err(io("cannot make", &target))?;
                own(&target, &found)?;
            } else if found.is_file() {
                copy_file(&source, &target, &found, &mut bounds)?;
            }
        }
    }
    for (directory, found) in modes.iter().rev() {
        own(directory, found)?;
        let mode = Permissions::from_mode(found.mode() & 0o777);
        fs::set_permissions(directory, mode).map_err(io("cannot set the mode of", directory))?;
    }
    Ok(())
}

impl Bounds {
    fn take_entry(&mut self, path: &Path) -> Result<(), WorkspaceError> {
        self.entries = self.entries.checked_sub(1).ok_or_else(|| too_much(path))?;
        Ok(())
    }

    fn take_bytes(&mut self, bytes: u64, path: &Path) -> Result<(), WorkspaceError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| too_much(path))?;
        Ok(())
    }
}

fn too_much(path: &Path) -> WorkspaceError {
    WorkspaceError::Io {
        what: format!("cannot copy {}", path.display()),
        cause: "there are too many files, or too many bytes in them".to_owned(),
    }
}

/// Copies a plain file with its mode and its time, which tells build tools what is newer. Its holes stay holes: a program
/// can give a file any length without writing it.
fn copy_file(
    from: &Path,
    to: &Path,
    found: &Metadata,
    bounds: &mut Bounds,
) -> Result<(), WorkspaceError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).unwrap_or_default();
    let mut reader = File::options()
        .read(true)
        .custom_flags(flags)
        .open(from)
        .map_err(io("cannot read", from))?;
    let mut writer = File::create_new(to).map_err(io("cannot make", to))?;
    let length = found.len();
    let mut at = 0;
    while let Some((start, end)) =
        next_data(&reader, at, length).map_err(io("cannot read", from))?
    {
        bounds.take_bytes(end - start, from)?;
        reader.seek(SeekFrom::Start(start)).map_err(io("cannot read", from))?;
        writer.seek(SeekFrom::Start(start)).map_err(io("cannot write", to))?;
        let copied = std::io::copy(&mut (&reader).take(end - start), &mut writer);
        copied.map_err(io("cannot copy", from))?;
        at = end;
    }
    writer.set_len(length).map_err(io("cannot write", to))?;
    own(to, found)?;
    // Never a program that runs as its owner.
    let mode = Permissions::from_mode(found.mode() & 0o777);
    writer.set_permissions(mode).map_err(io("cannot set the mode of", to))?;
    let time = found.modified().map_err(io("cannot look at", from))?;
    writer.set_modified(time).map_err(io("cannot set the time of", to))
}

/// The next part of a file's first `length` bytes that is no hole, from `at`.
fn next_data(file: &File, at: u64, length: u64) -> std::io::Result<Option<(u64, u64)>> {
    if at >= length {
        return Ok(None);
    }
    let start = match seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // A file system that knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, length))),
        Err(error) => return Err(error.into()),
    };
    let end = seek(file, rustix::fs::SeekFrom::Hole(start))?.min(length);
    Ok((start < end).then_some((start, end)))
}

/// Gives a copy to the user whose the original is, which only root can and has to.
fn own(path: &Path, original: &Metadata) -> Result<(), WorkspaceError> {
    let made = path.symlink_metadata().map_err(io("cannot look at", path))?;
    if made.uid() == original.uid() && made.gid() == original.gid() {
        return Ok(());
    }
    match lchown(path, Some(original.uid()), Some(original.gid())) {
        // An ordinary user's copy of a group's file is the user's.
        Err(_) if !rustix::process::geteuid().is_root() => Ok(()),
        result => result.map_err(io("cannot give away", path)),
    }
}

/// A directory below `root`, when the way to it is plain directories.
pub(crate) fn plain_directory(root: &Path, below: &Path) -> Option<PathBuf> {
    let mut path = root.to_owned();
    for part in below {
        path.push(part);
        let is_plain = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if !is_plain {
            return None;
        }
    }
    Some(path)
}

/// The same, where what is missing of the way is made.
pub(crate) fn make_plain_directory(
    root: &Path,
    below: &Path,
) -> Result<Option<PathBuf>, WorkspaceError> {
    let mut path = root.to_owned();
    for part in below {
        path.push(part);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(io("cannot make", &path)(error));
            }
            _ => {}
        }
        let is_plain = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if !is_plain {
            return Ok(None);
        }
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_copy_shares_nothing_and_follows_nothing() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("from/sealed/deep")).unwrap();
        fs::write(at("secret"), "s").unwrap();
        fs::write(at("from/sealed/deep/run"), "x").unwrap();
        fs::set_permissions(at("from/sealed/deep/run"), Permissions::from_mode(0o4755)).unwrap();
        symlink(at("secret"), at("from/link")).unwrap();
        symlink(place.path(), at("from/up")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("from/pipe"), rustix::fs::Mode::RUSR).unwrap();
        fs::set_permissions(at("from/sealed"), Permissions::from_mode(0o555)).unwrap();
        fs::create_dir(at("to")).unwrap();

        copy_tree(&at("from"), &at("to"), Bounds::default()).unwrap();
        assert_eq!(fs::read_link(at("to/link")).unwrap(), at("secret"));
        assert_eq!(fs::read_link(at("to/up")).unwrap(), place.path());
        let mode = |name: &str| at(name).metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode("to/sealed/deep/run"), mode("to/sealed")), (0o755, 0o555));
        let modified = |name: &str| at(name).metadata().unwrap().modified().unwrap();
        assert_eq!(modified("to/sealed/deep/run"), modified("from/sealed/deep/run"));
        assert!(!at("to/pipe").exists());
        let inode = |name: &str| at(name).metadata().unwrap().ino();
        assert_ne!(inode("to/sealed/deep/run"), inode("from/sealed/deep/run"));

        for few in
            [Bounds { entries: 3, ..Bounds::default() }, Bounds { bytes: 0, ..Bounds::default() }]
        {
            let there = tempfile::tempdir().unwrap();
            assert!(copy_tree(&at("from"), there.path(), few).is_err(), "{few:?}");
        }
    }

    #[test]
    fn holes_of_a_file_are_neither_written_nor_counted() {
        // In memory holes are known everywhere.
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("from")).unwrap();
        fs::create_dir(at("to")).unwrap();
        let (length, middle) = (1 << 40, 1 << 30);
        let file = File::create_new(at("from/sparse")).unwrap();
        file.set_len(length).unwrap();
        file.write_all_at(b"first", 0).unwrap();
        file.write_all_at(b"middle", middle).unwrap();
        File::create_new(at("from/empty")).unwrap().set_len(length).unwrap();
        fs::write(at("from/full"), "full").unwrap();

        let bounds = Bounds { bytes: 1 << 20, ..Bounds::default() };
        copy_tree(&at("from"), &at("to"), bounds).unwrap();
        for name in ["to/sparse", "to/empty"] {
            let found = at(name).metadata().unwrap();
            assert!(found.len() == length && found.blocks() * 512 <= 1 << 20, "{found:?}");
        }
        let copy = File::open(at("to/sparse")).unwrap();
        for (expected, offset) in [("first\0", 0), ("middle\0", middle)] {
            let mut read = vec![1; expected.len()];
            copy.read_exact_at(&mut read, offset).unwrap();
            assert_eq!(read, expected.as_bytes());
        }
        assert_eq!(fs::read(at("to/full")).unwrap(), b"full");
        let few = Bounds { bytes: 8, ..Bounds::default() };
        fs::create_dir(at("again")).unwrap();
        assert!(copy_tree(&at("from"), &at("again"), few).is_err());
    }

    #[test]
    fn the_way_to_a_directory_is_plain() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("a/b")).unwrap();
        symlink("a", place.path().join("link")).unwrap();
        for (below, is_plain) in [("a/b", true), ("a", true), ("link/b", false), ("a/c", false)] {
            let found = plain_directory(place.path(), Path::new(below));
            assert_eq!(found.is_some(), is_plain, "{below}");
        }
        for (below, is_plain) in [("a/b/new/deep", true), ("link/new", false), ("a", true)] {
            let made = make_plain_directory(place.path(), Path::new(below)).unwrap();
            assert_eq!(made.is_some(), is_plain, "{below}");
        }
        assert!(!place.path().join("a/new").exists(), "nothing is made through a link");
    }
}
