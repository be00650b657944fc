//! An HTTP server that answers as its paths say.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

/// It listens on the loopback, on a port of the system's choice, until it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    arrived: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, arrived) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Notify::new()));
        let (to, notify) = (Arc::clone(&seen), Arc::clone(&arrived));
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&to), Arc::clone(&notify)));
            }
        });
        Self { port, seen, arrived, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The pattern that grants it.
    pub(crate) fn grant(&self) -> String {
        format!(r#"{{"http": ["{}"]}}"#, self.url(""))
    }

    /// The heads of the requests that came.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for a request.
    pub(crate) async fn request(&self) {
        self.arrived.notified().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut connection: TcpStream, seen: Arc<Mutex<Vec<String>>>, arrived: Arc<Notify>) {
    while let Some((head, body)) = read(&mut connection).await {
        seen.lock().unwrap().push(head.clone());
        arrived.notify_one();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if answer(&mut connection, &path, &head, body).await.is_none() {
            return;
        }
    }
}

async fn read(connection: &mut TcpStream) -> Option<(String, usize)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        let read = connection.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length = length.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        let read = connection.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    }
    Some((head, length))
}

async fn answer(connection: &mut TcpStream, path: &str, head: &str, body: usize) -> Option<()> {
    let (name, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let (status, headers, body) = match name {
        // The request's head comes back as the body and, what of it fits, as a header.
        "echo" => (200, format!("x-echo: {}\r\n", credentials(head)), head.to_owned()),
        "length" => (200, String::new(), body.to_string()),
        "redirect" => (302, "location: /echo\r\n".to_owned(), String::new()),
        "large" => (200, String::new(), "x".repeat(rest.parse::<usize>().ok()? << 10)),
        "many-headers" => {
            let lines = (0..90).map(|i| format!("x-{i}: {}\r\n", "v".repeat(400)));
            (200, lines.collect(), String::new())
        }
        "switch" => {
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
            connection.write_all(head.as_bytes()).await.ok()?;
            return None;
        }
        "packed" => (200, "content-encoding: gzip\r\n".to_owned(), "not really".to_owned()),
        "hang" => {
            std::future::pending::<()>().await;
            return None;
        }
        // The credentials come back as `rest` says, in a header that is no UTF-8, in chunks of one byte, in a trailer.
        "hidden" => {
            connection.write_all(&hidden(rest, credentials(head))).await.ok()?;
            return None;
        }
        // A body that begins, and never ends.
        "slow" => {
            let begin = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin";
            connection.write_all(begin.as_bytes()).await.ok()?;
            std::future::pending::<()>().await;
            return None;
        }
        "cut" => {
            let begin = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin";
            connection.write_all(begin.as_bytes()).await.ok()?;
            return None;
        }
        _ => (404, String::new(), String::new()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.ok()?;
    connection.write_all(body.as_bytes()).await.ok()
}

fn credentials(head: &str) -> &str {
    head.lines().find(|line| line.starts_with("authorization")).unwrap_or("none")
}

fn hidden(how: &str, credentials: &str) -> Vec<u8> {
    let ok = b"HTTP/1.1 200 OK\r\nconnection: close\r\n";
    let secret = credentials.rsplit(' ').next().unwrap_or_default();
    let chunks = |last: String| {
        let each =
            credentials.chars().map(|c| format!("1\r\n{c}\r\n")).collect::<Vec<_>>().concat();
        format!("transfer-encoding: chunked\r\n\r\n{each}0\r\n{last}\r\n").into_bytes()
    };
    let headers = |lines: &[u8]| [lines, b"content-length: 0\r\n\r\n"].concat();
    let rest = match how {
        "latin" => headers(&[b"x-echo: caf\xe9 ", credentials.as_bytes(), b"\r\n"].concat()),
        "name" => headers(format!("x-{secret}: here\r\n").as_bytes()),
        "chunks" => chunks(String::new()),
        "trailer" => chunks(format!("x-echo: {credentials}\r\n")),
        "twice" => headers(b"content-encoding: identity\r\ncontent-encoding: gzip\r\n"),
        "list" => headers(b"content-encoding: identity, gzip\r\n"),
        "transfer" => b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_vec(),
        "percent" => {
            let each = secret.bytes().map(|b| format!("%{b:02X}")).collect::<Vec<_>>().concat();
            [b"\r\n".to_vec(), each.into_bytes()].concat()
        }
        _ => headers(b""),
    };
    [ok.to_vec(), rest].concat()
}
