//! Where a task's files are. There are two places, and neither is in the other: what programs may write is below the
//! work root, and what only the host writes is below the state root. The host trusts nothing of the first.
//!
//! ```text
//! <work>/<session>/<task>/<token>/      0700
//!     workspace/                        the executor's clone
//!     home/ tmp/                        the home and the TMPDIR of the programs it launches
//!     setup/home/ setup/tmp/            those of the set-up and the tear-down of the clone
//!     check/tree/ check/home/ check/tmp/    those of one check; made afresh for each
//!     workspace-…/                      a clone under way, or left by a crash
//! <state>/<session>/<task>/<token>/     0700
//!     set-up                            that the set-up was run, and what it printed
//!     left                              what the set-up left in the clone that is no work of the task
//!     nested                            the repositories that the executor made inside of the clone
//!     about                             the specification that the clone was made by
//!     home/                             which files of the user's the programs were given, and what was in them
//!     prepared/                         what the set-up left of the base, where it is of use to this task only
//!     laid                              that the clone began with what the set-up left
//!     index                             what was checked out, so that collecting need not read every file
//!     scratch-…/                        under way, or left by a crash
//! <state>/<session>/.prepared/<base>/    what the set-up left of the base: tree/ home/ ended, see [`crate::prepared`]
//! <either>/.removed/                    what is being removed, see [`crate::trash`]
//! <state>/.git-sha1/                    an empty repository of the host's own, in which merges are worked out
//! ```

use crate::{
    error::io,
    trash::{self, Trash},
    trial::TRIAL,
};
use cyrus_core::{SessionId, WorkspaceError, WorkspaceSpec};
use cyrus_executor::TaskId;
use cyrus_sandbox::AbsolutePath;
use rustix::fs::{Mode, OFlags};
use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, Permissions},
    io::ErrorKind,
    os::fd::OwnedFd,
    os::unix::fs::{DirBuilderExt, MetadataExt as _, PermissionsExt},
    path::{Path, PathBuf},
};

/// How often a directory is made again that another process removed at that moment.
const TRIES: u32 = 16;

/// The two places on disk: see the module.
#[derive(Clone, Debug)]
pub struct Roots {
    state: AbsolutePath,
    work: AbsolutePath,
    trash: Trash,
}

impl Roots {
    /// What only the host writes is below `state` (`$CYRUS_HOME/state`), and what programs write below `work`. Both
    /// are made when they are not there. What is not needed any more goes to this trash.
    ///
    /// # Errors
    ///
    /// When one of them is the other, or is in the other: a program could then write what the host trusts.
    pub fn new(
        state: AbsolutePath,
        work: AbsolutePath,
        trash: Trash,
    ) -> Result<Self, WorkspaceError> {
        // Links on the way, such as a home on another disk, must not hide that one is in the other.
        let real = |path: &AbsolutePath| {
            let there = path.as_path().ancestors().find_map(|above| {
                let rest = path.as_path().strip_prefix(above).ok()?;
                Some(above.canonicalize().ok()?.join(rest))
            });
            there.unwrap_or_else(|| path.as_path().to_owned())
        };
        let (real_state, real_work) = (real(&state), real(&work));
        if real_state.starts_with(&real_work) || real_work.starts_with(&real_state) {
            return Err(WorkspaceError::NotUsable {
                path: work.as_path().to_owned(),
                reason: format!(
                    "programs write here, so it cannot be, hold or be in {}, where Cyrus keeps its state: choose another `workDir` in config.json",
                    state.as_path().display()
                ),
            });
        }
        owned(&work)?;
        Ok(Self { state, work, trash })
    }

    /// The place of what is the host's for all sessions, which is made when it is not there.
    pub(crate) fn state(&self) -> Result<&Path, WorkspaceError> {
        root_dir(self.state.as_path(), Mode::RWXU)?;
        Ok(self.state.as_path())
    }

    /// The sessions that have files in either place.
    pub(crate) fn sessions(&self) -> Result<Vec<SessionId>, WorkspaceError> {
        let mut found = BTreeSet::new();
        for root in [&self.state, &self.work] {
            found.extend(directories(root.as_path())?.iter().filter_map(|name| name.parse().ok()));
        }
        Ok(found.into_iter().collect())
    }

    /// Where everything of a session is.
    pub(crate) fn places(&self, session: &SessionId) -> [PathBuf; 2] {
        [&self.work, &self.state].map(|root| root.as_path().join(session.as_str()))
    }

