//! The wire formats, where they differ.

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

use crate::route::Route;

/// A wire format that agents speak with their model's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Responses and Chat Completions.
    #[serde(rename = "openai")]
    OpenAi,
}

/// What the gateway itself refuses, in the words of the format. None of it is worth a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is malformed, or has what is not passed on.
    Invalid,
    /// The token is not the lease's.
    Token,
    /// The model, a tool or a feature is not allowed.
    Forbidden,
    /// Nothing is there.
    NotFound,
    /// The method is not that of the path.
    Method,
    /// The body is too large.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// The execution's money is spent.
    Budget,
    /// Too many requests are under way.
    Busy,
    /// The service could not be reached, or what it sent cannot be passed on.
    Upstream,
}

impl Format {
    /// The service's own address.
    pub fn default_base_url(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAi => "https://api.openai.com/v1",
        }
    }

    /// The status, and the body in the format's own shape.
    pub(crate) fn refusal(self, refusal: Refusal, message: &str) -> (StatusCode, Bytes) {
        let status = refusal.status();
        let body = match self {
            Self::Anthropic => {
                json!({"type": "error", "error": {"type": refusal.anthropic(), "message": message}})
            }
            Self::OpenAi => {
                let (kind, code) = refusal.openai();
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
        };
        (status, body.to_string().into())
    }

    /// What ends a stream in the middle: the format's event for an error that is final.
    pub(crate) fn last_event(self, route: Route, message: &str) -> Bytes {
        let refusal = Refusal::Budget;
        let text = match (self, route) {
            (Self::Anthropic, _) => {
                let error = json!({"type": refusal.anthropic(), "message": message});
                format!("event: error\ndata: {}\n\n", json!({"type": "error", "error": error}))
            }
            (Self::OpenAi, Route::Responses) => {
                let (_, code) = refusal.openai();
                let response = json!({
                    "id": "resp_cyrus", "object": "response", "status": "failed",
                    "error": {"code": code, "message": message}, "output": [],
                });
                let event = json!({"type": "response.failed", "response": response});
                format!("event: response.failed\ndata: {event}\n\n")
            }
            (Self::OpenAi, _) => {
                let (kind, code) = refusal.openai();
                let error = json!({"message": message, "type": kind, "param": null, "code": code});
                format!("data: {}\n\n", json!({"error": error}))
            }
        };
        text.into()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        })
    }
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            // Codex ends its turn at a 400, and Claude Code after it has tried with fewer features; a 403 is tried again by
            // the one and taken for a login that is missing by the other.
            Self::Invalid | Self::Budget => StatusCode::BAD_REQUEST,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Upstream => StatusCode::BAD_GATEWAY,
        }
    }

    fn anthropic(self) -> &'static str {
        match self {
            Self::Invalid | Self::Method | Self::TooSlow | Self::Budget => "invalid_request_error",
            Self::Token => "authentication_error",
            Self::Forbidden => "permission_error",
            Self::NotFound => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::Busy => "rate_limit_error",
            Self::Upstream => "api_error",
        }
    }

    fn openai(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Budget => ("insufficient_quota", Some("insufficient_quota")),
            Self::Token => ("invalid_request_error", Some("invalid_api_key")),
            Self::Forbidden => ("permission_error", Some("model_not_allowed")),
            Self::Busy => ("requests", Some("rate_limit_exceeded")),
            Self::Upstream => ("server_error", None),
            _ => ("invalid_request_error", None),
        }
    }
}
