//! The trees in which checks run. The host writes each from objects, with a repository of its own in it: an executor
//! was never there, and no check before.
//!
//! What a project has to install or build for its checks comes from its set-up, run in such a tree of the *base* commit.
//! What the set-up left, with its home, is kept with the host's state, and each tree is laid over a copy of it: tracked
//! files are exactly the commit's, and what git does not track (`node_modules`, a virtual environment) stays. Programs
//! store paths, so the tree is at the same place for each check, and what was kept is used at no other.
//!
//! | what is there | from |
//! |---|---|
//! | tracked files | the commit; those that [`DiffRules::protected_paths`](crate::DiffRules) names from the base commit |
//! | what is not tracked | the set-up on the base commit, and `.worktreeinclude`; what the set-up makes of files of the repository: of the commit's (see [`crate::products`]) |
//! | directories of `validation.carry` | the executor's clone |
//! | the home | what the set-up left there |
//! | the `TMPDIR` | empty |

use crate::{
    confined::Directories,
    confinement::Confinement,
    copy::{Bounds, copy_tree, make_plain_directory, plain_directory},
    error::{in_background, io},
    git::Call,
    layout::private_dir,
    lfs::Pointer,
    object::ObjectId,
    plain,
    prepared::{Prepared, Site},
    products::Products,
    remove::remove_tree,
    rules::DiffRules,
};
use cyrus_core::{Observer, WorkspaceError};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The most that is carried over of one directory.
const CARRIED: Bounds = Bounds { entries: 1_000_000, bytes: 16 << 30 };

/// Makes the trees for the checks of one result.
pub(crate) struct Trees<'a> {
    pub(crate) site: Site<'a>,
    pub(crate) rules: &'a DiffRules,
    /// Hears what is done meanwhile.
    pub(crate) observer: &'a dyn Observer,
    pub(crate) installed: Option<Installed>,
    pub(crate) products: Option<Products>,
}

/// What was installed for a result that asks for something else than the base.
pub(crate) struct Installed {
    pub(crate) of: ObjectId,
    /// What its trees are laid over.
    pub(crate) prepared: Prepared,
    /// Holds the directory of that until all checks are done.
    pub(crate) _held: TempDir,
    /// Whether no set-up on the base has put the user's ignored files there.
    pub(crate) lacks_included: bool,
}

/// Where a set-up puts the programs of a virtual environment.
const PROGRAMS: &str = ".venv/bin";

/// Directories that installers make, and those in which test runners find that tests passed before.
pub(crate) const INSTALLED: [&str; 9] =
    [".hatch", ".nox", ".nx", ".pixi", ".tox", ".turbo", ".venv", "__pypackages__", "node_modules"];

/// Files that a set-up may write and a task change.
pub(crate) const LOCKS: [&str; 12] = [
    "Cargo.lock",
    "Gemfile.lock",
    "bun.lock",
    "composer.lock",
    "go.sum",
    "mix.lock",
    "package-lock.json",
    "pdm.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "yarn.lock",
];

/// The most of a list of attributes that is looked at, in bytes.
const ATTRIBUTES_BYTES: u64 = 1 << 20;

/// A tree for one check.
pub(crate) struct Tree {
    pub(crate) place: Directories,
    /// What the set-up printed, when it failed.
    pub(crate) set_up_failure: Option<String>,
    /// Where the programs of the virtual environment at `.venv` are, when nothing of it comes from a result.
    pub(crate) environment: Option<PathBuf>,
}

