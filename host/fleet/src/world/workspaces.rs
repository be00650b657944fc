use super::{
    CloneAt, SimWorkspaces, Violation,
    ports::{git_error, kept_ref, root},
};
use crate::Step;
use async_trait::async_trait;
use cyrus_core::{
    Base, Collected, PreparedWorkspace, SessionId, WorkspaceError, WorkspaceSpec, Workspaces,
};
use cyrus_executor::{WorkProduct, Workspace};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

impl super::Outside {
    /// Makes a clone, or finds it, and looks whether its task may begin.
    fn clone_for(&mut self, spec: &WorkspaceSpec) -> Result<(), WorkspaceError> {
        let root = root(spec);
        let unknown = git_error("clone", &spec.base.path, "there is no such commit to start from");
        let head = self.git(&spec.base)?.known(&spec.start).ok_or(unknown)?;
        if let Some(found) = self.clones.get(&root) {
            if found.spec.start != spec.start {
                self.violated(Violation::OtherStart(root.display().to_string()));
            }
            return Ok(());
        }
        for (after, commit) in self.book.results_before(&spec.session, &spec.task) {
            if !self.git(&spec.base)?.contains(&spec.start, &commit) {
                let (session, task) = (spec.session.clone(), spec.task.clone());
                let start = spec.start.clone();
                self.violated(Violation::OutOfOrder { session, task, after, start });
            }
        }
        self.clones.insert(root, CloneAt { spec: spec.clone(), head, edits: BTreeMap::new() });
        Ok(())
    }

    fn collect(
        &mut self,
        workspace: &PreparedWorkspace,
        product: &WorkProduct,
        message: &str,
    ) -> Result<Collected, WorkspaceError> {
        let root = &workspace.workspace.root;
        let spec = &workspace.spec;
        let gone = || git_error("rev-parse", root, "there is no such clone");
        let CloneAt { head, edits, .. } = self.clones.get(root).cloned().ok_or_else(gone)?;
        let git = self.git(&spec.base)?;
        let commit = match product {
            WorkProduct::Nothing => git.known(&spec.start).ok_or_else(gone)?,
            WorkProduct::Workspace if edits.is_empty() => head,
            WorkProduct::Workspace => {
                let mut tree = (*git.find(&head).ok_or_else(gone)?.tree).clone();
                tree.extend(edits);
                git.commit(&[head], tree, message)
            }
            WorkProduct::Branch(branch) => {
                let missing = || git_error("fetch", root, "the origin has no such branch");
                git.origin.get(&branch.name).cloned().ok_or_else(missing)?
            }
        };
        let kept = kept_ref(&spec.session, &spec.task);
        git.refs.insert(kept.clone(), commit.clone());
        let diff = git.diff(&spec.start, &commit).unwrap_or_default();
        if let Some(clone) = self.clones.get_mut(root) {
            clone.head = commit.clone();
            clone.edits.clear();
        }
        Ok(Collected { commit: commit.to_string(), kept, diff, notes: vec![] })
    }
}

#[async_trait]
impl Workspaces for SimWorkspaces {
    async fn base(&self, path: &Path, work_branch: &str) -> Result<Base, WorkspaceError> {
        self.0.world.base(path, work_branch).ok_or_else(|| WorkspaceError::NotUsable {
            path: path.to_owned(),
            reason: "is no repository of this world".to_owned(),
        })
    }

    async fn prepare(&self, spec: &WorkspaceSpec) -> Result<PreparedWorkspace, WorkspaceError> {
        let root = root(spec);
        let home = PathBuf::from(format!("/homes/{}/{}", spec.session, spec.task));
        let prepared = PreparedWorkspace {
            spec: spec.clone(),
            workspace: Workspace::new(&root, home, "/state"),
        };
        let what = ["clone", spec.session.as_str(), spec.task.as_str()];
        let is_there = self.0.world.outside().clones.contains_key(&root);
        let about = if is_there { Duration::ZERO } else { self.0.world.pace().clone };
        self.0.act(Step::Clone, about, &what, |outside| outside.clone_for(spec)).await?;
        Ok(prepared)
    }

    async fn collect(
        &self,
        workspace: &PreparedWorkspace,
        product: &WorkProduct,
        message: &str,
    ) -> Result<Collected, WorkspaceError> {
        let step =
            if matches!(product, WorkProduct::Branch(_)) { Step::Fetch } else { Step::Commit };
        let what = ["collect", workspace.spec.session.as_str(), workspace.spec.task.as_str()];
        let about = self.0.world.pace().git;
        self.0.act(step, about, &what, |world| world.collect(workspace, product, message)).await
    }

    async fn discard(&self, workspace: &PreparedWorkspace) -> Result<(), WorkspaceError> {
        let what = ["discard", workspace.spec.session.as_str(), workspace.spec.task.as_str()];
        let act = |world: &mut super::Outside| {
            world.clones.remove(&workspace.workspace.root);
            Ok(())
        };
        self.0.act(Step::Discard, self.0.world.pace().git, &what, act).await
    }

    async fn clear(&self, base: &Base, session: &SessionId) -> Result<(), WorkspaceError> {
        let act = |world: &mut super::Outside| {
            world.clones.retain(|_, clone| clone.spec.session != *session);
            let of_it = format!("refs/cyrus/{session}/");
            world.git(base)?.refs.retain(|name, _| !name.starts_with(&of_it));
            Ok(())
        };
        let what = ["clear", session.as_str()];
        self.0.act(Step::Discard, self.0.world.pace().git, &what, act).await
    }

    async fn present(&self) -> Result<Vec<SessionId>, WorkspaceError> {
        let outside = self.0.world.outside();
        let sessions: BTreeSet<_> = outside.clones.values().map(|c| &c.spec.session).collect();
        Ok(sessions.into_iter().cloned().collect())
    }
}
