//! Which addresses may be connected to.

use cyrus_plugin::{Denied, Destination, Policy};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{net::lookup_host, time::timeout};
use url::Host;
use wasmtime_wasi_http::Error;

/// Why there is no address to connect to.
pub(super) enum Unresolved {
    /// There is none that is allowed.
    Denied(Denied),
    /// There is none.
    Failed(Error),
}

/// The addresses of a destination, every one of them checked. If only some may be connected to, those are used.
pub(super) async fn resolve(
    policy: &Policy,
    to: &Destination,
    time: Duration,
) -> Result<Vec<SocketAddr>, Unresolved> {
    let found: Vec<SocketAddr> = match &to.host {
        Host::Ipv4(v4) => vec![(*v4, to.port).into()],
        Host::Ipv6(v6) => vec![(*v6, to.port).into()],
        Host::Domain(name) => look_up(name, to.port, time).await.map_err(Unresolved::Failed)?,
    };
    let mut denied = None;
    let mut allowed = Vec::with_capacity(found.len());
    for address in found {
        match check(policy, to, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(error) => denied = Some(error),
        }
    }
    match denied {
        _ if !allowed.is_empty() => Ok(allowed),
        Some(denied) => Err(Unresolved::Denied(denied)),
        None => Err(Unresolved::Failed(Error::DestinationNotFound)),
    }
}

async fn look_up(name: &str, port: u16, time: Duration) -> Result<Vec<SocketAddr>, Error> {
    let found = timeout(time, lookup_host((name, port))).await.map_err(|_| Error::DnsTimeout)?;
    let failed =
        |error: std::io::Error| Error::DnsError { rcode: Some(error.to_string()), info_code: None };
    Ok(found.map_err(failed)?.collect())
}

fn check(policy: &Policy, to: &Destination, address: IpAddr) -> Result<(), Denied> {
    // An address within an address is what the packet will go to in the end.
    let address = embedded(address.to_canonical());
    if is_public(address) { Ok(()) } else { policy.private_address(to, &to.at(address)) }
}

/// The IPv4 address that an IPv6 address stands for: NAT64 and 6to4.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high @ 1..=u16::MAX, low] => {
            v4(high, low)
        }
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// Whether an address is somewhere in the Internet, and not here, in this network, or nowhere.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

#[expect(clippy::match_same_arms, reason = "each line has its own reason")]
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    match (a, b, c) {
        // This network, private, loopback; multicast, reserved, broadcast.
        (0 | 10 | 127 | 224.., _, _) => false,
        // Shared by carriers; some clouds keep metadata there.
        (100, 64..=127, _) => false,
        // Link-local; most clouds keep metadata there.
        (169, 254, _) => false,
        // Private.
        (172, 16..=31, _) | (192, 168, _) => false,
        // Protocol assignments, documentation, relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => {
            false
        }
        _ => true,
    }
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    match v6.segments() {
        // Protocol assignments (Teredo, benchmarks, ORCHID) and documentation.
        [0x2001, 0..0x200 | 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        // What is given out as global unicast.
        [0x2000..0x4000, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(embedded(text.parse::<IpAddr>().unwrap().to_canonical()))
    }

    #[test]
    fn the_internet_is_public() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.167.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "::127.0.0.1",
            "64:ff9b:1::1",
            "5f00::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }
}
