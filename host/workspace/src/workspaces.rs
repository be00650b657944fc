use crate::{
    base::{self, is_branch_name},
    clone::{self, Existing},
    commit::NewCommit,
    confined::{Directories, TREE},
    elsewhere::Elsewhere,
    error::{in_background, io},
    former,
    git::Git,
    history, include,
    layout::{Roots, TaskDir},
    leftovers::Leftovers,
    object::ObjectId,
    place::Place,
    prepared::{self, Prepared, Site},
    refs,
    repository::Main,
    scratch::Scratch,
    settings::WorkspaceSettings,
    setup::{self, Script, Stage},
    snapshot::{Snapshot, Taken},
    special,
    start::Start,
    state_file, uncommitted, undone, unseen,
    user::{GitConfiguration, Identity},
};
use async_trait::async_trait;
use cyrus_core::{
    Base, Collected, PreparedWorkspace, SessionId, WorkspaceError, WorkspaceSpec, Workspaces,
};
use cyrus_executor::{BranchSource, RemoteBranch, WorkProduct, Workspace};
use cyrus_sandbox::{AbsolutePath, HomePlace};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How often something is done at which git fails.
const TRIES: u32 = 3;

/// The port [`Workspaces`] with git. See the crate's documentation for how, and for what it withstands.
#[derive(Clone)]
pub struct GitWorkspaces {
    roots: Roots,
    git: Git,
    settings: WorkspaceSettings,
}

impl GitWorkspaces {
    /// Where the homes of the programs are that were launched for a session, and what is recorded of them.
    pub fn homes(&self, session: &SessionId) -> Result<Vec<HomePlace>, WorkspaceError> {
        let clones = TaskDir::of_session(&self.roots, session)?;
        let dirs = clones
            .into_iter()
            .map(|(task, token)| TaskDir::new(&self.roots, session, &task, token));
        let place = |dir: TaskDir| {
            let parsed = (AbsolutePath::parse(dir.home()), AbsolutePath::parse(dir.home_record()));
            let (Ok(directory), Ok(record)) = parsed else { return None };
            Some(HomePlace { directory, record })
        };
        Ok(dirs.filter_map(place).collect())
    }