    /// Removes everything of a session.
    pub(crate) fn remove_session(&self, session: &SessionId) -> Result<(), WorkspaceError> {
        [&self.work, &self.state].into_iter().try_for_each(|root| {
            self.trash.put(root.as_path(), &root.as_path().join(session.as_str()))
        })
    }

    /// Locks the state of a session until the descriptor is closed.
    ///
    /// # Errors
    ///
    /// When another process holds the lock, or the session has no state.
    pub(crate) fn held(&self, session: &SessionId) -> Result<OwnedFd, WorkspaceError> {
        let place = self.state.as_path().join(session.as_str());
        trash::locked(&place).map_err(io("cannot lock", &place))
    }

    /// Removes the files of trials of checks whose process has ended. The store `knows` sessions, which may have a task of
    /// that name, and no trials.
    pub(crate) fn remove_trials(
        &self,
        knows: impl Fn(&SessionId) -> bool,
    ) -> Result<(), WorkspaceError> {
        for session in self.sessions()?.into_iter().filter(|session| !knows(session)) {
            let [work, state] = self.places(&session);
            let of = |place: &Path| directories(place).unwrap_or_default();
            let tasks: BTreeSet<_> = of(&work).into_iter().chain(of(&state)).collect();
            let is_trial = tasks.len() == 1 && tasks.contains(TRIAL);
            // One that is only in the work root may be another home's.
            if is_trial && state.is_dir() && self.held(&session).is_ok() {
                self.remove_session(&session)?;
            }
        }
        Ok(())
    }

    /// Removes what processes that have ended were removing. The roots are closed to other users first.
    pub(crate) fn take_out(&self) -> Result<(), WorkspaceError> {
        for (root, mode) in [(&self.work, way()), (&self.state, Mode::RWXU)] {
            if root.as_path().is_dir() {
                root_dir(root.as_path(), mode)?;
                self.trash.take_over(root.as_path())?;
            }
        }
        Ok(())
    }
}

/// The directories of one clone of a task. Session and task ids are safe as names by their types.
#[derive(Clone, Debug)]
pub(crate) struct TaskDir {
    roots: [PathBuf; 2],
    state: PathBuf,
    work: PathBuf,
    trash: Trash,
}

impl TaskDir {
    pub(crate) fn new(roots: &Roots, session: &SessionId, task: &TaskId, token: u64) -> Self {
        let under = Path::new(session.as_str()).join(task.as_str()).join(token.to_string());
        let below = |root: &AbsolutePath| root.as_path().join(&under);
        let both = [&roots.state, &roots.work].map(|root| root.as_path().to_owned());
        let trash = roots.trash.clone();
        Self { roots: both, state: below(&roots.state), work: below(&roots.work), trash }
    }

    pub(crate) fn of(roots: &Roots, spec: &WorkspaceSpec) -> Self {
        Self::new(roots, &spec.session, &spec.task, spec.token)
    }

    /// Those there are of a session, each with its task and token.
    pub(crate) fn of_session(
        roots: &Roots,
        session: &SessionId,
    ) -> Result<Vec<(TaskId, u64)>, WorkspaceError> {
        let mut found = BTreeSet::new();
        for root in [&roots.state, &roots.work] {
            let above = root.as_path().join(session.as_str());
            for task in directories(&above)? {
                let tokens = directories(&above.join(&task))?;
                let Ok(task) = task.parse::<TaskId>() else { continue };
                let tokens = tokens.iter().filter_map(|token| token.parse().ok());
                found.extend(tokens.map(|token| (task.clone(), token)));
            }
        }
        Ok(found.into_iter().collect())
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.work.join("workspace")
    }

    /// Where programs have their homes, each grant of an executor its own.
    pub(crate) fn home(&self) -> PathBuf {
        self.work.join("home")
    }

    /// What the host knows of those homes.
    pub(crate) fn home_record(&self) -> PathBuf {
        self.state.join("home")
    }

    /// Where the set-up and the tear-down of the clone have their home and their temporary directory.
    pub(crate) fn setup_dir(&self) -> PathBuf {
        self.work.join("setup")
    }

    /// Where a check has its tree, its home and its temporary directory. Made afresh for each.
    pub(crate) fn check_dir(&self) -> PathBuf {
        self.work.join("check")
    }

