//! Reads lines. Versions add keys, types and subtypes, and change the order of keys. So a line is read as far as it
//! is understood: a missing key, or one of another type than expected, costs that key and not the line.

use crate::{
    background::STARTED,
    line::{
        Assistant, BackgroundTask, Bill, Block, Denied, Init, Limit, Line, PermissionRequest,
        Retry, RunResult, TokenCounts, ToolOutput,
    },
    reset::epoch,
};
use cyrus_sdk::whole_characters;
use serde_json::{Map, Value};

impl Line {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Self {
        let Ok(Value::Object(line)) = serde_json::from_str::<Value>(&whole_characters(line)) else {
            return Self::NotJson;
        };
        match text(&line, "type").as_str() {
            "system" => system(&line),
            "assistant" => Self::Assistant(assistant(&line)),
            "user" => Self::User(tool_outputs(&line)),
            "control_request" => control_request(&line),
            "control_cancel_request" => Self::RequestCancelled(text(&line, "request_id")),
            "control_response" => Self::Reply(text(object(&line, "response"), "request_id")),
            "result" => Self::Result(Box::new(result(&line))),
            "rate_limit_event" => Self::Limit(limit(object(&line, "rate_limit_info"))),
            "stream_event" | "keep_alive" | "tool_progress" => Self::Silent,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// The value as an object; an empty one when it is something else.
fn object<'a>(of: &'a Map<String, Value>, key: &str) -> &'a Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    of.get(key).and_then(Value::as_object).unwrap_or(&EMPTY)
}

/// The value as a text; an empty one when it is something else.
fn text(of: &Map<String, Value>, key: &str) -> String {
    of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(of: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    of.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn flag(of: &Map<String, Value>, key: &str) -> bool {
    of.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn count(of: &Map<String, Value>, key: &str) -> Option<u64> {
    of.get(key).and_then(Value::as_u64)
}

fn system(line: &Map<String, Value>) -> Line {
    match text(line, "subtype").as_str() {
        "init" => Line::Init(Init {
            session_id: text(line, "session_id"),
            model: text(line, "model"),
            version: text(line, "claude_code_version"),
            broken_servers: list(line, "mcp_servers")
                .map(|server| (text(server, "name"), text(server, "status")))
                .filter(|(_, status)| !matches!(status.as_str(), "connected" | "pending" | ""))
                .collect(),
        }),
        "api_retry" => Line::Retry(Retry {
            attempt: count(line, "attempt").unwrap_or_default(),
            max_retries: count(line, "max_retries").unwrap_or_default(),
            delay_ms: line.get("retry_delay_ms").and_then(Value::as_f64).and_then(whole),
            status: count(line, "error_status"),
            error: text(line, "error"),
        }),
        "status" if !matches!(text(line, "status").as_str(), "" | "requesting") => {
            Line::Status(text(line, "status"))
        }
        "task_started" => Line::Task(background(line, STARTED.to_owned(), "description")),
        "task_updated" => {
            Line::Task(background(line, text(object(line, "patch"), "status"), "description"))
        }
        "task_notification" => {
            // Whatever its status is called: it is sent at the end.
            let state = Some(text(line, "status")).filter(|state| !state.is_empty());
            Line::Task(background(line, state.unwrap_or_else(|| "ended".to_owned()), "summary"))
        }
        "background_tasks_changed" => {
            let of = |task| background(task, text(task, "status"), "description");
            Line::Tasks(list(line, "tasks").map(of).collect())
        }
        "session_state_changed" => Line::State(text(line, "state")),
        "session_writes_lost" => Line::WritesLost,
        // The rest of `system` tells how Claude Code is doing, and grows with every version.
        _ => Line::Silent,
    }
}

fn background(line: &Map<String, Value>, state: String, description: &str) -> BackgroundTask {
    let id = Some(text(line, "task_id")).filter(|id| !id.is_empty());
    BackgroundTask {
        id: id.unwrap_or_else(|| text(line, "id")),
        call: text(line, "tool_use_id"),
        kind: text(line, "task_type"),
        state,
        description: text(line, description),
        foreground: line.get("is_backgrounded").and_then(Value::as_bool) == Some(false),
    }
}

/// How the account stands to its limits. While something beyond the plan pays, nothing is turned away.
fn limit(info: &Map<String, Value>) -> Limit {
    let at = info.get("resetsAt").or_else(|| info.get("resets_at"));
    let resets_at = at.and_then(|at| match at {
        Value::Number(number) => epoch(number.as_f64().and_then(whole)?),
        Value::String(text) => text.parse().ok(),
        _ => None,
    });
    Limit {
        rejected: text(info, "status") == "rejected" && !flag(info, "isUsingOverage"),
        kind: text(info, "rateLimitType"),
        resets_at: resets_at.and_then(|at| u64::try_from(at.as_second()).ok()),
    }
}

/// Milliseconds as a whole number. Delays are written with fractions.
fn whole(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range: below 2^53, so exact, and not negative"
    )]
    (number.is_finite() && (0.0..9e15).contains(&number)).then(|| number.ceil() as u64)
}

fn assistant(line: &Map<String, Value>) -> Assistant {
    let message = object(line, "message");
    let error = text(line, "error");
    Assistant {
        message_id: text(message, "id"),
        blocks: list(message, "content").filter_map(block).collect(),
        usage: token_counts(
            object(message, "usage"),
            [
                "input_tokens",
                "output_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
            ],
        ),
        api_error: (!error.is_empty()).then_some(error),
        synthetic: text(message, "model") == "<synthetic>",
        subagent: line.get("parent_tool_use_id").is_some_and(Value::is_string),
    }
}

fn block(block: &Map<String, Value>) -> Option<Block> {
    match text(block, "type").as_str() {
        "text" => Some(Block::Text(text(block, "text"))),
        "thinking" => Some(Block::Thinking(text(block, "thinking"))),
        "tool_use" | "server_tool_use" => Some(Block::ToolUse {
            id: text(block, "id"),
            name: text(block, "name"),
            input: block.get("input").cloned().unwrap_or_default(),
        }),
        _ => None,
    }
}

fn token_counts(of: &Map<String, Value>, keys: [&str; 4]) -> TokenCounts {
    let [input, output, cache_read, cache_write] =
        keys.map(|key| count(of, key).unwrap_or_default());
    TokenCounts { input, output, cache_read, cache_write }
}

fn tool_outputs(line: &Map<String, Value>) -> Vec<ToolOutput> {
    let results = list(object(line, "message"), "content");
    results
        .filter(|block| text(block, "type") == "tool_result")
        .map(|block| ToolOutput {
            tool_use_id: text(block, "tool_use_id"),
            is_error: flag(block, "is_error"),
            text: block.get("content").map(output_text).unwrap_or_default(),
            step: line.get("tool_use_result").and_then(step_number),
        })
        .collect()
}

/// The number of a step that was added to the plan, from what a tool gives to programs.
fn step_number(given: &Value) -> Option<String> {
    match given.pointer("/task/id")? {
        Value::String(number) => Some(number.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The text of a tool's result, which is a text or a list of blocks.
fn output_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(Value::as_object).map(|block| {
                match text(block, "type").as_str() {
                    "text" => text(block, "text"),
                    other => format!("[{other}]"),
                }
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn control_request(line: &Map<String, Value>) -> Line {
    let request_id = text(line, "request_id");
    let request = object(line, "request");
    match text(request, "subtype").as_str() {
        "can_use_tool" => Line::Permission(PermissionRequest {
            request_id,
            tool: text(request, "tool_name"),
            input: Value::Object(object(request, "input").clone()),
        }),
        other => Line::OtherRequest(request_id, other.to_owned()),
    }
}

fn result(line: &Map<String, Value>) -> RunResult {
    RunResult {
        subtype: text(line, "subtype"),
        is_error: flag(line, "is_error"),
        api_error_status: count(line, "api_error_status"),
        turns: count(line, "num_turns"),
        text: text(line, "result"),
        stop_reason: text(line, "stop_reason"),
        structured: line.get("structured_output").filter(|answer| !answer.is_null()).cloned(),
        denials: list(line, "permission_denials")
            .map(|denial| Denied {
                tool_use_id: text(denial, "tool_use_id"),
                tool: text(denial, "tool_name"),
                input: denial.get("tool_input").cloned().unwrap_or_default(),
            })
            .collect(),
        errors: line
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|error| error.as_str().map(str::to_owned))
            .collect(),
        bill: bill(line),
    }
}

fn bill(line: &Map<String, Value>) -> Bill {
    let by_model = |key: &str| {
        line.get(key).and_then(Value::as_object).map(|models| {
            models.values().filter_map(Value::as_object).fold(
                (0.0, TokenCounts::default()),
                |(usd, tokens), model| {
                    let keys = [
                        "inputTokens",
                        "outputTokens",
                        "cacheReadInputTokens",
                        "cacheCreationInputTokens",
                    ];
                    let cost = model.get("costUSD").and_then(Value::as_f64).unwrap_or_default();
                    (usd + cost, tokens.plus(token_counts(model, keys)))
                },
            )
        })
    };
    Bill {
        total_usd: line.get("total_cost_usd").and_then(Value::as_f64),
        since_last: by_model("model_usage_since_last_result"),
        by_model: by_model("modelUsage").map(|(_, tokens)| tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use cyrus_sdk::contract::micro_usd;
    use serde_json::json;

    #[test]
    fn every_recorded_line_is_known() {
        let recordings = [
            "api_400_credit",
            "api_401",
            "api_429",
            "api_529",
            "blocked_redirection",
            "budget",
            "denied",
            "interrupted",
            "interrupted_tool",
            "max_turns",
            "mcp",
            "no_result",
            "permission_allow",
            "permission_deny",
            "permission_interrupted",
            "resume_unknown",
            "schema",
            "schema_missing",
            "write",
        ];
        for name in recordings {
            for line in fixtures::lines(name) {
                assert!(!matches!(line, Line::Unknown(_) | Line::NotJson), "{name}: {line:?}");
            }
        }
    }

    #[test]
    fn a_result_reads_the_same_in_both_generations() {
        for (name, micro) in [("write", 14_500), ("permission_allow", 11_600)] {
            let Some(Line::Result(result)) = fixtures::lines(name).pop() else { panic!("{name}") };
            assert_eq!((result.subtype.as_str(), result.is_error), ("success", false));
            assert_eq!(result.bill.total_usd.and_then(micro_usd), Some(micro));
            assert_eq!(result.bill.by_model.map(|tokens| tokens.input), Some(2_400));
            assert_eq!(result.text, "Done: final answer 2. ");
        }
    }

    #[test]
    fn half_a_character_costs_no_result() {
        let line =
            r#"{"type":"result","subtype":"success","is_error":false,"result":"cut \ud83d"}"#;
        let Line::Result(result) = Line::parse(line) else { panic!("{line}") };
        assert_eq!(result.text, "cut \u{fffd}");
    }

    #[test]
    fn a_question_reads_with_its_input() {
        let asked = fixtures::lines("permission_allow").into_iter().find_map(|line| match line {
            Line::Permission(request) => Some(request),
            _ => None,
        });
        let request = asked.expect("it asks");
        assert_eq!(request.tool, "Write");
        assert_eq!(request.input["file_path"], "/workspace/hello.txt");
        assert_eq!(request.request_id, "c3845bb8-e48a-42b0-9036-febe0874e713");
    }

    #[test]
    fn what_does_not_fit_costs_only_itself() {
        for bad in ["", "null", "[]", "\"x\"", "{", "Warning: low disk", "{\"type\":\"result\""] {
            assert_eq!(Line::parse(bad), Line::NotJson, "{bad:?}");
        }
        assert_eq!(Line::parse(r#"{"type":"hologram"}"#), Line::Unknown("hologram".to_owned()));
        assert_eq!(Line::parse(r#"{"type":7}"#), Line::Unknown(String::new()));
        assert_eq!(Line::parse(r#"{"type":"system","subtype":"brand_new"}"#), Line::Silent);
        let odd = json!({
            "type": "result", "subtype": 3, "is_error": "yes", "total_cost_usd": null,
            "modelUsage": [], "errors": [1, "two", null], "num_turns": -4,
            "permission_denials": [null, {"tool_name": "Bash"}], "structured_output": null,
            "result": "kept"
        });
        let Line::Result(result) = Line::parse(&odd.to_string()) else { panic!() };
        assert_eq!(result.text, "kept");
        assert_eq!(result.errors, ["two"]);
        assert_eq!(result.denials.len(), 1);
        assert_eq!((result.turns, result.structured, result.is_error), (None, None, false));
        assert_eq!(result.bill, Bill::default());
    }

    #[test]
    fn deep_nesting_is_no_json_and_no_crash() {
        let deep =
            format!("{{\"type\":\"user\",\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Line::parse(&deep), Line::NotJson);
    }

    #[test]
    fn results_of_tools_are_texts_or_blocks() {
        let line = json!({"type": "user", "message": {"content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "plain"},
            {"type": "tool_result", "tool_use_id": "b", "is_error": true, "content":
                [{"type": "text", "text": "one"}, {"type": "image", "source": {}}, {"type": "text", "text": "two"}]},
            {"type": "tool_result", "tool_use_id": "c"},
            {"type": "text", "text": "[Request interrupted by user]"}
        ]}});
        let Line::User(outputs) = Line::parse(&line.to_string()) else { panic!() };
        let read: Vec<_> =
            outputs.iter().map(|o| (o.tool_use_id.as_str(), o.is_error, o.text.as_str())).collect();
        assert_eq!(
            read,
            [("a", false, "plain"), ("b", true, "one\n[image]\ntwo"), ("c", false, "")]
        );
        let spoken = json!({"type": "user", "message": {"content": "hello"}, "isReplay": true});
        assert_eq!(Line::parse(&spoken.to_string()), Line::User(Vec::new()));
    }

    #[test]
    fn delays_are_whole_milliseconds_or_nothing() {
        for (number, expected) in
            [(559.203, Some(560)), (0.0, Some(0)), (-1.0, None), (f64::NAN, None), (1e300, None)]
        {
            assert_eq!(whole(number), expected, "{number}");
        }
    }
}
