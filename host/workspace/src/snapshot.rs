//! The files of an executor's clone as a tree object: what its commit holds, and what was changed, removed or added
//! since.
//!
//! A file counts as changed when it is not *as it was checked out*, byte for byte. Git by itself compares what it would
//! normalise: a file with other line ends than its attributes ask for, or one that Git LFS manages, counts as changed
//! although nobody touched it.
//!
//! | left out | because |
//! |---|---|
//! | ignored files | the repository, or the user's own list, has git ignore them; not where the executor staged them ([`crate::staged`]) |
//! | the user's own files that `.worktreeinclude` brought | they are secrets, as a rule: see [`crate::include`] |
//! | what is as the set-up left it | it is no work of the task: see [`crate::leftovers`] |
//! | that a file is not there which the executor did not want to have (`git sparse-checkout`) | it removes nothing: see [`crate::staged`] |
//! | caches of tools, by their names ([`crate::litter`]) | tools make them again; only where the repository tracks none of the kind |
//! | content that a pointer of Git LFS names | the pointer is what was checked out |

use crate::{
    error::{in_background, io, unreadable},
    leftovers::Leftovers,
    lfs::{self, Pointer},
    litter::{environments, litter},
    notes::Notes,
    object::ObjectId,
    plain,
    scratch::Scratch,
    staged::Staged,
};
use cyrus_core::WorkspaceError;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::OsStr,
    fmt::Write as _,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// Attributes by which content is other in a working tree than in a commit.
const ATTRIBUTES: [&str; 5] = ["filter", "text", "eol", "ident", "working-tree-encoding"];

/// What is tracked at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) mode: String,
    pub(crate) object: ObjectId,
}

/// A tracked file that is not as git's index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) before: Before,
    /// Its mode now; `None` where nothing is there.
    mode: Option<String>,
    pub(crate) path: Vec<u8>,
}

impl Changed {
    /// Whether it was a plain file and is one.
    fn is_file(&self) -> bool {
        let file = |mode: &str| mode.starts_with("100");
        file(&self.before.mode) && self.mode.as_deref().is_some_and(file)
    }
}

/// How a working tree differs from an index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) changed: Vec<Changed>,
    /// Files that are neither tracked nor ignored.
    pub(crate) others: Vec<Vec<u8>>,
}

/// What there is to know of a path's attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Attributes {
    /// Git LFS manages it.
    lfs: bool,
    /// Git may convert its content.
    converts: bool,
    /// It has the line ends of Windows in a working tree.
    crlf: bool,
}

/// The files of a working tree, and what there is to say of them.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) tree: ObjectId,
    /// For people: what was left out or could not be done.
    pub(crate) notes: Vec<String>,
}

/// A working tree to be taken over.
pub(crate) struct Snapshot<'a> {
    pub(crate) scratch: &'a Scratch,
    /// Where its files are.
    pub(crate) files: &'a Path,
    /// What it is compared with.
    pub(crate) head: &'a ObjectId,
    /// By whose attributes it was checked out.
    pub(crate) base: &'a ObjectId,
    /// The index of what was checked out.
    pub(crate) checked_out: &'a Path,
    /// Where the content of files that Git LFS manages is kept; `None` where `git lfs` is not installed.
    pub(crate) lfs_store: Option<&'a Path>,
}

/// What becomes of the index.
#[derive(Default)]
struct Update {
    /// Lines of `update-index --index-info`.
    entries: Vec<u8>,
    /// Paths whose files git reads, as it does by itself.
    read: Vec<u8>,
    /// Files whose content is stored as it is: mode and path, and the file that holds it.
    stored: Vec<(String, Vec<u8>, PathBuf)>,
}

impl Update {
    fn set(&mut self, mode: &str, object: &ObjectId, path: &[u8]) {
        self.entries.extend_from_slice(format!("{mode} {object}\t").as_bytes());
        self.entries.extend_from_slice(path);
        self.entries.push(0);
    }

    fn remove(&mut self, none: &ObjectId, path: &[u8]) {
        self.set("0", none, path);
    }

    fn read(&mut self, path: &[u8]) {
        self.read.extend_from_slice(path);
        self.read.push(0);
    }
}

