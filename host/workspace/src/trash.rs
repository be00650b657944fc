//! Removal in the background. Files that are not needed any more are renamed at once, and a thread removes them: those of a
//! large repository take seconds, and minutes on a busy disk.
//!
//! Each process has a locked directory of its own in `.removed` of either root. A directory that is not locked was left by a
//! process that ended early: the next session removes it.

use crate::{layout::directories, remove::remove_tree};
use cyrus_core::WorkspaceError;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, Permissions},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
};
use tokio::sync::watch;

/// The argument of a process that removes what another has left.
const ASKED: &str = "--remove-what-another-process-left";

/// Removes what [`Trash::leave`] left and exits, where the process was started for that; else returns.
pub fn remove_if_asked() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != ASKED) {
        return;
    }
    for directory in args.map(PathBuf::from) {
        let place = directory.parent().filter(|place| place.ends_with(PLACE) && is_own(place));
        // Its process ends, and its lock is free.
        let Some(_) = place else { continue };
        if let Ok(_lock) = locked_by(&directory, FlockOperation::LockExclusive) {
            let _ = remove_tree(&directory);
            let _ = place.map(fs::remove_dir);
        }
    }
    std::process::exit(0);
}

/// The most trees that wait to be removed. Further ones are removed at once, so that they do not fill the disk.
const MOST_WAITING: usize = 8;

/// Where it is, in either root. No session has such a name.
const PLACE: &str = ".removed";

/// Removes files in a thread, one tree after the other. Clones share the thread.
#[derive(Clone, Debug)]
pub struct Trash(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// How many are not removed yet.
    open: watch::Sender<usize>,
    bins: Mutex<Bins>,
}

#[derive(Debug, Default)]
struct Bins {
    /// This process's directories, by their roots.
    own: BTreeMap<PathBuf, Bin>,
    remover: Option<mpsc::Sender<Removal>>,
    /// How many were put here: the next one's name.
    count: u64,
}

#[derive(Debug)]
struct Bin {
    directory: PathBuf,
    /// Others see by it that this process is alive.
    _lock: OwnedFd,
}

#[derive(Debug)]
struct Removal {
    path: PathBuf,
    /// That of a directory that a process left.
    _lock: Option<OwnedFd>,
}

impl Default for Trash {
    fn default() -> Self {
        let (open, _) = watch::channel(0);
        Self(Arc::new(Shared { open, bins: Mutex::default() }))
    }
}

