//! The room that a program takes on disks: in its workspace, its home, its directory for temporary files.
//!
//! Walking a large tree costs time, so it is walked only when the file system that it is on lost as much room as the
//! program may take, by whomever; and now and then, for room that others gave back meanwhile hides what it took.
//!
//! What a program hides is counted: the watch opens a directory that the program shut, counts a path that is longer
//! than the system allows as too much, and counts all that the file system lost meanwhile where a process of the program
//! hides which files it holds open.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::open::{Deleted, Open, PART};
use super::serve::Reach;

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
    free: Room,
    walk: Option<Walk>,
    next: Instant,
}

/// A walk that is not finished.
struct Walk {
    began: Instant,
    /// What processes hold open, looked at first.
    open: Option<Open>,
    left: Vec<PathBuf>,
    /// The directory that is listed, and what is left of its list: how long that is, is the program's to choose.
    reading: Option<(PathBuf, fs::ReadDir)>,
    found: u64,
    /// What the program takes at least, wherever it is.
    held: u64,
    /// Whether it may hold more than is found.
    hidden: bool,
    free: Room,
}

/// What a file system has left, in bytes: for what is in files, and for as many files as it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    content: u64,
    files: u64,
}

impl Watch {
    pub(super) fn new(most: u64, reach: Reach, places: impl IntoIterator<Item = PathBuf>) -> Self {
        let place = |path: PathBuf| Place {
            free: Room::of(&path),
            walk: None,
            next: Instant::now() + pause(most),
            path,
        };
        Self { most, reach, places: places.into_iter().map(place).collect() }
    }

    /// Whether a place is being looked at.
    pub(super) fn is_under_way(&self) -> bool {
        self.places.iter().any(|place| place.walk.is_some())
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
            let free = Room::of(&self.path);
            let lost = self.free.lost(free);
            if lost < most && now < self.next {
                return false;
            }
            let (left, open) = (vec![self.path.clone()], Open::of(&self.path, reach));
            let (reading, found, held, hidden) = (None, 0, 0, false);
            self.walk = Some(Walk { began: now, open, left, reading, found, held, hidden, free });
        }
        let before = self.free;
        let Some(walk) = &mut self.walk else { return false };
        let finished = walk.looked_at_open(before) && walk.step(most);
        let passed = walk.found.max(walk.held) > most;
        if finished && !passed {
            self.free = walk.room(self.free);
            self.next = now + pause(most).max(walk.began.elapsed() * PAUSE);
            self.walk = None;
        }
        passed
    }
}

impl Walk {
    /// Looks at some of what is held open. Whether all of it was looked at.
    fn looked_at_open(&mut self, before: Room) -> bool {
        let Some(open) = &mut self.open else { return true };
        if !open.step(PART) {
            return false;
        }
        let Deleted { bytes, hidden } = open.found;
        self.open = None;
        self.count(bytes);
        self.hidden = hidden;
        self.held = if hidden { before.lost(self.free) } else { 0 };
        true
    }

    /// Looks at some more. Whether nothing is left, or enough is found.
    fn step(&mut self, most: u64) -> bool {
        for _ in 0..AT_ONCE {
            if self.found > most {
                return true;
            }
            let Some((directory, mut entries)) = self.reading.take() else {
                let Some(directory) = self.left.pop() else { return true };
                match list(&directory) {
                    Ok(entries) => self.reading = Some((directory, entries)),
                    Err(error) => self.count(unseen(&error)),
                }
                continue;
            };
            if let Some(entry) = entries.next() {
                self.look_at(&directory, entry);
                self.reading = Some((directory, entries));
            }
        }
        false
    }

    fn look_at(&mut self, directory: &Path, entry: io::Result<fs::DirEntry>) {
        match entry.and_then(|entry| Ok((look(directory, &entry)?, entry))) {
            // A file of several names is counted in parts, so that it counts once.
            Ok((found, entry)) => {
                self.count(taken(&found) / found.nlink().max(1));
                if found.is_dir() {
                    self.count(LEAST);
                    self.left.push(entry.path());
                }
            }
            Err(error) => self.count(unseen(&error)),
        }
    }

