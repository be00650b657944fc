//! Writes files by the attributes of the base commit. By its own a result could have a file that it did not touch
//! written otherwise than it is, and choose the converters that the host's git loads.
//!
//! When git writes files it reads attributes from the index first. So it gets an index in which the attribute files are
//! the base commit's. That needs no new git: `attr.tree` is 2.43's.

use crate::{
    error::{io, unreadable},
    git::{Call, Git},
    object::ObjectId,
    repository::Main,
};
use cyrus_core::WorkspaceError;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    io::ErrorKind,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::Arc,
};

/// The attribute files of a commit: the mode and the object of each, by its path.
type Files = BTreeMap<Vec<u8>, Vec<u8>>;

/// Makes calls of git in one repository.
pub(crate) struct Attributes<'a, C: Fn(&[&str]) -> Call> {
    pub(crate) git: &'a Git,
    pub(crate) base: &'a ObjectId,
    pub(crate) call: C,
    /// The repository that has the commits, where they are known to be what they are called.
    pub(crate) main: Option<&'a Main>,
}

impl<C: Fn(&[&str]) -> Call> Attributes<'_, C> {
    async fn listed(&self, commit: &ObjectId) -> Result<Arc<[u8]>, WorkspaceError> {
        if let Some(main) = self.main {
            return main.listed(commit).await;
        }
        let call = (self.call)(&["ls-tree", "-r", "-z", "--full-tree", commit.as_str()]);
        Ok(self.git.output(call).await?.into())
    }

    /// The attribute files of a commit, and those of the base that can stand beside what the commit has.
    async fn files(&self, commit: &ObjectId) -> Result<(Files, Files), WorkspaceError> {
        let (ours, bases) = (self.listed(commit).await?, self.listed(self.base).await?);
        let read = |listed: &[u8]| files(listed).ok_or_else(|| unreadable("ls-tree -r"));
        let (own, mut base) = (read(&ours)?, read(&bases)?);
        let paths = paths(&ours).collect();
        base.retain(|path, _| own.contains_key(path) || !is_in_the_way(path, &paths));
        Ok((own, base))
    }

    /// Fills an index with the files of a commit, and the attribute files of the base.
    pub(crate) async fn index(
        &self,
        commit: &ObjectId,
        index: &Path,
    ) -> Result<(), WorkspaceError> {
        let (own, base) = self.files(commit).await?;
        let over = |args: &[&str]| (self.call)(args).env("GIT_INDEX_FILE", index);
        self.git.output(over(&["read-tree", commit.as_str()])).await?;
        let mut lines = Vec::new();
        for path in own.keys().filter(|path| !base.contains_key(*path)) {
            lines.extend_from_slice(format!("0 {}\t", commit.none_like()).as_bytes());
            lines.extend_from_slice(path);
            lines.push(0);
        }
        for (path, entry) in &base {
            lines.extend_from_slice(entry);
            lines.push(b'\t');
            lines.extend_from_slice(path);
            lines.push(0);
        }
        let update = over(&["update-index", "-z", "--replace", "--index-info"]);
        self.git.output(update.stdin(lines)).await.map(drop)
    }

    /// Writes the files of a commit into the working tree at `place`, whose repository only the host has written.
    /// Its index says which files are there that may have to go.
    pub(crate) async fn write(
        &self,
        commit: &ObjectId,
        place: &Path,
    ) -> Result<(), WorkspaceError> {
        let (own, base) = self.files(commit).await?;
        if own == base {
            return self.git.output((self.call)(&["reset", "--hard", "--quiet"])).await.map(drop);
        }
        let index = place.join(".git/attributes-index");
        self.index(commit, &index).await?;
        let tree =
            self.git.text((self.call)(&["write-tree"]).env("GIT_INDEX_FILE", &index)).await?;
        fs::remove_file(&index).map_err(io("cannot remove", &index))?;
        self.git.output((self.call)(&["read-tree", "--reset", "-u", &tree])).await?;
        self.git.output((self.call)(&["read-tree", commit.as_str()])).await?;
        for path in base.keys().filter(|path| !own.contains_key(*path)) {
            let path = place.join(OsStr::from_bytes(path));
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io("cannot remove", &path)(error));
                }
                _ => {}
            }
        }
        let own: Vec<u8> = own.keys().flat_map(|path| [&path[..], b"\0"].concat()).collect();
        let attributes = (self.call)(&["checkout-index", "--quiet", "--force", "-z", "--stdin"]);
        self.git.output(attributes.stdin(own)).await?;
        // A file that the result's own attributes would have otherwise counts as changed, which is no failure.
        self.git.run((self.call)(&["update-index", "-q", "--refresh"])).await.map(drop)
    }
}

