//! The HTTP client.

use super::body::Pieces;
use bytes::Bytes;
use cyrus_plugin::{Destination, Scheme};
use futures::StreamExt as _;
use http::{HeaderMap, Method, StatusCode};
use reqwest::redirect::Policy as Redirects;
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{
    collections::HashMap,
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
        mut addresses: Vec<SocketAddr>,
        connect_time: Duration,
    ) -> Result<Client, Error> {
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

    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Received, Error> {
        let mut request = self.0.request(method.clone(), url).headers(headers);
        // A request that says nothing of a body has none, except where a length of zero is expected.
        if !body.is_empty() || method == Method::POST || method == Method::PUT {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|e| failed(&e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes_stream().map(|piece| piece.map_err(|e| failed(&e)));
        Ok(Received { status, headers, body: Box::pin(body) })
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
fn describe(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

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
    if text.contains("certificate") {
        Error::TlsCertificateError
    } else if text.to_ascii_lowercase().contains("tls") {
        Error::TlsProtocolError
    } else if text.contains("refused") {
        Error::ConnectionRefused
    } else {
        Error::DestinationUnavailable
    }
}