impl Snapshot<'_> {
    /// How the files differ from those of the commit.
    pub(crate) async fn listing(&self) -> Result<Listing, WorkspaceError> {
        let Self { scratch, files, .. } = self;
        scratch.read_tree(files, self.head, self.checked_out).await?;
        let args = ["diff-files", "--raw", "--no-abbrev", "--no-renames", "-z", "--no-ext-diff"];
        let call = scratch.over(files, &args).arg("--ignore-submodules=all");
        let output = scratch.git().output(call).await?;
        let changed = changed(&output).ok_or_else(|| unreadable("diff-files --raw"))?;
        let call = scratch.over(files, &["ls-files", "-z", "--others", "--exclude-standard"]);
        let others = scratch.git().output(call).await?;
        let named = others.split(|b| *b == 0).filter(|name| !name.is_empty());
        // A name that ends in a slash is a repository inside of this one.
        let others = named.filter(|name| !name.ends_with(b"/")).map(<[u8]>::to_vec).collect();
        Ok(Listing { changed, others })
    }

    /// Makes the tree object. Repositories inside of the working tree are not looked into.
    /// What is `included` is the user's.
    pub(crate) async fn take(
        &self,
        left: Leftovers,
        included: &BTreeSet<Vec<u8>>,
    ) -> Result<Taken, WorkspaceError> {
        let Self { files, head, .. } = self;
        let Listing { mut changed, mut others } = self.listing().await?;
        let staged = Staged::find(self.scratch, files, self.checked_out).await?;
        let known: BTreeSet<_> = others.iter().cloned().collect();
        others.extend(staged.files.difference(&known).cloned());
        let removed = self.ignored(&staged.removed).await?;
        let is_skipped = |one: &Changed| one.mode.is_none() && staged.skipped.contains(&one.path);
        changed.retain(|one| !removed.contains(&one.path) && !is_skipped(one));
        self.weigh(&changed, &others).await?;
        let (mut update, mut notes) = (Update::default(), Notes::default());
        let none = head.none_like();
        let unchanged = left.unchanged(files).await?;
        for (path, tracked) in &unchanged {
            match tracked {
                Some(before) => update.set(&before.mode, &before.object, path),
                None => update.remove(&none, path),
            }
        }
        let unchanged: BTreeSet<_> = unchanged.into_iter().map(|(path, _)| path).collect();
        changed.retain(|one| !unchanged.contains(&one.path));
        others.retain(|path| !unchanged.contains(path));
        let is_users = |path: &Vec<u8>| included.contains(path);
        let (users, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_users);
        notes.users = users.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        let others = self.without_litter(others, &mut notes).await?;

        let present = changed.iter().filter(|one| one.mode.is_some()).map(|one| &one.path);
        let attributes = self.attributes(present.chain(&others)).await?;
        let of = |path: &[u8]| attributes.get(path).copied().unwrap_or_default();
        let written = self.written(&changed, &of).await?;
        for one in &changed {
            match &one.mode {
                None => update.remove(&none, &one.path),
                Some(mode) => {
                    self.change(one, mode, of(&one.path), &written, &mut update, &mut notes)?;
                }
            }
        }
        for path in &others {
            self.add(path, of(path), &mut update, &mut notes)?;
        }
        for path in &staged.worktrees {
            update.remove(&none, path);
            notes.worktrees.push(String::from_utf8_lossy(path).into_owned());
        }
        for (path, commit) in &staged.modules {
            update.set("160000", commit, path);
        }
        for path in &removed {
            update.remove(&none, path);
        }
        Ok(Taken { tree: self.apply(update).await?, notes: notes.lines() })
    }

    /// Those of these paths that are ignored, whether they are tracked or not.
    async fn ignored(
        &self,
        paths: &BTreeSet<Vec<u8>>,
    ) -> Result<BTreeSet<Vec<u8>>, WorkspaceError> {
        if paths.is_empty() {
            return Ok(BTreeSet::new());
        }
        // So that no name is taken for a pathspec with magic in it.
        let names = paths.iter().flat_map(|path| [b"./", &path[..], b"\0"].concat()).collect();
        let args = ["check-ignore", "--no-index", "-z", "--stdin"];
        let call = self.scratch.over(self.files, &args).stdin(names);
        let answer = self.scratch.git().run(call.env("GIT_LITERAL_PATHSPECS", "0")).await?;
        let found = answer.stdout.split(|b| *b == 0).filter_map(|name| name.strip_prefix(b"./"));
        Ok(found.map(<[u8]>::to_vec).collect())
    }

    /// Refuses files that are too many or too large, before they are read.
    async fn weigh(&self, changed: &[Changed], others: &[Vec<u8>]) -> Result<(), WorkspaceError> {
        let ended = |path: &Vec<u8>| [&path[..], b"\0"].concat();
        let touched: Vec<u8> = changed
            .iter()
            .filter(|one| one.mode.is_some())
            .flat_map(|one| ended(&one.path))
            .collect();
        let new: Vec<u8> = others.iter().flat_map(ended).collect();
        self.scratch.weigh(self.files, self.head, &new, &touched).await
    }

    /// Leaves out what tools leave behind, unless the repository tracks something of that kind at that place.
    async fn without_litter(
        &self,
        others: Vec<Vec<u8>>,
        notes: &mut Notes,
    ) -> Result<Vec<Vec<u8>>, WorkspaceError> {
        let environments = environments(&others);
        let top = |path: &[u8]| litter(path, &environments).map(<[u8]>::to_vec);
        let mut found: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for top in others.iter().filter_map(|path| top(path)) {
            *found.entry(top).or_default() += 1;
        }
        if found.is_empty() {
            return Ok(others);
        }
        let paths = found.keys().map(|path| OsStr::from_bytes(path));
        let call = self.scratch.over(self.files, &["ls-files", "-z", "--"]).args(paths);
        let tracked = self.scratch.git().output(call).await?;
        for path in tracked.split(|b| *b == 0) {
            top(path).and_then(|top| found.remove(&top));
        }
        let is_kept = |path: &Vec<u8>| top(path).is_none_or(|top| !found.contains_key(&top));
        let kept = others.iter().filter(|path| is_kept(path)).cloned().collect();
        notes.litter = found;
        Ok(kept)
    }

    /// The attributes of these paths, of those that have any.
    async fn attributes<'p>(
        &self,
        paths: impl Iterator<Item = &'p Vec<u8>>,
    ) -> Result<HashMap<Vec<u8>, Attributes>, WorkspaceError> {
        let list: Vec<u8> = paths.flat_map(|path| [&path[..], b"\0"]).flatten().copied().collect();
        if list.is_empty() {
            return Ok(HashMap::new());
        }
        let call = self.scratch.over(self.files, &["check-attr", "-z", "--stdin"]);
        let output = self.scratch.git().output(call.args(ATTRIBUTES).stdin(list)).await?;
        attributes(&output).ok_or_else(|| unreadable("check-attr"))
    }

    /// Writes those of the changed files whose content git converts as they were checked out, and says where.
    async fn written(
        &self,
        changed: &[Changed],
        of: &impl Fn(&[u8]) -> Attributes,
    ) -> Result<PathBuf, WorkspaceError> {
        let place = self.scratch.path().join("written");
        let wanted = |one: &&Changed| {
            let Attributes { lfs, converts, .. } = of(&one.path);
            one.is_file() && (lfs || converts)
        };
        let list: Vec<u8> = changed
            .iter()
            .filter(wanted)
            .flat_map(|one| [&one.path[..], b"\0"])
            .flatten()
            .copied()
            .collect();
        if !list.is_empty() {
            // In a working tree of its own: attributes of the executor's count nothing here.
            fs::create_dir_all(&place).map_err(io("cannot make", &place))?;
            let (git, index) = (self.scratch.git(), self.scratch.path().join("base-index"));
            let call = |args: &[&str]| self.scratch.over(&place, args);
            let base = self.base;
            // What an executor's objects are called is not known to be what they are.
            let attributes = crate::attributes::Attributes { git, base, call, main: None };
            attributes.index(self.head, &index).await?;
            let write = call(&["checkout-index", "--quiet", "-z", "--stdin"]).stdin(list);
            git.output(write.env("GIT_INDEX_FILE", &index)).await?;
        }
        Ok(place)
    }

    /// A tracked file that may have changed.
    fn change(
        &self,
        one: &Changed,
        mode: &str,
        attributes: Attributes,
        written: &Path,
        update: &mut Update,
        notes: &mut Notes,
    ) -> Result<(), WorkspaceError> {
        let Changed { before, path, .. } = one;
        let name = OsStr::from_bytes(path);
        let (now, was) = (self.files.join(name), written.join(name));
        if is_closed(&now) {
            notes.closed.push(String::from_utf8_lossy(path).into_owned());
            return Ok(());
        }
        let compared = one.is_file() && (attributes.lfs || attributes.converts);
        if !compared {
            update.read(path);
            return Ok(());
        }
        let same = plain::same_content(&now, &was).map_err(io("cannot compare", &now))?
            || (attributes.lfs && Pointer::read(&was).is_some_and(|was| was.names(&now)));
        if same {
            update.set(mode, &before.object, path);
        } else if attributes.lfs {
            self.point(path, mode, update, notes)?;
        } else if !attributes.crlf && has_crlf(&was)? {
            // Not as git would normalise it, and so it was before: its other lines stay as they are.
            update.stored.push((mode.to_owned(), path.clone(), now));
        } else {
            update.read(path);
        }
        Ok(())
    }

    /// A file that is new.
    fn add(
        &self,
        path: &[u8],
        attributes: Attributes,
        update: &mut Update,
        notes: &mut Notes,
    ) -> Result<(), WorkspaceError> {
        let file = self.files.join(OsStr::from_bytes(path));
        let found = file.symlink_metadata().map_err(io("cannot look at", &file))?;
        if is_closed(&file) {
            notes.closed.push(String::from_utf8_lossy(path).into_owned());
            return Ok(());
        }
        if attributes.lfs && found.is_file() {
            let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions());
            let mode = if mode & 0o100 == 0 { "100644" } else { "100755" };
            return self.point(path, mode, update, notes);
        }
        update.read(path);
        Ok(())
    }

    /// Has a pointer stand for the content of a file, and keeps the content.
    fn point(
        &self,
        path: &[u8],
        mode: &str,
        update: &mut Update,
        notes: &mut Notes,
    ) -> Result<(), WorkspaceError> {
        let file = self.files.join(OsStr::from_bytes(path));
        let pointer = match Pointer::read(&file) {
            // It was made one before.
            Some(_) => None,
            None => Pointer::to(&file).map_err(io("cannot read", &file))?,
        };
        let Some(pointer) = pointer else {
            update.stored.push((mode.to_owned(), path.to_vec(), file));
            return Ok(());
        };
        let name = String::from_utf8_lossy(path).into_owned();
        let Some(store) = self.lfs_store else {
            notes.plain.push(name);
            update.stored.push((mode.to_owned(), path.to_vec(), file));
            return Ok(());
        };
        pointer.store(&file, store)?;
        let place = self.scratch.path().join("pointers");
        fs::create_dir_all(&place).map_err(io("cannot make", &place))?;
        let text = place.join(update.stored.len().to_string());
        fs::write(&text, pointer.text()).map_err(io("cannot write", &text))?;
        notes.pointers.push(name);
        update.stored.push((mode.to_owned(), path.to_vec(), text));
        Ok(())
    }

    /// Brings the index up to date, and makes a tree of it.
    async fn apply(&self, mut update: Update) -> Result<ObjectId, WorkspaceError> {
        let Self { scratch, files, .. } = self;
        let git = scratch.git();
        let stored = std::mem::take(&mut update.stored);
        if !stored.is_empty() {
            let names = self.numbered(&stored).await?;
            let args = ["hash-object", "-w", "--no-filters", "--stdin-paths"];
            let output = git.text(scratch.call(&args).stdin(names)).await?;
            let objects: Option<Vec<_>> = output.lines().map(ObjectId::parse).collect();
            let objects = objects.filter(|objects| objects.len() == stored.len());
            let objects = objects.ok_or_else(|| unreadable("hash-object"))?;
            for ((mode, path, _), object) in stored.iter().zip(&objects) {
                update.set(mode, object, path);
            }
        }
        if !update.entries.is_empty() {
            let args = ["update-index", "-z", "--index-info"];
            git.output(scratch.over(files, &args).stdin(update.entries)).await?;
        }
        if !update.read.is_empty() {
            let args = ["update-index", "-z", "--add", "--remove", "--replace", "--stdin"];
            git.output(scratch.over(files, &args).stdin(update.read)).await?;
        }
        let written = git.text(scratch.over(files, &["write-tree"])).await?;
        ObjectId::parse(&written).ok_or_else(|| unreadable("write-tree"))
    }

    /// Copies files under names of the host's own, which can be listed line by line.
    async fn numbered(
        &self,
        stored: &[(String, Vec<u8>, PathBuf)],
    ) -> Result<Vec<u8>, WorkspaceError> {
        let place = self.scratch.path().join("stored");
        let from: Vec<_> = stored.iter().map(|(.., file)| file.clone()).collect();
        in_background("copy files", move || {
            fs::create_dir_all(&place).map_err(io("cannot make", &place))?;
            let mut names = String::new();
            for (number, from) in from.iter().enumerate() {
                let to = place.join(number.to_string());
                let failed = io("cannot copy", from);
                let mut reader = plain::open(from).map_err(&failed)?;
                let mut writer = fs::File::create_new(&to).map_err(&failed)?;
                std::io::copy(&mut reader, &mut writer).map_err(&failed)?;
                let _ = writeln!(names, "stored/{number}");
            }
            Ok(names.into_bytes())
        })
        .await
    }
}

