//! A control group for each program, where the system lets this process make one: memory and processes are limited by
//! the kernel then, and everything in the group is killed at once.
//!
//! Version 2 only. Nothing that exists is moved or changed: a group is made beside or above the own one, in the nearest
//! that this user may write and whose children have the controllers, or by root at the top.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::unistd::{AccessFlags, access, geteuid};
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::resources::Resources;

/// Where version 2 is mounted: alone, or beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// The group that root makes at the top for the groups of programs.
const OF_ROOT: &str = "cyrus";

/// What the names of programs' groups begin with.
const PREFIX: &str = "cyrus-program-";

/// How often and after how long a group is looked at that is about to be empty.
const LOOKS: u32 = 10;
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// A group in which this process makes others.
#[derive(Debug)]
pub(crate) struct Parent {
    directory: PathBuf,
    memory: bool,
    processes: bool,
}

/// The group of one program. It is ended and removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    directory: PathBuf,
    /// Whether the kernel limits its memory.
    pub(crate) limits_memory: bool,
}

impl Parent {
    /// Looks for one. What an earlier host left in it is removed.
    pub(crate) fn find() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let found = MOUNTS
            .iter()
            .find_map(|mount| Self::find_in(Path::new(mount), &own, geteuid().is_root()));
        if let Some(parent) = &found {
            parent.sweep();
        }
        found
    }

    /// `own`: what `/proc/self/cgroup` says.
    fn find_in(mount: &Path, own: &str, root: bool) -> Option<Self> {
        fs::metadata(mount.join("cgroup.procs")).ok()?;
        if root {
            let directory = mount.join(OF_ROOT);
            if fs::create_dir(&directory).is_ok() || directory.is_dir() {
                for controller in ["+memory", "+pids"] {
                    // The top is the system's to set up: what its children do not have, ours have not either.
                    let _ = write(&directory.join("cgroup.subtree_control"), controller);
                }
                return Some(Self::at(directory));
            }
        }
        let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let own = mount.join(path);
        let above = own.ancestors().skip(1).take_while(|above| above.starts_with(mount));
        above.map(|above| Self::at(above.to_owned())).find(Self::is_usable)
    }

    fn at(directory: PathBuf) -> Self {
        let enabled =
            fs::read_to_string(directory.join("cgroup.subtree_control")).unwrap_or_default();
        let has =
            |controller| enabled.split_ascii_whitespace().any(|enabled| enabled == controller);
        Self { memory: has("memory"), processes: has("pids"), directory }
    }

    /// To move a process into a child, the group above both has to be writable too.
    fn is_usable(&self) -> bool {
        let writable = |path: &Path| access(path, AccessFlags::W_OK).is_ok();
        self.memory && writable(&self.directory) && writable(&self.directory.join("cgroup.procs"))
    }

    /// Makes the group of a program.
    pub(crate) fn make(&self, limits: &Resources) -> io::Result<Group> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let directory = self.directory.join(name);
        fs::create_dir(&directory)?;
        let mut group = Group { directory, limits_memory: false };
        if let Some(bytes) = limits.memory_bytes.filter(|_| self.memory) {
            write(&group.directory.join("memory.max"), &bytes.to_string())?;
            // Without swap there is no such file.
            let _ = write(&group.directory.join("memory.swap.max"), "0");
            group.limits_memory = true;
        }
        if let Some(most) = limits.processes.filter(|_| self.processes) {
            write(&group.directory.join("pids.max"), &most.to_string())?;
        }
        Ok(group)
    }

    /// Removes groups whose host is gone. One with a process in it is not removed; that of a host that is there may be
    /// about to get its first.
    fn sweep(&self) {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let host = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let host = host.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
            if host.is_some_and(|host| !Path::new(&format!("/proc/{host}")).exists()) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

impl Group {
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a process is in it.
    pub(crate) fn holds(&self, process: u32) -> bool {
        let processes = fs::read_to_string(entrance(&self.directory)).unwrap_or_default();
        processes.lines().any(|line| line.parse() == Ok(process))
    }

    /// Whether the kernel ended a process of it for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.directory.join("memory.events")).unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.is_some_and(|count| count.trim() != "0")
    }

    /// Kills what is in it, and removes it when that is gone.
    pub(crate) async fn end(self) {
        let _ = write(&self.directory.join("cgroup.kill"), "1");
        for look in 0..LOOKS {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            tokio::time::sleep(FIRST_LOOK * (1 << look)).await;
        }
        tracing::warn!(group = %self.directory.display(), "processes of a program did not end when killed");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = write(&self.directory.join("cgroup.kill"), "1");
        let _ = fs::remove_dir(&self.directory);
    }
}

