//! A process namespace for one program, with a `/proc` that shows it.

use std::fs;
use std::io;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// Leaves for new namespaces: the next child is the first process of one. For a user who is not root this takes a
/// user namespace, in which that user and group keep their numbers and nobody else has one.
pub(super) fn enter() -> io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    let namespaces = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    if user.is_root() {
        return Ok(unshare(namespaces)?);
    }
    unshare(namespaces | CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    // A group may be mapped without privilege only by those who gave up dropping groups.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    Ok(())
}

/// Puts a `/proc` of this process's own namespace over the old one.
pub(super) fn mount_proc() -> io::Result<()> {
    // Without this the mount would spread to the host's namespace, so when it fails there is no mount.
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(None::<&str>, "/", None::<&str>, slave, None::<&str>)?;
    let restricted = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), restricted, None::<&str>)?;
    Ok(())
}

/// Gives up what [`enter`] gave. Root keeps what it had: it is no other namespace's root.
pub(super) fn drop_capabilities() -> io::Result<()> {
    if geteuid().is_root() { Ok(()) } else { super::restrict::drop_capabilities() }
}
