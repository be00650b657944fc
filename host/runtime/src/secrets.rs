//! From where a secret is to what it is.

use cyrus_plugin::SecretRef;
use cyrus_sandbox::{AbsolutePath, Launch, Launcher, Limits, find_program};
use futures::future::{BoxFuture, FutureExt as _};
use std::{collections::BTreeMap, ffi::OsString, fmt, time::Duration};
use zeroize::Zeroizing;

/// The most that a secret may be long, in bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// How long a command may take.
const COMMAND_TIME: Duration = Duration::from_secs(30);

/// Why a secret has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is no such variable.
    #[error("{0} is not set")]
    Missing(String),
    /// It is there, and empty.
    #[error("{0}: it is empty")]
    Empty(String),
    /// It is there, and cannot be used.
    #[error("{place}: {problem}")]
    Unusable {
        /// Where it should come from.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

/// Finds out what a secret is.
pub trait SecretResolver: Send + Sync {
    /// The value, without the line end at its end.
    fn resolve<'a>(
        &'a self,
        secret: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Zeroizing<String>, SecretError>>;
}

/// Reads the host's environment and files, and runs commands.
#[derive(Clone)]
pub struct HostSecrets {
    launcher: Launcher,
    path: OsString,
    fallback: BTreeMap<String, Zeroizing<String>>,
}

/// Names the variables: the values may be secrets.
impl fmt::Debug for HostSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.fallback.keys().collect();
        f.debug_struct("HostSecrets").field("fallback", &names).finish_non_exhaustive()
    }
}

impl HostSecrets {
    /// Commands are launched by this launcher, and found in this `PATH`.
    pub fn new(launcher: Launcher, path: OsString) -> Self {
        Self { launcher, path, fallback: BTreeMap::new() }
    }

    /// With variables that count where the host's environment does not have them.
    #[must_use]
    pub fn with_fallback<'a>(
        mut self,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), Zeroizing::new(value.to_owned()));
        self.fallback.extend(variables.into_iter().map(own));
        self
    }

    fn variable(&self, name: &str) -> Result<Zeroizing<String>, std::env::VarError> {
        match std::env::var(name) {
            Err(std::env::VarError::NotPresent) => {
                self.fallback.get(name).cloned().ok_or(std::env::VarError::NotPresent)
            }
            found => found.map(Zeroizing::new),
        }
    }

    async fn run(&self, words: &[String]) -> Result<Zeroizing<String>, String> {
        let (name, args) = words.split_first().ok_or("the command is empty")?;
        let program = find_program(name, &self.path)
            .ok_or_else(|| format!("{name} is not in PATH; write it from the root"))?;
        let home = std::env::var_os("HOME");
        let root = AbsolutePath::parse("/").map_err(|e| e.to_string())?;
        let launch = Launch::trusted(program, root, Some(&self.path), home.as_deref()).args(args);
        let limits = Limits::within(COMMAND_TIME);
        let done = self.launcher.run_to_end(launch, &limits).await.map_err(|e| e.to_string())?;
        if !done.success() {
            // What it wrote is not shown: a program may print what it was to keep.
            return Err(format!("{name} failed; run the command yourself to see why"));
        }
        text(done.stdout.bytes())
    }
}

impl SecretResolver for HostSecrets {
    fn resolve<'a>(
        &'a self,
        secret: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Zeroizing<String>, SecretError>> {
        async move {
            let unusable = |problem| SecretError::Unusable { place: secret.to_string(), problem };
            let found = match secret {
                SecretRef::Value(value) => Ok(Zeroizing::new(value.clone())),
                SecretRef::Env(name) => match self.variable(name) {
                    Ok(value) => Ok(value),
                    Err(std::env::VarError::NotPresent) => {
                        return Err(SecretError::Missing(secret.to_string()));
                    }
                    Err(error) => Err(error.to_string()),
                },
                SecretRef::File(path) => read(path).await,
                SecretRef::Command(words) => self.run(words).await,
            };
            match found {
                Ok(value) if value.is_empty() => Err(SecretError::Empty(secret.to_string())),
                found => found.map_err(unusable),
            }
        }
        .boxed()
    }
}

async fn read(path: &std::path::Path) -> Result<Zeroizing<String>, String> {
    let size = tokio::fs::metadata(path).await.map_err(|e| e.to_string())?.len();
    if size > MOST_BYTES {
        return Err(format!("it is {size} bytes long; a secret is at most {MOST_BYTES}"));
    }
    text(tokio::fs::read(path).await.map_err(|e| e.to_string())?)
}

fn text(bytes: Vec<u8>) -> Result<Zeroizing<String>, String> {
    let text = String::from_utf8(bytes).map(Zeroizing::new).map_err(|_| "it is no text")?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolve(secret: SecretRef) -> Result<String, SecretError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let secrets = HostSecrets::new(Launcher::unsupervised(), path);
        secrets.resolve(&secret).await.map(|value| value.to_string())
    }

    #[tokio::test]
    async fn finds_values_where_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "from a file\r\n").unwrap();
        let command = ["printf", "%s\\n", "from a command"].map(str::to_owned).to_vec();
        for (secret, value) in [
            (SecretRef::Value("plain".to_owned()), "plain"),
            (SecretRef::File(file), "from a file"),
            (SecretRef::Command(command), "from a command"),
        ] {
            assert_eq!(resolve(secret).await.unwrap(), value);
        }
    }

    #[tokio::test]
    async fn what_has_no_value_says_where_it_was_looked_for() {
        let words =
            |words: &[&str]| SecretRef::Command(words.iter().map(ToString::to_string).collect());
        for (secret, says) in [
            (SecretRef::Env("CYRUS_TEST_NOT_SET".to_owned()), "CYRUS_TEST_NOT_SET is not set"),
            (SecretRef::File("/not/there".into()), "/not/there"),
            (SecretRef::Value(String::new()), "empty"),
            (words(&["sh", "-c", "echo s3cret >&2; exit 3"]), "sh failed"),
            (words(&["no-such-program-here"]), "PATH"),
        ] {
            let error = resolve(secret).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("\ns3cret") && !error.contains(": s3cret"), "{error}");
        }
    }
}
