//! One connection of a program to the proxy.

use crate::{
    Access, Limits, Verdict,
    proxy::{Inner, Observer},
    relay::{Counted, Direction, relay},
    request::{MOST_HEAD, Refused, Request, parse},
    resolve::{Unresolved, resolve},
};
use cyrus_plugin::Destination;
use std::{io, sync::atomic::Ordering};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Duration, Instant, timeout, timeout_at},
};

/// How long a program may take to read why it is refused.
const REPLY_TIME: Duration = Duration::from_secs(5);

/// Bytes of a refused request that are read and thrown away.
const UNREAD: usize = 64 * 1024;

const CONNECTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// A connection's record, which is given to the observer when the connection ends, also when it is cut from
/// outside.
pub(crate) struct Recorded<'a> {
    inner: &'a Inner,
    client: &'a str,
    observer: &'a Observer,
    begun: Instant,
    destination: Option<String>,
    verdict: Verdict,
    counted: Counted,
}

impl<'a> Recorded<'a> {
    pub(crate) fn new(inner: &'a Inner, client: &'a str, observer: &'a Observer) -> Self {
        Self {
            inner,
            client,
            observer,
            begun: Instant::now(),
            destination: None,
            verdict: Verdict::Cut("the proxy ended"),
            counted: Counted::default(),
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn serve(mut self, program: TcpStream) {
        self.verdict = match self.serve_request(program).await {
            Ok(verdict) | Err(verdict) => verdict,
        };
    }

    async fn serve_request(&mut self, mut program: TcpStream) -> Result<Verdict, Verdict> {
        // Without it small pieces would wait for each other; a connection works without.
        let _ = program.set_nodelay(true);
        let limits = &self.inner.limits;
        let (head, rest) = match read_head(&mut program, limits, self.begun).await {
            Ok(read) => read,
            Err(refused) => return Err(refuse(&mut program, &refused).await),
        };
        let request = match parse(&head) {
            Ok(request) => request,
            Err(refused) => return Err(refuse(&mut program, &refused).await),
        };
        self.destination = Some(request.destination().to_string());
        let mut host = match self.connect(&request).await {
            Ok(host) => host,
            Err(verdict) => {
                reply(&mut program, status(&request, &verdict), &verdict.to_string()).await;
                return Err(verdict);
            }
        };
        let _ = host.set_nodelay(true);
        let hung_up = |_| Verdict::Connected;
        let direction = match request {
            Request::Connect(_) => {
                program.write_all(CONNECTED).await.map_err(hung_up)?;
                self.send(&mut host, &rest).await.map_err(hung_up)?;
                Direction::Both
            }
            Request::Forward(_, head) => {
                self.send(&mut host, &head).await.map_err(hung_up)?;
                Direction::FromHost
            }
        };
        Ok(relay(direction, program, host, limits, self.begun, &self.counted).await)
    }

    async fn send(&self, host: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        self.counted.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        host.write_all(bytes).await
    }

    async fn connect(&self, request: &Request) -> Result<TcpStream, Verdict> {
        let Inner { rules, resolver, limits } = self.inner;
        let to = request.destination();
        if !rules.permit(to) {
            return Err(Verdict::Refused(format!("no rule permits {to}")));
        }
        let private = |at: &Destination| {
            if rules.permit_address(at) { Ok(()) } else { Err(at.clone()) }
        };
        let addresses = resolve(&**resolver, to, limits.connect, private).await.map_err(
            |error| match error {
                Unresolved::Refused(at) => Verdict::Refused(format!(
                    "{to} is at the private address {0}, and no rule spells that out: where it is to be reached, name https://{0} beside it",
                    at.host
                )),
                error => Verdict::Failed(format!("cannot resolve {to}: {error}")),
            },
        )?;
        let connected = addresses.connect(limits.connect).await;
        connected.map_err(|error| Verdict::Failed(format!("cannot connect to {to}: {error}")))
    }
}

impl Drop for Recorded<'_> {
    fn drop(&mut self) {
        let access = Access {
            client: self.client.to_owned(),
            destination: self.destination.take(),
            verdict: self.verdict.clone(),
            sent: self.counted.sent.load(Ordering::Relaxed),
            received: self.counted.received.load(Ordering::Relaxed),
            lasted: self.begun.elapsed(),
        };
        let Access { client, verdict, sent, received, .. } = &access;
        let destination = access.destination.as_deref().unwrap_or("-");
        if matches!(verdict, Verdict::Connected) {
            tracing::debug!(client, destination, %verdict, sent, received, "egress");
        } else {
            tracing::info!(client, destination, %verdict, sent, received, "egress");
        }
        (self.observer)(access);
    }
}

/// Reads a head to its empty line; gives what came behind it, too.
async fn read_head(
    program: &mut TcpStream,
    limits: &Limits,
    begun: Instant,
) -> Result<(Vec<u8>, Vec<u8>), Refused> {
    const SLOW: Refused = Refused { status: "408 Request Timeout", why: "its head took too long" };
    const LONG: Refused =
        Refused { status: "431 Request Header Fields Too Large", why: "its head is over 8 KiB" };
    const SHORT: Refused = Refused { status: "400 Bad Request", why: "it ends in its head" };
    let mut bytes = Vec::with_capacity(1024);
    loop {
        let before = bytes.len().saturating_sub(3);
        let read = timeout_at(begun + limits.head, program.read_buf(&mut bytes)).await;
        if read.map_err(|_| SLOW)?.map_err(|_| SHORT)? == 0 {
            return Err(SHORT);
        }
        if let Some(at) = bytes[before..].windows(4).position(|w| w == b"\r\n\r\n") {
            let end = before + at + 4;
            if end > MOST_HEAD {
                return Err(LONG);
            }
            let rest = bytes.split_off(end);
            return Ok((bytes, rest));
        }
        if bytes.len() > MOST_HEAD {
            return Err(LONG);
        }
    }
}

async fn refuse(program: &mut TcpStream, refused: &Refused) -> Verdict {
    reply(program, refused.status, refused.why).await;
    Verdict::Malformed(refused.why)
}

fn status(request: &Request, verdict: &Verdict) -> &'static str {
    match (request, verdict) {
        (Request::Connect(_), Verdict::Refused(_)) => "403 Forbidden",
        // The same address over TLS may well be permitted.
        (Request::Forward(..), Verdict::Refused(_)) => "405 Method Not Allowed",
        _ => "502 Bad Gateway",
    }
}

/// Says why there is no connection, and ends this one.
async fn reply(program: &mut TcpStream, status: &str, why: &str) {
    let body = format!("The way out of this sandbox: {why}.\n");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    let allow = if status.starts_with("405") { "allow: CONNECT, GET, HEAD\r\n" } else { "" };
    let text = format!("{head}{allow}\r\n{body}");
    let told = async {
        program.write_all(text.as_bytes()).await?;
        program.shutdown().await?;
        // A connection that is closed with bytes unread is reset, and the reply may be lost.
        let mut piece = [0; 4096];
        let mut left = UNREAD;
        while left > 0 {
            match program.read(&mut piece).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    // One that does not read it has lost nothing.
    drop(timeout(REPLY_TIME, told).await);
}