    /// What the set-up left of the base, where it is of use to this task only: see [`crate::prepared`].
    pub(crate) fn prepared(&self) -> PathBuf {
        self.state.join("prepared")
    }

    /// The same for all tasks of the session.
    pub(crate) fn prepared_for_all(&self, base: &str) -> PathBuf {
        above(&self.state).join(".prepared").join(base)
    }

    /// Where programs with a view of files of their own find the tree of this task: the same place for each task of the
    /// session, and on the host there is nothing of theirs.
    pub(crate) fn seen(&self) -> PathBuf {
        above(&self.work).to_owned()
    }

    /// Says that the clone began with what the set-up left of the base.
    pub(crate) fn laid(&self) -> PathBuf {
        self.state.join("laid")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.state.join("index")
    }

    /// See [`crate::setup`].
    pub(crate) fn set_up(&self) -> PathBuf {
        self.state.join("set-up")
    }

    /// What the set-up left in the clone, see [`crate::leftovers`].
    pub(crate) fn left(&self) -> PathBuf {
        self.state.join("left")
    }

    /// The ignored files of the user's that were copied into the clone, see [`crate::include`].
    pub(crate) fn included(&self) -> PathBuf {
        self.state.join("included")
    }

    /// The repositories that the executor made inside of the clone, as found when its result was collected: git takes
    /// nothing of them into a result, and they go with the clone, so a result beside them goes back.
    pub(crate) fn nested(&self) -> PathBuf {
        self.state.join("nested")
    }

    /// Which clone this is: the [`WorkspaceSpec`] it was made by.
    pub(crate) fn about(&self) -> PathBuf {
        self.state.join("about")
    }

    /// Whether the clone is there.
    pub(crate) fn is_made(&self) -> bool {
        self.workspace().symlink_metadata().is_ok_and(|found| found.is_dir())
    }

    /// Makes the directories that are there from the beginning.
    pub(crate) fn create(&self) -> Result<(), WorkspaceError> {
        let make = || {
            let [state, work] = &self.roots;
            root_dir(state, Mode::RWXU)?;
            root_dir(work, way())?;
            let on_the_way = |directory: &Path| -> Vec<_> {
                directory.ancestors().take(3).map(Path::to_owned).collect()
            };
            on_the_way(&self.state)
                .iter()
                .rev()
                .try_for_each(|directory| private_dir(directory))?;
            on_the_way(&self.work).iter().rev().try_for_each(|directory| way_dir(directory))?;
            way_dir(&self.home())
        };
        // The directories of a session and a task go with the last clone in them, which may be now.
        let again = (1..TRIES).find_map(|_| make().ok());
        again.map_or_else(make, Ok)
    }

    /// A directory for something of the host's under way, removed when the value is dropped.
    pub(crate) fn scratch(&self, prefix: &str) -> Result<tempfile::TempDir, WorkspaceError> {
        temporary(&self.state, prefix)
    }

    /// The same on the file system of the workspace, which it can be moved to.
    pub(crate) fn under_way(&self, prefix: &str) -> Result<tempfile::TempDir, WorkspaceError> {
        temporary(&self.work, prefix)
    }

    /// Takes the tree of the last check away.
    pub(crate) fn remove_check(&self) -> Result<(), WorkspaceError> {
        let [_, work] = &self.roots;
        self.trash.put(work, &self.check_dir())
    }

    /// Removes everything, and the directories of the task and the session when this was the last in them.
    pub(crate) fn remove(&self) -> Result<(), WorkspaceError> {
        let [state, work] = &self.roots;
        for (root, directory) in [(work, &self.work), (state, &self.state)] {
            self.trash.put(root, directory)?;
            for above in directory.ancestors().skip(1).take(2) {
                // Not empty: others are there. Gone: their end was at the same time.
                let _ = fs::remove_dir(above);
            }
        }
        Ok(())
    }
}

/// The directory of a session, of one of a task's clone.
fn above(clone: &Path) -> &Path {
    clone.ancestors().nth(2).unwrap_or(clone)
}

fn temporary(place: &Path, prefix: &str) -> Result<tempfile::TempDir, WorkspaceError> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(place)
        .map_err(io("cannot make a directory in", place))
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

/// Makes a directory, and those above it, that only the user can look into. A link that a program put in its place is
/// an error, and nothing is done to what it leads to.
pub(crate) fn private_dir(path: &Path) -> Result<(), WorkspaceError> {
    make(path, OFlags::NOFOLLOW, Mode::RWXU)
}

