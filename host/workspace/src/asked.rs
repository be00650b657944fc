//! A `git cat-file` that stays and is asked what names mean and what files hold. An answer of it takes a tenth of the
//! time that starting a git takes, of which a session would start some twenty. It sees what others write meanwhile.
//!
//! Where there is none (git older than 2.36) or it ended (an object that is broken, a limit), there is no answer here,
//! and the caller starts a git for the question.

use crate::{
    confinement::Confinement,
    git::Git,
    object::ObjectId,
    staying::{Idle, Process},
};
use std::{
    io::{self, ErrorKind},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::timeout;

/// How long an answer may take.
const TIME: Duration = Duration::from_mins(1);

/// The longest content that is read this way, in bytes.
const CONTENT_BYTES: usize = 8 << 20;

/// One for each repository that was asked about.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    idle: Idle,
    unknown: AtomicBool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Info,
    Contents,
}

/// The first line of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    object: ObjectId,
    kind: Kind,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Blob,
    Commit,
    Other,
}

impl Asked {
    /// The object of a name. The outer `None`: ask otherwise.
    pub(crate) async fn object(
        &self,
        git: &Git,
        repository: &Path,
        name: &str,
    ) -> Option<Option<ObjectId>> {
        let (head, _) = self.ask(git, repository, Question::Info, name).await?;
        Some(head.map(|head| head.object))
    }

    /// The content of the file that a name means. The outer `None`: ask otherwise.
    pub(crate) async fn content(
        &self,
        git: &Git,
        repository: &Path,
        name: &str,
    ) -> Option<Option<Vec<u8>>> {
        let (head, content) = self.ask(git, repository, Question::Contents, name).await?;
        Some(head.filter(|head| head.kind == Kind::Blob).map(|_| content))
    }

    /// The content of a commit. `None`: ask otherwise.
    pub(crate) async fn commit(
        &self,
        git: &Git,
        repository: &Path,
        commit: &ObjectId,
    ) -> Option<Vec<u8>> {
        let (head, content) =
            self.ask(git, repository, Question::Contents, commit.as_str()).await?;
        (head?.kind == Kind::Commit).then_some(content)
    }

    /// How large each of these objects is, in bytes. `None`: ask otherwise.
    pub(crate) async fn sizes(
        &self,
        git: &Git,
        repository: &Path,
        objects: &[&ObjectId],
    ) -> Option<Vec<u64>> {
        let mut sizes = Vec::new();
        for object in objects {
            let (head, _) = self.ask(git, repository, Question::Info, object.as_str()).await?;
            sizes.push(head?.bytes as u64);
        }
        Some(sizes)
    }

    /// The content of each of these blobs. `None`: ask otherwise.
    pub(crate) async fn contents(
        &self,
        git: &Git,
        repository: &Path,
        blobs: &[&ObjectId],
    ) -> Option<Vec<Vec<u8>>> {
        let mut contents = Vec::new();
        for blob in blobs {
            contents.push(self.content(git, repository, blob.as_str()).await??);
        }
        Some(contents)
    }

    async fn ask(
        &self,
        git: &Git,
        repository: &Path,
        question: Question,
        name: &str,
    ) -> Option<(Option<Head>, Vec<u8>)> {
        // A name is a line.
        if name.contains(['\n', '\0']) || self.unknown.load(Ordering::Relaxed) {
            return None;
        }
        let known = self.idle.take(repository);
        let is_new = known.is_none();
        let mut process = if let Some(process) = known {
            process
        } else {
            let call = git.in_main(repository, &["cat-file", "--batch-command"]).await.ok()?;
            Process::start(git, call.confined(Confinement::only_limits())).await?
        };
        match timeout(TIME, answer(&mut process, question, name)).await {
            Ok(Ok(answer)) => {
                self.idle.give_back(repository, process);
                Some(answer)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a git that stays did not answer");
                // One that says nothing at all does not know the command.
                let ended = error.kind() == ErrorKind::UnexpectedEof;
                self.unknown.fetch_or(is_new && ended, Ordering::Relaxed);
                None
            }
            Err(_) => None,
        }
    }
}

async fn answer(
    process: &mut Process,
    question: Question,
    name: &str,
) -> io::Result<(Option<Head>, Vec<u8>)> {
    let word = match question {
        Question::Info => "info",
        Question::Contents => "contents",
    };
    process.say(&format!("{word} {name}\n")).await?;
    let Some(head) = Head::parse(&process.line().await?) else { return Ok((None, Vec::new())) };
    let mut content = Vec::new();
    if question == Question::Contents {
        if head.bytes > CONTENT_BYTES {
            return Err(ErrorKind::FileTooLarge.into());
        }
        // And the end of the line after it.
        content = process.bytes(head.bytes + 1).await?;
        content.pop();
    }
    Ok((Some(head), content))
}

impl Head {
    /// Reads `<object> <kind> <bytes>`; anything else says that there is no such object.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim_end().split(' ');
        let (object, kind, bytes) = (words.next()?, words.next()?, words.next()?);
        let object = ObjectId::parse(object)?;
        let kind = match kind {
            "blob" => Kind::Blob,
            "commit" => Kind::Commit,
            "tree" | "tag" => Kind::Other,
            _ => return None,
        };
        words.next().is_none().then_some(())?;
        Some(Self { object, kind, bytes: bytes.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_is_none() {
        let object = "3b18e512dba79e4c8300dd08aeb37f8e728b8dad";
        let head = Head::parse(&format!("{object} blob 12\n")).unwrap();
        assert_eq!((head.object.as_str(), head.kind, head.bytes), (object, Kind::Blob, 12));
        for (kind, expected) in
            [("commit", Kind::Commit), ("tree", Kind::Other), ("tag", Kind::Other)]
        {
            let line = format!("{object} {kind} 200\n");
            assert_eq!(Head::parse(&line).unwrap().kind, expected);
        }
        for none in [
            "HEAD:none missing\n".to_owned(),
            "abc ambiguous\n".to_owned(),
            format!("{object} missing\n"),
            format!("{object} note 12\n"),
            format!("{object} blob\n"),
            format!("{object} blob x\n"),
            format!("{object} blob 1 2\n"),
            format!("{object} blob 3 missing\n"),
        ] {
            assert_eq!(Head::parse(&none), None, "{none}");
        }
    }
}
