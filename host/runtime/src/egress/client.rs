//! The HTTP client.

use super::body::Pieces;
use bytes::Bytes;
use cyrus_egress::CheckedAddresses;
use cyrus_plugin::{Destination, Scheme};
use futures::{TryStreamExt as _, future::BoxFuture};
use http::{HeaderMap, Method, StatusCode};
use reqwest::redirect::Policy as Redirects;
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{
    collections::HashMap,
    error::Error as StdError,
    io, iter,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use url::{Host, Url};
use wasmtime_wasi_http::Error;

/// Clients that are kept, each with its connections.
const KEPT: usize = 16;

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_mins(1);

/// TLS as all clients of the process speak it: the system's certificates, one provider of cryptography.
#[derive(Default)]
pub(crate) struct Tls(OnceLock<Result<ClientConfig, String>>);

impl Tls {
    fn config(&self) -> Result<ClientConfig, Error> {
        let made = self.0.get_or_init(|| {
            let provider = Arc::new(ring::default_provider());
            let builder = ClientConfig::builder_with_provider(provider);
            let builder =
                builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
            let builder = builder.with_platform_verifier().map_err(|e| e.to_string())?;
            let mut config = builder.with_no_client_auth();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Ok(config)
        });
        made.clone().map_err(|problem| {
            tracing::error!(problem, "the system's TLS certificates cannot be used");
            Error::TlsCertificateError
        })
    }
}

/// The clients of one executor: one for each destination, bound to the addresses that were checked for it.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<(Destination, Duration), Bound>>);

struct Bound {
    addresses: Vec<SocketAddr>,
    client: Client,
}

/// A client that connects to certain addresses only.
#[derive(Clone)]
pub(super) struct Client(reqwest::Client);

/// A request under way. It is all that is kept for as long as the answer takes.
pub(super) type Sending = BoxFuture<'static, Result<Received, Error>>;

/// A response, before it is looked at.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Pieces,
}

impl Clients {
    /// The client for this destination at these addresses. A name whose addresses have changed gets a new one:
    /// a kept connection leads only where was just checked.
    pub(super) fn get(
        &self,
        tls: &Tls,
        to: &Destination,
        addresses: &CheckedAddresses,
        connect_time: Duration,
    ) -> Result<Client, Error> {
        let mut addresses = addresses.as_slice().to_vec();
        addresses.sort_unstable();
        let key = (to.clone(), connect_time);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = kept.get(&key)
            && bound.addresses == addresses
        {
            return Ok(bound.client.clone());
        }
        let client = Client::new(tls, to, &addresses, connect_time)?;
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, Bound { addresses, client: client.clone() });
        Ok(client)
    }
}

impl Client {
    fn new(
        tls: &Tls,
        to: &Destination,
        addresses: &[SocketAddr],
        connect_time: Duration,
    ) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(Redirects::none())
            .referer(false)
            .connect_timeout(connect_time)
            .pool_idle_timeout(IDLE)
            .tls_backend_preconfigured(match to.scheme {
                Scheme::Https => tls.config()?,
                Scheme::Http => no_tls()?,
            });
        if let Host::Domain(name) = &to.host {
            builder = builder.resolve_to_addrs(name, addresses);
        }
        let client = builder.build();
        client.map(Self).map_err(|e| Error::InternalError(Some(describe(&e))))
    }

    /// Sends a request of the gateway's.
    pub(super) fn execute(
        &self,
        request: reqwest::Request,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> + Send + use<> {
        self.0.execute(request)
    }

    /// Sends a request of a component's. Redirects are not followed: the component sees them.
    pub(super) fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Sending {
        // A request that says nothing of a body has none, except where a length of zero is expected.
        let has_body = !body.is_empty() || method == Method::POST || method == Method::PUT;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = has_body.then(|| body.into());
        let sending = self.execute(request);
        Box::pin(async move {
            let response = sending.await.map_err(|e| failed(&e))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = Box::pin(response.bytes_stream().map_err(|e| failed(&e)));
            Ok(Received { status, headers, body })
        })
    }
}

