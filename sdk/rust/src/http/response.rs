use super::{HttpError, Rejection, parse_retry_after};
use crate::{
    Host,
    json::whole_characters,
    platform::{Answer, ByteStream},
};
use serde::de::DeserializeOwned;
use std::{future::poll_fn, time::Duration};

/// How much of a rejection's body is kept.
const REJECTION_BODY: usize = 4 * 1024;

/// An answer. Its body is read when it is asked for, at once or in parts.
pub struct Response {
    /// The status.
    pub status: u16,
    /// Name and value; names in lower case.
    pub headers: Vec<(String, String)>,
    request: String,
    host: Host,
    body: ByteStream,
    timeout: Duration,
    left: usize,
    max_body: usize,
}

impl Response {
    pub(super) fn new(
        host: Host,
        request: String,
        answer: Answer,
        timeout: Duration,
        max_body: usize,
    ) -> Self {
        let Answer { status, headers, body } = answer;
        Self { status, headers, request, host, body, timeout, left: max_body, max_body }
    }

    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// When the service wants to be asked again, from now.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after").and_then(|value| parse_retry_after(value, self.host.now()))
    }

    /// The answer itself when its status is a success, else a [`Rejection`].
    pub async fn success(mut self) -> Result<Self, HttpError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let retry_after = self.retry_after();
        let mut body = Vec::new();
        // The status is what counts: a body that breaks off does not hide it.
        while body.len() < REJECTION_BODY {
            match self.chunk().await {
                Ok(Some(chunk)) => body.extend(chunk),
                Err(HttpError::Stopped(stopped)) => return Err(stopped.into()),
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(REJECTION_BODY);
        let body = String::from_utf8_lossy(&body).into_owned();
        let (request, status) = (self.request, self.status);
        Err(HttpError::Rejected(Box::new(Rejection { request, status, retry_after, body })))
    }

    /// The next part of the body, as it comes; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        let body = &mut self.body;
        let reading = self.host.within(self.timeout, poll_fn(|cx| body.poll_chunk(cx)));
        let Some(chunk) = self.host.until_stopped(reading).await? else {
            let waited = self.timeout.as_secs_f32();
            let what = format!("{}: the answer paused for {waited} seconds", self.request);
            return Err(HttpError::TimedOut(what));
        };
        match chunk {
            None => Ok(None),
            Some(Err(error)) => Err(HttpError::Broken(format!("{}: {error}", self.request))),
            Some(Ok(chunk)) => {
                let left = self.left.checked_sub(chunk.len());
                self.left = left.ok_or(HttpError::TooLong { limit: self.max_body })?;
                Ok(Some(chunk))
            }
        }
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Vec<u8>, HttpError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            bytes.extend(chunk);
        }
        Ok(bytes)
    }

    /// The whole body, as JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, HttpError> {
        let request = self.request.clone();
        let bytes = self.bytes().await?;
        let text = String::from_utf8_lossy(&bytes);
        let text = whole_characters(&text);
        let mut reader = serde_json::Deserializer::from_str(&text);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let what = format!("{request}: the answer is not what was expected: {error}");
            HttpError::Unreadable(what)
        })
    }
}
