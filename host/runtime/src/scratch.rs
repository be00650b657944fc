//! Directories for one launch, which hold logins and tokens. Nothing of them stays when the host dies: each is locked by
//! the host that made it, and the next one to start removes those that no living host has locked.

use crate::engine::make_private;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// The file that is locked while directories are made or removed.
const GUARD: &str = ".guard";

/// How the lock of a directory is called: the directory's name, and this.
const LOCK: &str = ".lock";

/// Where directories of launches are made.
#[derive(Clone, Debug)]
pub struct ScratchRoot(PathBuf);

impl ScratchRoot {
    /// Below this directory, which is made when it is first used, for this user alone.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Removes the directories of hosts that died.
    pub fn sweep(&self) -> io::Result<()> {
        if self.0.symlink_metadata().is_err() {
            return Ok(());
        }
        let _guard = self.guard()?;
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // A directory goes together with its lock, and without one when the lock is lost.
            let is_directory = entry.file_type()?.is_dir();
            if name == GUARD || is_directory && self.0.join(format!("{name}{LOCK}")).exists() {
                continue;
            }
            if is_directory {
                cyrus_sandbox::remove_tree(&entry.path())?;
                continue;
            }
            let lock = match File::open(entry.path()) {
                // A launch that is over removes what is its own.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                lock => lock?,
            };
            if lock.try_lock().is_ok() {
                cyrus_sandbox::remove_tree(&self.0.join(name.trim_end_matches(LOCK)))?;
                remove_file(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Makes a directory for one launch.
    pub(crate) fn make(&self) -> io::Result<Scratch> {
        let _guard = self.guard()?;
        let lock = tempfile::Builder::new().prefix("").suffix(LOCK).tempfile_in(&self.0)?;
        lock.as_file().try_lock()?;
        let path = lock.path().with_extension("");
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Scratch { path, lock: Some(lock) })
    }

    fn guard(&self) -> io::Result<File> {
        if self.0.is_symlink() {
            let problem = "it is a link, and what is removed here would be what it leads to";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        make_private(&self.0)?;
        let mut options = OpenOptions::new();
        let guard = options.create(true).truncate(false).write(true).mode(0o600);
        let guard = guard.open(self.0.join(GUARD))?;
        guard.lock()?;
        Ok(guard)
    }
}

/// A directory for one launch, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// There as long as the directory is.
    lock: Option<NamedTempFile>,
}

impl Scratch {
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it.
    pub(crate) fn directory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        make_private(&path)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = cyrus_sandbox::remove_tree(&self.path) {
            tracing::error!("{} was not removed: {error}", self.path.display());
            // Without its lock held, the next host to start tries again.
            let kept = self.lock.take().map(NamedTempFile::keep);
            if let Some(Err(error)) = kept {
                tracing::error!("its lock was not kept: {error}");
            }
        }
    }
}

/// Removes a directory, whatever a program made of the modes in it.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    fn left(root: &Path) -> usize {
        let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name != GUARD).count()
    }

    #[test]
    fn where_a_link_leads_nothing_is_swept() {
        let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(outside.path().join("photos")).unwrap();
        let at = place.path().join("scratch");
        std::os::unix::fs::symlink(outside.path(), &at).unwrap();
        let root = ScratchRoot::new(at);
        assert!(root.sweep().is_err() && root.make().is_err());
        assert!(outside.path().join("photos").exists());
    }

    #[test]
    fn only_what_a_dead_host_left_is_swept() {
        let directory = tempfile::tempdir().unwrap();
        let root = ScratchRoot::new(directory.path().join("scratch"));
        root.sweep().unwrap();
        let alive = root.make().unwrap();
        fs::write(alive.directory("home").unwrap().join("login"), "x").unwrap();
        // A host that dies removes nothing, and its locks are free.
        let Scratch { path, lock } = &mut root.make().unwrap();
        lock.take().unwrap().keep().unwrap();
        fs::write(path.join("login"), "x").unwrap();
        fs::create_dir(path.join("shut")).unwrap();
        fs::write(path.join("shut/login"), "x").unwrap();
        fs::set_permissions(path.join("shut"), Permissions::from_mode(0o0)).unwrap();
        fs::create_dir(root.0.join("without-a-lock")).unwrap();
        root.sweep().unwrap();
        assert!(!path.exists() && !root.0.join("without-a-lock").exists());
        assert!(alive.path().join("home/login").exists());
        drop(alive);
        assert_eq!(left(&root.0), 0);
    }

    #[test]
    fn only_its_user_enters() {
        let directory = tempfile::tempdir().unwrap();
        let root = ScratchRoot::new(directory.path().join("scratch"));
        let scratch = root.make().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&root.0), mode(scratch.path())), (0o700, 0o700));
        for entry in fs::read_dir(&root.0).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.is_dir() || mode(&path) == 0o600, "{}", path.display());
        }
    }
}
