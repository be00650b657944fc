use crate::{ArgsPattern, HostPattern, SecretRef};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// A program that a plugin may launch, and with what. The plugin names the grant, never the program.
///
/// What is launched is native code that holds whatever it is given here: this is the operator's trust in the
/// program, not in the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProcessGrant {
    /// An absolute path, or a bare name that is looked up once in the operator's `PATH`.
    pub program: PathBuf,
    /// The arguments that may be passed. Omitted: none.
    #[serde(default)]
    pub args: ArgsPattern,
    /// Its environment, beyond the few variables every program gets. Values are the operator's alone; a variable
    /// that is taken from the host's environment and is not there is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, SecretRef>,
    /// Files of the operator's home that it sees, relative to it; what is not there is left out. Nothing else of the home is visible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub home_files: Vec<PathBuf>,
    /// The flag with which it takes a file of MCP servers, such as `--mcp-config`. The plugin passes it with the names
    /// of servers, and the host puts the path of a private file with these servers in their place. Omitted: it is given
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_flag: Option<String>,
    /// The hosts that it reaches, through the host's proxy. Omitted: none. A loopback address with a port, as in
    /// `http://127.0.0.1:8080`, is found at that port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostPattern>,
}

impl ProcessGrant {
    /// A grant of this program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: ArgsPattern::default(),
            env: BTreeMap::new(),
            home_files: Vec::new(),
            mcp_flag: None,
            hosts: Vec::new(),
        }
    }
}
