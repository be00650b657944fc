use crate::{Error, Stopped};
use std::{fmt, time::Duration};

/// Why a request has no answer, or not the one that was wanted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HttpError {
    /// The execution is being stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The host's policy forbids it. The text says what would allow it, where the host told.
    #[error("{0}")]
    Denied(String),
    /// No answer in time.
    #[error("{0}")]
    TimedOut(String),
    /// No connection: no such name, refused, no trust. Nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// The connection failed on the way. Whether the request took effect is not known.
    #[error("{0}")]
    Broken(String),
    /// The request cannot be sent like this.
    #[error("{0}")]
    Invalid(String),
    /// The answer is longer than the client takes.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The answer is not what was expected.
    #[error("{0}")]
    Unreadable(String),
    /// The service said no.
    #[error("{0}")]
    Rejected(Box<Rejection>),
}

impl HttpError {
    /// The rejection, when it is one.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Whether the request may have taken effect although there is no answer.
    pub fn is_uncertain(&self) -> bool {
        match self {
            Self::Rejected(rejection) => rejection.status >= 500,
            Self::Stopped(_)
            | Self::TimedOut(_)
            | Self::Broken(_)
            | Self::TooLong { .. }
            | Self::Unreadable(_) => true,
            Self::Denied(_) | Self::Unreachable(_) | Self::Invalid(_) => false,
        }
    }
}

/// An answer whose status is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Method and URL.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The `Retry-After` header, where there is one that makes sense.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was answered {}", self.request, self.status)?;
        match self.body.trim() {
            "" => Ok(()),
            body => write!(f, ": {body}"),
        }
    }
}

impl From<HttpError> for Error {
    /// The usual reading of a status; services that mean something else by it are corrected in the plugin.
    fn from(error: HttpError) -> Self {
        let message = error.to_string();
        match error {
            HttpError::Stopped(stopped) => stopped.into(),
            HttpError::Denied(_) => Self::denied(message),
            HttpError::TimedOut(_)
            | HttpError::Unreachable(_)
            | HttpError::Broken(_)
            | HttpError::TooLong { .. }
            | HttpError::Unreadable(_) => Self::unavailable(message),
            HttpError::Invalid(_) => Self::invalid_request(message),
            HttpError::Rejected(rejection) => {
                let error = match rejection.status {
                    401 | 403 => Self::unauthorized(message),
                    402 => Self::quota_exhausted(message),
                    429 => Self::rate_limited(message),
                    400 | 413 | 422 => Self::invalid_request(message),
                    404 | 405 | 410 | 501 => Self::unsupported(message),
                    408 | 500.. => Self::unavailable(message),
                    _ => Self::failed(message),
                };
                match rejection.retry_after {
                    Some(delay) => error.retry_after(delay),
                    None => error,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ErrorKind;

    #[test]
    fn a_status_becomes_a_kind_that_the_host_can_act_on() {
        let cases = [
            (400, ErrorKind::InvalidRequest),
            (401, ErrorKind::Unauthorized),
            (402, ErrorKind::QuotaExhausted),
            (403, ErrorKind::Unauthorized),
            (404, ErrorKind::Unsupported),
            (409, ErrorKind::Failed),
            (422, ErrorKind::InvalidRequest),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::Unavailable),
            (503, ErrorKind::Unavailable),
            (529, ErrorKind::Unavailable),
        ];
        for (status, kind) in cases {
            let rejection = Rejection {
                request: "GET https://a.example/".to_owned(),
                status,
                retry_after: Some(Duration::from_secs(7)),
                body: "no\n".to_owned(),
            };
            let error = Error::from(HttpError::Rejected(Box::new(rejection)));
            assert_eq!(error.kind, kind, "{status}");
            assert_eq!(error.retry_after, Some(7_000));
            assert_eq!(error.message, format!("GET https://a.example/ was answered {status}: no"));
        }
    }

    #[test]
    fn only_what_was_never_sent_is_certain() {
        assert!(!HttpError::Unreachable(String::new()).is_uncertain());
        assert!(HttpError::Broken(String::new()).is_uncertain());
        assert!(HttpError::TimedOut(String::new()).is_uncertain());
    }
}
