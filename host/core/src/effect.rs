use crate::SessionId;
use cyrus_executor::TaskId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// What is done outside the store, executions apart (an execution's own record is its intent and its
/// acknowledgement).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// Makes a task's clone.
    Clone,
    /// Commits or fetches a task's result into the repository.
    Collect,
    /// Merges a result, as objects.
    Merge,
    /// Moves the session's branch.
    Publish,
    /// Puts what a task starts from where the cloud can have it.
    Share,
    /// Pushes the session's branch.
    Push,
    /// Opens a pull request.
    PullRequest,
    /// Removes a task's clone.
    Discard,
}

impl EffectKind {
    /// The word for it in keys, messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Collect => "collect",
            Self::Merge => "merge",
            Self::Publish => "publish",
            Self::Share => "share",
            Self::Push => "push",
            Self::PullRequest => "pull-request",
            Self::Discard => "discard",
        }
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an effect stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "value")]
pub enum EffectState {
    /// Somebody is about to do it, or was cut off around it.
    Intended,
    /// Done, and what came of it.
    Done(Value),
    /// Nobody can know whether it was done. It is not done again by itself.
    Uncertain(String),
}

/// One effect, as the store has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectRecord {
    /// The same for every try at the same effect; unique for ever.
    pub key: String,
    /// What it is.
    pub kind: EffectKind,
    /// Whose.
    pub session: SessionId,
    /// For which task; `None` for the session as a whole.
    pub task: Option<TaskId>,
    /// Where it stands.
    pub state: EffectState,
}
