//! Git, for the branches the simulated cloud really pushes.

use std::path::Path;
use std::process::Stdio;

/// Git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("git {command}: {message}")]
pub(crate) struct GitError {
    command: String,
    message: String,
}

/// Runs git in `directory` and gives what it printed.
pub(crate) async fn git(directory: &Path, arguments: &[&str]) -> Result<String, GitError> {
    let fail = |message: String| GitError {
        command: arguments.first().copied().unwrap_or_default().into(),
        message,
    };
    let output = tokio::process::Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| fail(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
