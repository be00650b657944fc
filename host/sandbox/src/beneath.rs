//! A directory that somebody else writes to as well: nothing in it leads out of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, open, openat, renameat, unlinkat};
use rustix::io::Errno;

/// A directory, held open, so that what is done in it is done there whatever becomes of its path.
pub(crate) struct Directory(OwnedFd);

/// A small file's bytes and what matters of its metadata.
pub(crate) struct Contents {
    pub(crate) bytes: Vec<u8>,
    pub(crate) mode: u32,
}

impl Directory {
    /// Opens a directory by a path that is trusted, links included.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(open(path, Self::flags(), Mode::empty())?))
    }

    /// The same where the directory itself must be no link: who may write beside it could have put one there.
    pub(crate) fn open_plain(path: &Path) -> io::Result<Self> {
        Ok(Self(open(path, Self::flags() | OFlags::NOFOLLOW, Mode::empty())?))
    }

    fn flags() -> OFlags {
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
    }

    /// Opens a directory in this one. A link in its place is an error.
    pub(crate) fn descend(&self, name: &Path) -> io::Result<Self> {
        let flags = Self::flags() | OFlags::NOFOLLOW;
        Ok(Self(openat(&self.0, name, flags, Mode::empty())?))
    }

    /// The same; makes it, for this user only, when it is not there.
    pub(crate) fn descend_or_create(&self, name: &Path) -> io::Result<Self> {
        match mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => self.descend(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a file in this directory; none when it is not there. What is not a plain file, or larger than `limit`,
    /// is an error.
    pub(crate) fn read(&self, name: &Path, limit: u64) -> io::Result<Option<Contents>> {
        // A named pipe would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file"));
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let message = format!("it is larger than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let mode = metadata.mode() & 0o777;
        Ok(Some(Contents { bytes, mode }))
    }

    /// Puts a file in the place of another, or of none: at every moment there is the old one or the new one, whole.
    pub(crate) fn replace(&self, name: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut temporary = name.as_os_str().to_owned();
        temporary.push(format!(".{}.cyrus", std::process::id()));
        let temporary = Path::new(&temporary);
        // Left by a process of this number that was killed.
        self.remove(temporary)?;
        let written = self
            .write_new(temporary, bytes, mode)
            .and_then(|()| Ok(renameat(&self.0, temporary, &self.0, name)?));
        if written.is_err() {
            let _ = unlinkat(&self.0, temporary, AtFlags::empty());
        }
        written?;
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Removes a file, or a link, of this directory. One that is not there is no error.
    pub(crate) fn remove(&self, name: &Path) -> io::Result<()> {
        match unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a file that must not be there.
    pub(crate) fn write_new(&self, name: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(bytes)?;
        file.set_permissions(PermissionsExt::from_mode(mode))?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_followed_and_nothing_but_a_plain_file_is_read() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        symlink(outside.path(), inside.path().join("away")).unwrap();
        symlink(outside.path().join("secret"), inside.path().join("link")).unwrap();
        fs::create_dir(inside.path().join("folder")).unwrap();
        let pipe = inside.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(inside.path().join("large"), "12345").unwrap();

        let directory = Directory::open(inside.path()).unwrap();
        assert!(directory.descend(Path::new("away")).is_err());
        assert!(directory.descend_or_create(Path::new("away")).is_err());
        for bad in ["link", "folder", "pipe", "large"] {
            assert!(directory.read(Path::new(bad), 4).is_err(), "{bad}");
        }
        assert!(directory.read(Path::new("absent"), 4).unwrap().is_none());
        assert_eq!(directory.read(Path::new("large"), 5).unwrap().unwrap().bytes, b"12345");
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_link_by_a_file() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().join("target");
        fs::write(&target, "old").unwrap();
        let inside = tempfile::tempdir().unwrap();
        symlink(&target, inside.path().join("file")).unwrap();
        let directory = Directory::open(inside.path()).unwrap();
        directory.replace(Path::new("file"), b"new", 0o640).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        let contents = directory.read(Path::new("file"), 9).unwrap().unwrap();
        assert_eq!((contents.bytes.as_slice(), contents.mode), (b"new".as_slice(), 0o640));
        assert_eq!(fs::read_dir(inside.path()).unwrap().count(), 1, "no temporary is left");
    }
}
