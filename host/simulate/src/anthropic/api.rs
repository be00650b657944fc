//! The endpoints.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use serde_json::json;

use super::question::Question;
use super::reply::{reply, shape};
use super::script::{Endpoint, Script};
use crate::conversation::next_turn;
use crate::failure::{Injection, Injector};
use crate::server::{Answer, RecordedRequest, Service};

/// The service: its script, and what it has counted.
#[derive(Debug)]
pub(super) struct Api {
    script: Script,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    injector: Injector<Endpoint>,
    /// Tries of each turn of each session.
    tries: BTreeMap<(String, usize), u64>,
}

impl Service for Api {
    async fn answer(&self, request: &RecordedRequest) -> Answer {
        let Some(endpoint) = endpoint(request) else { return refuse(StatusCode::NOT_FOUND, None) };
        let injection = self.count(endpoint);
        if let Some(injection) = injection.as_ref().filter(|injection| injection.without_effect()) {
            return injection.failure.spoil(Answer::Cut, shape);
        }
        let answer = match endpoint {
            Endpoint::Root => Answer::json(StatusCode::OK, &json!({})),
            _ if !self.accepts(request) => refuse(StatusCode::UNAUTHORIZED, None),
            // A rule of thumb, but the same each time: four bytes are a token.
            Endpoint::CountTokens => Answer::json(
                StatusCode::OK,
                &json!({"input_tokens": request.body.len().div_ceil(4)}),
            ),
            Endpoint::Messages => self.messages(request),
        };
        match injection {
            Some(injection) => injection.failure.spoil(answer, shape),
            None => answer,
        }
    }
}

impl Api {
    pub(super) fn new(script: Script) -> Self {
        let injector = Injector::new(script.failures.clone());
        Self { script, counts: Mutex::new(Counts { injector, tries: BTreeMap::new() }) }
    }

    fn count(&self, endpoint: Endpoint) -> Option<Injection<Endpoint>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).injector.count(endpoint)
    }

    fn accepts(&self, request: &RecordedRequest) -> bool {
        let bearer =
            request.header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        let given = request.header("x-api-key").or(bearer);
        match (&self.script.api_key, given) {
            (_, None | Some("")) => false,
            (None, Some(_)) => true,
            (Some(expected), Some(given)) => expected == given,
        }
    }

    fn messages(&self, request: &RecordedRequest) -> Answer {
        let question = match Question::read(request) {
            Ok(question) => question,
            Err(problem) => return refuse(StatusCode::BAD_REQUEST, Some(&problem)),
        };
        let mut turn = next_turn(&self.script.conversations, &question.prompts, question.answers);
        if turn.names_directory() {
            let Some(directory) = &question.directory else {
                let problem =
                    "The script's turn names {cwd}, but the request states no working directory.";
                return refuse(StatusCode::BAD_REQUEST, Some(problem));
            };
            turn = turn.placed_in(directory);
        }
        let attempt = self.attempt(&question);
        let right = reply(&question, &turn);
        match turn.failure_of(attempt) {
            Some(failure) => failure.spoil(right, shape),
            None => right,
        }
    }

    /// Which try of its turn this question is, counted from 1.
    fn attempt(&self, question: &Question) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = counts.tries.entry((question.session.clone(), question.answers)).or_default();
        *tries += 1;
        *tries
    }
}

fn endpoint(request: &RecordedRequest) -> Option<Endpoint> {
    match (&request.method, request.path.as_str()) {
        (&Method::HEAD | &Method::GET, "/") => Some(Endpoint::Root),
        (&Method::POST, "/v1/messages") => Some(Endpoint::Messages),
        (&Method::POST, "/v1/messages/count_tokens") => Some(Endpoint::CountTokens),
        _ => None,
    }
}

fn refuse(status: StatusCode, message: Option<&str>) -> Answer {
    Answer::json(status, &shape(status, message))
}
