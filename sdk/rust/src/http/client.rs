use super::{HttpError, Response, url};
use crate::{
    Host,
    platform::{Platform, Sent},
};
use futures::future::LocalBoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, time::Duration};

/// How long a client waits for an answer to begin, and for each part of it, unless told otherwise.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How long an answer may be, unless told otherwise.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// What is asked of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Look.
    Get,
    /// Look at the headers.
    Head,
    /// Make, or do.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        })
    }
}

/// A request as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of what: an absolute URL.
    pub url: String,
    /// Name and value; names in lower case.
    pub headers: Vec<(String, String)>,
    /// What goes with it.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// Method and URL, for messages.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.url)
    }
}

/// A client for one service. Made by [`Host::http`].
#[derive(Clone)]
pub struct HttpClient {
    host: Host,
    base: String,
    timeout: Duration,
    max_body: usize,
}

impl HttpClient {
    pub(crate) fn new(host: Host, base: impl Into<String>) -> Self {
        Self { host, base: base.into(), timeout: TIMEOUT, max_body: MAX_BODY }
    }

    /// How long to wait for an answer to begin, and for each part of it. A minute unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long an answer may be, in bytes. 8 MiB unless set; the host may allow less.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// A request to `path` under the base.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = url::join(&self.base, path);
        let request = Request { method, url, headers: Vec::new(), body: None };
        RequestBuilder { client: self.clone(), request, problem: None }
    }

    /// A `GET` request.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::Get, path)
    }

    /// A `POST` request.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::Post, path)
    }
}

/// A request in the making.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    client: HttpClient,
    request: Request,
    problem: Option<HttpError>,
}

impl RequestBuilder {
    /// Adds a query parameter.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        url::push_query(&mut self.request.url, name, &value.to_string());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.request.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sends `value` as JSON.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.body("application/json", bytes),
            Err(error) => {
                let what = format!("{}: the body cannot be written: {error}", self.request.line());
                self.problem = Some(HttpError::Invalid(what));
                self
            }
        }
    }

    /// Sends these bytes.
    pub fn body(mut self, content_type: &str, bytes: Vec<u8>) -> Self {
        self.request.body = Some(bytes);
        self.header("content-type", content_type)
    }

    /// Sends it and returns the answer, whatever its status.
    pub async fn send(self) -> Result<Response, HttpError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let HttpClient { host, timeout, max_body, .. } = self.client;
        let line = self.request.line();
        let sending = host.within(timeout, begin(&host.platform, self.request));
        let Some(answer) = host.until_stopped(sending).await? else {
            let waited = timeout.as_secs_f32();
            return Err(HttpError::TimedOut(format!("{line}: no answer in {waited} seconds")));
        };
        Ok(Response::new(host, line, answer?, timeout, max_body))
    }

    /// Sends it and reads the JSON of an answer whose status is a success.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<T, HttpError> {
        self.header("accept", "application/json").send().await?.success().await?.json().await
    }
}

/// A request on its way, in a box that is made here: the stack that waits for it then never gets as deep as it is large.
#[inline(never)]
fn begin(platform: &Platform, request: Request) -> LocalBoxFuture<'_, Sent> {
    Box::pin(platform.send(request))
}
