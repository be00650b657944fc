//! The contract's types, generated from `wit/`, and the constructors that make them pleasant.
//!
//! They are plain data and the same on every target. JSON is text in them, as in the contract; durations are
//! milliseconds and money is millionths of a US dollar. The constructors take [`Duration`] and
//! [`serde_json::Value`].

use serde_json::Value;
use std::time::Duration;

pub use generated::cyrus::executor::{
    context::{
        Access, Answer, Attachment, AttachmentSource, Choice, Finding, Limits, Question,
        QuestionKind, Repository,
    },
    log::Level,
    process::{Exit, Signal},
    types::{
        Cost, CostSource, Denial, Descriptor, ErrorKind, Event, ExecutionError, ExecutionResult,
        Health, Link, OtherEvent, Outcome, PlanStep, Progress, RemoteBranch, StepState, StopMode,
        StopResult, Suspension, Task, ToolResult, ToolUse, Usage, Warning, WorkProduct,
    },
};

#[expect(clippy::pedantic, reason = "generated from wit/, where the documentation is")]
#[doc(hidden)]
pub mod generated {
    wit_bindgen::generate!({
        path: ["../../wit", "wit"],
        world: "cyrus:sdk/plugin",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "cyrus_sdk::contract::generated",
        additional_derives: [PartialEq],
        additional_type_attributes: {
            "cyrus:executor/types@0.1.0/usage": [#[derive(Default)]],
            "cyrus:executor/context@0.1.0/limits": [#[derive(Default)]],
            "cyrus:executor/context@0.1.0/repository": [#[derive(Default)]],
        },
    });
}

/// What [`Descriptor::features`] can say.
pub mod feature {
    /// Goes on from a checkpoint.
    pub const RESUME: &str = "resume";
    /// May end in [`Outcome::Suspended`](super::Outcome::Suspended).
    pub const SUSPEND: &str = "suspend";
    /// `stop(detach)` leaves the work running.
    pub const DETACH: &str = "detach";
    /// `stop(cancel)` reaches remote work.
    pub const REMOTE_STOP: &str = "remote-stop";
    /// May put questions.
    pub const ASK: &str = "ask";
    /// Its cost is a bill, not an estimate.
    pub const REPORTED_COST: &str = "reported-cost";
    /// Answers in an asked-for schema.
    pub const STRUCTURED_OUTPUT: &str = "structured-output";
    /// Uses the MCP servers it is given.
    pub const MCP: &str = "mcp";
    /// Obeys allowed and disallowed tools.
    pub const TOOL_POLICY: &str = "tool-policy";
    /// Stops by itself at the limit on turns.
    pub const TURN_LIMIT: &str = "turn-limit";
    /// Stops by itself at the limit on cost.
    pub const COST_LIMIT: &str = "cost-limit";
}

/// Milliseconds, or as many as there can be.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Descriptor {
    /// What does the work, in which version of the plugin, and a sentence or two for people. Serves every kind
    /// of task and claims no feature.
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            description: description.into(),
            kinds: Vec::new(),
            features: Vec::new(),
            settings_schema: None,
        }
    }

    /// The task kinds it serves, in place of every kind.
    #[must_use]
    pub fn kinds<S: Into<String>>(mut self, kinds: impl IntoIterator<Item = S>) -> Self {
        self.kinds = kinds.into_iter().map(Into::into).collect();
        self
    }

    /// What it can do, in the words of [`feature`].
    #[must_use]
    pub fn features<S: Into<String>>(mut self, features: impl IntoIterator<Item = S>) -> Self {
        self.features = features.into_iter().map(Into::into).collect();
        self
    }

    /// A JSON Schema of the settings.
    #[must_use]
    pub fn settings_schema(mut self, schema: &Value) -> Self {
        self.settings_schema = Some(schema.to_string());
        self
    }
}

impl Health {
    /// One line for people: `claude 2.1.330, logged in`.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), version: None, details: Vec::new() }
    }

    /// The version of the program or service behind the executor.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// One more thing worth knowing.
    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }
}

impl Cost {
    /// An amount read from a bill, in US dollars, rounded to the nearest millionth. `None` when it is negative,
    /// not finite, or too large to hold.
    pub fn reported(usd: f64) -> Option<Self> {
        micro_usd(usd).map(|amount| Self { amount, source: CostSource::Reported })
    }

    /// An amount that was worked out, in US dollars. `None` as for [`Cost::reported`].
    pub fn estimated(usd: f64) -> Option<Self> {
        micro_usd(usd).map(|amount| Self { amount, source: CostSource::Estimated })
    }
}

/// Millionths of a US dollar. `None` when `usd` is negative, not finite, or too large to hold exactly.
pub fn micro_usd(usd: f64) -> Option<u64> {
    let micro = (usd * 1e6).round();
    // 2^53 millionths, nine billion dollars, is where a float stops being exact.
    let exact = (0.0..=9_007_199_254_740_992.0).contains(&micro);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range, as was just checked"
    )]
    exact.then_some(micro as u64)
}

impl Link {
    /// Something to look at; `kind` is a word such as `pull-request`, `run`, `log`, `document`.
    pub fn new(kind: impl Into<String>, title: impl Into<String>, url: impl Into<String>) -> Self {
        Self { kind: kind.into(), title: title.into(), url: url.into() }
    }
}

