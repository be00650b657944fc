use super::{
    SimForge, SimIntegration, Violation,
    git::Merged,
    ports::{git_error, kept_ref},
};
use crate::Step;
use async_trait::async_trait;
use cyrus_core::{
    Base, DiffStat, Forge, Integration, Merge, PullRequest, SessionId, WorkspaceError,
};
use cyrus_executor::TaskId;

#[async_trait]
impl Integration for SimIntegration {
    async fn merge(
        &self,
        base: &Base,
        session: &SessionId,
        task: &TaskId,
        ours: &str,
        theirs: &str,
        message: &str,
    ) -> Result<Merge, WorkspaceError> {
        let act = |world: &mut super::Outside| {
            let git = world.git(base)?;
            let merged = git.merge(ours, theirs, message);
            let unknown = || git_error("merge-tree", &base.path, "there is no such commit");
            Ok(match merged.ok_or_else(unknown)? {
                Merged::Clean(commit) => {
                    let kept = format!("{}.merged", kept_ref(session, task));
                    git.refs.insert(kept, commit.clone());
                    Merge::Clean { commit: commit.to_string() }
                }
                Merged::Conflict(start, files) => {
                    let files: Vec<_> = files.iter().map(ToString::to_string).collect();
                    let account = format!("both sides changed {}", files.join(", "));
                    Merge::Conflict { start: start.to_string(), files, account }
                }
            })
        };
        let what = ["merge", session.as_str(), task.as_str()];
        self.0.act(Step::Merge, self.0.world.pace().git, &what, act).await
    }

    async fn resolve(
        &self,
        base: &Base,
        session: &SessionId,
        task: &TaskId,
        sides: (&str, &str),
        resolved: &str,
        message: &str,
    ) -> Result<String, WorkspaceError> {
        let act = |world: &mut super::Outside| {
            let git = world.git(base)?;
            let unknown = || git_error("commit-tree", &base.path, "there is no such commit");
            let known = |id: &str| git.known(id).ok_or_else(unknown);
            let parents = [known(sides.0)?, known(sides.1)?];
            let tree = (*git.find(resolved).ok_or_else(unknown)?.tree).clone();
            Ok(git.commit(&parents, tree, message).to_string())
        };
        let what = ["resolve", session.as_str(), task.as_str()];
        self.0.act(Step::Merge, self.0.world.pace().git, &what, act).await
    }

    async fn diff(&self, base: &Base, commit: &str) -> Result<DiffStat, WorkspaceError> {
        let unknown = || git_error("diff", &base.path, "there is no such commit");
        let mut outside = self.0.world.outside();
        outside.git(base)?.diff(&base.repository.base_commit, commit).ok_or_else(unknown)
    }

    async fn publish(
        &self,
        base: &Base,
        session: &SessionId,
        commit: &str,
    ) -> Result<String, WorkspaceError> {
        let branch = base.repository.work_branch.clone();
        let act = |world: &mut super::Outside| {
            let name = format!("refs/heads/{branch}");
            let git = world.git(base)?;
            let unknown = || git_error("update-ref", &base.path, "there is no such commit");
            let new = git.known(commit).ok_or_else(unknown)?;
            let before = git.refs.get(&name).cloned();
            if before.as_ref() == Some(&new) {
                return Ok(());
            }
            git.compare_and_set(&name, before.as_deref(), new);
            world.published(session, commit);
            Ok(())
        };
        let what = ["publish", session.as_str()];
        self.0.act(Step::RefUpdate, self.0.world.pace().git, &what, act).await?;
        Ok(branch)
    }

    async fn share(&self, base: &Base, commit: &str) -> Result<String, WorkspaceError> {
        let branch = base.shared_branch(commit);
        let act = |world: &mut super::Outside| {
            let git = world.git(base)?;
            let unknown = || git_error("push", &base.path, "there is no such commit");
            let new = git.known(commit).ok_or_else(unknown)?;
            if world.origins_are_closed {
                return Err(git_error("push", &base.path, "the origin takes nothing"));
            }
            // One that is late is a stray: nobody builds on it, and nobody could call it back.
            if !self.0.process.is_overtaken() {
                world.git(base)?.origin.insert(branch.clone(), new);
            }
            Ok(())
        };
        self.0.act(Step::Share, self.0.world.pace().network, &["share", &branch], act).await?;
        Ok(branch)
    }

    async fn unshare(&self, base: &Base) -> Result<(), WorkspaceError> {
        let shared = base.shared_branch("");
        let act = |world: &mut super::Outside| {
            world.git(base)?.origin.retain(|branch, _| !branch.starts_with(&shared));
            Ok(())
        };
        let what = ["unshare", shared.as_str()];
        self.0.act(Step::Unshare, self.0.world.pace().network, &what, act).await
    }

    async fn push(&self, base: &Base, branch: &str, commit: &str) -> Result<(), WorkspaceError> {
        let act = |world: &mut super::Outside| {
            let git = world.git(base)?;
            let unknown = || git_error("push", &base.path, "there is no such commit");
            let new = git.known(commit).ok_or_else(unknown)?;
            let here = git.refs.get(&format!("refs/heads/{branch}")).cloned();
            let before = git.origin.insert(branch.to_owned(), new.clone());
            let (branch, commit) = (branch.to_owned(), commit.to_owned());
            if here != Some(new.clone()) {
                world.violated(Violation::PushedElsewhere { branch, commit });
            } else if let Some(first) = before.filter(|before| *before != new) {
                let first = first.to_string();
                world.violated(Violation::PushedTwice { branch, first, second: commit });
            }
            Ok(())
        };
        self.0.act(Step::Push, self.0.world.pace().network, &["push", branch], act).await
    }
}

impl super::Outside {
    /// A session's branch was moved: once, and to what was validated.
    fn published(&mut self, session: &SessionId, commit: &str) {
        let (session, second) = (session.clone(), commit.to_owned());
        if !self.validated.contains(commit) {
            let commit = commit.to_owned();
            self.violated(Violation::Unvalidated { session: session.clone(), commit });
        }
        if let Some(first) = self.published.insert(session.clone(), second.clone()) {
            self.violated(Violation::PublishedTwice { session, first, second });
        }
    }
}

#[async_trait]
impl Forge for SimForge {
    async fn find(&self, base: &Base, head: &str) -> Result<Option<String>, WorkspaceError> {
        self.0.world.takes(self.0.world.pace().network, &["find", head]).await;
        let key = (base.path.clone(), head.to_owned());
        Ok(self.0.world.outside().pull_requests.get(&key).cloned())
    }

    async fn open(&self, base: &Base, request: &PullRequest) -> Result<String, WorkspaceError> {
        let act = |world: &mut super::Outside| {
            let address = format!("https://forge.example/pulls/{}", world.pull_requests.len() + 1);
            let key = (base.path.clone(), request.head.clone());
            // Forges refuse a second one; who could have known of the first must not ask for it.
            if self.0.process.is_overtaken() && world.pull_requests.contains_key(&key) {
                return Err(git_error("pull request", &base.path, "there is one already"));
            }
            if world.pull_requests.insert(key, address.clone()).is_some() {
                world.violated(Violation::PullRequestTwice(request.head.clone()));
            }
            Ok(address)
        };
        let what = ["open", request.head.as_str()];
        self.0.act(Step::PullRequest, self.0.world.pace().network, &what, act).await
    }
}
