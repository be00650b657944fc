//! The listener of one execution.

use crate::{
    Access, PriceTable, Upstream,
    exchange::{self, Exchange},
    token::Token,
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};

/// What one execution may use of the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// The head of a request, in bytes.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// How long the head of a request may take.
    pub head_time: Duration,
    /// The body of a request, in bytes.
    pub body_bytes: usize,
    /// The bodies of all requests at once, in bytes.
    pub bodies_bytes: usize,
    /// How long the body of a request may take.
    pub body_time: Duration,
    /// How long the service may send nothing.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            head_bytes: 64 * 1024,
            headers: 100,
            head_time: Duration::from_secs(10),
            // The most that Anthropic takes.
            body_bytes: 32 << 20,
            bodies_bytes: 64 << 20,
            body_time: Duration::from_mins(1),
            silence: Duration::from_mins(10),
        }
    }
}

/// The gateway. One for the process; cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) prices: Arc<PriceTable>,
    pub(crate) limits: Limits,
}

impl Gateway {
    /// A gateway that sends by this upstream, and charges these prices.
    pub fn new(upstream: Arc<dyn Upstream>, prices: Arc<PriceTable>, limits: Limits) -> Self {
        Self { upstream, prices, limits }
    }

    /// Makes the token of a lease. It opens nothing before the lease is served.
    pub fn ticket() -> io::Result<Ticket> {
        Token::random().map(Ticket)
    }

    /// Serves a listener for one execution, until the lease is dropped. The listener may be one of a network namespace
    /// of the execution's own.
    pub fn serve(
        &self,
        ticket: Ticket,
        listener: TcpListener,
        access: Access,
    ) -> io::Result<Lease> {
        let address = listener.local_addr()?;
        let Ticket(token) = ticket;
        let ends = CancellationToken::new();
        let limits = self.limits;
        let exchange = Arc::new(Exchange {
            gateway: self.clone(),
            access,
            token: token.clone(),
            ends: ends.clone(),
            is_away: AtomicBool::new(false),
            bodies: Arc::new(Semaphore::new(limits.bodies_bytes / exchange::PERMIT_BYTES)),
        });
        let task = AbortOnDropHandle::new(tokio::spawn(accept(listener, exchange)));
        Ok(Lease { address, token, ends: ends.drop_guard(), task })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The token of a lease that is not served yet: a program's environment names it before there is a listener.
#[derive(Debug)]
pub struct Ticket(Token);

impl Ticket {
    /// What the agent has to show.
    pub fn token(&self) -> &str {
        self.0.as_str()
    }
}

/// A listener that is served. Dropping it closes the listener, cuts every response off, and makes the token worthless.
#[derive(Debug)]
pub struct Lease {
    address: SocketAddr,
    token: Token,
    ends: DropGuard,
    task: AbortOnDropHandle<()>,
}

impl Lease {
    /// Where the agent finds it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the agent has to show.
    pub fn token(&self) -> &str {
        self.token.as_str()
    }

    /// Ends the lease, and waits until every request of it is settled.
    pub async fn end(self) {
        drop(self.ends);
        let _ended_or_panicked = self.task.await;
    }
}

async fn accept(listener: TcpListener, exchange: Arc<Exchange>) {
    let places = Arc::new(Semaphore::new(exchange.gateway.limits.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = exchange.ends.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) if peer.ip().to_canonical().is_loopback() => {
                let exchange = Arc::clone(&exchange);
                connections.spawn(async move {
                    converse(stream, exchange).await;
                    drop(place);
                });
            }
            Ok((_, peer)) => {
                tracing::warn!(%peer, "the model gateway refused a connection from elsewhere");
            }
            // The peer went away between connect and accept, or descriptors ran out for a moment.
            Err(error) => {
                tracing::warn!(%error, "the model gateway could not accept a connection");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn converse(stream: TcpStream, exchange: Arc<Exchange>) {
    // Streams pass piece by piece, not when a packet is full.
    let _best_effort = stream.set_nodelay(true);
    let limits = exchange.gateway.limits;
    let service = service_fn(move |request| {
        let exchange = Arc::clone(&exchange);
        async move { Ok::<_, std::convert::Infallible>(exchange.answer(request).await) }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.headers);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the model gateway ended");
    }
}
