//! A repository of the host's own, made after an execution has ended and thrown away after its result was brought
//! in. Git works on what an executor left only from in here: this repository's configuration, attributes and
//! ignored files are the host's, whatever the clone's are.

use crate::{
    clone::borrowing,
    commit::NewCommit,
    environment::GitEnvironment,
    error::{in_background, io, unreadable},
    git::{Call, Git},
    granted::{self, GrantedWay},
    harvest,
    layout::{TaskDir, copy_index},
    object::ObjectId,
    place::Place,
    remote,
    repository::Main,
};
use cyrus_core::WorkspaceError;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a fetch from a remote may take.
const FETCH_TIME: Duration = Duration::from_mins(20);

/// See the module.
pub(crate) struct Scratch {
    git: Git,
    directory: tempfile::TempDir,
}

impl Scratch {
    pub(crate) async fn new(
        git: &Git,
        main: &Main,
        task: &TaskDir,
    ) -> Result<Self, WorkspaceError> {
        let directory = task.scratch("scratch-")?;
        borrowing(git, main, directory.path(), &["--bare"]).await?;
        Ok(Self { git: git.clone(), directory })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn call(&self, args: &[&str]) -> Call {
        Call::new(self.path(), args).env("GIT_DIR", self.path())
    }

    /// A run over the files of a working tree, with an index of this repository's own.
    fn over(&self, tree: &Path, args: &[&str]) -> Call {
        Call::new(tree, args)
            .env("GIT_DIR", self.path())
            .env("GIT_WORK_TREE", tree)
            .env("GIT_INDEX_FILE", self.index())
    }

    fn index(&self) -> PathBuf {
        self.path().join("index")
    }

    /// Takes in the commits of a clone; gives its `HEAD`, when it has one.
    pub(crate) async fn absorb(
        &self,
        clone: &Path,
        known: &ObjectId,
    ) -> Result<Option<ObjectId>, WorkspaceError> {
        let Some(head) = harvest::head(&clone.join(".git")) else {
            tracing::warn!(clone = %clone.display(), "no plain repository: only its files are taken");
            return Ok(None);
        };
        if head == *known {
            return Ok(Some(head));
        }
        let (from, to) = (clone.join(".git"), self.path().to_owned());
        let copy = move || harvest::copy_objects(&from, &to);
        let packs = in_background("copy the executor's commits", copy).await?;
        for pack in packs {
            let answer = self.git.run(self.call(&["index-pack"]).arg(pack)).await?;
            refuse("a pack in the executor's clone is broken", answer.code, &answer.stderr)?;
        }
        if !self.has_commit(&head).await? {
            return Err(WorkspaceError::Unacceptable(format!(
                "HEAD of the executor's clone is {head}, which is no commit there"
            )));
        }
        Ok(Some(head))
    }

    pub(crate) async fn has_commit(&self, name: &ObjectId) -> Result<bool, WorkspaceError> {
        let call = self.call(&["cat-file", "-e"]).arg(format!("{name}^{{commit}}"));
        Ok(self.git.run(call).await?.code == 0)
    }

    /// The files of a working tree as a tree object: those of the commit it started from, and what was changed,
    /// removed or added since, ignored files apart. Repositories inside of it are not looked into.
    pub(crate) async fn snapshot(
        &self,
        tree: &Path,
        start: &ObjectId,
        checked_out: &Path,
    ) -> Result<ObjectId, WorkspaceError> {
        self.read_tree(tree, start, checked_out).await?;
        let call = self.over(tree, &["diff-files", "--name-status", "--no-renames", "-z"]);
        let changed =
            self.git.output(call.arg("--no-ext-diff").arg("--ignore-submodules=all")).await?;
        let (removed, mut present) =
            name_status(&changed).ok_or_else(|| unreadable("diff-files --name-status"))?;
        let call = self.over(tree, &["ls-files", "-z", "--others", "--exclude-standard"]);
        let others = self.git.output(call).await?;
        // A name that ends in a slash is a repository inside of this one.
        let files = others.split_inclusive(|b| *b == 0).filter(|name| !name.ends_with(b"/\0"));
        present.extend(files.flatten());
        let update = ["update-index", "-z"];
        for (args, paths) in
            [(&["--force-remove"][..], removed), (&["--add", "--remove", "--replace"], present)]
        {
            if !paths.is_empty() {
                let call = self.over(tree, &[&update[..], args, &["--stdin"]].concat());
                self.git.output(call.stdin(paths)).await?;
            }
        }
        let written = self.git.text(self.over(tree, &["write-tree"])).await?;
        ObjectId::parse(&written).ok_or_else(|| unreadable("write-tree"))
    }

    /// Fills the index from a commit. What is known of the files that were checked out is used where it still
    /// holds, so that only changed ones have to be read.
    async fn read_tree(
        &self,
        tree: &Path,
        start: &ObjectId,
        checked_out: &Path,
    ) -> Result<(), WorkspaceError> {
        let index = self.index();
        if checked_out.is_file() {
            copy_index(checked_out, &index)?;
            let merge = self.over(tree, &["read-tree", "-m", start.as_str()]);
            if self.git.run(merge).await?.code == 0 {
                return Ok(());
            }
            fs::remove_file(&index).map_err(io("cannot remove", &index))?;
        }
        let answer = self.git.run(self.over(tree, &["read-tree", start.as_str()])).await?;
        refuse("the executor's commit does not hold files", answer.code, &answer.stderr)
    }

    /// The tree of a commit.
    pub(crate) async fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, WorkspaceError> {
        let call = self.call(&["rev-parse", "--verify"]).arg(format!("{commit}^{{tree}}"));
        ObjectId::parse(&self.git.text(call).await?).ok_or_else(|| unreadable("rev-parse"))
    }

    /// Whether a commit has this tree and these parents.
    pub(crate) async fn is_same(
        &self,
        commit: &ObjectId,
        wanted: &NewCommit<'_>,
    ) -> Result<bool, WorkspaceError> {
        let call = self.call(&["rev-list", "--parents", "--max-count=1", commit.as_str()]);
        let line = self.git.text(call).await?;
        let parents: Vec<_> = line.split_whitespace().skip(1).collect();
        let wanted_parents: Vec<_> = wanted.parents.iter().map(|parent| parent.as_str()).collect();
        Ok(parents == wanted_parents && self.tree_of(commit).await? == *wanted.tree)
    }

    pub(crate) async fn is_ancestor(
        &self,
        old: &ObjectId,
        new: &ObjectId,
    ) -> Result<bool, WorkspaceError> {
        let call = self.call(&["merge-base", "--is-ancestor", old.as_str(), new.as_str()]);
        Ok(self.git.maybe(call).await?.is_some())
    }

    pub(crate) async fn commit(&self, new: &NewCommit<'_>) -> Result<ObjectId, WorkspaceError> {
        new.make(&self.git, self.call(&[])).await
    }

    /// Fetches a branch; gives its commit. `connection` is the user's own settings.
    pub(crate) async fn fetch(
        &self,
        place: &Place,
        branch: &str,
        connection: &[(String, String)],
    ) -> Result<ObjectId, WorkspaceError> {
        let user = self.git.environment();
        match place {
            Place::Origin { address, transport } => {
                self.fetch_from(address, transport.protocol(), branch, connection.to_vec(), user)
                    .await
            }
            Place::Granted { address, rules, credentials } => {
                let way = GrantedWay::open(rules.clone(), FETCH_TIME).await?;
                let settings = way.settings(connection, *credentials)?;
                let environment = granted::environment(user, self.path(), *credentials);
                let fetched =
                    self.fetch_from(address, "https", branch, settings, &environment).await;
                fetched.map_err(|error| match way.problem() {
                    None => error,
                    Some(problem) => WorkspaceError::Unacceptable(format!(
                        "cannot fetch {branch} from {address}: {problem}"
                    )),
                })
            }
        }
    }

    /// The address may hold credentials: it is passed in the environment, where other users cannot read it.
    async fn fetch_from(
        &self,
        address: &str,
        protocol: &'static str,
        branch: &str,
        settings: Vec<(String, String)>,
        environment: &GitEnvironment,
    ) -> Result<ObjectId, WorkspaceError> {
        const FETCHED: &str = "refs/cyrus/fetched";
        let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "source"];
        let call = self
            .call(&args)
            .arg(format!("+refs/heads/{branch}:{FETCHED}"))
            .settings(settings)
            .settings([("remote.source.url".to_owned(), address.to_owned())])
            .network(protocol, environment, FETCH_TIME);
        let mut answer = self.git.run(call).await?;
        if answer.code != 0 {
            answer.stderr = remote::redact(&answer.stderr, address);
            return Err(answer.into_error());
        }
        let call = self.call(&["rev-parse", "--verify"]).arg(format!("{FETCHED}^{{commit}}"));
        ObjectId::parse(&self.git.text(call).await?).ok_or_else(|| unreadable("rev-parse"))
    }

