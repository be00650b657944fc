//! The user that a sandboxed program is.
//!
//! A program of an ordinary user is that user. A program of root is not root: it gets a number that no account has,
//! other for each program that runs. In a view it is in a user namespace that shows a small number in place of that one:
//! archives, and programs that keep numbers in 16 or 21 bits, know no larger ones. Files that it may write stay root's on
//! disk: an id map of the mount shows them as the program's, and what it makes as root's. Where the file system knows no
//! id maps they change their owner.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chownat, openat, statat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::sys::Holder;

/// The first of the numbers of sandboxed programs. Neither accounts nor containers are given numbers up here.
const FIRST: u32 = 0x7000_0000;

/// How many there are: more than processes.
const COUNT: u32 = 1 << 22;

/// The number that a program finds itself to have where a user namespace shows it one.
const SHOWN: u32 = 1000;

/// Who a program is.
#[derive(Debug)]
pub(super) struct Identity {
    user: Uid,
    group: Gid,
    /// A user namespace in which the program's number is [`SHOWN`].
    shown: Option<OwnedFd>,
    /// A user namespace in which the host's user has the program's number.
    map: Option<OwnedFd>,
    changes: bool,
}

impl Identity {
    /// For the program of this supervisor. Before process namespaces are entered. `view`: whether the program is to get a
    /// view, in which its number may be shown as another one.
    pub(super) fn new(view: bool) -> Self {
        let (user, group) = (geteuid(), getegid());
        if !user.is_root() {
            return Self { user, group, shown: None, map: None, changes: false };
        }
        // The supervisor's own number is unique for as long as its program runs.
        let own = FIRST + std::process::id() % COUNT;
        // Refused where an administrator wants no user namespaces: then files change their owner.
        let (map, shown) = without_limit(|| {
            let map = id_map(user.as_raw(), group.as_raw(), own).ok();
            (map, if view { id_map(SHOWN, SHOWN, own).ok() } else { None })
        });
        Self { user: Uid::from_raw(own), group: Gid::from_raw(own), shown, map, changes: true }
    }

    pub(super) fn user(&self) -> u32 {
        self.user.as_raw()
    }

    pub(super) fn group(&self) -> u32 {
        self.group.as_raw()
    }

    /// The numbers of the user and the group as the program finds them.
    pub(super) fn as_shown(&self) -> (u32, u32) {
        if self.shown.is_some() { (SHOWN, SHOWN) } else { (self.user(), self.group()) }
    }

    /// Whether no other process is the same user.
    pub(super) fn is_a_number_of_its_own(&self) -> bool {
        self.changes
    }

    pub(super) fn map(&self) -> Option<BorrowedFd<'_>> {
        self.map.as_ref().map(AsFd::as_fd)
    }

    /// Makes a tree the program's own.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        if self.changes { change_owner(path, self.user, self.group) } else { Ok(()) }
    }

    /// Where the program stays the host's user: makes a tree that user's again, which an earlier program was given.
    pub(super) fn keep(&self, path: &Path) -> io::Result<()> {
        if self.changes { Ok(()) } else { Self::take_back(path, fs::metadata(path)?.uid()) }
    }

    /// Makes pipes the program's own, so that it opens them by their names, such as `/dev/stdout`.
    pub(super) fn give_pipes(&self, pipes: &[OwnedFd]) -> io::Result<()> {
        let user = rustix::fs::Uid::from_raw(self.user.as_raw());
        let group = rustix::fs::Gid::from_raw(self.group.as_raw());
        for pipe in pipes.iter().filter(|_| self.changes) {
            if FileType::from_raw_mode(rustix::fs::fstat(pipe)?.st_mode).is_fifo() {
                rustix::fs::fchown(pipe, Some(user), Some(group))?;
            }
        }
        Ok(())
    }

    /// Makes a tree the host's again, which an earlier program was given where there were no id maps.
    pub(super) fn take_back(path: &Path, owner: u32) -> io::Result<()> {
        if is_a_programs(owner) { change_owner(path, geteuid(), getegid()) } else { Ok(()) }
    }

    /// Enters the user namespace that shows its number, when there is one. That gives back all capabilities, of this
    /// namespace alone; and takes those of the host's.
    pub(super) fn enter(&self) -> io::Result<()> {
        self.shown.as_ref().map_or(Ok(()), |shown| Ok(setns(shown, CloneFlags::CLONE_NEWUSER)?))
    }

    /// Becomes it, for good. After [`Identity::enter`].
    pub(super) fn assume(&self) -> io::Result<()> {
        if self.changes {
            let (user, group) = self.as_shown();
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            setgroups(&[])?;
            setresgid(group, group, group)?;
            setresuid(user, user, user)?;
        }
        Ok(())
    }

    /// Whether the program will be able to enter a directory, by the permissions of those above it.
    pub(super) fn reaches(&self, directory: &Path) -> bool {
        !self.changes
            || directory
                .ancestors()
                .skip(1)
                .all(|above| fs::metadata(above).is_ok_and(|found| found.mode() & 0o001 != 0))
    }

    /// Stays the host's user: what is left where a program could not reach its own files as another one.
    pub(super) fn stay(&mut self) {
        self.user = geteuid();
        self.group = getegid();
        self.shown = None;
        self.changes = false;
    }
}

fn change_owner(path: &Path, user: Uid, group: Gid) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = openat(CWD, path, flags, Mode::empty())?;
    let user = rustix::fs::Uid::from_raw(user.as_raw());
    let group = rustix::fs::Gid::from_raw(group.as_raw());
    rustix::fs::fchown(&top, Some(user), Some(group))?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&top)?.st_mode);
    if kind.is_dir() { give_below(top.as_fd(), user, group) } else { Ok(()) }
}

fn give_below(
    directory: BorrowedFd<'_>,
    user: rustix::fs::Uid,
    group: rustix::fs::Gid,
) -> io::Result<()> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        // A file of several names may have one elsewhere.
        if kind.is_file() && stat.st_nlink > 1 && !is_a_programs(stat.st_uid) {
            continue;
        }
        chownat(directory, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        if kind.is_dir() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = openat(directory, name, flags, Mode::empty())?;
            give_below(below.as_fd(), user, group)?;
        }
    }
    Ok(())
}

fn is_a_programs(user: u32) -> bool {
    (FIRST..FIRST + COUNT).contains(&user)
}

/// Makes a user namespace in which the program's own number outside of it is `user`, and as a group `group`. Besides there
/// is root at most.
fn id_map(user: u32, group: u32, own: u32) -> io::Result<OwnedFd> {
    // A namespace without a process in it needs one to be made by.
    let holder = Holder::new()?;
    let process = holder.process();
    // What is root's is shown as root's, unless that number is the program's.
    let map = |number: u32| match number {
        0 => format!("0 {own} 1"),
        number => format!("0 0 1\n{number} {own} 1"),
    };
    fs::write(format!("/proc/{process}/uid_map"), map(user))?;
    fs::write(format!("/proc/{process}/gid_map"), map(group))?;
    Ok(fs::File::open(format!("/proc/{process}/ns/user"))?.into())
}

/// Does something while the processes of this user are not limited: those of a namespace count for the user who made it,
/// too, against the limit that user had then.
fn without_limit<T>(work: impl FnOnce() -> T) -> T {
    let limit = getrlimit(Resource::Nproc);
    let _ = setrlimit(Resource::Nproc, Rlimit { current: None, maximum: None });
    let done = work();
    let _ = setrlimit(Resource::Nproc, limit);
    done
}
