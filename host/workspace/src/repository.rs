//! The repository that work starts from, as git describes it.

mod content;
mod references;

use crate::{
    confinement::Confinement,
    diff::{Change, numstat, raw},
    error::unreadable,
    git::{Call, Git},
    ignored,
    known::{CHANGES, Facts},
    object::ObjectId,
    remote,
};
use cyrus_core::{DiffStat, WorkspaceError};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

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

    /// The top of the user's working tree; a bare repository has none.
    pub(crate) async fn working_tree(&self) -> Result<Option<&Path>, WorkspaceError> {
        let call = self.call(&["rev-parse", "--is-inside-work-tree"]).await?;
        Ok((self.git.text(call).await? == "true").then_some(&self.path))
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
        let stat = self.counted(from, to, None).await?;
        self.git.known().stats.keep(pair, stat);
        Ok(stat)
    }

    /// How many lines change, with those of files that git takes for binary: one zero byte makes a source such a file.
    pub(crate) async fn changed_lines(
        &self,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<u64, WorkspaceError> {
        // No option has git count them, but an attribute has.
        let stat = self.counted(from, to, Some(b"* diff\n")).await?;
        Ok(stat.insertions.saturating_add(stat.deletions))
    }

    /// Counts with these attributes for what has none of the repository's.
    async fn counted(
        &self,
        from: &ObjectId,
        to: &ObjectId,
        attributes: Option<&[u8]>,
    ) -> Result<DiffStat, WorkspaceError> {
        let args = ["diff-tree", "-r", "-z", "-M", "--numstat", "--no-ext-diff", "--no-textconv"];
        let read: &[&str] =
            if attributes.is_some() { &["-c", "core.attributesFile=/dev/fd/0"] } else { &[] };
        let call = self.over_result(&[read, &args].concat()).await?;
        let call = call.args(["--ignore-submodules=none", from.as_str(), to.as_str()]);
        let call = match attributes {
            Some(attributes) => call.stdin(attributes.to_vec()),
            None => call,
        };
        let output = self.git.output(call).await?;
        numstat(&output).ok_or_else(|| unreadable("diff-tree --numstat"))
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