impl Trash {
    /// Moves a file or directory below this root away, to be removed. Where it cannot be moved, this removes it itself.
    ///
    /// # Errors
    ///
    /// When it could be neither moved nor removed.
    pub(crate) fn put(&self, root: &Path, path: &Path) -> Result<(), WorkspaceError> {
        if *self.0.open.borrow() >= MOST_WAITING {
            return remove_tree(path);
        }
        match self.moved(root, path) {
            Ok(to) => {
                self.remove(Removal { path: to, _lock: None });
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !exists(path) => Ok(()),
            // A full disk has no room for the directory it would be moved to.
            Err(_) => remove_tree(path),
        }
    }

    /// Removes what processes left that have ended.
    pub(crate) fn take_over(&self, root: &Path) -> Result<(), WorkspaceError> {
        let place = root.join(PLACE);
        if !is_own(&place) {
            return Ok(());
        }
        for name in directories(&place)? {
            let path = place.join(name);
            if let Ok(lock) = locked(&path) {
                self.remove(Removal { path, _lock: Some(lock) });
            }
        }
        Ok(())
    }

    /// Waits until all that was put here is removed, or could not be.
    pub async fn emptied(&self) {
        // The sender is here.
        let _ = self.0.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Starts a process that removes what is left when this process has ended. `program` calls [`remove_if_asked`] first.
    ///
    /// # Errors
    ///
    /// When the program does not start. The next session removes what is left.
    pub fn leave(&self, program: &Path) -> io::Result<()> {
        let bins: Vec<_> = self.bins().own.values().map(|bin| bin.directory.clone()).collect();
        cyrus_sandbox::leave_behind(program, std::iter::once(ASKED.into()).chain(bins))
    }

    fn moved(&self, root: &Path, path: &Path) -> io::Result<PathBuf> {
        if !exists(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut bins = self.bins();
        bins.count += 1;
        let name = bins.count.to_string();
        if let Some(bin) = bins.own.get(root) {
            let to = bin.directory.join(&name);
            if fs::rename(path, &to).is_ok() {
                return Ok(to);
            }
        }
        // The first call, or another process removed the directory.
        let bin = Bin::new(root)?;
        let to = bin.directory.join(&name);
        bins.own.insert(root.to_owned(), bin);
        fs::rename(path, &to).map(|()| to)
    }

    fn remove(&self, removal: Removal) {
        let mut bins = self.bins();
        self.0.open.send_modify(|open| *open += 1);
        let unheard = match &bins.remover {
            Some(remover) => remover.send(removal).err().map(|mpsc::SendError(removal)| removal),
            None => Some(removal),
        };
        let Some(removal) = unheard else { return };
        let (remover, removals) = mpsc::channel::<Removal>();
        let open = self.0.open.clone();
        let work = move || {
            for removal in removals {
                if let Err(error) = remove_tree(&removal.path) {
                    tracing::warn!("what is not needed any more stays: {error}");
                }
                open.send_modify(|open| *open -= 1);
            }
        };
        match std::thread::Builder::new().name("remover".to_owned()).spawn(work) {
            Ok(_) => {
                let _ = remover.send(removal);
                bins.remover = Some(remover);
            }
            // The next session removes it.
            Err(_) => self.0.open.send_modify(|open| *open -= 1),
        }
    }

    fn bins(&self) -> MutexGuard<'_, Bins> {
        self.0.bins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bin {
    fn new(root: &Path) -> io::Result<Self> {
        let place = root.join(PLACE);
        DirBuilder::new().recursive(true).mode(0o700).create(&place)?;
        if !is_own(&place) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let only_user = Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new().permissions(only_user).tempdir_in(&place)?.keep();
        let lock = locked(&directory)?;
        Ok(Self { directory, _lock: lock })
    }
}

/// Removes the directory where it is empty. The next session removes what is left.
impl Drop for Bin {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
        let _ = self.directory.parent().map(fs::remove_dir);
    }
}

/// Locks a directory, which is no link, unless another process has it locked.
pub(crate) fn locked(directory: &Path) -> io::Result<OwnedFd> {
    locked_by(directory, FlockOperation::NonBlockingLockExclusive)
}

fn locked_by(directory: &Path, how: FlockOperation) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(directory, flags, Mode::empty())?;
    flock(&directory, how)?;
    Ok(directory)
}

/// Whether it is a directory of this user's, and no link to one.
fn is_own(directory: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    directory.symlink_metadata().is_ok_and(|found| found.is_dir() && found.uid() == own)
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn left(root: &Path) -> Vec<String> {
        directories(&root.join(PLACE)).unwrap()
    }

    #[tokio::test]
    async fn what_is_put_here_is_out_of_the_way_at_once_and_gone_in_the_end() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let trash = Trash::default();
        for name in ["a", "b"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.join("x/y")).unwrap();
            fs::write(path.join("x/file"), name).unwrap();
            symlink(outside.path(), path.join("link")).unwrap();
            trash.put(root.path(), &path).unwrap();
            assert!(!path.exists());
        }
        trash.put(root.path(), &root.path().join("never there")).unwrap();
        trash.put(root.path(), &root.path().join("nor/there")).unwrap();
        let one = root.path().join("file");
        fs::write(&one, "").unwrap();
        trash.put(root.path(), &one).unwrap();
        trash.emptied().await;
        assert!(!one.exists() && outside.path().join("kept").exists());
        drop(trash);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_cannot_be_moved_is_removed() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(PLACE), "in the way").unwrap();
        let path = root.path().join("a");
        fs::create_dir_all(path.join("x")).unwrap();
        Trash::default().put(root.path(), &path).unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_process_left_that_ended_is_removed_and_what_is_anothers_is_not() {
        let root = tempfile::tempdir().unwrap();
        let others = root.path().join(PLACE).join("left/1/x");
        fs::create_dir_all(&others).unwrap();
        let alive = Bin::new(root.path()).unwrap();
        let held = alive.directory.join("1");
        fs::create_dir(&held).unwrap();
        let trash = Trash::default();
        trash.take_over(root.path()).unwrap();
        trash.emptied().await;
        assert!(!others.exists() && held.exists());
        assert_eq!(left(root.path()).len(), 1);
        drop(alive);
        let next = Trash::default();
        next.take_over(root.path()).unwrap();
        next.emptied().await;
        assert_eq!(left(root.path()), [""; 0]);
        next.take_over(&root.path().join("nowhere")).unwrap();
    }

    #[tokio::test]
    async fn what_comes_when_much_is_waiting_is_removed_at_once() {
        let root = tempfile::tempdir().unwrap();
        let trash = Trash::default();
        trash.0.open.send_replace(MOST_WAITING);
        let path = root.path().join("a");
        fs::create_dir_all(path.join("x")).unwrap();
        trash.put(root.path(), &path).unwrap();
        assert!(!path.exists() && !root.path().join(PLACE).exists());
    }

    #[tokio::test]
    async fn what_is_left_to_another_process_is_named_to_it() {
        let root = tempfile::tempdir().unwrap();
        let trash = Trash::default();
        let path = root.path().join("a");
        fs::create_dir(&path).unwrap();
        trash.put(root.path(), &path).unwrap();
        let (pipe, program) = (root.path().join("pipe"), root.path().join("program"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        let script = format!("#!/bin/sh\necho \"$@\" >'{}'\n", pipe.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        trash.leave(&program).unwrap();
        // It waits until the program has written.
        let said = fs::read_to_string(&pipe).unwrap();
        let bin = trash.bins().own.values().next().unwrap().directory.display().to_string();
        assert_eq!(said, format!("{ASKED} {bin}\n"));
    }

    #[tokio::test]
    async fn where_a_link_leads_nothing_is_removed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(outside.path().join("photos/2026")).unwrap();
        symlink(outside.path(), root.path().join(PLACE)).unwrap();
        let trash = Trash::default();
        trash.take_over(root.path()).unwrap();
        let path = root.path().join("a");
        fs::create_dir(&path).unwrap();
        trash.put(root.path(), &path).unwrap();
        trash.emptied().await;
        assert!(!path.exists() && outside.path().join("photos/2026").exists());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_removed_directory_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        let trash = Trash::default();
        for name in ["a", "b"] {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            trash.put(root.path(), &path).unwrap();
            trash.emptied().await;
            assert!(!path.exists());
            remove_tree(&root.path().join(PLACE)).unwrap();
        }
    }
}
