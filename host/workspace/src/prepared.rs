//! What the set-up leaves of the base commit. It is run in a tree that the host writes from objects, before any executor
//! was there, and what it left is kept with the host's state. Clones and the trees of checks begin with a copy of it.
//!
//! Programs store paths, so what was kept is of use at one path only. Where programs have a view of files of their own,
//! that is `<work>/<session>/tree`: each clone and each tree of the session is found there by the programs that work in
//! it, with the home of the set-up beside it, and the set-up is run once for the session. Where they have none, a tree
//! is at the path that it has, and the set-up is run for the checks of each task, and in each clone.

use crate::{
    clone::{self, Source},
    confined::Directories,
    copy::{Bounds, copy_tree},
    error::{in_background, io},
    git::Git,
    include,
    layout::{TaskDir, copy_index, private_dir, way_dir},
    leftovers::Leftovers,
    object::ObjectId,
    remove::remove_tree,
    repository::Main,
    scratch::Scratch,
    settings::WorkspaceSettings,
    setup::{SetUp, Stage, Step},
    snapshot::Snapshot,
    state_file,
    user::Identity,
};
use cyrus_core::{WorkspaceError, WorkspaceSpec};
use cyrus_sandbox::HomeSeed;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Where a task's trees are made, and what of.
pub(crate) struct Site<'a> {
    pub(crate) git: &'a Git,
    pub(crate) main: &'a Main,
    pub(crate) spec: &'a WorkspaceSpec,
    pub(crate) base: &'a ObjectId,
    pub(crate) task: &'a TaskDir,
    pub(crate) settings: &'a WorkspaceSettings,
    pub(crate) identity: &'a Identity,
    /// Where programs find a tree, and their home beside it; `None` where their files are where they are.
    pub(crate) seen: Option<PathBuf>,
}

/// What is kept of a set-up.
pub(crate) struct Prepared {
    /// Holds the directories `tree` and `home`.
    pub(crate) place: PathBuf,
    pub(crate) set_up: SetUp,
    /// The ignored files of the user's that were copied before the set-up.
    pub(crate) included: Vec<Vec<u8>>,
}

/// The file with what git would take for a task's work.
const LEFT: &str = "left";

/// The file that says that all is kept, and how it went.
#[derive(Serialize, Deserialize)]
struct Ended {
    /// Of the set-up that was run.
    digest: String,
    set_up: SetUp,
    included: Vec<Vec<u8>>,
}

/// One after the other, the tasks that need the same set-up. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<HashMap<PathBuf, Turn>>>);

/// Whether this process has run the set-up that is kept there.
type Turn = Arc<tokio::sync::Mutex<bool>>;

/// The most places that are remembered: those that no task waits for are forgotten then.
const PLACES: usize = 1024;

