//! A proxy under programs that want out: what it carries, what it refuses, and when it cuts.

use cyrus_egress::{Access, Limits, Proxy, Resolver, Rules, Serving, Verdict};
use futures::future::BoxFuture;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

/// Names as these tests know them; no name service is asked.
struct Names;

impl Resolver for Names {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let addresses: &[&str] = match name {
            "here.example" => &["127.0.0.1"],
            "metadata.example" => &["169.254.169.254"],
            "mapped.example" => &["::ffff:127.0.0.1"],
            "nat64.example" => &["64:ff9b::7f00:1"],
            "carrier.example" => &["100.100.100.200"],
            "local.example" => &["fd00::1", "10.0.0.1", "fe80::1", "0.0.0.0"],
            "empty.example" => &[],
            _ => return Box::pin(async { Err(io::Error::other("no such name")) }),
        };
        let addresses =
            addresses.iter().map(|text| (text.parse::<IpAddr>().unwrap(), port).into()).collect();
        Box::pin(async { Ok(addresses) })
    }
}

struct Tested {
    serving: Serving,
    records: UnboundedReceiver<Access>,
}

impl Tested {
    async fn new(rules: &[&str], limits: Limits) -> Self {
        let rules = Rules::new(rules.iter().map(|rule| rule.parse().unwrap()));
        let proxy = Proxy::new(rules, Arc::new(Names), limits);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (sender, records) = unbounded_channel();
        let observe = move |access| drop(sender.send(access));
        Self { serving: proxy.serve(listener, "tested", observe), records }
    }

    async fn open(&self) -> TcpStream {
        TcpStream::connect(self.serving.local_addr().unwrap()).await.unwrap()
    }

    /// Sends these bytes; gives all that comes back until the proxy ends the connection.
    async fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = self.open().await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// An open tunnel.
    async fn tunnel(&self, target: &str) -> TcpStream {
        let mut stream = self.open().await;
        stream.write_all(connect(target).as_bytes()).await.unwrap();
        established(&mut stream).await;
        stream
    }

    async fn record(&mut self) -> Access {
        self.records.recv().await.unwrap()
    }
}

fn connect(target: &str) -> String {
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
}

async fn established(stream: &mut TcpStream) {
    const EXPECTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
    let mut head = vec![0; EXPECTED.len()];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head, EXPECTED);
}

/// A host that sends back what it gets.
async fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    port
}

/// A host that only listens, and says how many connections it got.
async fn silent() -> (u16, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_is_recorded() {
    let port = echo().await;
    let rules = [format!("here.example:{port}"), format!("127.0.0.1:{port}")];
    let mut tested = Tested::new(&[&rules[0], &rules[1]], Limits::default()).await;
    let mut stream = tested.open().await;
    // What comes with the head is the host's, too.
    let head = [connect(&format!("HERE.example.:{port}")).as_bytes(), b"early "].concat();
    stream.write_all(&head).await.unwrap();
    established(&mut stream).await;
    stream.write_all(b"and late").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = String::new();
    stream.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "early and late");
    let record = tested.record().await;
    assert_eq!((record.sent, record.received), (14, 14));
    assert_eq!(record.client, "tested");
    assert_eq!(record.destination, Some(format!("https://here.example:{port}")));
    assert_eq!(record.verdict, Verdict::Connected);
}

