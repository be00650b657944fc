//! A `git update-ref` that stays and is given one transaction after the other.
//!
//! Whatever it does not answer with success, a git of its own is started for, which says why it fails: a transaction that
//! was not made changes nothing.

use crate::{
    git::{Call, Git},
    staying::{Idle, Process},
};
use std::{io, path::Path, time::Duration};
use tokio::time::timeout;

/// How long a transaction may take. Git waits ten seconds for each lock of others.
const TIME: Duration = Duration::from_mins(10);

/// What is given to `git update-ref`, with and without a process that stays.
pub(crate) const COMMAND: [&str; 5] = ["update-ref", "--no-deref", "-m", "cyrus", "--stdin"];

/// One for each repository that references were set in.
#[derive(Debug, Default)]
pub(crate) struct Updates(Idle);

impl Updates {
    /// Makes a transaction of these lines of `update-ref --stdin`; whether it was made.
    pub(crate) async fn make(&self, git: &Git, repository: &Path, call: Call, lines: &str) -> bool {
        let known = self.0.take(repository);
        let Some(mut process) = (match known {
            Some(process) => Some(process),
            None => Process::start(git, call).await,
        }) else {
            return false;
        };
        match timeout(TIME, transact(&mut process, lines)).await {
            Ok(Ok(true)) => {
                self.0.give_back(repository, process);
                true
            }
            _ => false,
        }
    }
}

/// Git answers `start: ok` and `commit: ok`; where it cannot commit, it ends.
async fn transact(process: &mut Process, lines: &str) -> io::Result<bool> {
    process.say(&format!("start\n{lines}commit\n")).await?;
    Ok(process.line().await? == "start: ok\n" && process.line().await? == "commit: ok\n")
}
