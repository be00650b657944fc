//! The model's answer as Chat Completions have it.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::question::Question;
use super::responses::stream;
use crate::conversation::Turn;
use crate::server::Answer;

/// Answers a question with a turn.
pub(super) fn reply(question: &Question, turn: &Turn) -> Answer {
    let tools: Vec<Value> = turn.tools.iter().enumerate().map(|(index, tool)| {
        json!({"index": index, "id": format!("call_sim_{:04}_{index}", question.answers + 1), "type": "function",
            "function": {"name": tool.name, "arguments": tool.input.to_string()}})
    }).collect();
    let reason = if tools.is_empty() { "stop" } else { "tool_calls" };
    let mut message = json!({"role": "assistant", "content": turn.text});
    if !tools.is_empty() {
        message["tool_calls"] = tools.into();
    }
    if !question.stream {
        let mut whole = envelope(question, "chat.completion");
        whole["choices"] = json!([{"index": 0, "message": message, "finish_reason": reason}]);
        whole["usage"] = usage(turn);
        return Answer::json(StatusCode::OK, &whole);
    }
    let chunk = |choices: Value| {
        let mut chunk = envelope(question, "chat.completion.chunk");
        chunk["choices"] = choices;
        chunk
    };
    let mut chunks = vec![
        chunk(json!([{"index": 0, "delta": message, "finish_reason": null}])),
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": reason}])),
    ];
    if question.wants_usage {
        let mut last = chunk(json!([]));
        last["usage"] = usage(turn);
        chunks.push(last);
    }
    let mut pieces: Vec<Bytes> =
        chunks.iter().map(|chunk| format!("data: {chunk}\n\n").into()).collect();
    pieces.push(Bytes::from_static(b"data: [DONE]\n\n"));
    stream(pieces)
}

fn envelope(question: &Question, object: &str) -> Value {
    json!({"id": format!("chatcmpl_sim_{:04}", question.answers + 1), "object": object,
        "created": 1_767_225_600, "model": question.model})
}

fn usage(turn: &Turn) -> Value {
    let cached = turn.usage.cache_read_input_tokens;
    let input = turn.usage.input_tokens + cached + turn.usage.cache_creation_input_tokens;
    json!({"prompt_tokens": input, "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens": turn.usage.output_tokens, "total_tokens": input + turn.usage.output_tokens})
}
