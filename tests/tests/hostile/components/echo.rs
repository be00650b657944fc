//! A server that sends a secret back, in a form in which it might not be recognised.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// Makes an answer of the value of the request's `authorization` header.
pub(crate) type Answer = fn(&str) -> Vec<u8>;

/// What a secret that is sent back may look like.
pub(crate) const ANSWERS: &[(&str, Answer)] = &[
    ("as_it_is", |secret| whole("", secret)),
    ("in_a_header", |secret| whole(&format!("x-back: {secret}\r\n"), "")),
    ("in_a_header_that_is_no_text", |secret| {
        [
            b"HTTP/1.1 200 OK\r\nx-back: caf\xe9 ",
            secret.as_bytes(),
            b"\r\ncontent-length: 0\r\n\r\n",
        ]
        .concat()
    }),
    ("in_a_header_name", |secret| {
        let name = secret.replace(' ', "-").to_lowercase();
        whole(&format!("x-{name}: 1\r\n"), "")
    }),
    ("in_chunks_of_a_byte", |secret| {
        let chunks = secret.bytes().map(|byte| [b"1\r\n", &[byte][..], b"\r\n"].concat());
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        [head, chunks.collect::<Vec<_>>().concat(), b"0\r\n\r\n".to_vec()].concat()
    }),
    ("in_a_trailer", |secret| {
        let head =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-back\r\n\r\n2\r\nok\r\n";
        format!("{head}0\r\nx-back: {secret}\r\n\r\n").into_bytes()
    }),
    ("in_the_status_line", |secret| {
        format!("HTTP/1.1 200 {secret}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    }),
    ("in_bytes_that_are_no_text", |secret| {
        let body = [b"\xff\xfe\0", secret.as_bytes(), b"\xff"].concat();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    }),
    ("twice_in_a_row", |secret| whole("", &format!("{secret}{secret}{secret}"))),
    ("in_base64", |secret| whole("", &base64(token(secret).as_bytes()))),
    ("in_percents", |secret| whole("", &percent(token(secret)))),
    ("in_json_escapes", |secret| whole("", &escaped(token(secret)))),
    ("under_two_encodings", |secret| {
        whole("content-encoding: identity\r\ncontent-encoding: gzip\r\n", secret)
    }),
    ("in_a_redirect", |secret| {
        let at = format!("HTTP/1.1 302 Found\r\nlocation: /{}\r\n", token(secret));
        format!("{at}content-length: 0\r\n\r\n").into_bytes()
    }),
    ("in_a_cookie", |secret| whole(&format!("set-cookie: a={}; path=/\r\n", token(secret)), "")),
];

/// The forms in which the component might hold it.
pub(crate) fn forms(secret: &str) -> Vec<String> {
    vec![secret.to_owned(), base64(secret.as_bytes()), percent(secret), escaped(secret)]
}

fn token(header: &str) -> &str {
    header.split_once(' ').map_or(header, |(_, token)| token)
}

fn whole(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        let _written = write!(all, "%{byte:02X}");
        all
    })
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        let _written = write!(all, "\\u{byte:04x}");
        all
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().chain([0, 0].iter()).take(3);
        let bits = all.fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[bits >> (18 - 6 * place) & 63]));
        }
        text.push_str(&"=".repeat(3 - chunk.len()));
    }
    text
}

/// It listens on the loopback until it is dropped.
pub(crate) struct Echo {
    port: u16,
    seen: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Echo {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<String>>::default();
        let to = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut head = vec![0; 16 << 10];
                let read = connection.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let line = head.lines().find(|line| {
                    line.get(..14).is_some_and(|name| name.eq_ignore_ascii_case("authorization:"))
                });
                let secret = line.map_or("none", |line| line[14..].trim());
                to.lock().unwrap().push_str(&head);
                let _they_left = connection.write_all(&answer(secret)).await;
            }
        });
        Self { port, seen, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn saw(&self, what: &str) -> bool {
        self.seen.lock().unwrap().contains(what)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}