/// The same for a directory on the way to what programs write: a program that root launches is another user, who has
/// to be able to pass. What it may look into and write lies below, and is given to it.
pub(crate) fn way_dir(path: &Path) -> Result<(), WorkspaceError> {
    make(path, OFlags::NOFOLLOW, way())
}

fn way() -> Mode {
    if rustix::process::geteuid().is_root() {
        Mode::RWXU | Mode::XGRP | Mode::XOTH
    } else {
        Mode::RWXU
    }
}

/// Checks that the work root belongs to this user, or does not exist yet: its owner can replace everything in it.
fn owned(work: &AbsolutePath) -> Result<(), WorkspaceError> {
    let Ok(found) = fs::metadata(work.as_path()) else { return Ok(()) };
    if found.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(WorkspaceError::NotUsable {
        path: work.as_path().to_owned(),
        reason: format!(
            "it belongs to another user (number {}), who could change what is in it: choose another `workDir` in config.json",
            found.uid()
        ),
    })
}

/// Makes one of the roots, which the operator may have put elsewhere by a link.
fn root_dir(path: &Path, mode: Mode) -> Result<(), WorkspaceError> {
    make(path, OFlags::empty(), mode)
}

fn make(path: &Path, how: OFlags, mode: Mode) -> Result<(), WorkspaceError> {
    let there = DirBuilder::new().recursive(true).mode(0o700).create(path);
    there.and_then(|()| seal(path, how, mode)).map_err(io("cannot make", path))
}

fn seal(path: &Path, how: OFlags, mode: Mode) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | how;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    Ok(rustix::fs::fchmod(&directory, mode)?)
}

