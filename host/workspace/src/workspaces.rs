use crate::{
    clone,
    diff::numstat,
    error::{in_background, unreadable},
    git::Git,
    layout::{TaskDir, private_dir},
    object::ObjectId,
    remote::{Transport, local_path, without_credentials},
    repository::{self, Main, is_branch_name},
    scratch::{NewCommit, Scratch},
    user::Identity,
};
use async_trait::async_trait;
use cyrus_core::{
    Base, Collected, DiffStat, PreparedWorkspace, SessionId, WorkspaceError, Workspaces,
};
use cyrus_executor::{RemoteBranch, TaskId, WorkProduct, Workspace};
use cyrus_sandbox::AbsolutePath;
use std::path::Path;

/// The port [`Workspaces`] with git. See the crate's documentation for how, and for what it withstands.
#[derive(Clone, Debug)]
pub struct GitWorkspaces {
    sessions: AbsolutePath,
    git: Git,
}

impl GitWorkspaces {
    /// Keeps its clones below `sessions` (`$CYRUS_HOME/sessions`), which is made when it is not there.
    pub fn new(sessions: AbsolutePath, git: Git) -> Self {
        Self { sessions, git }
    }

    fn task(&self, workspace: &PreparedWorkspace) -> TaskDir {
        TaskDir::new(self.sessions.as_path(), &workspace.session, &workspace.task)
    }

    async fn opened(&self, workspace: &PreparedWorkspace) -> Result<Opened, WorkspaceError> {
        let Base { path, repository, .. } = &workspace.base;
        let base = base_commit(&workspace.base)?;
        let main = Main::open(&self.git, path).await?;
        let user = self.git.user().await?.with_repository(&self.git, path).await?;
        let kept = kept_ref(&workspace.session, &workspace.task);
        let branch = format!("refs/heads/{}", repository.work_branch);
        Ok(Opened {
            task: self.task(workspace),
            base,
            main,
            identity: user.identity(),
            connection: user.connection().collect(),
            kept,
            branch,
        })
    }

    /// The executor's commits, and one more with what it left uncommitted.
    ///
    /// When its `HEAD` does not come from the base (it was reset, amended or is not to be read), the state of its
    /// files becomes one commit on the base.
    async fn take_workspace(
        &self,
        opened: &Opened,
        message: &str,
    ) -> Result<ObjectId, WorkspaceError> {
        let Opened { task, base, main, identity, kept, .. } = opened;
        let tree = task.workspace();
        let scratch = Scratch::new(&self.git, main, task).await?;
        let head = scratch.absorb(&tree, base).await?.unwrap_or_else(|| base.clone());
        let parent = if scratch.is_ancestor(base, &head).await? { &head } else { base };
        let files = scratch.snapshot(&tree, &head, &task.index()).await?;
        let new = NewCommit { tree: &files, parent, message, identity };
        let commit = if scratch.tree_of(parent).await? == files {
            parent.clone()
        } else {
            // Collected before: the same result stays the same commit.
            match main.resolve(kept).await? {
                Some(before) if scratch.is_same(&before, &new).await? => before,
                _ => scratch.commit(&new).await?,
            }
        };
        scratch.hand_over(main, &commit).await?;
        Ok(commit)
    }

    /// The branch that an executor pushed.
    async fn take_branch(
        &self,
        opened: &Opened,
        branch: &RemoteBranch,
    ) -> Result<ObjectId, WorkspaceError> {
        let Opened { task, main, .. } = opened;
        if !is_branch_name(&self.git, &branch.name).await? {
            let problem = format!("{:?} cannot be a branch's name", branch.name);
            return Err(WorkspaceError::Unacceptable(problem));
        }
        let origin = main.origin().await?;
        let Place { address, transport, is_origin } =
            Place::choose(branch.remote.as_deref(), origin.as_deref())
                .map_err(WorkspaceError::Unacceptable)?;
        let scratch = Scratch::new(&self.git, main, task).await?;
        // Credentials and headers are for the origin; another host, which the executor named, sees none.
        let connection = if is_origin { opened.connection.clone() } else { Vec::new() };
        let tip = scratch.fetch(&address, &transport, &branch.name, connection).await?;
        let commit = match &branch.commit {
            None => tip,
            Some(seen) => contained(&scratch, seen, &tip).await?.ok_or_else(|| {
                WorkspaceError::Unacceptable(format!(
                    "the executor's result is {seen}, but its branch {} is at {tip} and does not hold that",
                    branch.name
                ))
            })?,
        };
        scratch.hand_over(main, &commit).await?;
        Ok(commit)
    }

