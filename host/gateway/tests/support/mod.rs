//! A gateway before a service that is scripted, and an agent that writes bytes.

use bytes::Bytes;
use cyrus_executor::MicroUsd;
use cyrus_gateway::{
    Access, Account, BaseUrl, Credential, Format, Gateway, Lease, Limits, ModelPattern, PriceTable,
    Upstream, UpstreamBody, UpstreamError,
};
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream,
};
use http::{Request, Response};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use zeroize::Zeroizing;

/// The operator's key.
pub(crate) const KEY: &str = "sk-ant-the-operators-own";

/// The model of the tests: 5 in and 25 out, in millionths of a dollar a token.
pub(crate) const MODEL: &str = "claude-opus-5";

/// What the service does with a request.
pub(crate) enum Play {
    /// This response.
    Answer(Response<UpstreamBody>),
    /// Nothing, ever.
    Hang,
    /// No response.
    Fail(UpstreamError),
}

/// The service: it plays what it was given, in order, and keeps what it was asked.
#[derive(Default)]
pub(crate) struct Service {
    plays: Mutex<VecDeque<Play>>,
    pub(crate) seen: Mutex<Vec<Request<Bytes>>>,
}

impl Upstream for Service {
    fn send(
        &self,
        _service: &BaseUrl,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<UpstreamBody>, UpstreamError>> {
        self.seen.lock().unwrap().push(request);
        let play = self.plays.lock().unwrap().pop_front();
        async move {
            match play.expect("the script has another play") {
                Play::Answer(response) => Ok(response),
                Play::Hang => std::future::pending().await,
                Play::Fail(error) => Err(error),
            }
        }
        .boxed()
    }
}

/// A response with these pieces.
pub(crate) fn response(
    status: u16,
    headers: &[(&str, &str)],
    pieces: Vec<Bytes>,
) -> Response<UpstreamBody> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(stream::iter(pieces.into_iter().map(Ok)).boxed()).unwrap()
}

/// One event on the wire.
pub(crate) fn event(data: &Value) -> Bytes {
    let kind = data["type"].as_str().unwrap_or("message");
    format!("event: {kind}\ndata: {data}\n\n").into()
}

