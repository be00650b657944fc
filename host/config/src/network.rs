use crate::{RepositoryConfig, reader::At};
use cyrus_plugin::HostPattern;
use serde::Deserialize;

/// The word for the public package registries.
const REGISTRIES: &str = "registries";

/// The word for no host at all.
const NONE: &str = "none";

/// Which hosts a repository's set-up, or its checks, may reach. Everything else is refused by the egress proxy.
///
/// Written `"none"`, `"registries"`, or as a list of hosts, in which `"registries"` may stand too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawAccess")]
pub struct NetworkAccess {
    /// The public package registries of the preset.
    pub registries: bool,
    /// Other hosts.
    pub hosts: Vec<HostPattern>,
}

impl NetworkAccess {
    /// No host.
    pub const NONE: Self = Self { registries: false, hosts: Vec::new() };
}

impl Default for NetworkAccess {
    fn default() -> Self {
        Self { registries: true, hosts: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "write \"none\", \"registries\" or a list of hosts: [\"registries\", \"artifacts.example.com\"]"
)]
enum RawAccess {
    Word(String),
    List(Vec<String>),
}

impl TryFrom<RawAccess> for NetworkAccess {
    type Error = String;

    fn try_from(raw: RawAccess) -> Result<Self, String> {
        let words = match raw {
            RawAccess::Word(word) if word == NONE => return Ok(Self::NONE),
            RawAccess::Word(word) if word == REGISTRIES => return Ok(Self::default()),
            RawAccess::Word(word) => {
                return Err(format!(
                    "{word:?}: write \"none\", \"registries\" or a list of hosts: [{word:?}]"
                ));
            }
            RawAccess::List(words) => words,
        };
        let mut access = Self::NONE;
        for word in words {
            match word.as_str() {
                REGISTRIES => access.registries = true,
                NONE => return Err("\"none\" stands alone, not in a list".to_owned()),
                host => access.hosts.push(
                    host.parse()
                        .map_err(|error: cyrus_plugin::ParseHostPatternError| error.to_string())?,
                ),
            }
        }
        Ok(access)
    }
}

/// What programs of a repository may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Its set-up and tear-down scripts.
    pub setup: NetworkAccess,
    /// Its checks.
    pub checks: NetworkAccess,
}

/// The section `network`.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkSection {
    setup: Option<NetworkAccess>,
    checks: Option<NetworkAccess>,
}

impl NetworkSection {
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        Self { setup: at.get("setup").read(), checks: at.get("checks").read() }
    }
}

impl RepositoryConfig<'_> {
    /// What its set-up and its checks may reach: the public package registries, unless configured.
    pub fn network_access(&self) -> Network {
        let setup = self.find(|section| section.network.setup.as_ref()).cloned();
        let checks = self.find(|section| section.network.checks.as_ref()).cloned();
        Network { setup: setup.unwrap_or_default(), checks: checks.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn read(value: Value) -> Result<NetworkAccess, String> {
        from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn access_is_a_word_or_a_list() {
        let host = "https://a.example".parse::<HostPattern>().unwrap();
        for (written, registries, hosts) in [
            (json!("none"), false, vec![]),
            (json!("registries"), true, vec![]),
            (json!([]), false, vec![]),
            (json!(["a.example"]), false, vec![host.clone()]),
            (json!(["registries", "a.example"]), true, vec![host]),
        ] {
            assert_eq!(read(written), Ok(NetworkAccess { registries, hosts }));
        }
    }

    #[test]
    fn what_is_no_access_says_what_to_write() {
        for (bad, says) in [
            (json!("a.example"), r#"[\"a.example\"]"#),
            (json!("all"), "a list of hosts"),
            (json!(["none", "a.example"]), "stands alone"),
            (json!(["*"]), "is not a host pattern"),
            (json!(true), "registries"),
        ] {
            let error = read(bad.clone()).unwrap_err();
            assert!(error.replace('\\', "").contains(&says.replace('\\', "")), "{bad}: {error}");
        }
    }
}
