//! The way out, which the host's egress provides.

use crate::BaseUrl;
use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use http::{Request, Response};

/// The body of a response, as it arrives.
pub type UpstreamBody = BoxStream<'static, Result<Bytes, UpstreamError>>;

/// Why there is no response, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection was made: the service has seen nothing of the request.
    #[error("the model's service cannot be reached: {0}")]
    Unreachable(String),
    /// The connection ended: what the service did with the request is not known.
    #[error("the connection to the model's service ended: {0}")]
    Interrupted(String),
}

/// Sends requests to the model's service. It follows no redirect, asks no proxy, and decodes nothing.
pub trait Upstream: Send + Sync + 'static {
    /// Sends a request, whose address is absolute and at the service that the operator wrote. Dropping the future, or
    /// the body, ends the request.
    fn send(
        &self,
        service: &BaseUrl,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<UpstreamBody>, UpstreamError>>;
}
