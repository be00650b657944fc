//! A home directory for one program: empty, but for named files of the user's own.
//!
//! A login in such a file is refreshed by the program, and a refresh makes the old one worthless, so what the
//! program writes has to reach the user's file, and what the user's own programs write has to reach this one. Both
//! happen in [`PrivateHome::sync`], by comparing the two with what was the same at the last time.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::beneath::{Contents, Directory};
use crate::path::AbsolutePath;

/// A file of the user's home, by its path from there: plain names only, so it cannot lead elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
pub struct HomeFile(PathBuf);

/// Not a path of a file inside a home.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} does not name a file of the home: write its path from there, as in .claude/.credentials.json", .0.display())]
pub struct NotAHomeFile(PathBuf);

impl HomeFile {
    /// Checks a path. Whether there is such a file is not asked.
    pub fn parse(path: impl Into<PathBuf>) -> Result<Self, NotAHomeFile> {
        let path = path.into();
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        // A file name that is only implied (`a/`, `a/.`) is not how anybody means it.
        let spelled: PathBuf = path.components().collect();
        if plain && path.file_name().is_some() && spelled.as_os_str() == path.as_os_str() {
            Ok(Self(path))
        } else {
            Err(NotAHomeFile(path))
        }
    }

    /// The path from the home.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    fn parent(&self) -> impl Iterator<Item = Component<'_>> {
        self.0.parent().into_iter().flat_map(Path::components)
    }

    fn name(&self) -> &Path {
        Path::new(self.0.file_name().expect("parsing saw one"))
    }
}

impl TryFrom<PathBuf> for HomeFile {
    type Error = NotAHomeFile;

    fn try_from(path: PathBuf) -> Result<Self, NotAHomeFile> {
        Self::parse(path)
    }
}

impl From<HomeFile> for PathBuf {
    fn from(file: HomeFile) -> Self {
        file.0
    }
}

/// What became of one file when the user's home and the private one were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Returned {
    /// Nothing was to be done: they are the same, or one of them is missing, which is left so.
    Unchanged,
    /// The program's was newer, and is the user's now.
    ToUser,
    /// The user's was newer, and is the program's now.
    ToProgram,
    /// The program's is cut short or otherwise no JSON, as its name says it should be. The user's was kept.
    Damaged,
}

/// Why a private home cannot be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The user's file is reached by a link that leads out of the home.
    #[error("{} leads out of the home, to {}", .file.display(), .target.display())]
    Escapes {
        /// The file as it was named.
        file: PathBuf,
        /// Where it is.
        target: PathBuf,
    },
    /// The system refused something, or a file is not what it should be.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
}

impl HomeError {
    fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// The largest file that is given to a program or taken from it, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Where a private home keeps things: the home itself, what was the same at the last time, and which files it is
/// about.
const HOME: &str = "home";
const GIVEN: &str = "given";
const FILES: &str = "files.json";

/// A private home. Dropping it leaves it as it is, so that nothing is lost with a host that is killed:
/// [`PrivateHome::open`] on the same directory goes on with it, [`PrivateHome::left`] finds it.
#[derive(Debug)]
pub struct PrivateHome {
    directory: AbsolutePath,
    user_home: AbsolutePath,
    files: Vec<HomeFile>,
}

impl PrivateHome {
    /// Makes a home under `directory`, which is this user's alone, or goes on with the one that is there, and gives
    /// it these files. Files that the user does not have are passed over.
    pub fn open(
        directory: AbsolutePath,
        user_home: AbsolutePath,
        files: Vec<HomeFile>,
    ) -> Result<Self, HomeError> {
        let home = Self { directory, user_home, files };
        for part in ["", HOME, GIVEN] {
            let path = home.directory.as_path().join(part);
            make_private(&path).map_err(HomeError::at(path))?;
        }
        let list = serde_json::to_vec(&home.files).expect("paths of a configuration are text");
        let directory = home.directory.as_path();
        Directory::open(directory)
            .and_then(|opened| opened.replace(Path::new(FILES), &list, 0o600))
            .map_err(HomeError::at(directory.join(FILES)))?;
        for file in &home.files {
            home.sync_file(file, true)?;
        }
        Ok(home)
    }

