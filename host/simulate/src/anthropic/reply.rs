//! The model's answer on the wire: as one message, or as its stream of events.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::question::Question;
use crate::conversation::Turn;
use crate::message::Message;
use crate::server::{Answer, Piece, Response};

/// Answers a question with a turn. Ids are counted by the answers of the session.
pub(super) fn reply(question: &Question, turn: &Turn) -> Answer {
    let said = Message { model: &question.model, answers: question.answers, turn };
    let mut answer = if question.stream {
        let events = said.events();
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
        Answer::json(StatusCode::OK, &said.whole())
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

fn on_the_wire(event: &Value) -> Bytes {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()).into()
}
