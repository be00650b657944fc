//! The head of a request to the proxy.

use cyrus_plugin::{Destination, Scheme};
use url::{Host, Url};

/// The most bytes that the head of a request may have.
pub(crate) const MOST_HEAD: usize = 8 * 1024;

/// The most header lines.
const MOST_HEADERS: usize = 64;

/// Headers of a forwarded request that belong to one connection or to the proxy.
const NOT_FORWARDED: [&str; 11] = [
    "host",
    "connection",
    "proxy-connection",
    "proxy-authorization",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "transfer-encoding",
    "content-length",
];

/// What a program asks of the proxy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A tunnel.
    Connect(Destination),
    /// One plain request without a body; the bytes are its head as the host gets it.
    Forward(Destination, Vec<u8>),
}

impl Request {
    pub(crate) fn destination(&self) -> &Destination {
        match self {
            Self::Connect(to) | Self::Forward(to, _) => to,
        }
    }
}

/// Why a head is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The status of the response.
    pub(crate) status: &'static str,
    /// For people.
    pub(crate) why: &'static str,
}

const fn bad(why: &'static str) -> Refused {
    Refused { status: "400 Bad Request", why }
}

const METHOD: Refused = Refused {
    status: "405 Method Not Allowed",
    why: "this proxy serves CONNECT, and GET and HEAD of http:// addresses that a rule names with http://",
};

/// Reads a whole head, with its empty line.
pub(crate) fn parse(head: &[u8]) -> Result<Request, Refused> {
    let mut space = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut space);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(bad("it has too many headers")),
        _ => return Err(bad("it is no HTTP/1 request")),
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(bad("it is no HTTP/1 request"));
    };
    match method {
        "CONNECT" => authority(target).map(Request::Connect).map_err(bad),
        "GET" | "HEAD" if target.starts_with("http://") => forward(method, target, request.headers),
        _ => Err(METHOD),
    }
}

/// Reads `host:port`, in which nothing else is taken for a host that a rule could mean.
fn authority(text: &str) -> Result<Destination, &'static str> {
    const FORM: &str = "CONNECT needs HOST:PORT";
    let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
    if port.is_empty() || port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err("the port is 1 to 65535");
    }
    let port: u16 = port.parse().ok().filter(|port| *port != 0).ok_or("the port is 1 to 65535")?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_address = |b: u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match inside {
        Some(inside) => inside.bytes().all(is_address),
        None => host.bytes().all(is_plain),
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if !is_host || name.len() > 253 || inside.is_none() && name.split('.').any(str::is_empty) {
        return Err("the host is no name and no address");
    }
    let parsed = Host::parse(host).map_err(|_| "the host is no name and no address")?;
    if matches!(parsed, Host::Ipv4(v4) if v4.to_string() != name) {
        return Err("an address is written as four decimal numbers");
    }
    let url = Url::parse(&format!("https://{host}:{port}/")).map_err(|_| FORM)?;
    Destination::of(&url).ok_or(FORM)
}

