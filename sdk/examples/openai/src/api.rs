//! The part of the Responses API that the agent speaks.

use cyrus_sdk::{
    Error,
    contract::{Event, Usage},
    http::HttpError,
};
use serde::Deserialize;
use serde_json::Value;

/// An answer of the model, as far as it is read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Response {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) output: Vec<Item>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    error: Option<Problem>,
    #[serde(default)]
    incomplete_details: Option<Incomplete>,
}

/// A piece of an answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Item {
    Message {
        content: Vec<Content>,
    },
    FunctionCall(Call),
    Reasoning {
        #[serde(default)]
        summary: Vec<Content>,
    },
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A function that the model wants called.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Call {
    #[serde(rename = "call_id")]
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Content {
    OutputText {
        text: String,
    },
    SummaryText {
        text: String,
    },
    Refusal {
        refusal: String,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Tokens {
    #[serde(rename = "input_tokens")]
    input: u64,
    #[serde(rename = "output_tokens")]
    output: u64,
    #[serde(default, rename = "input_tokens_details")]
    details: Details,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Problem {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Incomplete {
    #[serde(default)]
    reason: String,
}

impl Response {
    /// What the model wants called, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let call = |item: &Item| match item {
            Item::FunctionCall(call) => Some(call.clone()),
            _ => None,
        };
        self.output.iter().filter_map(call).collect()
    }

    /// What the model said.
    pub(crate) fn text(&self) -> String {
        let texts = self.events().into_iter().filter_map(|event| match event {
            Event::Message(text) => Some(text),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// What people should see of it.
    pub(crate) fn events(&self) -> Vec<Event> {
        let parts = self.output.iter().flat_map(|item| match item {
            Item::Message { content } => content.as_slice(),
            Item::Reasoning { summary } => summary.as_slice(),
            Item::FunctionCall(_) | Item::Unknown => &[],
        });
        let event = |part: &Content| match part {
            Content::OutputText { text } => Some(Event::message(text)),
            Content::SummaryText { text } => Some(Event::thought(text)),
            Content::Refusal { .. } | Content::Unknown => None,
        };
        parts.filter_map(event).collect()
    }

    /// Adds what this answer took to what was used before.
    pub(crate) fn add_to(&self, usage: &mut Usage) {
        let Some(tokens) = self.usage else { return };
        let cached = tokens.details.cached_tokens;
        let add = |sum: &mut Option<u64>, more: u64| *sum = Some(sum.unwrap_or(0) + more);
        // The contract counts cached tokens apart; this API counts them in.
        add(&mut usage.input_tokens, tokens.input.saturating_sub(cached));
        add(&mut usage.cache_read_tokens, cached);
        add(&mut usage.output_tokens, tokens.output);
        usage.turns = Some(usage.turns.unwrap_or(0) + 1);
    }

    /// Why this answer is not one to go on from.
    pub(crate) fn problem(&self) -> Option<Error> {
        let refusal = self.output.iter().find_map(|item| match item {
            Item::Message { content } => content.iter().find_map(|part| match part {
                Content::Refusal { refusal } => Some(refusal),
                _ => None,
            }),
            _ => None,
        });
        if let Some(refusal) = refusal {
            return Some(Error::refused(refusal));
        }
        match self.status.as_str() {
            "completed" => None,
            "incomplete" => {
                let reason = self.incomplete_details.as_ref().map_or("", |d| d.reason.as_str());
                let message = format!("the answer was cut: {reason}");
                Some(match reason {
                    "content_filter" => Error::refused(message),
                    _ => Error::failed(message),
                })
            }
            "failed" => {
                let problem = self.error.clone();
                let problem = problem.unwrap_or(Problem { code: None, message: String::new() });
                Some(match problem.code.as_deref() {
                    Some("rate_limit_exceeded") => Error::rate_limited(problem.message),
                    Some("server_error") => Error::unavailable(problem.message),
                    _ => Error::failed(problem.message),
                })
            }
            other => Some(Error::failed(format!("an answer of status {other:?}"))),
        }
    }
}

/// What a failed request means. The SDK's reading of the status is right but where this API says more.
pub(crate) fn classify(error: HttpError) -> Error {
    let code = error.rejection().and_then(|rejection| {
        let body: Value = serde_json::from_str(&rejection.body).ok()?;
        Some(body["error"]["code"].as_str()?.to_owned())
    });
    let message = error.to_string();
    match code.as_deref() {
        Some("insufficient_quota") => Error::quota_exhausted(message),
        Some("content_policy_violation") => Error::refused(message),
        Some("model_not_found" | "previous_response_not_found") => Error::unsupported(message),
        _ => error.into(),
    }
}
