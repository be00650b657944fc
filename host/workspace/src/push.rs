//! Pushes to `origin`, with the user's own connection settings, and never by force.

use crate::{
    base::is_branch_name,
    git::{Answer, Call, Git},
    neutral::Neutral,
    object::ObjectId,
    remote::{self, Transport},
    repository::Main,
};
use cyrus_core::WorkspaceError;
use std::{fmt::Display, time::Duration};

/// How long a push may take.
const PUSH_TIME: Duration = Duration::from_mins(20);

/// What the remote is called in the repository that is pushed from.
const REMOTE: &str = "destination";

/// The place that is pushed to.
pub(crate) struct Destination<'a> {
    git: &'a Git,
    neutral: &'a Neutral<'a>,
    connection: Vec<(String, String)>,
    address: String,
    transport: Transport,
}

impl<'a> Destination<'a> {
    /// Where `origin` is pushed to, with the user's own connection settings.
    pub(crate) async fn of(
        git: &'a Git,
        main: &Main,
        neutral: &'a Neutral<'a>,
        connection: Vec<(String, String)>,
    ) -> Result<Self, WorkspaceError> {
        let address = main.push_address(&connection).await?.ok_or_else(|| {
            refused("the repository has no `origin`: add one with `git remote add origin ADDRESS`")
        })?;
        let connection: Vec<_> =
            connection.into_iter().filter(|(key, _)| !remote::writes_anew(key)).collect();
        let transport = Transport::of(&address).map_err(refused)?;
        Ok(Self { git, neutral, connection, address, transport })
    }

    /// Pushes a commit to a branch, unless it is there.
    pub(crate) async fn push(&self, branch: &str, commit: &ObjectId) -> Result<(), WorkspaceError> {
        if !is_branch_name(self.git, branch).await? {
            return Err(refused(format!("{branch:?} cannot be a branch's name")));
        }
        let to = format!("refs/heads/{branch}");
        if self.list(&to).await?.iter().any(|(_, at)| at == commit.as_str()) {
            return Ok(());
        }
        let answer = self.pushed(&[&format!("{commit}:{to}")]).await?;
        let said = String::from_utf8_lossy(&answer.stdout);
        // `!<tab><from>:<to><tab>[rejected] (<reason>)`; what the remote itself refuses is `[remote rejected]`.
        if said.lines().any(|line| line.starts_with('!') && line.contains("\t[rejected]")) {
            let kept = format!("refs/heads/{branch}");
            return Err(WorkspaceError::Moved { branch: format!("{branch} of the origin"), kept });
        }
        self.succeeded(answer).map(drop)
    }

    /// Removes the branches with this beginning that are named after the commit they are at.
    pub(crate) async fn remove_named(&self, beginning: &str) -> Result<(), WorkspaceError> {
        let above = format!("refs/heads/{beginning}");
        let named = |(name, at): &(String, String)| {
            name.strip_prefix(&above).is_some_and(|rest| rest.len() == 12 && at.starts_with(rest))
        };
        let all = self.list(&format!("{above}*")).await?;
        for (name, at) in all.iter().filter(|branch| named(branch)) {
            // Only while it is there.
            let lease = format!("--force-with-lease={name}:{at}");
            self.pushed(&[&lease, &format!(":{name}")]).await.and_then(|a| self.succeeded(a))?;
        }
        Ok(())
    }

    /// The refs there with this name or pattern, and what each is at.
    async fn list(&self, pattern: &str) -> Result<Vec<(String, String)>, WorkspaceError> {
        let call = self.networked(self.neutral.call(&["ls-remote", REMOTE, pattern]));
        let listed = self.succeeded(self.git.run(call).await?)?;
        let text = String::from_utf8_lossy(&listed);
        let split = |line: &str| line.split_once('\t').map(|(at, name)| (name.into(), at.into()));
        Ok(text.lines().filter_map(split).collect())
    }

    async fn pushed(&self, what: &[&str]) -> Result<Answer, WorkspaceError> {
        let args = ["push", "--porcelain", "--no-verify", "--no-signed"];
        let (last, options) = what.split_last().unwrap_or((&"", &[]));
        let mut call = self.neutral.call(&args);
        for option in options {
            call = call.arg(*option);
        }
        self.git.run(self.networked(call.arg(REMOTE).arg(*last))).await
    }

    fn networked(&self, call: Call) -> Call {
        // The address may hold credentials: other users cannot read the environment.
        let url = (format!("remote.{REMOTE}.url"), self.address.clone());
        call.settings(self.connection.clone()).settings([url]).network(
            self.transport.protocol(),
            self.git.environment(),
            PUSH_TIME,
        )
    }

    fn succeeded(&self, mut answer: Answer) -> Result<Vec<u8>, WorkspaceError> {
        if answer.code == 0 {
            return Ok(answer.stdout);
        }
        answer.stderr = remote::redact(&answer.stderr, &self.address);
        Err(answer.into_error())
    }
}

fn refused(why: impl Display) -> WorkspaceError {
    WorkspaceError::Unacceptable(format!("cannot push: {why}"))
}
