//! What a component's request may be: a known method, for a path at a host. Whatever would make of the connection
//! something else than requests and responses (a tunnel, another protocol, a proxy's request) is refused here.

use cyrus_plugin::{Capability, Denied, Destination};
use http::{HeaderMap, HeaderName, Method, header, request::Parts};
use url::Url;
use wasmtime_wasi_http::Error;

/// The methods that are sent. `CONNECT` opens a tunnel, `TRACE` shows what a request has been given on its way, and
/// what a method of another protocol does to the connection is not known.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Headers that ask for another protocol on the same connection.
const SWITCHES: [HeaderName; 3] = [
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("proxy-connection"),
];

/// Why a request is not sent.
#[derive(Debug)]
pub(super) enum Refused {
    /// It has no address that a request could go to.
    Malformed,
    /// It is more than a request.
    Denied(Denied),
}

impl Refused {
    fn denied(wanted: String, hint: String) -> Self {
        Self::Denied(Denied { capability: Capability::Http, wanted, hint })
    }
}

/// The address of a request and where it goes, if it is nothing but a request.
pub(super) fn target(parts: &Parts) -> Result<(Url, Destination), Refused> {
    // Anything else than a path after the authority (`*`, `host:port`, a whole address) is for a proxy or a server
    // itself.
    let has_path =
        parts.uri.path_and_query().is_none_or(|path| path.as_str().starts_with(['/', '?']));
    if !has_path {
        return Err(Refused::Malformed);
    }
    let url = Url::parse(&parts.uri.to_string()).map_err(|_| Refused::Malformed)?;
    let to = Destination::of(&url).ok_or(Refused::Malformed)?;
    if !METHODS.contains(&parts.method) {
        let methods: Vec<_> = METHODS.iter().map(Method::as_str).collect();
        return Err(Refused::denied(
            format!("method {} in a request to {to}", parts.method),
            format!("A component sends {}; no grant allows another method", methods.join(", ")),
        ));
    }
    if let Some(name) = switch(&parts.headers) {
        return Err(Refused::denied(
            format!("header {name} in a request to {to}"),
            "A component speaks HTTP and no other protocol: leave the header out".to_owned(),
        ));
    }
    Ok((url, to))
}

/// The header by which the connection would become something else.
fn switch(headers: &HeaderMap) -> Option<HeaderName> {
    if let Some(name) = SWITCHES.into_iter().find(|name| headers.contains_key(name)) {
        return Some(name);
    }
    let harmless = |token: &str| token.is_empty() || token.eq_ignore_ascii_case("keep-alive");
    let closes = |token: &str| token.eq_ignore_ascii_case("close");
    let values = headers.get_all(header::CONNECTION).iter();
    let odd = |value: &http::HeaderValue| {
        let text = value.to_str();
        text.map_or(true, |text| {
            text.split(',').map(str::trim).any(|token| !harmless(token) && !closes(token))
        })
    };
    values.into_iter().any(odd).then_some(header::CONNECTION)
}

/// Refuses a response that is the end of HTTP on its connection.
pub(super) fn check_status(status: http::StatusCode) -> Result<(), Error> {
    if status == http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::HttpUpgradeFailed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, StatusCode, Uri};

    fn ask(method: &str, uri: Uri, headers: &[(&str, &[u8])]) -> Result<String, Refused> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        target(&parts).map(|(url, to)| format!("{url} at {to}"))
    }

    fn at(path: &str) -> Uri {
        let uri = Uri::builder().scheme("https").authority("api.example");
        uri.path_and_query(path).build().unwrap()
    }

    #[test]
    fn a_request_for_a_path_goes_to_its_host() {
        for method in METHODS {
            let headers = [("connection", &b"Keep-Alive, close"[..]), ("accept", b"*/*")];
            let asked = ask(method.as_str(), at("/v1?x=//evil.example"), &headers).unwrap();
            assert_eq!(asked, "https://api.example/v1?x=//evil.example at https://api.example");
        }
        let asked = ask("GET", at("//evil.example/"), &[]).unwrap();
        assert!(asked.ends_with(" at https://api.example"), "{asked}");
    }

    #[test]
    fn a_tunnel_and_a_method_of_another_protocol_are_denied() {
        for method in ["CONNECT", "TRACE", "PROPFIND", "PRI", "get", "Post", "GETX", "TRACK"] {
            let refused = ask(method, at("/"), &[]).unwrap_err();
            let Refused::Denied(denied) = refused else { panic!("{method}: {refused:?}") };
            assert!(denied.wanted.starts_with(&format!("method {method} ")), "{denied}");
        }
    }

    #[test]
    fn a_header_that_asks_for_another_protocol_is_denied() {
        for (name, value) in [
            ("upgrade", &b"websocket"[..]),
            ("upgrade", b""),
            ("connection", b"upgrade"),
            ("connection", b"close, Upgrade"),
            ("connection", b"http2-settings"),
            ("connection", b"authorization"),
            ("connection", b"\xff"),
            ("http2-settings", b"AAMAAABkAAQCAAAAAAIAAAAA"),
            ("proxy-connection", b"keep-alive"),
        ] {
            let refused = ask("GET", at("/"), &[(name, value)]).unwrap_err();
            let Refused::Denied(denied) = refused else { panic!("{name}: {refused:?}") };
            assert!(denied.wanted.contains(name), "{denied}");
        }
    }

    #[test]
    fn what_is_no_path_at_a_host_is_no_request() {
        for uri in
            ["api.example:443", "/only/a/path", "ftp://api.example/", "https://u@api.example/"]
        {
            let refused = ask("GET", uri.parse().unwrap(), &[]).unwrap_err();
            assert!(matches!(refused, Refused::Malformed), "{uri}: {refused:?}");
        }
        let refused = ask("OPTIONS", at("*"), &[]).unwrap_err();
        assert!(matches!(refused, Refused::Malformed), "{refused:?}");
    }

    #[test]
    fn a_response_that_switches_protocols_is_an_error() {
        assert!(check_status(StatusCode::SWITCHING_PROTOCOLS).is_err());
        assert!(check_status(StatusCode::OK).is_ok());
    }
}