fn forward(
    method: &str,
    target: &str,
    headers: &[httparse::Header<'_>],
) -> Result<Request, Refused> {
    let url = Url::parse(target).map_err(|_| bad("the address cannot be read"))?;
    let to = Destination::of(&url).filter(|to| to.scheme == Scheme::Http);
    let to = to.ok_or(bad("the address is not http://, or has user information"))?;
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = match url.port() {
        Some(port) => format!("{}:{port}", to.host),
        None => to.host.to_string(),
    };
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n").into_bytes();
    for header in headers {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let has_body = is("transfer-encoding") || is("content-length") && header.value != b"0";
        if has_body {
            return Err(bad("a forwarded request has no body"));
        }
        if !NOT_FORWARDED.into_iter().any(is) {
            for part in [header.name.as_bytes(), b": ", header.value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
    }
    head.extend_from_slice(b"\r\n");
    Ok(Request::Forward(to, head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn connect(target: &str) -> Result<String, &'static str> {
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n");
        parse(head.as_bytes()).map(|request| request.destination().to_string()).map_err(|e| e.why)
    }

    #[test]
    fn a_tunnel_is_asked_for_by_host_and_port() {
        for (target, destination) in [
            ("a.example:443", "https://a.example"),
            ("A.Example.:443", "https://a.example"),
            ("a.example:8443", "https://a.example:8443"),
            ("a_b.example:443", "https://a_b.example"),
            ("127.0.0.1:443", "https://127.0.0.1"),
            ("[::1]:443", "https://[::1]"),
            ("[::ffff:127.0.0.1]:443", "https://127.0.0.1"),
        ] {
            assert_eq!(connect(target), Ok(destination.to_owned()), "{target}");
        }
    }

    #[test]
    fn what_is_no_plain_host_and_port_is_refused() {
        for target in [
            "a.example",
            "a.example:",
            "a.example:0",
            "a.example:00000443",
            "a.example:65536",
            "a.example:+443",
            "a.example:443:443",
            "u@a.example:443",
            "u:p@a.example:443",
            "a.example@evil.example:443",
            "https://a.example:443",
            "a.example/:443",
            "a.example:443/",
            "a%2eexample:443",
            "a..example:443",
            ".a.example:443",
            "a.example..:443",
            ":443",
            ".:443",
            "*:443",
            "*.example:443",
            "2130706433:443",
            "0x7f000001:443",
            "0177.0.0.1:443",
            "127.1:443",
            "[::1%25eth0]:443",
            "[::1%eth0]:443",
            "::1:443",
            "[::1:443",
            "b\u{fc}cher.example:443",
            "a\\b:443",
            "a.example\t:443",
            "a.example#:443",
            "a.example?:443",
        ] {
            assert!(connect(target).is_err(), "{target}");
        }
        assert!(connect(&format!("{}:443", "a.".repeat(200))).is_err());
    }

    #[test]
    fn other_methods_and_forms_are_refused_with_a_reason() {
        for line in [
            "POST http://a.example/ HTTP/1.1",
            "GET / HTTP/1.1",
            "GET https://a.example/ HTTP/1.1",
            "GET ftp://a.example/ HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "connect a.example:443 HTTP/1.1",
        ] {
            assert_eq!(parse(format!("{line}\r\n\r\n").as_bytes()), Err(METHOD), "{line}");
        }
        for head in ["CONNECT a.example:443 HTTP/2.0\r\n\r\n", "\x16\x03\x01", "GET\r\n\r\n", ""] {
            assert_eq!(parse(head.as_bytes()).unwrap_err().status, "400 Bad Request", "{head:?}");
        }
        let many = "x: y\r\n".repeat(MOST_HEADERS + 1);
        let head = format!("CONNECT a.example:443 HTTP/1.1\r\n{many}\r\n");
        assert_eq!(parse(head.as_bytes()), Err(bad("it has too many headers")));
    }

    #[test]
    fn a_forwarded_request_says_only_what_is_the_hosts_business() {
        let head = "GET http://A.example:8080/p?q=1#f HTTP/1.1\r\nHost: evil.example\r\nAccept: */*\r\n\
                    Proxy-Authorization: Basic x\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
        let request = parse(head.as_bytes()).unwrap();
        assert_eq!(request.destination().to_string(), "http://a.example:8080");
        let Request::Forward(_, head) = request else { panic!("{request:?}") };
        let expected = "GET /p?q=1 HTTP/1.1\r\nhost: a.example:8080\r\nconnection: close\r\nAccept: */*\r\n\r\n";
        assert_eq!(String::from_utf8(head).unwrap(), expected);
        for line in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            let head = format!("GET http://a.example/ HTTP/1.1\r\n{line}\r\n\r\n");
            assert!(parse(head.as_bytes()).is_err(), "{line}");
        }
        assert!(parse(b"GET http://u:p@a.example/ HTTP/1.1\r\n\r\n").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        /// Whatever a program writes, the destination is one that its text plainly says.
        #[test]
        fn a_destination_is_what_is_written(target in "[a-zA-Z0-9.:@\\[\\]%/_-]{1,30}") {
            if let Ok(shown) = connect(&target) {
                let host = target.rsplit_once(':').unwrap().0.trim_end_matches('.');
                let plain = host.to_ascii_lowercase();
                prop_assert!(shown.contains(&plain) || host.starts_with('['), "{} is {}", target, shown);
            }
        }
    }
}