    /// The home that a host left under `directory` when it was killed, so that [`PrivateHome::sync`] brings what its
    /// program wrote to the user. `None`: nothing was launched there.
    pub fn left(
        directory: AbsolutePath,
        user_home: AbsolutePath,
    ) -> Result<Option<Self>, HomeError> {
        // Read as what the program may have written: it is of the same user.
        let read = Directory::open(directory.as_path())
            .and_then(|opened| opened.read(Path::new(FILES), LARGEST))
            .and_then(|list| {
                list.map(|list| serde_json::from_slice(&list.bytes)).transpose().map_err(Into::into)
            });
        let files = read.map_err(HomeError::at(directory.as_path().join(FILES)))?;
        Ok(files.map(|files| Self { directory, user_home, files }))
    }

    /// What the program's `HOME` is to be.
    pub fn path(&self) -> AbsolutePath {
        AbsolutePath::parse(self.directory.as_path().join(HOME)).expect("it begins absolute")
    }

    /// Compares each file with the user's own. What only one side changed since the last time reaches the other;
    /// where both did, the one written last wins. The program may be running.
    ///
    /// A file that is missing on one side is not made there, and not missed: a program cannot leave new files in the
    /// user's home, and a user who logs out stays so. A file that fails does not keep the others from their turn.
    pub fn sync(&self) -> Result<Vec<(HomeFile, Returned)>, HomeError> {
        let sync = |file: &HomeFile| Ok((file.clone(), self.sync_file(file, false)?));
        let each: Vec<Result<_, HomeError>> = self.files.iter().map(sync).collect();
        each.into_iter().collect()
    }

    /// [`PrivateHome::sync`], and then removes it. The program must be gone. When the first fails, nothing is
    /// removed.
    pub fn close(self) -> Result<Vec<(HomeFile, Returned)>, HomeError> {
        let returned = self.sync()?;
        let directory = self.directory.as_path();
        fs::remove_dir_all(directory).map_err(HomeError::at(directory))?;
        Ok(returned)
    }

    /// `give`: also when the program's side has none.
    fn sync_file(&self, file: &HomeFile, give: bool) -> Result<Returned, HomeError> {
        let Some(theirs) = UserFile::find(&self.user_home, file)? else {
            return Ok(Returned::Unchanged);
        };
        let ours = self.directory.as_path().join(HOME).join(file.as_path());
        self.merge(file, &theirs, give).map_err(HomeError::at(ours))
    }

    fn merge(&self, file: &HomeFile, user: &UserFile, give: bool) -> io::Result<Returned> {
        let home = self.below(HOME, file)?;
        let given = self.below(GIVEN, file)?;
        let name = file.name();
        let last = given.read(name, LARGEST)?;
        let decision = match home.read(name, LARGEST)? {
            None if !give => return Ok(Returned::Unchanged),
            None => Returned::ToProgram,
            Some(program) => {
                let decision = decide(name, last.as_ref(), &program, &user.contents);
                if decision == Returned::ToUser {
                    user.directory.replace(&user.name, &program.bytes, user.contents.mode)?;
                    given.replace(name, &program.bytes, 0o600)?;
                }
                decision
            }
        };
        let bytes = &user.contents.bytes;
        if decision == Returned::ToProgram {
            home.replace(name, bytes, user.contents.mode)?;
        }
        if decision == Returned::ToProgram || (decision == Returned::Unchanged && last.is_none()) {
            given.replace(name, bytes, 0o600)?;
        }
        Ok(decision)
    }