/// The file through which a process joins a group.
fn entrance(group: &Path) -> PathBuf {
    group.join("cgroup.procs")
}

/// Joins a group, with all that this process starts from now on.
pub(crate) fn join(group: &Path) -> io::Result<()> {
    write(&entrance(group), "0")
}

/// A group as the system calls take it.
pub(crate) fn open(group: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, group, flags, Mode::empty())?)
}

/// Writes to a file that is there.
fn write(file: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree like the kernel's: groups with the controllers that their children have.
    fn tree(groups: &[(&str, &str)]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().unwrap();
        for (group, controllers) in groups {
            let directory = mount.path().join(group);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("cgroup.procs"), "").unwrap();
            fs::write(directory.join("cgroup.subtree_control"), controllers).unwrap();
        }
        mount
    }

    #[test]
    fn the_nearest_group_whose_children_have_the_controllers_is_the_parent() {
        let groups = [
            ("", "cpu memory pids"),
            ("user", "memory pids"),
            ("user/apps", "memory pids"),
            ("user/apps/slice", "cpu"),
            ("user/apps/slice/own", "memory pids"),
        ];
        let mount = tree(&groups);
        let found = Parent::find_in(mount.path(), "0::/user/apps/slice/own\n", false).unwrap();
        // Processes are in the own one, so it has no children; those of the next one would not be limited.
        assert_eq!(found.directory, mount.path().join("user/apps"));
        assert!(found.memory && found.processes);
        let version_1 = "4:memory:/x\n";
        assert!(Parent::find_in(mount.path(), version_1, false).is_none());
        assert!(Parent::find_in(&mount.path().join("none"), "0::/user\n", false).is_none());
    }

    #[test]
    fn root_makes_one_at_the_top_and_has_what_is_there() {
        let mount = tree(&[("", "")]);
        let found = Parent::find_in(mount.path(), "0::/\n", true).unwrap();
        assert_eq!(found.directory, mount.path().join(OF_ROOT));
        assert!(!found.memory && !found.processes);
    }

    #[test]
    fn only_groups_whose_host_is_gone_are_swept() {
        let mount = tree(&[("parent", "memory")]);
        let parent = mount.path().join("parent");
        let group = |host: &str| parent.join(format!("{PREFIX}{host}-0"));
        let own = std::process::id().to_string();
        // No process has a number beyond the most that Linux gives.
        for host in [own.as_str(), "4194305", "x"] {
            fs::create_dir(group(host)).unwrap();
        }
        Parent::at(parent.clone()).sweep();
        assert!(group(&own).exists() && group("x").exists() && !group("4194305").exists());
    }

    #[test]
    fn the_limits_are_in_the_group_and_a_missing_controller_is_no_error() {
        let mount = tree(&[("parent", "memory")]);
        let parent = Parent::at(mount.path().join("parent"));
        // The kernel makes these files; here none does.
        let limits = Resources { processes: Some(7), ..Resources::UNLIMITED };
        let group = parent.make(&limits).unwrap();
        assert!(group.directory.is_dir() && !group.limits_memory);
        drop(group);
        assert!(fs::read_dir(mount.path().join("parent")).unwrap().count() == 2);
        let limits = Resources { memory_bytes: Some(7), ..Resources::UNLIMITED };
        assert!(parent.make(&limits).is_err(), "it would not be limited");
    }
}
