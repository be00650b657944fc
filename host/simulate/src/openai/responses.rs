//! The model's answer as Responses have it: one object, or its stream of events.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::question::Question;
use crate::conversation::{Turn, Usage};
use crate::server::{Answer, Piece, Response};

/// Answers a question with a turn. Ids are counted by the answers of the session.
pub(super) fn reply(question: &Question, turn: &Turn) -> Answer {
    let whole = whole(question, turn);
    if question.stream {
        stream(events(&whole).iter().map(on_the_wire).collect())
    } else {
        Answer::json(StatusCode::OK, &whole)
    }
}

/// A response that is a stream of these pieces.
pub(super) fn stream(pieces: Vec<Bytes>) -> Answer {
    let kind = (CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    Answer::Response(Response {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter([kind]),
        pieces: pieces.into_iter().map(Piece::Bytes).collect(),
        length: None,
    })
}

fn usage(usage: Usage) -> Value {
    let cached = usage.cache_read_input_tokens;
    let input = usage.input_tokens + cached + usage.cache_creation_input_tokens;
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input + usage.output_tokens,
    })
}

fn whole(question: &Question, turn: &Turn) -> Value {
    let number = question.answers + 1;
    let message = turn.text.iter().map(|text| {
        json!({"type": "message", "id": format!("msg_sim_{number:04}"), "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}]})
    });
    let calls = turn.tools.iter().enumerate().map(|(index, tool)| {
        json!({"type": "function_call", "id": format!("fc_sim_{number:04}_{index}"),
            "call_id": format!("call_sim_{number:04}_{index}"), "status": "completed",
            "name": tool.name, "arguments": tool.input.to_string()})
    });
    json!({
        "id": format!("resp_sim_{number:04}"), "object": "response", "created_at": 1_767_225_600, "status": "completed",
        "model": question.model, "error": null, "incomplete_details": null,
        "output": message.chain(calls).collect::<Vec<_>>(),
        "usage": usage(turn.usage),
    })
}

/// The events of the stream, in order.
fn events(whole: &Value) -> Vec<Value> {
    let mut begun = whole.clone();
    begun["status"] = "in_progress".into();
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    for (index, item) in whole["output"].as_array().into_iter().flatten().enumerate() {
        let mut empty = item.clone();
        empty["status"] = "in_progress".into();
        let id = &item["id"];
        let place = json!({"item_id": id, "output_index": index});
        let mut deltas = if item["type"] == "message" {
            empty["content"] = json!([]);
            let text = &item["content"][0]["text"];
            let part =
                |text: Value| json!({"type": "output_text", "text": text, "annotations": []});
            vec![
                json!({"type": "response.content_part.added", "part": part("".into())}),
                json!({"type": "response.output_text.delta", "delta": text}),
                json!({"type": "response.output_text.done", "text": text}),
                json!({"type": "response.content_part.done", "part": part(text.clone())}),
            ]
        } else {
            empty["arguments"] = "".into();
            let arguments = &item["arguments"];
            vec![
                json!({"type": "response.function_call_arguments.delta", "delta": arguments}),
                json!({"type": "response.function_call_arguments.done", "arguments": arguments}),
            ]
        };
        for delta in &mut deltas {
            delta["item_id"] = place["item_id"].clone();
            delta["output_index"] = place["output_index"].clone();
            delta["content_index"] = 0.into();
        }
        events.push(
            json!({"type": "response.output_item.added", "output_index": index, "item": empty}),
        );
        events.append(&mut deltas);
        events.push(
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        );
    }
    events.push(json!({"type": "response.completed", "response": whole}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    events
}

fn on_the_wire(event: &Value) -> Bytes {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_ends_with_what_the_response_says() {
        let question = Question {
            model: "m".into(),
            stream: true,
            wants_usage: false,
            prompts: Vec::new(),
            answers: 1,
        };
        let turn = Turn {
            text: Some("I will.".into()),
            ..Turn::tool("exec_command", json!({"cmd": "true"}))
        };
        let whole = whole(&question, &turn);
        let events = events(&whole);
        assert_eq!(events.last().unwrap()["response"], whole);
        let done: Vec<_> =
            events.iter().filter(|e| e["type"] == "response.output_item.done").collect();
        assert_eq!(done.len(), 2);
        assert_eq!(done[1]["item"]["arguments"], r#"{"cmd":"true"}"#);
        assert_eq!(whole["usage"]["total_tokens"], 1250);
    }
}
