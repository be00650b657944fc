//! Pushes a result to `origin`, with the user's own connection settings, and never by force.

use crate::{
    git::{Answer, Call, Git},
    neutral::Neutral,
    object::ObjectId,
    remote::{self, Transport},
    repository::{Main, is_branch_name},
};
use cyrus_core::WorkspaceError;
use std::time::Duration;

/// How long a push may take.
const PUSH_TIME: Duration = Duration::from_mins(20);

/// What the remote is called in the repository that is pushed from.
const REMOTE: &str = "destination";

/// Pushes a commit to a branch, unless it is there.
pub(crate) async fn push(
    git: &Git,
    main: &Main,
    neutral: &Neutral<'_>,
    connection: Vec<(String, String)>,
    (branch, commit): (&str, &ObjectId),
) -> Result<(), WorkspaceError> {
    let refused = |why: String| WorkspaceError::Unacceptable(format!("cannot push: {why}"));
    if !is_branch_name(git, branch).await? {
        return Err(refused(format!("{branch:?} cannot be a branch's name")));
    }
    let address = main.push_address().await?.ok_or_else(|| {
        refused(
            "the repository has no `origin`: add one with `git remote add origin ADDRESS`"
                .to_owned(),
        )
    })?;
    let transport = Transport::of(&address).map_err(refused)?;
    let to = format!("refs/heads/{branch}");
    let networked = |call: Call| {
        // The address may hold credentials: other users cannot read the environment.
        let url = (format!("remote.{REMOTE}.url"), address.clone());
        call.settings(connection.clone()).settings([url]).network(
            transport.protocol(),
            git.environment(),
            PUSH_TIME,
        )
    };
    let list = networked(neutral.call(&["ls-remote", REMOTE, &to]));
    let listed = succeeded(git.run(list).await?, &address)?;
    if String::from_utf8_lossy(&listed).split_whitespace().next() == Some(commit.as_str()) {
        return Ok(());
    }
    let args = ["push", "--porcelain", "--no-verify", "--no-signed", REMOTE];
    let call = networked(neutral.call(&args)).arg(format!("{commit}:{to}"));
    let answer = git.run(call).await?;
    let said = String::from_utf8_lossy(&answer.stdout);
    // `!<tab><from>:<to><tab>[rejected] (<reason>)`; what the remote itself refuses is `[remote rejected]`.
    if said.lines().any(|line| line.starts_with('!') && line.contains("\t[rejected]")) {
        let kept = format!("refs/heads/{branch}");
        return Err(WorkspaceError::Moved { branch: format!("{branch} of the origin"), kept });
    }
    succeeded(answer, &address).map(drop)
}

fn succeeded(mut answer: Answer, address: &str) -> Result<Vec<u8>, WorkspaceError> {
    if answer.code == 0 {
        return Ok(answer.stdout);
    }
    answer.stderr = remote::redact(&answer.stderr, address);
    Err(answer.into_error())
}
