use crate::http::HttpError;
use serde_json::Value;
use std::time::Duration;

/// How a scripted service answers a request.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) delay: Option<Duration>,
    pub(super) answer: Result<Scripted, HttpError>,
}

#[derive(Clone, Debug)]
pub(super) struct Scripted {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) cut: bool,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string()).header("content-type", "application/json")
    }

    /// An answer in text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::chunks(status, [body.into().into_bytes()])
    }

    /// An answer whose body arrives in these parts.
    pub fn chunks(status: u16, chunks: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let chunks = chunks.into_iter().collect();
        let answer = Scripted { status, headers: Vec::new(), chunks, cut: false };
        Self { delay: Some(Duration::ZERO), answer: Ok(answer) }
    }

    /// No answer, but this error.
    pub fn fail(error: HttpError) -> Self {
        Self { delay: Some(Duration::ZERO), answer: Err(error) }
    }

    /// No answer, ever.
    pub fn hang() -> Self {
        Self { delay: None, ..Self::text(200, "") }
    }

    /// The same answer with this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Ok(answer) = &mut self.answer {
            answer.headers.push((name.to_ascii_lowercase(), value.into()));
        }
        self
    }

    /// The same answer, this much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// The same answer, but the connection is cut at its end.
    #[must_use]
    pub fn cut(mut self) -> Self {
        if let Ok(answer) = &mut self.answer {
            answer.cut = true;
        }
        self
    }
}
