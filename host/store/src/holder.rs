//! Who works on a session, and whether that process is still alive.
//!
//! A store that is open keeps a lock on a file of its own, named after a random id; the id is what a session's
//! `holder` column has. The kernel lets go of the lock when the process ends, however it ends, so a holder whose
//! file is gone or can be locked is dead. Unlike a process id this is never reused, and it can be seen from
//! another PID namespace: two containers may share one home.

use crate::OpenError;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// A store's own mark of being alive, for as long as this exists.
#[derive(Debug)]
pub(crate) struct Holder {
    id: String,
    /// `None` for a store in memory, which no other process can see.
    lock: Option<HeldLock>,
}

#[derive(Debug)]
struct HeldLock {
    directory: PathBuf,
    file: PathBuf,
    /// Locked; closing it lets go.
    _open: File,
}

impl Holder {
    /// A holder that only this process knows.
    pub(crate) fn private() -> Self {
        Self { id: Uuid::now_v7().to_string(), lock: None }
    }

    /// A holder whose life can be seen through this directory, which is made when it is missing.
    pub(crate) fn announced(directory: &Path) -> Result<Self, OpenError> {
        let announce = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let id = Uuid::now_v7().to_string();
            // Locked before it gets its name: under that name it is never seen unlocked while we live.
            let (unnamed, file) = (directory.join(format!(".{id}")), directory.join(&id));
            let open = create_private(&unnamed)?;
            open.lock()?;
            fs::rename(&unnamed, &file)?;
            let lock = HeldLock { directory: directory.to_owned(), file, _open: open };
            Ok(Self { id, lock: Some(lock) })
        };
        announce().map_err(|cause| OpenError::Inaccessible { path: directory.to_owned(), cause })
    }

    /// What the `holder` column has.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the holder of this id, ourselves or another, still lives. One that cannot be looked at counts as
    /// alive: better to ask for it to be stopped than to work on a session twice.
    pub(crate) fn is_alive(&self, id: &str) -> bool {
        if id == self.id {
            return true;
        }
        self.lock.as_ref().is_some_and(|lock| is_locked(&lock.directory.join(id)))
    }

    /// Removes what dead holders left behind.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        let Some(lock) = &self.lock else { return Ok(()) };
        for entry in fs::read_dir(&lock.directory)? {
            let path = entry?.path();
            let named = path.file_name().and_then(|name| name.to_str());
            if named.is_some_and(|name| Uuid::try_parse(name).is_ok()) && !is_locked(&path) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.file) {
            tracing::debug!(file = %self.file.display(), %error, "the mark of a closed store stays behind");
        }
    }
}

/// Whether somebody has an exclusive lock on the file. Asking with a shared lock lets any number ask at once.
fn is_locked(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => !matches!(file.try_lock_shared(), Ok(())),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes a file that only its owner can read.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Waits for this lock, which is let go of when the result is dropped.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = match create_private(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(path)?,
        other => other?,
    };
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_alive_until_it_is_dropped_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("holders");
        let (one, other) =
            (Holder::announced(&directory).unwrap(), Holder::announced(&directory).unwrap());
        assert!(one.is_alive(other.id()) && other.is_alive(one.id()) && one.is_alive(one.id()));

        let id = other.id().to_owned();
        drop(other);
        assert!(!one.is_alive(&id));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn sweeps_the_marks_of_the_dead_only() {
        let home = tempfile::tempdir().unwrap();
        let (one, other) =
            (Holder::announced(home.path()).unwrap(), Holder::announced(home.path()).unwrap());
        let dead = home.path().join(Uuid::now_v7().to_string());
        drop(create_private(&dead).unwrap());
        let foreign = home.path().join("notes.txt");
        fs::write(&foreign, "kept").unwrap();

        one.sweep().unwrap();
        assert!(!dead.exists() && foreign.exists() && one.is_alive(other.id()));
    }

    #[test]
    fn what_cannot_be_looked_at_counts_as_alive() {
        let home = tempfile::tempdir().unwrap();
        let one = Holder::announced(home.path()).unwrap();
        // A path through a file is an error other than "not found".
        fs::write(home.path().join("file"), "").unwrap();
        assert!(one.is_alive("file/inside"));
        assert!(!one.is_alive("nobody"));
    }
}
