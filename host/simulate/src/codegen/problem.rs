//! What the service answers when it refuses, in its own shapes.

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};

use crate::server::Answer;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// 404 of the router.
    NoSuchPath,
    /// 405 of the router.
    WrongMethod,
    /// 422 of the validation.
    Unprocessable { location: Vec<String>, message: &'static str, kind: &'static str },
    /// 401, with what is wrong with the credential.
    Unauthorized(&'static str),
    /// 403: the organisation is not the token's.
    Forbidden,
    /// 402: no runs left in the plan.
    RunsUsedUp,
    /// 404: the organisation has no repository.
    NoRepositories,
    /// 404: the run is not there.
    NoSuchRun,
    /// 429, with the seconds to wait when they are told.
    RateLimited(Option<u64>),
    /// 500: the script's work could not be done. The text goes to whoever reads the answer.
    Broken(String),
}

impl Problem {
    pub(super) fn unprocessable<const N: usize>(
        location: [&str; N],
        message: &'static str,
        kind: &'static str,
    ) -> Self {
        Self::Unprocessable { location: location.map(str::to_owned).into(), message, kind }
    }

    pub(super) fn answer(&self) -> Answer {
        let message =
            |status: StatusCode, text: Option<&str>| Answer::json(status, &shape(status, text));
        match self {
            Self::NoSuchPath => {
                Answer::json(StatusCode::NOT_FOUND, &json!({"detail": "Not Found"}))
            }
            Self::WrongMethod => Answer::json(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({"detail": "Method Not Allowed"}),
            ),
            Self::Unprocessable { location, message, kind } => Answer::json(
                StatusCode::UNPROCESSABLE_ENTITY,
                &json!({"detail": [{"loc": location, "msg": message, "type": kind}]}),
            ),
            Self::Unauthorized(text) => message(StatusCode::UNAUTHORIZED, Some(text)),
            Self::Forbidden => message(StatusCode::FORBIDDEN, None),
            Self::RunsUsedUp => message(StatusCode::PAYMENT_REQUIRED, None),
            Self::NoRepositories => message(
                StatusCode::NOT_FOUND,
                Some("No repos found in the organization. Please add some repos and try again."),
            ),
            Self::NoSuchRun => message(StatusCode::NOT_FOUND, None),
            Self::RateLimited(seconds) => {
                let mut answer = message(StatusCode::TOO_MANY_REQUESTS, None);
                if let (Answer::Response(response), Some(seconds)) = (&mut answer, seconds) {
                    response.headers.insert(RETRY_AFTER, (*seconds).into());
                }
                answer
            }
            Self::Broken(text) => message(StatusCode::INTERNAL_SERVER_ERROR, Some(text)),
        }
    }
}

/// The service's error body, with its usual message for the status.
pub(super) fn shape(status: StatusCode, message: Option<&str>) -> Value {
    let usual = match status.as_u16() {
        402 => {
            "Alloted agent runs for the current billing plan have been reached. Please upgrade your plan to continue."
        }
        403 => "You do not have access to this organization.",
        404 => "Agent run not found.",
        429 => "Rate limit exceeded. Please try again later.",
        _ => status.canonical_reason().unwrap_or("Error"),
    };
    json!({"message": message.unwrap_or(usual), "status_code": status.as_u16()})
}
