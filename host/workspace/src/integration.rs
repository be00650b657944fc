use crate::{
    git::Git,
    layout::Roots,
    merge::Sides,
    neutral::Neutral,
    object::ObjectId,
    push::Destination,
    refs,
    repository::Main,
    user::UserConfig,
    workspaces::{base_commit, commit},
};
use async_trait::async_trait;
use cyrus_core::{Base, DiffStat, Integration, Merge, SessionId, WorkspaceError};
use cyrus_executor::TaskId;

/// The port [`Integration`] with git.
///
/// A merge is the same commit whenever it is made: it is by the user, at the date of the newer of its parents.
#[derive(Clone, Debug)]
pub struct GitIntegration {
    roots: Roots,
    git: Git,
}

impl GitIntegration {
    /// Works below the state root. To merge, git has to be 2.38 or newer.
    pub fn new(roots: Roots, git: Git) -> Self {
        Self { roots, git }
    }

    async fn user(&self, base: &Base) -> Result<UserConfig, WorkspaceError> {
        self.git.user_in(&base.path).await
    }
}

#[async_trait]
impl Integration for GitIntegration {
    async fn merge(
        &self,
        base: &Base,
        session: &SessionId,
        task: &TaskId,
        ours: &str,
        theirs: &str,
        message: &str,
    ) -> Result<Merge, WorkspaceError> {
        let (ours, theirs) = (commit(ours)?, commit(theirs)?);
        let main = Main::open(&self.git, &base.path).await?;
        let kept = refs::merged(session, task);
        let whole = if main.is_ancestor(&ours, &theirs).await? {
            Some(&theirs)
        } else {
            main.is_ancestor(&theirs, &ours).await?.then_some(&ours)
        };
        if let Some(commit) = whole {
            main.keep(&kept, commit).await?;
            return Ok(Merge::Clean { commit: commit.to_string() });
        }
        let neutral = Neutral::open(&self.git, &main, self.roots.state()?).await?;
        let attributes = base_commit(base)?;
        let sides = Sides {
            git: &self.git,
            neutral: &neutral,
            base: &attributes,
            ours: &ours,
            theirs: &theirs,
        };
        let merged = sides.merge().await?;
        let identity = self.user(base).await?.identity();
        let tree = sides.laid_out(&merged).await?;
        let commit = sides.commit(&tree, message, &identity).await?;
        if merged.conflicts.is_empty() {
            main.keep(&kept, &commit).await?;
            return Ok(Merge::Clean { commit: commit.to_string() });
        }
        main.keep(&refs::conflict(session, task), &commit).await?;
        let account = sides.account(&merged).await?;
        let files = merged.conflicts.into_keys().collect();
        Ok(Merge::Conflict { start: commit.to_string(), files, account })
    }

    async fn resolve(
        &self,
        base: &Base,
        session: &SessionId,
        task: &TaskId,
        (ours, theirs): (&str, &str),
        resolved: &str,
        message: &str,
    ) -> Result<String, WorkspaceError> {
        let (ours, theirs, resolved) = (commit(ours)?, commit(theirs)?, commit(resolved)?);
        let main = Main::open(&self.git, &base.path).await?;
        let neutral = Neutral::open(&self.git, &main, self.roots.state()?).await?;
        let tree = main.tree(&resolved).await?;
        let attributes = base_commit(base)?;
        let sides = Sides {
            git: &self.git,
            neutral: &neutral,
            base: &attributes,
            ours: &ours,
            theirs: &theirs,
        };
        let identity = self.user(base).await?.identity();
        let commit = sides.commit(&tree, message, &identity).await?;
        main.keep(&refs::merged(session, task), &commit).await?;
        Ok(commit.to_string())
    }

    async fn diff(&self, base: &Base, result: &str) -> Result<DiffStat, WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        let result = commit(result)?;
        let since = main.since(&base_commit(base)?, &result).await?;
        main.stat(&since, &result).await
    }

    async fn publish(
        &self,
        base: &Base,
        session: &SessionId,
        result: &str,
    ) -> Result<String, WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        let commit = commit(result)?;
        let kept = refs::result(session);
        // Before anything can be in the way.
        main.keep(&kept, &commit).await?;
        publish(&main, &base.repository.work_branch, session, &commit, &kept).await
    }

    async fn push(&self, base: &Base, branch: &str, result: &str) -> Result<(), WorkspaceError> {
        let commit = commit(result)?;
        let main = Main::open(&self.git, &base.path).await?;
        let neutral = Neutral::open(&self.git, &main, self.roots.state()?).await?;
        let connection = self.user(base).await?.connection().collect();
        Destination::of(&self.git, &main, &neutral, connection).await?.push(branch, &commit).await
    }

    async fn share(&self, base: &Base, start: &str) -> Result<String, WorkspaceError> {
        let branch = base.shared_branch(start);
        self.push(base, &branch, start).await?;
        Ok(branch)
    }

    async fn unshare(&self, base: &Base) -> Result<(), WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        let neutral = Neutral::open(&self.git, &main, self.roots.state()?).await?;
        let connection = self.user(base).await?.connection().collect();
        let destination = Destination::of(&self.git, &main, &neutral, connection).await?;
        destination.remove_named(&base.shared_branch("")).await
    }
}

/// Moves the session's branch, when nothing is lost by it.
async fn publish(
    main: &Main,
    name: &str,
    session: &SessionId,
    commit: &ObjectId,
    kept: &str,
) -> Result<String, WorkspaceError> {
    let branch = format!("refs/heads/{name}");
    let record = refs::published(session);
    let before = main.resolve(&branch).await?;
    if before.as_ref() == Some(commit) {
        main.keep(&record, commit).await?;
        return Ok(name.to_owned());
    }
    if before.is_some()
        && let Some(place) = main.checked_out_at(&branch).await?
    {
        return Err(WorkspaceError::Unacceptable(format!(
            "the branch {name} is checked out in {place}, and moving it would change what is there; the result is kept at {kept}: `git merge {kept}` there takes it over"
        )));
    }
    // Ours to move is a branch that is where this session put it, or that loses nothing by it.
    let recorded = main.resolve(&record).await?;
    let moved = || WorkspaceError::Moved { branch: name.to_owned(), kept: kept.to_owned() };
    if let Some(before) = &before
        && recorded.as_ref() != Some(before)
        && !main.is_ancestor(before, commit).await?
    {
        return Err(moved());
    }
    let refs =
        [(branch.as_str(), commit, before.as_ref()), (record.as_str(), commit, recorded.as_ref())];
    match main.set_refs(&refs).await {
        Err(_) if main.resolve(&branch).await? != before => Err(moved()),
        result => result.map(|()| name.to_owned()),
    }
}
