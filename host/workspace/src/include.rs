//! `.worktreeinclude`: ignored files of the user's working tree that a clone gets a copy of, such as `.env`.
//!
//! The list is that of the base commit, in the form of `.gitignore`. A file is copied when the list matches it, git
//! does not track it, and what the clone starts from has git ignore it too. It is the user's own, and is part of no
//! result, also where an executor has git ignore it no longer: which files were copied is kept with the clone's state.
//! A name that leads through a link in the clone is left out, and so is one that is there already.

use crate::{
    clone::Source,
    error::{in_background, io, unreadable},
    git::{Call, Git},
    lfs::Pointer,
    object::ObjectId,
    repository::Main,
};
use cyrus_core::WorkspaceError;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs,
    io::ErrorKind,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The list's name.
const LIST: &str = ".worktreeinclude";

/// The most that is copied, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// The names that were copied, as [`write`] wrote them; none when there is no such file.
pub(crate) fn read(file: &Path) -> Result<BTreeSet<Vec<u8>>, WorkspaceError> {
    match fs::read(file) {
        Ok(text) => Ok(text
            .split(|b| *b == 0)
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(io("cannot read", file)(error)),
    }
}

/// Keeps the names that were copied.
pub(crate) fn write(names: &[Vec<u8>], file: &Path) -> Result<(), WorkspaceError> {
    fs::write(file, names.join(&0)).map_err(io("cannot write", file))
}

/// The objects that git would make of these files as they are in the user's working tree now, in each form in which
/// attributes may have it keep them. `scratch` is a directory for the forms, which only the host reads.
pub(crate) async fn objects(
    git: &Git,
    main: &Main,
    names: &BTreeSet<Vec<u8>>,
    scratch: &Path,
) -> Result<BTreeMap<ObjectId, Vec<u8>>, WorkspaceError> {
    let Some(from) = main.working_tree().await?.filter(|_| !names.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let (from, scratch, names) = (from.to_owned(), scratch.to_owned(), names.clone());
    let asked = in_background("read the user's files", move || {
        let mut asked = Vec::new();
        for name in names {
            let file = from.join(Path::new(OsStr::from_bytes(&name)));
            // A link of the user's was copied as the file that it leads to. Empty files are no secret.
            if file.metadata().is_ok_and(|found| found.is_file() && found.len() > 0) {
                for form in forms(&file) {
                    let path = scratch.join(format!("form-{}", asked.len()));
                    fs::write(&path, form).map_err(io("cannot write", &path))?;
                    asked.push((path, name.clone()));
                }
                asked.push((file, name));
            }
        }
        Ok(asked)
    });
    let asked = asked.await?;
    let paths = asked.iter().map(|(path, _)| quoted(path.as_os_str().as_bytes()));
    let list = paths.flat_map(|path| [path, b"\n".to_vec()]).flatten().collect();
    let call = main.call(&["hash-object", "--no-filters", "--stdin-paths"]).await?.stdin(list);
    let said = git.text(call).await?;
    let objects =
        said.lines().map(|line| ObjectId::parse(line).ok_or_else(|| unreadable("hash-object")));
    objects.zip(asked).map(|(object, (_, name))| Ok((object?, name))).collect()
}

/// The shortest line that is looked for in a text, in bytes. A shorter one may stand there by chance.
const SHORTEST: usize = 12;

/// Those of these files of which a line, or the value of a variable, stands in a text.
pub(crate) async fn quoted_in(
    main: &Main,
    names: &BTreeSet<Vec<u8>>,
    text: String,
) -> Result<Vec<String>, WorkspaceError> {
    let Some(from) = main.working_tree().await?.map(Path::to_owned) else { return Ok(Vec::new()) };
    let names = names.clone();
    in_background("read the user's files", move || {
        let is_quoted = |name: &&Vec<u8>| {
            let file = from.join(Path::new(OsStr::from_bytes(name)));
            let size = file.metadata().map_or(u64::MAX, |found| found.len());
            let content = (size <= MAX_FORM_BYTES).then(|| fs::read(&file).ok()).flatten();
            let content = content.unwrap_or_default();
            String::from_utf8_lossy(&content).lines().any(|line| {
                let line = line.trim();
                let value = line.split_once('=').map_or("", |(_, value)| value);
                [line, value.trim_matches(['"', '\'', ' '])]
                    .iter()
                    .any(|part| part.len() >= SHORTEST && text.contains(part))
            })
        };
        let quoted = names.iter().filter(is_quoted);
        Ok(quoted.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    })
    .await
}

/// The largest file of which the forms are worked out, in bytes.
const MAX_FORM_BYTES: u64 = 16 << 20;

/// A name as git reads it from a line.
fn quoted(name: &[u8]) -> Vec<u8> {
    if !name.contains(&b'\n') && !name.starts_with(b"\"") {
        return name.to_vec();
    }
    let mut quoted = vec![b'"'];
    for byte in name {
        match byte {
            b'\n' => quoted.extend(b"\\n"),
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            _ => quoted.push(*byte),
        }
    }
    quoted.push(b'"');
    quoted
}

/// What else git may keep of a file, by attributes: the pointer of Git LFS, and its text with other ends of lines.
fn forms(file: &Path) -> Vec<Vec<u8>> {
    let size = file.metadata().map_or(u64::MAX, |found| found.len());
    let Some(content) = (size <= MAX_FORM_BYTES).then(|| fs::read(file).ok()).flatten() else {
        return Vec::new();
    };
    let mut forms = vec![Pointer::of(&content).text().into_bytes()];
    let unix: Vec<u8> = content
        .iter()
        .zip(content.iter().skip(1).map(Some).chain([None]))
        .filter(|(byte, next)| !(**byte == b'\r' && *next == Some(&b'\n')))
        .map(|(byte, _)| *byte)
        .collect();
    if unix != content {
        forms.push(unix);
    }
    forms
}

/// Copies what the list names into a clone that nobody but the host has written to, and gives the names. `scratch` is
/// a directory for what is under way.
pub(crate) async fn copy(
    git: &Git,
    source: &Source<'_>,
    clone: &Path,
    scratch: &Path,
) -> Result<Vec<Vec<u8>>, WorkspaceError> {
    let Some(list) = source.main.file(source.base, LIST).await? else { return Ok(Vec::new()) };
    let Some(from) = source.main.working_tree().await?.map(Path::to_owned) else {
        return Ok(Vec::new());
    };
    let patterns = scratch.join("include");
    fs::write(&patterns, list).map_err(io("cannot write", &patterns))?;
    let mut exclude = OsString::from("--exclude-from=");
    exclude.push(&patterns);
    let call = source.main.call(&["ls-files", "-z", "--others", "--ignored"]).await?.arg(exclude);
    let named = git.output(call).await?;
    let mut free = Vec::new();
    // A name that ends in a slash is a repository inside of the working tree.
    for name in named.split(|b| *b == 0).filter(|name| !name.is_empty() && !name.ends_with(b"/")) {
        if place(clone, Path::new(OsStr::from_bytes(name))).is_some() {
            // So that no name is taken for a pathspec with magic in it.
            free.extend([b"./", name, b"\0"].concat());
        } else {
            let name = String::from_utf8_lossy(name);
            tracing::warn!(%name, "not copied: a link or a file is in the way");
        }
    }
    if free.is_empty() {
        return Ok(Vec::new());
    }
    let call = Call::new(clone, &["check-ignore", "-z", "--stdin"])
        .stdin(free)
        .env("GIT_LITERAL_PATHSPECS", "0");
    let answer = git.run(call).await?;
    let ignored = match answer.code {
        0 => answer.stdout,
        1 => return Ok(Vec::new()),
        _ => return Err(answer.into_error()),
    };
    let to = clone.to_owned();
    in_background("copy ignored files", move || {
        let mut left = MAX_BYTES;
        let mut copied = Vec::new();
        for name in ignored.split(|b| *b == 0).filter_map(|name| name.strip_prefix(b"./")) {
            if copy_file(&from, &to, Path::new(OsStr::from_bytes(name)), &mut left)? {
                copied.push(name.to_vec());
            }
        }
        Ok(copied)
    })
    .await
}

/// Whether there is a file to copy, and room for it.
fn copy_file(from: &Path, to: &Path, name: &Path, left: &mut u64) -> Result<bool, WorkspaceError> {
    let source = from.join(name);
    let Some(found) = source.metadata().ok().filter(fs::Metadata::is_file) else {
        return Ok(false);
    };
    let target = to.join(name);
    let Some(rest) = left.checked_sub(found.len()) else {
        tracing::warn!(file = %name.display(), "not copied: {LIST} names more than {MAX_BYTES} bytes");
        return Ok(false);
    };
    *left = rest;
    if let Some(above) = target.parent() {
        fs::create_dir_all(above).map_err(io("cannot make", above))?;
    }
    fs::copy(&source, &target).map(|_| true).map_err(io("cannot copy", &source))
}

/// Where a file goes, when the way there is plain directories, or not there yet, and nothing is in its place.
fn place(root: &Path, name: &Path) -> Option<PathBuf> {
    let target = root.join(name);
    let above = target.ancestors().skip(1).take_while(|path| *path != root);
    let mut plain = above.map(Path::symlink_metadata);
    let open = plain.all(|found| found.map_or(true, |found| found.is_dir()));
    (open && target.symlink_metadata().is_err()).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_through_a_link_or_over_a_file() {
        let place_of = tempfile::tempdir().unwrap();
        let root = place_of.path();
        fs::create_dir(root.join("plain")).unwrap();
        fs::write(root.join("there"), "").unwrap();
        std::os::unix::fs::symlink("/tmp", root.join("link")).unwrap();
        for (name, free) in [
            ("new", true),
            ("plain/new", true),
            ("deep/er/new", true),
            ("there", false),
            ("there/new", false),
            ("link", false),
            ("link/new", false),
            ("link/deep/new", false),
        ] {
            assert_eq!(place(root, Path::new(name)).is_some(), free, "{name}");
        }
    }
}
