use crate::git::{Call, Git};
use cyrus_core::WorkspaceError;
use std::{collections::BTreeMap, path::Path};

/// Who commits are by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) email: String,
    /// Who makes them, where that is not who they are by.
    pub(crate) committer: Option<(String, String)>,
}

impl Default for Identity {
    fn default() -> Self {
        Self::of("Cyrus".to_owned(), "cyrus@localhost".to_owned())
    }
}

impl Identity {
    /// One person's.
    pub(crate) fn of(name: String, email: String) -> Self {
        Self { name, email, committer: None }
    }

    /// The name and the address of who makes the commits.
    pub(crate) fn committer(&self) -> (&str, &str) {
        let own = (self.name.as_str(), self.email.as_str());
        self.committer.as_ref().map_or(own, |(name, email)| (name, email))
    }
}

/// What is worth a warning of a user's git configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitConfiguration {
    /// The author of commits where git has no name and address of the user's; `None` where it has them.
    pub default_author: Option<String>,
    /// Which of `user.name` and `user.email` are not set there.
    pub lacks: Vec<&'static str>,
    /// What git says of a configuration that it cannot read, so that nothing of it counts.
    pub unreadable: Option<String>,
}

/// What is taken from the user's own git configuration, and from their environment. Reading it runs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserConfig {
    /// `user.name`, `author.email` and the like.
    identity: BTreeMap<String, String>,
    /// Variables that say the same, and stand over it.
    variables: BTreeMap<String, String>,
    /// Repositories of other owners that the user trusts.
    pub(crate) safe_directories: Vec<String>,
    /// How to reach remotes: `credential.*`, `http.*`, `url.*` and `core.sshCommand`.
    connection: Vec<(String, String)>,
    /// The remote that `git push` goes to, whatever a branch comes from (`remote.pushDefault`).
    pub(crate) push_default: Option<String>,
    /// What git says of a configuration of the user's that it cannot read.
    pub(crate) unreadable: Option<String>,
}

impl UserConfig {
    /// Reads the user's configuration and the system's.
    pub(crate) async fn read(git: &Git) -> Result<Self, WorkspaceError> {
        let environment = git.environment();
        let variables = environment.identity.iter().filter_map(|(name, value)| {
            let value = value.to_str().filter(|value| !value.trim().is_empty())?;
            Some((name.to_str()?.to_owned(), value.to_owned()))
        });
        let variables = variables.collect();
        let call = Call::new(Path::new("/"), &["config", "--includes", "--list", "-z"]);
        let answer = git.run(call.reading_user_config(environment)).await?;
        // Where there is no such file git lists nothing; a broken one must not stop work that does not need it.
        if answer.code != 0 {
            let unreadable = Some(answer.stderr.trim().to_owned());
            return Ok(Self { variables, unreadable, ..Self::default() });
        }
        let mut found = Self { variables, ..Self::parse(&answer.stdout) };
        if let Some(home) = &environment.home {
            for directory in &mut found.safe_directories {
                if let Some(below) = directory.strip_prefix("~/") {
                    *directory = home.as_path().join(below).to_string_lossy().into_owned();
                }
            }
        }
        Ok(found)
    }

    /// The same for one repository, as git has it there: with what its own configuration says, and with what the
    /// user's says of repositories in this place.
    pub(crate) async fn with_repository(
        &self,
        git: &Git,
        repository: &Path,
    ) -> Result<Self, WorkspaceError> {
        let list = ["config", "--includes", "--list", "-z"];
        let call = git.in_main(repository, &list).await?;
        let answer = git.run(call.reading_user_config(git.environment())).await?;
        let read = if answer.code == 0 {
            Self::parse(&answer.stdout)
        } else {
            let call = git.in_main(repository, &["config", "--local", "--list", "-z"]).await?;
            let own = Self::parse(&git.output(call).await?);
            Self {
                connection: [self.connection.clone(), own.connection].concat(),
                unreadable: Some(answer.stderr.trim().to_owned()),
                ..own
            }
        };
        Ok(Self {
            variables: self.variables.clone(),
            safe_directories: self.safe_directories.clone(),
            ..read
        })
    }