    /// The directory of a file below one of our own, which the program may have filled with links.
    fn below(&self, part: &str, file: &HomeFile) -> io::Result<Directory> {
        let root = Directory::open(self.directory.as_path())?.descend(Path::new(part))?;
        file.parent().try_fold(root, |directory, name| {
            directory.descend_or_create(Path::new(name.as_os_str()))
        })
    }
}

/// Which way a file goes. `last` is what both sides had the last time.
fn decide(name: &Path, last: Option<&Contents>, program: &Contents, user: &Contents) -> Returned {
    let same = |contents: &Contents| last.is_some_and(|last| last.bytes == contents.bytes);
    if program.bytes == user.bytes {
        Returned::Unchanged
    } else if same(program) {
        Returned::ToProgram
    } else if damaged(name, &program.bytes) {
        Returned::Damaged
    } else if same(user) || program.modified > user.modified {
        Returned::ToUser
    } else {
        Returned::ToProgram
    }
}

/// A program that is killed while it writes leaves half a file. Of a login that half is worth nothing.
fn damaged(name: &Path, bytes: &[u8]) -> bool {
    let json = name.extension().is_some_and(|extension| extension == "json");
    bytes.is_empty() || (json && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err())
}

/// A file in the user's home. Links there are the user's own doing, and followed as long as they stay inside.
struct UserFile {
    directory: Directory,
    name: PathBuf,
    contents: Contents,
}

impl UserFile {
    fn find(user_home: &AbsolutePath, file: &HomeFile) -> Result<Option<Self>, HomeError> {
        let home = user_home.as_path();
        let named = home.join(file.as_path());
        let real = match named.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HomeError::at(named)(error)),
        };
        let home = home.canonicalize().map_err(HomeError::at(home))?;
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(HomeError::Escapes { file: named, target: real });
        };
        if !real.starts_with(&home) {
            return Err(HomeError::Escapes { file: named, target: real.clone() });
        }
        let found = Directory::open(parent).and_then(|directory| {
            let contents = directory.read(Path::new(name), LARGEST)?;
            let name = PathBuf::from(name);
            Ok(contents.map(|contents| Self { directory, name, contents }))
        });
        found.map_err(HomeError::at(named))
    }
}

/// Makes a directory that only this user enters, or makes sure of one that is there.
fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if !path.symlink_metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory"));
    }
    fs::set_permissions(path, PermissionsExt::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_home_file_stays_in_the_home() {
        for good in [".claude.json", ".claude/.credentials.json", "a b/c"] {
            assert!(HomeFile::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "/etc/passwd", "../x", "a/../b", "a/..", "./a", "a/.", "a/", "a//b"]
        {
            assert!(HomeFile::parse(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<HomeFile>("\"../x\"").is_err());
    }

    #[test]
    fn the_newest_wins_and_half_a_file_never_does() {
        let at = |bytes: &str, seconds| Contents {
            bytes: bytes.into(),
            mode: 0o600,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        };
        let (ours, theirs) = (|seconds| at("[1]", seconds), |seconds| at("[2]", seconds));
        for (last, program, user, expected) in [
            (Some("[1]"), ours(1), ours(2), Returned::Unchanged),
            (Some("[0]"), ours(1), ours(2), Returned::Unchanged),
            (None, ours(1), ours(2), Returned::Unchanged),
            (Some("[1]"), ours(9), theirs(2), Returned::ToProgram),
            (Some("[2]"), ours(1), theirs(2), Returned::ToUser),
            (Some("[0]"), ours(3), theirs(2), Returned::ToUser),
            (Some("[0]"), ours(1), theirs(2), Returned::ToProgram),
            (Some("[0]"), ours(2), theirs(2), Returned::ToProgram),
            (None, ours(3), theirs(2), Returned::ToUser),
            (Some("[2]"), at("[1", 3), theirs(2), Returned::Damaged),
            (Some("[2]"), at("", 3), theirs(2), Returned::Damaged),
        ] {
            let last = last.map(|last| at(last, 0));
            let text = String::from_utf8_lossy(&program.bytes).into_owned();
            let decision = decide(Path::new("x.json"), last.as_ref(), &program, &user);
            assert_eq!(decision, expected, "{text}");
        }
        let plain = decide(Path::new("x"), Some(&theirs(0)), &at("[1", 3), &theirs(2));
        assert_eq!(plain, Returned::ToUser);
    }
}
