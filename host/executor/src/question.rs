use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// What an agent wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionKind {
    /// To use a tool: [`Question::subject`] with [`Question::input`].
    ToolPermission,
    /// To know something from the user.
    UserQuestion,
}

/// A choice that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What an answer refers to.
    pub id: String,
    /// For people.
    pub label: String,
}

/// An agent wants to use a tool, or to know something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Unique within the execution.
    pub id: String,
    /// What it wants.
    pub kind: QuestionKind,
    /// The tool, or the question.
    pub subject: String,
    /// The tool's input, or what goes with the question.
    pub input: Value,
    /// What can be chosen.
    pub choices: Vec<Choice>,
    /// How long the answer may take.
    #[serde(rename = "deadlineMs", with = "crate::millis::option", default)]
    pub deadline: Option<Duration>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum Answer {
    /// This once.
    Allow,
    /// This once, with this input instead.
    AllowModified(Value),
    /// No, with the reason for the agent to read.
    Deny(String),
    /// The id of the choice made.
    Choice(String),
    /// A text.
    Text(String),
    /// Nobody will answer any more.
    Cancelled,
}