impl Trees<'_> {
    /// A tree of this commit. The one before goes.
    pub(crate) async fn fresh(&self, commit: &ObjectId) -> Result<Tree, WorkspaceError> {
        let Self { site, .. } = self;
        let of_base;
        let prepared = match &self.installed {
            Some(Installed { of, prepared, .. }) if of == commit => Some(prepared),
            _ => {
                of_base = site.prepared().await?;
                of_base.as_ref()
            }
        };
        site.clear().await?;
        let place = site.place();
        if let Some(prepared) = prepared {
            prepared.lay("tree", &place.root).await?;
            prepared.lay("home", &place.home).await?;
        }
        if let Some(products) = self.products.as_ref().filter(|products| products.of == *commit) {
            products.lay(&place.root).await?;
        }
        site.introduce()?;
        site.write(commit, prepared.is_some().then_some(site.base)).await?;
        let of_result = self.installed.as_ref().filter(|installed| installed.of == *commit);
        if of_result.is_some_and(|installed| installed.lacks_included) {
            site.include(commit).await?;
        }
        self.bring_lfs().await?;
        self.protect(commit).await?;
        let set_up = prepared.map(|Prepared { set_up, .. }| set_up);
        let failed =
            set_up.filter(|set_up| set_up.failure.is_some()).map(|set_up| set_up.said.clone());
        let environment = self.environment(commit).await?;
        Ok(Tree { place, set_up_failure: failed, environment })
    }

    /// Where the programs of the virtual environment at `.venv` are that is no part of the commit.
    pub(crate) async fn environment(
        &self,
        commit: &ObjectId,
    ) -> Result<Option<PathBuf>, WorkspaceError> {
        let place = self.site.place();
        let has_programs = plain_directory(&place.root, Path::new(PROGRAMS)).is_some();
        let is_own = has_programs && !self.has(commit, ".venv").await?;
        Ok(is_own.then(|| place.seen_root().join(PROGRAMS)))
    }

    /// Whether a commit has anything at a path.
    async fn has(&self, commit: &ObjectId, path: &str) -> Result<bool, WorkspaceError> {
        let Site { git, main, .. } = self.site;
        let call = main.call(&["ls-tree", "--name-only", commit.as_str(), "--"]).await?;
        Ok(!git.text(call.arg(path)).await?.is_empty())
    }

    /// A path of the result that lies in a directory which the set-up made, with that directory. What is installed
    /// there decides what a check runs, so no result brings it.
    pub(crate) async fn brought_into_set_up(
        &self,
        changed: &[Vec<u8>],
    ) -> Result<Option<(PathBuf, PathBuf)>, WorkspaceError> {
        let Self { site, .. } = self;
        site.prepared().await?;
        let kept = site.kept().join("tree");
        let files = site.main.files(site.base).await?;
        let above =
            |file| Path::new(file).ancestors().skip(1).map(|above| above.as_os_str().as_bytes());
        let tracked: BTreeSet<&str> = files.iter().map(String::as_str).collect();
        let known: BTreeSet<&[u8]> = files.iter().flat_map(|file: &String| above(file)).collect();
        let made = |directory: &Path| {
            // Of names that are no text it is not known whether the base has them.
            directory.to_str().is_some_and(|name| !name.is_empty())
                && !known.contains(directory.as_os_str().as_bytes())
                && (plain_directory(&kept, directory).is_some() || is_link(&kept.join(directory)))
        };
        // Installers put programs there, and tools look for them there before anywhere else, in each directory.
        let is_of_installers = |directory: &Path| {
            directory.file_name().is_some_and(|name| INSTALLED.iter().any(|known| name == *known))
                && !known.contains(directory.as_os_str().as_bytes())
        };
        let found = changed.iter().find_map(|path| {
            let path = Path::new(OsStr::from_bytes(path));
            // A link or a file in the place of such a directory is the result's, too.
            let made = path.ancestors().find(|above| made(above) || is_of_installers(above));
            // Or one file that the set-up put beside those of the base.
            let is_bases = path.to_str().is_none_or(|path| tracked.contains(path));
            let is_lock =
                path.file_name().is_some_and(|name| LOCKS.iter().any(|lock| name == *lock));
            let is_put = || !is_bases && !is_lock && is_file_or_link(&kept.join(path));
            let program = || is_put().then(|| path.parent()).flatten();
            Some((path.to_owned(), made.or_else(program)?.to_owned()))
        });
        Ok(found)
    }

    /// Copies directories that the commit does not have from the executor's clone into the tree; gives those that were
    /// copied.
    pub(crate) async fn carry(
        &self,
        commit: &ObjectId,
        directories: &[String],
    ) -> Result<Vec<String>, WorkspaceError> {
        let mut carried = Vec::new();
        for directory in directories {
            if self.has(commit, directory).await? {
                tracing::warn!(%directory, "not carried over: the result has it, so it is not ignored");
                continue;
            }
            let (clone, root) = (self.site.task.workspace(), self.site.place().root);
            let below = PathBuf::from(directory);
            let copied = in_background("carry over a directory", move || {
                let Some(from) = plain_directory(&clone, &below) else { return Ok(false) };
                let above = below.parent().unwrap_or(Path::new(""));
                let Some(above) = make_plain_directory(&root, above)? else { return Ok(false) };
                let to = above.join(below.file_name().unwrap_or_default());
                remove_tree(&to)?;
                private_dir(&to)?;
                copy_tree(&from, &to, CARRIED).inspect_err(|_| drop(remove_tree(&to)))?;
                Ok(true)
            });
            match copied.await {
                Ok(true) => carried.push(directory.clone()),
                Ok(false) => {}
                Err(error) => tracing::warn!(%directory, %error, "not carried over"),
            }
        }
        Ok(carried)
    }

    /// Puts the content of Git LFS in the place of its pointers, where it is on this machine: the set-up fetched it, or
    /// the repository has it.
    async fn bring_lfs(&self) -> Result<(), WorkspaceError> {
        let (root, store) = (self.site.place().root, self.site.main.lfs_store());
        // The result's: a link there leads anywhere.
        let mut attributes = Vec::new();
        let _ = plain::open(&root.join(".gitattributes"))
            .and_then(|file| file.take(ATTRIBUTES_BYTES).read_to_end(&mut attributes));
        // Attributes can stand in any directory. Who has content of Git LFS has such a store.
        if !store.is_dir() && !String::from_utf8_lossy(&attributes).contains("filter=lfs") {
            return Ok(());
        }
        let call = Call::new(&root, &["ls-files", "-z", "--", ":(attr:filter=lfs)"]);
        let names = self.site.git.output(call.env("GIT_LITERAL_PATHSPECS", "0")).await?;
        let kept = self.site.kept().join("tree");
        in_background("bring the content of Git LFS", move || {
            for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
                let name = Path::new(OsStr::from_bytes(name));
                let file = root.join(name);
                let Some(pointer) = Pointer::read(&file) else { continue };
                let fetched = Some(kept.join(name)).filter(|fetched| pointer.names(fetched));
                if let Some(content) = fetched.or_else(|| pointer.in_store(&store)) {
                    let mode = file.metadata().map_err(io("cannot look at", &file))?.permissions();
                    fs::remove_file(&file).map_err(io("cannot replace", &file))?;
                    fs::copy(&content, &file).map_err(io("cannot write", &file))?;
                    fs::set_permissions(&file, mode).map_err(io("cannot write", &file))?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Lays the protected paths over, as the base commit has them.
    async fn protect(&self, commit: &ObjectId) -> Result<(), WorkspaceError> {
        let (pathspecs, Site { git, main, base, .. }) = (self.rules.pathspecs(), &self.site);
        if pathspecs.is_empty() || commit == *base {
            return Ok(());
        }
        let (mut gone, mut back) = (Vec::new(), Vec::new());
        for change in main.changes(commit, base, &pathspecs).await? {
            let list = if change.is_deleted() { &mut gone } else { &mut back };
            list.extend_from_slice(&change.path);
            list.push(0);
        }
        let root = self.site.place().root;
        let limited = |args: &[&str]| Call::new(&root, args).confined(Confinement::only_limits());
        let read = ["--pathspec-from-file=-", "--pathspec-file-nul"];
        if !gone.is_empty() {
            let call = limited(&["rm", "--quiet", "--force", "--ignore-unmatch"]);
            git.output(call.args(read).stdin(gone)).await?;
        }
        if !back.is_empty() {
            let index = root.join(".git/base-index");
            let over = |args: &[&str]| limited(args).env("GIT_INDEX_FILE", &index);
            git.output(over(&["read-tree", base.as_str()])).await?;
            let write = over(&["checkout-index", "--quiet", "--force", "-z", "--stdin"]);
            git.output(write.stdin(back)).await?;
            remove_tree(&index)?;
        }
        Ok(())
    }
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_symlink())
}

/// Whether anything but a directory is at a path.
fn is_file_or_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| !found.is_dir())
}
