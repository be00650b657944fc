//! What an execution is given: which service, with which key, for which models.

use crate::{Account, Format};
use futures::future::{BoxFuture, FutureExt as _, ready};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use std::{fmt, sync::Arc};
use url::Url;
use zeroize::Zeroizing;

/// What a lease opens.
#[derive(Clone)]
pub struct Access {
    /// The wire format.
    pub format: Format,
    /// Where the service is.
    pub base: BaseUrl,
    /// The key for it.
    pub credential: Arc<dyn CredentialSource>,
    /// The models that may be used; `None` is every model.
    pub models: Option<Vec<ModelPattern>>,
    /// The execution's money.
    pub account: Arc<Account>,
}

/// Why there is no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialError(pub String);

/// Knows the operator's credential at the time of a request.
pub trait CredentialSource: Send + Sync + 'static {
    /// The credential.
    fn current(&self) -> BoxFuture<'_, Result<Credential, CredentialError>>;
}

/// What the service is shown.
#[derive(Clone)]
pub enum Credential {
    /// A key of the service: `x-api-key` for Anthropic, a bearer token for OpenAI.
    Key(Zeroizing<String>),
    /// A bearer token.
    Bearer(Zeroizing<String>),
    /// The access token of a subscription's login.
    Login(Zeroizing<String>),
}

/// A credential that does not change is its own source.
impl CredentialSource for Credential {
    fn current(&self) -> BoxFuture<'_, Result<Credential, CredentialError>> {
        ready(Ok(self.clone())).boxed()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::Login(_) => "Login(…)",
        })
    }
}

impl Credential {
    /// The secret itself.
    pub(crate) fn secret(&self) -> &str {
        match self {
            Self::Key(secret) | Self::Bearer(secret) | Self::Login(secret) => secret,
        }
    }

    /// Puts the credential into a request's headers.
    pub(crate) fn inject(
        &self,
        format: Format,
        headers: &mut HeaderMap,
    ) -> Result<(), CredentialError> {
        const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
        let (name, text) = match (self, format) {
            (Self::Key(key), Format::Anthropic) => {
                (HeaderName::from_static("x-api-key"), key.clone())
            }
            _ => (header::AUTHORIZATION, Zeroizing::new(format!("Bearer {}", self.secret()))),
        };
        let value = HeaderValue::from_str(&text);
        let mut value = value.map_err(|_| {
            CredentialError("the key has characters that no header can hold".to_owned())
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        if let (Self::Login(_), Format::Anthropic) = (self, format) {
            // Without it the service takes no login in place of a key.
            headers.append(BETA, HeaderValue::from_static("oauth-2025-04-20"));
        }
        Ok(())
    }
}

/// Why an address is not a service's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// It is no address.
    #[error("{0:?} is not an address: {1}")]
    Malformed(String, String),
    /// It is none that a model's service could have.
    #[error(
        "{0:?} is not the address of a model's service: it needs http or https and a host, and no credentials, query or fragment"
    )]
    Unusable(String),
}

/// The address of a model's service, as the operator wrote it. A request adds its path and nothing else. Nothing that a
/// plugin or an agent says becomes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text);
        let url = url.map_err(|e| BaseUrlError::Malformed(text.to_owned(), e.to_string()))?;
        let usable = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if usable { Ok(Self(url)) } else { Err(BaseUrlError::Unusable(text.to_owned())) }
    }

    /// The address.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The address of a request: the base with this path behind it. An OpenAI base ends in `/v1`, an Anthropic base does
    /// not; a request's path begins with it.
    pub(crate) fn join(&self, format: Format, path_and_query: &str) -> Option<Uri> {
        let base = self.0.as_str().trim_end_matches('/');
        let path = match format {
            Format::Anthropic => path_and_query,
            Format::OpenAi => path_and_query.strip_prefix("/v1").unwrap_or(path_and_query),
        };
        format!("{base}{path}").parse().ok()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Models that may be used: one name, or with `*` at its end all that begin like it. Names are compared as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPattern(String);

impl ModelPattern {
    /// A pattern. `None`: it is empty, or has a `*` that is not at its end.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('*').unwrap_or(text);
        (!text.is_empty() && !name.contains('*')).then(|| Self(text.to_owned()))
    }

    /// Whether this model may be used.
    pub fn matches(&self, model: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => self.0 == model,
        }
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_gets_a_path_and_nothing_else() {
        let join = |format, base: &str, path| {
            BaseUrl::parse(base).unwrap().join(format, path).unwrap().to_string()
        };
        let messages = "/v1/messages?beta=true";
        for base in ["https://api.anthropic.com", "https://api.anthropic.com/"] {
            let full = join(Format::Anthropic, base, messages);
            assert_eq!(full, "https://api.anthropic.com/v1/messages?beta=true");
        }
        let proxied = join(Format::Anthropic, "http://127.0.0.1:9/claude/", messages);
        assert_eq!(proxied, "http://127.0.0.1:9/claude/v1/messages?beta=true");
        let responses = join(Format::OpenAi, "https://api.openai.com/v1", "/v1/responses");
        assert_eq!(responses, "https://api.openai.com/v1/responses");
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for bad in [
            "",
            "api.anthropic.com",
            "file:///etc/passwd",
            "https://u:p@h",
            "https://h?x=1",
            "https://h#x",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_is_a_name_or_its_beginning_and_compares_bytes() {
        let opus = ModelPattern::parse("claude-opus-*").unwrap();
        assert!(opus.matches("claude-opus-5") && opus.matches("claude-opus-"));
        for other in ["Claude-opus-5", "claude-opus", "xclaude-opus-5", " claude-opus-5", ""] {
            assert!(!opus.matches(other), "{other}");
        }
        let one = ModelPattern::parse("claude-haiku-4-5").unwrap();
        assert!(one.matches("claude-haiku-4-5"));
        for other in ["claude-haiku-4-5[1m]", "claude-haiku-4-5-20251001", "CLAUDE-HAIKU-4-5"] {
            assert!(!one.matches(other), "{other}");
        }
        assert_eq!(ModelPattern::parse("*opus"), None);
        assert_eq!(ModelPattern::parse(""), None);
    }

    #[test]
    fn a_credential_goes_where_its_format_has_it_and_is_not_shown() {
        let secret = || Zeroizing::new("hunter2".to_owned());
        for (credential, format, name, value) in [
            (Credential::Key(secret()), Format::Anthropic, "x-api-key", "hunter2"),
            (Credential::Key(secret()), Format::OpenAi, "authorization", "Bearer hunter2"),
            (Credential::Bearer(secret()), Format::Anthropic, "authorization", "Bearer hunter2"),
            (Credential::Login(secret()), Format::Anthropic, "authorization", "Bearer hunter2"),
        ] {
            let mut headers = HeaderMap::new();
            credential.inject(format, &mut headers).unwrap();
            assert_eq!(headers[name], value);
            assert!(!format!("{headers:?} {credential:?}").contains("hunter2"));
            let is_login = matches!(credential, Credential::Login(_));
            assert_eq!(headers.contains_key("anthropic-beta"), is_login);
        }
        let bad = Credential::Key(Zeroizing::new("a\r\nb".to_owned()));
        assert!(bad.inject(Format::OpenAi, &mut HeaderMap::new()).is_err());
    }
}
