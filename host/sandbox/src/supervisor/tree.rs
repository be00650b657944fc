//! A process's descendants, found in `/proc` and killed until none is left.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait};

/// Kills what descends from this process, as far as it can be found now. Returns whether anything was there that we
/// may kill.
///
/// Everything is stopped first and killed when nothing new turns up, parents before children: a stopped process can
/// neither start another behind our back nor reap one, so the numbers stay true until they are used.
pub(super) fn kill_descendants() -> bool {
    let mut stopped = Vec::new();
    let mut seen = HashSet::new();
    loop {
        let mut found = false;
        for pid in descendants(Pid::this()) {
            if !seen.insert(pid) {
                continue;
            }
            found = true;
            // Not ours to signal: it gained another user's rights. Gone: it ended meanwhile.
            if kill(pid, Signal::SIGSTOP).is_ok() {
                stopped.push(pid);
            }
        }
        if !found {
            break;
        }
    }
    for &pid in &stopped {
        let _ = kill(pid, Signal::SIGKILL);
    }
    !stopped.is_empty()
}

/// Ends what descends from this process, and returns when nothing is left, or nothing that we may kill. As a child
/// subreaper it becomes the parent of every descendant whose own parent ended, so that having no child means having
/// no descendant.
pub(super) fn end_descendants() {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => continue,
            Err(_) => return,
            Ok(None) => {}
        }
        let ended = if kill_descendants() {
            // A killed process ends by itself, so a blocking wait returns.
            wait(WaitOptions::empty()).is_ok()
        } else {
            // Nothing that we may kill, or one that ended while we looked, and left another where we had looked.
            matches!(wait(WaitOptions::NOHANG), Ok(Some(_)))
        };
        if !ended {
            return;
        }
    }
}

/// The descendants that still run, parents before children. Processes that ended and wait for their parent are left
/// out: they run nothing, and their own children belong to somebody else already.
pub(super) fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for pid in processes() {
        if let Some(parent) = parent_of_running(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(children.remove(&parent).unwrap_or_default());
        next += 1;
    }
    found.split_off(1)
}

pub(super) fn processes() -> impl Iterator<Item = Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
}

/// What the kernel says of each thread of a process, by `/proc/PID/task/TID`. What it says of a process is what it says
/// of its first thread, which may have ended and hold nothing any more, or have other files open than the others.
pub(super) fn threads(pid: Pid) -> impl Iterator<Item = PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    tasks.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

/// The processes and threads of the user that this process is.
pub(super) fn tasks_of_this_user() -> u64 {
    let own = nix::unistd::geteuid().as_raw();
    let of_user = |pid: &Pid| {
        let found = fs::metadata(format!("/proc/{pid}"));
        found.is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == own)
    };
    let tasks = |pid: Pid| fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    processes().filter(of_user).map(|pid| tasks(pid) as u64).sum()
}

fn parent_of_running(pid: Pid) -> Option<Pid> {
    // The name may hold anything, and is read as what it is.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&stat))
}

/// Reads the parent of a process that still runs from `pid (name) state parent …`, where the name may hold spaces
/// and brackets. The state is that of the main thread, and when that one has ended others may go on.
fn parse_stat(stat: &str) -> Option<Pid> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let threads: u32 = fields.nth(15)?.parse().ok()?;
    let ended = matches!(state, "Z" | "X") && threads <= 1;
    (!ended).then(|| Pid::from_raw(parent))
}

/// Kills every process of this namespace but this one, its first.
pub(super) fn kill_namespace() {
    match kill(Pid::from_raw(-1), Signal::SIGKILL) {
        // No such process: there is nobody else.
        Ok(()) | Err(Errno::ESRCH) => {}
        // Who is left gained rights that we have not. The kernel kills them when this process ends; how the program
        // ended will not be known.
        Err(_) => std::process::exit(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between the parent and the number of threads.
    const BETWEEN: &str = "7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0";

    #[test]
    fn a_process_name_cannot_forge_its_parent() {
        for (stat, expected) in [
            ("7 (sh) S 3 … 1 0", Some(3)),
            ("7 (a) Z 1 (b) R 3 … 1 0", Some(3)),
            ("7 (\u{fffd}\n) T 1 … 1", Some(1)),
            ("7 (sh", None),
            ("7 (sh) S", None),
            ("7 (sh) S 3 7 7", None),
        ] {
            let stat = stat.replace('…', BETWEEN);
            assert_eq!(parse_stat(&stat), expected.map(Pid::from_raw), "{stat}");
        }
    }

    #[test]
    fn a_process_runs_until_its_last_thread_has_ended() {
        for (state, threads, runs) in
            [("Z", 1, false), ("X", 0, false), ("Z", 2, true), ("S", 1, true), ("R", 3, true)]
        {
            let stat = format!("7 (sh) {state} 3 {BETWEEN} {threads} 0");
            assert_eq!(parse_stat(&stat).is_some(), runs, "{stat}");
        }
    }
}