    /// Who commits are by; half a configured identity is none.
    pub(crate) fn identity(&self) -> Identity {
        let committer = self.person("GIT_COMMITTER", "committer");
        let author = self.person("GIT_AUTHOR", "author").or_else(|| committer.clone());
        let Some((name, email)) = author else { return Identity::default() };
        let own = (name, email);
        let committer = committer.filter(|committer| *committer != own);
        Identity { committer, ..Identity::of(own.0, own.1) }
    }

    /// Which of a name and an address there is nothing for, where commits are by neither.
    pub(crate) fn lacks(&self) -> Vec<&'static str> {
        let has = |part: &str, fallback: Option<&str>| {
            let set = |variable: &str| self.variables.contains_key(variable);
            ["author", "committer", "user"]
                .iter()
                .any(|section| self.identity.contains_key(&format!("{section}.{part}")))
                || ["GIT_AUTHOR", "GIT_COMMITTER"]
                    .iter()
                    .any(|person| set(&format!("{person}_{}", part.to_uppercase())))
                || fallback.is_some_and(set)
        };
        let parts = [("user.name", has("name", None)), ("user.email", has("email", Some("EMAIL")))];
        parts.into_iter().filter(|(_, has)| !has).map(|(name, _)| name).collect()
    }

    /// A name and an address: by these variables, else by this section, else by `user`.
    fn person(&self, variable: &str, section: &str) -> Option<(String, String)> {
        let part = |part: &str| {
            let variable = self.variables.get(&format!("{variable}_{}", part.to_uppercase()));
            let of = |section: &str| self.identity.get(&format!("{section}.{part}"));
            variable.or_else(|| of(section)).or_else(|| of("user")).cloned()
        };
        let email = part("email").or_else(|| self.variables.get("EMAIL").cloned());
        Some((part("name")?, email?))
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
            match key {
                "user.name" | "user.email" | "author.name" | "author.email" | "committer.name"
                | "committer.email" => {
                    // A later value stands over an earlier one, and an empty one takes it away.
                    if value.trim().is_empty() {
                        config.identity.remove(key);
                    } else {
                        config.identity.insert(key.to_owned(), value.to_owned());
                    }
                }
                "remote.pushdefault" => config.push_default = Some(value.to_owned()),
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
        let expected = Identity::of("Ada L.".into(), "ada@example.com".into());
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

    #[test]
    fn variables_and_sections_of_their_own_stand_over_the_user() {
        let list = b"user.name\nAda\0user.email\nada@home.test\0author.email\nada@work.test\0";
        let config = |variables: &[(&str, &str)]| UserConfig {
            variables: variables.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            ..UserConfig::parse(list)
        };
        let identity = config(&[]).identity();
        assert_eq!((identity.name.as_str(), identity.email.as_str()), ("Ada", "ada@work.test"));
        assert_eq!(identity.committer(), ("Ada", "ada@home.test"));
        let identity =
            config(&[("GIT_AUTHOR_NAME", "Bot"), ("GIT_AUTHOR_EMAIL", "bot@ci.test")]).identity();
        assert_eq!((identity.name.as_str(), identity.email.as_str()), ("Bot", "bot@ci.test"));
        assert_eq!(identity.committer(), ("Ada", "ada@home.test"));
        let only = |variables: &[(&str, &str)]| UserConfig {
            variables: variables.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            ..UserConfig::default()
        };
        let named = only(&[("GIT_AUTHOR_NAME", "Bot"), ("EMAIL", "bot@ci.test")]).identity();
        assert_eq!((named.name.as_str(), named.email.as_str()), ("Bot", "bot@ci.test"));
        assert_eq!(only(&[("GIT_AUTHOR_NAME", "Bot")]).identity(), Identity::default());
    }
}
