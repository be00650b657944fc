//! Where a task's files are:
//!
//! ```text
//! <sessions>/<session>/<task>/          0700
//!     workspace/                        the executor's clone
//!     home/                             the home of the programs it launches
//!     check-home/                       the home of the checks
//!     index                             what was checked out, so that collecting need not read every file
//!     scratch-…/  workspace-…/          under way, or left by a crash
//! ```

use crate::error::io;
use cyrus_core::{SessionId, WorkspaceError};
use cyrus_executor::TaskId;
use std::{
    fs::{self, DirBuilder, Permissions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The directory of a task. Session and task ids are safe as names by their types.
#[derive(Clone, Debug)]
pub(crate) struct TaskDir(PathBuf);

impl TaskDir {
    pub(crate) fn new(sessions: &Path, session: &SessionId, task: &TaskId) -> Self {
        Self(sessions.join(session.as_str()).join(task.as_str()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.0.join("workspace")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.0.join("index")
    }

    /// Makes the directories that are there from the beginning.
    pub(crate) fn create(&self) -> Result<(), WorkspaceError> {
        private_dir(&self.0)?;
        private_dir(&self.home())
    }

    /// A directory for something under way, removed when the value is dropped.
    pub(crate) fn temporary(&self, prefix: &str) -> Result<tempfile::TempDir, WorkspaceError> {
        tempfile::Builder::new()
            .prefix(prefix)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&self.0)
            .map_err(io("cannot make a directory in", &self.0))
    }

    /// Removes everything, and the session's directory when this was its last task.
    pub(crate) fn remove(&self) -> Result<(), WorkspaceError> {
        remove_tree(&self.0)?;
        if let Some(session) = self.0.parent() {
            // Not empty: other tasks are there. Gone: their end was at the same time.
            let _ = fs::remove_dir(session);
        }
        Ok(())
    }
}

/// Makes a directory, and those above it, that only the user can look into.
pub(crate) fn private_dir(path: &Path) -> Result<(), WorkspaceError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
        .map_err(io("cannot make", path))
}

/// Copies an index and keeps its time, by which git tells whether a file may have changed since in the same instant.
pub(crate) fn copy_index(from: &Path, to: &Path) -> Result<(), WorkspaceError> {
    let copied = fs::copy(from, to)
        .and_then(|_| from.metadata()?.modified())
        .and_then(|time| fs::File::options().write(true).open(to)?.set_modified(time));
    copied.map_err(io("cannot write", to))
}

/// Removes a file or a directory with all that is in it; links are removed, never followed. Directories without
/// write permission, such as Go's module cache, are no obstacle.
pub(crate) fn remove_tree(path: &Path) -> Result<(), WorkspaceError> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("cannot look at", path)(error)),
    };
    if !metadata.is_dir() {
        return fs::remove_file(path).map_err(io("cannot remove", path));
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            make_writable(path);
            fs::remove_dir_all(path).map_err(io("cannot remove", path))
        }
        result => result.map_err(io("cannot remove", path)),
    }
}

/// Gives the user write permission on the directories of a tree. What that does not help with, the removal that
/// follows reports.
fn make_writable(directory: &Path) {
    let _ = fs::set_permissions(directory, Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // Of the entry itself, so that links are not followed.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_user_can_look_into_a_task() {
        let home = tempfile::tempdir().unwrap();
        let task = TaskDir::new(home.path(), &"s-one".parse().unwrap(), &"t1".parse().unwrap());
        task.create().unwrap();
        fs::set_permissions(task.home(), Permissions::from_mode(0o755)).unwrap();
        task.create().unwrap();
        assert_eq!((mode(task.path()), mode(&task.home())), (0o700, 0o700));
        assert_eq!(mode(task.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn removal_does_not_follow_links_and_minds_no_permissions() {
        let place = tempfile::tempdir().unwrap();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("keep"), "").unwrap();
        let tree = place.path().join("tree");
        fs::create_dir_all(tree.join("sealed/deep")).unwrap();
        fs::write(tree.join("sealed/deep/file"), "").unwrap();
        symlink(&outside, tree.join("sealed/link")).unwrap();
        for sealed in ["sealed/deep", "sealed"] {
            fs::set_permissions(tree.join(sealed), Permissions::from_mode(0o500)).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && outside.join("keep").exists());

        let link = place.path().join("link");
        symlink(&outside, &link).unwrap();
        remove_tree(&link).unwrap();
        assert!(link.symlink_metadata().is_err() && outside.join("keep").exists());
        remove_tree(&link).unwrap();
    }
}
