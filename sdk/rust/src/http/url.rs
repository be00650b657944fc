use std::fmt::Write;

/// The parts of an absolute URL that a request is made of: scheme, authority, path with query. The fragment is
/// for nobody but the client.
#[cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "natively only the tests split one")
)]
pub(crate) fn split(url: &str) -> Option<(&str, &str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if scheme.is_empty() || authority.is_empty() {
        return None;
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some((scheme, authority, format!("{slash}{path}")))
}

/// `base` and `path` with one slash between them.
pub(super) fn join(base: &str, path: &str) -> String {
    if path.is_empty() {
        return base.to_owned();
    }
    format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
}

/// Adds a query parameter.
pub(super) fn push_query(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    encode(url, name);
    url.push('=');
    encode(url, value);
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn encode(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_what_a_request_is_made_of() {
        let parts = |url| split(url).map(|(s, a, p)| (s.to_owned(), a.to_owned(), p));
        let of = |s: &str, a: &str, p: &str| Some((s.to_owned(), a.to_owned(), p.to_owned()));
        assert_eq!(parts("https://a.example/b/c?d=e#f"), of("https", "a.example", "/b/c?d=e"));
        assert_eq!(parts("http://127.0.0.1:8080"), of("http", "127.0.0.1:8080", "/"));
        assert_eq!(parts("http://[::1]:1?x=/"), of("http", "[::1]:1", "/?x=/"));
        for url in ["", "a.example/b", "https://", "://a", "https:///x"] {
            assert_eq!(split(url), None, "{url}");
        }
    }

    #[test]
    fn a_parameter_cannot_become_another() {
        let mut url = join("https://a.example/", "/runs");
        push_query(&mut url, "skip", "100");
        push_query(&mut url, "q", "a&b=c d/é");
        assert_eq!(url, "https://a.example/runs?skip=100&q=a%26b%3Dc%20d%2F%C3%A9");
    }
}
