//! Which addresses are in the Internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that a packet to this one goes to in the end: an IPv4 address within an IPv6 one is taken out.
pub(crate) fn effective(address: IpAddr) -> IpAddr {
    embedded(address.to_canonical())
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
pub(crate) fn is_public(address: IpAddr) -> bool {
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

/// Whether an address is this machine's loopback or in a private network, and none where a cloud keeps the metadata of
/// its machines.
pub(crate) fn is_private_network(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let is_carrier = matches!(v4.octets(), [100, 64..=127, _, _]);
            let is_metadata = v4 == Ipv4Addr::new(100, 100, 100, 200);
            v4.is_loopback() || v4.is_private() || (is_carrier && !is_metadata)
        }
        IpAddr::V6(v6) => {
            let is_metadata = v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
            v6.is_loopback() || (v6.is_unique_local() && !is_metadata)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(effective(text.parse().unwrap()))
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
