use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};

/// Names a task within its session: 1 to 128 characters of `[A-Za-z0-9._-]`, not beginning with a dot or a
/// hyphen nor ending with a dot or `.lock`, so that it can be part of a path, a branch name and an argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

/// Why a text is no task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a task id: use 1 to 128 letters, digits, dots, hyphens and underscores, starting with a letter or digit, not ending with `.lock`"
)]
pub struct InvalidTaskId(pub String);

impl TaskId {
    /// The name of a task that has none of its own: `t1` for number 1.
    pub fn numbered(number: usize) -> Self {
        Self(format!("t{number}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskId {
    type Err = InvalidTaskId;
    fn from_str(text: &str) -> Result<Self, InvalidTaskId> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let good = starts_well
            && text.len() <= 128
            && text.bytes().all(plain)
            && !text.contains("..")
            && !text.ends_with('.')
            // Git's own files beside refs are called so.
            && text.strip_suffix(".lock").is_none();
        good.then(|| Self(text.to_owned())).ok_or_else(|| InvalidTaskId(text.to_owned()))
    }
}

impl TryFrom<String> for TaskId {
    type Error = InvalidTaskId;
    fn try_from(text: String) -> Result<Self, InvalidTaskId> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of work a task is: one of the four that Cyrus knows, or another word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskKind(Cow<'static, str>);

impl TaskKind {
    /// Writes code that was asked for.
    pub const BUILDER: Self = Self(Cow::Borrowed("builder"));
    /// Finds out why something is wrong, and mends it.
    pub const DEBUGGER: Self = Self(Cow::Borrowed("debugger"));
    /// Breaks work down and coordinates it.
    pub const ORCHESTRATOR: Self = Self(Cow::Borrowed("orchestrator"));
    /// Works out what is to be done, and writes no code.
    pub const SCOPER: Self = Self(Cow::Borrowed("scoper"));

    /// The kind of this name, in lower case.
    pub fn new(name: &str) -> Self {
        Self(Cow::Owned(name.trim().to_ascii_lowercase()))
    }

    /// The kind as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Names it within its session.
    pub id: TaskId,
    /// What kind of work it is.
    pub kind: TaskKind,
    /// One line for people.
    pub title: String,
    /// What is to be done, in full.
    pub prompt: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_a_file_name_a_branch_and_an_argument() {
        for good in ["t1", "CYR-12", "a.b_c", &"x".repeat(128)] {
            assert_eq!(good.parse::<TaskId>().unwrap().as_str(), good);
        }
        for bad in
            ["", "-rf", ".git", "a/b", "a..b", "a b", "é", "end.", "a.lock", &"x".repeat(129)]
        {
            assert_eq!(bad.parse::<TaskId>(), Err(InvalidTaskId(bad.to_owned())));
        }
    }
}
