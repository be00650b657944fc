//! What programs get of the user's surroundings: named variables, and no others.

use cyrus_sandbox::{AbsolutePath, HomeSeed};
use std::{ffi::OsString, fmt, path::PathBuf, time::Duration};

/// What a fetch from a remote needs besides the user's git configuration: an ssh agent, how ssh is run, a proxy,
/// certificates.
const NETWORK: [&str; 14] = [
    "SSH_AUTH_SOCK",
    "GIT_SSH_COMMAND",
    "GIT_SSH",
    "GIT_SSH_VARIANT",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
];

/// By what git knows who commits, before its configuration.
const IDENTITY: [&str; 5] =
    ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"];

/// Where git's configuration is, where it is not in its usual places.
const CONFIGURATION: [&str; 4] =
    ["XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// How `gh` knows its user, and where it keeps that.
const FORGE: [&str; 9] = [
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GH_HOST",
    "GH_CONFIG_DIR",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// What compilers, interpreters and their version managers find themselves by, and certificates for what they
/// download. None of it is a secret: proxies are left out, which may hold one, and so are the caches in which tools
/// keep credentials and programs beside each other (`CARGO_HOME`, `GOPATH`); checks fill caches of their own.
const TOOLS: [&str; 24] = [
    "PATH",
    "TZ",
    // Who runs them, which tests and scripts ask for.
    "USER",
    "LOGNAME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "RBENV_ROOT",
    "NVM_DIR",
    "VOLTA_HOME",
    "ASDF_DIR",
    "ASDF_DATA_DIR",
    "MISE_DATA_DIR",
    "SDKMAN_DIR",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "JAVA_HOME",
    "GOROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
];

/// Where version managers are below the user's home when no variable says so. Programs have another home.
const TOOL_HOMES: [(&str, &str); 8] = [
    ("RUSTUP_HOME", ".rustup"),
    ("PYENV_ROOT", ".pyenv"),
    ("RBENV_ROOT", ".rbenv"),
    ("VOLTA_HOME", ".volta"),
    ("ASDF_DATA_DIR", ".asdf"),
    ("NVM_DIR", ".nvm"),
    ("SDKMAN_DIR", ".sdkman"),
    ("MISE_DATA_DIR", ".local/share/mise"),
];

/// What git gets of the user's surroundings.
#[derive(Clone, Debug, Default)]
pub struct GitEnvironment {
    /// The `PATH` that git finds `sh` and `ssh` on.
    pub path: OsString,
    /// Where the user's own git configuration is. Of that count the name and address for commits,
    /// `safe.directory`, and, for fetching, credential helpers and connection settings; nothing else.
    pub home: Option<AbsolutePath>,
    /// Where programs keep the user's configuration; `.config` in the home when `None`.
    pub config_home: Option<PathBuf>,
    /// Variables that git has when it fetches from a remote, and only then.
    pub network: Vec<(OsString, OsString)>,
    /// Variables that say who commits are by.
    pub identity: Vec<(OsString, OsString)>,
    /// Variables that say where the user's configuration is: git has them when it reads that, and only then.
    pub configuration: Vec<(OsString, OsString)>,
}

impl GitEnvironment {
    /// That of a user with this home; `variable` looks a variable of theirs up.
    pub fn of_user(
        home: Option<AbsolutePath>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let path = variable("PATH").unwrap_or_default();
        let config_home = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        Self {
            path,
            home,
            config_home: config_home.filter(|place| place.is_absolute()),
            network: named(&NETWORK, &variable).collect(),
            identity: named(&IDENTITY, &variable).collect(),
            configuration: named(&CONFIGURATION, &variable).collect(),
        }
    }
}

/// What the program of a forge gets of the user's surroundings.
#[derive(Clone, Default)]
pub struct ForgeEnvironment {
    /// The `PATH` that it finds its helpers on.
    pub path: OsString,
    /// Where its user's login is.
    pub home: Option<AbsolutePath>,
    /// Its other variables, which may hold the user's token.
    pub variables: Vec<(OsString, OsString)>,
}

impl ForgeEnvironment {
    /// That of a user with this home; `variable` looks a variable of theirs up.
    pub fn of_user(
        home: Option<AbsolutePath>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let path = variable("PATH").unwrap_or_default();
        let network = named(&NETWORK, &variable);
        Self { path, home, variables: named(&FORGE, &variable).chain(network).collect() }
    }
}

/// Names the variables: the values may be secrets.
impl fmt::Debug for ForgeEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("ForgeEnvironment").field("variables", &names).finish_non_exhaustive()
    }
}

