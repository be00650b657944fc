//! How the program takes a failing model: what it tries again, and what it says in the end.

use http::StatusCode;

use crate::failure::Failure;

/// A call of the model that did not give an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The HTTP status; none when the connection failed.
    pub(super) status: Option<u16>,
    /// The word in `api_retry` and in the synthetic answer.
    pub(super) error: &'static str,
    /// The service's message.
    message: String,
    /// Seconds the service asks to wait.
    pub(super) retry_after: Option<u64>,
}

/// What becomes of a try to call the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Try {
    /// The turn is given, after this many pieces with this pause between them, in milliseconds.
    Given { pieces: u64, pause_ms: u64 },
    /// Nothing more comes after this many bytes of the text.
    Silent { after: usize },
    /// It fails.
    Failed(Trouble),
}

impl Try {
    /// What a failure of the script means for a turn whose text has this many bytes.
    pub(super) fn of(failure: Option<&Failure>, bytes: usize) -> Self {
        match failure {
            None => Self::Given { pieces: 0, pause_ms: 0 },
            Some(Failure::Slow { bytes: piece, delay_ms }) => {
                Self::Given { pieces: bytes.div_ceil((*piece).max(1)) as u64, pause_ms: *delay_ms }
            }
            Some(Failure::Hang { after_bytes }) => Self::Silent { after: after_bytes.unwrap_or(0) },
            Some(Failure::Cut { .. } | Failure::Malformed { .. }) => {
                let message = "Connection error.".to_owned();
                Self::Failed(Trouble { status: None, error: "unknown", message, retry_after: None })
            }
            Some(Failure::Status { status, message, body, retry_after, .. }) => {
                let said = body.as_ref().and_then(|body| body["error"]["message"].as_str());
                let message = message.as_deref().or(said).unwrap_or_else(|| {
                    StatusCode::from_u16(*status)
                        .ok()
                        .and_then(|status| status.canonical_reason())
                        .unwrap_or("Overloaded")
                });
                let (message, retry_after) = (message.to_owned(), *retry_after);
                Self::Failed(Trouble {
                    status: Some(*status),
                    error: word(*status, &message),
                    message,
                    retry_after,
                })
            }
        }
    }
}

fn word(status: u16, message: &str) -> &'static str {
    match status {
        401 | 403 => "authentication_failed",
        429 => "rate_limit",
        529 => "overloaded",
        400 if is_credit(message) => "billing_error",
        400..500 => "invalid_request",
        _ => "server_error",
    }
}

fn is_credit(message: &str) -> bool {
    message.to_ascii_lowercase().contains("credit balance")
}

impl Trouble {
    /// Whether the program tries again.
    pub(super) fn passes(&self) -> bool {
        self.status.is_none_or(|status| matches!(status, 401 | 403 | 408 | 409 | 429 | 500..))
    }

    /// What the synthetic answer says, its `error`, and the `api_error_status` of the result.
    pub(super) fn last_words(&self, retries: u64) -> (String, &'static str, Option<u16>) {
        let text = match self.status {
            None => format!("API Error: {}", self.message),
            Some(401 | 403) => "Invalid API key · Fix external API key".into(),
            Some(400) if is_credit(&self.message) => "Credit balance is too low".into(),
            Some(429) => format!("API Error: Request rejected (429) · {}", self.message),
            // After several of them the program forgets the status.
            Some(529) if retries > 1 => {
                let text = "API Error: Repeated 529 Overloaded errors. The API is at capacity — this is usually temporary. Try again in a moment.";
                return (text.into(), "server_error", None);
            }
            Some(529) => {
                "API Error: 529 Overloaded. This is a server-side issue, usually temporary — try again in a moment.".into()
            }
            Some(status) => format!("API Error: {status} {}", self.message),
        };
        let error = if self.error == "overloaded" { "server_error" } else { self.error };
        (text, error, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(failure: &Failure) -> Trouble {
        match Try::of(Some(failure), 0) {
            Try::Failed(trouble) => trouble,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn statuses_become_the_recorded_words() {
        let with = |status, text: &str| {
            let Failure::Status { body, retry_after, headers, .. } = Failure::status(status) else {
                unreachable!()
            };
            trouble(&Failure::Status {
                status,
                message: Some(text.into()),
                body,
                retry_after,
                headers,
            })
        };
        let unauthorized = with(401, "invalid x-api-key");
        assert_eq!((unauthorized.error, unauthorized.passes()), ("authentication_failed", true));
        assert_eq!(unauthorized.last_words(1).0, "Invalid API key · Fix external API key");
        let credit = with(400, "Your credit balance is too low to access the Anthropic API.");
        assert!(!credit.passes());
        assert_eq!(
            credit.last_words(0),
            ("Credit balance is too low".into(), "billing_error", Some(400))
        );
        let limited = with(429, "rate limited");
        assert_eq!(
            limited.last_words(2),
            ("API Error: Request rejected (429) · rate limited".into(), "rate_limit", Some(429))
        );
        let overloaded = with(529, "Overloaded");
        assert_eq!(
            (overloaded.error, overloaded.last_words(1).2, overloaded.last_words(2).2),
            ("overloaded", Some(529), None)
        );
        assert!(overloaded.last_words(2).0.contains("529"));
        assert!(!with(422, "no").passes() && with(500, "no").passes());
    }

    #[test]
    fn other_failures_are_silence_delay_or_a_lost_connection() {
        assert_eq!(
            Try::of(Some(&Failure::Hang { after_bytes: None }), 9),
            Try::Silent { after: 0 }
        );
        assert_eq!(
            Try::of(Some(&Failure::Slow { bytes: 4, delay_ms: 7 }), 9),
            Try::Given { pieces: 3, pause_ms: 7 }
        );
        let cut = trouble(&Failure::Cut { after_bytes: None });
        assert_eq!((cut.status, cut.passes(), cut.last_words(1).2), (None, true, None));
    }
}
