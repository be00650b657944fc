//! The directories that Cyrus writes in.

use super::{Finding, State};
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::{
    fs,
    io::{Error, ErrorKind},
    path::Path,
};

/// Whether Cyrus can keep its state.
pub(super) fn home(home: &Path) -> Finding {
    const WHAT: &str = "home";
    match fs::create_dir_all(home).and_then(|()| try_to_write(home)) {
        Ok(()) => Finding::good(WHAT, format!("{} can be written", home.display())),
        Err(error) => Finding::new(
            WHAT,
            State::Missing,
            format!("{}: {error}", home.display()),
            "make the directory writable, or choose another with --cyrus-home",
        ),
    }
}

/// Whether programs can work where clones are made. The directory is made by the first session.
pub(super) fn work(directory: &Path) -> Finding {
    const WHAT: &str = "clones";
    let Some(there) = directory.ancestors().find(|above| above.exists()) else {
        return Finding::good(WHAT, format!("in {}", directory.display()));
    };
    match try_to_write(there) {
        Err(error) => Finding::new(
            WHAT,
            State::Missing,
            format!("{}: {error}", there.display()),
            "make the directory writable, or choose another with `workDir`",
        ),
        Ok(()) if keeps_from_starting(there) => Finding::new(
            WHAT,
            State::Less,
            format!(
                "{} is on a file system that is mounted `noexec`: no program and no script of a clone can be started, \
                 so most checks fail",
                there.display()
            ),
            "choose a directory elsewhere with `workDir`, or mount the file system without `noexec`",
        ),
        Ok(()) => Finding::good(WHAT, format!("in {}", directory.display())),
    }
}

/// Makes a file in a directory, and removes it.
fn try_to_write(directory: &Path) -> Result<(), Error> {
    if !directory.is_dir() {
        return Err(Error::from(ErrorKind::NotADirectory));
    }
    let probe = directory.join(format!(".doctor-{}", std::process::id()));
    fs::write(&probe, "").and_then(|()| fs::remove_file(&probe))
}

/// Whether the file system of a directory is mounted so that no program of it can be started.
fn keeps_from_starting(directory: &Path) -> bool {
    statvfs(directory).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_for_clones_is_one_where_programs_start() {
        let place = tempfile::tempdir().unwrap();
        assert!(work(&place.path().join("not/made/yet")).is_good());
        assert!(!place.path().join("not").exists(), "a look makes nothing");
        fs::write(place.path().join("file"), "").unwrap();
        let in_the_way = work(&place.path().join("file"));
        assert!(in_the_way.state == State::Missing, "{in_the_way:?}");
        // Where the kernel's own is mounted as it is nearly everywhere.
        if keeps_from_starting(Path::new("/proc")) {
            assert!(!keeps_from_starting(place.path()));
        }
    }
}
