//! What a run's log says, as events.

use crate::api::LogEntry;
use cyrus_sdk::contract::Event;
use serde_json::Value;

/// How much of a text goes into an event, in bytes.
const TEXT: usize = 16 * 1024;

/// The events of a log entry. `index` is its place in the run's log; it names the tool call.
pub(crate) fn events(index: u64, entry: &LogEntry) -> Vec<Event> {
    let kind = entry.message_type.as_deref().unwrap_or_default().to_ascii_uppercase();
    let mut events = Vec::new();
    if let Some(thought) = text(entry.thought.as_deref()) {
        events.push(Event::thought(thought));
    }
    let said = || entry.observation.as_ref().and_then(readable);
    match kind.as_str() {
        "ACTION" => events.extend(tool_call(index, entry)),
        "PLAN_EVALUATION" | "FINAL_ANSWER" => events.extend(said().map(Event::Message)),
        "ERROR" => {
            let message = said().unwrap_or_else(|| "the agent met an error".to_owned());
            events.push(Event::warning("agent-error", message));
        }
        "PR_CREATION_FAILED" => {
            let message = said().unwrap_or_else(|| "the pull request could not be made".to_owned());
            events.push(Event::warning("pull-request-failed", message));
        }
        "INITIAL_PR_GENERATION"
        | "DETECT_PR_ERRORS"
        | "FIX_PR_ERRORS"
        | "PR_EVALUATION"
        | "COMMIT_EVALUATION" => {
            let doing = kind.to_ascii_lowercase().replace('_', " ");
            events.push(Event::progress(said().unwrap_or(doing), None));
        }
        // What the user said is no news, and the link was told already.
        "USER_MESSAGE" | "USER_GITHUB_ISSUE_COMMENT" | "AGENT_RUN_LINK" => {}
        _ => events.extend(said().map(|text| {
            let payload = serde_json::json!({"messageType": entry.message_type, "text": text});
            Event::other("codegen-log", &payload)
        })),
    }
    events
}

fn tool_call(index: u64, entry: &LogEntry) -> Vec<Event> {
    let Some(tool) = text(entry.tool_name.as_deref()) else {
        return entry
            .observation
            .as_ref()
            .and_then(readable)
            .map(Event::Message)
            .into_iter()
            .collect();
    };
    let id = format!("log-{index}");
    let input = entry.tool_input.as_ref().unwrap_or(&Value::Null);
    let output = entry.tool_output.as_ref().or(entry.observation.as_ref());
    let failed = entry.tool_output.as_ref().is_some_and(|output| {
        output.get("error").is_some_and(|error| !error.is_null())
            || output.get("success") == Some(&Value::Bool(false))
    });
    let mut events = vec![Event::tool_use(&id, tool, input)];
    // An entry is written when the call is over, with or without words.
    let said = output.and_then(readable).unwrap_or_default();
    events.push(Event::tool_result(id, failed, said));
    events
}

fn text(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    (!text.is_empty()).then(|| cut(text))
}

/// What there is to read in a value that is text or an object that holds some.
fn readable(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(string) => text(Some(string)),
        Value::Object(fields) => {
            let known = ["content", "message", "output", "text", "result", "error"];
            let found = known.iter().find_map(|name| fields.get(*name).and_then(Value::as_str));
            text(found).or_else(|| (!fields.is_empty()).then(|| cut(&value.to_string())))
        }
        other => Some(cut(&other.to_string())),
    }
}

fn cut(text: &str) -> String {
    if text.len() <= TEXT {
        return text.to_owned();
    }
    format!("{} […]", &text[..text.floor_char_boundary(TEXT)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_sdk::contract::{ToolResult, ToolUse};
    use serde_json::json;

    fn entry(value: Value) -> LogEntry {
        serde_json::from_value(value).expect("a log entry")
    }

    #[test]
    fn an_action_is_a_thought_and_a_tool_call() {
        let events = events(
            7,
            &entry(json!({
                "agent_run_id": 1, "message_type": "ACTION", "tool_name": "ripgrep",
                "thought": "I look for it.", "tool_input": {"query": "add"}, "tool_output": {"content": "src/a.rs"},
            })),
        );
        let id = || "log-7".to_owned();
        let input = r#"{"query":"add"}"#.to_owned();
        assert_eq!(
            events,
            [
                Event::thought("I look for it."),
                Event::ToolUse(ToolUse { id: id(), tool: "ripgrep".to_owned(), input }),
                Event::ToolResult(ToolResult {
                    id: id(),
                    is_error: false,
                    output: "src/a.rs".to_owned()
                }),
            ]
        );
    }

    #[test]
    fn every_documented_kind_has_its_event() {
        let one = |kind: &str| {
            let log = json!({"message_type": kind, "observation": "words"});
            events(0, &entry(log)).into_iter().next()
        };
        assert_eq!(one("FINAL_ANSWER"), Some(Event::message("words")));
        assert_eq!(one("final_answer"), Some(Event::message("words")));
        assert_eq!(one("PLAN_EVALUATION"), Some(Event::message("words")));
        assert_eq!(one("ACTION"), Some(Event::message("words")));
        assert_eq!(one("ERROR"), Some(Event::warning("agent-error", "words")));
        assert_eq!(one("PR_CREATION_FAILED"), Some(Event::warning("pull-request-failed", "words")));
        for kind in ["INITIAL_PR_GENERATION", "DETECT_PR_ERRORS", "FIX_PR_ERRORS", "PR_EVALUATION"]
        {
            assert_eq!(one(kind), Some(Event::progress("words", None)), "{kind}");
        }
        for kind in ["USER_MESSAGE", "USER_GITHUB_ISSUE_COMMENT", "AGENT_RUN_LINK"] {
            assert_eq!(one(kind), None, "{kind}");
        }
        let unknown = json!({"messageType": "DREAM", "text": "words"});
        assert_eq!(one("DREAM"), Some(Event::other("codegen-log", &unknown)));
    }

    #[test]
    fn a_failed_call_is_an_error() {
        for output in [json!({"error": "no such file"}), json!({"success": false, "content": "x"})]
        {
            let log = json!({"message_type": "ACTION", "tool_name": "t", "tool_output": output});
            let told = events(0, &entry(log));
            let Some(Event::ToolResult(result)) = told.last() else { panic!("{told:?}") };
            assert!(result.is_error);
        }
    }

    #[test]
    fn nothing_that_is_missing_or_strange_is_a_problem() {
        assert_eq!(events(0, &LogEntry::default()), []);
        let object =
            events(0, &entry(json!({"message_type": "FINAL_ANSWER", "observation": {"a": 1}})));
        assert_eq!(object, [Event::message(r#"{"a":1}"#)]);
        let words = "é".repeat(TEXT);
        let log = entry(json!({"message_type": "FINAL_ANSWER", "observation": words}));
        let Some(Event::Message(text)) = events(0, &log).pop() else { panic!("a message") };
        assert!(text.len() <= TEXT + 8 && text.ends_with("é […]"), "{}", text.len());
    }
}
