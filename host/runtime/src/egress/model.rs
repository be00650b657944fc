//! The way out of the model gateway: to the service that the operator configured.

use super::client::{self, Tls};
use bytes::Bytes;
use cyrus_gateway::{Upstream, UpstreamBody, UpstreamError};
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _, ready},
};
use http::{Request, Response};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_mins(1);

/// Sends the gateway's requests. It follows no redirect, asks no proxy and decodes nothing.
pub(crate) struct ModelUpstream {
    tls: Arc<Tls>,
    /// For plain HTTP, and for HTTPS: made when it is needed, since the latter reads the system's certificates.
    clients: [OnceLock<Result<reqwest::Client, UpstreamError>>; 2],
}

impl ModelUpstream {
    pub(crate) fn new(tls: Arc<Tls>) -> Self {
        Self { tls, clients: Default::default() }
    }

    fn client(&self, is_tls: bool) -> Result<reqwest::Client, UpstreamError> {
        let made = self.clients[usize::from(is_tls)].get_or_init(|| {
            let unusable =
                |problem: &dyn std::fmt::Display| UpstreamError::Unreachable(problem.to_string());
            let tls = if is_tls { self.tls.config() } else { client::no_tls() };
            reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .connect_timeout(CONNECT_TIME)
                .pool_idle_timeout(IDLE)
                .tls_backend_preconfigured(tls.map_err(|e| unusable(&e))?)
                .build()
                .map_err(|e| unusable(&client::describe(&e)))
        });
        made.clone()
    }
}

/// The way out of a gateway that is no runtime's: of a bench, or a test.
pub fn model_upstream() -> Arc<dyn Upstream> {
    Arc::new(ModelUpstream::new(Arc::default()))
}

impl Upstream for ModelUpstream {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<UpstreamBody>, UpstreamError>> {
        let is_tls = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let outgoing = reqwest::Request::try_from(request).map_err(|e| failed(&e));
        match self.client(is_tls).and_then(|client| Ok((client, outgoing?))) {
            Err(error) => ready(Err(error)).boxed(),
            Ok((client, outgoing)) => {
                let sending = client.execute(outgoing);
                async move {
                    let received = sending.await.map_err(|e| failed(&e))?;
                    let mut response = Response::new(());
                    *response.status_mut() = received.status();
                    *response.headers_mut() = received.headers().clone();
                    let body = received.bytes_stream();
                    Ok(response.map(|()| body.map(|piece| piece.map_err(|e| failed(&e))).boxed()))
                }
                .boxed()
            }
        }
    }
}

fn failed(error: &reqwest::Error) -> UpstreamError {
    let text = client::describe(error);
    if error.is_connect() || error.is_builder() {
        UpstreamError::Unreachable(text)
    } else {
        UpstreamError::Interrupted(text)
    }
}
