//! Which file a program is: looked up once, and known by what is in it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::path::{AbsolutePath, find_program};

/// The programs of one process: each name is looked up once, so that a file that comes into a directory of the `PATH`
/// later on takes no other's place.
#[derive(Clone, Debug)]
pub struct Programs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: OsString,
    known: Mutex<BTreeMap<String, Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    path: AbsolutePath,
    identity: Option<(Stamp, String)>,
}

/// A program as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its file, behind all links.
    pub file: PathBuf,
    /// The SHA-256 of what is in it, in hexadecimal digits.
    pub sha256: String,
    /// Whether something else was in it when this process looked before.
    pub changed: bool,
}

/// What of a file changes with it: nobody writes to a file, or puts another in its place, without changing this. The
/// time of the change itself is the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

impl Programs {
    /// Looks in the directories of `path`, as [`find_program`] does.
    pub fn new(path: OsString) -> Self {
        Self(Arc::new(Inner { path, known: Mutex::default() }))
    }

    /// The value of `PATH` that programs are looked up in.
    pub fn path(&self) -> &OsStr {
        &self.0.path
    }

    /// Where this program is. What was found before stands, as long as it is there.
    pub fn find(&self, name: &str) -> Option<AbsolutePath> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(name).filter(|found| found.path.as_path().exists()) {
            return Some(found.path.clone());
        }
        let path = find_program(name, &self.0.path)?;
        let identity = known.get(name).and_then(|found| found.identity.clone());
        known.insert(name.to_owned(), Known { path: path.clone(), identity });
        Some(path)
    }

    /// Which file this program is now. Reads all of it when it has changed, and the first time: call it where that may
    /// block.
    pub fn identify(&self, name: &str) -> io::Result<Identity> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{name} was not found"));
        let path = self.find(name).ok_or_else(missing)?;
        let file = path.as_path().canonicalize()?;
        let stamp = Stamp::of(&file.metadata()?);
        let before = self.known_identity(name);
        if let Some((known, sha256)) = &before
            && *known == stamp
        {
            return Ok(Identity { file, sha256: sha256.clone(), changed: false });
        }
        let sha256 = hash(&file)?;
        let changed = before.is_some_and(|(_, known)| known != sha256);
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get_mut(name) {
            found.identity = Some((stamp, sha256.clone()));
        }
        Ok(Identity { file, sha256, changed })
    }

    fn known_identity(&self, name: &str) -> Option<(Stamp, String)> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name)?.identity.clone()
    }
}

fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    let mut text = String::new();
    for byte in hasher.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tool(directory: &Path, text: &str) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("tool"), text).unwrap();
        fs::set_permissions(directory.join("tool"), Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_program_is_looked_up_once_and_its_change_is_noticed() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let (first, second) = (top.join("first"), top.join("second"));
        fs::create_dir(&first).unwrap();
        tool(&second, "abc");
        let programs = Programs::new(std::env::join_paths([&first, &second]).unwrap());
        assert_eq!(programs.find("tool").unwrap().as_path(), second.join("tool"));
        let before = programs.identify("tool").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((before.sha256.as_str(), before.changed), (known, false));
        assert_eq!(programs.identify("tool").unwrap(), before);
        // One that comes before it on the path later on does not take its place.
        tool(&first, "evil");
        assert_eq!(programs.identify("tool").unwrap(), before);
        tool(&second, "other");
        let after = programs.identify("tool").unwrap();
        assert!(after.changed && after.sha256 != known);
        // The same size, and the time of the last change put back.
        let time = second.join("tool").metadata().unwrap().modified().unwrap();
        tool(&second, "rehto");
        File::options().write(true).open(second.join("tool")).unwrap().set_modified(time).unwrap();
        assert!(programs.identify("tool").unwrap().changed);
        fs::remove_file(second.join("tool")).unwrap();
        let moved = programs.identify("tool").unwrap();
        assert!(moved.changed && moved.file == first.join("tool"));
        assert!(programs.find("absent").is_none() && programs.identify("absent").is_err());
    }
}
