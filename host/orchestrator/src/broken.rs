use cyrus_core::{StoreError, WorkspaceError};
use cyrus_executor::InvalidTaskId;

/// Why the work broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// Nothing can be written down any more, or somebody else has taken over.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something could not be done with a repository or a clone.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// A task cannot be called what it would have to be.
    #[error(transparent)]
    Name(#[from] InvalidTaskId),
    /// Nobody can know whether an effect was done.
    #[error("it is not known whether this was done: {0}")]
    Uncertain(String),
}

impl Broken {
    /// What the store has of an effect makes no sense.
    pub(crate) fn unreadable(key: &str, cause: &serde_json::Error) -> Self {
        Self::Uncertain(format!("what the store has of {key} cannot be read ({cause})"))
    }
}