    /// Keeps clones, and what it knows of them, below these roots. Several processes may share them.
    pub fn new(roots: Roots, git: Git, settings: WorkspaceSettings) -> Self {
        Self { roots, git, settings }
    }

    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The results of a session that are kept in its repository, each with its ref and its commit.
    pub async fn kept(
        &self,
        base: &Base,
        session: &SessionId,
    ) -> Result<Vec<(String, String)>, WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        let all = main.refs(&refs::session(session)).await?;
        Ok(all.into_iter().map(|(name, commit)| (name, commit.as_str().to_owned())).collect())
    }

    /// Removes the refs of a session, with the results that they keep.
    pub async fn forget(&self, base: &Base, session: &SessionId) -> Result<(), WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        let all = main.refs(&refs::session(session)).await?;
        main.remove_refs(&all).await
    }

    /// Looks at a repository as [`Workspaces::base`] does, with work from this start.
    pub async fn base_at(
        &self,
        path: &Path,
        start: Start<'_>,
        work_branch: &str,
    ) -> Result<Base, WorkspaceError> {
        base::find(&self.git, path, start, work_branch).await
    }

    /// Whether the repository is where it was, and git opens it.
    pub async fn is_there(&self, base: &Base) -> Result<(), WorkspaceError> {
        Main::open(&self.git, &base.path).await.map(drop)
    }

    /// What is worth a warning of the git configuration that the user has there.
    pub async fn git_configuration(&self, base: &Base) -> Result<GitConfiguration, WorkspaceError> {
        let user = self.git.user_in(&base.path).await?;
        let identity = user.identity();
        let Identity { name, email, .. } = &identity;
        Ok(GitConfiguration {
            default_author: (identity == Identity::default()).then(|| format!("{name} <{email}>")),
            lacks: user.lacks(),
            unreadable: user.unreadable.clone(),
        })
    }

    /// Whether results can be pushed, as far as the repository's configuration says; nothing is connected to.
    pub async fn can_push(&self, base: &Base) -> Result<(), WorkspaceError> {
        base::can_push(&self.git, &base.path).await
    }

    /// The scripts that clones which start from this base are set up and torn down with.
    pub async fn scripts(&self, base: &Base) -> Result<Vec<Script>, WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        setup::scripts(&self.git, &self.settings, &main, &base_commit(base)?).await
    }

    /// The sessions that have clones in a directory as clones were laid out up to 0.1, `$CYRUS_HOME/sessions`.
    pub fn former(&self, former: &Path) -> Result<Vec<SessionId>, WorkspaceError> {
        former::sessions(former)
    }

    /// Moves a session's clones from there to where clones are now.
    pub fn take_over(&self, former: &Path, session: &SessionId) -> Result<(), WorkspaceError> {
        former::take_over(former, &self.roots, session)
    }

    /// Removes what is left of a session that nobody knows any more, as [`Workspaces::clear`] does: each clone says
    /// itself which repository it is of. One whose repository is gone too only goes.
    pub async fn sweep(&self, session: &SessionId) -> Result<(), WorkspaceError> {
        let clones = TaskDir::of_session(&self.roots, session)?;
        let dirs =
            clones.iter().map(|(task, token)| TaskDir::new(&self.roots, session, task, *token));
        let base = dirs.filter_map(|dir| fs::read(dir.about()).ok());
        let mut base = base.filter_map(|text| serde_json::from_slice::<WorkspaceSpec>(&text).ok());
        if let Some(spec) = base.find(|spec| spec.session == *session)
            && let Err(error) = self.clear(&spec.base, session).await
        {
            tracing::warn!(%session, %error, "what is left of it in its repository stays");
        }
        self.remove_session(session).await
    }

    /// Resumes the removal of files that a process which has ended was removing.
    pub fn take_out(&self) -> Result<(), WorkspaceError> {
        self.roots.take_out()
    }

    /// Removes the files of interrupted trials of checks. A trial is no session that the store `knows`.
    pub fn remove_trials(&self, knows: impl Fn(&SessionId) -> bool) -> Result<(), WorkspaceError> {
        self.roots.remove_trials(knows)
    }

    fn task(&self, spec: &WorkspaceSpec) -> TaskDir {
        TaskDir::of(&self.roots, spec)
    }

    async fn remove_session(&self, session: &SessionId) -> Result<(), WorkspaceError> {
        let (roots, session) = (self.roots.clone(), session.clone());
        in_background("remove the session's files", move || roots.remove_session(&session)).await
    }

    async fn opened(&self, spec: &WorkspaceSpec) -> Result<Opened, WorkspaceError> {
        let path = &spec.base.path;
        let base = base_commit(&spec.base)?;
        let start = commit(&spec.start)?;
        let main = Main::open(&self.git, path).await?;
        let user = self.git.user_in(path).await?;
        let task = self.task(spec);
        Ok(Opened {
            seen: self.seen(&task).await,
            task,
            base,
            start,
            main,
            identity: user.identity(),
            connection: user.connection().collect(),
            kept: refs::kept(&spec.session, &spec.task),
        })
    }

    /// Where the programs of a task find its clone, when it is not where it is.
    async fn seen(&self, task: &TaskDir) -> Option<PathBuf> {
        let seen = prepared::seen(&self.settings, task).await;
        seen.filter(|_| self.settings.executors_have_views)
    }

    /// What the set-up leaves of the base, where a clone can begin with that.
    async fn prepared(
        &self,
        opened: &Opened,
        spec: &WorkspaceSpec,
    ) -> Result<Option<Prepared>, WorkspaceError> {
        let Opened { task, base, main, identity, seen, .. } = opened;
        if seen.is_none() {
            return Ok(None);
        }
        let (git, settings, seen) = (&self.git, &self.settings, seen.clone());
        Site { git, main, spec, base, task, settings, identity, seen }.prepared().await
    }

    /// Makes the clone with this commit in it.
    async fn put(
        &self,
        opened: &Opened,
        spec: &WorkspaceSpec,
        commit: &ObjectId,
        existing: Existing,
    ) -> Result<(), WorkspaceError> {
        let Opened { task, base, main, identity, .. } = opened;
        let repository = &spec.base.repository;
        let source = clone::Source { main, repository, identity, base, commit };
        // What another task has done may ask for another set-up.
        let prepared = if commit == base { self.prepared(opened, spec).await? } else { None };
        clone::put(&self.git, task, &source, existing, prepared.as_ref()).await
    }

    /// Runs the set-up of a clone of this commit, unless it was run there before, or the clone began with what it left
    /// of the base.
    async fn set_up(
        &self,
        opened: &Opened,
        spec: &WorkspaceSpec,
        commit: &ObjectId,
    ) -> Result<(), WorkspaceError> {
        let Opened { task, .. } = opened;
        let marker = task.set_up();
        if marker.exists() {
            return Ok(());
        }
        let laid = if task.laid().exists() { self.prepared(opened, spec).await? } else { None };
        let ended = if let Some(prepared) = laid {
            state_file::write(&prepared.left()?, &task.left())?;
            prepared.set_up
        } else {
            let stage = self.stage(opened, spec);
            let ended = stage.set_up(stage.steps().await?).await?;
            if !ended.said.is_empty() {
                self.record_leftovers(opened, commit).await?;
            }
            ended
        };
        fs::write(&marker, ended.said).map_err(io("cannot write", &marker))
    }

    /// The set-up and the tear-down of a clone.
    fn stage<'a>(&'a self, opened: &'a Opened, spec: &'a WorkspaceSpec) -> Stage<'a> {
        let Opened { task, base, main, seen, .. } = opened;
        let place = Directories::new(task.workspace(), &task.setup_dir()).seen_in(seen.clone());
        Stage { git: &self.git, settings: &self.settings, main, spec, base, place }
    }

    /// Notes what the set-up left in the clone that git would take for the task's work.
    async fn record_leftovers(
        &self,
        opened: &Opened,
        commit: &ObjectId,
    ) -> Result<(), WorkspaceError> {
        let Opened { task, base, main, .. } = opened;
        let (scratch, files) =
            (Scratch::new(&self.git, main, task, self.settings.results).await?, task.workspace());
        let snapshot = Snapshot {
            scratch: &scratch,
            files: &files,
            head: commit,
            base,
            checked_out: &task.index(),
            lfs_store: None,
        };
        let left = Leftovers::record(&files, snapshot.listing().await?).await?;
        state_file::write(&left, &task.left())
    }

    /// The executor's commits, and one more with what it left uncommitted.
    ///
    /// When its `HEAD` does not come from where it started (it was reset, amended or is not to be read), the state
    /// of its files becomes one commit on that. When there is nothing in either, and one branch of the clone has
    /// commits on what it started from, these are the result.
    async fn take_workspace(
        &self,
        opened: &Opened,
        spec: &WorkspaceSpec,
        message: &str,
    ) -> Result<(ObjectId, Vec<String>), WorkspaceError> {
        let Opened { task, base, start, main, identity, kept, .. } = opened;
        let tree = task.workspace();
        let special = special::take_away(&tree).await?;
        let scratch = Scratch::new(&self.git, main, task, self.settings.results).await?;
        let seen = opened.seen.as_ref().map(|seen| seen.join(TREE));
        let scratch = scratch.of_clone(&tree, seen.clone());
        let own = scratch.absorb(&tree, start).await?.unwrap_or_else(|| start.clone());
        let continues = scratch.is_ancestor(start, &own).await?;
        let history::Taken { head, note } = if continues {
            history::taken(&scratch, start, &own, identity).await?
        } else {
            history::Taken { head: own.clone(), note: None }
        };
        let parent = if continues { &head } else { start };
        let left: Leftovers = state_file::read(&task.left())?;
        let included = include::read(&task.included())?;
        let lfs_store = self.git.lfs_is_installed().then(|| main.lfs_store());
        let snapshot = Snapshot {
            scratch: &scratch,
            files: &tree,
            head: &head,
            base,
            checked_out: &task.index(),
            lfs_store: lfs_store.as_deref(),
        };
        let Taken { tree: files, mut notes } = snapshot.take(left, &included).await?;
        notes.extend(special);
        notes.extend(note);
        let since = task.set_up();
        let unseen = unseen::find(&scratch, (main, base), &tree, since, &included).await?;
        state_file::write(&unseen.repositories, &task.nested())?;
        notes.extend(unseen.notes);
        let new = NewCommit { tree: &files, parents: &[parent], message, identity, date: None };
        let parents_files =
            if parent == start { main.tree(start).await? } else { scratch.tree_of(parent).await? };
        let mut commit = if parents_files == files {
            parent.clone()
        } else {
            // Collected before: the same result stays the same commit.
            match main.resolve(kept).await? {
                Some(before) if scratch.is_same(&before, &new).await? => before,
                _ => scratch.commit(&new).await?,
            }
        };
        let places = (tree.as_path(), seen.as_deref());
        let beside =
            uncommitted::commit(&scratch, places, (base, identity, message), &included).await?;
        let elsewhere = Elsewhere::find(
            &scratch,
            (main, &spec.session),
            &tree,
            (&[base, &head], &own),
            (start, &commit),
            beside,
        )
        .await?;
        let mut taken = commit.clone();
        if let Some((commits, note)) = elsewhere.result(start, &commit) {
            let history::Taken { head, note: anew } =
                history::taken(&scratch, start, &commits, identity).await?;
            // What would become one commit is of a branch whose files are not there: it is kept beside.
            if head != *start {
                notes.extend([note].into_iter().chain(anew));
                (commit, taken) = (head, commits);
            }
        }
        scratch.hand_over(&main.objects, start, &commit).await?;
        notes.extend(elsewhere.keep(&scratch, opened, spec, &taken, &included).await?);
        if !continues {
            notes.extend(undone::note(&scratch, main, (start, &own), &commit).await?);
        }
        Ok((commit, notes))
    }

    /// The branch that an executor pushed.
    async fn take_branch(
        &self,
        opened: &Opened,
        branch: &RemoteBranch,
    ) -> Result<ObjectId, WorkspaceError> {
        let Opened { task, main, start, .. } = opened;
        if !is_branch_name(&self.git, &branch.name).await? {
            let problem = format!("{:?} cannot be a branch's name", branch.name);
            return Err(WorkspaceError::Unacceptable(problem));
        }
        let place = match &branch.source {
            BranchSource::Origin => Place::origin(main.origin().await?)?,
            BranchSource::Granted(remote) => Place::granted(remote)?,
        };
        let scratch = Scratch::new(&self.git, main, task, self.settings.results).await?;
        let tip = scratch.fetch(&place, &branch.name, &opened.connection).await?;
        let commit = match &branch.commit {
            None => tip,
            Some(seen) => contained(&scratch, seen, &tip).await?.ok_or_else(|| {
                WorkspaceError::Unacceptable(format!(
                    "the executor's result is {seen}, but its branch {} is at {tip} and does not hold that",
                    branch.name
                ))
            })?,
        };
        scratch.admit(start, &commit).await?.ok_or_else(|| {
            WorkspaceError::Unacceptable(format!("{commit} is no commit of {}", branch.name))
        })?;
        scratch.hand_over(&main.objects, start, &commit).await?;
        Ok(commit)
    }

    /// Makes the clone, or finds it.
    async fn make(&self, spec: &WorkspaceSpec) -> Result<PreparedWorkspace, WorkspaceError> {
        let dir = self.task(spec);
        let seen = self.seen(&dir).await.map(|seen| seen.join(TREE));
        let identity = self.git.user_in(&spec.base.path).await?.identity();
        let prepared = |main: &Main| PreparedWorkspace {
            spec: spec.clone(),
            workspace: Workspace {
                root: dir.workspace(),
                seen: seen.clone(),
                home: dir.home(),
                home_record: dir.home_record(),
                borrowed: main.object_directories(),
                git_configuration: clone::configuration(&identity).unwrap_or_default(),
            },
        };
        dir.create()?;
        if dir.is_made() && dir.set_up().exists() {
            special::open(&dir.workspace()).await?;
            return Ok(prepared(&Main::open(&self.git, &spec.base.path).await?));
        }
        state_file::write(spec, &dir.about())?;
        let opened = self.opened(spec).await?;
        if !dir.is_made() {
            // One that was lost goes on from what was collected of it.
            let pin = refs::clone(spec);
            let held = opened.main.resolve(&pin).await?;
            let commit = held.as_ref().unwrap_or(&opened.start);
            // What the clone borrows must stay, whatever happens to the refs it is on.
            opened.main.keep(&pin, commit).await?;
            self.put(&opened, spec, commit, Existing::Keep).await?;
        }
        let held = opened.main.resolve(&refs::clone(spec)).await?;
        self.set_up(&opened, spec, held.as_ref().unwrap_or(&opened.start)).await?;
        Ok(prepared(&opened.main))
    }

    /// Brings a result in.
    async fn take(
        &self,
        workspace: &PreparedWorkspace,
        product: &WorkProduct,
        message: &str,
    ) -> Result<Collected, WorkspaceError> {
        let spec = &workspace.spec;
        let opened = self.opened(spec).await?;
        let (commit, notes) = match product {
            WorkProduct::Nothing => (opened.start.clone(), Vec::new()),
            WorkProduct::Workspace => self.take_workspace(&opened, spec, message).await?,
            WorkProduct::Branch(branch) => (self.take_branch(&opened, branch).await?, Vec::new()),
        };
        let Opened { main, start, kept, .. } = &opened;
        let since = main.since(start, &commit).await?;
        let diff = main.stat(&since, &commit).await?;
        main.keep(kept, &commit).await?;
        if let WorkProduct::Branch(_) = product {
            // Checked, and gone on with, where results of this machine are.
            self.put(&opened, spec, &commit, Existing::Replace).await?;
            self.set_up(&opened, spec, &commit).await?;
        }
        main.keep(&refs::clone(spec), &commit).await?;
        Ok(Collected { commit: commit.to_string(), kept: opened.kept, diff, notes })
    }

    /// What a clone leaves behind in its repository, and outside of it by its tear-down.
    async fn release(&self, spec: &WorkspaceSpec) -> Result<(), WorkspaceError> {
        let opened = self.opened(spec).await?;
        let Opened { task, main, .. } = &opened;
        if task.is_made()
            && let Err(error) = self.stage(&opened, spec).tear_down().await
        {
            tracing::warn!(session = %spec.session, task = %spec.task, %error, "not torn down");
        }
        let pin = refs::clone(spec);
        match main.resolve(&pin).await? {
            Some(commit) => main.remove_refs(&[(pin, commit)]).await,
            None => Ok(()),
        }
    }
}