    async fn diff(
        &self,
        main: &Main,
        base: &ObjectId,
        commit: &ObjectId,
    ) -> Result<DiffStat, WorkspaceError> {
        let Some(since) = main.merge_base(base, commit).await? else {
            let problem = format!("{commit} has no history in common with the base {base}");
            return Err(WorkspaceError::Unacceptable(problem));
        };
        let args = ["diff-tree", "-r", "-z", "-M", "--numstat", "--no-ext-diff", "--no-textconv"];
        let call = main.call(&args).await?.arg("--ignore-submodules=none");
        let output = self.git.output(call.arg(since.as_str()).arg(commit.as_str())).await?;
        numstat(&output).ok_or_else(|| unreadable("diff-tree --numstat"))
    }
}

/// What the steps of bringing in a result share.
struct Opened {
    task: TaskDir,
    base: ObjectId,
    main: Main,
    identity: Identity,
    connection: Vec<(String, String)>,
    kept: String,
    branch: String,
}

#[async_trait]
impl Workspaces for GitWorkspaces {
    async fn base(&self, path: &Path, work_branch: &str) -> Result<Base, WorkspaceError> {
        repository::base(&self.git, path, work_branch).await
    }

    async fn prepare(
        &self,
        session: &SessionId,
        task: &TaskId,
        base: &Base,
    ) -> Result<PreparedWorkspace, WorkspaceError> {
        let dir = TaskDir::new(self.sessions.as_path(), session, task);
        let workspace = Workspace { root: dir.workspace(), home: dir.home() };
        let prepared = PreparedWorkspace {
            session: session.clone(),
            task: task.clone(),
            base: base.clone(),
            workspace,
        };
        private_dir(self.sessions.as_path())?;
        if let Some(above) = dir.path().parent() {
            private_dir(above)?;
        }
        dir.create()?;
        if dir.workspace().symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return Ok(prepared);
        }
        let Opened { main, base: commit, identity, kept, .. } = self.opened(&prepared).await?;
        if main.resolve(kept.as_str()).await?.is_none() {
            // What the clone borrows must stay, whatever happens to the branch it is on.
            main.set_refs(&[(&kept, &commit, None)]).await?;
        }
        let repository = &base.repository;
        let source =
            clone::Source { main: &main, repository, identity: &identity, commit: &commit };
        clone::put(&self.git, &dir, &source).await?;
        Ok(prepared)
    }

    async fn collect(
        &self,
        workspace: &PreparedWorkspace,
        product: &WorkProduct,
        message: &str,
    ) -> Result<Collected, WorkspaceError> {
        let opened = self.opened(workspace).await?;
        let commit = match product {
            WorkProduct::Nothing => opened.base.clone(),
            WorkProduct::Workspace => self.take_workspace(&opened, message).await?,
            WorkProduct::Branch(branch) => self.take_branch(&opened, branch).await?,
        };
        let Opened { task, main, base, identity, kept, .. } = opened;
        let diff = self.diff(&main, &base, &commit).await?;
        let before = main.resolve(&kept).await?;
        if before.as_ref() != Some(&commit) {
            main.set_refs(&[(&kept, &commit, before.as_ref())]).await?;
        }
        if let WorkProduct::Branch(_) = product {
            // Checked, and gone on with, where results of this machine are.
            let repository = &workspace.base.repository;
            let source =
                clone::Source { main: &main, repository, identity: &identity, commit: &commit };
            clone::put(&self.git, &task, &source).await?;
        }
        Ok(Collected { commit: commit.to_string(), kept, diff })
    }

    async fn publish(
        &self,
        workspace: &PreparedWorkspace,
        collected: &Collected,
    ) -> Result<String, WorkspaceError> {
        let Opened { main, branch, .. } = self.opened(workspace).await?;
        let name = workspace.base.repository.work_branch.clone();
        let commit = ObjectId::parse(&collected.commit).ok_or_else(|| {
            WorkspaceError::Unacceptable(format!("{:?} is no commit", collected.commit))
        })?;
        let before = main.resolve(&branch).await?;
        if before.as_ref() == Some(&commit) {
            return Ok(name);
        }
        if before.is_some()
            && let Some(place) = main.checked_out_at(&branch).await?
        {
            return Err(WorkspaceError::Unacceptable(format!(
                "the branch {name} is checked out in {place}, and moving it would change what is there; the result is kept at {0}: `git merge {0}` there takes it over",
                collected.kept
            )));
        }
        // Ours to move is a branch that is where this session put it, or that loses nothing by it.
        let record = published_ref(&workspace.session);
        let recorded = main.resolve(&record).await?;
        let moved = || WorkspaceError::Moved { branch: name.clone(), kept: collected.kept.clone() };
        if let Some(before) = &before
            && recorded.as_ref() != Some(before)
            && !main.is_ancestor(before, &commit).await?
        {
            return Err(moved());
        }
        let refs = [
            (branch.as_str(), &commit, before.as_ref()),
            (record.as_str(), &commit, recorded.as_ref()),
        ];
        match main.set_refs(&refs).await {
            Err(_) if main.resolve(&branch).await? != before => Err(moved()),
            result => result.map(|()| name),
        }
    }

    async fn discard(&self, workspace: &PreparedWorkspace) -> Result<(), WorkspaceError> {
        if let Err(error) = self.unpin(workspace).await {
            // The repository may be gone. A ref more in it does no harm.
            tracing::debug!(%error, "the ref of a discarded task stays");
        }
        let task = self.task(workspace);
        in_background("remove the task's files", move || task.remove()).await
    }
}

