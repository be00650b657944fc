//! Files that the processes of a program hold open and that have no name any more: room that no walk finds.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::disk::taken;
use super::serve::Reach;
use super::tree;

/// Files that are open and have no name any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    /// Their room in bytes.
    pub(super) bytes: u64,
    /// Whether there may be others: a process hides its open files, or maps a file that it does not hold open and whose
    /// length is therefore unknown.
    pub(super) hidden: bool,
}

/// A look at what processes hold open on the file system of a place, and have taken the names from. How many processes,
/// threads, files and maps there are is the program's to choose, so it is gone on with in parts; and what is not seen
/// when the time is over counts as hidden.
pub(super) struct Open {
    device: u64,
    until: Instant,
    tasks: Vec<(Pid, PathBuf)>,
    /// What is left of the list of open files of a task.
    files: Option<(Pid, PathBuf, fs::ReadDir)>,
    maps: Vec<Pid>,
    seen: HashSet<u64>,
    pub(super) found: Deleted,
}

/// How long a look may take in all, and one part of it.
const LOOK: Duration = Duration::from_secs(10);
pub(super) const PART: Duration = Duration::from_millis(50);

/// How much of the list of what a process maps is read, in bytes: some ten thousand maps.
const MAPS_BYTES: u64 = 1 << 20;

impl Open {
    pub(super) fn of(place: &Path, reach: Reach) -> Option<Self> {
        let device = fs::metadata(place).ok()?.dev();
        let processes: Vec<_> = match reach {
            Reach::Namespace => tree::processes().collect(),
            Reach::Descendants => tree::descendants(Pid::this()),
        };
        let tasks =
            processes.iter().flat_map(|&pid| tree::threads(pid).map(move |task| (pid, task)));
        Some(Self {
            device,
            until: Instant::now() + LOOK,
            tasks: tasks.collect(),
            files: None,
            maps: processes,
            seen: HashSet::new(),
            found: Deleted::default(),
        })
    }

    /// Goes through some of it, for so long. Whether it is at its end.
    pub(super) fn step(&mut self, part: Duration) -> bool {
        let part = Instant::now() + part;
        loop {
            let now = Instant::now();
            if now >= self.until {
                self.found.hidden = true;
                return true;
            }
            if now >= part {
                return false;
            }
            if let Some((pid, task, mut files)) = self.files.take() {
                if let Some(file) = files.next() {
                    if let Ok(file) = file {
                        self.look_at(pid, &task, &file);
                    }
                    self.files = Some((pid, task, files));
                }
            } else if let Some((pid, task)) = self.tasks.pop() {
                self.list(pid, task);
            } else if let Some(pid) = self.maps.pop() {
                self.look_at_maps(pid);
            } else {
                return true;
            }
        }
    }

    fn list(&mut self, pid: Pid, task: PathBuf) {
        match fs::read_dir(task.join("fd")) {
            Ok(files) => self.files = Some((pid, task, files)),
            Err(error) => {
                self.found.hidden |=
                    error.kind() == io::ErrorKind::PermissionDenied && !has_ended(&task);
            }
        }
    }

    fn look_at(&mut self, pid: Pid, task: &Path, entry: &fs::DirEntry) {
        let Ok(file) = fs::metadata(entry.path()) else { return };
        if file.file_type().is_socket() {
            // What the host sent to this process is no program's.
            if pid == Pid::this() {
                return;
            }
            let about = task.join("fdinfo").join(entry.file_name());
            self.found.hidden |=
                has_files_under_way(&fs::read_to_string(about).unwrap_or_default());
        } else if file.nlink() == 0 && file.dev() == self.device && self.seen.insert(file.ino()) {
            self.found.bytes = self.found.bytes.saturating_add(taken(&file));
        }
    }