/// Whether a file's mode keeps the host's git from reading it, which has no right that its user has not.
fn is_closed(path: &Path) -> bool {
    let Ok(found) = path.symlink_metadata() else { return false };
    let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions());
    found.is_file() && mode & 0o400 == 0
        || plain::open(path)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Whether a file has lines that end as on Windows.
fn has_crlf(path: &Path) -> Result<bool, WorkspaceError> {
    let content = plain::open(path).and_then(|mut file| {
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut content)?;
        Ok(content)
    });
    let content = content.map_err(io("cannot read", path))?;
    Ok(content.windows(2).any(|pair| pair == b"\r\n"))
}

/// Reads `diff-files --raw -z --no-abbrev`: `:<old mode> <new mode> <old> <new> <status>\0<path>\0`.
fn changed(output: &[u8]) -> Option<Vec<Changed>> {
    let mut found = Vec::new();
    let mut fields = output.split(|b| *b == 0);
    while let Some(field) = fields.next().filter(|field| !field.is_empty()) {
        let line = std::str::from_utf8(field).ok()?.strip_prefix(':')?;
        let mut parts = line.split(' ');
        let (old, new) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let before = Before { mode: old, object: ObjectId::parse(parts.next()?)? };
        let mode = (new != "000000").then_some(new);
        found.push(Changed { before, mode, path: fields.next()?.to_vec() });
    }
    Some(found)
}

