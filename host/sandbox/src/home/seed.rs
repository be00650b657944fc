use crate::beneath::Directory;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Where git's configuration of a user is in their home.
pub const GIT_CONFIGURATION: &str = ".gitconfig";

/// Files that a private home begins with: settings of tools that hold no secret. A program may change its copies;
/// nothing of them comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeSeed {
    files: Vec<(PathBuf, String)>,
}

impl HomeSeed {
    /// Adds a file by its path in the home; a path that leads out of it is left out.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl Into<String>) -> Self {
        let path = path.into();
        if path.components().all(|part| matches!(part, Component::Normal(_))) {
            self.files.push((path, content.into()));
        }
        self
    }

    /// Writes the files into a home, those apart that are there. Nothing is written through a link.
    ///
    /// # Errors
    ///
    /// When a directory of the home is a link or a file, or cannot be written.
    pub fn plant(&self, home: &Path) -> io::Result<()> {
        for (path, content) in &self.files {
            let mut directory = Directory::open_plain(home)?;
            for part in path.parent().into_iter().flat_map(Path::iter) {
                directory = directory.descend_or_create(Path::new(part))?;
            }
            let name = path.file_name().map_or(path.as_path(), Path::new);
            match directory.write_new(name, content.as_bytes(), 0o644) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                written => written?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_planted_once_and_never_through_links() {
        let (home, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let seed = HomeSeed::default().file(".npmrc", "a").file(".config/pip/pip.conf", "b");
        seed.plant(home.path()).unwrap();
        let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!((read(".npmrc"), read(".config/pip/pip.conf")), ("a".into(), "b".into()));
        fs::write(home.path().join(".npmrc"), "the program's").unwrap();
        seed.plant(home.path()).unwrap();
        assert_eq!(read(".npmrc"), "the program's");

        symlink(outside.path(), home.path().join("away")).unwrap();
        assert!(HomeSeed::default().file("away/x", "").plant(home.path()).is_err());
        assert_eq!(HomeSeed::default().file("../x", "").file("/x", ""), HomeSeed::default());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
