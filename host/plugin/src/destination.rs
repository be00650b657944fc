use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};
use url::Host;

/// How a host is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Where a request goes: one scheme, host and port, in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Lower-case, without a trailing dot; an address spelled any other way than usual is the address.
    pub host: Host,
    /// Given, or the scheme's own.
    pub port: u16,
}

impl Destination {
    /// Where a request to this address would go. `None`: not HTTP, or it has user information.
    pub fn of(url: &url::Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let host = canonical(url.host()?.to_owned());
        Some(Self { scheme, host, port: url.port_or_known_default()? })
    }

    /// The same destination, by the address that its name was resolved to.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Self {
        let host = match address.to_canonical() {
            IpAddr::V4(v4) => Host::Ipv4(v4),
            IpAddr::V6(v6) => Host::Ipv6(v6),
        };
        Self { scheme: self.scheme, host, port: self.port }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_origin(f, self.scheme, &self.host, self.port)
    }
}

/// One form for each host: no trailing dot, no IPv4 address dressed up as IPv6.
pub(crate) fn canonical(host: Host) -> Host {
    match host {
        Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned()),
        Host::Ipv6(v6) => mapped(v6),
        v4 @ Host::Ipv4(_) => v4,
    }
}

fn mapped(v6: Ipv6Addr) -> Host {
    v6.to_ipv4_mapped().map_or(Host::Ipv6(v6), Host::Ipv4)
}

pub(crate) fn write_origin(
    f: &mut fmt::Formatter<'_>,
    scheme: Scheme,
    host: &dyn fmt::Display,
    port: u16,
) -> fmt::Result {
    write!(f, "{}://{host}", scheme.as_str())?;
    if port == scheme.default_port() { Ok(()) } else { write!(f, ":{port}") }
}