    /// Brings a commit, with all it needs, into the main repository, and checks every object on the way. No ref
    /// names it there yet.
    pub(crate) async fn hand_over(
        &self,
        main: &Main,
        commit: &ObjectId,
    ) -> Result<(), WorkspaceError> {
        let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--"];
        let call = main.call(&args).await?.arg(self.path()).arg(commit.as_str());
        let answer = self.git.run(call).await?;
        refuse("git's checks of its objects failed", answer.code, &answer.stderr)
    }
}

fn refuse(problem: &str, code: i32, said: &str) -> Result<(), WorkspaceError> {
    if code == 0 {
        return Ok(());
    }
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Err(WorkspaceError::Unacceptable(format!("{problem}{said}")))
}

/// Splits `--name-status -z` into the paths that are gone and those that are there, each ended by a zero byte.
fn name_status(output: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut removed, mut present) = (Vec::new(), Vec::new());
    let mut fields = output.split_inclusive(|b| *b == 0);
    while let Some(status) = fields.next() {
        let list = if status == b"D\0" { &mut removed } else { &mut present };
        list.extend_from_slice(fields.next()?);
    }
    Some((removed, present))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_and_present_paths_are_told_apart() {
        let (removed, present) = name_status(b"M\0a b\0D\0gone\0T\0link\0").unwrap();
        assert_eq!((removed, present), (b"gone\0".to_vec(), b"a b\0link\0".to_vec()));
        assert_eq!(name_status(b""), Some((vec![], vec![])));
        assert_eq!(name_status(b"M\0"), None);
    }
}
