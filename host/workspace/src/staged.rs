//! What an executor staged and did not commit: files that are ignored, which it added by force or stopped tracking, and
//! other commits of submodules; and which files it did not want to have (`git sparse-checkout`). All are decisions, and none
//! is seen in a working tree. The index is the executor's: git reads a copy of it, in a sandbox, and where it cannot be read
//! nothing is staged.

use crate::{
    attributes::paths, copy::plain_directory, error::in_background, object::ObjectId, plain,
    scratch::Scratch,
};
use cyrus_core::WorkspaceError;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::File,
    io::{self, Read as _},
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path},
};

/// The largest index that is looked at, in bytes.
const INDEX_BYTES: u64 = 256 << 20;

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Staged {
    /// Files of the working tree that the commit does not have.
    pub(crate) files: BTreeSet<Vec<u8>>,
    /// Files of the commit and of the working tree that the index does not have: those of them that are ignored are not
    /// tracked any more.
    pub(crate) removed: BTreeSet<Vec<u8>>,
    /// Submodules of the commit that are at another commit.
    pub(crate) modules: Vec<(Vec<u8>, ObjectId)>,
    /// Files of the commit that are not to be in the working tree: that they are not there removes none of them.
    pub(crate) skipped: BTreeSet<Vec<u8>>,
    /// Working trees of the clone's own that lie in it and were committed with all else: an agent's agents have them.
    pub(crate) worktrees: Vec<Vec<u8>>,
}

impl Staged {
    /// What is in the index of a clone and not in that of its `HEAD`, which the scratch repository has.
    /// `checked_out` is the index as the host wrote it.
    pub(crate) async fn find(
        scratch: &Scratch,
        clone: &Path,
        checked_out: &Path,
    ) -> Result<Self, WorkspaceError> {
        let (index, copy) = (clone.join(".git/index"), scratch.path().join("staged"));
        let (target, before) = (copy.clone(), checked_out.to_owned());
        let is_another = in_background("read the index of the clone", move || {
            let copied = copied(&index, &target);
            let is_same = plain::same_content(&target, &before).unwrap_or(false);
            Ok(copied.is_ok() && !is_same)
        });
        if !is_another.await? {
            return Ok(Self::default());
        }
        let list = ["ls-files", "-t", "--stage", "-z"];
        let call = scratch.over(clone, &list).env("GIT_INDEX_FILE", &copy);
        let staged = match scratch.git().run(call).await {
            Ok(answer) if answer.code == 0 => answer.stdout,
            Ok(_) | Err(WorkspaceError::Unacceptable(_)) => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let before = entries(&scratch.git().output(scratch.over(clone, &list)).await?);
        let mut found = Self::between(&before, &staged);
        let there = |path: &Vec<u8>| is_there(clone, Path::new(OsStr::from_bytes(path)));
        found.files.retain(there);
        found.removed.retain(there);
        let modules = before.into_iter().filter(|(_, entry)| entry.kind == Kind::Module);
        let linked = modules.filter(|(path, _)| is_worktree(clone, path));
        found.worktrees = linked.map(|(path, _)| path).collect();
        Ok(found)
    }

    /// `listed` is what `ls-files -t --stage -z` says of the index.
    fn between(before: &BTreeMap<Vec<u8>, Entry>, listed: &[u8]) -> Self {
        // One that is in conflict is there, too.
        let known: BTreeSet<_> = paths(listed).collect();
        let files = before.iter().filter(|(_, entry)| entry.kind == Kind::File);
        let removed = files.map(|(path, _)| path).filter(|path| !known.contains(&path[..]));
        let mut found = Self { removed: removed.cloned().collect(), ..Self::default() };
        for (path, entry) in entries(listed) {
            if entry.is_skipped {
                found.skipped.insert(path.clone());
            }
            match (before.get(&path), entry.kind) {
                (None, Kind::File) => drop(found.files.insert(path)),
                (Some(known), Kind::Module)
                    if known.kind == Kind::Module && known.object != entry.object =>
                {
                    found.modules.push((path, entry.object));
                }
                _ => {}
            }
        }
        found
    }
}

/// Whether a directory is a working tree of another repository, by what its `.git` says. That of a submodule says
/// otherwise.
fn is_worktree(clone: &Path, path: &[u8]) -> bool {
    const LONGEST: u64 = 4096;
    let path = Path::new(OsStr::from_bytes(path));
    let Some(directory) = plain_directory(clone, path) else { return false };
    let mut text = String::new();
    let read = plain::open(&directory.join(".git"))
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.is_ok() && text.starts_with("gitdir:") && text.contains("/worktrees/")
}

/// Whether a name that an executor wrote is that of a file or link of the working tree, by a way of plain directories.
fn is_there(root: &Path, name: &Path) -> bool {
    let is_name = |part: Component<'_>| match part {
        Component::Normal(part) => !part.eq_ignore_ascii_case(".git"),
        _ => false,
    };
    let above = name.parent().and_then(|above| plain_directory(root, above));
    let found = above.zip(name.file_name()).map(|(above, name)| above.join(name));
    name.components().all(is_name)
        && found.is_some_and(|found| found.symlink_metadata().is_ok_and(|found| !found.is_dir()))
}

