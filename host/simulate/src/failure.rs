//! The failures a script can ask for, the same for every simulator.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::server::{Answer, Piece, Response};

/// One way to go wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Failure {
    /// An HTTP error status.
    Status {
        /// 100 to 599.
        status: u16,
        /// The message in the simulator's own error shape; the service's usual one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// A whole body instead of the service's error shape.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
        /// The `retry-after` header, in seconds; absent means no such header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// More headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// Never finishes: no answer at all, or silence after some bytes of the right body.
    Hang {
        /// Bytes of the right body that are sent first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_bytes: Option<usize>,
    },
    /// The connection ends: before the status line, or after some bytes of the right body.
    Cut {
        /// Bytes of the right body that are sent first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_bytes: Option<usize>,
    },
    /// A complete HTTP answer whose body is not what it says: the first half of the right one,
    /// or `text`.
    Malformed {
        /// The body to send instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// The right answer, in small pieces with pauses between them.
    Slow {
        /// The size of a piece, at least 1.
        bytes: usize,
        /// The pause before each piece, in milliseconds.
        delay_ms: u64,
    },
}

impl Failure {
    /// An error status with the service's own body.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            message: None,
            body: None,
            retry_after: None,
            headers: BTreeMap::new(),
        }
    }

    /// What is wrong with it as written, if something is.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Status { status, headers, .. } => {
                if !(100..600).contains(status) {
                    return Err(format!("status {status} is not between 100 and 599"));
                }
                match headers.iter().find(|(name, value)| header(name, value).is_none()) {
                    Some((name, _)) => Err(format!("`{name}` is not a valid header")),
                    None => Ok(()),
                }
            }
            Self::Slow { bytes: 0, .. } => {
                Err("a slow stream needs pieces of at least 1 byte".into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the right body is needed to make the wrong one.
    fn needs_right_body(&self) -> bool {
        match self {
            Self::Status { .. }
            | Self::Hang { after_bytes: None }
            | Self::Cut { after_bytes: None } => false,
            Self::Hang { .. } | Self::Cut { .. } | Self::Malformed { .. } | Self::Slow { .. } => {
                true
            }
        }
    }

    /// Turns the right answer into the wrong one. `shape` makes the service's error body.
    pub(crate) fn spoil(
        &self,
        right: Answer,
        shape: impl Fn(StatusCode, Option<&str>) -> Value,
    ) -> Answer {
        match (self, right) {
            (Self::Status { status, message, body, retry_after, headers }, _) => {
                let status =
                    StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let body = body.clone().unwrap_or_else(|| shape(status, message.as_deref()));
                let mut answer = Answer::json(status, &body);
                if let Answer::Response(response) = &mut answer {
                    add_headers(&mut response.headers, *retry_after, headers);
                }
                answer
            }
            (Self::Hang { after_bytes: None }, _) => Answer::Hang,
            (Self::Cut { after_bytes: None }, _) => Answer::Cut,
            (_, Answer::Response(response)) => Answer::Response(self.spoil_body(response)),
            (_, right) => right,
        }
    }

    fn spoil_body(&self, response: Response) -> Response {
        let whole = joined(response.pieces);
        let first = |bytes: usize| Piece::Bytes(whole.slice(..bytes.min(whole.len())));
        let mut length = response.length;
        let pieces = match self {
            Self::Hang { after_bytes: Some(bytes) } => vec![first(*bytes), Piece::Hang],
            Self::Cut { after_bytes: Some(bytes) } => vec![first(*bytes), Piece::Cut],
            Self::Malformed { text } => {
                let body = text
                    .as_ref()
                    .map_or_else(|| whole.slice(..whole.len() / 2), |text| text.clone().into());
                // A document has the length it really has; a stream announces none.
                length = length.map(|_| body.len());
                vec![Piece::Bytes(body)]
            }
            Self::Slow { bytes, delay_ms } => {
                let pause = Piece::Pause(Duration::from_millis(*delay_ms));
                let chunks = whole.chunks((*bytes).max(1));
                chunks
                    .flat_map(|chunk| [pause.clone(), Piece::Bytes(whole.slice_ref(chunk))])
                    .collect()
            }
            Self::Status { .. } | Self::Hang { .. } | Self::Cut { .. } => vec![Piece::Bytes(whole)],
        };
        Response { pieces, length, ..response }
    }
}

fn joined(pieces: Vec<Piece>) -> Bytes {
    let bytes = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Bytes(bytes) => Some(bytes),
        Piece::Pause(_) | Piece::Hang | Piece::Cut => None,
    });
    bytes.flatten().collect()
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}

