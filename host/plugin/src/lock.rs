//! The lock of a file that several processes change. No other user can hold it, and none is waited for without end.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long a lock is waited for: what is done under it takes milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is tried meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the lock. It is let go of when the result is dropped.
pub(crate) fn hold(path: &Path, patience: Duration) -> io::Result<File> {
    let file = open_private(path)?;
    let end = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                let holder = holder(&file)
                    .map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                let problem =
                    format!("{holder} holds the lock for longer than {} s", patience.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
}

/// Who can open a file can lock it: only this user can.
#[cfg(unix)]
fn open_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(path)?;
    // One that an older version made, or a mask left open.
    file.set_permissions(PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

#[cfg(not(unix))]
fn open_private(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// The process that holds a lock on this file, as Linux lists them.
#[cfg(target_os = "linux")]
fn holder(file: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = format!(":{}", file.metadata().ok()?.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let at = words.iter().position(|word| word.ends_with(&inode))?;
        words.get(at.checked_sub(1)?)?.parse().ok().filter(|_| !words.contains(&"->"))
    })
}

#[cfg(not(target_os = "linux"))]
fn holder(_: &File) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn a_lock_that_is_held_is_an_error_that_names_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let held = hold(&path, Duration::ZERO).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let problem = hold(&path, Duration::ZERO).unwrap_err();
        assert_eq!(problem.kind(), io::ErrorKind::TimedOut);
        let named = !cfg!(target_os = "linux")
            || problem.to_string().contains(&format!("process {} holds", std::process::id()));
        assert!(named, "{problem}");
        drop(held);
        hold(&path, Duration::ZERO).unwrap();
    }
}
