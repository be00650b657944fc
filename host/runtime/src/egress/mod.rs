//! The one way out: every HTTP request of every component goes through [`Egress::send_request`].
//!
//! In order: what a request may be → policy → credentials → body → resolve and check the addresses (`cyrus-egress`) → inject → connect to a
//! checked address → cap and redact the response. No redirects, no proxies, and headers of our own making. This is the
//! only module that names an HTTP client.

mod body;
mod client;
mod credentials;
mod model;
mod request;

pub(crate) use client::{Clients, Tls};
pub(crate) use model::ModelUpstream;
pub use model::model_upstream;

use crate::{
    redact::Redactor,
    run::{Run, Slot},
};
use bytes::Bytes;
use cyrus_egress::{SystemResolver, Unresolved};
use cyrus_plugin::Destination;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// How long connecting, or the wait for the next piece, may take when the component does not say.
const CONNECT_TIME: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_mins(10);

/// Bytes and number of a response's headers.
const RESPONSE_HEADER_BYTES: usize = 32 * 1024;
const RESPONSE_HEADERS: usize = 128;

/// Headers that are the host's business, whatever a component says.
const OURS: [HeaderName; 7] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
];

/// A component's way out.
pub(crate) struct Egress {
    run: Arc<Run>,
}

impl Egress {
    pub(crate) fn new(run: Arc<Run>) -> Self {
        Self { run }
    }
}

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Egress {
    fn set_host_header(&mut self) -> bool {
        // The client makes it of the address that was checked.
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let run = Arc::clone(&self.run);
        let Times { connect, first_byte, between_bytes } = Times::of(options);
        // What it takes to get there is let go of before the wait for the answer, which may be a long one.
        let ready = Box::pin(prepare(Arc::clone(&run), request, connect));
        Box::new(async move {
            // What runs before the first wait runs on the component's stack, which lives as long as the instance
            // and never shrinks: a request begun there would cost each execution that waits for an answer.
            tokio::task::yield_now().await;
            let work = Box::pin(exchange(&run, ready, first_byte, between_bytes));
            let response = run.unless_stopped(work, Err(Error::ConnectionTerminated)).await?;
            let written: Box<dyn Future<Output = Result<(), Error>> + Send> =
                Box::new(std::future::ready(Ok(())));
            Ok((response, written))
        })
    }
}

/// How long things may take.
struct Times {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Times {
    fn of(options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        // A component may wait for less than the default, not for nothing at all and not for more.
        let time = |asked: Option<Duration>, most: Duration| {
            asked.unwrap_or(most).clamp(Duration::from_millis(1), most)
        };
        Self {
            connect: time(options.connect_timeout, CONNECT_TIME),
            first_byte: time(options.first_byte_timeout, SILENCE),
            between_bytes: time(options.between_bytes_timeout, SILENCE),
        }
    }
}

/// A request that was allowed, on its way.
struct Ready {
    sending: client::Sending,
    slot: Slot,
}

async fn prepare(
    run: Arc<Run>,
    request: Request<WasiBody>,
    connect_time: Duration,
) -> Result<Ready, Error> {
    let (parts, body) = request.into_parts();
    let policy = run.policy().ok_or(Error::HttpRequestDenied)?;
    let deny = |denied| {
        run.deny(denied);
        Error::HttpRequestDenied
    };
    let (url, to) = request::target(&parts).map_err(|refused| match refused {
        request::Refused::Malformed => Error::HttpRequestUriInvalid,
        request::Refused::Denied(denied) => deny(denied),
    })?;
    policy.http(&to).map_err(deny)?;
    credentials::refuse_own(&parts.headers, &policy, &to).map_err(deny)?;
    let injected = credentials::of(&policy, &run.executor.secrets, &to);

    let limits = &run.executor.config.limits;
    let slot = Slot::take(&run.requests, limits.concurrent_requests);
    let slot = slot.ok_or(Error::ConnectionLimitReached)?;
    let body = collect(body, limits.request_kib as usize * 1024).await?;
    let private = |at: &Destination| policy.private_address(&to, at);
    let addresses = cyrus_egress::resolve(&SystemResolver, &to, connect_time, private).await;
    let addresses = addresses.map_err(|unresolved| match unresolved {
        Unresolved::Refused(denied) => {
            run.deny(denied);
            Error::DestinationIpProhibited
        }
        Unresolved::NotFound => Error::DestinationNotFound,
        Unresolved::TimedOut => Error::DnsTimeout,
        Unresolved::Failed(error) => {
            Error::DnsError { rcode: Some(error.to_string()), info_code: None }
        }
    })?;
    run.allow();

    let mut headers = headers(parts.headers);
    if !injected.is_empty() {
        // A part of an answer may hold a part of the secret.
        headers.remove(header::RANGE);
    }
    if !run.redactor.is_empty() {
        // What is compressed cannot be searched for a secret, and any service may have got to know one.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    credentials::inject(&mut headers, injected)?;
    tracing::debug!(executor = policy.executor(), execution = run.id(), method = %parts.method, %to, "request");
    let client =
        run.executor.clients.get(&run.executor.runtime.tls, &to, &addresses, connect_time)?;
    let sending = client.send(parts.method, url, headers, body);
    Ok(Ready { sending, slot })
}

/// Sends what will be ready, and waits for the response.
async fn exchange(
    run: &Arc<Run>,
    ready: impl Future<Output = Result<Ready, Error>> + Unpin,
    first_byte: Duration,
    between_bytes: Duration,
) -> Result<Response<WasiBody>, Error> {
    let Ready { sending, slot } = ready.await?;
    let response = timeout(first_byte, sending).await;
    let response = response.map_err(|_| Error::ConnectionReadTimeout)??;
    receive(run, response, slot, between_bytes)
}

/// Reads a request's body to its end: it goes out in one piece, with its true length.
async fn collect(body: WasiBody, most: usize) -> Result<Bytes, Error> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) if error.is::<LengthLimitError>() => {
                Error::HttpRequestBodySize(Some(most as u64))
            }
            Err(error) => Error::InternalError(Some(error.to_string())),
        }),
    }
}

