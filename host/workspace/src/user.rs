use crate::git::{Call, Git};
use cyrus_core::WorkspaceError;
use std::path::Path;

/// Who commits are by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) email: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self { name: "Cyrus".to_owned(), email: "cyrus@localhost".to_owned() }
    }
}

/// What is taken from the user's own git configuration. Reading it runs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserConfig {
    name: Option<String>,
    email: Option<String>,
    /// Repositories of other owners that the user trusts.
    pub(crate) safe_directories: Vec<String>,
    /// How to reach remotes: `credential.*`, `http.*`, `url.*` and `core.sshCommand`.
    connection: Vec<(String, String)>,
}

impl UserConfig {
    /// Reads the global configuration.
    pub(crate) async fn read(git: &Git) -> Result<Self, WorkspaceError> {
        let Some(home) = &git.environment().home else { return Ok(Self::default()) };
        let home = home.as_path();
        let call = Call::new(Path::new("/"), &["config", "--global", "--includes", "--list", "-z"]);
        let answer = git.run(call.reading_user_config(home)).await?;
        // There may be no such file; a broken one must not stop work that does not need it.
        if answer.code != 0 {
            tracing::debug!(error = %answer.stderr, "no git configuration of the user");
            return Ok(Self::default());
        }
        Ok(Self::parse(&answer.stdout))
    }

    /// The same of one repository, which counts over the global one.
    pub(crate) async fn with_repository(
        &self,
        git: &Git,
        repository: &Path,
    ) -> Result<Self, WorkspaceError> {
        let call = git.in_main(repository, &["config", "--local", "--list", "-z"]).await?;
        let local = Self::parse(&git.output(call).await?);
        Ok(Self {
            name: local.name.or_else(|| self.name.clone()),
            email: local.email.or_else(|| self.email.clone()),
            safe_directories: self.safe_directories.clone(),
            connection: [self.connection.clone(), local.connection].concat(),
        })
    }

    /// Who commits are by; half a configured identity is none.
    pub(crate) fn identity(&self) -> Identity {
        match (&self.name, &self.email) {
            (Some(name), Some(email)) => Identity { name: name.clone(), email: email.clone() },
            _ => Identity::default(),
        }
    }

    /// The settings that a fetch from a remote gets.
    pub(crate) fn connection(&self) -> impl Iterator<Item = (String, String)> + use<> {
        self.connection.clone().into_iter()
    }

    /// Reads `--list -z`: `<key>\n<value>\0`, with sections and names in lower case.
    fn parse(output: &[u8]) -> Self {
        let mut config = Self::default();
        for entry in output.split(|b| *b == 0) {
            let entry = String::from_utf8_lossy(entry);
            let Some((key, value)) = entry.split_once('\n') else { continue };
            let filled = || (!value.trim().is_empty()).then(|| value.to_owned());
            match key {
                "user.name" => config.name = filled(),
                "user.email" => config.email = filled(),
                "safe.directory" => config.safe_directories.push(value.to_owned()),
                _ if reaches_remotes(key) => {
                    config.connection.push((key.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        config
    }
}

fn reaches_remotes(key: &str) -> bool {
    ["credential.", "http.", "url."].iter().any(|section| key.starts_with(section))
        || key == "core.sshcommand"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_is_taken() {
        let list = b"user.name\nAda L.\0user.email\nada@example.com\0core.hookspath\n/evil\0\
            credential.https://h.helper\n!gh auth\0safe.directory\n/srv/x\0alias.x\n!sh\0\
            filter.lfs.clean\ngit-lfs\0core.sshcommand\nssh -i k\0broken\0";
        let config = UserConfig::parse(list);
        let expected = Identity { name: "Ada L.".into(), email: "ada@example.com".into() };
        assert_eq!(config.identity(), expected);
        assert_eq!(config.safe_directories, ["/srv/x"]);
        let keys: Vec<_> = config.connection().map(|(key, _)| key).collect();
        assert_eq!(keys, ["credential.https://h.helper", "core.sshcommand"]);
    }

    #[test]
    fn half_an_identity_is_none() {
        for half in [&b"user.name\nAda\0"[..], b"user.name\nAda\0user.email\n \0", b""] {
            assert_eq!(UserConfig::parse(half).identity(), Identity::default());
        }
    }
}
