//! A server that takes requests and never answers them, in a process of its own: what it holds is nobody else's
//! memory.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The word that makes this program one.
pub(crate) const CHILD: &str = "--silent-server";

/// The path that is answered: with how many others are waiting.
const COUNT: &str = "/count";

/// A server that lives as long as this.
pub(crate) struct SilentServer {
    process: Child,
    pub(crate) port: u16,
}

impl SilentServer {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(env::current_exe().expect("a path"))
            .arg(CHILD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it tells its port");
        let port = line.trim().parse().expect("a port");
        Self { process, port }
    }
}

impl Drop for SilentServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How many requests are waiting at the server on this port.
pub(crate) fn waiting(port: u16) -> usize {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    connection.write_all(format!("GET {COUNT} HTTP/1.1\r\n\r\n").as_bytes()).expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    answer.parse().expect("a number")
}

/// Serves until its standard input ends: with the program that started it.
pub(crate) fn child() {
    super::common::allow_many_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a scheduler");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        println!("{}", listener.local_addr().expect("an address").port());
        let waiting = Arc::new(AtomicUsize::new(0));
        let serving = async {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&waiting)));
            }
        };
        let mut input = tokio::io::stdin();
        tokio::select! {
            () = serving => {}
            _ended = input.read_u8() => {}
        }
    });
}

/// Takes one request. A connection that is gone does not wait any more.
async fn serve(mut connection: tokio::net::TcpStream, waiting: Arc<AtomicUsize>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(1..) = connection.read_buf(&mut head).await else { return };
    }
    if head.starts_with(format!("GET {COUNT} ").as_bytes()) {
        let count = waiting.load(Ordering::Relaxed).to_string();
        let _it_has_gone = connection.write_all(count.as_bytes()).await;
        return;
    }
    waiting.fetch_add(1, Ordering::Relaxed);
    let _it_has_gone = connection.read_u8().await;
    waiting.fetch_sub(1, Ordering::Relaxed);
}
