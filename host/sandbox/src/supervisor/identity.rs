//! The user that a sandboxed program is.
//!
//! A program of an ordinary user is that user. A program of root is not root: it gets a number that no account has,
//! other for each program that runs. Files that it may write stay root's on disk: an id map of the mount shows them as
//! the program's, and what it makes as root's. Where the file system knows no id maps they change their owner.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{Gid, Pid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chownat, openat, statat};

use super::sys;

/// The first of the numbers of sandboxed programs. Neither accounts nor containers are given numbers up here.
const FIRST: u32 = 0x7000_0000;

/// How many there are: more than processes.
const COUNT: u32 = 1 << 22;

/// Who a program is.
#[derive(Debug)]
pub(super) struct Identity {
    user: Uid,
    group: Gid,
    /// A user namespace in which the host's user has the program's number.
    map: Option<OwnedFd>,
    changes: bool,
}

impl Identity {
    /// For the program of this supervisor. Before process namespaces are entered.
    pub(super) fn new() -> Self {
        let (user, group) = (geteuid(), getegid());
        if !user.is_root() {
            return Self { user, group, map: None, changes: false };
        }
        // The supervisor's own number is unique for as long as its program runs.
        let own = FIRST + std::process::id() % COUNT;
        // Refused where an administrator wants no user namespaces: then files change their owner.
        let map = id_map(user.as_raw(), group.as_raw(), own).ok();
        Self { user: Uid::from_raw(own), group: Gid::from_raw(own), map, changes: true }
    }

    pub(super) fn user(&self) -> u32 {
        self.user.as_raw()
    }

    pub(super) fn group(&self) -> u32 {
        self.group.as_raw()
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

    /// Makes a tree the host's again, which an earlier program was given where there were no id maps.
    pub(super) fn take_back(path: &Path, owner: u32) -> io::Result<()> {
        if is_a_programs(owner) { change_owner(path, geteuid(), getegid()) } else { Ok(()) }
    }

    /// Becomes it, for good.
    pub(super) fn assume(&self) -> io::Result<()> {
        if self.changes {
            setgroups(&[])?;
            setresgid(self.group, self.group, self.group)?;
            setresuid(self.user, self.user, self.user)?;
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

/// Makes a user namespace that has one user and one group, the host's by name and the program's by number.
fn id_map(user: u32, group: u32, own: u32) -> io::Result<OwnedFd> {
    // A namespace without a process in it needs one to be made by.
    let (mut ready, entered) = io::pipe()?;
    let (wait, release) = io::pipe()?;
    let Some(child) = sys::fork()? else {
        drop((ready, release));
        let made = unshare(CloneFlags::CLONE_NEWUSER).is_ok();
        drop(entered);
        let mut wait = wait;
        // Until the parent has what it wants, or is gone.
        let _ = wait.read(&mut [0]);
        std::process::exit(i32::from(!made));
    };
    drop((entered, wait));
    // The end of this pipe says that the child did what it could.
    let _ = ready.read(&mut [0]);
    let made = open_map(child, user, group, own);
    drop(release);
    let _ = waitpid(child, None);
    made
}

fn open_map(child: Pid, user: u32, group: u32, own: u32) -> io::Result<OwnedFd> {
    fs::write(format!("/proc/{child}/uid_map"), format!("{user} {own} 1"))?;
    fs::write(format!("/proc/{child}/gid_map"), format!("{group} {own} 1"))?;
    Ok(fs::File::open(format!("/proc/{child}/ns/user"))?.into())
}