/// A client for plain HTTP trusts nobody, and needs no certificates of the system.
fn no_tls() -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| Error::InternalError(Some(e.to_string())))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// What went wrong, without the address: it may hold what is nobody's business.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let sources = iter::successors(error.source(), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What a component is told when there is no response, or not all of it.
fn failed(error: &reqwest::Error) -> Error {
    let text = describe(error);
    tracing::debug!(problem = text, "request failed");
    if error.is_timeout() {
        return if error.is_connect() {
            Error::ConnectionTimeout
        } else {
            Error::ConnectionReadTimeout
        };
    }
    if !error.is_connect() {
        return if error.is_body() || error.is_decode() {
            Error::HttpResponseIncomplete
        } else {
            Error::ConnectionTerminated
        };
    }
    match causes(error).find_map(|cause| cause.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => return Error::TlsCertificateError,
        Some(_) => return Error::TlsProtocolError,
        None => {}
    }
    let is_refused = causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if is_refused { Error::ConnectionRefused } else { Error::DestinationUnavailable }
}

/// An error and all that it comes from. What an error of input and output holds is not among its sources.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref().map(io::Error::get_ref) {
        Some(Some(held)) => Some(held),
        _ => error.source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;
    use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_rustls::TlsAcceptor;

    /// Nobody's but this test's: it names localhost, signs itself, and holds for a hundred years.
    const CERTIFICATE: &[u8] = include_bytes!("testdata/localhost.crt.der");
    const KEY: &[u8] = include_bytes!("testdata/localhost.key.der");

    const CONNECT_TIME: Duration = Duration::from_secs(30);

    /// A server behind TLS, which answers each request with its head.
    async fn serve() -> SocketAddr {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(KEY).unwrap();
        let certificates = vec![CERTIFICATE.into()];
        let config = builder.with_no_client_auth().with_single_cert(certificates, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                // One that is not trusted is hung up on.
                let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    assert_ne!(tls.read_buf(&mut head).await.unwrap(), 0, "a whole request");
                }
                let begin = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len());
                tls.write_all(begin.as_bytes()).await.unwrap();
                tls.write_all(&head).await.unwrap();
                tls.shutdown().await.unwrap();
            }
        });
        address
    }

    /// TLS that trusts the test's certificate, or nobody.
    fn tls(trusts: bool) -> Tls {
        let mut roots = RootCertStore::empty();
        if trusts {
            roots.add(CERTIFICATE.into()).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Tls(OnceLock::from(Ok(config)))
    }

    /// Asks the server at this address, by this name.
    async fn ask(tls: &Tls, name: &str, address: SocketAddr) -> Result<String, Error> {
        let url: Url = format!("https://{name}:{}/", address.port()).parse().unwrap();
        let to = Destination::of(&url).unwrap();
        let client = Client::new(tls, &to, &[address], CONNECT_TIME)?;
        let mut headers = HeaderMap::new();
        headers.insert("x-test", http::HeaderValue::from_static("here"));
        let received = client.send(Method::GET, url, headers, Bytes::new()).await?;
        assert_eq!(received.status, StatusCode::OK);
        let pieces: Vec<_> = received.body.map(Result::unwrap).collect().await;
        Ok(String::from_utf8(pieces.concat()).unwrap())
    }

    #[tokio::test]
    async fn a_server_that_is_trusted_is_asked() {
        let head = ask(&tls(true), "localhost", serve().await).await.unwrap();
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("x-test: here\r\n"), "{head}");
    }

    #[tokio::test]
    async fn a_certificate_has_to_be_trusted_and_to_name_the_host() {
        let address = serve().await;
        for (trusts, name) in
            [(false, "localhost"), (true, "elsewhere.example"), (true, "127.0.0.1")]
        {
            let error = ask(&tls(trusts), name, address).await.unwrap_err();
            assert!(matches!(error, Error::TlsCertificateError), "{name}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_server_without_tls_is_told_from_one_that_is_not_there() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        });
        let error = ask(&tls(true), "localhost", address).await.unwrap_err();
        assert!(matches!(error, Error::TlsProtocolError), "{error:?}");
        answers.await.unwrap();
        let error = ask(&tls(true), "localhost", address).await.unwrap_err();
        assert!(matches!(error, Error::ConnectionRefused), "{error:?}");
    }
}
