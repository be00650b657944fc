//! From a destination to the addresses that may be connected to.

use crate::address::{effective, is_public};
use cyrus_plugin::Destination;
use futures::future::BoxFuture;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use url::Host;

/// Finds the addresses of a name.
pub trait Resolver: Send + Sync {
    /// The addresses of this name, each with this port.
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Asks the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(lookup_host((name, port)).await?.collect()) })
    }
}

/// Why there is no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved<Refusal> {
    /// All addresses are private, and the rules refuse them.
    #[error("every address is private, and none is allowed")]
    Refused(Refusal),
    /// The name has no address.
    #[error("the name has no address")]
    NotFound,
    /// The name service did not respond in time.
    #[error("the name service did not respond in time")]
    TimedOut,
    /// The name service failed.
    #[error("{0}")]
    Failed(io::Error),
}

/// Addresses of one destination, every one of them checked: public, or a private one that the rules spell out.
/// There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAddresses(Vec<SocketAddr>);

impl CheckedAddresses {
    /// The addresses.
    pub fn as_slice(&self) -> &[SocketAddr] {
        &self.0
    }

    /// Connects to the first of them that accepts, within `time` in all.
    pub(crate) async fn connect(&self, time: Duration) -> io::Result<TcpStream> {
        let any = async {
            let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for address in &self.0 {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        timeout(time, any).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// Resolves a destination and checks its addresses. `private` says of one that is not public whether it may be
/// connected to; it gets the destination by that address. If only some may be connected to, those are returned.
pub async fn resolve<Refusal>(
    resolver: &dyn Resolver,
    to: &Destination,
    time: Duration,
    private: impl Fn(&Destination) -> Result<(), Refusal>,
) -> Result<CheckedAddresses, Unresolved<Refusal>> {
    let found = match &to.host {
        Host::Ipv4(v4) => vec![(*v4, to.port).into()],
        Host::Ipv6(v6) => vec![(*v6, to.port).into()],
        Host::Domain(name) => timeout(time, resolver.resolve(name, to.port))
            .await
            .map_err(|_| Unresolved::TimedOut)?
            .map_err(Unresolved::Failed)?,
    };
    let mut refused = None;
    let mut allowed = Vec::with_capacity(found.len());
    for address in found {
        let ip = effective(address.ip());
        match if is_public(ip) { Ok(()) } else { private(&to.at(ip)) } {
            Ok(()) => allowed.push(address),
            Err(refusal) => refused = Some(refusal),
        }
    }
    match refused {
        _ if !allowed.is_empty() => Ok(CheckedAddresses(allowed)),
        Some(refusal) => Err(Unresolved::Refused(refusal)),
        None => Err(Unresolved::NotFound),
    }
}
