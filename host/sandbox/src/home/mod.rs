//! A home directory for one program: empty, but for named files of the user's own.
//!
//! A login in such a file is refreshed by the program, and a refresh makes the old one worthless, so what the
//! program writes has to reach the user's file, and what the user's own programs write has to reach this one. Both
//! happen in [`PrivateHome::sync`], by comparing the two with what was the same at the last time.
//!
//! Which files these are, and what was the same, is recorded by the host in a place that no program reaches. The
//! program chooses neither, and of what it made of a file nothing is taken that is not the same JSON with other
//! tokens (see [`Departure`]).
//!
//! Each owner has a home of its own in a place, also when the place stays from one program to the next: what one
//! program was given, another one does not find.

mod file;
mod record;
mod seed;
mod shape;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::beneath::{Contents, Directory};
use crate::path::AbsolutePath;
use record::{Record, name_of};

pub use file::{HomeFile, NotAHomeFile};
pub use seed::{GIT_CONFIGURATION, HomeSeed};
pub use shape::Departure;

/// What became of one file when the user's home and the private one were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Returned {
    /// Nothing was to be done: they are the same, or one of them is missing, which is left so.
    Unchanged,
    /// Only the program changed it, and what it wrote is the user's now.
    ToUser,
    /// The user's was changed, and is the program's now.
    ToProgram,
    /// The program's is cut short or otherwise no JSON, as its name says it should be. The user's was kept.
    Damaged,
    /// The program's is not the user's with other tokens. The user's was kept.
    Refused(Departure),
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

/// Where below an owner's directory the home itself is, and the directory for temporary files.
const HOME: &str = "home";
const TMP: &str = "tmp";

/// The two directories of private homes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomePlace {
    /// The homes are made under it, each in a directory of its owner's.
    pub directory: AbsolutePath,
    /// The host's records of the homes are made under it. No program may write there.
    pub record: AbsolutePath,
}

/// A private home. Dropping it leaves it as it is, so that nothing is lost with a host that is killed:
/// [`PrivateHome::open`] in the same place goes on with it, [`PrivateHome::left`] finds it.
#[derive(Debug)]
pub struct PrivateHome {
    /// What is this owner's own: the home, and the directory for temporary files.
    directory: AbsolutePath,
    record: Record,
    user_home: AbsolutePath,
    files: Vec<HomeFile>,
}

impl PrivateHome {
    /// Makes a home, or goes on with the one that is there, and gives it these files, which `owner` is granted: a name
    /// of the caller's for the grant. Files that the user does not have are passed over.
    pub fn open(
        place: &HomePlace,
        owner: &str,
        user_home: AbsolutePath,
        files: Vec<HomeFile>,
    ) -> Result<Self, HomeError> {
        let directory = directory_of(place, owner);
        for path in [place.directory.as_path(), directory.as_path()] {
            make_way(path).map_err(HomeError::at(path))?;
        }
        for path in [HOME, TMP].map(|name| directory.as_path().join(name)) {
            make_private(&path).map_err(HomeError::at(&path))?;
        }
        let (record, revoked) = Record::make(place.record.as_path(), owner, &files)?;
        let home = Self { directory, record, user_home, files };
        for file in &revoked {
            home.take_away(file).map_err(HomeError::at(home.in_home(file)))?;
        }
        for file in &home.files {
            home.clear_way(file).map_err(HomeError::at(home.in_home(file)))?;
            home.sync_file(file, true)?;
        }
        Ok(home)
    }

    /// Where an owner's copy of a file is, whether or not there is one.
    pub fn copy_of(place: &HomePlace, owner: &str, file: &HomeFile) -> PathBuf {
        directory_of(place, owner).as_path().join(HOME).join(file.as_path())
    }

    /// The homes that a host left in a place when it was killed, one for each owner, so that [`PrivateHome::sync`]
    /// brings what their programs wrote to the user. `granted` says which files an owner is granted today: of those
    /// that the host recorded, no others come back. There are none when nothing was launched there.
    pub fn left(
        place: &HomePlace,
        user_home: &AbsolutePath,
        granted: impl Fn(&str) -> Vec<HomeFile>,
    ) -> Result<Vec<Self>, HomeError> {
        let records = Record::all(place.record.as_path())?;
        let home = |(record, owner, mut files): (Record, String, Vec<HomeFile>)| {
            let granted = granted(&owner);
            files.retain(|file| granted.contains(file));
            let directory = directory_of(place, &owner);
            Self { directory, record, user_home: user_home.clone(), files }
        };
        Ok(records.into_iter().map(home).collect())
    }

    /// What the program's `HOME` is to be.
    pub fn path(&self) -> AbsolutePath {
        AbsolutePath::parse(self.directory.as_path().join(HOME)).expect("it begins absolute")
    }

    /// What the program's `TMPDIR` is to be.
    pub fn tmp(&self) -> AbsolutePath {
        AbsolutePath::parse(self.directory.as_path().join(TMP)).expect("it begins absolute")
    }

