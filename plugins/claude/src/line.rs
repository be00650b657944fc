//! What `claude` writes on its standard output: one JSON object on each line.

use serde_json::Value;

/// A line, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// `system/init`: a session begins.
    Init(Init),
    /// `system/api_retry`: a request failed and is made again.
    Retry(Retry),
    /// `system/status` other than `requesting`, which says nothing new.
    Status(String),
    /// `system/task_started`, `system/task_updated` and `system/task_notification`: a command or an agent in the background.
    Task(BackgroundTask),
    /// `system/background_tasks_changed`: all that goes on in the background.
    Tasks(Vec<BackgroundTask>),
    /// `system/session_state_changed`: `running`, `idle` or `requires_action`.
    State(String),
    /// `system/session_writes_lost`: a later run cannot rely on the session that is saved.
    WritesLost,
    /// `rate_limit_event`: how the account stands to its limits.
    Limit(Limit),
    /// A part of what the model said: one block of content, as a rule.
    Assistant(Assistant),
    /// What went back to the model: results of tools.
    User(Vec<ToolOutput>),
    /// It asks to be allowed a tool.
    Permission(PermissionRequest),
    /// It asks for something else, by this request id and subtype.
    OtherRequest(String, String),
    /// It does not need the answer to this request id any more.
    RequestCancelled(String),
    /// It answered a request of ours, by its id.
    Reply(String),
    /// How it ended.
    Result(Box<RunResult>),
    /// Known, and of no interest.
    Silent,
    /// An object of a type that is not known.
    Unknown(String),
    /// No JSON object.
    NotJson,
}

/// `system/init`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Init {
    /// The session, as a UUID.
    pub(crate) session_id: String,
    /// The model in use.
    pub(crate) model: String,
    /// The version of Claude Code.
    pub(crate) version: String,
    /// MCP servers that are not connected: name and state.
    pub(crate) broken_servers: Vec<(String, String)>,
}

/// `system/api_retry`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retry {
    /// 1 for the first.
    pub(crate) attempt: u64,
    /// How many there will be at most.
    pub(crate) max_retries: u64,
    /// How long it waits, in milliseconds. It keeps to a `retry-after` of the service.
    pub(crate) delay_ms: Option<u64>,
    /// The HTTP status. `None`: there was no answer.
    pub(crate) status: Option<u64>,
    /// `rate_limit`, `overloaded`, `authentication_failed`, …
    pub(crate) error: String,
}

/// A command or an agent that runs in the background.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BackgroundTask {
    /// Its id.
    pub(crate) id: String,
    /// The tool call that began it, where it is named.
    pub(crate) call: String,
    /// `local_bash`, `local_agent`, …
    pub(crate) kind: String,
    /// `started`, or what became of it: `completed`, `stopped`, …
    pub(crate) state: String,
    /// A few words about it.
    pub(crate) description: String,
    /// The call that began it waits for it.
    pub(crate) foreground: bool,
}

/// `rate_limit_event`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// A request was turned away, and nothing else pays for it.
    pub(crate) rejected: bool,
    /// `five_hour`, `seven_day`, …
    pub(crate) kind: String,
    /// When the limit ends, in seconds since 1970.
    pub(crate) resets_at: Option<u64>,
}

/// An `assistant` line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Assistant {
    /// The id of the message this is a part of. The usage belongs to the message, not to the line.
    pub(crate) message_id: String,
    /// The content.
    pub(crate) blocks: Vec<Block>,
    /// What the message used, as far as it was known when the line was written.
    pub(crate) usage: TokenCounts,
    /// Set when the model did not speak at all, and this tells of a failed request: `rate_limit`, …
    pub(crate) api_error: Option<String>,
    /// Claude Code wrote it, not a model.
    pub(crate) synthetic: bool,
    /// A subagent said it.
    pub(crate) subagent: bool,
}

/// A block of content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    /// Text for people.
    Text(String),
    /// Reasoning.
    Thinking(String),
    /// A tool call.
    ToolUse {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// Its input.
        input: Value,
    },
}

/// What a tool call gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolOutput {
    /// The call.
    pub(crate) tool_use_id: String,
    /// Whether it failed.
    pub(crate) is_error: bool,
    /// What the model reads.
    pub(crate) text: String,
    /// The number of the step that the call added to the plan.
    pub(crate) step: Option<String>,
}

/// `control_request` / `can_use_tool`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PermissionRequest {
    /// What the answer refers to.
    pub(crate) request_id: String,
    /// The tool.
    pub(crate) tool: String,
    /// Its input.
    pub(crate) input: Value,
}

/// Tokens, as Anthropic counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenCounts {
    /// Read and not from a cache.
    pub(crate) input: u64,
    /// Written by the model.
    pub(crate) output: u64,
    /// Read from a cache.
    pub(crate) cache_read: u64,
    /// Written to a cache.
    pub(crate) cache_write: u64,
}

/// A `result` line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RunResult {
    /// `success`, `error_max_turns`, …: to be read together with `is_error`.
    pub(crate) subtype: String,
    /// Whether it failed. With subtype `success` it means that a request did.
    pub(crate) is_error: bool,
    /// The HTTP status of the request that failed. Not always there: a 529 has none.
    pub(crate) api_error_status: Option<u64>,
    /// Turns, as Claude Code counts them.
    pub(crate) turns: Option<u64>,
    /// The last text.
    pub(crate) text: String,
    /// Why the model stopped.
    pub(crate) stop_reason: String,
    /// The answer in the schema that was asked for.
    pub(crate) structured: Option<Value>,
    /// Tool calls that were not allowed.
    pub(crate) denials: Vec<Denied>,
    /// What went wrong, for people.
    pub(crate) errors: Vec<String>,
    /// The bill.
    pub(crate) bill: Bill,
}

/// A tool call that was not allowed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Denied {
    /// The call.
    pub(crate) tool_use_id: String,
    /// The tool.
    pub(crate) tool: String,
    /// Its input.
    pub(crate) input: Value,
}

/// What a `result` line says about money and tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bill {
    /// Dollars of all results of the process so far; of later versions, of the resumed session too.
    pub(crate) total_usd: Option<f64>,
    /// Dollars and tokens of this result alone, where the version tells.
    pub(crate) since_last: Option<(f64, TokenCounts)>,
    /// Tokens by model, summed. What belongs to `total_usd`.
    pub(crate) by_model: Option<TokenCounts>,
}

impl TokenCounts {
    /// What the model read, from a cache or not.
    pub(crate) fn read(self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// The larger of each.
    #[must_use]
    pub(crate) fn at_least(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
        }
    }

    /// The sum of both.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
        }
    }
}