    /// The room that is compared with from now on, where it was `before`. What is hidden is lost from the same room the
    /// next time, too: else any amount would pass bit by bit.
    fn room(&self, before: Room) -> Room {
        let room = |free: u64, before: u64| {
            let free = free.saturating_add(self.found);
            if self.hidden { free.max(before) } else { free }
        };
        Room {
            content: room(self.free.content, before.content),
            files: room(self.free.files, before.files),
        }
    }

    fn count(&mut self, bytes: u64) {
        self.found = self.found.saturating_add(bytes);
    }
}

pub(super) fn taken(found: &fs::Metadata) -> u64 {
    (found.blocks() * 512).max(LEAST)
}

/// The entries of a directory. A program that is of this process's user keeps it out of nowhere.
fn list(directory: &Path) -> io::Result<fs::ReadDir> {
    fs::read_dir(directory).or_else(|error| {
        open_again(directory, error)?;
        fs::read_dir(directory)
    })
}

/// What an entry is, also in a directory that may be listed and not entered.
fn look(directory: &Path, entry: &fs::DirEntry) -> io::Result<fs::Metadata> {
    entry.metadata().or_else(|error| {
        open_again(directory, error)?;
        entry.metadata()
    })
}

/// Gives a directory back the rights that its program took from it.
fn open_again(directory: &Path, error: io::Error) -> io::Result<()> {
    if error.kind() != io::ErrorKind::PermissionDenied || nix::unistd::geteuid().is_root() {
        return Err(error);
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

/// What counts for something that cannot be looked at: nothing where it is gone or another user's, and too much
/// otherwise.
fn unseen(error: &io::Error) -> u64 {
    let gone =
        [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::PermissionDenied];
    if gone.contains(&error.kind()) { 0 } else { u64::MAX }
}

impl Room {
    /// Of the file system of a path.
    fn of(path: &Path) -> Self {
        let Ok(found) = statvfs(path) else { return Self { content: u64::MAX, files: u64::MAX } };
        let content = found.f_bavail.saturating_mul(found.f_frsize);
        // Some count no files.
        let files =
            if found.f_files == 0 { u64::MAX } else { found.f_favail.saturating_mul(LEAST) };
        Self { content, files }
    }

    /// What is less by now, of whichever there is less: a file system may have much more room for the one than for the
    /// other.
    fn lost(self, now: Self) -> u64 {
        let content = self.content.saturating_sub(now.content);
        content.max(self.files.saturating_sub(now.files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(place: &Path, most: u64) -> (bool, u64) {
        let mut walk = Walk {
            began: Instant::now(),
            open: None,
            left: vec![place.to_owned()],
            reading: None,
            found: 0,
            held: 0,
            hidden: false,
            free: Room { content: 0, files: 0 },
        };
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
    fn what_is_hidden_is_lost_from_the_same_room_each_time() {
        let room = |content, files| Room { content, files };
        let mut walk = Walk {
            began: Instant::now(),
            open: None,
            left: vec![],
            reading: None,
            found: 10,
            held: 0,
            hidden: false,
            free: room(50, 500),
        };
        assert_eq!(walk.room(room(100, 100)), room(60, 510));
        walk.hidden = true;
        assert_eq!(walk.room(room(100, 600)), room(100, 600));
        assert_eq!(walk.room(room(40, 400)), room(60, 510));
    }

    #[test]
    fn room_is_lost_whichever_there_is_more_of() {
        let room = |content, files| Room { content, files };
        for (before, now, lost) in [
            (room(900, 100), room(700, 100), 200),
            (room(100, 900), room(70, 900), 30),
            (room(100, 900), room(100, 700), 200),
            (room(100, 900), room(200, 1000), 0),
            (room(100, u64::MAX), room(80, u64::MAX), 20),
        ] {
            assert_eq!(before.lost(now), lost, "{before:?} {now:?}");
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_too_much_unless_it_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let shut = place.path().join("shut");
        fs::create_dir(&shut).unwrap();
        fs::write(shut.join("file"), vec![1; 1 << 20]).unwrap();
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(walked(place.path(), u64::MAX).1 >= 1 << 20, "a directory that may only be listed");
        assert_eq!(unseen(&io::Error::from_raw_os_error(nix::libc::ENAMETOOLONG)), u64::MAX);
        assert_eq!(unseen(&io::Error::from_raw_os_error(nix::libc::ENOENT)), 0);
    }
}
