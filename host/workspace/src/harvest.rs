//! Takes commits out of a directory that an executor could write, without ever running git in it.
//!
//! The clone's `.git` is data here. Read are its `HEAD`, the ref that names, loose objects and packs: plain files,
//! in plain directories. Not read are its configuration, hooks, attributes, alternates, replacements, grafts,
//! indexes, commit graphs and pack indexes. Every object is checked when it goes on into the main repository.

use crate::{admission::Tally, error::io, object::ObjectId};
use cyrus_core::WorkspaceError;
use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

/// The most that is read of a file of refs.
pub(crate) const MAX_REFS_BYTES: u64 = 16 << 20;

/// How many symbolic refs are followed, as in git.
const MAX_SYMBOLIC_REFS: usize = 5;

/// The commit that the clone's `HEAD` names. `None`: there is no plain repository, or it has no commit; the files
/// of the working tree are all there is to go by.
pub(crate) fn head(git_dir: &Path) -> Option<ObjectId> {
    let mut name = "HEAD".to_owned();
    for _ in 0..=MAX_SYMBOLIC_REFS {
        let Some(value) = read_plain(git_dir, &name, 4096) else { return packed(git_dir, &name) };
        let value = String::from_utf8(value).ok()?;
        let Some(next) = value.strip_prefix("ref:") else { return ObjectId::parse(&value) };
        next.trim().clone_into(&mut name);
        if !is_branch_like(&name) {
            return None;
        }
    }
    None
}

/// Whether this may be the path of a ref: parts below `refs/` that cannot lead anywhere else.
pub(crate) fn is_branch_like(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    name.starts_with("refs/") && name.split('/').all(plain) && !name.contains(['\0', '\n'])
}

fn packed(git_dir: &Path, name: &str) -> Option<ObjectId> {
    let refs = String::from_utf8(read_plain(git_dir, "packed-refs", MAX_REFS_BYTES)?).ok()?;
    refs.lines().find_map(|line| {
        let (object, at) = line.split_once(' ')?;
        (at == name).then(|| ObjectId::parse(object)).flatten()
    })
}

/// A file's content, when the way to it from `root` (itself included) is plain directories, it is a plain file, and
/// not too large.
pub(crate) fn read_plain(root: &Path, relative: &str, limit: u64) -> Option<Vec<u8>> {
    let mut path = root.to_owned();
    for part in relative.split('/') {
        if !is_plain_dir(&path) {
            return None;
        }
        path.push(part);
    }
    let metadata = path.symlink_metadata().ok()?;
    if !metadata.is_file() || metadata.len() > limit {
        return None;
    }
    let mut content = Vec::new();
    File::open(&path).ok()?.take(limit).read_to_end(&mut content).ok()?;
    Some(content)
}

