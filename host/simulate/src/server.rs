//! A loopback HTTP/1.1 server whose answers may misbehave on purpose.
//!
//! It sits directly on hyper because a framework cannot do what the simulators must: end a
//! connection before the status line, stop a body in the middle, or never answer.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// The largest request body that is read, in bytes. Claude Code sends about 120 kB.
const MAX_REQUEST_BYTES: usize = 64 << 20;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can be reached from other machines.
    #[error("{0} is not a loopback address: a simulator listens on 127.0.0.1 or ::1 only")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any free one")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The script cannot be carried out as written.
    #[error("the script cannot be used: {0}")]
    Script(String),
}

/// A request as it arrived.
#[derive(Clone)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The query without its `?`; empty when there is none.
    pub query: String,
    /// The headers as sent, credentials included.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl RecordedRequest {
    /// The body as JSON, or `null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's value, when it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Leaves out headers and body, where the credentials are.
impl std::fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        write!(f, " ({} bytes)", self.body.len())
    }
}

/// What a simulator does with a request.
pub(crate) trait Service: Send + Sync + 'static {
    /// Answers one request. Requests of several connections come at once.
    fn answer(&self, request: &RecordedRequest) -> impl Future<Output = Answer> + Send;
}

/// What goes back over the connection.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status line, headers, and a body in pieces.
    Response(Response),
    /// Nothing, ever; the connection stays open.
    Hang,
    /// Nothing: the connection is closed before a status line.
    Cut,
}

/// A response that is sent.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) pieces: Vec<Piece>,
    /// Announce the whole length. Streams do not, and go out chunked.
    pub(crate) length: Option<usize>,
}

/// A part of a body, in order.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Bytes(Bytes),
    Pause(Duration),
    /// Send no more, and keep the connection open.
    Hang,
    /// Close the connection without ending the body.
    Cut,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let body = Bytes::from(body.to_string());
        Self::Response(Response {
            status,
            headers: HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )]),
            length: Some(body.len()),
            pieces: vec![Piece::Bytes(body)],
        })
    }
}

/// The connection ends here on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the script cuts this connection")]
struct CutOnPurpose;

/// A simulator that is listening. Dropping it stops it at once.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    requests: watch::Receiver<Vec<RecordedRequest>>,
    stop: CancellationToken,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in order of arrival. They are kept as long as the simulator runs.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.borrow().clone()
    }

    /// Waits until the requests so far satisfy `ready`. It waits for ever if they never do.
    pub async fn wait_until(&self, ready: impl Fn(&[RecordedRequest]) -> bool) {
        let mut requests = self.requests.clone();
        // The sender lives as long as the accepting task, which `self` keeps; after a shutdown
        // nothing more can arrive, and there is nothing to wait for.
        let _ = requests.wait_for(|seen| ready(seen)).await;
    }

    /// Closes the listener and every connection, also those that hang, and waits for them to end.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts serving on `address`, which must be loopback; port 0 takes any free one.
pub(crate) async fn serve<S: Service>(
    service: Arc<S>,
    address: SocketAddr,
) -> Result<Server, StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback(address));
    }
    let listen = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (recorded, requests) = watch::channel(Vec::new());
    let stop = CancellationToken::new();
    let accepting = tokio::spawn(accept(listener, service, Arc::new(recorded), stop.clone()));
    Ok(Server { address, requests, stop, accepting: Some(accepting) })
}

/// Any free port of the loopback address.
pub fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

type Recorder = Arc<watch::Sender<Vec<RecordedRequest>>>;

async fn accept<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    recorder: Recorder,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&service), Arc::clone(&recorder)));
                }
                // The peer went away between connect and accept, or descriptors ran out for a
                // moment: neither ends the listener, and neither may spin.
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

async fn converse<S: Service>(stream: TcpStream, service: Arc<S>, recorder: Recorder) {
    // Slow streams are seen piece by piece, not when a buffer is full.
    let _ = stream.set_nodelay(true);
    let respond = hyper::service::service_fn(move |request| {
        let (service, recorder) = (Arc::clone(&service), Arc::clone(&recorder));
        async move { respond(request, &*service, &recorder).await }
    });
    // A cut on purpose and a client that left both end here, by dropping the stream.
    if let Err(error) = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), respond)
        .await
    {
        tracing::debug!(%error, "connection ended");
    }
}

type Body = UnsyncBoxBody<Bytes, CutOnPurpose>;

async fn respond<S: Service>(
    request: hyper::Request<Incoming>,
    service: &S,
    recorder: &Recorder,
) -> Result<hyper::Response<Body>, CutOnPurpose> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_REQUEST_BYTES).collect().await else {
        return Err(CutOnPurpose);
    };
    let request = RecordedRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.to_bytes(),
    };
    tracing::info!(method = %request.method, path = %request.path, bytes = request.body.len(), "request");
    recorder.send_modify(|seen| seen.push(request.clone()));
    match service.answer(&request).await {
        Answer::Response(response) => Ok(build(response)),
        Answer::Hang => std::future::pending().await,
        Answer::Cut => Err(CutOnPurpose),
    }
}

fn build(response: Response) -> hyper::Response<Body> {
    let pieces = futures::stream::iter(response.pieces).filter_map(|piece| async move {
        match piece {
            Piece::Bytes(bytes) => Some(Ok(Frame::data(bytes))),
            Piece::Pause(pause) => {
                tokio::time::sleep(pause).await;
                None
            }
            Piece::Hang => std::future::pending().await,
            Piece::Cut => {
                // hyper writes out what it holds while the body is pending: without this the
                // bytes before the cut could be lost with the connection.
                tokio::task::yield_now().await;
                Some(Err(CutOnPurpose))
            }
        }
    });
    let mut built = hyper::Response::new(StreamBody::new(pieces).boxed_unsync());
    *built.status_mut() = response.status;
    *built.headers_mut() = response.headers;
    if let Some(length) = response.length {
        built.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    built
}
