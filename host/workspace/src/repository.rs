//! The repository that work starts from, as git describes it.

use crate::{
    confinement::Confinement,
    diff::{Change, batch, numstat, raw, sizes, special},
    error::unreadable,
    git::{Call, Git},
    links::{self, Links},
    object::ObjectId,
    remote,
};
use cyrus_core::{Base, DiffStat, WorkspaceError};
use cyrus_executor::Repository;
use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The most of the targets of a commit's links that is read, in bytes.
const MAX_TARGETS: u64 = 32 << 20;

/// The repositories that one borrows from at most, and those that these borrow from.
const ALTERNATES: usize = 16;

/// The user's repository. What git is asked here, it is asked with the user's own configuration of this repository,
/// hardened like every run.
#[derive(Clone, Debug)]
pub(crate) struct Main {
    git: Git,
    path: PathBuf,
    /// The `.git` that all of its worktrees share.
    common: PathBuf,
    pub(crate) objects: PathBuf,
    /// `sha1` or `sha256`.
    pub(crate) format: String,
}

impl Main {
    /// The repository at the top of a working tree, or a bare one.
    pub(crate) async fn open(git: &Git, path: &Path) -> Result<Self, WorkspaceError> {
        const COMMAND: &str = "rev-parse --path-format=absolute";
        let args = ["--git-common-dir", "--git-path", "objects", "--show-object-format"];
        let args = [&COMMAND.split(' ').collect::<Vec<_>>()[..], &args].concat();
        let answer = git.text(git.in_main(path, &args).await?).await?;
        // A line end in a path would let one pass for another, and cannot be written into `alternates`.
        let [common, objects, format] = answer.lines().collect::<Vec<_>>()[..] else {
            return Err(unreadable(COMMAND));
        };
        Ok(Self {
            git: git.clone(),
            path: path.to_owned(),
            common: common.into(),
            objects: objects.into(),
            format: format.to_owned(),
        })
    }

    /// Where its objects are: its own directory, and those that it borrows from itself.
    pub(crate) fn object_directories(&self) -> Vec<PathBuf> {
        let mut found = vec![self.objects.clone()];
        let mut next = 0;
        while let Some(directory) = found.get(next).cloned() {
            next += 1;
            let list = fs::read(directory.join("info/alternates")).unwrap_or_default();
            for line in list.split(|byte| *byte == b'\n') {
                let path = directory.join(OsStr::from_bytes(line));
                if !line.is_empty() && !line.starts_with(b"#") && !found.contains(&path) {
                    found.push(path);
                }
            }
            // Git follows no more.
            if found.len() > ALTERNATES {
                break;
            }
        }
        found
    }

    pub(crate) async fn call(&self, args: &[&str]) -> Result<Call, WorkspaceError> {
        self.git.in_main(&self.path, args).await
    }

    /// A run that reads what a result holds.
    async fn over_result(&self, args: &[&str]) -> Result<Call, WorkspaceError> {
        Ok(self.call(args).await?.confined(Confinement::only_limits()))
    }

