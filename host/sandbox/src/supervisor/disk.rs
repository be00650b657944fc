//! The room that a program takes on disks: in its workspace, its home, its directory for temporary files.
//!
//! Walking a large tree costs time, so it is walked only when the file system that it is on lost as much room as the
//! program may take, by whomever; and now and then, for room that others gave back meanwhile hides what it took.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::serve::Reach;
use super::tree;

/// What a file or directory takes at least, in bytes: its entry, and the room that its file system keeps about it.
const LEAST: u64 = 4096;

/// How many entries are looked at before the host is listened to again.
const AT_ONCE: usize = 20_000;

/// How long after a walk another one begins without any other reason, and how many times as long as the walk took.
const SELDOM: Duration = Duration::from_mins(1);
const PAUSE: u32 = 50;

/// The same where a place holds so little that it is soon walked, and what that is in bytes.
const SOON: Duration = Duration::from_millis(200);
const LITTLE: u64 = 1 << 30;

fn pause(most: u64) -> Duration {
    if most < LITTLE { SOON } else { SELDOM }
}

/// The places of one program, each of which may hold so much.
pub(super) struct Watch {
    pub(super) most: u64,
    reach: Reach,
    places: Vec<Place>,
}

struct Place {
    path: PathBuf,
    /// The room that its file system had when the place was walked last, or when the program started.
    free: u64,
    walk: Option<Walk>,
    next: Instant,
}

/// A walk that is not finished.
struct Walk {
    began: Instant,
    left: Vec<PathBuf>,
    found: u64,
    free: u64,
}

impl Watch {
    pub(super) fn new(most: u64, reach: Reach, places: impl IntoIterator<Item = PathBuf>) -> Self {
        let place = |path: PathBuf| Place {
            free: free(&path),
            walk: None,
            next: Instant::now() + pause(most),
            path,
        };
        Self { most, reach, places: places.into_iter().map(place).collect() }
    }

    /// Looks at some more, and returns the place that holds more than it may.
    pub(super) fn passed(&mut self) -> Option<PathBuf> {
        let (most, reach) = (self.most, self.reach);
        let passed = self.places.iter_mut().position(|place| place.is_passed(most, reach))?;
        Some(self.places[passed].path.clone())
    }
}

impl Place {
    fn is_passed(&mut self, most: u64, reach: Reach) -> bool {
        let now = Instant::now();
        if self.walk.is_none() {
            let free = free(&self.path);
            if self.free.saturating_sub(free) < most && now < self.next {
                return false;
            }
            let left = vec![self.path.clone()];
            let found = deleted(&self.path, reach);
            self.walk = Some(Walk { began: now, left, found, free });
        }
        let Some(walk) = &mut self.walk else { return false };
        let finished = walk.step(most);
        let passed = walk.found > most;
        if finished && !passed {
            self.free = walk.free.saturating_add(walk.found);
            self.next = now + pause(most).max(walk.began.elapsed() * PAUSE);
            self.walk = None;
        }
        passed
    }
}

impl Walk {
    /// Whether nothing is left, or enough is found.
    fn step(&mut self, most: u64) -> bool {
        let mut looked_at = 0;
        while let Some(directory) = self.left.pop() {
            let Some(entries) = list(&directory) else { continue };
            for entry in entries.flatten() {
                looked_at += 1;
                let Ok(found) = entry.metadata() else { continue };
                // A file of several names is counted in parts, so that it counts once.
                self.found += taken(&found) / found.nlink().max(1);
                if found.is_dir() {
                    self.found += LEAST;
                    self.left.push(entry.path());
                }
                if self.found > most {
                    return true;
                }
            }
            if looked_at > AT_ONCE {
                break;
            }
        }
        self.left.is_empty()
    }
}

fn taken(found: &fs::Metadata) -> u64 {
    (found.blocks() * 512).max(LEAST)
}

/// The entries of a directory. A program that is of this process's user keeps it out of nowhere.
fn list(directory: &Path) -> Option<fs::ReadDir> {
    let again = |error: io::Error| {
        if error.kind() != io::ErrorKind::PermissionDenied || nix::unistd::geteuid().is_root() {
            return Err(error);
        }
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        fs::read_dir(directory)
    };
    fs::read_dir(directory).or_else(again).ok()
}

/// What the room of files that are open and have no name any more comes to, on the file system of a place.
fn deleted(place: &Path, reach: Reach) -> u64 {
    let Ok(device) = fs::metadata(place).map(|found| found.dev()) else { return 0 };
    let own = nix::unistd::Pid::this();
    let processes: Vec<_> = match reach {
        Reach::Namespace => tree::processes().collect(),
        Reach::Descendants => tree::descendants(own),
    };
    let mut seen = HashSet::new();
    let open = processes.iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")));
    open.flatten()
        .flatten()
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .filter(|found| found.nlink() == 0 && found.dev() == device && seen.insert(found.ino()))
        .map(|found| taken(&found))
        .sum()
}

/// The room that a file system has, in bytes: for what is in files, or for as many files as it may hold.
fn free(path: &Path) -> u64 {
    let Ok(found) = statvfs(path) else { return u64::MAX };
    let blocks = found.f_bavail.saturating_mul(found.f_frsize);
    // Some count no files.
    if found.f_files == 0 { blocks } else { blocks.min(found.f_favail.saturating_mul(LEAST)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(place: &Path, most: u64) -> (bool, u64) {
        let mut walk =
            Walk { began: Instant::now(), left: vec![place.to_owned()], found: 0, free: 0 };
        while !walk.step(most) {}
        (walk.found > most, walk.found)
    }

    #[test]
    fn what_a_tree_takes_is_its_blocks_and_its_entries() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(walked(place.path(), 0), (false, 0));
        fs::create_dir(place.path().join("below")).unwrap();
        for number in 0..10 {
            fs::write(place.path().join(format!("below/{number}")), "").unwrap();
        }
        let (_, empty) = walked(place.path(), u64::MAX);
        assert!(empty >= 11 * LEAST, "{empty}");
        fs::write(place.path().join("file"), vec![1; 1 << 20]).unwrap();
        let (_, filled) = walked(place.path(), u64::MAX);
        assert!(filled >= empty + (1 << 20) && filled < empty + (2 << 20), "{filled}");
        fs::hard_link(place.path().join("file"), place.path().join("below/same")).unwrap();
        assert_eq!(walked(place.path(), u64::MAX).1, filled);
        // A file that takes no room is not what it says.
        fs::File::create(place.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
        assert!(walked(place.path(), u64::MAX).1 <= filled + LEAST);
        std::os::unix::fs::symlink("/", place.path().join("link")).unwrap();
        assert!(walked(place.path(), u64::MAX).1 <= filled + 3 * LEAST);
        assert!(walked(place.path(), 1 << 19).0);
    }

    #[test]
    fn a_deleted_file_that_is_open_takes_its_room() {
        let place = tempfile::tempdir().unwrap();
        let child_of_this = deleted(place.path(), Reach::Descendants);
        assert_eq!(child_of_this, 0);
        let path = place.path().join("file");
        fs::write(&path, vec![1; 1 << 20]).unwrap();
        let _open = fs::File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(deleted(place.path(), Reach::Namespace) >= 1 << 20);
    }
}
