//! What a client asks the model: a request of either API, read for what the script needs.

use serde::Deserialize;
use serde_json::Value;

use crate::conversation::Prompt;
use crate::server::RecordedRequest;

/// The parts of a request body that matter here. What else it holds is the client's business.
#[derive(Debug, Deserialize)]
struct Body {
    model: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    messages: Value,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Value,
}

/// A request, understood.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) model: String,
    pub(super) stream: bool,
    /// Chat says what it used only when it is asked to.
    pub(super) wants_usage: bool,
    pub(super) prompts: Vec<Prompt>,
    /// How often the model has answered already.
    pub(super) answers: usize,
}

impl Question {
    /// Reads a request. The error says what the service would.
    pub(super) fn read(request: &RecordedRequest) -> Result<Self, String> {
        let body: Body = serde_json::from_slice(&request.body)
            .map_err(|error| format!("The request body is not valid: {error}"))?;
        let (prompts, answers) = match (&body.input, &body.messages) {
            (Value::String(text), _) => (vec![Prompt { text: text.clone(), answers_before: 0 }], 0),
            (Value::Array(items), _) | (_, Value::Array(items)) if !items.is_empty() => read(items),
            _ => return Err("input: at least one item is required".into()),
        };
        let wants_usage = body.stream_options["include_usage"] == true;
        Ok(Self { model: body.model, stream: body.stream, wants_usage, prompts, answers })
    }
}

/// Prompts and answers. What the model says in one answer are several items in a row.
fn read(items: &[Value]) -> (Vec<Prompt>, usize) {
    let (mut prompts, mut answers, mut in_answer) = (Vec::new(), 0, false);
    for item in items {
        let is_models = item["role"] == "assistant" || item["type"].as_str().is_some_and(of_model);
        if is_models && !in_answer {
            answers += 1;
        }
        in_answer = is_models;
        if item["role"] == "user" {
            prompts.push(Prompt { text: text(&item["content"]), answers_before: answers });
        }
    }
    (prompts, answers)
}

fn of_model(kind: &str) -> bool {
    kind == "reasoning" || kind.ends_with("_call")
}

fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_answer_may_be_several_items() {
        let items = json!([
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rules"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "do it"}]},
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": []},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
            {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "d", "output": "ok"},
        ]);
        let (prompts, answers) = read(items.as_array().unwrap());
        assert_eq!(answers, 2);
        assert_eq!(prompts, [Prompt { text: "do it".into(), answers_before: 0 }]);
    }
}