    /// What a ref points at, when it is there.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Option<ObjectId>, WorkspaceError> {
        let call = self.call(&["rev-parse", "--verify", "--quiet", "--end-of-options"]).await?;
        let found = self.git.maybe(call.arg(format!("{name}^{{commit}}"))).await?;
        Ok(found.as_deref().and_then(ObjectId::parse))
    }

    pub(crate) async fn is_ancestor(
        &self,
        old: &ObjectId,
        new: &ObjectId,
    ) -> Result<bool, WorkspaceError> {
        let call = self.call(&["merge-base", "--is-ancestor", old.as_str(), new.as_str()]).await?;
        Ok(self.git.maybe(call).await?.is_some())
    }

    /// The newest commit that both come from.
    pub(crate) async fn merge_base(
        &self,
        one: &ObjectId,
        other: &ObjectId,
    ) -> Result<Option<ObjectId>, WorkspaceError> {
        let call = self.call(&["merge-base", one.as_str(), other.as_str()]).await?;
        Ok(self.git.maybe(call).await?.as_deref().and_then(ObjectId::parse))
    }

    /// Sets refs, all or none. Each is `(name, new, old)`; a ref whose old value is `None` must not exist.
    pub(crate) async fn set_refs(
        &self,
        refs: &[(&str, &ObjectId, Option<&ObjectId>)],
    ) -> Result<(), WorkspaceError> {
        let lines = refs.iter().map(|(name, new, old)| {
            let old = old.map_or_else(|| new.none_like(), |old| (*old).clone());
            format!("update {name} {new} {old}\n")
        });
        let call = self.call(&["update-ref", "--no-deref", "-m", "cyrus", "--stdin"]).await?;
        let call = call.stdin(lines.collect::<String>().into_bytes());
        self.git.output(call).await.map(drop)
    }

    /// Removes refs that have these values, all or none.
    pub(crate) async fn remove_refs(
        &self,
        refs: &[(String, ObjectId)],
    ) -> Result<(), WorkspaceError> {
        if refs.is_empty() {
            return Ok(());
        }
        let lines = refs.iter().map(|(name, old)| format!("delete {name} {old}\n"));
        let call = self.call(&["update-ref", "--no-deref", "--stdin"]).await?;
        let lines = lines.collect::<Vec<_>>().concat();
        self.git.output(call.stdin(lines.into_bytes())).await.map(drop)
    }

    /// The top of the user's working tree; a bare repository has none.
    pub(crate) async fn working_tree(&self) -> Result<Option<&Path>, WorkspaceError> {
        let call = self.call(&["rev-parse", "--is-inside-work-tree"]).await?;
        Ok((self.git.text(call).await? == "true").then_some(&self.path))
    }

    /// Sets one ref, whatever it was before.
    pub(crate) async fn keep(&self, name: &str, commit: &ObjectId) -> Result<(), WorkspaceError> {
        let before = self.resolve(name).await?;
        if before.as_ref() == Some(commit) {
            return Ok(());
        }
        match self.set_refs(&[(name, commit, before.as_ref())]).await {
            // Somebody else was faster with the same.
            Err(_) if self.resolve(name).await?.as_ref() == Some(commit) => Ok(()),
            result => result,
        }
    }

    /// The refs whose names begin like this, to the end of a part, each with what it points at.
    pub(crate) async fn refs(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, ObjectId)>, WorkspaceError> {
        let call =
            self.call(&["for-each-ref", "--format=%(objectname) %(refname)", prefix]).await?;
        let list = self.git.text(call).await?;
        let read = |line: &str| {
            let (object, name) = line.split_once(' ')?;
            Some((name.to_owned(), ObjectId::parse(object)?))
        };
        list.lines().map(read).collect::<Option<_>>().ok_or_else(|| unreadable("for-each-ref"))
    }

    /// Where a commit left the history of another: its own changes are those since then.
    pub(crate) async fn since(
        &self,
        start: &ObjectId,
        commit: &ObjectId,
    ) -> Result<ObjectId, WorkspaceError> {
        self.merge_base(start, commit).await?.ok_or_else(|| {
            WorkspaceError::Unacceptable(format!(
                "{commit} has no history in common with {start}, which its task started from"
            ))
        })
    }

    /// How much changes from one commit to another.
    pub(crate) async fn stat(
        &self,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<DiffStat, WorkspaceError> {
        let args = ["diff-tree", "-r", "-z", "-M", "--numstat", "--no-ext-diff", "--no-textconv"];
        let call = self.over_result(&args).await?.arg("--ignore-submodules=none");
        let output = self.git.output(call.arg(from.as_str()).arg(to.as_str())).await?;
        numstat(&output).ok_or_else(|| unreadable("diff-tree --numstat"))
    }

    /// What changes from one commit to another, of the paths that match one of these pathspecs, if there are any.
    pub(crate) async fn changes(
        &self,
        from: &ObjectId,
        to: &ObjectId,
        pathspecs: &[String],
    ) -> Result<Vec<Change>, WorkspaceError> {
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"];
        let call =
            self.over_result(&args).await?.args(["--no-ext-diff", "--ignore-submodules=none"]);
        let call = call.arg(from.as_str()).arg(to.as_str()).arg("--").args(pathspecs);
        // Magic words are for those who ask for paths by patterns; git takes no path as one otherwise.
        let call = if pathspecs.is_empty() { call } else { call.env("GIT_LITERAL_PATHSPECS", "0") };
        raw(&self.git.output(call).await?).ok_or_else(|| unreadable("diff-tree --raw"))
    }

    /// The messages of the commits that one has and the other has not.
    pub(crate) async fn messages(
        &self,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<String, WorkspaceError> {
        let args = ["rev-list", "--no-commit-header", "--format=%B", "--max-count=1000"];
        let call = self.call(&args).await?.arg(to.as_str()).arg(format!("^{from}"));
        self.git.text(call).await
    }

    /// The tree of a commit.
    pub(crate) async fn tree(&self, commit: &ObjectId) -> Result<ObjectId, WorkspaceError> {
        let call =
            self.over_result(&["rev-parse", "--verify"]).await?.arg(format!("{commit}^{{tree}}"));
        ObjectId::parse(&self.git.text(call).await?).ok_or_else(|| unreadable("rev-parse"))
    }

    /// A file's content in a commit. `None`: there is no file of this name.
    pub(crate) async fn file(
        &self,
        commit: &ObjectId,
        path: &str,
    ) -> Result<Option<Vec<u8>>, WorkspaceError> {
        self.blob(format!("{commit}:{path}").into()).await
    }

    /// A file's content, by `<commit>:<path>`.
    pub(crate) async fn blob(&self, name: OsString) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let answer = self.git.run(self.over_result(&["cat-file", "blob"]).await?.arg(name)).await?;
        Ok((answer.code == 0).then_some(answer.stdout))
    }

    /// The content of each of these blobs, in their order.
    pub(crate) async fn blobs(&self, names: &[&ObjectId]) -> Result<Vec<Vec<u8>>, WorkspaceError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let list = names.iter().map(|name| format!("{name}\n")).collect::<Vec<_>>().concat();
        let call = self.over_result(&["cat-file", "--batch"]).await?.stdin(list.into_bytes());
        batch(&self.git.output(call).await?).ok_or_else(|| unreadable("cat-file --batch"))
    }

    /// The symbolic links of a commit with their targets, and its submodules. Targets that are longer than a path can
    /// be are not read, nor are those beyond [`MAX_TARGETS`] bytes in all.
    pub(crate) async fn links(&self, commit: &ObjectId) -> Result<Links, WorkspaceError> {
        let call =
            self.over_result(&["ls-tree", "-r", "-z", "--full-tree"]).await?.arg(commit.as_str());
        let found = special(&self.git.output(call).await?).ok_or_else(|| unreadable("ls-tree"))?;
        let objects: Vec<_> = found.links.iter().map(|(_, object)| object).collect();
        let mut left = MAX_TARGETS;
        let sizes = self.sizes(&objects).await?;
        let readable: Vec<bool> = sizes
            .into_iter()
            .map(|size| {
                let short = size <= links::LONGEST as u64 && size <= left;
                left -= if short { size } else { 0 };
                short
            })
            .collect();
        let read = objects.iter().zip(&readable).filter(|(_, short)| **short);
        let read: Vec<_> = read.map(|(object, _)| *object).collect();
        let mut targets = self.blobs(&read).await?.into_iter();
        let links =
            found.links.iter().zip(&readable).map(|((path, _), short)| {
                (path.clone(), if *short { targets.next() } else { None })
            });
        let modules = found.modules.into_iter().map(|(path, commit)| (path, commit.to_string()));
        Ok(Links::new(links, modules))
    }

    /// How large each of these objects is, in bytes.
    pub(crate) async fn sizes(&self, names: &[&ObjectId]) -> Result<Vec<u64>, WorkspaceError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let list = names.iter().map(|name| format!("{name}\n")).collect::<Vec<_>>().concat();
        let call = self.over_result(&["cat-file", "--batch-check=%(objectsize)"]).await?;
        let output = self.git.output(call.stdin(list.into_bytes())).await?;
        let sizes = sizes(&output).filter(|sizes| sizes.len() == names.len());
        sizes.ok_or_else(|| unreadable("cat-file --batch-check"))
    }

    /// The paths of a commit's submodules, as its `.gitmodules` has them.
    pub(crate) async fn submodules(
        &self,
        commit: &ObjectId,
    ) -> Result<Vec<Vec<u8>>, WorkspaceError> {
        let call = self.over_result(&["config", "-z"]).await?;
        let call = call.arg(format!("--blob={commit}:.gitmodules"));
        // It is not there, or not to be read: then there are none.
        let answer = self.git.run(call.args(["--get-regexp", r"^submodule\..*\.path$"])).await?;
        let entries = answer.stdout.split(|b| *b == 0);
        let path = |entry: &[u8]| {
            let line = entry.iter().position(|b| *b == b'\n')?;
            Some(entry[line + 1..].to_vec())
        };
        Ok(entries.filter_map(path).collect())
    }

    /// The branch beside which there can be none of this name, if there is one.
    async fn blocking(&self, name: &str) -> Result<Option<String>, WorkspaceError> {
        for (end, _) in name.match_indices('/') {
            let above = &name[..end];
            if self.resolve(&format!("refs/heads/{above}")).await?.is_some() {
                return Ok(Some(above.to_owned()));
            }
        }
        let below = format!("refs/heads/{name}/");
        let first = self.refs(&below).await?.into_iter().next();
        Ok(first.and_then(|(name, _)| Some(name.strip_prefix("refs/heads/")?.to_owned())))
    }

    /// The working tree that a branch, which must be there, is checked out in.
    pub(crate) async fn checked_out_at(
        &self,
        branch: &str,
    ) -> Result<Option<String>, WorkspaceError> {
        let call = self.call(&["for-each-ref", "--format=%(worktreepath)", branch]).await?;
        let place = self.git.text(call).await?;
        // Git says of a bare repository that its HEAD's branch is checked out in it, but there are no files.
        let nowhere = place.is_empty() || Path::new(&place) == self.common;
        Ok((!nowhere).then_some(place))
    }

    /// The file that says where history was cut off, which need not be there.
    pub(crate) fn shallow_file(&self) -> PathBuf {
        self.common.join("shallow")
    }

    /// The file that says what the user has git ignore in this repository, which need not be there.
    pub(crate) fn exclude_file(&self) -> PathBuf {
        self.common.join("info/exclude")
    }

    /// What the user has git ignore in every repository, this one among them.
    pub(crate) async fn ignored(&self) -> Result<Arc<[u8]>, WorkspaceError> {
        self.git.ignored(&self.path).await
    }

    /// Where Git LFS keeps content.
    pub(crate) fn lfs_store(&self) -> PathBuf {
        self.common.join("lfs/objects")
    }

    /// The file that says where history was cut off, when it was.
    pub(crate) fn shallow(&self) -> Option<PathBuf> {
        Some(self.shallow_file()).filter(|file| file.is_file())
    }

    /// A setting of the repository, when it is there and not empty.
    pub(crate) async fn setting(&self, name: &str) -> Result<Option<String>, WorkspaceError> {
        let call = self.call(&["config", "--get", name]).await?;
        Ok(self.git.maybe(call).await?.filter(|value| !value.is_empty()))
    }

    /// The address of `origin` with all that is in it, for use and not for show.
    pub(crate) async fn origin(&self) -> Result<Option<String>, WorkspaceError> {
        let address = self.setting("remote.origin.url").await?;
        Ok(address.map(|address| remote::absolute(&address, &self.path)))
    }

    /// Where `origin` is pushed to.
    pub(crate) async fn push_address(&self) -> Result<Option<String>, WorkspaceError> {
        match self.setting("remote.origin.pushurl").await? {
            Some(address) => Ok(Some(remote::absolute(&address, &self.path))),
            None => self.origin().await,
        }
    }
}

