//! The endpoints, and what a script can say.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::question::Question;
use super::{chat, responses};
use crate::conversation::{self, Conversation, next_turn};
use crate::failure::{Injection, Injector};
use crate::script::ScriptError;
use crate::server::{Answer, RecordedRequest, Service};

/// A script. An empty one accepts any key and says that no conversation applies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// The accepted key, as bearer token; any when absent.
    pub api_key: Option<String>,
    /// What the model says, by prompt.
    pub conversations: Vec<Conversation>,
    /// Calls that fail, whoever makes them.
    pub failures: Vec<Injection<Endpoint>>,
}

/// The endpoints whose calls are counted for failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/chat/completions`
    Chat,
    /// `GET /v1/models`
    Models,
}

impl Script {
    /// Reads a script from a JSON file.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        crate::script::read(path)
    }

    /// What cannot be carried out, if something cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        self.failures.iter().try_for_each(|injection| injection.failure.check())?;
        conversation::check(&self.conversations)
    }
}

/// The service: its script, and what it has counted.
#[derive(Debug)]
pub(super) struct Api {
    script: Script,
    injector: Mutex<Injector<Endpoint>>,
}

impl Service for Api {
    async fn answer(&self, request: &RecordedRequest) -> Answer {
        let Some(endpoint) = endpoint(request) else { return refuse(StatusCode::NOT_FOUND, None) };
        let mut injector = self.injector.lock().unwrap_or_else(PoisonError::into_inner);
        let injection = injector.count(endpoint);
        drop(injector);
        if let Some(injection) = injection.as_ref().filter(|injection| injection.without_effect()) {
            return injection.failure.spoil(Answer::Cut, shape);
        }
        let answer = match endpoint {
            _ if !self.accepts(request) => refuse(StatusCode::UNAUTHORIZED, None),
            Endpoint::Models => {
                Answer::json(StatusCode::OK, &json!({"object": "list", "data": []}))
            }
            Endpoint::Responses | Endpoint::Chat => self.say(endpoint, request),
        };
        match injection {
            Some(injection) => injection.failure.spoil(answer, shape),
            None => answer,
        }
    }
}

impl Api {
    pub(super) fn new(script: Script) -> Self {
        let injector = Mutex::new(Injector::new(script.failures.clone()));
        Self { script, injector }
    }

    fn accepts(&self, request: &RecordedRequest) -> bool {
        let bearer =
            request.header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        match (&self.script.api_key, bearer) {
            (_, None | Some("")) => false,
            (None, Some(_)) => true,
            (Some(expected), Some(given)) => expected == given,
        }
    }

    fn say(&self, endpoint: Endpoint, request: &RecordedRequest) -> Answer {
        let question = match Question::read(request) {
            Ok(question) => question,
            Err(problem) => return refuse(StatusCode::BAD_REQUEST, Some(&problem)),
        };
        let turn = next_turn(&self.script.conversations, &question.prompts, question.answers);
        let right = match endpoint {
            Endpoint::Chat => chat::reply(&question, &turn),
            Endpoint::Responses | Endpoint::Models => responses::reply(&question, &turn),
        };
        match turn.failure_of(1) {
            Some(failure) => failure.spoil(right, shape),
            None => right,
        }
    }
}

fn endpoint(request: &RecordedRequest) -> Option<Endpoint> {
    match (&request.method, request.path.as_str()) {
        (&Method::POST, "/v1/responses") => Some(Endpoint::Responses),
        (&Method::POST, "/v1/chat/completions") => Some(Endpoint::Chat),
        (&Method::GET, "/v1/models") => Some(Endpoint::Models),
        _ => None,
    }
}

fn refuse(status: StatusCode, message: Option<&str>) -> Answer {
    Answer::json(status, &shape(status, message))
}

/// The error body of the service.
fn shape(status: StatusCode, message: Option<&str>) -> Value {
    let (kind, code, usual) = match status.as_u16() {
        401 => ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided."),
        404 => ("invalid_request_error", None, "Not found"),
        429 => ("requests", Some("rate_limit_exceeded"), "Rate limit reached."),
        400..500 => ("invalid_request_error", None, "The request is not valid."),
        _ => ("server_error", None, "The server had an error while processing your request."),
    };
    json!({"error": {"message": message.unwrap_or(usual), "type": kind, "param": null, "code": code}})
}
