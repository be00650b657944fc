use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

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

    pub(super) fn parent(&self) -> impl Iterator<Item = Component<'_>> {
        self.0.parent().into_iter().flat_map(Path::components)
    }

    pub(super) fn name(&self) -> &Path {
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

#[cfg(test)]
mod tests {
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
}
