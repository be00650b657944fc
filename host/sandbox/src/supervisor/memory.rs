//! The memory that a program and everything it started use, measured where no control group limits it.
//!
//! What is measured is what its processes map, and what lies in the files of a view's own `/tmp` and `/dev/shm`. Not
//! measured are files without a name that nothing maps, and what the kernel keeps for sockets and pipes.

use std::fs;

use nix::unistd::Pid;
use rustix::event::Timespec;
use rustix::fs::statfs;

use super::serve::Reach;
use super::tree;

/// How often it is measured while there is much left, and while there is not.
pub(super) const SELDOM: Timespec = Timespec { tv_sec: 0, tv_nsec: 400_000_000 };
const OFTEN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Directories of a view that are memory.
const IN_MEMORY: [&str; 2] = ["/tmp", "/dev/shm"];

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
        let files = if self.view { IN_MEMORY.iter().map(|path| in_files(path)).sum() } else { 0 };
        // Too much, because what processes share counts for each of them; and read at once.
        let most: u64 = processes.iter().map(|&pid| resident(pid)).sum::<u64>() + files;
        self.pause = if most > self.most / 4 { OFTEN } else { SELDOM };
        most > self.most && {
            let used: u64 = processes.iter().map(|&pid| share(pid)).sum();
            used + files > self.most
        }
    }
}

fn in_files(directory: &str) -> u64 {
    let Ok(found) = statfs(directory) else { return 0 };
    let blocks = found.f_blocks.saturating_sub(found.f_bfree);
    blocks.saturating_mul(u64::try_from(found.f_bsize).unwrap_or(0))
}

/// What a process maps that is no file of a disk, in bytes.
fn resident(pid: Pid) -> u64 {
    let status = fs::read(format!("/proc/{pid}/status")).unwrap_or_default();
    sum(&String::from_utf8_lossy(&status), &["RssAnon:", "RssShmem:", "VmSwap:"])
}

/// The same, with what is shared divided by those who share it. A process that lets nobody look has all of it.
fn share(pid: Pid) -> u64 {
    match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(maps) => sum(&maps, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"]),
        Err(_) => resident(pid),
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
    fn a_process_that_is_gone_uses_nothing() {
        assert_eq!(share(Pid::from_raw(i32::MAX)), 0);
    }
}