impl ExecutionResult {
    /// A result that is its summary and nothing more.
    pub fn new(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            structured: None,
            product: WorkProduct::Nothing,
            links: Vec::new(),
            usage: Usage::default(),
            denials: Vec::new(),
            checkpoint: None,
            extensions: Vec::new(),
        }
    }

    /// The work is in the workspace, committed or not.
    #[must_use]
    pub fn in_workspace(mut self) -> Self {
        self.product = WorkProduct::Workspace;
        self
    }

    /// The work is on this branch of the repository's own remote.
    #[must_use]
    pub fn on_branch(mut self, name: impl Into<String>) -> Self {
        let branch = RemoteBranch { remote: None, name: name.into(), commit: None };
        self.product = WorkProduct::Branch(branch);
        self
    }

    /// The answer in the asked-for schema.
    #[must_use]
    pub fn structured(mut self, answer: &Value) -> Self {
        self.structured = Some(answer.to_string());
        self
    }

    /// Something to look at.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    /// What it took.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// From here a later execution may go on.
    #[must_use]
    pub fn checkpoint(mut self, token: impl Into<String>) -> Self {
        self.checkpoint = Some(token.into());
        self
    }

    /// One thing more, by name.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: &Value) -> Self {
        self.extensions.push((name.into(), value.to_string()));
        self
    }
}

impl From<ExecutionResult> for Outcome {
    fn from(result: ExecutionResult) -> Self {
        Self::Completed(result)
    }
}

impl Outcome {
    /// The work goes on elsewhere: call again after `wake_after`, with this checkpoint.
    pub fn suspended(checkpoint: impl Into<String>, wake_after: Duration, usage: Usage) -> Self {
        let wake_after = milliseconds(wake_after);
        Self::Suspended(Suspension { checkpoint: checkpoint.into(), wake_after, usage })
    }
}

impl Event {
    /// Text the agent addresses to people.
    pub fn message(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }

    /// The agent's reasoning.
    pub fn thought(text: impl Into<String>) -> Self {
        Self::Thought(text.into())
    }

    /// A tool call begins.
    pub fn tool_use(id: impl Into<String>, tool: impl Into<String>, input: &Value) -> Self {
        Self::ToolUse(ToolUse { id: id.into(), tool: tool.into(), input: input.to_string() })
    }

    /// A tool call ended.
    pub fn tool_result(id: impl Into<String>, is_error: bool, output: impl Into<String>) -> Self {
        Self::ToolResult(ToolResult { id: id.into(), is_error, output: output.into() })
    }

    /// The agent's whole plan.
    pub fn plan(steps: impl IntoIterator<Item = PlanStep>) -> Self {
        Self::Plan(steps.into_iter().collect())
    }

    /// Something to look at.
    pub fn link(kind: impl Into<String>, title: impl Into<String>, url: impl Into<String>) -> Self {
        Self::Link(Link::new(kind, title, url))
    }

    /// What is being done now; how far along, from 0 to 1, where it is known.
    pub fn progress(message: impl Into<String>, fraction: Option<f32>) -> Self {
        Self::Progress(Progress { message: message.into(), fraction })
    }

    /// Something a person should know; `code` is a stable word.
    pub fn warning(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Warning(Warning { code: code.into(), message: message.into() })
    }

    /// What the contract has no case for.
    pub fn other(kind: impl Into<String>, payload: &Value) -> Self {
        Self::Other(OtherEvent { kind: kind.into(), payload: payload.to_string() })
    }
}

impl Question {
    /// May this tool be used with this input?
    pub fn tool_permission(id: impl Into<String>, tool: impl Into<String>, input: &Value) -> Self {
        Self::new(id, QuestionKind::ToolPermission, tool, input)
    }

    /// A question to the user.
    pub fn user(id: impl Into<String>, question: impl Into<String>) -> Self {
        Self::new(id, QuestionKind::UserQuestion, question, &Value::Null)
    }

    fn new(
        id: impl Into<String>,
        kind: QuestionKind,
        subject: impl Into<String>,
        input: &Value,
    ) -> Self {
        Self {
            id: id.into(),
            kind,
            subject: subject.into(),
            input: input.to_string(),
            choices: Vec::new(),
            deadline: None,
        }
    }

    /// Offers a choice.
    #[must_use]
    pub fn choice(mut self, id: impl Into<String>, label: impl Into<String>) -> Self {
        self.choices.push(Choice { id: id.into(), label: label.into() });
        self
    }

    /// How long the answer may take.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(milliseconds(deadline));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_exact_millionths_or_nothing() {
        assert_eq!(micro_usd(0.014_499_999_999_999_999), Some(14_500));
        assert_eq!(micro_usd(0.0), Some(0));
        for usd in [-0.01, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(micro_usd(usd), None, "{usd}");
        }
    }

    #[test]
    fn a_suspension_counts_in_milliseconds() {
        let outcome = Outcome::suspended("run-7", Duration::from_secs(5), Usage::default());
        let Outcome::Suspended(suspension) = outcome else { panic!("{outcome:?}") };
        assert_eq!(suspension.wake_after, 5_000);
        assert_eq!(milliseconds(Duration::MAX), u64::MAX);
    }
}
