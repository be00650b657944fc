//! Which requests there are.

use crate::Format;
use http::{Method, Uri};

/// The longest query that is passed on, in bytes.
const QUERY_BYTES: usize = 256;

/// What a request asks for. Whatever is not here is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Whether the endpoint is there: answered here.
    Alive,
    /// The list of models, or one of them: free, passed on.
    Models,
    /// How many tokens a prompt has: free, passed on.
    CountTokens,
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's Chat Completions.
    Chat,
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// The address is not one of this server's: absolute, or of a proxy.
    NotOrigin,
    /// Nothing is there.
    NotFound,
    /// Something is there, for another method.
    Method,
    /// The query has what is not passed on.
    Query,
}

impl Route {
    /// The route of a request. Paths are compared byte by byte: an escape, a dot segment or a doubled slash names
    /// nothing.
    pub(crate) fn of(format: Format, method: &Method, uri: &Uri) -> Result<Self, NoRoute> {
        if uri.scheme().is_some() || uri.authority().is_some() || method == Method::CONNECT {
            return Err(NoRoute::NotOrigin);
        }
        let (route, methods): (Self, &[Method]) = match (format, uri.path()) {
            (_, "/") => (Self::Alive, &[Method::HEAD, Method::GET]),
            (_, "/v1/models") => (Self::Models, &[Method::GET]),
            (_, path) if is_model(path) => (Self::Models, &[Method::GET]),
            (Format::Anthropic, "/v1/messages") => (Self::Messages, &[Method::POST]),
            (Format::Anthropic, "/v1/messages/count_tokens") => {
                (Self::CountTokens, &[Method::POST])
            }
            (Format::OpenAi, "/v1/responses") => (Self::Responses, &[Method::POST]),
            (Format::OpenAi, "/v1/chat/completions") => (Self::Chat, &[Method::POST]),
            _ => return Err(NoRoute::NotFound),
        };
        if !methods.contains(method) {
            return Err(NoRoute::Method);
        }
        match uri.query() {
            Some(query) if !route.passes(query) => Err(NoRoute::Query),
            _ => Ok(route),
        }
    }

    /// Whether this query may be passed on: known names, and values of plain characters.
    fn passes(self, query: &str) -> bool {
        let names: &[&str] = match self {
            Self::Messages | Self::CountTokens => &["beta"],
            Self::Models => &["after_id", "before_id", "beta", "client_version", "limit"],
            Self::Alive | Self::Responses | Self::Chat => &[],
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        query.len() <= QUERY_BYTES
            && query.split('&').all(|pair| {
                pair.split_once('=')
                    .is_some_and(|(name, value)| names.contains(&name) && value.bytes().all(plain))
            })
    }

    /// Whether the request costs money.
    pub(crate) fn is_charged(self) -> bool {
        matches!(self, Self::Messages | Self::Responses | Self::Chat)
    }

    /// Whether the request has a body that names a model.
    pub(crate) fn has_body(self) -> bool {
        self.is_charged() || self == Self::CountTokens
    }
}

/// `/v1/models/` and one plain name.
fn is_model(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:@".contains(&b);
    path.strip_prefix("/v1/models/").is_some_and(|name| {
        !name.is_empty()
            && name.len() <= 128
            && name.bytes().all(plain)
            && !name.bytes().all(|b| b == b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(format: Format, method: &str, uri: &str) -> Result<Route, NoRoute> {
        Route::of(format, &method.parse().unwrap(), &uri.parse().unwrap())
    }

    #[test]
    fn what_an_agent_needs_is_there() {
        use Format::{Anthropic, OpenAi};
        for (format, method, uri, expected) in [
            (Anthropic, "HEAD", "/", Route::Alive),
            (Anthropic, "POST", "/v1/messages", Route::Messages),
            (Anthropic, "POST", "/v1/messages?beta=true", Route::Messages),
            (Anthropic, "POST", "/v1/messages/count_tokens?beta=true", Route::CountTokens),
            (Anthropic, "GET", "/v1/models?limit=1000", Route::Models),
            (Anthropic, "GET", "/v1/models/claude-opus-5", Route::Models),
            (OpenAi, "POST", "/v1/responses", Route::Responses),
            (OpenAi, "POST", "/v1/chat/completions", Route::Chat),
            (OpenAi, "GET", "/v1/models?client_version=0.171.0", Route::Models),
        ] {
            assert_eq!(route(format, method, uri), Ok(expected), "{method} {uri}");
        }
    }

    #[test]
    fn nothing_else_is() {
        use Format::{Anthropic, OpenAi};
        for (format, method, uri, expected) in [
            (Anthropic, "POST", "/v1/files", NoRoute::NotFound),
            (Anthropic, "POST", "/v1/messages/batches", NoRoute::NotFound),
            (Anthropic, "POST", "/v1/messages/../files", NoRoute::NotFound),
            (Anthropic, "POST", "/v1/messages/..%2ffiles", NoRoute::NotFound),
            (Anthropic, "POST", "/v1%2fmessages", NoRoute::NotFound),
            (Anthropic, "POST", "//v1/messages", NoRoute::NotFound),
            (Anthropic, "POST", "/v1/messages/", NoRoute::NotFound),
            (Anthropic, "POST", "/V1/messages", NoRoute::NotFound),
            (Anthropic, "POST", "/v1/messages;x", NoRoute::NotFound),
            (Anthropic, "GET", "/v1/models/..", NoRoute::NotFound),
            (Anthropic, "GET", "/v1/models/a/b", NoRoute::NotFound),
            (Anthropic, "GET", "/v1/models/%2e%2e", NoRoute::NotFound),
            (Anthropic, "GET", "/v1/organizations/api_keys", NoRoute::NotFound),
            (Anthropic, "POST", "/v1/responses", NoRoute::NotFound),
            (OpenAi, "POST", "/v1/messages", NoRoute::NotFound),
            (OpenAi, "POST", "/v1/responses/resp_1/cancel", NoRoute::NotFound),
            (OpenAi, "GET", "/v1/files", NoRoute::NotFound),
            (Anthropic, "GET", "/v1/messages", NoRoute::Method),
            (Anthropic, "DELETE", "/v1/models/x", NoRoute::Method),
            (Anthropic, "OPTIONS", "/v1/messages", NoRoute::Method),
            (Anthropic, "POST", "/v1/messages?beta=true&x=1", NoRoute::Query),
            (Anthropic, "POST", "/v1/messages?beta=a%2fb", NoRoute::Query),
            (Anthropic, "POST", "/v1/messages?beta", NoRoute::Query),
            (OpenAi, "POST", "/v1/responses?api-version=1", NoRoute::Query),
            (Anthropic, "POST", "http://evil.example/v1/messages", NoRoute::NotOrigin),
            (Anthropic, "CONNECT", "evil.example:443", NoRoute::NotOrigin),
        ] {
            assert_eq!(route(format, method, uri), Err(expected), "{method} {uri}");
        }
        let long = format!("/v1/models?limit={}", "1".repeat(QUERY_BYTES));
        assert_eq!(route(Anthropic, "GET", &long), Err(NoRoute::Query));
    }
}
