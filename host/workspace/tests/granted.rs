//! Results on a remote that policy grants: over https, through the proxy, from that host and no other, and with
//! nothing of the user's unless the grant says so.

mod common;

use common::World;
use cyrus_core::Workspaces as _;
use cyrus_executor::{BranchSource, GrantedRemote, RemoteBranch, WorkProduct};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use std::{
    fs, io,
    net::TcpListener as Blocking,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Nobody's but this test's: it names 127.0.0.1 and localhost, and signs itself.
const CERTIFICATE: &[u8] = include_bytes!("testdata/granted.crt.der");
const KEY: &[u8] = include_bytes!("testdata/granted.key.der");

/// What every request gets in place of a file.
type Redirect = Option<String>;

/// A host behind TLS that serves a directory's files, or redirects, and keeps what it was asked.
struct Host {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Host {
    async fn serve(root: PathBuf, redirect: Redirect) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CERTIFICATE.into()], PrivateKeyDer::try_from(KEY).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, keep) = (acceptor.clone(), Arc::clone(&keep));
                let (root, redirect) = (root.clone(), redirect.clone());
                tokio::spawn(async move { answer(&acceptor, tcp, &root, redirect, &keep).await });
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request for each connection.
async fn answer(
    acceptor: &TlsAcceptor,
    tcp: tokio::net::TcpStream,
    root: &Path,
    redirect: Redirect,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut tls = acceptor.accept(tcp).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if tls.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split([' ', '?']).nth(1).unwrap_or_default().trim_start_matches('/');
    let body = fs::read(root.join(path));
    seen.lock().unwrap().push(head.clone());
    let (status, location, body) = match (redirect, body) {
        (Some(to), _) => ("302 Found", format!("location: {to}\r\n"), Vec::new()),
        (None, Ok(body)) => ("200 OK", String::new(), body),
        (None, Err(_)) => ("404 Not Found", String::new(), Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{location}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    tls.write_all(head.as_bytes()).await?;
    tls.write_all(&body).await?;
    tls.shutdown().await
}

/// A repository of somewhere else with one more commit on the branch `topic`, laid out to be served as files.
fn elsewhere(world: &World) -> String {
    world.run(".", &["clone", "--quiet", "main", "cloud"]);
    let commit = world.commit("cloud", &[("new", "x\n")]);
    world.run("cloud", &["branch", "topic"]);
    world.run(".", &["clone", "--quiet", "--bare", "cloud", "served.git"]);
    world.run("served.git", &["update-server-info"]);
    commit
}

/// What the user's git is configured with: it trusts the host, has a login for it, and knows a way around.
fn configure(world: &World, port: u16) {
    let certificate = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/granted.pem");
    let text = format!(
        "[http]\n sslCAInfo = {}\n extraHeader = X-User: ada\n proxy = http://127.0.0.1:9\n\
         [url \"https://elsewhere.invalid/\"]\n insteadOf = https://127.0.0.1:{port}/\n",
        certificate.display()
    );
    let file = world.path("user-home/.gitconfig");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, before + &text).unwrap();
    let netrc = "machine 127.0.0.1 login ada password hunter22\n";
    fs::write(world.path("user-home/.netrc"), netrc).unwrap();
}

async fn collect(world: &World, address: String, credentials: bool) -> Result<String, String> {
    let prepared = world.prepare().await;
    let source = BranchSource::Granted(GrantedRemote::judged(address, credentials));
    let product =
        WorkProduct::Branch(RemoteBranch { source, name: "topic".to_owned(), commit: None });
    let collected = world.workspaces.collect(&prepared, &product, "").await;
    collected.map(|collected| collected.commit).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_remote_is_fetched_from_with_credentials_where_the_grant_says_so() {
    let world = World::new();
    let commit = elsewhere(&world);
    let host = Host::serve(world.path("."), None).await;
    configure(&world, host.port);
    let address = format!("https://127.0.0.1:{}/served.git", host.port);
    assert_eq!(collect(&world, address, true).await, Ok(commit));
    let seen = host.seen();
    assert!(seen[0].starts_with("GET /served.git/info/refs"), "{seen:?}");
    assert!(seen[0].contains("X-User: ada"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_nothing_of_the_users_counts() {
    let world = World::new();
    elsewhere(&world);
    let host = Host::serve(world.path("."), None).await;
    configure(&world, host.port);
    let address = format!("https://127.0.0.1:{}/served.git", host.port);
    let error = collect(&world, address, false).await.unwrap_err();
    // The certificate is the user's to trust, so nothing was asked.
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(host.seen(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_at_a_private_address_is_not_connected_to() {
    let world = World::new();
    elsewhere(&world);
    let host = Host::serve(world.path("."), None).await;
    configure(&world, host.port);
    let address = format!("https://localhost:{}/served.git", host.port);
    let error = collect(&world, address, true).await.unwrap_err();
    assert!(error.contains("private address"), "{error}");
    assert_eq!(host.seen(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_leads_nowhere() {
    let world = World::new();
    elsewhere(&world);
    let other = Blocking::bind(("127.0.0.1", 0)).unwrap();
    other.set_nonblocking(true).unwrap();
    let port = other.local_addr().unwrap().port();
    let to = format!("http://127.0.0.1:{port}/served.git/info/refs");
    let host = Host::serve(world.path("."), Some(to)).await;
    configure(&world, host.port);
    let address = format!("https://127.0.0.1:{}/served.git", host.port);
    collect(&world, address, true).await.unwrap_err();
    assert_eq!(host.seen().len(), 1);
    assert_eq!(other.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
