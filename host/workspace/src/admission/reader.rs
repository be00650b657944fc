//! Reads objects from one git that stays: `cat-file --batch`.

use super::{COMMIT_BYTES, refused};
use crate::{
    error::unreadable,
    git::{Call, Git},
    object::ObjectId,
};
use cyrus_core::WorkspaceError;
use cyrus_sandbox::{Child, ChildOutput, ChildStdin};
use std::{collections::HashMap, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    time::timeout,
};

/// The most of trees that is read for one result, in bytes. A tree of 400,000 files has 20 MiB.
const TREE_BYTES: u64 = 96 << 20;

/// How long one answer may take.
const ANSWER_TIME: Duration = Duration::from_mins(2);

/// Prints an object's type and size.
pub(super) const SIZES: &str = "--batch-check=%(objectname) %(objectsize)";

/// A git that is asked for objects.
pub(super) struct ObjectReader {
    stdin: ChildStdin,
    stdout: BufReader<ChildOutput>,
    /// What may still be read of trees.
    left: u64,
    /// Ends it.
    _git: Child,
}

/// One object, or that there is none.
struct Object {
    kind: String,
    content: Vec<u8>,
}

impl ObjectReader {
    pub(super) async fn start(git: &Git, call: Call) -> Result<Self, WorkspaceError> {
        let mut child = git.spawn(call).await?;
        let pipes = (child.take_stdin(), child.take_stdout());
        let (Some(stdin), Some(stdout)) = pipes else { return Err(unreadable("cat-file --batch")) };
        Ok(Self { stdin, stdout: BufReader::new(stdout), left: TREE_BYTES, _git: child })
    }

    /// The tree of a commit. `None`: there is no such commit.
    pub(super) async fn tree_of(
        &mut self,
        commit: &ObjectId,
    ) -> Result<Option<ObjectId>, WorkspaceError> {
        let too_long = || {
            refused(format!(
                "the commit {commit} says more than {COMMIT_BYTES} bytes: shorten its message"
            ))
        };
        let found = self.read(&[commit], COMMIT_BYTES, &too_long).await?.pop().flatten();
        let Some(Object { content, .. }) = found.filter(|found| found.kind == "commit") else {
            return Ok(None);
        };
        let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let tree = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("tree "));
        let tree = tree.and_then(ObjectId::parse);
        tree.map(Some).ok_or_else(|| refused(format!("{commit} names no tree")))
    }

    /// The trees of these names, as they are stored.
    pub(super) async fn trees(
        &mut self,
        names: &[ObjectId],
    ) -> Result<HashMap<ObjectId, Vec<u8>>, WorkspaceError> {
        let wanted: Vec<_> = names.iter().collect();
        let too_long = || {
            refused(format!(
                "its directories, without the files in them, have more than {TREE_BYTES} bytes: divide it"
            ))
        };
        let found = self.read(&wanted, self.left, &too_long).await?;
        let mut trees = HashMap::with_capacity(names.len());
        for (name, tree) in names.iter().zip(found) {
            let tree = tree.filter(|tree| tree.kind == "tree").ok_or_else(|| {
                refused(format!("the tree {name} is not there: commit it with all that is in it"))
            })?;
            self.left = self.left.saturating_sub(tree.content.len() as u64);
            trees.insert(name.clone(), tree.content);
        }
        Ok(trees)
    }

    /// Asks for objects, which together may be this long.
    async fn read(
        &mut self,
        names: &[&ObjectId],
        most: u64,
        too_long: &(dyn Fn() -> WorkspaceError + Sync),
    ) -> Result<Vec<Option<Object>>, WorkspaceError> {
        let question = lines(names.iter().map(|name| name.as_str()));
        let Self { stdin, stdout, .. } = self;
        let answer = async {
            let (mut found, mut left) = (Vec::with_capacity(names.len()), most);
            for _ in names {
                found.push(object(stdout, &mut left, too_long).await?);
            }
            Ok(found)
        };
        // Git answers while it is asked, and waits for its answers to be read.
        let both = async { tokio::join!(stdin.write_all(&question), answer).1 };
        timeout(ANSWER_TIME, both).await.unwrap_or_else(|_| {
            let seconds = ANSWER_TIME.as_secs();
            Err(refused(format!("git does not read its objects within {seconds} s")))
        })
    }
}

/// Reads `<name> <type> <size>\n<content>\n`, or `<name> missing\n`.
async fn object(
    stdout: &mut BufReader<ChildOutput>,
    left: &mut u64,
    too_long: &(dyn Fn() -> WorkspaceError + Sync),
) -> Result<Option<Object>, WorkspaceError> {
    let gone =
        |_: std::io::Error| refused("git cannot read its objects within its limits".to_owned());
    let mut line = Vec::new();
    (&mut *stdout).take(256).read_until(b'\n', &mut line).await.map_err(gone)?;
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    let words: Vec<_> = line.split(' ').collect();
    let &[_, kind, size] = &words[..] else {
        return if line.ends_with(" missing") { Ok(None) } else { Err(broken(&line)) };
    };
    let size: u64 = size.parse().map_err(|_| unreadable("cat-file --batch"))?;
    *left = left.checked_sub(size).ok_or_else(too_long)?;
    let mut content = vec![0; usize::try_from(size).map_err(|_| too_long())?];
    stdout.read_exact(&mut content).await.map_err(gone)?;
    stdout.read_u8().await.map_err(gone)?;
    Ok(Some(Object { kind: kind.to_owned(), content }))
}

/// One name on each line.
fn lines<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u8> {
    names.flat_map(|name| [name.as_bytes(), b"\n"]).flatten().copied().collect()
}

fn broken(line: &str) -> WorkspaceError {
    if line.is_empty() {
        return refused(
            "git cannot read its objects within its limits, or they are broken".to_owned(),
        );
    }
    unreadable("cat-file --batch")
}

/// How long each of these objects is, in bytes; those that are not there have no size.
pub(super) async fn sizes(
    git: &Git,
    call: Call,
    names: &[ObjectId],
) -> Result<HashMap<ObjectId, u64>, WorkspaceError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let question = lines(names.iter().map(ObjectId::as_str));
    let answer = git.output(call.stdin(question)).await?;
    let read = |line: &str| {
        let (name, size) = line.split_once(' ')?;
        Some((ObjectId::parse(name)?, size.parse().ok()?))
    };
    Ok(String::from_utf8_lossy(&answer).lines().filter_map(read).collect())
}
