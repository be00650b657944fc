//! The model's answer on the wire: as one message, or as its stream of events.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::question::Question;
use crate::conversation::{Turn, Usage};
use crate::server::{Answer, Piece, Response};

/// How many bytes of text or JSON a delta carries.
const DELTA_BYTES: usize = 24;

/// Answers a question with a turn. Ids are counted by the answers of the session.
pub(super) fn reply(question: &Question, turn: &Turn) -> Answer {
    let mut answer = if question.stream {
        let events = events(question, turn);
        let pieces = events.iter().map(|event| Piece::Bytes(on_the_wire(event))).collect();
        let headers =
            [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Answer::Response(Response {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter(headers),
            pieces,
            length: None,
        })
    } else {
        Answer::json(StatusCode::OK, &message(question, turn))
    };
    if let Answer::Response(response) = &mut answer {
        let id = HeaderValue::try_from(format!("req_sim_{:04}", question.answers + 1));
        response.headers.extend(id.map(|id| (HeaderName::from_static("request-id"), id)));
    }
    answer
}

/// The error body of the service.
pub(super) fn shape(status: StatusCode, message: Option<&str>) -> Value {
    let (kind, usual) = match status.as_u16() {
        400 => ("invalid_request_error", "The request is not valid."),
        401 => ("authentication_error", "invalid x-api-key"),
        403 => (
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        404 => ("not_found_error", "Not found"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => (
            "rate_limit_error",
            "This request would exceed your account's rate limit. Please try again later.",
        ),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    json!({"type": "error", "error": {"type": kind, "message": message.unwrap_or(usual)}})
}

fn usage(usage: Usage, output_tokens: u64) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "output_tokens": output_tokens,
    })
}

/// The message's envelope, with the content and the end still open.
fn envelope(question: &Question, turn: &Turn) -> Value {
    json!({
        "id": format!("msg_sim_{:04}", question.answers + 1),
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(turn.usage, 1),
    })
}

fn blocks(question: &Question, turn: &Turn) -> Vec<Value> {
    let text = turn.text.iter().map(|text| json!({"type": "text", "text": text}));
    let tools = turn.tools.iter().enumerate().map(|(index, tool)| {
        let id = format!("toolu_sim_{:04}_{index}", question.answers + 1);
        json!({"type": "tool_use", "id": id, "name": tool.name, "input": tool.input})
    });
    text.chain(tools).collect()
}

fn message(question: &Question, turn: &Turn) -> Value {
    let mut message = envelope(question, turn);
    message["content"] = blocks(question, turn).into();
    message["stop_reason"] = turn.stop_reason().into();
    message["usage"] = usage(turn.usage, turn.usage.output_tokens);
    message
}

fn events(question: &Question, turn: &Turn) -> Vec<Value> {
    let mut events = vec![json!({"type": "message_start", "message": envelope(question, turn)})];
    for (index, mut block) in blocks(question, turn).into_iter().enumerate() {
        let deltas: Vec<Value> = if block["type"] == "text" {
            let text = std::mem::replace(&mut block["text"], "".into());
            let texts = pieces(text.as_str().unwrap_or_default());
            texts.into_iter().map(|text| json!({"type": "text_delta", "text": text})).collect()
        } else {
            let input = std::mem::replace(&mut block["input"], json!({})).to_string();
            // The service begins with an empty piece of JSON.
            let parts = std::iter::once("").chain(pieces(&input));
            parts.map(|part| json!({"type": "input_json_delta", "partial_json": part})).collect()
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        if index == 0 {
            events.push(json!({"type": "ping"}));
        }
        let delta = |delta| json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.extend(deltas.into_iter().map(delta));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let end = json!({"stop_reason": turn.stop_reason(), "stop_sequence": null});
    let written = json!({"output_tokens": turn.usage.output_tokens});
    events.push(json!({"type": "message_delta", "delta": end, "usage": written}));
    events.push(json!({"type": "message_stop"}));
    events
}

fn on_the_wire(event: &Value) -> Bytes {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()).into()
}

/// A text in pieces of about `DELTA_BYTES`, cut between characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end =
            (DELTA_BYTES..rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(stream: bool) -> Question {
        let (prompts, directory) = (Vec::new(), None);
        Question {
            model: "m".into(),
            stream,
            prompts,
            answers: 2,
            directory,
            session: String::new(),
        }
    }

    #[test]
    fn pieces_are_cut_between_characters_and_join_again() {
        for text in
            ["", "short", "ü".repeat(40).as_str(), "a long text that does not fit into one delta"]
        {
            let cut = pieces(text);
            assert_eq!(cut.concat(), text);
            assert!(cut.iter().all(|piece| piece.len() <= DELTA_BYTES + 3));
        }
    }

    #[test]
    fn the_stream_says_what_the_message_says() {
        let input =
            json!({"file_path": "/w/a.txt", "content": "long enough for more than one delta"});
        let turn = Turn { text: Some("I will write it.".into()), ..Turn::tool("Write", input) };
        let whole = message(&question(false), &turn);
        let mut blocks: Vec<Value> = Vec::new();
        let mut json = String::new();
        for event in events(&question(true), &turn) {
            match event["type"].as_str().unwrap() {
                "content_block_start" => blocks.push(event["content_block"].clone()),
                "content_block_delta" if event["delta"]["type"] == "text_delta" => {
                    let block = blocks.last_mut().unwrap();
                    let text = block["text"].as_str().unwrap().to_owned()
                        + event["delta"]["text"].as_str().unwrap();
                    block["text"] = text.into();
                }
                "content_block_delta" => json += event["delta"]["partial_json"].as_str().unwrap(),
                "message_delta" => assert_eq!(event["delta"]["stop_reason"], whole["stop_reason"]),
                _ => {}
            }
        }
        blocks[1]["input"] = serde_json::from_str(&json).unwrap();
        assert_eq!(Value::from(blocks), whole["content"]);
        assert_eq!(whole["content"][1]["id"], "toolu_sim_0003_0");
    }
}