    /// All threads of a process map the same; one that has ended maps nothing.
    fn look_at_maps(&mut self, pid: Pid) {
        for task in tree::threads(pid) {
            let mut maps = Vec::new();
            let read = fs::File::open(task.join("maps"))
                .and_then(|file| file.take(MAPS_BYTES).read_to_end(&mut maps));
            if read.is_err() || maps.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(&maps);
            let mut unnamed = text.lines().filter_map(|line| unnamed(line, self.device));
            self.found.hidden |=
                maps.len() as u64 == MAPS_BYTES || unnamed.any(|inode| !self.seen.contains(&inode));
            return;
        }
    }
}

/// Whether a thread has ended and is not reaped yet: its open files cannot be listed, and it has none.
fn has_ended(task: &Path) -> bool {
    is_of_ended(&String::from_utf8_lossy(&fs::read(task.join("stat")).unwrap_or_default()))
}

/// Reads the state of `pid (name) state …`, where the name may hold spaces and brackets.
fn is_of_ended(stat: &str) -> bool {
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().next());
    matches!(state, None | Some("Z" | "X"))
}

/// Whether open files were sent to a socket and not received yet, by its `/proc/PID/fdinfo/FD`.
fn has_files_under_way(about: &str) -> bool {
    about.lines().filter_map(|line| line.strip_prefix("scm_fds:")).any(|count| count.trim() != "0")
}

/// The number of the file without a name on this device that a line of `/proc/PID/maps` is about:
/// `<from>-<to> <mode> <offset> <major>:<minor> <number>   <path> (deleted)`.
fn unnamed(line: &str, device: u64) -> Option<u64> {
    let mut parts = line.strip_suffix(" (deleted)")?.split_ascii_whitespace().skip(3);
    let (major, minor) = parts.next()?.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    let of = rustix::fs::makedev(number(major)?, number(minor)?);
    parts.next()?.parse().ok().filter(|inode| *inode != 0 && of == device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_file_that_is_open_takes_its_room() {
        let place = tempfile::tempdir().unwrap();
        let deleted = |reach| {
            let mut open = Open::of(place.path(), reach).unwrap();
            while !open.step(PART) {}
            open.found
        };
        assert_eq!(deleted(Reach::Descendants), Deleted::default());
        let path = place.path().join("file");
        fs::write(&path, vec![1; 1 << 20]).unwrap();
        let _open = fs::File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(deleted(Reach::Namespace).bytes >= 1 << 20);
        // What there was no time for may be anything.
        let mut late = Open::of(place.path(), Reach::Namespace).unwrap();
        late.until = Instant::now();
        assert!(late.step(PART) && late.found.hidden);
        // And what there is no time for in this part is looked at in another.
        let mut open = Open::of(place.path(), Reach::Namespace).unwrap();
        assert!(!open.step(Duration::ZERO) && !open.found.hidden);
    }

    #[test]
    fn a_process_that_has_ended_hides_nothing() {
        assert!(is_of_ended("7 (sh) Z 1 7") && is_of_ended("7 (a) S (b) X 1") && is_of_ended(""));
        assert!(!is_of_ended("7 (sh) S 1 7") && !is_of_ended("7 (a) Z 1) R 1"));
    }

    #[test]
    fn files_under_way_are_known_by_their_number() {
        assert!(has_files_under_way("pos:\t0\nscm_fds:\t3\n"));
        assert!(!has_files_under_way("pos:\t0\nscm_fds:\t0\n") && !has_files_under_way(""));
    }

    #[test]
    fn a_file_without_a_name_is_known_by_its_line() {
        let line = "7f00-7f01 rw-s 00000000 fe:01 123                        /w/a b (deleted)";
        let device = rustix::fs::makedev(0xfe, 1);
        assert_eq!(unnamed(line, device), Some(123));
        assert_eq!(unnamed(line, device + 1), None);
        assert_eq!(unnamed(line.trim_end_matches(" (deleted)"), device), None);
        assert_eq!(unnamed("7f00-7f01 rw-s 0 00:01 9 /dev/zero (deleted)", device), None);
    }
}