fn add_headers(to: &mut HeaderMap, retry_after: Option<u64>, headers: &BTreeMap<String, String>) {
    to.extend(
        headers
            .iter()
            .filter_map(|(name, value)| header(name, value))
            .map(|(name, value)| (Some(name), value)),
    );
    if let Some(seconds) = retry_after {
        to.insert(RETRY_AFTER, seconds.into());
    }
}

/// A failure of certain calls of an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection<E> {
    /// The endpoint whose calls are counted.
    pub endpoint: E,
    /// The first call that fails; calls count from 1.
    #[serde(default = "one")]
    pub call: u64,
    /// How many calls in a row fail.
    #[serde(default)]
    pub calls: Calls,
    /// Do the work first, then fail: the effect is there, its answer is lost. Failures that are
    /// made from the right body (`malformed`, `slow`, and those after some bytes) always do.
    #[serde(default)]
    pub after_effect: bool,
    /// What goes wrong.
    pub failure: Failure,
}

fn one() -> u64 {
    1
}

/// How many calls in a row: a number, or `"all"` from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Calls {
    /// So many.
    Number(u64),
    /// All that follow.
    All(All),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum All {
    /// `all`
    All,
}

impl Default for Calls {
    fn default() -> Self {
        Self::Number(1)
    }
}

impl<E> Injection<E> {
    /// Whether the call fails without having done anything.
    pub(crate) fn without_effect(&self) -> bool {
        !self.after_effect && !self.failure.needs_right_body()
    }

    fn covers(&self, call: u64) -> bool {
        call >= self.call
            && match self.calls {
                Calls::Number(calls) => call - self.call < calls,
                Calls::All(All::All) => true,
            }
    }
}

/// Counts calls per endpoint and says which of them fail.
#[derive(Debug)]
pub(crate) struct Injector<E> {
    injections: Vec<Injection<E>>,
    calls: BTreeMap<E, u64>,
}

impl<E: Ord + Copy> Injector<E> {
    pub(crate) fn new(injections: Vec<Injection<E>>) -> Self {
        Self { injections, calls: BTreeMap::new() }
    }

    /// Counts one call of `endpoint`; the first matching injection applies.
    pub(crate) fn count(&mut self, endpoint: E) -> Option<Injection<E>> {
        let call = self.calls.entry(endpoint).or_default();
        *call += 1;
        let call = *call;
        self.injections
            .iter()
            .find(|injection| injection.endpoint == endpoint && injection.covers(call))
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injection(call: u64, calls: Calls) -> Injection<u8> {
        Injection { endpoint: 0, call, calls, after_effect: false, failure: Failure::status(500) }
    }

    #[test]
    fn only_the_calls_asked_for_fail() {
        let failing = |injection: Injection<u8>| {
            let mut injector = Injector::new(vec![injection]);
            (1..=5).filter(|_| injector.count(0).is_some()).count()
        };
        assert_eq!(failing(injection(2, Calls::default())), 1);
        assert_eq!(failing(injection(4, Calls::Number(9))), 2);
        assert_eq!(failing(injection(2, Calls::All(All::All))), 4);
        assert_eq!(failing(injection(1, Calls::Number(0))), 0);
    }

    #[test]
    fn endpoints_are_counted_apart() {
        let mut injector = Injector::new(vec![injection(2, Calls::default())]);
        assert!(injector.count(1).is_none());
        assert!(injector.count(0).is_none());
        assert!(injector.count(1).is_none());
        assert!(injector.count(0).is_some());
    }

    #[test]
    fn unknown_keys_are_errors() {
        for text in [
            r#"{"kind": "hang", "after": 3}"#,
            r#"{"kind": "cut", "after_bytes": 3, "bytes": 1}"#,
            r#"{"kind": "status"}"#,
            r#"{"kind": "explode"}"#,
        ] {
            assert!(serde_json::from_str::<Failure>(text).is_err(), "{text}");
        }
        let calls = |text| serde_json::from_str::<Calls>(text);
        assert_eq!(calls(r#""all""#).unwrap(), Calls::All(All::All));
        assert_eq!(calls("3").unwrap(), Calls::Number(3));
        assert!(calls(r#""many""#).is_err());
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert!(Failure::status(99).check().is_err());
        assert!(Failure::Slow { bytes: 0, delay_ms: 1 }.check().is_err());
        let Failure::Status { status, message, body, retry_after, .. } = Failure::status(500)
        else {
            unreachable!()
        };
        let headers = BTreeMap::from([("not a header".to_owned(), String::new())]);
        assert!(Failure::Status { status, message, body, retry_after, headers }.check().is_err());
    }
}