impl GitWorkspaces {
    /// Removes the task's ref when it holds nothing but the base.
    async fn unpin(&self, workspace: &PreparedWorkspace) -> Result<(), WorkspaceError> {
        let Opened { main, base, kept, .. } = self.opened(workspace).await?;
        if main.resolve(&kept).await?.as_ref() == Some(&base) {
            main.remove_ref(&kept, &base).await?;
        }
        Ok(())
    }
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

/// The commit that work starts from.
pub(crate) fn base_commit(base: &Base) -> Result<ObjectId, WorkspaceError> {
    let commit = &base.repository.base_commit;
    ObjectId::parse(commit).ok_or_else(|| WorkspaceError::NotUsable {
        path: base.path.clone(),
        reason: format!("{commit:?} is no commit in full"),
    })
}

/// What a task's result is kept under.
pub(crate) fn kept_ref(session: &SessionId, task: &TaskId) -> String {
    format!("refs/cyrus/{session}/{task}")
}

/// Where the session last put its branch. No task id begins with an underscore.
fn published_ref(session: &SessionId) -> String {
    format!("refs/cyrus/{session}/_published")
}

/// Where a pushed branch is fetched from.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    address: String,
    transport: Transport,
    is_origin: bool,
}

impl Place {
    /// The origin, unless the executor says otherwise. A directory of this machine is only taken when it is the
    /// origin: an executor could have any repository of the user's read.
    fn choose(claimed: Option<&str>, origin: Option<&str>) -> Result<Self, String> {
        let claimed = claimed.or(origin).ok_or(
            "the executor pushed a branch, but the repository has no `origin` to fetch it from: add one with `git remote add origin ADDRESS`",
        )?;
        let own = origin.filter(|origin| is_same_place(claimed, origin));
        let address = own.unwrap_or(claimed);
        let transport = Transport::of(address).map_err(|why| format!("cannot fetch: {why}"))?;
        if transport == Transport::Local && own.is_none() {
            return Err(format!(
                "the executor says that its branch is in {address}, which is a directory of this machine and not the repository's `origin`"
            ));
        }
        Ok(Self { address: address.to_owned(), transport, is_origin: own.is_some() })
    }
}

/// Whether an address that an executor names is the origin, of which it knows no credentials.
fn is_same_place(claimed: &str, origin: &str) -> bool {
    let real = |address: &str| local_path(address).canonicalize().ok();
    claimed == origin
        || claimed == without_credentials(origin)
        || real(claimed).is_some_and(|claimed| Some(claimed) == real(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_fetched_from_the_origin_or_from_where_nothing_local_is_read() {
        let (https, local, token) = ("https://h/a", "/srv/a.git", "https://t0ken@h/a");
        for (claimed, origin, expected) in [
            (None, Some(https), Some((https, true))),
            (None, Some(local), Some((local, true))),
            (Some(https), None, Some((https, false))),
            (Some(https), Some(local), Some((https, false))),
            (Some(https), Some(https), Some((https, true))),
            (Some(https), Some(token), Some((token, true))),
            (Some("https://elsewhere/a"), Some(token), Some(("https://elsewhere/a", false))),
            (Some(local), Some(local), Some((local, true))),
            (None, None, None),
            (Some("/home/me/secret"), Some(https), None),
            (Some("/home/me/secret"), Some(local), None),
            (Some("file:///home/me/secret"), Some(local), None),
            (Some("ext::sh -c id"), Some(https), None),
            (Some("--upload-pack=id"), Some(https), None),
        ] {
            let place = Place::choose(claimed, origin).ok();
            let found = place.as_ref().map(|place| (place.address.as_str(), place.is_origin));
            assert_eq!(found, expected, "{claimed:?} {origin:?}");
        }
    }
}
