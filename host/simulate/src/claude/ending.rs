//! How a message ends, and the `result` line that says so.

use serde_json::{Value, json};

use super::bill::Bill;
use super::script::Version;

/// The end of one message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// The model said its last.
    Done { text: String, stop_reason: String },
    /// The model gave its structured output.
    Structured(Value),
    /// The model could not be called.
    ApiError { text: String, status: Option<u16> },
    /// `--max-turns`
    MaxTurns(u64),
    /// `--max-budget-usd`, as written.
    MaxBudget(String),
    /// Somebody stopped it, while the model spoke or while a tool was to be used.
    Interrupted { in_tools: bool },
}

/// What a message has come to, for its result line.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    /// Tokens of this message, as `usage` has them: without a call that went over the budget.
    pub(super) bill: Bill,
    /// All tokens of this message.
    pub(super) spent: Bill,
    /// `user` lines printed.
    pub(super) user_lines: u64,
    /// Tool uses that were denied.
    pub(super) denials: Vec<Value>,
    /// Calls of the model.
    pub(super) calls: u64,
}

impl Ending {
    /// Whether the program counts it as an error, which is also its exit code.
    pub(super) fn is_error(&self) -> bool {
        !matches!(self, Self::Done { .. } | Self::Structured(_))
    }

    /// The result line, without the session. `total` is the whole process's, as the program counts it.
    pub(super) fn result(
        &self,
        account: &Account,
        total: &Bill,
        model: &str,
        version: Version,
    ) -> Value {
        let mut line = json!({
            "type": "result",
            "is_error": self.is_error(),
            "num_turns": account.user_lines + 1,
            "duration_ms": 100 + 50 * account.calls,
            "duration_api_ms": 50 * account.calls,
            "total_cost_usd": total.usd(version),
            "usage": account.bill.usage(),
            "modelUsage": total.model_usage(model, version),
            "permission_denials": account.denials,
            "fast_mode_state": "off",
            "stop_reason": "tool_use",
        });
        let newer = version == Version::V330;
        if newer {
            line["queued_turn_count"] = 0.into();
            line["model_usage_since_last_result"] = account.spent.model_usage(model, version);
        }
        let (subtype, reason) = match self {
            Self::Done { .. } | Self::Structured(_) => ("success", Some("completed")),
            Self::ApiError { .. } => {
                ("success", Some(if newer { "api_error" } else { "completed" }))
            }
            Self::MaxTurns(_) => ("error_max_turns", Some("max_turns")),
            Self::MaxBudget(_) => ("error_max_budget_usd", newer.then_some("budget_exhausted")),
            Self::Interrupted { in_tools: true } => {
                ("error_during_execution", Some("aborted_tools"))
            }
            Self::Interrupted { in_tools: false } => {
                ("error_during_execution", Some("aborted_streaming"))
            }
        };
        line["subtype"] = subtype.into();
        if let Some(reason) = reason {
            line["terminal_reason"] = reason.into();
        }
        self.describe(&mut line);
        line
    }

    fn describe(&self, line: &mut Value) {
        let diagnostic = |stop: &str| {
            json!([format!(
                "[ede_diagnostic] result_type=user last_content_type=n/a stop_reason={stop}"
            )])
        };
        match self {
            Self::Done { text, stop_reason } => {
                line["result"] = text.as_str().into();
                line["stop_reason"] = stop_reason.as_str().into();
                line["api_error_status"] = Value::Null;
            }
            Self::Structured(output) => {
                line["result"] = output.to_string().into();
                line["structured_output"] = output.clone();
                line["api_error_status"] = Value::Null;
            }
            Self::ApiError { text, status } => {
                line["result"] = text.as_str().into();
                line["stop_reason"] = "stop_sequence".into();
                line["api_error_status"] = json!(status);
            }
            Self::MaxTurns(turns) => {
                line["errors"] = json!([format!("Reached maximum number of turns ({turns})")]);
            }
            Self::MaxBudget(dollars) => {
                line["errors"] = json!([format!("Reached maximum budget (${dollars})")]);
            }
            Self::Interrupted { in_tools: true } => line["errors"] = diagnostic("tool_use"),
            Self::Interrupted { in_tools: false } => {
                line["stop_reason"] = Value::Null;
                line["errors"] = diagnostic("null");
            }
        }
    }
}

/// The result of resuming a session that is not there.
pub(super) fn unknown_session(id: &str) -> Value {
    let nothing = Bill::default();
    json!({
        "type": "result",
        "subtype": "error_during_execution",
        "is_error": true,
        "num_turns": 0,
        "duration_ms": 0,
        "duration_api_ms": 0,
        "stop_reason": null,
        "total_cost_usd": 0,
        "usage": nothing.usage(),
        "modelUsage": {},
        "permission_denials": [],
        "errors": [format!("No conversation found with session ID: {id}")],
    })
}