/// What there is to know of the repository at this path, or that it is in.
pub(crate) async fn base(
    git: &Git,
    path: &Path,
    start: Option<&str>,
    work_branch: &str,
) -> Result<Base, WorkspaceError> {
    let unusable = |reason: String| WorkspaceError::NotUsable { path: path.to_owned(), reason };
    let path = path.canonicalize().map_err(|error| unusable(error.to_string()))?;
    if !path.is_dir() {
        return Err(unusable("not a directory: give the repository's directory".into()));
    }
    let top = top(git, &path).await?;
    let main = Main::open(git, &top.path).await?;
    if !is_branch_name(git, work_branch).await? {
        return Err(unusable(format!("{work_branch:?} cannot be a branch's name")));
    }
    if let Some(blocking) = main.blocking(work_branch).await? {
        return Err(unusable(format!(
            "the branch {blocking} is in the way of {work_branch}, which the result would go to, because git keeps no branch beside one that begins with its name: rename it with `git branch -m {blocking} NEW-NAME`"
        )));
    }
    let (commit, branch) = if let Some(name) = start {
        chosen(&main, name).await?.ok_or_else(|| {
            unusable(format!("there is no branch, tag or commit {name:?} to start from"))
        })?
    } else {
        let Some(commit) = main.resolve("HEAD").await? else {
            return Err(unusable(
                "it has no commit yet, and work starts from a commit: commit something first"
                    .into(),
            ));
        };
        let call = main.call(&["symbolic-ref", "--short", "--quiet", "HEAD"]).await?;
        (commit, git.maybe(call).await?)
    };
    let repository = Repository {
        remote: main.origin().await?.as_deref().map(remote::without_credentials),
        base_branch: branch,
        base_commit: commit.to_string(),
        work_branch: work_branch.to_owned(),
    };
    let dirty = !top.bare && start.is_none() && is_dirty(git, &main).await?;
    Ok(Base { path: top.path, repository, dirty })
}

