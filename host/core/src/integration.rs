use crate::{Base, SessionId, WorkspaceError};
use async_trait::async_trait;
use cyrus_executor::TaskId;
use serde::{Deserialize, Serialize};

/// A merge of two commits, as objects: no branch was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "merge")]
pub enum Merge {
    /// Both are in this commit; it is one of the two when the other is part of it.
    Clean {
        /// The commit.
        commit: String,
    },
    /// Both changed the same place.
    Conflict {
        /// A commit with both sides in it, marked where they differ, for a task to start from.
        start: String,
        /// The files that both changed, relative to the repository.
        files: Vec<String>,
        /// What each side did, for a prompt: at most a few thousand characters.
        account: String,
    },
}

/// Brings results together in the main repository. Everything is built as objects, kept under
/// `refs/cyrus/<session>/`, and becomes visible by one compare-and-set of the session's branch. Doing the same again
/// gives the same commit and changes nothing.
#[async_trait]
pub trait Integration: Send + Sync {
    /// Merges `theirs` (the result of a task) into `ours`, with this message.
    async fn merge(
        &self,
        base: &Base,
        session: &SessionId,
        task: &TaskId,
        ours: &str,
        theirs: &str,
        message: &str,
    ) -> Result<Merge, WorkspaceError>;

    /// The merge of `ours` and `theirs` with the files of `resolved`, in which a task has resolved their conflict.
    async fn resolve(
        &self,
        base: &Base,
        session: &SessionId,
        task: &TaskId,
        sides: (&str, &str),
        resolved: &str,
        message: &str,
    ) -> Result<String, WorkspaceError>;

    /// How a commit differs from the base.
    async fn diff(&self, base: &Base, commit: &str) -> Result<crate::DiffStat, WorkspaceError>;

    /// Makes a commit visible on the session's branch, by one compare-and-set. Answers the branch's name.
    async fn publish(
        &self,
        base: &Base,
        session: &SessionId,
        commit: &str,
    ) -> Result<String, WorkspaceError>;

    /// Puts a commit that tasks in the cloud start from on a branch of the origin, if it is not there yet. Answers the
    /// branch's name, [`Base::shared_branch`].
    async fn share(&self, base: &Base, commit: &str) -> Result<String, WorkspaceError>;

    /// Takes all branches that were shared for this session away again, but one that somebody has moved.
    async fn unshare(&self, base: &Base) -> Result<(), WorkspaceError>;

    /// Pushes the session's branch to the origin, if it is not there yet at this commit.
    async fn push(&self, base: &Base, branch: &str, commit: &str) -> Result<(), WorkspaceError>;
}

/// What a pull request says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// The branch that is to be merged.
    pub head: String,
    /// The branch it is to be merged into; `None` is the forge's default.
    pub into: Option<String>,
    /// One line.
    pub title: String,
    /// The rest, in Markdown.
    pub body: String,
}

/// Where pull requests are opened.
#[async_trait]
pub trait Forge: Send + Sync {
    /// The address of the open pull request with this head, when there is one.
    async fn find(&self, base: &Base, head: &str) -> Result<Option<String>, WorkspaceError>;

    /// Opens a pull request and answers its address.
    async fn open(&self, base: &Base, request: &PullRequest) -> Result<String, WorkspaceError>;
}