/// What the steps of making a clone and bringing in its result share.
pub(crate) struct Opened {
    task: TaskDir,
    /// Where programs find the clone's directory, and their home beside it, when it is not where it is.
    seen: Option<PathBuf>,
    base: ObjectId,
    pub(crate) start: ObjectId,
    pub(crate) main: Main,
    identity: Identity,
    connection: Vec<(String, String)>,
    kept: String,
}

#[async_trait]
impl Workspaces for GitWorkspaces {
    async fn base(&self, path: &Path, work_branch: &str) -> Result<Base, WorkspaceError> {
        base::find(&self.git, path, Start::CheckedOut, work_branch).await
    }

    async fn prepare(&self, spec: &WorkspaceSpec) -> Result<PreparedWorkspace, WorkspaceError> {
        again(|| self.make(spec)).await
    }

    async fn collect(
        &self,
        workspace: &PreparedWorkspace,
        product: &WorkProduct,
        message: &str,
    ) -> Result<Collected, WorkspaceError> {
        again(|| self.take(workspace, product, message)).await
    }

    async fn discard(&self, workspace: &PreparedWorkspace) -> Result<(), WorkspaceError> {
        if let Err(error) = self.release(&workspace.spec).await {
            // The repository may be gone. A ref more in it does no harm.
            tracing::debug!(%error, "the ref of a discarded clone stays");
        }
        let task = self.task(&workspace.spec);
        in_background("remove the task's files", move || task.remove()).await
    }

