//! Files whose content goes through a filter of the user's when it is committed (`filter=git-crypt` in
//! `.gitattributes`). No filter is run on a result, so its content would be committed as it is: what was to be
//! encrypted, in the open. Git LFS is no such filter here: see [`crate::lfs`].

use crate::{error::unreadable, git::Git, lfs, object::ObjectId, repository::Main};
use cyrus_core::WorkspaceError;
use std::{collections::BTreeSet, path::Path};

/// Parts of the names of filters that only put files in order. Any other may keep a secret.
const HARMLESS: [&str; 12] = [
    "clean", "format", "indent", "ipynb", "jupyter", "nbdev", "nbstrip", "neat", "normal",
    "notebook", "strip", "tidy",
];

/// A changed file and the filter that it was to go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfiltered {
    pub(crate) path: String,
    pub(crate) filter: String,
}

impl Unfiltered {
    /// Whether the filter may keep a secret, by its name.
    pub(crate) fn may_be_secret(&self) -> bool {
        let name = self.filter.to_lowercase();
        !HARMLESS.iter().any(|part| name.contains(part))
    }
}

/// Those of the changed files that were to go through a filter, by the attributes of the base commit. `index` is a file
/// that is free.
pub(crate) async fn unfiltered(
    git: &Git,
    main: &Main,
    base: &ObjectId,
    touched: &BTreeSet<Vec<u8>>,
    index: &Path,
) -> Result<Vec<Unfiltered>, WorkspaceError> {
    let list: Vec<u8> =
        touched.iter().flat_map(|path| [&path[..], b"\0"]).flatten().copied().collect();
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let read = main.call(&["read-tree"]).await?.arg(base.as_str());
    git.output(read.env("GIT_INDEX_FILE", index)).await?;
    let check = main.call(&["check-attr", "-z", "--cached", "--stdin", "filter"]).await?;
    let output: Vec<u8> = git.output(check.env("GIT_INDEX_FILE", index).stdin(list)).await?;
    filters(&output).ok_or_else(|| unreadable("check-attr"))
}

/// Whether an attribute file of the base names a filter that is none of Git LFS.
pub(crate) async fn are_named(main: &Main, base: &ObjectId) -> Result<bool, WorkspaceError> {
    for path in &main.files(base).await? {
        if path != ".gitattributes" && !path.ends_with("/.gitattributes") {
            continue;
        }
        let content = main.file(base, path).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        let named =
            |word: &str| word.strip_prefix("filter=").is_some_and(|name| name != lfs::FILTER);
        if text.split_whitespace().any(named) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads `check-attr -z`: `<path>\0filter\0<value>\0`.
fn filters(output: &[u8]) -> Option<Vec<Unfiltered>> {
    let mut found = Vec::new();
    let mut fields = output.split(|b| *b == 0);
    while let Some(path) = fields.next().filter(|path| !path.is_empty()) {
        let (_, value) = (fields.next()?, fields.next()?);
        let (path, filter) = (String::from_utf8_lossy(path), String::from_utf8_lossy(value));
        if !matches!(&*filter, "unspecified" | "unset" | "set") && filter != lfs::FILTER {
            found.push(Unfiltered { path: path.into_owned(), filter: filter.into_owned() });
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_those_that_keep_secrets_known() {
        let output =
            b"a\0filter\0git-crypt\0b\0filter\0lfs\0c\0filter\0unset\0d\0filter\0nbstripout\0";
        let found = filters(output).unwrap();
        let seen: Vec<_> =
            found.iter().map(|one| (one.path.as_str(), one.may_be_secret())).collect();
        assert_eq!(seen, [("a", true), ("d", false)]);
        assert_eq!(filters(b"a\0filter"), None);
    }
}
