use crate::{DiffStat, SessionId};
use async_trait::async_trait;
use cyrus_executor::{Repository, TaskId, WorkProduct, Workspace};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Why something could not be done with a repository or a workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The path is no git repository, or one that nothing can be started from.
    #[error("{path}: {reason}")]
    NotUsable {
        /// The path given.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Git said no.
    #[error("`git {command}` failed in {path}: {output}")]
    Git {
        /// What it was asked, without options that carry no meaning.
        command: String,
        /// Where.
        path: PathBuf,
        /// What it printed.
        output: String,
    },
    /// The result is something that must not be brought in.
    #[error("the result cannot be taken over: {0}")]
    Unacceptable(String),
    /// The branch has commits that the result has not, or was moved while the result was put on it.
    #[error(
        "the branch {branch} has commits that the result does not have; the result is kept at {kept}"
    )]
    Moved {
        /// The branch.
        branch: String,
        /// The ref that the result is under.
        kept: String,
    },
    /// The set-up of a clone or of a check's tree failed: what works there would not work.
    #[error("the set-up failed, and nothing was begun: {what}: {cause}")]
    SetUp {
        /// The script, how it ended, and where.
        what: String,
        /// What it printed.
        cause: String,
    },
    /// A program could not be launched, or a file not be read or written.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done.
        what: String,
        /// What went wrong.
        cause: String,
    },
}

/// Where a session's work starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// The top of the main repository's working tree, or a bare repository; absolute.
    pub path: PathBuf,
    /// What executors are told of it.
    pub repository: Repository,
    /// Whether the working tree has changes that are not committed, which the work will not see.
    pub dirty: bool,
}

impl Base {
    /// The branch of the origin on which tasks in the cloud find the commit that they start from, for as long as the
    /// session lasts.
    pub fn shared_branch(&self, commit: &str) -> String {
        let short = commit.get(..12).unwrap_or(commit);
        format!("{}-from-{short}", self.repository.work_branch)
    }
}

/// Which clone is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceSpec {
    /// The session.
    pub session: SessionId,
    /// The task.
    pub task: TaskId,
    /// The fencing token of the lease that it is made under. It is part of the clone's path, so that whoever lost the
    /// lease never writes where its successor works.
    pub token: u64,
    /// The repository it is cloned from.
    pub base: Base,
    /// The commit it starts from: the base commit, with what the task comes after merged into it.
    pub start: String,
}

/// A clone that one task is done in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreparedWorkspace {
    /// What it is.
    #[serde(flatten)]
    pub spec: WorkspaceSpec,
    /// Where it is.
    pub workspace: Workspace,
}

/// A result that was brought into the main repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// Its commit.
    pub commit: String,
    /// The ref it is kept under: `refs/cyrus/<session>/<task>`.
    pub kept: String,
    /// How it differs from the commit its clone started from. No files: the executor changed nothing.
    pub diff: DiffStat,
    /// For people: what was left out of it, where it was found, what could not be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Clones, and what comes back from them. Git is never run with hooks, filters or configuration that an executor
/// could have written. All of it may be called again for the same thing: what is there already is found.
#[async_trait]
pub trait Workspaces: Send + Sync {
    /// Looks at the repository at this path, or that it is in.
    async fn base(&self, path: &Path, work_branch: &str) -> Result<Base, WorkspaceError>;

    /// Makes the clone for a task, or finds the one made before (one that was lost goes on from what was collected of
    /// it); then runs the set-up that the operator or the base commit has for it.
    async fn prepare(&self, spec: &WorkspaceSpec) -> Result<PreparedWorkspace, WorkspaceError>;

    /// Commits what an executor left uncommitted (with this message), or fetches the branch it pushed and puts it
    /// into the workspace; then brings the result into the main repository. The same result twice is harmless.
    async fn collect(
        &self,
        workspace: &PreparedWorkspace,
        product: &WorkProduct,
        message: &str,
    ) -> Result<Collected, WorkspaceError>;

    /// Runs the tear-down that the base commit or the operator has for it, then removes the clone. What was collected
    /// stays.
    async fn discard(&self, workspace: &PreparedWorkspace) -> Result<(), WorkspaceError>;

    /// Removes what is left of a session that is over: clones, and the refs that only it needed.
    async fn clear(&self, base: &Base, session: &SessionId) -> Result<(), WorkspaceError>;

    /// The sessions that have clones here.
    async fn present(&self) -> Result<Vec<SessionId>, WorkspaceError>;
}