impl Turns {
    async fn take(&self, place: &Path) -> tokio::sync::OwnedMutexGuard<bool> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= PLACES {
                all.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(all.entry(place.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}

/// Where programs find the trees of a task, when it is not where they are.
pub(crate) async fn seen(settings: &WorkspaceSettings, task: &TaskDir) -> Option<PathBuf> {
    settings.launcher.has_views().await.then(|| task.seen())
}

impl Site<'_> {
    /// The place of a tree of checks, and of the set-up of the base.
    pub(crate) fn place(&self) -> Directories {
        let check = self.task.check_dir();
        Directories::new(check.join("tree"), &check)
            .seen_in(self.seen.clone())
            .reading(self.main.object_directories())
    }

    /// What is kept of the set-up; `None` where there is none. It is run when it was not, when it is another one now, and
    /// once by each process when it failed: what was at fault may be mended.
    pub(crate) async fn prepared(&self) -> Result<Option<Prepared>, WorkspaceError> {
        let (place, stage) = (self.kept(), self.stage());
        let steps = stage.steps().await?;
        if steps.is_empty() {
            return Ok(None);
        }
        let digest = stage.digest(&steps);
        let mut ran_here = self.settings.turns.take(&place).await;
        let known = Prepared::read(&place, &digest);
        if let Some(known) = known.filter(|known| *ran_here || known.set_up.failure.is_none()) {
            return Ok(Some(known));
        }
        let prepared = self.prepare(place, digest, steps).await?;
        *ran_here = true;
        Ok(Some(prepared))
    }

    /// Where it is kept.
    pub(crate) fn kept(&self) -> PathBuf {
        match &self.seen {
            Some(_) => self.task.prepared_for_all(self.base.as_str()),
            None => self.task.prepared(),
        }
    }

    /// Makes the directories of a check, with nothing in them.
    pub(crate) async fn clear(&self) -> Result<(), WorkspaceError> {
        self.task.create()?;
        self.remove().await?;
        let Directories { root, home, tmp, .. } = self.place();
        way_dir(&self.task.check_dir())?;
        [root, home, tmp].iter().try_for_each(|path| private_dir(path))
    }

    /// Has git in the home know who the user is, as it does at the user's: tests make repositories, and commit in them.
    pub(crate) fn introduce(&self) -> Result<(), WorkspaceError> {
        let Some(configuration) = clone::configuration(self.identity) else { return Ok(()) };
        let home = self.place().home;
        let seed = HomeSeed::default().file(cyrus_sandbox::GIT_CONFIGURATION, configuration);
        seed.plant(&home).map_err(io("cannot write in", &home))
    }

    /// Removes the tree of the last check.
    pub(crate) async fn remove(&self) -> Result<(), WorkspaceError> {
        let task = self.task.clone();
        in_background("remove the tree of a check", move || task.remove_check()).await
    }

    /// Writes the files of a commit, over those of another that may be there. Gives the user's files that were copied.
    pub(crate) async fn write(
        &self,
        commit: &ObjectId,
        over: Option<&ObjectId>,
    ) -> Result<Vec<Vec<u8>>, WorkspaceError> {
        let Self { git, main, spec, base, identity, .. } = self;
        let repository = &spec.base.repository;
        let source = Source { main, repository, identity, base, commit };
        let Directories { root, .. } = self.place();
        clone::check_out(git, &source, &root, over).await?;
        if over.is_some() {
            return Ok(Vec::new());
        }
        let scratch = self.task.scratch("scratch-")?;
        include::copy(git, &source, &root, scratch.path()).await
    }

    /// Copies the user's ignored files beside those of a commit.
    pub(crate) async fn include(&self, commit: &ObjectId) -> Result<(), WorkspaceError> {
        let Self { git, main, spec, base, identity, .. } = self;
        let source = Source { main, repository: &spec.base.repository, identity, base, commit };
        let scratch = self.task.scratch("scratch-")?;
        include::copy(git, &source, &self.place().root, scratch.path()).await.map(drop)
    }

    fn stage(&self) -> Stage<'_> {
        let Self { git, settings, main, spec, base, .. } = self;
        Stage { git, settings, main, spec, base, place: self.place() }
    }

    /// What the set-up left that git would take for a task's work. The index is that of what was checked out.
    async fn leftovers(&self, index: &Path) -> Result<Leftovers, WorkspaceError> {
        let Self { git, main, base, task, settings, .. } = self;
        let scratch = Scratch::new(git, main, task, settings.results).await?;
        let files = self.place().root;
        let snapshot = Snapshot {
            scratch: &scratch,
            files: &files,
            head: base,
            base,
            checked_out: index,
            lfs_store: None,
        };
        Leftovers::record(&files, snapshot.listing().await?).await
    }

    /// Runs the set-up and keeps what it leaves.
    async fn prepare(
        &self,
        kept: PathBuf,
        digest: String,
        steps: Vec<Step>,
    ) -> Result<Prepared, WorkspaceError> {
        self.clear().await?;
        self.introduce()?;
        let included = self.write(self.base, None).await?;
        let under_way = self.task.scratch("prepared-")?;
        let (new, check) = (under_way.path().join("new"), self.task.check_dir());
        // Before any program could change it.
        let index = under_way.path().join("index");
        copy_index(&self.place().root.join(".git/index"), &index)?;
        let set_up = self.stage().set_up(steps).await?;
        let left = match self.seen {
            Some(_) => self.leftovers(&index).await?,
            // No clone begins with it.
            None => Leftovers::default(),
        };
        let ended = Ended { digest, set_up, included };
        in_background("keep what the set-up left", move || {
            private_dir(&new)?;
            for part in ["tree", "home"] {
                put_away(&check.join(part), &new.join(part))?;
            }
            // A program could write it.
            remove_tree(&new.join("tree/.git"))?;
            let (marker, text) =
                (new.join("ended"), serde_json::to_vec(&ended).unwrap_or_default());
            fs::write(&marker, text).map_err(io("cannot write", &marker))?;
            state_file::write(&left, &new.join(LEFT))?;
            kept.parent().map_or(Ok(()), private_dir)?;
            remove_tree(&kept)?;
            fs::rename(&new, &kept).map_err(io("cannot make", &kept))?;
            let Ended { set_up, included, .. } = ended;
            Ok(Prepared { place: kept, set_up, included })
        })
        .await
    }
}

impl Prepared {
    /// What is kept here of the set-up with this digest, when all of it is.
    fn read(place: &Path, wanted: &str) -> Option<Self> {
        let text = fs::read(place.join("ended")).ok()?;
        let Ended { digest, set_up, included } = serde_json::from_slice(&text).ok()?;
        (digest == wanted).then(|| Self { place: place.to_owned(), set_up, included })
    }

    /// What the set-up left that git would take for a task's work.
    pub(crate) fn left(&self) -> Result<Leftovers, WorkspaceError> {
        state_file::read(&self.place.join(LEFT))
    }

    /// Copies the files that the set-up left, tracked ones among them, into an empty directory.
    pub(crate) async fn lay(&self, part: &'static str, to: &Path) -> Result<(), WorkspaceError> {
        let (from, to) = (self.place.join(part), to.to_owned());
        let copy = move || copy_tree(&from, &to, Bounds::default());
        in_background("copy what the set-up left", copy).await
    }
}

/// Moves a directory, also to another file system.
pub(crate) fn put_away(from: &Path, to: &Path) -> Result<(), WorkspaceError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            private_dir(to)?;
            copy_tree(from, to, Bounds::default())?;
            remove_tree(from)
        }
        moved => moved.map_err(io("cannot move", from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_that_need_the_same_wait_for_each_other() {
        let turns = Turns::default();
        let (one, other) = (Path::new("/one"), Path::new("/other"));
        let first = turns.take(one).await;
        let _another = turns.clone().take(other).await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { drop(turns.take(one).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(turns.take(other));
    }
}
