//! What a session starts from, by who chose it.

use crate::{base::is_branch_name, git::Git, object::ObjectId, repository::Main};
use cyrus_core::WorkspaceError;

/// Below which the branches of sessions are.
const OF_SESSIONS: &str = "cyrus/";

/// What a session starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// What is checked out.
    CheckedOut,
    /// Anything that git resolves to a commit, because the operator names it.
    Operator(&'a str),
    /// A branch that the text of an issue names: one of the repository's own, and nothing else. The definitions of the
    /// checks and the set-up are those of the commit that a session starts from, so that a free choice of the commit
    /// is a choice of the commands.
    Issue(&'a str),
}

/// The commit of a branch of the repository's own, or of one that `origin` has. Fails with why the name is neither.
pub(crate) async fn issue_branch(
    git: &Git,
    main: &Main,
    name: &str,
) -> Result<Result<ObjectId, String>, WorkspaceError> {
    let refused = |why: &str| {
        Ok(Err(format!(
            "the issue asks to start from {name:?}, and {why}: an issue may name a branch of the repository; give --base to start from anything else"
        )))
    };
    if !is_branch_name(git, name).await? {
        return refused("that cannot be a branch's name");
    }
    if name.starts_with(OF_SESSIONS) {
        return refused("that is the branch of a session, whose result was not reviewed");
    }
    // Listed and compared: `rev-parse` takes `refs/heads/x-g0123456` for the commit 0123456 where there is no such ref.
    if let Some(commit) = exact(main, &format!("refs/heads/{name}")).await? {
        return match main.setting(&format!("branch.{name}.merge")).await? {
            Some(from) if !from.starts_with("refs/heads/") => {
                refused(&format!("that branch follows {from}, which is no branch of a remote"))
            }
            _ => match main.setting(&format!("branch.{name}.remote")).await? {
                Some(remote) if remote.contains([':', '/']) => {
                    refused("that branch follows another repository, not a remote of this one")
                }
                _ => Ok(Ok(commit)),
            },
        };
    }
    let tracking = format!("refs/remotes/origin/{name}");
    let Some(commit) = exact(main, &tracking).await? else {
        return refused("there is no such branch");
    };
    let refspecs = main.settings("remote.origin.fetch").await?;
    let own = format!("refs/heads/{name}");
    let mut sources = refspecs.iter().filter_map(|refspec| source(refspec, &tracking)).peekable();
    if sources.peek().is_none() || sources.any(|source| source != own) {
        return refused(&format!("{tracking} is not fetched from the branch {name} of origin"));
    }
    Ok(Ok(commit))
}

/// What a ref of exactly this name points at.
async fn exact(main: &Main, name: &str) -> Result<Option<ObjectId>, WorkspaceError> {
    let all = main.refs(name).await?;
    Ok(all.into_iter().find(|(found, _)| found == name).map(|(_, commit)| commit))
}

/// What a refspec of a fetch writes to this ref.
fn source(refspec: &str, target: &str) -> Option<String> {
    let refspec = refspec.strip_prefix('+').unwrap_or(refspec);
    let (from, to) = refspec.split_once(':').filter(|_| !refspec.starts_with('^'))?;
    let Some((before, after)) = to.split_once('*') else {
        return (to == target).then(|| from.to_owned());
    };
    let middle = target.strip_prefix(before)?.strip_suffix(after)?;
    Some(from.replacen('*', middle, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refspec_says_what_a_tracking_ref_comes_from() {
        let of = |refspec| source(refspec, "refs/remotes/origin/pr/7");
        let pulls = "+refs/pull/*/head:refs/remotes/origin/pr/*";
        assert_eq!(of(pulls).as_deref(), Some("refs/pull/7/head"));
        assert_eq!(of("+refs/heads/*:refs/remotes/origin/*").as_deref(), Some("refs/heads/pr/7"));
        assert_eq!(
            of("refs/pull/7/head:refs/remotes/origin/pr/7").as_deref(),
            Some("refs/pull/7/head")
        );
        for other in
            ["^refs/heads/pr/7", "refs/heads/main:refs/remotes/origin/main", "refs/heads/main"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