/// A stream of Messages with this usage, and a text of this many bytes in pieces of ten.
pub(crate) fn message(input: u64, output: u64, text: usize) -> Vec<Bytes> {
    let mut events = vec![event(&start(input))];
    events.extend((0..text / 10).map(|_| event(&delta("0123456789"))));
    events.push(event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": output}})));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

pub(crate) fn start(input: u64) -> Value {
    json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": input, "output_tokens": 1}}})
}

pub(crate) fn delta(text: &str) -> Value {
    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
}

pub(crate) const STREAM: (&str, &str) = ("content-type", "text/event-stream");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A gateway with one lease.
pub(crate) struct Setup {
    pub(crate) service: Arc<Service>,
    pub(crate) account: Arc<Account>,
    gateway: Gateway,
    lease: Option<Lease>,
    format: Format,
    pub(crate) models: Option<Vec<ModelPattern>>,
}

impl Setup {
    pub(crate) async fn new(limit: Option<u64>) -> Self {
        Self::with(Format::Anthropic, limit, Limits::default(), None).await
    }

    pub(crate) async fn with(
        format: Format,
        limit: Option<u64>,
        limits: Limits,
        models: Option<&[&str]>,
    ) -> Self {
        let service = Arc::new(Service::default());
        let prices = PriceTable::new(BTreeMap::new()).unwrap();
        let gateway = Gateway::new(Arc::clone(&service) as _, Arc::new(prices), limits);
        let models =
            models.map(|all| all.iter().map(|m| ModelPattern::parse(m).unwrap()).collect());
        let account = Account::new(limit.map(MicroUsd));
        let mut setup = Self { service, account, gateway, lease: None, format, models };
        setup.lease = Some(setup.another(Arc::clone(&setup.account)).await);
        setup
    }

    /// Another lease of the same gateway.
    pub(crate) async fn another(&self, account: Arc<Account>) -> Lease {
        let base = match self.format {
            Format::Anthropic => "https://model.example",
            Format::OpenAi => "https://model.example/v1",
        };
        let access = Access {
            format: self.format,
            base: BaseUrl::parse(base).unwrap(),
            credential: Arc::new(Credential::Key(Zeroizing::new(KEY.to_owned()))),
            models: self.models.clone(),
            account,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        self.gateway.serve(Gateway::ticket().unwrap(), listener, access).unwrap()
    }

    pub(crate) fn play(&self, play: Play) {
        self.service.plays.lock().unwrap().push_back(play);
    }

    pub(crate) fn answer(&self, status: u16, headers: &[(&str, &str)], pieces: Vec<Bytes>) {
        self.play(Play::Answer(response(status, headers, pieces)));
    }

    /// A response whose pieces the test sends one by one.
    pub(crate) fn by_hand(&self) -> mpsc::UnboundedSender<Result<Bytes, UpstreamError>> {
        let (sender, pieces) = mpsc::unbounded_channel();
        let body = stream::unfold(pieces, |mut pieces| async move {
            pieces.recv().await.map(|piece| (piece, pieces))
        });
        let response = Response::builder().header(STREAM.0, STREAM.1).body(body.boxed()).unwrap();
        self.play(Play::Answer(response));
        sender
    }

    pub(crate) fn lease(&self) -> &Lease {
        self.lease.as_ref().unwrap()
    }

    pub(crate) fn end_lease(&mut self) {
        self.lease = None;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.lease().address()
    }

    /// Requests that reached the service.
    pub(crate) fn seen(&self) -> usize {
        self.service.seen.lock().unwrap().len()
    }

    /// A request for a message, as an agent writes it.
    pub(crate) fn request(&self, body: &Value) -> String {
        let path = match self.format {
            Format::Anthropic => "/v1/messages?beta=true",
            Format::OpenAi => "/v1/responses",
        };
        post(path, self.lease().token(), &body.to_string())
    }

    /// Asks for a message, and returns status and body.
    pub(crate) async fn ask(&self, body: &Value) -> (u16, String) {
        answer(&talk(self.address(), self.request(body).as_bytes()).await)
    }
}

pub(crate) fn post(path: &str, token: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn stream_of(model: &str) -> Value {
    json!({"model": model, "max_tokens": 1000, "stream": true, "messages": [{"role": "user", "content": "hi"}]})
}

pub(crate) fn whole_of(model: &str, most: u64) -> Value {
    json!({"model": model, "max_tokens": most, "messages": [{"role": "user", "content": "hi"}]})
}

/// Writes bytes, and reads until the other side has nothing more to say.
pub(crate) async fn talk(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).await.unwrap();
    // The server may end a connection before it has read all.
    let _unless_it_was_ended = connection.write_all(bytes).await;
    read(&mut connection).await
}

/// Reads to the end, or to where the connection was cut.
pub(crate) async fn read(connection: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let reading = connection.read_to_end(&mut all);
    let ended = tokio::time::timeout(Duration::from_secs(30), reading).await;
    let _cut_or_closed = ended.expect("the connection ends");
    all
}

/// Reads until this was read.
pub(crate) async fn read_until(connection: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(text) {
        let reading = tokio::time::timeout(Duration::from_secs(30), connection.read(&mut buffer));
        let length = reading.await.expect("it comes").expect("the connection holds");
        assert!(length > 0, "it ended without {text}: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(all).unwrap()
}

/// Status and body of a response, without the framing of chunks.
pub(crate) fn answer(bytes: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return (0, text.into_owned()) };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return (status, body.to_owned());
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        let Some(piece) = after.get(..size) else { break };
        whole.push_str(piece);
        rest = after.get(size + 2..).unwrap_or("");
    }
    (status, whole)
}
