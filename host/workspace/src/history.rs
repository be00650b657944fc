//! The commits that an executor made in its clone, as they are taken: by the user, without signatures and other headers,
//! and with messages that hold no control characters and refer to no person and no issue. An executor's commits are
//! published as the user's, and a forge acts on what such a message says.
//!
//! Commits that are so stay as they are. Otherwise the first that is not, and all that come from it, are made anew with
//! the same files.

use crate::{
    commit::NewCommit, diff::batch, error::unreadable, object::ObjectId, scratch::Scratch,
    user::Identity,
};
use cyrus_core::WorkspaceError;
use cyrus_executor::text::message;
use std::{collections::HashMap, fmt::Write as _};

/// The most commits that are made anew.
const MOST: usize = 1000;

/// What is taken in the place of an executor's `HEAD`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) head: ObjectId,
    /// For people, where it is not what the executor made.
    pub(crate) note: Option<String>,
}

/// The commits that lead to `head` and not to `start`, as they are taken. Where too many would have to be made anew, that
/// is `start`: what they did becomes one commit with what is not committed.
pub(crate) async fn taken(
    scratch: &Scratch,
    start: &ObjectId,
    head: &ObjectId,
    identity: &Identity,
) -> Result<Taken, WorkspaceError> {
    const WHY: &str = "they were by another, had a signature or other headers, or a message that refers to people or issues or has control characters";
    if start == head {
        return Ok(Taken { head: head.clone(), note: None });
    }
    let args = ["rev-list", "--topo-order", "--reverse", "--parents"];
    let call = scratch.call(&args).arg(head.as_str()).arg(format!("^{start}"));
    let listed = scratch.git().text(call).await?;
    let commits: Option<Vec<Vec<ObjectId>>> =
        listed.lines().map(|line| line.split(' ').map(ObjectId::parse).collect()).collect();
    let commits = commits.ok_or_else(|| unreadable("rev-list --parents"))?;
    let names = commits.iter().fold(String::new(), |mut all, commit| {
        let _ = writeln!(all, "{}", commit[0]);
        all
    });
    let call = scratch.call(&["cat-file", "--batch"]).stdin(names.into_bytes());
    let contents = batch(&scratch.git().output(call).await?);
    let contents = contents.filter(|contents| contents.len() == commits.len());
    let contents = contents.ok_or_else(|| unreadable("cat-file --batch"))?;
    let mut anew: HashMap<&ObjectId, ObjectId> = HashMap::new();
    for (commit, content) in commits.iter().zip(&contents) {
        let [name, parents @ ..] = &commit[..] else { continue };
        let read = Commit::read(content).ok_or_else(|| unreadable("cat-file commit"))?;
        if read.is_plain(identity) && !parents.iter().any(|parent| anew.contains_key(parent)) {
            continue;
        }
        if anew.len() == MOST {
            let note = format!(
                "the {} commits of the executor became one, because more than {MOST} would have had to be made anew: {WHY}",
                commits.len()
            );
            return Ok(Taken { head: start.clone(), note: Some(note) });
        }
        let parents: Vec<_> =
            parents.iter().map(|parent| anew.get(parent).unwrap_or(parent)).collect();
        let new = NewCommit {
            tree: &read.tree,
            parents: &parents,
            message: &(message(&read.message) + "\n"),
            identity,
            date: Some(read.seconds),
        };
        let made = scratch.commit(&new).await?;
        anew.insert(name, made);
    }
    let note = match anew.len() {
        0 => None,
        count => Some(format!("{count} commits of the executor were made anew: {WHY}")),
    };
    Ok(Taken { head: anew.get(head).unwrap_or(head).clone(), note })
}

/// What a commit says.
#[derive(Debug, PartialEq, Eq)]
struct Commit {
    tree: ObjectId,
    /// Names and addresses: the author's, the committer's.
    people: [String; 2],
    /// When the author made it, since 1970.
    seconds: u64,
    /// Whether it has other headers: a signature, an encoding.
    has_more: bool,
    message: String,
}

impl Commit {
    fn read(content: &[u8]) -> Option<Self> {
        let end = content.windows(2).position(|pair| pair == b"\n\n");
        let (head, message) = match end {
            Some(end) => (&content[..end], &content[end + 2..]),
            None => (content.strip_suffix(b"\n").unwrap_or(content), &[][..]),
        };
        let head = String::from_utf8_lossy(head);
        let (mut tree, mut author, mut committer, mut has_more) = (None, None, None, false);
        for line in head.lines() {
            match line.split_once(' ') {
                Some(("tree", name)) if tree.is_none() => tree = ObjectId::parse(name),
                Some(("parent", _)) => {}
                Some(("author", who)) if author.is_none() => author = person(who),
                Some(("committer", who)) if committer.is_none() => committer = person(who),
                _ => has_more = true,
            }
        }
        let ((author, seconds), (committer, _)) = (author?, committer?);
        Some(Self {
            tree: tree?,
            people: [author, committer],
            seconds,
            has_more,
            message: String::from_utf8_lossy(message).into_owned(),
        })
    }

    fn is_plain(&self, identity: &Identity) -> bool {
        let shown = |(name, email): (&str, &str)| format!("{name} <{email}>");
        let own = shown((&identity.name, &identity.email));
        let committer = shown(identity.committer());
        let [by, through] = &self.people;
        !self.has_more
            && *by == own
            && [own, committer].contains(through)
            && message(&self.message) == self.message.trim_end()
    }
}

/// Reads `<name> <<address>> <seconds> <zone>`.
fn person(text: &str) -> Option<(String, u64)> {
    let (who, when) = text.rsplit_once("> ")?;
    let seconds = when.split(' ').next()?.parse().unwrap_or(0);
    Some((format!("{who}>"), seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_plain_when_it_is_the_users_and_refers_to_nothing() {
        let identity = Identity::of("Ada".into(), "ada@example.com".into());
        let tree = "a".repeat(40);
        let of = |who: &str, more: &str, message: &str| {
            let text = format!(
                "tree {tree}\nparent {tree}\nauthor {who} 12 +0100\ncommitter {who} 13 +0000\n{more}\n{message}"
            );
            Commit::read(text.as_bytes()).unwrap()
        };
        let own = "Ada <ada@example.com>";
        for (who, more, message, expected) in [
            (own, "", "Add x\n\nIt was missing.\n", true),
            (own, "", "", true),
            (own, "", "Add x\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n", true),
            ("Eve <ada@example.com>", "", "Add x\n", false),
            (own, "gpgsig -----BEGIN PGP SIGNATURE-----\n x\n", "Add x\n", false),
            (own, "encoding latin1\n", "Add x\n", false),
            (own, "", "Fixes #12\n", false),
            (own, "", "Add x\n\nThanks @octocat\n", false),
            (own, "", "Add \u{1b}[31mx\n", false),
        ] {
            assert_eq!(
                of(who, more, message).is_plain(&identity),
                expected,
                "{who} {more}{message}"
            );
        }
        assert_eq!(of(own, "", "x").seconds, 12);
        assert_eq!(Commit::read(b"tree x"), None);
    }
}
