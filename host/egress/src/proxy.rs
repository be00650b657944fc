use crate::{Access, Limits, Resolver, Rules, connection::Recorded};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
    time::{Duration, sleep},
};

/// How long accepting pauses when it fails: there may be no descriptors left for a while.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// What an observer is: it is given the record of each connection.
pub(crate) type Observer = Arc<dyn Fn(Access) + Send + Sync>;

/// A proxy with its rules. Cheap to clone; it serves any number of listeners.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) rules: Rules,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) limits: Limits,
}

/// A listener that is served. Dropped, it is closed, and so is every connection that came through it.
#[derive(Debug)]
#[must_use = "serving ends when this is dropped"]
pub struct Serving {
    address: io::Result<SocketAddr>,
    task: AbortHandle,
}

impl Proxy {
    /// A proxy that reaches what these rules permit.
    pub fn new(rules: Rules, resolver: Arc<dyn Resolver>, limits: Limits) -> Self {
        Self(Arc::new(Inner { rules, resolver, limits }))
    }

    /// Serves a listener: one on loopback, or one of a sandbox's own network that was handed over. `client` names
    /// in records whose it is. Has to be called within a Tokio runtime.
    pub fn serve(
        &self,
        listener: TcpListener,
        client: impl Into<String>,
        observer: impl Fn(Access) + Send + Sync + 'static,
    ) -> Serving {
        let address = listener.local_addr();
        let (client, observer): (Arc<str>, Observer) = (client.into().into(), Arc::new(observer));
        let task = tokio::spawn(accept(Arc::clone(&self.0), listener, client, observer));
        Serving { address, task: task.abort_handle() }
    }
}

impl Serving {
    pub(crate) fn new(address: io::Result<SocketAddr>, task: AbortHandle) -> Self {
        Self { address, task }
    }

    /// The address that programs are to be given.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.address {
            Ok(address) => Ok(*address),
            Err(error) => Err(error.kind().into()),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(inner: Arc<Inner>, listener: TcpListener, client: Arc<str>, observer: Observer) {
    // Dropped with this task, which ends them all.
    let mut connections = JoinSet::new();
    let slots = Arc::new(Semaphore::new(inner.limits.connections));
    // Connections over the limit wait in the listener's queue, which the system bounds.
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((program, _)) => {
                let (inner, client, observer) =
                    (Arc::clone(&inner), Arc::clone(&client), Arc::clone(&observer));
                connections.spawn(async move {
                    Recorded::new(&inner, &client, &observer).serve(program).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to the proxy was not accepted");
                sleep(PAUSE).await;
            }
        }
    }
}
