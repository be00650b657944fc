//! A repository of the host's own, made after an execution has ended and thrown away after its result was brought
//! in. Git works on what an executor left only from in here: this repository's configuration, attributes and
//! ignored files are the host's, whatever the clone's are.

use crate::{
    admission::{Admission, Leftovers, ResultLimits, Tally, scan_packs},
    clone::borrowing,
    commit::NewCommit,
    confinement::Confinement,
    environment::GitEnvironment,
    error::{in_background, unreadable},
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
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::OnceCell;

/// How long a fetch from a remote may take.
const FETCH_TIME: Duration = Duration::from_mins(20);

/// See the module.
pub(crate) struct Scratch {
    git: Git,
    directory: tempfile::TempDir,
    limits: ResultLimits,
    /// The bytes of an object's name.
    hash_bytes: usize,
    /// Where the objects are that it borrows.
    borrowed: Vec<PathBuf>,
    /// A clone, and where the programs of the executor found it: what they wrote names that path.
    clone: Option<(PathBuf, PathBuf)>,
    absorbed: OnceCell<()>,
}

impl Scratch {
    pub(crate) async fn new(
        git: &Git,
        main: &Main,
        task: &TaskDir,
        limits: ResultLimits,
    ) -> Result<Self, WorkspaceError> {
        let directory = task.scratch("scratch-")?;
        borrowing(git, main, directory.path(), None).await?;
        let hash_bytes = if main.format == "sha256" { 32 } else { 20 };
        let borrowed = main.object_directories();
        Ok(Self {
            git: git.clone(),
            directory,
            limits,
            hash_bytes,
            borrowed,
            clone: None,
            absorbed: OnceCell::new(),
        })
    }

    /// With this clone, which its programs found at another path.
    pub(crate) fn of_clone(mut self, clone: &Path, seen: Option<PathBuf>) -> Self {
        self.clone = seen.map(|seen| (clone.to_owned(), seen));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    pub(crate) fn call(&self, args: &[&str]) -> Call {
        Call::new(self.path(), args).env("GIT_DIR", self.path()).confined(self.confinement())
    }

    fn confinement(&self) -> Confinement {
        Confinement::writing(self.path()).reading(self.borrowed.iter().map(PathBuf::as_path))
    }

    /// A run over the files of a working tree, with an index of this repository's own. It only reads them, unless the
    /// tree is in here.
    pub(crate) fn over(&self, tree: &Path, args: &[&str]) -> Call {
        let read = [tree].into_iter().filter(|tree| !tree.starts_with(self.path()));
        let mut confinement = self.confinement().reading(read);
        if let Some((clone, seen)) = self.clone.as_ref().filter(|(clone, _)| clone == tree) {
            confinement = confinement.showing(clone, seen);
        }
        Call::new(tree, args)
            .env("GIT_DIR", self.path())
            .env("GIT_WORK_TREE", tree)
            .env("GIT_INDEX_FILE", self.index())
            .confined(confinement)
    }

    fn index(&self) -> PathBuf {
        self.path().join("index")
    }

    /// Takes in the commits of a clone; gives its `HEAD`, when it has one. What that adds to `known` is counted.
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
        self.absorb_objects(clone).await?;
        self.admit(known, &head).await?.ok_or_else(|| {
            WorkspaceError::Unacceptable(format!(
                "HEAD of the executor's clone is {head}, which is no commit there"
            ))
        })?;
        Ok(Some(head))
    }

    /// Takes in all commits of a clone, once.
    pub(crate) async fn absorb_objects(&self, clone: &Path) -> Result<(), WorkspaceError> {
        let (from, to) = (clone.join(".git"), self.path().to_owned());
        let (mut tally, hash_bytes) = (Tally::new(self.limits), self.hash_bytes);
        let absorb = async || {
            let copy = move || harvest::copy_objects(&from, &to, &mut tally, hash_bytes);
            let packs = in_background("copy the executor's commits", copy).await?;
            for pack in packs {
                let answer = self.git.run(self.call(&["index-pack"]).arg(pack)).await?;
                refuse("a pack in the executor's clone is broken", answer.code, &answer.stderr)?;
            }
            Ok(())
        };
        self.absorbed.get_or_try_init(absorb).await.copied()
    }

    /// Refuses a commit that adds more to `start` than a result may. `None`: it is not there.
    pub(crate) async fn admit(
        &self,
        start: &ObjectId,
        commit: &ObjectId,
    ) -> Result<Option<()>, WorkspaceError> {
        let call = |args: &[&str]| self.call(args);
        Admission { git: &self.git, limits: self.limits, call: &call }.admit(start, commit).await
    }

    /// The commit that an object is, or that a tag is of. `None`: it is not there, or there is none.
    pub(crate) async fn commit_of(
        &self,
        object: &ObjectId,
    ) -> Result<Option<ObjectId>, WorkspaceError> {
        let call = self.call(&["rev-parse", "--verify", "--quiet"]);
        let answer = self.git.run(call.arg(format!("{object}^{{commit}}"))).await?;
        Ok(ObjectId::parse(String::from_utf8_lossy(&answer.stdout).trim()))
    }

    pub(crate) async fn has_commit(&self, name: &ObjectId) -> Result<bool, WorkspaceError> {
        let call = self.call(&["cat-file", "-e"]).arg(format!("{name}^{{commit}}"));
        Ok(self.git.run(call).await?.code == 0)
    }

    /// Refuses files that are too many or too large, before git reads them.
    pub(crate) async fn weigh(
        &self,
        tree: &Path,
        start: &ObjectId,
        new: &[u8],
        touched: &[u8],
    ) -> Result<(), WorkspaceError> {
        let (limits, top) = (self.limits, tree.to_owned());
        let (new, touched) = (new.to_vec(), touched.to_vec());
        let find = move || Leftovers::find(&top, (&new, &touched), &limits);
        let leftovers = in_background("look at the executor's files", find).await?;
        if leftovers.are_few(&limits) {
            return Ok(());
        }
        let call = self.call(&["ls-tree", "-r", "-z", "-l", "--full-tree", start.as_str()]);
        let listed = self.git.output(call).await?;
        let before = long_list(&listed).ok_or_else(|| unreadable("ls-tree -l"))?;
        leftovers.weigh(&before, &limits)
    }

    /// Fills the index from a commit. What is known of the files that were checked out is used where it still
    /// holds, so that only changed ones have to be read.
    pub(crate) async fn read_tree(
        &self,
        tree: &Path,
        start: &ObjectId,
        checked_out: &Path,
    ) -> Result<(), WorkspaceError> {
        let index = self.index();
        let known = checked_out.is_file();
        if known {
            copy_index(checked_out, &index)?;
        }
        // What the commit changed takes the place of what is known, whatever the files are by now.
        let how = if known { &["read-tree", "--reset"][..] } else { &["read-tree"] };
        let answer = self.git.run(self.over(tree, how).arg(start.as_str())).await?;
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
        if old == new {
            return Ok(true);
        }
        let call = self.call(&["merge-base", "--is-ancestor", old.as_str(), new.as_str()]);
        Ok(self.git.maybe(call).await?.is_some())
    }

    /// Those of these commits that none of the others has among those before it.
    pub(crate) async fn independent(
        &self,
        commits: impl Iterator<Item = &ObjectId>,
    ) -> Result<Vec<ObjectId>, WorkspaceError> {
        let commits: Vec<_> = commits.map(ObjectId::as_str).collect();
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.call(&["merge-base", "--independent"]).args(commits);
        let said = self.git.text(call).await?;
        Ok(said.lines().filter_map(ObjectId::parse).collect())
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
                let from = (address.as_str(), transport.protocol());
                let limits = Confinement::only_limits();
                self.fetch_from(from, branch, connection.to_vec(), user, limits).await
            }
            Place::Granted { address, rules, credentials } => {
                let way = GrantedWay::open(rules.clone(), FETCH_TIME).await?;
                let mut settings = way.settings(connection, *credentials)?;
                let mut environment = granted::environment(user, self.path(), *credentials);
                // With credentials it needs what finds them, which is the user's.
                let confinement = if *credentials || !self.git.is_sandboxing() {
                    Confinement::only_limits()
                } else {
                    // The sandbox says where the proxy is.
                    settings.retain(|(key, _)| key != "http.proxy");
                    let all_of_it = ["NO_PROXY", "no_proxy"].map(|name| (name.into(), "".into()));
                    environment.network.extend(all_of_it);
                    self.confinement().reaching(way.out())
                };
                let from = (address.as_str(), "https");
                let fetched =
                    self.fetch_from(from, branch, settings, &environment, confinement).await;
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
        (address, protocol): (&str, &'static str),
        branch: &str,
        settings: Vec<(String, String)>,
        environment: &GitEnvironment,
        confinement: Confinement,
    ) -> Result<ObjectId, WorkspaceError> {
        const FETCHED: &str = "refs/cyrus/fetched";
        let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "source"];
        let call = self
            .call(&args)
            .arg(format!("+refs/heads/{branch}:{FETCHED}"))
            .settings(settings)
            .settings([("remote.source.url".to_owned(), address.to_owned())])
            // As a pack, which is counted, whatever its size.
            .settings([("fetch.unpackLimit".to_owned(), "1".to_owned())])
            .network(protocol, environment, FETCH_TIME)
            .confined(confinement);
        let mut answer = self.git.run(call).await?;
        if answer.code != 0 {
            answer.stderr = remote::redact(&answer.stderr, address);
            return Err(answer.into_error());
        }
        let (objects, limits, hash_bytes) =
            (self.path().join("objects"), self.limits, self.hash_bytes);
        let scan = move || scan_packs(&objects, limits, hash_bytes);
        in_background("count what was fetched", scan).await?;
        let call = self.call(&["rev-parse", "--verify"]).arg(format!("{FETCHED}^{{commit}}"));
        ObjectId::parse(&self.git.text(call).await?).ok_or_else(|| unreadable("rev-parse"))
    }
}

pub(crate) fn refuse(problem: &str, code: i32, said: &str) -> Result<(), WorkspaceError> {
    if code == 0 {
        return Ok(());
    }
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Err(WorkspaceError::Unacceptable(format!("{problem}{said}")))
}

/// Reads `ls-tree -r -z -l`: `<mode> <type> <object> <size>\t<path>\0`, with blanks before the size.
fn long_list(output: &[u8]) -> Option<HashMap<Vec<u8>, u64>> {
    let mut sizes = HashMap::new();
    for entry in output.split(|b| *b == 0).filter(|entry| !entry.is_empty()) {
        let tab = entry.iter().position(|b| *b == b'\t')?;
        let size = std::str::from_utf8(&entry[..tab]).ok()?.rsplit(' ').next()?;
        // A submodule has none.
        if let Ok(size) = size.parse() {
            sizes.insert(entry[tab + 1..].to_vec(), size);
        }
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_a_tree_are_read() {
        let o = "a".repeat(40);
        let list = format!("100644 blob {o}      12\ta\tb\0160000 commit {o}       -\tsub\0");
        let found = long_list(list.as_bytes()).unwrap();
        assert_eq!(found, HashMap::from([(b"a\tb".to_vec(), 12)]));
        assert_eq!(long_list(b"no tab\0"), None);
    }
}