    async fn clear(&self, base: &Base, session: &SessionId) -> Result<(), WorkspaceError> {
        for (task, token) in TaskDir::of_session(&self.roots, session)? {
            let start = base.repository.base_commit.clone();
            let spec =
                WorkspaceSpec { session: session.clone(), task, token, base: base.clone(), start };
            if let Err(error) = self.release(&spec).await {
                tracing::debug!(%error, "the ref of a discarded clone stays");
            }
        }
        self.remove_session(session).await?;
        let main = Main::open(&self.git, &base.path).await?;
        let all = main.refs(&refs::session(session)).await?;
        main.remove_refs(&unneeded(session, &all)).await.inspect_err(|error| {
            tracing::warn!(%session, %error, "its refs in the repository stay");
        })
    }

    async fn present(&self) -> Result<Vec<SessionId>, WorkspaceError> {
        self.roots.sessions()
    }
}

/// Does something with git again when git failed at it: it may have met the user, another session, or a clean-up of the
/// repository. All of it is done from the beginning. One that waited for a lock has waited long enough.
async fn again<T, F>(act: impl Fn() -> F) -> Result<T, WorkspaceError>
where
    F: Future<Output = Result<T, WorkspaceError>>,
{
    for _ in 1..TRIES {
        match act().await {
            Err(WorkspaceError::Git { command, output, .. })
                if !output.contains(".lock'") && !command.contains("fetch") =>
            {
                tracing::info!(%command, %output, "tried again");
            }
            ended => return ended,
        }
    }
    act().await
}

