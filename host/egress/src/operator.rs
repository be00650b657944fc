//! Destinations that the operator wrote.

use crate::{
    address::{effective, is_private_network, is_public},
    resolve::{CheckedAddresses, Resolver, Unresolved, resolve},
};
use cyrus_plugin::Destination;
use std::{net::IpAddr, time::Duration};
use url::{Host, Url};

/// A destination that the operator wrote into the configuration or the environment of the host: the service of a model.
/// Nothing that a plugin, an agent, a repository or an issue says becomes one.
///
/// A model of one's own, on this machine or in a company's network, is legitimate, so more is permitted than to
/// [`Rules`](crate::Rules): an address that is written as such, whatever it is, and a name of a public, private or
/// loopback address. A name that leads anywhere else (link-local addresses, where clouds keep their metadata,
/// multicast, reserved addresses) is refused: the operator did not write that, a name service did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorDestination(Destination);

/// An address that a name of the operator's must not lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is neither in the Internet nor in a private network; write the address itself if it is meant"
)]
pub struct ForbiddenAddress(IpAddr);

impl OperatorDestination {
    /// The destination of an address that the operator wrote. `None`: it is not HTTP, or has user information.
    pub fn of(url: &Url) -> Option<Self> {
        Destination::of(url).map(Self)
    }

    /// The destination.
    pub fn as_destination(&self) -> &Destination {
        &self.0
    }

    /// Resolves the destination and checks its addresses.
    pub async fn resolve(
        &self,
        resolver: &dyn Resolver,
        time: Duration,
    ) -> Result<CheckedAddresses, Unresolved<ForbiddenAddress>> {
        resolve(resolver, &self.0, time, |at| self.permit(at)).await
    }

    fn permit(&self, at: &Destination) -> Result<(), ForbiddenAddress> {
        let address = match &at.host {
            Host::Ipv4(v4) => effective(IpAddr::V4(*v4)),
            Host::Ipv6(v6) => effective(IpAddr::V6(*v6)),
            Host::Domain(_) => return Ok(()),
        };
        let is_written = !matches!(self.0.host, Host::Domain(_));
        if is_written || is_public(address) || is_private_network(address) {
            Ok(())
        } else {
            Err(ForbiddenAddress(address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::{BoxFuture, FutureExt as _, ready};
    use std::{io, net::SocketAddr};

    /// Resolves every name to these addresses.
    struct Names(Vec<IpAddr>);

    impl Resolver for Names {
        fn resolve<'a>(
            &'a self,
            _name: &'a str,
            port: u16,
        ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            let all = self.0.iter().map(|address| (*address, port).into()).collect();
            ready(Ok(all)).boxed()
        }
    }

    async fn reach(url: &str, addresses: &[&str]) -> Result<usize, String> {
        let to = OperatorDestination::of(&url.parse().unwrap()).unwrap();
        let names = Names(addresses.iter().map(|address| address.parse().unwrap()).collect());
        let found = to.resolve(&names, Duration::from_secs(5)).await;
        found.map(|found| found.as_slice().len()).map_err(|error| format!("{error:?}"))
    }

    #[tokio::test]
    async fn a_name_leads_to_the_internet_a_private_network_or_this_machine() {
        for address in [
            "1.1.1.1",
            "10.1.2.3",
            "172.16.0.9",
            "192.168.1.1",
            "100.64.0.7",
            "127.0.0.1",
            "::1",
            "fd12:3456::1",
            "2606:4700::1111",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(reach("https://models.example", &[address]).await, Ok(1), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_leads_nowhere_else() {
        for address in [
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "198.18.0.1",
            "ff02::1",
            "64:ff9b::a9fe:a9fe",
            "::ffff:169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            let refused = reach("https://models.example", &[address]).await.unwrap_err();
            assert!(refused.contains("Refused"), "{address}: {refused}");
        }
        let some = reach("https://models.example", &["169.254.169.254", "10.0.0.1"]).await;
        assert_eq!(some, Ok(1), "the one that is permitted");
    }

    #[tokio::test]
    async fn an_address_that_is_written_is_meant() {
        for url in ["http://127.0.0.1:8080", "http://169.254.1.1", "http://[fe80::1]:9"] {
            assert_eq!(reach(url, &[]).await, Ok(1), "{url}");
        }
    }

    #[test]
    fn what_is_no_destination_of_a_request_is_none() {
        for url in ["file:///etc/passwd", "https://user@models.example", "ftp://models.example"] {
            assert_eq!(OperatorDestination::of(&url.parse().unwrap()), None, "{url}");
        }
    }
}
