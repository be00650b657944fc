//! The way out of the model gateway: to the service that the operator wrote.

use super::client::{self, Clients, Tls};
use bytes::Bytes;
use cyrus_egress::{OperatorDestination, SystemResolver};
use cyrus_gateway::{BaseUrl, Upstream, UpstreamBody, UpstreamError};
use cyrus_plugin::Destination;
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
};
use http::{Request, Response};
use std::{sync::Arc, time::Duration};
use url::Url;

/// How long the name service, and then connecting, may take.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// Sends the gateway's requests. It follows no redirect, asks no proxy and decodes nothing.
#[derive(Clone)]
pub(crate) struct ModelUpstream {
    tls: Arc<Tls>,
    clients: Arc<Clients>,
}

impl ModelUpstream {
    pub(crate) fn new(tls: Arc<Tls>) -> Self {
        Self { tls, clients: Arc::default() }
    }

    async fn exchange(
        self,
        service: BaseUrl,
        request: Request<Bytes>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let to = OperatorDestination::of(service.as_url());
        let to = to.ok_or_else(|| unreachable(&"its address is not HTTP"))?;
        let is_there = Url::parse(&request.uri().to_string())
            .ok()
            .and_then(|url| Destination::of(&url))
            .is_some_and(|at| at == *to.as_destination());
        if !is_there {
            return Err(unreachable(&"the request is for another host"));
        }
        let addresses = to.resolve(&SystemResolver, CONNECT_TIME).await;
        let addresses = addresses.map_err(|error| unreachable(&error))?;
        let client = self.clients.get(&self.tls, to.as_destination(), &addresses, CONNECT_TIME);
        let client = client.map_err(|error| unreachable(&error))?;
        let outgoing = reqwest::Request::try_from(request).map_err(|e| failed(&e))?;
        let received = client.execute(outgoing).await.map_err(|e| failed(&e))?;
        let mut response = Response::new(());
        *response.status_mut() = received.status();
        *response.headers_mut() = received.headers().clone();
        let body = received.bytes_stream();
        Ok(response.map(|()| body.map(|piece| piece.map_err(|e| failed(&e))).boxed()))
    }
}

/// The way out of a gateway that is no runtime's: of a bench, or a test.
pub fn model_upstream() -> Arc<dyn Upstream> {
    Arc::new(ModelUpstream::new(Arc::default()))
}

impl Upstream for ModelUpstream {
    fn send(
        &self,
        service: &BaseUrl,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<UpstreamBody>, UpstreamError>> {
        self.clone().exchange(service.clone(), request).boxed()
    }
}

fn unreachable(problem: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError::Unreachable(problem.to_string())
}

fn failed(error: &reqwest::Error) -> UpstreamError {
    let text = client::describe(error);
    if error.is_connect() || error.is_builder() {
        UpstreamError::Unreachable(text)
    } else {
        UpstreamError::Interrupted(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(service: &str, uri: &str) -> UpstreamError {
        let service = BaseUrl::parse(service).unwrap();
        let request = Request::builder().uri(uri).body(Bytes::new()).unwrap();
        model_upstream().send(&service, request).await.err().expect("no service is there")
    }

    #[tokio::test]
    async fn a_request_goes_to_the_service_and_nowhere_else() {
        for uri in [
            "http://127.0.0.1:2/v1/messages",
            "https://127.0.0.1:1/v1/messages",
            "http://evil.example:1/v1/messages",
            "http://127.0.0.1:1@evil.example/v1/messages",
        ] {
            let error = ask("http://127.0.0.1:1", uri).await;
            assert_eq!(error, unreachable(&"the request is for another host"), "{uri}");
        }
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_is_unreachable() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let service = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = ask(&service, &format!("{service}/v1/messages")).await;
        assert!(matches!(error, UpstreamError::Unreachable(_)), "{error}");
    }
}
