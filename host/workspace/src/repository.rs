//! The repository that work starts from, as git describes it.

use crate::{
    attributes,
    confinement::Confinement,
    diff::{Change, batch, numstat, raw, sizes, special},
    error::{unreadable, unreadable_objects},
    git::{Call, Git},
    ignored,
    known::{CHANGES, Facts, LIST_BYTES},
    links::{self, Links},
    object::ObjectId,
    remote, updates,
};
use cyrus_core::{DiffStat, WorkspaceError};
use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The most objects that a git that stays is asked about one by one.
const FEW: usize = 64;

/// The most of the targets of a commit's links that is read, in bytes.
const MAX_TARGETS: u64 = 32 << 20;

/// The repositories that one borrows from at most, and those that these borrow from.
const ALTERNATES: usize = 16;

/// The user's repository. What git is asked here, it is asked with the user's own configuration of this repository,
/// hardened like every run.
#[derive(Clone, Debug)]
pub(crate) struct Main {
    git: Git,
    pub(crate) path: PathBuf,
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
        if let Some(facts) = git.known().facts.get(&path.to_owned())
            && facts.objects.is_dir()
        {
            return Ok(Self::of(git, path, facts));
        }
        let args = ["--git-common-dir", "--git-path", "objects", "--show-object-format"];
        let args = [&COMMAND.split(' ').collect::<Vec<_>>()[..], &args].concat();
        let answer = git.output(git.in_main(path, &args).await?).await?;
        let answer = answer.strip_suffix(b"\n").unwrap_or(&answer);
        // A line end in a path would let one pass for another, and cannot be written into `alternates`.
        let lines: Vec<_> = answer.split(|b| *b == b'\n').collect();
        if lines.len() > 3 {
            let reason = "its path has a line end in it, which cannot be written into the lists that clones are made with: move it".to_owned();
            return Err(WorkspaceError::NotUsable { path: path.to_owned(), reason });
        }
        let [common, objects, format] = lines[..] else { return Err(unreadable(COMMAND)) };
        let facts = Facts {
            common: OsStr::from_bytes(common).into(),
            objects: OsStr::from_bytes(objects).into(),
            format: String::from_utf8_lossy(format).into_owned(),
        };
        git.known().facts.keep(path.to_owned(), facts.clone());
        Ok(Self::of(git, path, facts))
    }

    fn of(git: &Git, path: &Path, Facts { common, objects, format }: Facts) -> Self {
        Self { git: git.clone(), path: path.to_owned(), common, objects, format }
    }

    /// Where its objects are: its own directory, and those that it borrows from itself.
    pub(crate) fn object_directories(&self) -> Vec<PathBuf> {
        let mut found = vec![self.objects.clone()];
        let mut next = 0;
        while let Some(directory) = found.get(next).cloned() {
            next += 1;
            let list = fs::read(directory.join("info/alternates")).unwrap_or_default();
            for line in list.split(|byte| *byte == b'\n') {
                // Relative to the directory, whatever way leads there.
                let path = directory.join(OsStr::from_bytes(line));
                let path = path.canonicalize().unwrap_or(path);
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
        let name = format!("{name}^{{commit}}");
        if let Some(found) = self.git.asked().object(&self.git, &self.path, &name).await {
            return Ok(found);
        }
        let call = self.call(&["rev-parse", "--verify", "--quiet", "--end-of-options"]).await?;
        let found = self.git.maybe(call.arg(name)).await?;
        Ok(found.as_deref().and_then(ObjectId::parse))
    }

    /// Whether a commit, or a tag, is there.
    pub(crate) async fn has(&self, object: &ObjectId) -> Result<bool, WorkspaceError> {
        Ok(self.resolve(object.as_str()).await?.is_some())
    }

    pub(crate) async fn is_ancestor(
        &self,
        old: &ObjectId,
        new: &ObjectId,
    ) -> Result<bool, WorkspaceError> {
        if old == new {
            return Ok(true);
        }
        // Where this was asked of the same two, that answers it.
        if let Some(base) = self.git.known().merge_bases.get(&(old.clone(), new.clone())) {
            return Ok(base == *old);
        }
        let call = self.call(&["merge-base", "--is-ancestor", old.as_str(), new.as_str()]).await?;
        Ok(self.git.maybe(call).await?.is_some())
    }

    /// The newest commit that both come from.
    pub(crate) async fn merge_base(
        &self,
        one: &ObjectId,
        other: &ObjectId,
    ) -> Result<Option<ObjectId>, WorkspaceError> {
        let pair = (one.clone(), other.clone());
        if let Some(known) = self.git.known().merge_bases.get(&pair) {
            return Ok(Some(known));
        }
        let found = if self.is_made_from(other, one).await {
            Some(one.clone())
        } else {
            let call = self.call(&["merge-base", one.as_str(), other.as_str()]).await?;
            self.git.maybe(call).await?.as_deref().and_then(ObjectId::parse)
        };
        if let Some(base) = &found {
            self.git.known().merge_bases.keep(pair, base.clone());
        }
        Ok(found)
    }

    /// Whether a commit is known to have this one parent.
    async fn is_made_from(&self, commit: &ObjectId, parent: &ObjectId) -> bool {
        let content = self.git.asked().commit(&self.git, &self.path, commit).await;
        content.is_some_and(|content| parents(&content) == [parent.as_str()])
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
        self.update(&lines.collect::<String>()).await
    }

    async fn update(&self, lines: &str) -> Result<(), WorkspaceError> {
        let call = self.call(&updates::COMMAND).await?;
        if self.git.updates().make(&self.git, &self.path, call, lines).await {
            return Ok(());
        }
        let call = self.call(&updates::COMMAND).await?.stdin(lines.as_bytes().to_vec());
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
        self.update(&lines.collect::<Vec<_>>().concat()).await
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
        let pair = (from.clone(), to.clone());
        if let Some(known) = self.git.known().stats.get(&pair) {
            return Ok(known);
        }
        let args = ["diff-tree", "-r", "-z", "-M", "--numstat", "--no-ext-diff", "--no-textconv"];
        let call = self.over_result(&args).await?.arg("--ignore-submodules=none");
        let output = self.git.output(call.arg(from.as_str()).arg(to.as_str())).await?;
        let stat = numstat(&output).ok_or_else(|| unreadable("diff-tree --numstat"))?;
        self.git.known().stats.keep(pair, stat);
        Ok(stat)
    }

    /// What changes from one commit to another, of the paths that match one of these pathspecs, if there are any.
    pub(crate) async fn changes(
        &self,
        from: &ObjectId,
        to: &ObjectId,
        pathspecs: &[String],
    ) -> Result<Vec<Change>, WorkspaceError> {
        if from == to {
            return Ok(Vec::new());
        }
        let pair = (from.clone(), to.clone());
        if let Some(known) = self.git.known().changes.get(&pair).filter(|_| pathspecs.is_empty()) {
            return Ok(known.to_vec());
        }
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"];
        let call =
            self.over_result(&args).await?.args(["--no-ext-diff", "--ignore-submodules=none"]);
        let call = call.arg(from.as_str()).arg(to.as_str()).arg("--").args(pathspecs);
        // Magic words are for those who ask for paths by patterns; git takes no path as one otherwise.
        let call = if pathspecs.is_empty() { call } else { call.env("GIT_LITERAL_PATHSPECS", "0") };
        let changes = raw(&self.git.output(call).await?);
        let changes = changes.ok_or_else(|| unreadable("diff-tree --raw"))?;
        if pathspecs.is_empty() && changes.len() <= CHANGES {
            self.git.known().changes.keep(pair, changes.as_slice().into());
        }
        Ok(changes)
    }

    /// The mode of a file of a commit, as git writes it; `None` where nothing is there.
    pub(crate) async fn mode(
        &self,
        commit: &ObjectId,
        path: &str,
    ) -> Result<Option<String>, WorkspaceError> {
        let call = self.call(&["ls-tree", "--full-tree", commit.as_str(), "--"]).await?;
        let listed = self.git.text(call.arg(path)).await?;
        Ok(listed.split(' ').next().filter(|mode| !mode.is_empty()).map(str::to_owned))
    }

    /// The paths that any commit adds or changes which one has and the other has not, also where a later one takes it
    /// back: all of them are published.
    pub(crate) async fn touched(
        &self,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<BTreeSet<Vec<u8>>, WorkspaceError> {
        if self.is_made_from(to, from).await {
            let changes = self.changes(from, to, &[]).await?.into_iter();
            let there = changes.filter(|change| !change.is_deleted());
            return Ok(there.map(|change| change.path).collect());
        }
        let args = ["log", "-z", "--format=", "--name-only", "--no-renames", "--diff-filter=d"];
        let call = self.over_result(&args).await?.args(["-m", "--no-ext-diff", "--no-textconv"]);
        let call = call.arg("--ignore-submodules=none").arg(to.as_str()).arg(format!("^{from}"));
        let output = self.git.output(call).await?;
        let names = output.split(|b| *b == 0).map(<[u8]>::trim_ascii_start);
        Ok(names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }

    /// The objects that any commit has which one has and the other has not.
    pub(crate) async fn new_objects(
        &self,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<BTreeSet<ObjectId>, WorkspaceError> {
        let args = ["rev-list", "--objects", "--no-object-names"];
        let call = self.over_result(&args).await?.arg(to.as_str()).arg(format!("^{from}"));
        Ok(self.git.text(call).await?.lines().filter_map(ObjectId::parse).collect())
    }

    /// All files of a commit that is here, as `ls-tree -r -z` lists them.
    pub(crate) async fn listed(&self, commit: &ObjectId) -> Result<Arc<[u8]>, WorkspaceError> {
        if let Some(known) = self.git.known().files.get(commit) {
            return Ok(known);
        }
        let call = self.over_result(&["ls-tree", "-r", "-z", "--full-tree"]).await?;
        let listed: Arc<[u8]> = self.git.output(call.arg(commit.as_str())).await?.into();
        if listed.len() <= LIST_BYTES {
            self.git.known().files.keep(commit.clone(), Arc::clone(&listed));
        }
        Ok(listed)
    }

    /// The paths of all files of a commit that are text.
    pub(crate) async fn files(&self, commit: &ObjectId) -> Result<Vec<String>, WorkspaceError> {
        let listed = self.listed(commit).await?;
        let paths = attributes::paths(&listed);
        Ok(paths.filter_map(|path| String::from_utf8(path.to_vec()).ok()).collect())
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

    /// What the commits that one has and the other has not say of themselves: who made them, and their messages.
    pub(crate) async fn said(
        &self,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<String, WorkspaceError> {
        let args = ["rev-list", "--no-commit-header", "--format=%an%n%ae%n%cn%n%ce%n%B"];
        let call = self.over_result(&args).await?.arg(to.as_str()).arg(format!("^{from}"));
        self.git.text(call).await
    }

    /// The tree of a commit.
    pub(crate) async fn tree(&self, commit: &ObjectId) -> Result<ObjectId, WorkspaceError> {
        let name = format!("{commit}^{{tree}}");
        if let Some(Some(found)) = self.git.asked().object(&self.git, &self.path, &name).await {
            return Ok(found);
        }
        let call = self.over_result(&["rev-parse", "--verify"]).await?.arg(name);
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
        if let Some(text) = name.to_str()
            && let Some(found) = self.git.asked().content(&self.git, &self.path, text).await
        {
            return Ok(found);
        }
        let answer = self.git.run(self.over_result(&["cat-file", "blob"]).await?.arg(name)).await?;
        Ok((answer.code == 0).then_some(answer.stdout))
    }

    /// The content of each of these blobs, in their order.
    pub(crate) async fn blobs(&self, names: &[&ObjectId]) -> Result<Vec<Vec<u8>>, WorkspaceError> {
        if names.len() <= FEW
            && let Some(known) = self.git.asked().contents(&self.git, &self.path, names).await
        {
            return Ok(known);
        }
        let list = names.iter().map(|name| format!("{name}\n")).collect::<Vec<_>>().concat();
        let call = self.over_result(&["cat-file", "--batch"]).await?.stdin(list.into_bytes());
        let output = self.git.output(call).await?;
        batch(&output).ok_or_else(|| unreadable_objects("cat-file --batch", &output))
    }

    /// The symbolic links of a commit with their targets, and its submodules. Targets that are longer than a path can
    /// be are not read, nor are those beyond [`MAX_TARGETS`] bytes in all.
    pub(crate) async fn links(&self, commit: &ObjectId) -> Result<Links, WorkspaceError> {
        let listed = self.listed(commit).await?;
        let found = special(&listed).ok_or_else(|| unreadable("ls-tree"))?;
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
        if names.len() <= FEW
            && let Some(known) = self.git.asked().sizes(&self.git, &self.path, names).await
        {
            return Ok(known);
        }
        let list = names.iter().map(|name| format!("{name}\n")).collect::<Vec<_>>().concat();
        let call = self.over_result(&["cat-file", "--batch-check=%(objectsize)"]).await?;
        let output = self.git.output(call.stdin(list.into_bytes())).await?;
        let sizes = sizes(&output).filter(|sizes| sizes.len() == names.len());
        sizes.ok_or_else(|| unreadable_objects("cat-file --batch-check", &output))
    }

    /// The paths of a commit's submodules, as its `.gitmodules` has them.
    pub(crate) async fn submodules(
        &self,
        commit: &ObjectId,
    ) -> Result<Vec<Vec<u8>>, WorkspaceError> {
        if !attributes::paths(&self.listed(commit).await?).any(|path| path == b".gitmodules") {
            return Ok(Vec::new());
        }
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
    pub(crate) async fn blocking(&self, name: &str) -> Result<Option<String>, WorkspaceError> {
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

    /// Whether a result that starts from a commit can be put on a branch, as [`Integration::publish`] does. Fails with
    /// why it cannot, and what to do.
    ///
    /// [`Integration::publish`]: cyrus_core::Integration::publish
    pub(crate) async fn takes_result(
        &self,
        branch: &str,
        start: &ObjectId,
    ) -> Result<Result<(), String>, WorkspaceError> {
        let name = format!("refs/heads/{branch}");
        let Some(there) = self.resolve(&name).await? else { return Ok(Ok(())) };
        if let Some(place) = self.checked_out_at(&name).await? {
            return Ok(Err(format!(
                "the branch {branch}, which the result would go to, is checked out in {place}: give another name with --branch, or switch to another branch there"
            )));
        }
        if self.is_ancestor(&there, start).await? {
            return Ok(Ok(()));
        }
        Ok(Err(format!(
            "the branch {branch}, which the result would go to, has commits that the start of the work has not: give another name with --branch, or start from it with `--base {branch}`"
        )))
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
        if let Some(list) = self.git.known().ignored.get(&self.path) {
            return Ok(list);
        }
        let list: Arc<[u8]> = ignored::read(&self.git, &self.path).await?.into();
        self.git.known().ignored.keep(self.path.clone(), Arc::clone(&list));
        Ok(list)
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

    /// All values of a setting of the repository, in their order.
    pub(crate) async fn settings(&self, name: &str) -> Result<Vec<String>, WorkspaceError> {
        let call = self.call(&["config", "--get-all", name]).await?;
        let all = self.git.maybe(call).await?.unwrap_or_default();
        Ok(all.lines().map(str::to_owned).collect())
    }

    /// The address of `origin` with all that is in it, for use and not for show.
    pub(crate) async fn origin(&self) -> Result<Option<String>, WorkspaceError> {
        let address = self.setting("remote.origin.url").await?;
        Ok(address.map(|address| remote::absolute(&address, &self.path)))
    }

    /// Where `origin` is pushed to: its address as these settings, the user's, write it anew (`url.*.insteadOf`,
    /// `url.*.pushInsteadOf`), so that it is to be used without them.
    pub(crate) async fn push_address(
        &self,
        settings: &[(String, String)],
    ) -> Result<Option<String>, WorkspaceError> {
        let own = self.setting("remote.origin.pushurl").await?;
        let (address, is_for_pushes) = match own {
            Some(address) => (Some(address), true),
            None => (self.setting("remote.origin.url").await?, false),
        };
        Ok(address.map(|address| {
            let address = remote::pushed_to(&address, is_for_pushes, settings);
            remote::absolute(&address, &self.path)
        }))
    }
}

/// The parents of a commit, by its content.
fn parents(content: &[u8]) -> Vec<&str> {
    let header = content.split(|b| *b == b'\n').take_while(|line| !line.is_empty());
    header.filter_map(|line| str::from_utf8(line).ok()?.strip_prefix("parent ")).collect()
}

#[cfg(test)]
mod tests;
