//! Headers that pass, in each direction.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The most that headers of a response hold, in bytes and in number.
const RESPONSE_BYTES: usize = 32 * 1024;
const RESPONSE_HEADERS: usize = 128;

/// Headers of one connection, which the next one makes for itself.
const OF_A_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of a request that stay here: credentials, what chooses who pays, and what is said of where it comes from.
const OF_THE_AGENT: [&str; 12] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "cookie",
    "forwarded",
    "openai-organization",
    "openai-project",
    "proxy-authorization",
    "via",
    "x-api-key",
    "x-real-ip",
    "x-goog-api-key",
];

/// The headers of a request as they leave: the agent's own, without its credentials.
pub(crate) fn of_request(from: &HeaderMap) -> HeaderMap {
    let mut to = without_connection(from);
    for name in OF_THE_AGENT {
        to.remove(name);
    }
    let forwarded: Vec<HeaderName> =
        to.keys().filter(|name| name.as_str().starts_with("x-forwarded-")).cloned().collect();
    for name in forwarded {
        to.remove(name);
    }
    // What is compressed cannot be counted.
    to.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    to
}

/// The headers of a response as they reach the agent. `None`: there are too many.
pub(crate) fn of_response(from: &HeaderMap, secret: &str) -> Option<HeaderMap> {
    let bytes: usize = from.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > RESPONSE_BYTES || from.len() > RESPONSE_HEADERS {
        return None;
    }
    let mut to = without_connection(from);
    // The gateway's credential is not the agent's, and neither is a session that it opens.
    to.remove(header::SET_COOKIE);
    let telling: Vec<HeaderName> = to
        .iter()
        .filter(|(_, value)| holds(value.as_bytes(), secret.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in telling {
        to.remove(name);
    }
    Some(to)
}

/// Whether these bytes hold the secret.
pub(crate) fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    !secret.is_empty() && memchr::memmem::find(bytes, secret).is_some()
}

/// Without the headers of the connection, and those that it names as its own.
fn without_connection(from: &HeaderMap) -> HeaderMap {
    let mut to = from.clone();
    let named = from.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> = named
        .flat_map(|list| list.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in OF_A_CONNECTION.iter().copied().chain(named.iter().map(String::as_str)) {
        if let Ok(name) = HeaderName::try_from(name) {
            to.remove(name);
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        list.iter().map(pair).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn no_credential_of_the_agent_and_nothing_of_its_connection_leaves() {
        let from = headers(&[
            ("authorization", "Bearer own"),
            ("Authorization", "Bearer second"),
            ("x-api-key", "own"),
            ("api-key", "own"),
            ("cookie", "a=b"),
            ("proxy-authorization", "own"),
            ("openai-organization", "other"),
            ("openai-project", "other"),
            ("host", "evil.example"),
            ("content-length", "4"),
            ("transfer-encoding", "chunked"),
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("upgrade", "websocket"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("x-forwarded-for", "1.2.3.4"),
            ("accept-encoding", "gzip, br"),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
            ("user-agent", "claude"),
        ]);
        let to = of_request(&from);
        let expected = ["accept-encoding", "anthropic-beta", "anthropic-version", "user-agent"];
        assert_eq!(names(&to), expected);
        assert_eq!(to["accept-encoding"], "identity");
        assert_eq!(to.get_all("anthropic-beta").iter().count(), 2);
    }

    #[test]
    fn no_credential_of_the_host_comes_back() {
        let from = headers(&[
            ("content-type", "text/event-stream"),
            ("request-id", "req_1"),
            ("set-cookie", "a=b"),
            ("x-echo", "your key is hunter2!"),
            ("transfer-encoding", "chunked"),
        ]);
        let to = of_response(&from, "hunter2").unwrap();
        assert_eq!(names(&to), ["content-type", "request-id"]);
    }

    #[test]
    fn a_response_without_end_of_headers_is_refused() {
        let many: HeaderMap = (0..=RESPONSE_HEADERS)
            .map(|i| {
                (HeaderName::try_from(format!("x-{i}")).unwrap(), HeaderValue::from_static(""))
            })
            .collect();
        assert_eq!(of_response(&many, ""), None);
        let large = headers(&[("x", &"y".repeat(RESPONSE_BYTES))]);
        assert_eq!(of_response(&large, ""), None);
    }
}
