use std::fmt;

/// A thing that has to be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Speaking to a host.
    Http,
    /// Launching a program.
    Process,
    /// Reading or writing the workspace.
    Workspace,
    /// Having a secret put into a request.
    Secret,
    /// Putting a question to a person.
    Ask,
    /// Having a result fetched from a remote other than `origin`.
    Git,
    /// Using an MCP server of the operator's.
    Mcp,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Process => "process",
            Self::Workspace => "workspace",
            Self::Secret => "secrets",
            Self::Ask => "ask",
            Self::Git => "git",
            Self::Mcp => "mcp",
        })
    }
}

/// Something that was wanted and is not allowed, and what would allow it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{capability}: {wanted}. {hint}")]
pub struct Denied {
    /// Which capability it takes.
    pub capability: Capability,
    /// What was wanted.
    pub wanted: String,
    /// The line to add and where, or who else has to change something.
    pub hint: String,
}

impl Denied {
    /// Denied, because the operator did not grant it.
    pub(crate) fn not_granted(
        capability: Capability,
        wanted: impl Into<String>,
        executor: &str,
        place: &str,
        line: &str,
    ) -> Self {
        let hint =
            format!("To allow it, in config.json executors.{executor}.grants.{place}: add {line}");
        Self { capability, wanted: wanted.into(), hint }
    }

    /// Denied, because the plugin's own manifest does not ask for it.
    pub(crate) fn not_requested(
        capability: Capability,
        wanted: impl Into<String>,
        plugin: &str,
        place: &str,
        line: &str,
    ) -> Self {
        let hint = format!(
            "No grant allows what a plugin does not ask for: plugin.toml of {plugin} needs {line} in requests.{place}"
        );
        Self { capability, wanted: wanted.into(), hint }
    }

    /// Denied, because this host permits it to nobody.
    pub(crate) fn above_maximum(capability: Capability, wanted: impl Into<String>) -> Self {
        let hint =
            format!("This host permits it to no executor: maximum.{capability} in config.json");
        Self { capability, wanted: wanted.into(), hint }
    }
}
