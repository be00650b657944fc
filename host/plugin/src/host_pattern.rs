use crate::{
    Destination, Scheme,
    destination::{canonical, write_origin},
};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};
use url::Host;

/// Which hosts are meant: one scheme, one host or all below a domain, one port.
///
/// Written `[SCHEME://]HOST[:PORT]`. The scheme is `https` unless written, the port is the scheme's. `HOST` is
/// a name (`api.example.com`), everything below a name (`*.example.com`, which is not `example.com` itself),
/// or an address (`10.0.0.1`, `[::1]`). The word `registries` by itself stands for the public package registries, for a
/// launched program; no request of a component is to it. No paths, no queries, no user information, no other wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    scheme: Scheme,
    host: PatternHost,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PatternHost {
    Exactly(Host),
    /// Everything below this name.
    Below(String),
    /// The public package registries.
    Registries,
}

/// The word for the public package registries.
const REGISTRIES: &str = "registries";

/// Why a text is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a host pattern: {problem}")]
pub struct ParseHostPatternError {
    /// What was written.
    pub pattern: String,
    /// What is wrong with it, and what to write.
    pub problem: String,
}

impl HostPattern {
    /// Whether this destination is meant.
    pub fn matches(&self, to: &Destination) -> bool {
        self.scheme == to.scheme
            && self.port == to.port
            && match (&self.host, &to.host) {
                (PatternHost::Exactly(host), to) => host == to,
                (PatternHost::Below(domain), Host::Domain(name)) => is_below(name, domain),
                (PatternHost::Below(_) | PatternHost::Registries, _) => false,
            }
    }

    /// Whether everything that `other` means is meant here too.
    pub fn covers(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.port == other.port
            && match (&self.host, &other.host) {
                (PatternHost::Exactly(a), PatternHost::Exactly(b)) => a == b,
                (PatternHost::Below(a), PatternHost::Exactly(Host::Domain(b))) => is_below(b, a),
                (PatternHost::Below(a), PatternHost::Below(b)) => a == b || is_below(b, a),
                (PatternHost::Registries, PatternHost::Registries) => true,
                _ => false,
            }
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the public package registries are meant.
    pub fn is_registries(&self) -> bool {
        self.host == PatternHost::Registries
    }

    /// The address, when the pattern is one. Only such a pattern opens private networks.
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            PatternHost::Exactly(Host::Ipv4(v4)) => Some(v4.into()),
            PatternHost::Exactly(Host::Ipv6(v6)) => Some(v6.into()),
            _ => None,
        }
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            PatternHost::Exactly(host) => write_origin(f, self.scheme, host, self.port),
            PatternHost::Below(domain) => {
                write_origin(f, self.scheme, &format_args!("*.{domain}"), self.port)
            }
            PatternHost::Registries => f.write_str(REGISTRIES),
        }
    }
}

impl FromStr for HostPattern {
    type Err = ParseHostPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text)
            .map_err(|problem| ParseHostPatternError { pattern: without_user(text), problem })
    }
}

fn parse(text: &str) -> Result<HostPattern, String> {
    if text == REGISTRIES {
        let (scheme, host) = (Scheme::Https, PatternHost::Registries);
        return Ok(HostPattern { scheme, host, port: scheme.default_port() });
    }
    let (scheme, rest) = match text.split_once("://") {
        None => (Scheme::Https, text),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        Some((other, _)) => return Err(format!("the scheme is http or https, not {other:?}")),
    };
    if let Some(c) = rest.chars().find(|c| matches!(c, '/' | '?' | '#' | '\\' | '@')) {
        return Err(format!(
            "write scheme, host and port only, without {c:?} and what goes with it"
        ));
    }
    let (host, port) = split_port(rest)?;
    let port = match port {
        None => scheme.default_port(),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or("the port is 1 to 65535")?
        }
        Some(_) => return Err("the port is 1 to 65535".to_owned()),
    };
    let host = match host.strip_prefix("*.") {
        None => PatternHost::Exactly(parse_host(host)?),
        Some(below) => match parse_host(below)? {
            Host::Domain(name) if name.contains('.') => PatternHost::Below(name),
            Host::Domain(_) => return Err("a whole top-level domain is too much".to_owned()),
            _ => return Err("there is nothing below an address".to_owned()),
        },
    };
    Ok(HostPattern { scheme, host, port })
}

