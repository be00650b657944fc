//! Where a task's files are:
//!
//! ```text
//! <sessions>/<session>/<task>/<token>/  0700
//!     workspace/                        the executor's clone
//!     home/                             the home of the programs it launches
//!     check-home/                       the home of the checks and of the set-up
//!     set-up                            that the set-up was run, and what it said
//!     base.mk                           the base commit's makefile, when a check needs that
//!     about                             which clone it is, for whoever finds it and does not know
//!     index                             what was checked out, so that collecting need not read every file
//!     scratch-…/  workspace-…/          under way, or left by a crash
//! <sessions>/.git-sha1/                 an empty repository of the host's own, in which merges are worked out
//! ```

use crate::error::io;
use cyrus_core::{SessionId, WorkspaceError, WorkspaceSpec};
use cyrus_executor::TaskId;
use std::{
    fs::{self, DirBuilder, Permissions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// How often a directory is made again that somebody else's tidying up took away at that moment.
const TRIES: u32 = 16;

/// The directory of one clone of a task. Session and task ids are safe as names by their types.
#[derive(Clone, Debug)]
pub(crate) struct TaskDir(PathBuf);

impl TaskDir {
    pub(crate) fn new(sessions: &Path, session: &SessionId, task: &TaskId, token: u64) -> Self {
        Self(sessions.join(session.as_str()).join(task.as_str()).join(token.to_string()))
    }

    pub(crate) fn of(sessions: &Path, spec: &WorkspaceSpec) -> Self {
        Self::new(sessions, &spec.session, &spec.task, spec.token)
    }

    /// The one that this workspace is in.
    pub(crate) fn around(workspace: &Path) -> Self {
        Self(workspace.parent().unwrap_or(workspace).to_owned())
    }

    /// Those there are of a session, each with its task and token.
    pub(crate) fn of_session(
        sessions: &Path,
        session: &SessionId,
    ) -> Result<Vec<(TaskId, u64)>, WorkspaceError> {
        let above = sessions.join(session.as_str());
        let mut found = Vec::new();
        for task in directories(&above)? {
            let tokens = directories(&above.join(&task))?;
            let Ok(task) = task.parse::<TaskId>() else { continue };
            let tokens = tokens.iter().filter_map(|token| token.parse().ok());
            found.extend(tokens.map(|token| (task.clone(), token)));
        }
        found.sort();
        Ok(found)
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

    pub(crate) fn check_home(&self) -> PathBuf {
        self.0.join("check-home")
    }

    /// See [`crate::setup`].
    pub(crate) fn set_up(&self) -> PathBuf {
        self.0.join("set-up")
    }

    /// Where a makefile of the base commit is put, for a check.
    pub(crate) fn makefile(&self) -> PathBuf {
        self.0.join("base.mk")
    }

    /// Which clone this is: the [`WorkspaceSpec`] it was made by.
    pub(crate) fn about(&self) -> PathBuf {
        self.0.join("about")
    }

    /// Whether the clone is there.
    pub(crate) fn is_made(&self) -> bool {
        self.workspace().symlink_metadata().is_ok_and(|found| found.is_dir())
    }

    /// Makes the directories that are there from the beginning.
    pub(crate) fn create(&self) -> Result<(), WorkspaceError> {
        let above: Vec<_> = self.0.ancestors().skip(1).take(3).collect();
        let make = || {
            above.iter().rev().try_for_each(|directory| private_dir(directory))?;
            private_dir(&self.0)?;
            private_dir(&self.home())
        };
        // The directories of a session and a task go with the last clone in them, which may be now.
        let again = (1..TRIES).find_map(|_| make().ok());
        again.map_or_else(make, Ok)
    }

    /// A directory for something under way, removed when the value is dropped.
    pub(crate) fn temporary(&self, prefix: &str) -> Result<tempfile::TempDir, WorkspaceError> {
        tempfile::Builder::new()
            .prefix(prefix)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&self.0)
            .map_err(io("cannot make a directory in", &self.0))
    }

    /// Removes everything, and the directories of the task and the session when this was the last in them.
    pub(crate) fn remove(&self) -> Result<(), WorkspaceError> {
        remove_tree(&self.0)?;
        for above in self.0.ancestors().skip(1).take(2) {
            // Not empty: others are there. Gone: their end was at the same time.
            let _ = fs::remove_dir(above);
        }
        Ok(())
    }
}

/// The names of the directories in a directory; none when it is not there. Links are not directories.
pub(crate) fn directories(path: &Path) -> Result<Vec<String>, WorkspaceError> {
    let entries = match fs::read_dir(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(io("cannot list", path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io("cannot list", path))?;
        // One that goes away meanwhile is none.
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
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
        let sessions = home.path().join("sessions");
        let (session, task) = ("s-one".parse().unwrap(), "t1".parse().unwrap());
        let task = TaskDir::new(&sessions, &session, &task, 7);
        task.create().unwrap();
        fs::set_permissions(task.home(), Permissions::from_mode(0o755)).unwrap();
        task.create().unwrap();
        assert_eq!((mode(&task.0), mode(&task.home())), (0o700, 0o700));
        assert_eq!(mode(task.0.parent().unwrap()), 0o700);
        assert_eq!(mode(&sessions.join("s-one")), 0o700);
        assert_eq!(mode(&sessions), 0o700);
    }

    #[test]
    fn the_clones_of_a_session_are_found_and_the_last_takes_the_rest_with_it() {
        let home = tempfile::tempdir().unwrap();
        let session: SessionId = "s-one".parse().unwrap();
        let dirs: Vec<_> = [("t1", 7), ("t1", 12), ("t2", 3)]
            .map(|(task, token)| (task.parse::<TaskId>().unwrap(), token))
            .into();
        let of = |(task, token): &(TaskId, u64)| TaskDir::new(home.path(), &session, task, *token);
        for dir in &dirs {
            of(dir).create().unwrap();
        }
        fs::create_dir(home.path().join("s-one/t2/.left")).unwrap();
        assert_eq!(TaskDir::of_session(home.path(), &session).unwrap(), dirs);
        fs::remove_dir(home.path().join("s-one/t2/.left")).unwrap();
        for dir in &dirs {
            of(dir).remove().unwrap();
        }
        assert!(!home.path().join("s-one").exists());
        assert_eq!(TaskDir::of_session(home.path(), &session).unwrap(), []);
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