fn headers(mut headers: HeaderMap) -> HeaderMap {
    for ours in OURS {
        headers.remove(ours);
    }
    headers
}

fn receive(
    run: &Arc<Run>,
    response: client::Received,
    slot: Slot,
    silence: Duration,
) -> Result<Response<WasiBody>, Error> {
    let client::Received { status, headers, body } = response;
    request::check_status(status)?;
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > RESPONSE_HEADER_BYTES || headers.len() > RESPONSE_HEADERS {
        return Err(Error::HttpResponseHeaderSectionSize(u32::try_from(size).ok()));
    }
    let redactor = &run.redactor;
    if let (false, Some(coding)) = (redactor.is_empty(), unreadable_coding(&headers)) {
        return Err(Error::HttpResponseContentCoding(Some(coding)));
    }
    let mut response = Response::new(body::Response::new(run, body, slot, silence));
    *response.status_mut() = status;
    *response.headers_mut() = readable(&headers, redactor);
    Ok(response.map(BodyExt::boxed_unsync))
}

/// The first coding of a body in which a secret would not be found.
fn unreadable_coding(headers: &HeaderMap) -> Option<String> {
    let values = [header::CONTENT_ENCODING, header::TRANSFER_ENCODING];
    let values = values.iter().flat_map(|name| headers.get_all(name));
    let mut codings = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let named = |value: Cow<'_, str>| {
        let mut codings = value.split(',').map(|coding| coding.trim().to_ascii_lowercase());
        codings.find(|coding| !matches!(coding.as_str(), "" | "identity" | "chunked"))
    };
    codings.find_map(named)
}

/// The headers that a component sees of a response. Redaction changes lengths, and the connection's own headers
/// mean nothing to it.
fn readable(headers: &HeaderMap, redactor: &Redactor) -> HeaderMap {
    let is_shown =
        |name: &HeaderName| !OURS.contains(name) && !redactor.finds_in(name.as_str().as_bytes());
    let shown = headers.iter().filter(|(name, _)| is_shown(name)).filter_map(|(name, value)| {
        let value = match redactor.bytes(value.as_bytes()) {
            Cow::Borrowed(_) => value.clone(),
            Cow::Owned(clean) => HeaderValue::from_bytes(&clean).ok()?,
        };
        Some((name.clone(), value))
    });
    let mut all = HeaderMap::new();
    for (name, value) in shown {
        all.append(name, value);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn headers(all: &[(&str, &[u8])]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            let name = HeaderName::try_from(*name).unwrap();
            map.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    #[test]
    fn every_coding_that_hides_bytes_is_noticed() {
        for (codings, unreadable) in [
            (&[("content-encoding", &b"gzip"[..])][..], true),
            (&[("content-encoding", b"identity"), ("content-encoding", b"gzip")], true),
            (&[("content-encoding", b"identity, GZIP")], true),
            (&[("content-encoding", b"\xff")], true),
            (&[("transfer-encoding", b"gzip, chunked")], true),
            (&[("transfer-encoding", b"Chunked"), ("content-encoding", b"Identity,")], false),
            (&[("content-type", b"application/gzip")], false),
        ] {
            assert_eq!(unreadable_coding(&headers(codings)).is_some(), unreadable, "{codings:?}");
        }
    }

    #[test]
    fn headers_are_redacted_as_bytes_and_by_name() {
        let redactor = Redactor::new([Zeroizing::new("s3cret-Key".to_owned())]);
        let seen = headers(&[
            ("x-echo", b"caf\xe9 Bearer s3cret-Key"),
            ("x-echo", b"s3cret%2dKey"),
            ("x-s3cret-key", b"here"),
            ("content-length", b"7"),
            ("x-other", b"\xff"),
        ]);
        let shown = readable(&seen, &redactor);
        let clean = headers(&[
            ("x-echo", b"caf\xe9 Bearer [secret]"),
            ("x-echo", b"[secret]"),
            ("x-other", b"\xff"),
        ]);
        assert_eq!(shown, clean);
    }
}
