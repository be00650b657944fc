//! Directories of a commit that git takes for a repository of their own although they have no `.git`.

use std::collections::{BTreeMap, BTreeSet};

/// What git looks for, as bits: `HEAD`, `objects`, `refs`, and `commondir`, by which the latter two can be elsewhere.
const PARTS: [(&[u8], u8); 4] = [(b"HEAD", 1), (b"objects", 2), (b"refs", 4), (b"commondir", 6)];

/// What makes a repository.
const ALL: u8 = 7;

/// The bit of a name. Where capital letters do not count, they do not for git either.
fn bit(name: &[u8]) -> Option<u8> {
    PARTS.iter().find(|(part, _)| part.eq_ignore_ascii_case(name)).map(|(_, bit)| *bit)
}

/// The directories on the way to a path whose next name is a part of a repository, each with the bit of that.
fn parts(path: &[u8]) -> impl Iterator<Item = (&[u8], u8)> {
    let mut start = 0;
    path.split(|byte| *byte == b'/').filter_map(move |name| {
        let above = &path[..start.max(1) - 1];
        start += name.len() + 1;
        Some((above, bit(name)?))
    })
}

/// Whether a file can be a part of a repository.
pub(crate) fn may_be_of_one(path: &[u8]) -> bool {
    parts(path).next().is_some()
}

/// The directories among these paths that are repositories for git.
pub(crate) fn repositories<'p>(paths: impl Iterator<Item = &'p [u8]>) -> BTreeSet<Vec<u8>> {
    let mut seen: BTreeMap<&[u8], u8> = BTreeMap::new();
    for path in paths {
        for (directory, bit) in parts(path) {
            *seen.entry(directory).or_default() |= bit;
        }
    }
    let all = seen.into_iter().filter(|(_, bits)| *bits == ALL);
    all.map(|(directory, _)| directory.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_what_git_takes_for_one() {
        let found = |paths: &[&str]| {
            let all = repositories(paths.iter().map(|path| path.as_bytes()));
            all.into_iter().map(|path| String::from_utf8(path).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found(&["a/HEAD", "a/objects/x", "a/refs/heads/y", "b"]), ["a"]);
        assert_eq!(found(&["HEAD", "objects/x", "refs/y"]), [""]);
        assert_eq!(found(&["d/a/head", "d/a/Objects/x", "d/a/refs/y"]), ["d/a"]);
        assert_eq!(found(&["a/HEAD", "a/commondir"]), ["a"]);
        for paths in [
            &["a/HEAD", "a/objects/x"][..],
            &["a/HEAD", "b/objects/x", "a/refs/y"],
            &["src/refs/x", "src/objects/y"],
            &["aHEAD", "objects/x", "refs/y"],
        ] {
            assert_eq!(found(paths), [""; 0], "{paths:?}");
        }
    }
}
