use serde::{Deserialize, Serialize};

/// Which of the operator's MCP servers an executor may use. Its plugin learns their names; what they are, with the
/// variables and headers that hold their tokens, only the programs learn that it launches for them.
///
/// In JSON `"all"`, or a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawMcp", into = "RawMcp")]
pub enum McpGrant {
    /// No server.
    #[default]
    None,
    /// Every server that is configured for the repository.
    All,
    /// The servers of these names.
    Named(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "write \"all\" or a list of names")]
enum RawMcp {
    Word(String),
    Names(Vec<String>),
}

impl McpGrant {
    /// Whether it opens no server.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether it opens this server.
    pub fn opens(&self, server: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == server),
        }
    }
}

impl TryFrom<RawMcp> for McpGrant {
    type Error = String;
    fn try_from(raw: RawMcp) -> Result<Self, String> {
        match raw {
            RawMcp::Word(word) if word == "all" => Ok(Self::All),
            RawMcp::Word(_) => Err("write \"all\" or a list of names".to_owned()),
            RawMcp::Names(names) if names.is_empty() => Ok(Self::None),
            RawMcp::Names(names) => Ok(Self::Named(names)),
        }
    }
}

impl From<McpGrant> for RawMcp {
    fn from(grant: McpGrant) -> Self {
        match grant {
            McpGrant::None => Self::Names(Vec::new()),
            McpGrant::All => Self::Word("all".to_owned()),
            McpGrant::Named(names) => Self::Names(names),
        }
    }
}

impl std::fmt::Display for McpGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::All => f.write_str("all"),
            Self::Named(names) => write!(f, "{names:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_is_named() {
        let read = |json: &str| serde_json::from_str::<McpGrant>(json);
        assert!(read("\"all\"").unwrap().opens("a"));
        let named = read(r#"["a"]"#).unwrap();
        assert!(named.opens("a") && !named.opens("b"));
        assert!(read("[]").unwrap().is_none() && !McpGrant::None.opens("a"));
        assert!(!named.is_none() && !McpGrant::All.is_none());
        let shown = [McpGrant::None, McpGrant::All, named].map(|grant| grant.to_string());
        assert_eq!(shown, ["none", "all", "[\"a\"]"]);
        for bad in ["\"some\"", "true", "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
