//! Who works on sessions, and whether that process is still alive.
//!
//! A store that is open keeps a lock on a file of its own, named after a random id; the id is what a session's
//! `holder` column has. The kernel lets go of the lock when the process ends, however it ends, so a holder whose
//! file is gone or can be locked is dead. Unlike a process id this is never reused, and it can be seen from
//! another PID namespace: two containers may share one home.
//!
//! The locks of another machine cannot be seen. There a holder lives for as long as it is heard of.

use crate::{OpenError, host::Host};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// A store's own mark of being alive, for as long as this exists.
#[derive(Debug)]
pub(crate) struct Holder {
    id: String,
    host: Host,
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

/// Somebody who works on a session, as the store has it.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    /// The holder's id.
    pub(crate) holder: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Where it is, when that was written down, and how long it has not been heard of.
    pub(crate) seen: Option<(Host, Duration)>,
}

impl Holder {
    /// A holder that only this process knows.
    pub(crate) fn private() -> Self {
        Self { id: Uuid::now_v7().to_string(), host: Host::unseen(), lock: None }
    }

    /// A holder whose life can be seen through this directory, which is made when it is missing.
    pub(crate) fn announced(directory: &Path) -> Result<Self, OpenError> {
        let announce = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let host = Host::of(directory)?;
            let id = Uuid::now_v7().to_string();
            // Locked before it gets its name: under that name it is never seen unlocked while we live.
            let (unnamed, file) = (directory.join(format!(".{id}")), directory.join(&id));
            let open = create_private(&unnamed)?;
            open.lock()?;
            fs::rename(&unnamed, &file)?;
            let lock = HeldLock { directory: directory.to_owned(), file, _open: open };
            Ok(Self { id, host, lock: Some(lock) })
        };
        announce().map_err(|cause| OpenError::Inaccessible { path: directory.to_owned(), cause })
    }

    /// What the `holder` column has.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Where we are.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Whether this holder, ourselves or another, still lives. One on another machine does if it was heard of within
    /// `lease_time`; `None` says that there are no other machines.
    pub(crate) fn sees_alive(&self, holding: &Holding, lease_time: Option<Duration>) -> bool {
        if holding.holder == self.id {
            return true;
        }
        match (&holding.seen, lease_time) {
            (Some((host, silence)), Some(lease_time)) if host.identity != self.host.identity => {
                *silence <= lease_time
            }
            // What ran before this machine was started does not run any more.
            (Some((host, _)), Some(_)) if host.boot != self.host.boot => false,
            _ => self.sees_locked(&holding.holder),
        }
    }

    /// Whether the holder of this id has its lock. One that cannot be looked at counts as alive: better to ask for it
    /// to be stopped than to work on a session twice.
    fn sees_locked(&self, id: &str) -> bool {
        self.lock.as_ref().is_some_and(|lock| is_locked(&lock.directory.join(id)))
    }

    /// Removes what dead holders left behind.
    pub(crate) fn sweep(&self) {
        let Some(lock) = &self.lock else { return };
        let sweep = || {
            for entry in fs::read_dir(&lock.directory)? {
                let path = entry?.path();
                let named = path.file_name().and_then(|name| name.to_str());
                if named.is_some_and(|name| Uuid::try_parse(name).is_ok()) && !is_locked(&path) {
                    remove(&path)?;
                }
            }
            io::Result::Ok(())
        };
        if let Err(error) = sweep() {
            let directory = lock.directory.display();
            tracing::warn!(%directory, %error, "marks of ended processes stay behind");
        }
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

    fn held_by(holder: &Holder) -> Holding {
        Holding { holder: holder.id.clone(), pid: 1, seen: None }
    }

    #[test]
    fn is_alive_until_it_is_dropped_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("holders");
        let (one, other) =
            (Holder::announced(&directory).unwrap(), Holder::announced(&directory).unwrap());
        let (by_one, by_other) = (held_by(&one), held_by(&other));
        assert!(one.sees_alive(&by_other, None) && other.sees_alive(&by_one, None));
        assert!(one.sees_alive(&by_one, None));

        let mark = directory.join(other.id());
        assert!(mark.exists());
        drop(other);
        assert!(!one.sees_alive(&by_other, None) && !mark.exists());
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

        one.sweep();
        assert!(!dead.exists() && foreign.exists() && one.sees_alive(&held_by(&other), None));
    }

    #[test]
    fn what_cannot_be_looked_at_counts_as_alive() {
        let home = tempfile::tempdir().unwrap();
        let one = Holder::announced(home.path()).unwrap();
        // A path through a file is an error other than "not found".
        fs::write(home.path().join("file"), "").unwrap();
        assert!(one.sees_locked("file/inside"));
        assert!(!one.sees_locked("nobody"));
    }

    #[test]
    fn another_machine_lives_while_it_is_heard_of_and_this_one_while_it_has_its_lock() {
        let home = tempfile::tempdir().unwrap();
        let (one, other) =
            (Holder::announced(home.path()).unwrap(), Holder::announced(home.path()).unwrap());
        let lease_time = Duration::from_mins(1);
        let here = one.host.clone();
        let elsewhere = Host { identity: "elsewhere".into(), ..here.clone() };
        let before = Host { boot: "before".into(), ..here.clone() };
        // (which lock, where, silent for so many seconds, alive)
        let cases = [
            (other.id(), &here, 0, true),
            (other.id(), &here, 3600, true),
            ("nobody", &here, 0, false),
            (other.id(), &before, 0, false),
            ("nobody", &elsewhere, 60, true),
            ("nobody", &elsewhere, 61, false),
        ];
        for (holder, host, silence, alive) in cases {
            let seen = Some((host.clone(), Duration::from_secs(silence)));
            let holding = Holding { holder: holder.into(), pid: 1, seen };
            assert_eq!(one.sees_alive(&holding, Some(lease_time)), alive, "{holding:?}");
        }
        // A file that only this machine has: the lock alone decides.
        let seen = Some((elsewhere, Duration::ZERO));
        let holding = Holding { holder: "nobody".into(), pid: 1, seen };
        assert!(!one.sees_alive(&holding, None));
    }
}