fn copied(index: &Path, to: &Path) -> io::Result<()> {
    // A split index leads to another file, and is not followed: git does not read it then.
    let file = plain::open(index)?;
    if file.metadata()?.len() > INDEX_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    io::copy(&mut file.take(INDEX_BYTES), &mut File::create(to)?).map(drop)
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    object: ObjectId,
    /// Whether it has the bit that keeps git from looking for it (skip-worktree).
    is_skipped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Module,
}

/// Reads `<tag> <mode> <object> <stage>\t<path>` of `ls-files -t --stage -z`, of what is in no conflict.
fn entries(listed: &[u8]) -> BTreeMap<Vec<u8>, Entry> {
    let read = |line: &[u8]| {
        let tab = line.iter().position(|b| *b == b'\t')?;
        let mut words = str::from_utf8(&line[..tab]).ok()?.split(' ');
        let (tag, mode) = (words.next()?, words.next()?);
        let (object, stage) = (words.next()?, words.next()?);
        let kind = if mode == "160000" { Kind::Module } else { Kind::File };
        (stage == "0").then_some(())?;
        let (object, is_skipped) = (ObjectId::parse(object)?, tag == "S");
        Some((line[tab + 1..].to_vec(), Entry { kind, object, is_skipped }))
    };
    listed.split(|b| *b == 0).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_or_moved_is_staged() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let before = format!(
            "H 100644 {a} 0\tfile\x00H 160000 {a} 0\tmodule\x00H 160000 {a} 0\tsame\x00H 100644 {a} 0\tgone\x00H 100644 {a} 0\tconflict\x00H 160000 {a} 0\tleft\0"
        );
        let after = format!(
            "S 100644 {b} 0\tfile\x00H 100755 {b} 0\tforced\nname\x00H 160000 {b} 0\tmodule\x00H 160000 {a} 0\tsame\x00H 160000 {b} 0\tnested\x00M 100644 {a} 2\tconflict\0nonsense\0"
        );
        let found = Staged::between(&entries(before.as_bytes()), after.as_bytes());
        assert_eq!(found.files, BTreeSet::from([b"forced\nname".to_vec()]));
        assert_eq!(found.removed, BTreeSet::from([b"gone".to_vec()]));
        assert_eq!(found.skipped, BTreeSet::from([b"file".to_vec()]));
        assert_eq!(found.modules, [(b"module".to_vec(), ObjectId::parse(&b).unwrap())]);
    }

    #[test]
    fn a_name_of_an_index_leads_to_no_other_place() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("clone");
        let write = |name: &str| {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for name in ["outside", "clone/dir/file", "clone/.git/config", "clone/sub/.GIT/config"] {
            write(name);
        }
        std::os::unix::fs::symlink(place.path(), root.join("link")).unwrap();
        for (name, is) in [
            ("dir/file", true),
            ("link", true),
            ("dir", false),
            ("gone", false),
            ("link/outside", false),
            ("../outside", false),
            ("dir/../dir/file", false),
            (".git/config", false),
            ("sub/.GIT/config", false),
            ("/etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(is_there(&root, Path::new(name)), is, "{name}");
        }
    }
}