fn is_plain_dir(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// Copies the objects of the repository `from` into the repository `to`, and gives the packs among them, which still
/// need their indexes. Each is counted, by what it says of itself. What the clone borrows from the main repository is
/// not among them. Names of objects have `hash_bytes`.
pub(crate) fn copy_objects(
    from: &Path,
    to: &Path,
    tally: &mut Tally,
    hash_bytes: usize,
) -> Result<Vec<PathBuf>, WorkspaceError> {
    let (from, to) = (from.join("objects"), to.join("objects"));
    let mut packs = Vec::new();
    for (name, path) in plain_dirs(&from)? {
        let target = to.join(&name);
        if name == "pack" {
            for file in plain_files(&path, is_pack)? {
                let pack = copy(&path, &target, &file, |bytes| tally.file(bytes, true, &file))?;
                tally.pack(&pack, &file, hash_bytes)?;
                packs.push(pack);
            }
        } else if name.len() == 2 && is_hex(&name) {
            for file in plain_files(&path, |name| matches!(name.len(), 38 | 62) && is_hex(name))? {
                let copied = copy(&path, &target, &file, |bytes| tally.file(bytes, false, &file))?;
                tally.loose(&copied, &format!("{name}{file}"))?;
            }
        }
    }
    Ok(packs)
}

fn is_hex(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_pack(name: &str) -> bool {
    name.strip_prefix("pack-")
        .and_then(|rest| rest.strip_suffix(".pack"))
        .is_some_and(|hash| ObjectId::parse(hash).is_some())
}

fn plain_dirs(directory: &Path) -> Result<Vec<(String, PathBuf)>, WorkspaceError> {
    let names = entries(directory, fs::FileType::is_dir)?;
    Ok(names.into_iter().map(|name| (name.clone(), directory.join(name))).collect())
}

fn plain_files(
    directory: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<String>, WorkspaceError> {
    let mut names = entries(directory, fs::FileType::is_file)?;
    names.retain(|name| wanted(name));
    Ok(names)
}

/// The names in a directory of the entries of one kind; links are neither files nor directories. A directory that
/// is not a plain one has none.
pub(crate) fn entries(
    directory: &Path,
    kind: impl Fn(&fs::FileType) -> bool,
) -> Result<Vec<String>, WorkspaceError> {
    if !is_plain_dir(directory) {
        return Ok(Vec::new());
    }
    let failed = io("cannot list", directory);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        if kind(&entry.file_type().map_err(&failed)?)
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Copies a file, once its length is allowed.
fn copy(
    from: &Path,
    to: &Path,
    name: &str,
    allowed: impl FnOnce(u64) -> Result<(), WorkspaceError>,
) -> Result<PathBuf, WorkspaceError> {
    let (source, target) = (from.join(name), to.join(name));
    match fs::create_dir(to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(io("cannot make", to)(error));
        }
        _ => {}
    }
    let reader = File::open(&source).map_err(io("cannot read", &source))?;
    let length = reader.metadata().map_err(io("cannot read", &source))?.len();
    allowed(length)?;
    let mut writer = match File::create_new(&target) {
        // It is named by what is in it: the host wrote the same object, from the files of the clone.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(target),
        made => made.map_err(io("cannot make", &target))?,
    };
    std::io::copy(&mut reader.take(length), &mut writer).map_err(io("cannot copy", &source))?;
    Ok(target)
}

/// A directory with these files.
#[cfg(test)]
pub(crate) fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::ResultLimits;
    use std::os::unix::fs::symlink;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn head_of(files: &[(&str, &str)]) -> Option<String> {
        head(repository(files).path()).map(|object| object.to_string())
    }

    #[test]
    fn head_is_found_where_git_puts_it() {
        let a = format!("{A}\n");
        let packed =
            format!("# pack-refs with: peeled\n{B} refs/heads/other\n{A} refs/heads/x/y\n");
        for files in [
            &[("HEAD", a.as_str())][..],
            &[("HEAD", "ref: refs/heads/x/y\n"), ("refs/heads/x/y", &a)],
            &[("HEAD", "ref: refs/heads/x/y\n"), ("packed-refs", &packed)],
            &[
                ("HEAD", "ref: refs/heads/x"),
                ("refs/heads/x", "ref: refs/heads/y"),
                ("refs/heads/y", &a),
            ],
        ] {
            assert_eq!(head_of(files).as_deref(), Some(A));
        }
    }

    #[test]
    fn what_leads_elsewhere_or_nowhere_is_no_head() {
        for files in [
            &[][..],
            &[("HEAD", "ref: refs/heads/unborn\n")],
            &[("HEAD", "ref: ../secret"), ("../secret", A)],
            &[("HEAD", "ref: refs/../config"), ("config", A)],
            &[("HEAD", "ref: /etc/passwd")],
            &[("HEAD", "ref: refs/heads/a"), ("refs/heads/a", "ref: refs/heads/a")],
            &[("HEAD", "--upload-pack=x")],
        ] {
            let place = tempfile::tempdir().unwrap();
            let git = place.path().join("git");
            fs::create_dir(&git).unwrap();
            for (name, content) in files {
                let path = git.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            assert_eq!(head(&git), None, "{files:?}");
        }
    }

    #[test]
    fn links_are_not_followed() {
        let real = repository(&[("HEAD", A), ("refs/heads/x", A)]);
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("git");
        symlink(real.path(), &link).unwrap();
        assert_eq!(head(&link), None);

        let mixed = repository(&[("HEAD", "ref: refs/heads/x")]);
        symlink(real.path().join("refs"), mixed.path().join("refs")).unwrap();
        assert_eq!(head(mixed.path()), None);
    }

    #[test]
    fn only_plain_objects_and_packs_are_copied() {
        let object = format!("objects/aa/{}", &A[2..]);
        let pack = format!("objects/pack/pack-{A}.pack");
        let from = repository(&[
            (&object, "loose"),
            (&pack, "PACK\0\0\0\x02\0\0\0\0"),
            (&format!("objects/pack/pack-{A}.idx"), "index"),
            ("objects/pack/multi-pack-index", "x"),
            ("objects/info/alternates", "/elsewhere"),
            ("objects/aa/short", "x"),
        ]);
        let secret = repository(&[(&A[2..], "secret")]);
        symlink(secret.path(), from.path().join("objects/bb")).unwrap();
        symlink(secret.path().join(&A[2..]), from.path().join(format!("objects/aa/{}", &B[2..])))
            .unwrap();
        let to = repository(&[("objects/pack/.keep", ""), ("objects/info/.keep", "")]);

        let packs =
            copy_objects(from.path(), to.path(), &mut Tally::new(ResultLimits::default()), 20)
                .unwrap();
        assert_eq!(packs, [to.path().join(&pack)]);
        let names = |directory: &str| {
            let mut names: Vec<_> = fs::read_dir(to.path().join(directory))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != ".keep")
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("objects"), ["aa", "info", "pack"]);
        assert_eq!(names("objects/aa"), [&A[2..]]);
        assert_eq!(names("objects/pack"), [format!("pack-{A}.pack")]);
        assert_eq!(names("objects/info"), [] as [&str; 0]);
    }
}
