use crate::Usage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool call begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolUse {
    /// Unique within the execution; [`ToolResult::id`] refers to it.
    pub id: String,
    /// The tool, as the agent names it.
    pub tool: String,
    /// Its input.
    pub input: Value,
}

/// A tool call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    /// The call it belongs to.
    pub id: String,
    /// Whether the tool failed.
    pub is_error: bool,
    /// What it said, cut where it is long.
    pub output: String,
}

/// How far a [`PlanStep`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Being done.
    InProgress,
    /// Done.
    Completed,
}

/// A line of the agent's own plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// What is to be done.
    pub text: String,
    /// How far it is.
    pub state: StepState,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// `pull-request`, `run`, `log`, `document` or another word.
    pub kind: String,
    /// For people.
    pub title: String,
    /// Where it is.
    pub url: String,
}

/// How far along the work is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done now.
    pub message: String,
    /// 0.0 to 1.0, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f32>,
}

/// Something a person should know, although the execution goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable word.
    pub code: String,
    /// For people.
    pub message: String,
}

/// An event that the contract has no case for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherEvent {
    /// The plugin's own word for it.
    pub kind: String,
    /// Whatever it holds.
    pub payload: Value,
}

/// One thing that happened in an execution, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum Event {
    /// Text the agent addresses to people; may be part of a longer text.
    Message(String),
    /// The agent's reasoning, where it shows it.
    Thought(String),
    /// A tool call begins.
    ToolUse(ToolUse),
    /// A tool call ended.
    ToolResult(ToolResult),
    /// The agent's whole plan, each time it changes.
    Plan(Vec<PlanStep>),
    /// What was used so far; the last one counts.
    Usage(Usage),
    /// Something to look at.
    Link(Link),
    /// How far along the work is.
    Progress(Progress),
    /// Something a person should know.
    Warning(Warning),
    /// What the contract has no case for.
    Other(OtherEvent),
}
