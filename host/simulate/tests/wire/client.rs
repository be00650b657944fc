//! A client that shows exactly what came over the connection.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection of its own for one request.
pub(crate) struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    /// Connects and sends a request. The connection is kept alive, so that an end of it is the server's.
    pub(crate) async fn send(
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        Self { stream, received: Vec::new() }
    }

    /// Everything until the server ends the connection.
    pub(crate) async fn until_end(mut self) -> String {
        self.stream.read_to_end(&mut self.received).await.unwrap();
        String::from_utf8(self.received).unwrap()
    }

    /// Everything up to and with `text`.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        while !String::from_utf8_lossy(&self.received).contains(text) {
            let read = self.stream.read_buf(&mut self.received).await.unwrap();
            assert!(read > 0, "ended before {text:?}: {}", String::from_utf8_lossy(&self.received));
        }
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// Whether nothing can be read at this moment, the connection being open.
    pub(crate) fn is_silent(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// An answer that came back whole.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Whole {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends a request the ordinary way.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Whole {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Whole { status, headers, body: response.text().await.unwrap() }
}

/// A client without proxies.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