/// Of the refs of a session that is over, those that only it needed: all of them when its branch is where it put its
/// result. Else the results stay, for the user to look at, and only what work under way needed goes.
fn unneeded(session: &SessionId, all: &[(String, ObjectId)]) -> Vec<(String, ObjectId)> {
    let find = |name: &str| all.iter().find(|(at, _)| at == name).map(|(_, commit)| commit);
    let (result, published) = (find(&refs::result(session)), find(&refs::published(session)));
    let done = published.is_some() && result.is_none_or(|result| Some(result) == published);
    let above = refs::session(session);
    // What is not in the result is not on the branch either.
    let is_left =
        |name: &str| name.strip_prefix(&above).is_some_and(|rest| rest.starts_with(refs::LEFT));
    let passing = |name: &str| {
        let rest = name.strip_prefix(&above).unwrap_or_default();
        refs::PASSING.iter().any(|part| rest.starts_with(part))
    };
    all.iter().filter(|(name, _)| passing(name) || (done && !is_left(name))).cloned().collect()
}

/// The commit of this name, when `tip` is or comes from it.
async fn contained(
    scratch: &Scratch,
    name: &str,
    tip: &ObjectId,
) -> Result<Option<ObjectId>, WorkspaceError> {
    let Some(commit) = ObjectId::parse(name) else { return Ok(None) };
    let held = scratch.has_commit(&commit).await? && scratch.is_ancestor(&commit, tip).await?;
    Ok(held.then_some(commit))
}