    /// Compares each file with the user's own. What only one side changed since the last time reaches the other.
    /// Where both did, the user's is kept: of two refreshes of one login the second fails, and of two logins the
    /// user's own counts. The program may be running.
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
        crate::remove_tree(directory).map_err(HomeError::at(directory))?;
        self.record.remove()?;
        Ok(returned)
    }

    /// `give`: also when the program's side has none.
    fn sync_file(&self, file: &HomeFile, give: bool) -> Result<Returned, HomeError> {
        let Some(theirs) = UserFile::find(&self.user_home, file)? else {
            return Ok(Returned::Unchanged);
        };
        self.merge(file, &theirs, give).map_err(HomeError::at(self.in_home(file)))
    }

    fn in_home(&self, file: &HomeFile) -> PathBuf {
        self.directory.as_path().join(HOME).join(file.as_path())
    }

    /// Takes away what an earlier program left in the place of a file, or of a directory that it lies in, and that is
    /// none: no later program could be given the file. No program of this home runs.
    fn clear_way(&self, file: &HomeFile) -> io::Result<()> {
        let mut at = self.directory.as_path().join(HOME);
        for name in file.parent() {
            at.push(name.as_os_str());
            match at.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return fs::remove_file(&at),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let path = self.in_home(file);
        match path.symlink_metadata() {
            Ok(found) if !found.is_file() || found.len() > LARGEST => crate::remove_tree(&path),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes a file that is granted no more out of a home that stayed.
    fn take_away(&self, file: &HomeFile) -> io::Result<()> {
        self.below(file)?.remove(file.name())?;
        self.record.forget(file)
    }

    fn merge(&self, file: &HomeFile, user: &UserFile, give: bool) -> io::Result<Returned> {
        let home = self.below(file)?;
        let name = file.name();
        let last = self.record.given(file, LARGEST)?;
        let decision = match home.read(name, LARGEST)? {
            None if !give => return Ok(Returned::Unchanged),
            None => Returned::ToProgram,
            Some(program) => {
                let decision = decide(file, last.as_deref(), &program, &user.contents);
                if decision == Returned::ToUser {
                    // What the user changed at this very moment is compared the next time.
                    if !user.is_still_so()? {
                        return Ok(Returned::Unchanged);
                    }
                    user.directory.replace(&user.name, &program.bytes, user.contents.mode)?;
                    self.record.give(file, &program.bytes)?;
                }
                decision
            }
        };
        let bytes = &user.contents.bytes;
        if decision == Returned::ToProgram {
            home.replace(name, bytes, user.contents.mode)?;
        }
        if decision == Returned::ToProgram || (decision == Returned::Unchanged && last.is_none()) {
            self.record.give(file, bytes)?;
        }
        Ok(decision)
    }

    /// The directory of a file in the home, which the program may have filled with links.
    fn below(&self, file: &HomeFile) -> io::Result<Directory> {
        let root = Directory::open_plain(self.directory.as_path())?;
        let root = root.descend(Path::new(HOME))?;
        file.parent().try_fold(root, |directory, name| {
            directory.descend_or_create(Path::new(name.as_os_str()))
        })
    }
}

/// Which way a file goes. `last` is what both sides had the last time.
fn decide(file: &HomeFile, last: Option<&[u8]>, program: &Contents, user: &Contents) -> Returned {
    let same = |contents: &Contents| last.is_some_and(|last| last == contents.bytes);
    if program.bytes == user.bytes {
        return Returned::Unchanged;
    }
    if !same(user) || same(program) {
        return Returned::ToProgram;
    }
    if damaged(file.name(), &program.bytes) {
        return Returned::Damaged;
    }
    if user.mode & 0o111 != 0 {
        return Returned::Refused(Departure::Program);
    }
    match shape::check(file, &user.bytes, &program.bytes) {
        Ok(()) => Returned::ToUser,
        Err(departure) => Returned::Refused(departure),
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

    fn is_still_so(&self) -> io::Result<bool> {
        let now = self.directory.read(&self.name, LARGEST)?;
        Ok(now.is_some_and(|now| now.bytes == self.contents.bytes))
    }
}

/// What is one owner's own in a place.
fn directory_of(place: &HomePlace, owner: &str) -> AbsolutePath {
    let directory = place.directory.as_path().join(name_of(owner));
    AbsolutePath::parse(directory).expect("it begins absolute")
}

/// Makes a directory that only this user enters, or makes sure of one that is there.
fn make_private(path: &Path) -> io::Result<()> {
    make(path, 0o700)
}

/// The same for a directory on the way to a home: what root launches is another user, who has to be able to pass.
fn make_way(path: &Path) -> io::Result<()> {
    make(path, if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 })
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if !path.symlink_metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory"));
    }
    fs::set_permissions(path, PermissionsExt::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_wins_and_half_a_file_never_does() {
        let at = |bytes: &str| Contents { bytes: bytes.into(), mode: 0o600 };
        let (ours, theirs) = (at(r#"{"token":1}"#), at(r#"{"token":2}"#));
        let file = HomeFile::parse("x.json").unwrap();
        let [zero, one, two] = [0, 1, 2].map(|token| Some(format!(r#"{{"token":{token}}}"#)));
        for (last, program, user, expected) in [
            (&one, &ours, &ours, Returned::Unchanged),
            (&zero, &ours, &ours, Returned::Unchanged),
            (&None, &ours, &ours, Returned::Unchanged),
            (&one, &ours, &theirs, Returned::ToProgram),
            (&two, &ours, &theirs, Returned::ToUser),
            (&zero, &ours, &theirs, Returned::ToProgram),
            (&None, &ours, &theirs, Returned::ToProgram),
            (&two, &at("{"), &theirs, Returned::Damaged),
            (&two, &at(""), &theirs, Returned::Damaged),
            (&two, &at("[2]"), &theirs, Returned::Refused(Departure::Format)),
            (&two, &at("{}"), &theirs, Returned::Refused(Departure::Keys)),
        ] {
            let text = String::from_utf8_lossy(&program.bytes).into_owned();
            let decision = decide(&file, last.as_ref().map(String::as_bytes), program, user);
            assert_eq!(decision, expected, "{last:?} {text}");
        }
        let decision =
            |user: &Contents| decide(&file, two.as_ref().map(String::as_bytes), &ours, user);
        let program = Contents { mode: 0o755, ..at(r#"{"token":2}"#) };
        assert_eq!(decision(&theirs), Returned::ToUser);
        assert_eq!(decision(&program), Returned::Refused(Departure::Program));
    }
}