/// The commit that a user names, and the branch when it is one: a branch here, else one of `origin`, else anything that
/// git knows.
async fn chosen(
    main: &Main,
    name: &str,
) -> Result<Option<(ObjectId, Option<String>)>, WorkspaceError> {
    for place in ["refs/heads", "refs/remotes/origin"] {
        if let Some(commit) = main.resolve(&format!("{place}/{name}")).await? {
            return Ok(Some((commit, Some(name.to_owned()))));
        }
    }
    Ok(main.resolve(name).await?.map(|commit| (commit, None)))
}

/// Where a repository is.
struct Top {
    path: PathBuf,
    bare: bool,
}

async fn top(git: &Git, path: &Path) -> Result<Top, WorkspaceError> {
    let unusable = |reason: String| WorkspaceError::NotUsable { path: path.to_owned(), reason };
    let call = git.in_main(path, &["rev-parse", "--is-bare-repository", "--is-inside-work-tree"]);
    let answer = git.run(call.await?).await?;
    if answer.code != 0 {
        return Err(unusable(answer.stderr));
    }
    let (which, bare) = match String::from_utf8_lossy(&answer.stdout).trim() {
        "true\nfalse" => ("--absolute-git-dir", true),
        "false\ntrue" => ("--show-toplevel", false),
        _ => {
            let reason = "inside a .git directory: give the directory of the working tree";
            return Err(unusable(reason.to_owned()));
        }
    };
    let top = git.text(git.in_main(path, &["rev-parse", which]).await?).await?;
    Ok(Top { path: top.into(), bare })
}

/// Whether there is anything that a commit would miss: what is changed, and what git does not know yet.
async fn is_dirty(git: &Git, main: &Main) -> Result<bool, WorkspaceError> {
    let args = ["status", "--porcelain", "-z", "--untracked-files=normal"];
    let call = main.call(&args).await?.arg("--ignore-submodules=all");
    Ok(!git.output(call).await?.is_empty())
}

/// Whether git takes this for a branch's name, and nobody for an option.
pub(crate) async fn is_branch_name(git: &Git, name: &str) -> Result<bool, WorkspaceError> {
    if name.starts_with('-') || name == "HEAD" || name.contains('\0') {
        return Ok(false);
    }
    let call = Call::new(Path::new("/"), &["check-ref-format"]).arg(format!("refs/heads/{name}"));
    Ok(git.maybe(call).await?.is_some())
}