fn split_port(rest: &str) -> Result<(&str, Option<&str>), String> {
    let end_of_address =
        if rest.starts_with('[') { rest.find(']').ok_or("the bracket is not closed")? } else { 0 };
    match rest[end_of_address..].split_once(':') {
        None => Ok((rest, None)),
        Some((_, port)) => Ok((&rest[..rest.len() - port.len() - 1], Some(port))),
    }
}

fn parse_host(text: &str) -> Result<Host, String> {
    if text.contains('*') {
        return Err("a wildcard is *. at the beginning, and nothing else".to_owned());
    }
    let plain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if plain.is_empty() || plain.split('.').any(str::is_empty) {
        return Err("a name has no empty part".to_owned());
    }
    let host = Host::parse(&plain).map_err(|e| format!("{plain:?} is not a host: {e}"))?;
    // An address has many spellings (octal, one large number, IPv6 in full); a rule should have one.
    let shown = host.to_string();
    if shown != plain && !matches!(host, Host::Ipv6(_)) {
        return Err(format!("write it as {shown}"));
    }
    Ok(canonical(host))
}

impl TryFrom<String> for HostPattern {
    type Error = ParseHostPatternError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

/// The text for a message: what stands before an `@` may be a password.
fn without_user(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}…@{host}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    fn to(url: &str) -> Destination {
        Destination::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn is_shown_in_one_form() {
        for (written, shown) in [
            ("api.example.com", "https://api.example.com"),
            ("API.Example.COM.", "https://api.example.com"),
            ("https://api.example.com:443", "https://api.example.com"),
            ("http://api.example.com", "http://api.example.com"),
            ("https://api.example.com:8443", "https://api.example.com:8443"),
            ("*.example.com", "https://*.example.com"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("[::1]:8080", "https://[::1]:8080"),
            ("registries", "registries"),
            ("https://registries", "https://registries"),
            ("[0:0:0:0:0:0:0:1]", "https://[::1]"),
            ("[::ffff:127.0.0.1]", "https://127.0.0.1"),
            ("localhost", "https://localhost"),
        ] {
            assert_eq!(pattern(written).to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_says_more_or_less_than_a_host() {
        for bad in [
            "",
            "*",
            "*com",
            "*.com",
            "a.*.com",
            "*.*.example.com",
            "https://",
            "ftp://example.com",
            "https://example.com/",
            "example.com/path",
            "example.com?q",
            "example.com#f",
            "u@example.com",
            "https://u:p@example.com",
            "example.com:0",
            "example.com:",
            "example.com:65536",
            "example.com:+80",
            "example.com:80:80",
            "a..b",
            ".example.com",
            "[::1",
            "::1",
            "2130706433",
            "0x7f.0.0.1",
            "127.1",
            "0177.0.0.1",
            "*.127.0.0.1",
            "bücher.example",
            "exa mple.com",
            "example.com\\@evil",
            "HTTPS://example.com",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        let problem = |bad: &str| bad.parse::<HostPattern>().unwrap_err().to_string();
        assert!(problem("0177.0.0.1").ends_with("write it as 127.0.0.1"));
        assert!(problem("bücher.example").ends_with("write it as xn--bcher-kva.example"));
        assert!(problem("*.com").ends_with("a whole top-level domain is too much"));
        assert!(problem("*.127.0.0.1").ends_with("there is nothing below an address"));
    }

    #[test]
    fn says_its_port_and_what_it_is() {
        for (written, port, is_registries, address) in [
            ("example.com", 443, false, None),
            ("http://*.example.com", 80, false, None),
            ("http://127.0.0.1:3000", 3000, false, Some("127.0.0.1")),
            ("[fd00::1]:8080", 8080, false, Some("fd00::1")),
            ("[fd00::1]", 443, false, Some("fd00::1")),
            ("registries", 443, true, None),
            ("https://registries", 443, false, None),
        ] {
            let pattern = pattern(written);
            assert_eq!(
                (pattern.port(), pattern.is_registries()),
                (port, is_registries),
                "{written}"
            );
            let expected = address.map(|text| text.parse().unwrap());
            assert_eq!(pattern.address(), expected, "{written}");
        }
    }

    #[test]
    fn matches_scheme_host_and_port_in_whatever_spelling() {
        for (rule, url, yes) in [
            ("api.example.com", "https://API.example.com./v1?x=1", true),
            ("api.example.com", "https://api.example.com:443/", true),
            ("api.example.com", "http://api.example.com/", false),
            ("api.example.com", "https://api.example.com:444/", false),
            ("api.example.com", "https://api.example.com.evil.net/", false),
            ("api.example.com", "https://xapi.example.com/", false),
            ("*.example.com", "https://a.b.example.com/", true),
            ("*.example.com", "https://example.com/", false),
            ("*.example.com", "https://.example.com/", false),
            ("*.example.com", "https://evilexample.com/", false),
            ("http://127.0.0.1:80", "http://2130706433/", true),
            ("http://127.0.0.1:80", "http://0177.0.0.1/", true),
            ("http://127.0.0.1:80", "http://[::ffff:127.0.0.1]/", true),
            ("http://127.0.0.1:80", "http://localhost/", false),
        ] {
            let matched = url.parse().ok().and_then(|url| Destination::of(&url));
            assert_eq!(matched.is_some_and(|to| pattern(rule).matches(&to)), yes, "{rule} {url}");
        }
    }

    #[test]
    fn user_information_and_other_schemes_are_no_destination() {
        for url in
            ["https://api.example.com@evil.net/", "https://u:p@example.com/", "ftp://a/", "data:x"]
        {
            assert_eq!(Destination::of(&url.parse().unwrap()), None, "{url}");
        }
    }

    #[test]
    fn covers_what_is_narrower_and_nothing_else() {
        for (wide, narrow, yes) in [
            ("*.example.com", "a.example.com", true),
            ("registries", "registries", true),
            ("registries", "https://registries", false),
            ("https://registries", "registries", false),
            ("*.example.com", "*.a.example.com", true),
            ("*.example.com", "*.example.com", true),
            ("*.a.example.com", "*.example.com", false),
            ("a.example.com", "*.example.com", false),
            ("*.example.com", "http://a.example.com", false),
            ("*.example.com", "10.0.0.1", false),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), yes, "{wide} {narrow}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(
            scheme in "(http://|https://|)",
            host in r"((\*\.)?[a-z][a-z0-9]{0,8}(\.[a-z]{2,6}){1,2}|[1-9][0-9]\.0\.0\.1|\[::[1-9a-f]\])",
            port in proptest::option::of(1u16..),
        ) {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let parsed = pattern(&format!("{scheme}{host}{port}"));
            prop_assert_eq!(&pattern(&parsed.to_string()), &parsed);
            prop_assert!(parsed.covers(&parsed));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Ok(parsed) = text.parse::<HostPattern>() {
                prop_assert_eq!(pattern(&parsed.to_string()), parsed);
            }
        }

        #[test]
        fn a_cover_matches_whatever_the_covered_matches(name in r"[a-z]{1,4}(\.[a-z]{1,4}){0,3}") {
            let (wide, narrow) = (pattern("*.example.com"), pattern(&format!("{name}.example.com")));
            let destination = to(&format!("https://{name}.example.com/"));
            prop_assert!(wide.covers(&narrow) && narrow.matches(&destination) && wide.matches(&destination));
        }
    }

    #[test]
    fn a_message_shows_no_password() {
        for text in
            ["https://user:s3cret@host", "s3cret@host:1", "https://a:s3cret/x@h", "*.s3cret@"]
        {
            let error = text.parse::<HostPattern>().unwrap_err().to_string();
            assert!(!error.contains("s3cret") && error.contains('@'), "{error}");
        }
    }
}
