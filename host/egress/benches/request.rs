//! What the proxy adds to a request of 100 kB on a connection of its own: directly, and through the proxy, to a
//! service on loopback that answers at once, and to one that takes as long as one in the Internet.

use cyrus_egress::{Limits, Proxy, Rules, Serving, SystemResolver};
use divan::Bencher;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::sleep,
};

const BYTES: usize = 100_000;

fn main() {
    divan::main();
}

/// A service that takes a request of one byte, waits, and sends 100 kB.
async fn service(wait: Duration) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let body = vec![b'x'; BYTES];
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = body.clone();
            tokio::spawn(async move {
                stream.read_exact(&mut [0]).await.unwrap();
                if !wait.is_zero() {
                    sleep(wait).await;
                }
                stream.write_all(&body).await.unwrap();
            });
        }
    });
    address
}

async fn exchange(mut stream: TcpStream) {
    stream.write_all(b"?").await.unwrap();
    let mut all = Vec::with_capacity(BYTES);
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), BYTES);
}

async fn proxy(to: SocketAddr) -> Serving {
    let rules = Rules::new([format!("https://{to}").parse().unwrap()]);
    let proxy = Proxy::new(rules, Arc::new(SystemResolver), Limits::default());
    proxy.serve(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), "bench", |_| {})
}

async fn tunnel(proxy: SocketAddr, to: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    stream.write_all(format!("CONNECT {to} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = [0; "HTTP/1.1 200 Connection established\r\n\r\n".len()];
    stream.read_exact(&mut head).await.unwrap();
    stream
}

/// Milliseconds until the service answers.
const WAITS: [u64; 2] = [0, 20];

#[divan::bench(args = WAITS)]
fn direct(bencher: Bencher<'_, '_>, wait: u64) {
    let runtime = Runtime::new().unwrap();
    let to = runtime.block_on(service(Duration::from_millis(wait)));
    bencher.bench_local(|| {
        runtime.block_on(async { exchange(TcpStream::connect(to).await.unwrap()).await });
    });
}

#[divan::bench(args = WAITS)]
fn through_the_proxy(bencher: Bencher<'_, '_>, wait: u64) {
    let runtime = Runtime::new().unwrap();
    let to = runtime.block_on(service(Duration::from_millis(wait)));
    let serving = runtime.block_on(proxy(to));
    let address = serving.local_addr().unwrap();
    bencher.bench_local(|| {
        runtime.block_on(async { exchange(tunnel(address, to).await).await });
    });
}
