use crate::HostPattern;
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};

/// Where a value comes from that should not be written down: a secret, or a variable for a program.
///
/// In JSON a string is the value itself; otherwise `{"env": NAME}`, `{"file": PATH}` or
/// `{"command": [PROGRAM, ARG…]}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawRef", into = "RawRef")]
pub enum SecretRef {
    /// Written in the clear.
    Value(String),
    /// An environment variable of the host.
    Env(String),
    /// A file's content without the line end at its end.
    File(PathBuf),
    /// What a program prints, without the line end at its end.
    Command(Vec<String>),
}

/// Shows where a secret comes from, never the secret.
impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("a value in the configuration"),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Command(words) => {
                write!(f, "command {}", words.first().map_or("(empty)", String::as_str))
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "write the value itself, or one of {\"env\": …}, {\"file\": …} and {\"command\": […]}"
)]
enum RawRef {
    Value(String),
    Reference(RawReference),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReference {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
}

impl RawReference {
    fn one(self) -> Result<SecretRef, &'static str> {
        match (self.env, self.file, self.command) {
            (Some(name), None, None) if !name.is_empty() => Ok(SecretRef::Env(name)),
            (None, Some(path), None) => Ok(SecretRef::File(path)),
            (None, None, Some(words)) if !words.is_empty() => Ok(SecretRef::Command(words)),
            _ => Err("name exactly one of env, file and command, and not an empty one"),
        }
    }
}

impl TryFrom<RawRef> for SecretRef {
    type Error = &'static str;
    fn try_from(raw: RawRef) -> Result<Self, Self::Error> {
        match raw {
            RawRef::Value(text) => Ok(Self::Value(text)),
            RawRef::Reference(reference) => reference.one(),
        }
    }
}

impl From<SecretRef> for RawRef {
    fn from(reference: SecretRef) -> Self {
        let none = RawReference::default();
        Self::Reference(match reference {
            SecretRef::Value(text) => return Self::Value(text),
            SecretRef::Env(name) => RawReference { env: Some(name), ..none },
            SecretRef::File(path) => RawReference { file: Some(path), ..none },
            SecretRef::Command(words) => RawReference { command: Some(words), ..none },
        })
    }
}

/// How the host puts a secret into a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// The header that carries it.
    pub header: String,
    /// What comes before it in the header: `Bearer `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// A secret that a plugin's requests need. The plugin knows the handle, never the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// The word for it, in the manifest and in the grant.
    pub handle: String,
    /// The hosts it is for, and no others.
    pub audience: Vec<HostPattern>,
    /// How it is put into a request to them.
    pub inject: Injection,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The executor can work without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// The operator's answer to a [`SecretRequest`]: where the value is, and whom it is for if not for whom the
/// manifest says.
///
/// In JSON as [`SecretRef`], with `"audience": ["https://…"]` and, for a value in the clear, `"value": "…"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawGrant", into = "RawGrant")]
pub struct SecretGrant {
    /// Where the value comes from.
    pub source: SecretRef,
    /// In place of the manifest's audience: an operator's own base address.
    pub audience: Option<Vec<HostPattern>>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "write the value itself, or one of {\"env\": …}, {\"file\": …} and {\"command\": […]}, with \"audience\" where it is another"
)]
enum RawGrant {
    Value(String),
    Full(FullGrant),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullGrant {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<Vec<HostPattern>>,
}

impl TryFrom<RawGrant> for SecretGrant {
    type Error = &'static str;
    fn try_from(raw: RawGrant) -> Result<Self, Self::Error> {
        let full = match raw {
            RawGrant::Value(text) => {
                return Ok(Self { source: SecretRef::Value(text), audience: None });
            }
            RawGrant::Full(full) => full,
        };
        let FullGrant { value, env, file, command, audience } = full;
        let source = match value {
            Some(text) if env.is_none() && file.is_none() && command.is_none() => {
                SecretRef::Value(text)
            }
            Some(_) => return Err("name one of value, env, file and command, not several"),
            None => RawReference { env, file, command }.one()?,
        };
        Ok(Self { source, audience })
    }
}

impl From<SecretGrant> for RawGrant {
    fn from(grant: SecretGrant) -> Self {
        let none = FullGrant { audience: grant.audience, ..FullGrant::default() };
        Self::Full(match grant.source {
            SecretRef::Value(text) => FullGrant { value: Some(text), ..none },
            SecretRef::Env(name) => FullGrant { env: Some(name), ..none },
            SecretRef::File(path) => FullGrant { file: Some(path), ..none },
            SecretRef::Command(words) => FullGrant { command: Some(words), ..none },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    #[test]
    fn a_grant_is_a_value_or_says_where_the_value_is() {
        let read = |value: Value| from_value::<SecretGrant>(value).map(|grant| grant.source);
        assert_eq!(read(json!("k")).unwrap(), SecretRef::Value("k".into()));
        assert_eq!(read(json!({"value": "k"})).unwrap(), SecretRef::Value("k".into()));
        assert_eq!(read(json!({"env": "K"})).unwrap(), SecretRef::Env("K".into()));
        for bad in [
            json!({}),
            json!({"env": "K", "file": "/k"}),
            json!({"env": "K", "value": "k"}),
            json!({"environment": "K"}),
            json!({"command": []}),
            json!({"env": "K", "audience": ["*"]}),
            json!(7),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_written_grant_reads_back() {
        for grant in [
            json!({"value": "k"}),
            json!({"env": "K", "audience": ["https://example.com"]}),
            json!({"command": ["pass", "show", "k"]}),
        ] {
            let parsed: SecretGrant = from_value(grant.clone()).unwrap();
            assert_eq!(serde_json::to_value(&parsed).unwrap(), grant);
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let grant: SecretGrant = from_value(json!("hunter2")).unwrap();
        assert!(!format!("{grant:?} {}", grant.source).contains("hunter2"));
        let named: SecretGrant = from_value(json!({"env": "K"})).unwrap();
        assert_eq!(format!("{:?}", named.source), "environment variable K");
        for empty in [json!({"env": ""}), json!({"command": []}), json!({"env": "K", "file": "k"})]
        {
            assert!(from_value::<SecretGrant>(empty.clone()).is_err(), "{empty}");
        }
    }
}