/// Reads `check-attr -z`: `<path>\0<attribute>\0<value>\0`.
fn attributes(output: &[u8]) -> Option<HashMap<Vec<u8>, Attributes>> {
    let mut found: HashMap<Vec<u8>, Attributes> = HashMap::new();
    let mut fields = output.split(|b| *b == 0);
    while let Some(path) = fields.next().filter(|path| !path.is_empty()) {
        let (name, value) = (fields.next()?, fields.next()?);
        let (name, value) = (std::str::from_utf8(name).ok()?, String::from_utf8_lossy(value));
        if matches!(&*value, "unspecified" | "unset") {
            continue;
        }
        let attributes = found.entry(path.to_vec()).or_default();
        match name {
            "filter" => attributes.lfs |= value == lfs::FILTER,
            "eol" => {
                attributes.converts = true;
                attributes.crlf |= value == "crlf";
            }
            _ => attributes.converts = true,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_changed_and_other_files_are_told_apart() {
        let (a, none) = ("a".repeat(40), "0".repeat(40));
        let output = format!(
            ":100644 100755 {a} {none} M\0a b\0:100644 000000 {a} {none} D\0gone\0:100644 120000 {a} {none} T\0link\0"
        );
        let found = changed(output.as_bytes()).unwrap();
        let seen = found.iter().map(|one| (&one.path[..], one.is_file(), one.mode.is_some()));
        let seen: Vec<_> = seen.collect();
        assert_eq!(
            seen,
            [(&b"a b"[..], true, true), (b"gone", false, false), (b"link", false, true)]
        );
        assert_eq!(changed(b""), Some(vec![]));
        assert_eq!(changed(b":100644 100644 x y M\0p\0"), None);
    }

    #[test]
    fn attributes_that_convert_are_found() {
        let output =
            b"a\0filter\0lfs\0a\0text\0unset\0b\0text\0auto\0c\0eol\0crlf\0d\0text\0unspecified\0";
        let found = attributes(output).unwrap();
        let of = |path: &str| found.get(path.as_bytes()).copied().unwrap_or_default();
        assert_eq!(of("a"), Attributes { lfs: true, ..Attributes::default() });
        assert_eq!(of("b"), Attributes { converts: true, ..Attributes::default() });
        assert_eq!(of("c"), Attributes { converts: true, crlf: true, ..Attributes::default() });
        assert_eq!(of("d"), Attributes::default());
        assert_eq!(attributes(b"a\0filter"), None);
    }
}