#[tokio::test]
async fn what_no_rule_permits_is_refused_and_nothing_is_connected_to() {
    let (port, host) = silent().await;
    let name = format!("here.example:{port}");
    let named = ["metadata", "mapped", "nat64", "carrier", "local", "empty", "unknown"];
    let named = named.map(|name| format!("{name}.example"));
    let mut rules: Vec<_> = named.iter().map(String::as_str).collect();
    rules.extend([&*name, "10.0.0.2"]);
    let tested = Tested::new(&rules, Limits::default()).await;
    for target in [
        "elsewhere.test:443".to_owned(),
        "here.example:22".to_owned(),
        format!("a.here.example:{port}"),
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[64:ff9b::7f00:1]:{port}"),
        format!("0.0.0.0:{port}"),
        // Permitted by name, and at a private address: no rule spells that out.
        format!("here.example:{port}"),
        "metadata.example:443".to_owned(),
        "mapped.example:443".to_owned(),
        "nat64.example:443".to_owned(),
        "carrier.example:443".to_owned(),
        "local.example:443".to_owned(),
    ] {
        let answer = tested.ask(connect(&target).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{target}: {answer}");
    }
    for target in ["empty.example:443", "unknown.example:443"] {
        let answer = tested.ask(connect(target).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{target}: {answer}");
    }
    host.into_std().unwrap().accept().expect_err("nothing came");
}

#[tokio::test]
async fn a_refusal_says_what_and_why() {
    let mut tested = Tested::new(&["metadata.example"], Limits::default()).await;
    let answer = tested.ask(connect("metadata.example:443").as_bytes()).await;
    assert!(answer.contains("private address 169.254.169.254"), "{answer}");
    let record = tested.record().await;
    assert!(matches!(record.verdict, Verdict::Refused(_)), "{record:?}");
    assert_eq!((record.sent, record.received), (0, 0));
    let answer = tested.ask(b"GET http://a.example/ HTTP/1.1\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 405 ") && answer.contains("no rule permits http://a.example")
    );
    let answer = tested.ask(b"POST http://a.example/ HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("serves CONNECT"), "{answer}");
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let tested = Tested::new(&["a.example", "127.0.0.1"], Limits::default()).await;
    for head in [
        "CONNECT a.example HTTP/1.1\r\n\r\n",
        "CONNECT a.example:0 HTTP/1.1\r\n\r\n",
        "CONNECT u:p@a.example:443 HTTP/1.1\r\n\r\n",
        "CONNECT 2130706433:443 HTTP/1.1\r\n\r\n",
        "CONNECT 0x7f.1:443 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:443\r\n\r\n",
        "\x16\x03\x01\x00\r\n\r\n",
    ] {
        let answer = tested.ask(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
    }
    let long = format!("CONNECT a.example:443 HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000));
    assert!(tested.ask(long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let endless = format!("CONNECT a.example:443 HTTP/1.1\r\nX: {}", "x".repeat(9000));
    assert!(tested.ask(endless.as_bytes()).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_program_that_does_not_finish_its_head_is_let_go_of() {
    let limits = Limits { head: Duration::from_millis(20), ..Limits::default() };
    let tested = Tested::new(&[], limits).await;
    let answer = tested.ask(b"CONNECT a.example:443 HTTP/1.1\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_tunnel_is_cut_at_its_limits() {
    let port = echo().await;
    let (quiet, _host) = silent().await;
    let (echoing, silent) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{quiet}"));
    let short = Duration::from_millis(20);
    for (limits, target, bytes, why) in [
        (Limits { sent: 10, ..Limits::default() }, &echoing, 11, "too many bytes"),
        (Limits { received: 10, ..Limits::default() }, &echoing, 11, "too many bytes"),
        (Limits { idle: short, ..Limits::default() }, &silent, 0, "nothing for too long"),
        (Limits { total: short, ..Limits::default() }, &silent, 0, "lasted too long"),
    ] {
        let mut tested = Tested::new(&[&echoing, &silent], limits).await;
        let mut stream = tested.tunnel(target).await;
        stream.write_all(&vec![b'x'; bytes]).await.unwrap();
        let mut back = Vec::new();
        // It may end with a reset: the host's bytes were not taken.
        let _ = stream.read_to_end(&mut back).await;
        assert!(back.len() <= 10, "{why}");
        let record = tested.record().await;
        assert!(matches!(record.verdict, Verdict::Cut(cut) if cut.contains(why)), "{record:?}");
    }
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_served_at_once() {
    let port = echo().await;
    let target = format!("127.0.0.1:{port}");
    let tested = Tested::new(&[&target], Limits { connections: 1, ..Limits::default() }).await;
    let mut first = tested.tunnel(&target).await;
    let mut second = tested.open().await;
    second.write_all(connect(&target).as_bytes()).await.unwrap();
    for _ in 0..20 {
        first.write_all(b"x").await.unwrap();
        first.read_exact(&mut [0]).await.unwrap();
        let early = second.try_read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(early, Err(io::ErrorKind::WouldBlock));
    }
    drop(first);
    established(&mut second).await;
}

#[tokio::test]
async fn dropping_it_ends_its_tunnels() {
    let port = echo().await;
    let target = format!("127.0.0.1:{port}");
    let mut tested = Tested::new(&[&target], Limits::default()).await;
    let mut stream = tested.tunnel(&target).await;
    drop(tested.serving);
    let ended = stream.read(&mut [0]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    let record = tested.records.recv().await.unwrap();
    assert_eq!(record.verdict, Verdict::Cut("the proxy ended"));
}

#[tokio::test]
async fn a_plain_request_is_forwarded_alone_where_a_rule_says_http() {
    let (port, host) = silent().await;
    let rule = format!("http://127.0.0.1:{port}");
    let tested = Tested::new(&[&rule], Limits::default()).await;
    // A tunnel to the same place is another thing.
    let answer = tested.ask(connect(&format!("127.0.0.1:{port}")).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let serve = async {
        let (mut stream, _) = host.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        stream.shutdown().await.unwrap();
        head.extend_from_slice(b"|");
        stream.read_to_end(&mut head).await.unwrap();
        String::from_utf8(head).unwrap()
    };
    let request = format!(
        "GET http://127.0.0.1:{port}/x HTTP/1.1\r\nHost: evil.example\r\n\r\nDELETE /all HTTP/1.1\r\n\r\n"
    );
    let (answer, seen) = tokio::join!(tested.ask(request.as_bytes()), serve);
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    let expected =
        format!("GET /x HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n|");
    assert_eq!(seen, expected);
}
