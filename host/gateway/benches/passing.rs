//! What the gateway costs a request: time to the first byte and throughput, beside the same without it, in one run.
//!
//! `cargo bench -p cyrus-gateway --bench passing`. It fails when a target is missed; what is asked is in
//! `docs/performance.md`.

use bytes::Bytes;
use cyrus_gateway::{
    Access, Account, BaseUrl, Credential, Format, Gateway, Limits, PriceTable, Upstream,
    UpstreamBody, UpstreamError,
};
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
};
use http::{Request, Response};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{MissedTickBehavior, interval},
};
use zeroize::Zeroizing;

/// Requests of each kind, for the time to the first byte.
const REQUESTS: usize = 200;
/// The body of a request, as large as one of Claude Code.
const BODY: usize = 100_000;
/// Events of a stream, one in each millisecond.
const EVENTS: usize = 2_000;
/// Bytes of a stream that comes as fast as it can.
const BULK: usize = 64 << 20;
/// How often a stream is measured; the median counts.
const ROUNDS: usize = 5;

/// The same client as the host's, without its certificates.
struct Client(reqwest::Client);

impl Upstream for Client {
    fn send(
        &self,
        _service: &BaseUrl,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<UpstreamBody>, UpstreamError>> {
        let failed = |e: reqwest::Error| UpstreamError::Interrupted(e.to_string());
        let sending = self.0.execute(reqwest::Request::try_from(request).expect("a request"));
        async move {
            let received = sending.await.map_err(failed)?;
            let mut response = Response::new(());
            *response.headers_mut() = received.headers().clone();
            let body = received.bytes_stream().map(move |piece| piece.map_err(failed)).boxed();
            Ok(response.map(|()| body))
        }
        .boxed()
    }
}

/// What the service sends.
#[derive(Clone, Copy)]
enum Play {
    One,
    Paced,
    Bulk,
}

fn event() -> String {
    let text = "x".repeat(100);
    let data = format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
    );
    format!("event: content_block_delta\ndata: {data}\n\n")
}

/// A service that reads a request and plays.
async fn service(play: Play) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, play));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, play: Play) {
    stream.set_nodelay(true).expect("a socket");
    let mut read = Vec::new();
    loop {
        read.clear();
        // Every request ends in this.
        while !read.ends_with(b"]}") {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let event = event();
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        if stream.write_all(head).await.is_err() {
            return;
        }
        let written = match play {
            Play::One => stream.write_all(chunk(&event).as_bytes()).await,
            Play::Paced => {
                let mut ticks = interval(Duration::from_millis(1));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let chunk = chunk(&event);
                let mut written = Ok(());
                for _ in 0..EVENTS {
                    ticks.tick().await;
                    written = stream.write_all(chunk.as_bytes()).await;
                }
                written
            }
            Play::Bulk => {
                let many = event.repeat((64 << 10) / event.len());
                let chunk = chunk(&many);
                let mut written = Ok(());
                for _ in 0..BULK / many.len() {
                    written = stream.write_all(chunk.as_bytes()).await;
                }
                written
            }
        };
        if written.is_err() || stream.write_all(b"0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

/// A gateway before the service.
fn gateway(service: SocketAddr, listener: TcpListener) -> cyrus_gateway::Lease {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls).build();
    let prices = PriceTable::new(BTreeMap::new()).expect("prices");
    let gateway = Gateway::new(
        Arc::new(Client(client.expect("a client"))),
        Arc::new(prices),
        Limits::default(),
    );
    let access = Access {
        format: Format::Anthropic,
        base: BaseUrl::parse(&format!("http://{service}")).expect("an address"),
        credential: Arc::new(Credential::Key(Zeroizing::new("key".to_owned()))),
        models: None,
        account: Account::new(None),
    };
    gateway.serve(Gateway::ticket().expect("a token"), listener, access).expect("a lease")
}

/// Time to the first byte of the body, and to the end.
async fn ask(stream: &mut TcpStream, token: &str) -> (Duration, Duration) {
    let filler = "word ".repeat(BODY / 5);
    let body = format!(
        r#"{{"model":"claude-opus-5","max_tokens":100,"stream":true,"messages":[{{"role":"user","content":"{filler}"}}]}}"#
    );
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let begun = Instant::now();
    stream.write_all(request.as_bytes()).await.expect("it listens");
    let (mut first, mut tail) = (None, Vec::new());
    let mut buffer = vec![0; 256 << 10];
    loop {
        let length = stream.read(&mut buffer).await.expect("it holds");
        assert!(length > 0, "the connection ended");
        tail.extend_from_slice(&buffer[..length]);
        if first.is_none() && tail.windows(6).any(|bytes| bytes == b"event:") {
            first = Some(begun.elapsed());
        }
        if tail.ends_with(b"\r\n0\r\n\r\n") {
            return (first.expect("a body"), begun.elapsed());
        }
        let keep = tail.len().saturating_sub(16);
        if first.is_some() {
            tail.drain(..keep);
        }
    }
}

/// The same service directly and through the gateway, in turn.
async fn both(play: Play, rounds: usize) -> [Vec<(Duration, Duration)>; 2] {
    let service = service(play).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let lease = gateway(service, listener);
    let connect = async |address| {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream
    };
    let mut direct = connect(service).await;
    let mut through = connect(lease.address()).await;
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        figures[0].push(ask(&mut direct, "key").await);
        figures[1].push(ask(&mut through, lease.token()).await);
    }
    figures
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn medians(
    figures: [Vec<(Duration, Duration)>; 2],
    of: fn(&(Duration, Duration)) -> Duration,
) -> [f64; 2] {
    figures.map(|all| median(all.iter().map(|one| of(one).as_secs_f64() * 1e3).collect()))
}

fn main() -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let (first, paced, bulk) = runtime.block_on(async {
        let first = medians(both(Play::One, REQUESTS).await, |one| one.0);
        let paced = medians(both(Play::Paced, ROUNDS).await, |one| one.1);
        let bulk = medians(both(Play::Bulk, ROUNDS).await, |one| one.1);
        (first, paced, bulk)
    });
    let extra = first[1] - first[0];
    let ratio = paced[1] / paced[0];
    let bulk_bytes = f64::from(u32::try_from(BULK).expect("far less than 4 GiB"));
    let rate = |ms: f64| bulk_bytes / 1e3 / ms;
    println!("time to the first byte of a request of {BODY} bytes, p50 of {REQUESTS}");
    println!(
        "  directly {:.3} ms, through the gateway {:.3} ms: {extra:.3} ms more (at most 2)",
        first[0], first[1]
    );
    println!("a stream of {EVENTS} events, one in a millisecond, median of {ROUNDS}");
    println!(
        "  directly {:.1} ms, through the gateway {:.1} ms: {ratio:.4} times (at most 1.01)",
        paced[0], paced[1]
    );
    println!(
        "a stream of {} MiB as fast as it can, every event counted, median of {ROUNDS}",
        BULK >> 20
    );
    println!("  directly {:.0} MB/s, through the gateway {:.0} MB/s", rate(bulk[0]), rate(bulk[1]));
    if extra <= 2.0 && ratio <= 1.01 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
