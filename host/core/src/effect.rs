use crate::SessionId;
use cyrus_executor::TaskId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
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
    Done(EffectAnswer),
    /// Nobody can know whether it was done. It is not done again by itself.
    Uncertain(String),
}

/// What came of an effect, as JSON: only who did the effect knows its shape, and only a session that was cut off reads it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectAnswer(Box<RawValue>);

impl EffectAnswer {
    /// Writes it down.
    ///
    /// # Errors
    ///
    /// When it cannot be said in JSON.
    pub fn of(answer: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(answer).map(Self)
    }

    /// Reads it back.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl PartialEq for EffectAnswer {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
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
