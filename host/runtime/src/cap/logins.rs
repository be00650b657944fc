//! The secrets in the files of the operator's home that a program has, also those that it renews.

use crate::redact::{Redactor, secrets_in};
use rustix::fs::{Mode, OFlags, open};
use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The most that is read of one file, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// What reading files again may cost in one launch, in bytes that are read, and as many times over that are sorted: a
/// program that writes them all the time is no login being renewed.
const WORK: u64 = 8 << 20;

/// How many bytes could be read in the time in which one is sorted.
const SORTING: u64 = 16;

/// Watches the files of the operator's home that an executor's programs have, and their copies.
pub(crate) struct Logins {
    granted: Vec<PathBuf>,
    state: Mutex<State>,
}

struct State {
    /// What was read, and in which state.
    seen: HashMap<PathBuf, Stamp>,
    /// What is left of [`WORK`].
    work: u64,
    /// Why something is not known: the file may be gone by the next time, and what it held may still be printed.
    failed: Option<String>,
}

/// Tells one state of a file from the next.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        let changed = (found.ctime(), found.ctime_nsec());
        Self { inode: found.ino(), length: found.len(), changed }
    }
}

impl Logins {
    /// These files. Nothing is read yet.
    pub(crate) fn new(granted: Vec<PathBuf>) -> Self {
        let state = State { seen: HashMap::new(), work: WORK, failed: None };
        Self { granted, state: Mutex::new(state) }
    }

    /// Has the redactor know what is in the files that are new or were changed since the last time. To be called before
    /// anything is passed on that the program could print.
    ///
    /// Fails for a file of which not all could be known, and from then on: what the program prints must not reach the
    /// component then.
    pub(crate) fn teach(&self, redactor: &Redactor) -> Result<(), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = &state.failed {
            return Err(problem.clone());
        }
        let looked = self.granted.iter().try_for_each(|path| {
            // What is no plain file now is not what the program was given.
            let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
            if !found.is_file() {
                return Ok(());
            }
            let looked = state.look(path, Stamp::of(&found), redactor);
            looked.map_err(|problem| format!("homeFiles: {}: {problem}", path.display()))
        });
        state.failed = looked.as_ref().err().cloned();
        looked
    }
}

impl State {
    fn look(&mut self, path: &Path, stamp: Stamp, redactor: &Redactor) -> Result<(), String> {
        if self.seen.get(path) == Some(&stamp) {
            return Ok(());
        }
        if stamp.length > FILE_BYTES {
            return Err(format!("it is longer than {} KiB", FILE_BYTES / 1024));
        }
        // A file of a few bytes is some work, too.
        self.charge(stamp.length.max(1024))?;
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            // It is another one by now, or one that no program of this user was given: it is looked at again.
            Err(error) if is_none(&error) => return Ok(()),
            Err(error) => return Err(format!("it could not be read: {error}")),
        };
        let learned = secrets_in(&bytes).and_then(|secrets| redactor.learn(secrets));
        let sorted = learned.map_err(|error| error.to_string())?;
        self.charge(u64::try_from(sorted).unwrap_or(u64::MAX).saturating_mul(SORTING))?;
        self.seen.insert(path.to_owned(), stamp);
        Ok(())
    }

    fn charge(&mut self, work: u64) -> Result<(), String> {
        let left = self.work.checked_sub(work);
        self.work = left.ok_or("it was changed too often, or too much of it")?;
        Ok(())
    }
}

/// Whether no plain file is at a place that could be read.
fn is_none(error: &io::Error) -> bool {
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    is_link || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// A link or a pipe in a file's place is not read.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    if file.metadata()?.is_file() {
        file.take(FILE_BYTES).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_and_what_is_renewed_is_known() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::write(at("login.json"), r#"{"token": "the-first-token"}"#).unwrap();
        fs::write(at("other"), "token = not-granted-1").unwrap();
        let logins = Logins::new(vec![at("login.json"), at("later")]);
        let redactor = Redactor::default();
        let knows = |text: &str| redactor.finds_in(text.as_bytes());
        logins.teach(&redactor).unwrap();
        assert!(knows("the-first-token") && !knows("not-granted-1"));
        fs::write(at("login.json"), r#"{"token": "the-renewed-token"}"#).unwrap();
        fs::write(at("later"), "password: made-by-the-program").unwrap();
        logins.teach(&redactor).unwrap();
        assert!(
            knows("the-renewed-token") && knows("made-by-the-program") && knows("the-first-token")
        );
    }

    #[test]
    fn a_file_of_which_not_all_is_known_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        for text in [
            "x ".repeat(600_000),
            (0..2000).map(|n| format!("token{n}=abcdef{n}\n")).collect::<Vec<_>>().concat(),
            // One that is longer than all that is looked for.
            format!("{{\"token\": \"{}\"}}", "A".repeat(700_000)),
            "k".repeat(70_000),
        ] {
            fs::write(home.path().join("login"), text).unwrap();
            let logins = Logins::new(vec![home.path().join("login")]);
            let problem = logins.teach(&Redactor::default()).unwrap_err();
            assert!(
                problem.contains("login")
                    && problem.contains("more than") | problem.contains("longer"),
                "{problem}"
            );
        }
    }

    #[test]
    fn renewals_without_an_end_are_an_error_and_a_few_are_none() {
        let home = tempfile::tempdir().unwrap();
        let renew = |round: usize, values: usize, length: usize| {
            let value = |n: usize| format!("token{n}={round}-{n}-{}\n", "x".repeat(length));
            let text = (0..values).map(value).collect::<Vec<_>>().concat();
            fs::write(home.path().join("login"), text).unwrap();
        };
        for (values, length, rounds, is_good) in
            [(2, 200, 30, true), (1, 20, 50, true), (600, 20, 10, false), (60, 500, 60, false)]
        {
            let logins = Logins::new(vec![home.path().join("login")]);
            let redactor = Redactor::default();
            let looked = (0..rounds).try_for_each(|round| {
                renew(round, values, length);
                logins.teach(&redactor)
            });
            assert_eq!(looked.is_ok(), is_good, "{values} of {length}: {looked:?}");
        }
    }

    #[test]
    fn what_could_not_be_known_is_not_forgotten_with_its_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("login");
        fs::write(&file, vec![b'x'; usize::try_from(FILE_BYTES).unwrap() + 1]).unwrap();
        let (logins, redactor) = (Logins::new(vec![file.clone()]), Redactor::default());
        let problem = logins.teach(&redactor).unwrap_err();
        fs::remove_file(&file).unwrap();
        assert_eq!(logins.teach(&redactor), Err(problem));
    }
}
