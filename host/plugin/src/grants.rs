use crate::{
    GitGrant, GitHost, HostPattern, McpGrant, PluginDigest, ProcessGrant, SecretGrant, SecretRef,
};
use cyrus_executor::Access;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// What the operator allows one executor: `executors.NAME.grants` in the configuration. Omitted is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grants {
    /// Binds these grants to one manifest and one component: with others they do not hold, and the executor does
    /// not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<PluginDigest>,
    /// Hosts that may be spoken to. A private, loopback or metadata address is reached only where it is
    /// written here as an address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HostPattern>,
    /// Programs that may be launched, by grant name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub process: BTreeMap<String, ProcessGrant>,
    /// What the plugin itself may do with the workspace: `"none"`, `"read-only"` or `"read-write"`.
    #[serde(with = "access", skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Access>,
    /// Secrets that the host puts into requests, by handle.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretGrant>,
    /// Whether it may put questions to a person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ask: bool,
    /// Hosts that its results may be fetched from, besides the repository's own `origin`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub git: Vec<GitGrant>,
    /// The operator's MCP servers that its programs may use.
    #[serde(skip_serializing_if = "McpGrant::is_none")]
    pub mcp: McpGrant,
}

impl Grants {
    /// Whether nothing is granted. A digest alone grants nothing.
    pub fn is_empty(&self) -> bool {
        Self { digest: None, ..self.clone() } == Self::default()
    }

    /// The same, to be shown: what is written in the clear, a secret or a program's variable, is left out of it.
    #[must_use]
    pub fn concealed(&self) -> Self {
        let mut shown = self.clone();
        let secrets = shown.secrets.values_mut().map(|grant| &mut grant.source);
        let variables = shown.process.values_mut().flat_map(|grant| grant.env.values_mut());
        for reference in secrets.chain(variables) {
            if let SecretRef::Value(_) = reference {
                *reference = SecretRef::Value(format!("({reference})"));
            }
        }
        shown
    }
}

/// What no executor of this host gets, whatever its grants say: `maximum` in the configuration. The default
/// sets no bound beyond the grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HostMaximum {
    /// The hosts that grants may open. Omitted: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Vec<HostPattern>>,
    /// Whether programs may be launched at all.
    pub process: bool,
    /// The most that grants may open of the workspace.
    #[serde(with = "access")]
    pub workspace: Option<Access>,
    /// Whether questions may be put.
    pub ask: bool,
    /// The hosts that results may be fetched from, besides `origin`. Omitted: any that is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Vec<GitHost>>,
    /// Whether MCP servers may be used.
    pub mcp: bool,
}

impl HostMaximum {
    /// Those of a grant's hosts that may be opened.
    pub fn open_to<'a>(
        &'a self,
        hosts: &'a [HostPattern],
    ) -> impl Iterator<Item = &'a HostPattern> {
        hosts.iter().filter(|host| {
            let most = self.http.as_ref();
            most.is_none_or(|most| most.iter().any(|open| open.covers(host)))
        })
    }
}

impl Default for HostMaximum {
    fn default() -> Self {
        Self {
            http: None,
            process: true,
            workspace: Some(Access::ReadWrite),
            ask: true,
            git: None,
            mcp: true,
        }
    }
}

/// Access as the configuration and manifests write it: with a word for nothing.
pub(crate) mod access {
    use super::{Access, Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Word {
        None,
        ReadOnly,
        ReadWrite,
    }

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(
        access: &Option<Access>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match access {
            None => Word::None,
            Some(Access::ReadOnly) => Word::ReadOnly,
            Some(Access::ReadWrite) => Word::ReadWrite,
        }
        .serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Access>, D::Error> {
        Ok(match Word::deserialize(from)? {
            Word::None => None,
            Word::ReadOnly => Some(Access::ReadOnly),
            Word::ReadWrite => Some(Access::ReadWrite),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_written_is_nothing_granted() {
        let empty: Grants = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, Grants::default());
        let lists: Grants =
            serde_json::from_str(r#"{"http": [], "process": {}, "workspace": "none"}"#).unwrap();
        assert_eq!(lists, empty);
        let bound = PluginDigest::of(b"manifest", b"component");
        assert!(Grants { digest: Some(bound), ..Grants::default() }.is_empty());
        assert!(!Grants { ask: true, ..Grants::default() }.is_empty());
    }

    #[test]
    fn reads_every_part() {
        let grants: Grants = serde_json::from_str(
            r#"{"http": ["https://api.example.com"], "workspace": "read-only", "ask": true,
                "process": {"claude": {"program": "claude", "args": {"flags": {"-p": "none"}},
                    "env": {"A": "1", "KEY": {"env": "KEY"}}, "homeFiles": [".claude.json"]}},
                "secrets": {"codegen": {"file": "/k", "audience": ["https://api.example.com"]}}}"#,
        )
        .unwrap();
        assert_eq!(grants.workspace, Some(Access::ReadOnly));
        assert_eq!(grants.process["claude"].env.len(), 2);
        let written = serde_json::to_string(&grants).unwrap();
        assert_eq!(serde_json::from_str::<Grants>(&written).unwrap(), grants);
    }

    #[test]
    fn what_is_written_in_the_clear_is_not_shown() {
        let grants: Grants = serde_json::from_str(
            r#"{"process": {"claude": {"program": "claude", "env": {"A": "hunter2", "KEY": {"env": "KEY"}}}},
                "secrets": {"a": "hunter2", "b": {"value": "hunter2", "audience": ["a.example.com"]},
                    "c": {"file": "/k"}}}"#,
        )
        .unwrap();
        let shown = serde_json::to_string(&grants.concealed()).unwrap();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains(r#"{"env":"KEY"}"#) && shown.contains("a.example.com"), "{shown}");
        assert_eq!(shown.matches("(a value in the configuration)").count(), 3);
    }

    #[test]
    fn an_unknown_key_is_an_error_wherever_it_is() {
        for bad in [
            r#"{"network": true}"#,
            r#"{"process": {"x": {"program": "x", "shell": true}}}"#,
            r#"{"process": {"x": {}}}"#,
            r#"{"workspace": "all"}"#,
            r#"{"http": ["*"]}"#,
            r#"{"digest": "abc"}"#,
        ] {
            assert!(serde_json::from_str::<Grants>(bad).is_err(), "{bad}");
        }
    }
}