/// Copies an index and keeps its time, by which git tells whether a file may have changed since in the same instant.
pub(crate) fn copy_index(from: &Path, to: &Path) -> Result<(), WorkspaceError> {
    let copied = fs::copy(from, to)
        .and_then(|_| from.metadata()?.modified())
        .and_then(|time| fs::File::options().write(true).open(to)?.set_modified(time));
    copied.map_err(io("cannot write", to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    fn roots(place: &Path) -> Roots {
        let root = |name: &str| AbsolutePath::parse(place.join(name)).unwrap();
        Roots::new(root("state"), root("work"), Trash::default()).unwrap()
    }

    #[test]
    fn what_programs_write_and_what_the_host_trusts_are_apart() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| AbsolutePath::parse(place.path().join(name)).unwrap();
        fs::create_dir(place.path().join("real")).unwrap();
        symlink(place.path().join("real"), place.path().join("link")).unwrap();
        for (state, work, is_good) in [
            ("home/state", "home-work", true),
            ("home/state", "home/work", true),
            ("home/state", "home/state-work", true),
            ("home/state", "home/state", false),
            ("home/state", "home/state/work", false),
            ("home/state", "home", false),
            ("real/state", "link/state/work", false),
            ("link/state", "real", false),
        ] {
            let roots = Roots::new(at(state), at(work), Trash::default());
            assert_eq!(roots.is_ok(), is_good, "{state} {work}");
        }
        let (session, task) = ("s-one".parse().unwrap(), "t1".parse().unwrap());
        let dir = TaskDir::new(&roots(place.path()), &session, &task, 7);
        let of_programs = [dir.workspace(), dir.home(), dir.setup_dir()];
        assert!(of_programs.iter().all(|path| path.starts_with(place.path().join("work"))));
        let of_host = [dir.index(), dir.set_up(), dir.about(), dir.home_record(), dir.prepared()];
        assert!(of_host.iter().all(|path| path.starts_with(place.path().join("state"))));
    }

    #[test]
    fn another_users_directory_is_no_place_for_what_programs_write() {
        let place = tempfile::tempdir().unwrap();
        let other = place.path().join("work");
        fs::create_dir(&other).unwrap();
        // Root gives it away; the root directory is root's.
        let given = rustix::fs::chown(&other, Some(rustix::fs::Uid::from_raw(12_345)), None);
        let other = if given.is_ok() { other } else { PathBuf::from("/") };
        let parsed = |path: PathBuf| AbsolutePath::parse(path).unwrap();
        let state = parsed(place.path().join("state"));
        let refused = owned(&parsed(other)).unwrap_err().to_string();
        assert!(refused.contains("belongs to another user"), "{refused}");
        assert!(owned(&state).is_ok(), "it is not there yet");
        if given.is_ok() {
            let work = parsed(place.path().join("work"));
            assert!(Roots::new(state, work, Trash::default()).is_err());
        }
    }

    #[test]
    fn only_trials_that_no_process_holds_and_no_store_knows_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let roots = roots(place.path());
        for (session, task) in
            [("s-left", TRIAL), ("s-held", TRIAL), ("s-known", TRIAL), ("s-other", "t1")]
        {
            let session = session.parse().unwrap();
            TaskDir::new(&roots, &session, &task.parse().unwrap(), 1).create().unwrap();
        }
        // Of another home, which has its state elsewhere.
        fs::create_dir_all(place.path().join("work/s-foreign/trial/1")).unwrap();
        let _held = roots.held(&"s-held".parse().unwrap()).unwrap();
        roots.remove_trials(|session| session.as_str() == "s-known").unwrap();
        let left: Vec<_> =
            roots.sessions().unwrap().iter().map(|id| id.as_str().to_owned()).collect();
        assert_eq!(left, ["s-foreign", "s-held", "s-known", "s-other"]);
    }

    #[test]
    fn only_the_user_can_look_into_a_task() {
        let place = tempfile::tempdir().unwrap();
        let (session, task) = ("s-one".parse().unwrap(), "t1".parse().unwrap());
        let task = TaskDir::new(&roots(place.path()), &session, &task, 7);
        task.create().unwrap();
        fs::set_permissions(task.home(), Permissions::from_mode(0o755)).unwrap();
        task.create().unwrap();
        for name in ["", "/s-one", "/s-one/t1", "/s-one/t1/7"] {
            // Others may pass to what root gave to a program.
            let pass = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
            for (root, wanted) in [("state", 0o700), ("work", pass)] {
                assert_eq!(mode(&place.path().join(format!("{root}{name}"))), wanted, "{name}");
            }
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_changes_nothing_elsewhere() {
        let place = tempfile::tempdir().unwrap();
        let (session, task) = ("s-one".parse().unwrap(), "t1".parse().unwrap());
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::set_permissions(&outside, Permissions::from_mode(0o755)).unwrap();
        let dir = TaskDir::new(&roots(place.path()), &session, &task, 7);
        dir.create().unwrap();
        fs::remove_dir(dir.home()).unwrap();
        symlink(&outside, dir.home()).unwrap();
        assert!(dir.create().is_err());
        assert_eq!(mode(&outside), 0o755);
        // The operator's own link is another matter.
        symlink(&outside, place.path().join("elsewhere")).unwrap();
        let root = |name: &str| AbsolutePath::parse(place.path().join(name)).unwrap();
        let roots = Roots::new(root("state"), root("elsewhere"), Trash::default()).unwrap();
        TaskDir::new(&roots, &session, &task, 7).create().unwrap();
        assert!(outside.join("s-one/t1/7/home").is_dir());
    }

    #[test]
    fn the_clones_of_a_session_are_found_and_the_last_takes_the_rest_with_it() {
        let place = tempfile::tempdir().unwrap();
        let (roots, session) = (roots(place.path()), "s-one".parse::<SessionId>().unwrap());
        let dirs: Vec<_> = [("t1", 7), ("t1", 12), ("t2", 3)]
            .map(|(task, token)| (task.parse::<TaskId>().unwrap(), token))
            .into();
        let of = |(task, token): &(TaskId, u64)| TaskDir::new(&roots, &session, task, *token);
        for dir in &dirs {
            of(dir).create().unwrap();
        }
        // Either half alone is a clone that is left.
        fs::remove_dir_all(place.path().join("work/s-one/t1/7")).unwrap();
        fs::remove_dir_all(place.path().join("state/s-one/t1/12")).unwrap();
        fs::create_dir(place.path().join("work/s-one/t2/.left")).unwrap();
        assert_eq!(TaskDir::of_session(&roots, &session).unwrap(), dirs);
        assert_eq!(roots.sessions().unwrap(), std::slice::from_ref(&session));
        fs::remove_dir(place.path().join("work/s-one/t2/.left")).unwrap();
        for dir in &dirs {
            of(dir).remove().unwrap();
        }
        assert!(!place.path().join("work/s-one").exists());
        assert!(!place.path().join("state/s-one").exists());
        assert_eq!(TaskDir::of_session(&roots, &session).unwrap(), []);
        assert_eq!(roots.sessions().unwrap(), []);
    }
}