/// What checks are run with.
#[derive(Clone, Debug)]
pub struct CheckEnvironment {
    /// Runs their commands: `sh`.
    pub shell: AbsolutePath,
    /// All variables they have, besides `HOME` (a directory of the task's own), `LANG` and `CI=true`. `PATH`
    /// belongs in here, and what compilers and interpreters need to find themselves.
    pub variables: Vec<(OsString, OsString)>,
    /// What their home begins with.
    pub seed: HomeSeed,
    /// How long a detected check may take.
    pub timeout: Duration,
}

impl CheckEnvironment {
    /// With the tools of a user who has this home; `variable` looks a variable of theirs up. What they keep secret
    /// in others stays with them: checks run what an executor wrote.
    pub fn of_user(
        shell: AbsolutePath,
        home: Option<&AbsolutePath>,
        variable: impl Fn(&str) -> Option<OsString>,
        timeout: Duration,
    ) -> Self {
        let mut variables: Vec<_> = named(&TOOLS, &variable).collect();
        for (name, directory) in TOOL_HOMES {
            let place = home.map(|home| home.as_path().join(directory));
            if variable(name).is_none()
                && let Some(place) = place.filter(|place| place.is_dir())
            {
                variables.push((name.into(), place.into()));
            }
        }
        // No terminal shows what they print, and scripts fail where nothing says of which kind it is.
        variables.push(("TERM".into(), "dumb".into()));
        variables.push(("SHELL".into(), shell.as_path().into()));
        Self { shell, variables, seed: HomeSeed::default(), timeout }
    }

    /// With more variables, which go before those of the same name, and with files that their home begins with.
    #[must_use]
    pub fn with(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        seed: HomeSeed,
    ) -> Self {
        for (name, value) in variables {
            self.variables.retain(|(known, _)| *known != name);
            self.variables.push((name, value));
        }
        Self { seed, ..self }
    }
}

fn named<'a>(
    names: &'a [&str],
    variable: impl Fn(&str) -> Option<OsString> + 'a,
) -> impl Iterator<Item = (OsString, OsString)> + 'a {
    names.iter().filter_map(move |name| Some(((*name).into(), variable(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_and_secrets_are_left() {
        let home = tempfile::tempdir().unwrap();
        for directory in [".rustup", ".pyenv"] {
            std::fs::create_dir(home.path().join(directory)).unwrap();
        }
        let home = AbsolutePath::parse(home.path()).unwrap();
        let variable = |name: &str| match name {
            "PATH" => Some("/bin".into()),
            "PYENV_ROOT" => Some("/opt/pyenv".into()),
            "SSH_AUTH_SOCK" => Some("/run/agent".into()),
            "GIT_SSH_COMMAND" => Some("ssh -i /a/key".into()),
            "AWS_SECRET_ACCESS_KEY" | "ANTHROPIC_API_KEY" => Some("secret".into()),
            _ => None,
        };
        let shell = AbsolutePath::parse("/bin/sh").unwrap();
        let timeout = Duration::from_mins(1);
        let checks = CheckEnvironment::of_user(shell, Some(&home), variable, timeout);
        let rustup = home.as_path().join(".rustup");
        let expected: [(OsString, OsString); 5] = [
            ("PATH".into(), "/bin".into()),
            ("PYENV_ROOT".into(), "/opt/pyenv".into()),
            ("RUSTUP_HOME".into(), rustup.into()),
            ("TERM".into(), "dumb".into()),
            ("SHELL".into(), "/bin/sh".into()),
        ];
        assert_eq!(checks.variables, expected);

        let git = GitEnvironment::of_user(Some(home), variable);
        assert_eq!(git.path, "/bin");
        let expected: [(OsString, OsString); 2] = [
            ("SSH_AUTH_SOCK".into(), "/run/agent".into()),
            ("GIT_SSH_COMMAND".into(), "ssh -i /a/key".into()),
        ];
        assert_eq!(git.network, expected);
    }
}