/// The paths of `ls-tree -r -z`.
pub(crate) fn paths(listed: &[u8]) -> impl Iterator<Item = &[u8]> {
    let entries = listed.split(|b| *b == 0);
    entries.filter_map(|entry| Some(&entry[entry.iter().position(|b| *b == b'\t')? + 1..]))
}

/// Whether a file at this path takes the place of another, or of a directory of others.
fn is_in_the_way(path: &[u8], others: &BTreeSet<&[u8]>) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, b)| **b == b'/');
    let below = [path, b"/"].concat();
    slashes.map(|(at, _)| at).any(|at| others.contains(&path[..at]))
        || others.range(&below[..]..).next().is_some_and(|next| next.starts_with(&below))
}

/// Reads `ls-tree -r -z`: `<mode> <type> <object>\t<path>\0`.
fn files(listed: &[u8]) -> Option<Files> {
    let mut found = Files::new();
    for entry in listed.split(|b| *b == 0).filter(|entry| !entry.is_empty()) {
        let tab = entry.iter().position(|b| *b == b'\t')?;
        let path = &entry[tab + 1..];
        if path == b".gitattributes" || path.ends_with(b"/.gitattributes") {
            let mut parts = std::str::from_utf8(&entry[..tab]).ok()?.split(' ');
            let (mode, object) = (parts.next()?, parts.nth(1)?);
            found.insert(path.to_vec(), format!("{mode} {object}").into_bytes());
        }
    }
    Some(found)
}

/// Whether lines of one list of attributes that are not in the other have git convert files when it writes them, or keep it
/// from that.
pub(crate) fn convert_otherwise(one: &[u8], other: &[u8]) -> bool {
    const CONVERTS: [&str; 6] = ["crlf", "eol", "filter", "ident", "text", "working-tree-encoding"];
    let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
    let one: BTreeSet<&str> = one.lines().map(str::trim).collect();
    let other: BTreeSet<&str> = other.lines().map(str::trim).collect();
    one.symmetric_difference(&other).any(|line| {
        line.split_whitespace().skip(1).any(|word| {
            let name = word.trim_start_matches(['-', '!']).split('=').next();
            name.is_some_and(|name| CONVERTS.contains(&name))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_files_are_found_at_every_depth() {
        let o = "a".repeat(40);
        let list = format!(
            "100644 blob {o}\t.gitattributes\0100644 blob {o}\ta/.gitattributes\0100644 blob {o}\tx.gitattributes\0"
        );
        let found = files(list.as_bytes()).unwrap();
        let entry = format!("100644 {o}").into_bytes();
        let expected = [b".gitattributes".to_vec(), b"a/.gitattributes".to_vec()];
        assert_eq!(found, expected.map(|path| (path, entry.clone())).into());
        assert_eq!(files(b"no tab\0"), None);
    }

    #[test]
    fn only_what_converts_files_converts_otherwise() {
        for (after, expected) in [
            ("*.sh text eol=crlf\n", true),
            ("[attr]x working-tree-encoding=UTF-16\n", true),
            ("* -text\n", true),
            ("*.txt ident", true),
            ("*.lock linguist-generated merge=union\n", false),
            ("*.png binary\n", false),
            ("", false),
        ] {
            assert_eq!(convert_otherwise(b"", after.as_bytes()), expected, "{after}");
        }
        assert!(!convert_otherwise(b"* text\n", b"* text\n"));
        assert!(convert_otherwise(b"* text\n", b""));
    }
}
