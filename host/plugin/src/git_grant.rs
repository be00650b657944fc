use crate::{HostPattern, ParseHostPatternError, Scheme};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Hosts over https: what results are fetched from. Written as a [`HostPattern`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GitHost(HostPattern);

impl GitHost {
    /// These hosts, which are meant over https.
    pub(crate) fn new(pattern: HostPattern) -> Self {
        Self(pattern)
    }

    /// The pattern.
    pub fn pattern(&self) -> &HostPattern {
        &self.0
    }
}

impl FromStr for GitHost {
    type Err = ParseHostPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pattern: HostPattern = text.parse()?;
        if pattern.scheme() == Scheme::Https {
            return Ok(Self::new(pattern));
        }
        let problem = "git fetches results over https only".to_owned();
        Err(ParseHostPatternError { pattern: text.to_owned(), problem })
    }
}

impl fmt::Display for GitHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for GitHost {
    type Error = ParseHostPatternError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GitHost> for String {
    fn from(host: GitHost) -> Self {
        host.to_string()
    }
}

/// A host that the operator lets results be fetched from.
///
/// In JSON the host, or `{"host": "https://…", "credentials": true}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RawGrant", into = "RawGrant")]
pub struct GitGrant {
    /// The host.
    pub host: GitHost,
    /// Whether git may use the operator's credentials there: credential helpers, client certificates, `.netrc`.
    pub credentials: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "write an https host, or {\"host\": \"https://…\", \"credentials\": true}"
)]
enum RawGrant {
    Host(GitHost),
    Full(FullGrant),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullGrant {
    host: GitHost,
    #[serde(default)]
    credentials: bool,
}

impl From<RawGrant> for GitGrant {
    fn from(raw: RawGrant) -> Self {
        match raw {
            RawGrant::Host(host) => Self { host, credentials: false },
            RawGrant::Full(FullGrant { host, credentials }) => Self { host, credentials },
        }
    }
}

impl From<GitGrant> for RawGrant {
    fn from(GitGrant { host, credentials }: GitGrant) -> Self {
        if credentials { Self::Full(FullGrant { host, credentials }) } else { Self::Host(host) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json, to_value};

    #[test]
    fn a_grant_is_an_https_host_with_or_without_credentials() {
        for (written, credentials) in [
            (json!("https://git.example.com"), false),
            (json!({"host": "https://git.example.com", "credentials": true}), true),
        ] {
            let grant: GitGrant = from_value(written.clone()).unwrap();
            assert_eq!(grant.credentials, credentials);
            assert_eq!(to_value(grant).unwrap(), written);
        }
        let refused = |bad: Value| assert!(from_value::<GitGrant>(bad.clone()).is_err(), "{bad}");
        for bad in [
            json!("http://git.example.com"),
            json!("ssh://git.example.com"),
            json!("git@git.example.com:a"),
            json!("/srv/a"),
            json!("*"),
            json!({"host": "a.example", "user": "me"}),
            json!({"credentials": true}),
        ] {
            refused(bad);
        }
    }
}
