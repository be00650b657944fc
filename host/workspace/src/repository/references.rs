//! The references of the user's repository: sets, removes and looks them up.

use super::Main;
use crate::{error::unreadable, object::ObjectId, updates};
use cyrus_core::WorkspaceError;
use std::path::Path;

impl Main {
    /// Sets refs, all or none. Each is `(name, new, old)`; a ref whose old value is `None` must not exist.
    pub(crate) async fn set_refs(
        &self,
        refs: &[(&str, &ObjectId, Option<&ObjectId>)],
    ) -> Result<(), WorkspaceError> {
        let lines = refs.iter().map(|(name, new, old)| {
            let old = old.map_or_else(|| new.none_like(), |old| (*old).clone());
            format!("update {name} {new} {old}\n")
        });
        self.update(&lines.collect::<String>()).await
    }

    async fn update(&self, lines: &str) -> Result<(), WorkspaceError> {
        let call = self.call(&updates::COMMAND).await?;
        if self.git.updates().make(&self.git, &self.path, call, lines).await {
            return Ok(());
        }
        let call = self.call(&updates::COMMAND).await?.stdin(lines.as_bytes().to_vec());
        self.git.output(call).await.map(drop)
    }

    /// Removes refs that have these values, all or none.
    pub(crate) async fn remove_refs(
        &self,
        refs: &[(String, ObjectId)],
    ) -> Result<(), WorkspaceError> {
        if refs.is_empty() {
            return Ok(());
        }
        let lines = refs.iter().map(|(name, old)| format!("delete {name} {old}\n"));
        self.update(&lines.collect::<Vec<_>>().concat()).await
    }

    /// Sets one ref, whatever it was before.
    pub(crate) async fn keep(&self, name: &str, commit: &ObjectId) -> Result<(), WorkspaceError> {
        let before = self.resolve(name).await?;
        if before.as_ref() == Some(commit) {
            return Ok(());
        }
        match self.set_refs(&[(name, commit, before.as_ref())]).await {
            // Somebody else was faster with the same.
            Err(_) if self.resolve(name).await?.as_ref() == Some(commit) => Ok(()),
            result => result,
        }
    }

    /// The refs whose names begin like this, to the end of a part, each with what it points at.
    pub(crate) async fn refs(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, ObjectId)>, WorkspaceError> {
        let call =
            self.call(&["for-each-ref", "--format=%(objectname) %(refname)", prefix]).await?;
        let list = self.git.text(call).await?;
        let read = |line: &str| {
            let (object, name) = line.split_once(' ')?;
            Some((name.to_owned(), ObjectId::parse(object)?))
        };
        list.lines().map(read).collect::<Option<_>>().ok_or_else(|| unreadable("for-each-ref"))
    }

    /// The branch beside which there can be none of this name, if there is one.
    pub(crate) async fn blocking(&self, name: &str) -> Result<Option<String>, WorkspaceError> {
        for (end, _) in name.match_indices('/') {
            let above = &name[..end];
            if self.resolve(&format!("refs/heads/{above}")).await?.is_some() {
                return Ok(Some(above.to_owned()));
            }
        }
        let below = format!("refs/heads/{name}/");
        let first = self.refs(&below).await?.into_iter().next();
        Ok(first.and_then(|(name, _)| Some(name.strip_prefix("refs/heads/")?.to_owned())))
    }

    /// The working tree that a branch, which must be there, is checked out in.
    pub(crate) async fn checked_out_at(
        &self,
        branch: &str,
    ) -> Result<Option<String>, WorkspaceError> {
        let call = self.call(&["for-each-ref", "--format=%(worktreepath)", branch]).await?;
        let place = self.git.text(call).await?;
        // Git says of a bare repository that its HEAD's branch is checked out in it, but there are no files.
        let nowhere = place.is_empty() || Path::new(&place) == self.common;
        Ok((!nowhere).then_some(place))
    }

    /// Whether a result that starts from a commit can be put on a branch, as [`Integration::publish`] does. Fails with
    /// why it cannot, and what to do.
    ///
    /// [`Integration::publish`]: cyrus_core::Integration::publish
    pub(crate) async fn takes_result(
        &self,
        branch: &str,
        start: &ObjectId,
    ) -> Result<Result<(), String>, WorkspaceError> {
        let name = format!("refs/heads/{branch}");
        let Some(there) = self.resolve(&name).await? else { return Ok(Ok(())) };
        if let Some(place) = self.checked_out_at(&name).await? {
            return Ok(Err(format!(
                "the branch {branch}, which the result would go to, is checked out in {place}: give another name with --branch, or switch to another branch there"
            )));
        }
        if self.is_ancestor(&there, start).await? {
            return Ok(Ok(()));
        }
        Ok(Err(format!(
            "the branch {branch}, which the result would go to, has commits that the start of the work has not: give another name with --branch, or start from it with `--base {branch}`"
        )))
    }
}