/// A commit by its name in full.
pub(crate) fn commit(name: &str) -> Result<ObjectId, WorkspaceError> {
    ObjectId::parse(name)
        .ok_or_else(|| WorkspaceError::Unacceptable(format!("{name:?} is no commit in full")))
}

/// The commit that a session's work starts from.
pub(crate) fn base_commit(base: &Base) -> Result<ObjectId, WorkspaceError> {
    let commit = &base.repository.base_commit;
    ObjectId::parse(commit).ok_or_else(|| WorkspaceError::NotUsable {
        path: base.path.clone(),
        reason: format!("{commit:?} is no commit in full"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stay_unless_they_are_on_the_branch() {
        let session: SessionId = "s-one".parse().unwrap();
        let (a, b) = (commit(&"a".repeat(40)).unwrap(), commit(&"b".repeat(40)).unwrap());
        let left = |refs: &[(&str, &ObjectId)]| {
            let all =
                refs.iter().map(|(name, at)| (format!("refs/cyrus/s-one/{name}"), (*at).clone()));
            let gone = unneeded(&session, &all.clone().collect::<Vec<_>>());
            all.filter(|one| !gone.contains(one)).map(|(name, _)| name).collect::<Vec<_>>()
        };
        let work = [("t1", &a), ("_clone/t1/1", &a), ("_conflict/t2", &a), ("_merged/t1", &a)];
        let kept = ["refs/cyrus/s-one/t1", "refs/cyrus/s-one/_merged/t1"];
        assert_eq!(left(&work), kept);
        assert_eq!(left(&[&work[..], &[("_result", &a), ("_published", &a)]].concat()), [""; 0]);
        assert_eq!(left(&[&work[..], &[("_published", &a)]].concat()), [""; 0]);
        let moved = left(&[&work[..], &[("_result", &b), ("_published", &a)]].concat());
        assert_eq!(moved.len(), 4);
    }
}
