//! Where a program is: an absolute path, checked once.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use crate::search::passed_over;

/// A path that starts at the root, so that what it names does not depend on anybody's working directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
pub struct AbsolutePath(PathBuf);

/// The path is relative, or holds a zero byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not an absolute path: write it from the root, as in /usr/bin/git", .0.display())]
pub struct NotAbsolute(PathBuf);

impl AbsolutePath {
    /// Checks a path. Whether anything is there is not asked.
    pub fn parse(path: impl Into<PathBuf>) -> Result<Self, NotAbsolute> {
        let path = path.into();
        if path.is_absolute() && !path.as_os_str().as_bytes().contains(&0) {
            Ok(Self(path))
        } else {
            Err(NotAbsolute(path))
        }
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<PathBuf> for AbsolutePath {
    type Error = NotAbsolute;

    fn try_from(path: PathBuf) -> Result<Self, NotAbsolute> {
        Self::parse(path)
    }
}

impl From<AbsolutePath> for PathBuf {
    fn from(path: AbsolutePath) -> Self {
        path.0
    }
}

impl AsRef<Path> for AbsolutePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// Looks a program up as a shell would: an absolute name stands for itself, a bare name is looked for in the
/// directories of `path` (the value of a `PATH` variable). Those in it that are relative, or that others can write to, are
/// passed over, see [`crate::SearchPath`], and so are files that others can write to. A name with a slash that is not absolute is not found.
pub fn find_program(name: &str, path: &OsStr) -> Option<AbsolutePath> {
    if Path::new(name).is_absolute() {
        return executable(PathBuf::from(name));
    }
    if name.is_empty() || name.contains('/') {
        return None;
    }
    std::env::split_paths(path)
        .filter_map(|directory| executable(directory.join(name)).map(|found| (directory, found)))
        .find_map(|(directory, found)| {
            let is_ours = passed_over(&directory).is_none()
                && crate::search::not_run(found.as_path()).is_none();
            is_ours.then_some(found)
        })
}

fn executable(path: PathBuf) -> Option<AbsolutePath> {
    let path = AbsolutePath::parse(path).ok()?;
    let usable = path.as_path().is_file() && access(path.as_path(), Access::EXEC_OK).is_ok();
    usable.then_some(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_paths_from_the_root_are_absolute() {
        assert!(AbsolutePath::parse("/bin/sh").is_ok());
        for bad in ["", "sh", "./sh", "../sh", "~/sh", "/bin/s\0h"] {
            assert!(AbsolutePath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<AbsolutePath>("\"bin/sh\"").is_err());
    }

    #[test]
    fn a_bare_name_is_found_in_the_first_directory_that_can_run_it() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (directory, mode) in [(&first, 0o644), (&second, 0o755)] {
            let file = directory.path().join("tool");
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(first.path().join("folder")).unwrap();
        let path =
            std::env::join_paths([Path::new("relative"), first.path(), second.path()]).unwrap();

        let found = find_program("tool", &path).unwrap();
        assert_eq!(found.as_path(), second.path().join("tool"));
        assert_eq!(find_program(&found.to_string(), OsStr::new("")), Some(found));
        for missing in ["absent", "folder", "", "./tool", "/no/such/tool"] {
            assert_eq!(find_program(missing, &path), None, "{missing}");
        }
    }
}
