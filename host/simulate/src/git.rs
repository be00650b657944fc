//! Git, for the branches the simulated cloud really pushes.

use std::path::Path;
use std::time::Duration;

use cyrus_sandbox::{AbsolutePath, Launch, Launcher, Limits, NotAbsolute, RunError, find_program};

/// How long one git command may take.
const TIME: Duration = Duration::from_mins(1);

/// Git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("`git` is not on the path: install it")]
    Missing,
    #[error(transparent)]
    Directory(#[from] NotAbsolute),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("git {command}: {message}")]
    Failed { command: String, message: String },
}

/// Git as the simulated cloud has it: without the user's configuration and credentials.
#[derive(Debug)]
pub(crate) struct Git<'a> {
    pub(crate) launcher: &'a Launcher,
    /// Stands for the home directory; empty.
    pub(crate) home: &'a Path,
}

impl Git<'_> {
    /// Runs git in `directory`, an absolute path.
    pub(crate) async fn run(&self, directory: &Path, arguments: &[&str]) -> Result<(), GitError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = find_program("git", &path).ok_or(GitError::Missing)?;
        let directory = AbsolutePath::parse(directory)?;
        let launch = Launch::trusted(program, directory, Some(&path), Some(self.home.as_os_str()))
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0");
        let finished = self.launcher.run_to_end(launch, &Limits::within(TIME)).await?;
        if finished.success() {
            return Ok(());
        }
        let command = arguments.first().copied().unwrap_or_default().to_owned();
        Err(GitError::Failed { command, message: finished.stderr.text().trim().to_owned() })
    }
}
