//! What commits of the user's repository hold: lists of their files, and the files.

use super::Main;
use crate::{
    attributes,
    diff::{batch, sizes, special},
    error::{unreadable, unreadable_objects},
    known::LIST_BYTES,
    links::{self, Links},
    object::ObjectId,
};
use cyrus_core::WorkspaceError;
use std::{ffi::OsString, sync::Arc};

/// The most objects that a git that stays is asked about one by one.
const FEW: usize = 64;

/// The most of the targets of a commit's links that is read, in bytes.
const MAX_TARGETS: u64 = 32 << 20;

impl Main {
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
}
