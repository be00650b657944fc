//! The memory that a program and everything it started use, measured where no control group limits it.
//!
//! What is measured is what its processes map, the tables of their pages, the files of a view that are in memory (in
//! `/dev/shm`, and in `/tmp` where that is no directory of a disk), empty ones too, and a view's segments of shared memory that no process has attached. Not measured are files without a name that nothing maps, and what the kernel keeps for sockets and pipes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use rustix::event::Timespec;
use rustix::fs::{StatFs, statfs};

use super::serve::Reach;
use super::tree;

/// How often it is measured while there is much left, and while there is not.
pub(super) const SELDOM: Timespec = Timespec { tv_sec: 0, tv_nsec: 400_000_000 };
const OFTEN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Between two parts of a look that takes long.
pub(super) const SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// How long it may take to find out what processes share: how many there are, and what they map, is the program's to
/// choose.
const LOOK: Duration = Duration::from_secs(1);

/// Directories of a view that may be memory.
const IN_MEMORY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// The kind of a file system in memory, as `statfs` says it.
const TMPFS: i64 = 0x0102_1994;

/// What the kernel keeps for each file in memory at least, in bytes, also for an empty one.
const FILE: u64 = 2048;

/// A limit on memory, and who it is for.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) most: u64,
    reach: Reach,
    /// Whether this process sees the files of a view.
    view: bool,
    /// Until it is measured next.
    pub(super) pause: Timespec,
}

impl Watch {
    pub(super) fn new(most: u64, reach: Reach, view: bool) -> Self {
        Self { most, reach, view, pause: OFTEN }
    }

    /// Whether more is used than is allowed.
    pub(super) fn is_passed(&mut self) -> bool {
        let own = Pid::this();
        let processes: Vec<_> = match self.reach {
            Reach::Namespace => tree::processes().filter(|&pid| pid != own).collect(),
            Reach::Descendants => tree::descendants(own),
        };
        let files = if self.view { in_files() + detached() } else { 0 };
        // Too much, because what processes share counts for each of them; and read at once.
        let most: u64 = processes.iter().map(|&pid| resident(pid)).sum::<u64>() + files;
        self.pause = if most > self.most / 4 { OFTEN } else { SELDOM };
        most > self.most && {
            let until = Instant::now() + LOOK;
            // What there is no time for counts in full.
            let used = |pid| if Instant::now() < until { share(pid) } else { resident(pid) };
            processes.iter().map(|&pid| used(pid)).sum::<u64>() + files > self.most
        }
    }
}

/// What the files in a view's memory take, in bytes. One file system may be at several paths.
fn in_files() -> u64 {
    let mut file_systems = BTreeMap::new();
    for path in IN_MEMORY {
        if let (Ok(directory), Ok(found)) = (fs::metadata(path), statfs(path))
            && found.f_type == TMPFS
        {
            file_systems.insert(directory.dev(), room(&found));
        }
    }
    file_systems.into_values().sum()
}

fn room(found: &StatFs) -> u64 {
    let blocks = found.f_blocks.saturating_sub(found.f_bfree);
    let files = found.f_files.saturating_sub(found.f_ffree);
    blocks
        .saturating_mul(u64::try_from(found.f_bsize).unwrap_or(0))
        .saturating_add(files.saturating_mul(FILE))
}

/// What a process maps that is no file of a disk, in bytes.
fn resident(pid: Pid) -> u64 {
    status(pid, &["RssAnon:", "RssShmem:", "VmSwap:", HUGE, TABLES])
}

/// The tables that say where its pages are: much address space makes much of them.
const TABLES: &str = "VmPTE:";

/// Pages of another size, which count as nothing else.
const HUGE: &str = "HugetlbPages:";

/// All threads of a process have the same memory; one that has ended says nothing of it.
fn status(pid: Pid, names: &[&str]) -> u64 {
    let status = fs::read(format!("/proc/{pid}/status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    if status.contains("VmPTE:") {
        return sum(&status, names);
    }
    let mut others = tree::threads(pid).filter_map(|task| fs::read(task.join("status")).ok());
    let living = others.find_map(|status| {
        let status = String::from_utf8_lossy(&status).into_owned();
        status.contains("VmPTE:").then_some(status)
    });
    living.map_or(0, |status| sum(&status, names))
}

/// The room of segments of shared memory that stay although no process has attached them, in bytes.
fn detached() -> u64 {
    attached_by_none(&fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default())
}

/// Reads `/proc/sysvipc/shm`: a line of names, and one of numbers for each segment.
fn attached_by_none(table: &str) -> u64 {
    let mut lines = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let names = lines.next().unwrap_or_default();
    let of = |line: &[&str], name: &str| -> u64 {
        let at = names.iter().position(|known| *known == name);
        at.and_then(|at| line.get(at)?.parse().ok()).unwrap_or(0)
    };
    let alone = lines.filter(|line| of(line, "nattch") == 0);
    alone.map(|line| of(&line, "rss").saturating_add(of(&line, "swap"))).sum()
}

/// The same, with what is shared divided by those who share it. A process that lets nobody look has all of it.
fn share(pid: Pid) -> u64 {
    match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(maps) if !maps.is_empty() => {
            sum(&maps, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"]) + status(pid, &[HUGE, TABLES])
        }
        _ => resident(pid),
    }
}

/// The sum of lines like `RssAnon:   64 kB`, in bytes.
fn sum(lines: &str, names: &[&str]) -> u64 {
    let of = |line: &str| {
        let rest = names.iter().find_map(|name| line.strip_prefix(name))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    lines.lines().filter_map(of).sum::<u64>().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_kernel_are_counted() {
        let status = "Name:\tRssAnon: 9 kB\nRssAnon:\t     64 kB\nRssFile:\t 100 kB\nRssShmem:\t 4 kB\nVmSwap: x\n";
        assert_eq!(sum(status, &["RssAnon:", "RssShmem:", "VmSwap:"]), 68 * 1024);
    }

    #[test]
    fn segments_that_no_process_has_attached_count() {
        let table = "       key      shmid perms                  size  cpid  lpid nattch   uid   rss  swap\n\
                     0  1  600  999999 1 1      0     0    4096     8\n\
                     0  2  600  999999 1 1      1     0    8192     0\n";
        assert_eq!(attached_by_none(table), 4104);
        assert_eq!(attached_by_none(""), 0);
    }

    #[test]
    fn a_process_that_is_gone_uses_nothing() {
        assert_eq!(share(Pid::from_raw(i32::MAX)), 0);
    }
}
