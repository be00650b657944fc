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

/// What says in a repository which programs git runs.
const STEERING: [&[u8]; 2] = [b"config", b"hooks"];

/// Whether a file may make a directory a repository, or say what git does in one.
pub(crate) fn may_concern_one(path: &[u8]) -> bool {
    let is_steering = |name: &[u8]| STEERING.iter().any(|known| known.eq_ignore_ascii_case(name));
    parts(path).next().is_some() || path.split(|byte| *byte == b'/').any(is_steering)
}

/// Whether a file says what git does in the repository in this directory.
pub(crate) fn steers(directory: &[u8], path: &[u8]) -> bool {
    let below = if directory.is_empty() {
        Some(path)
    } else {
        path.strip_prefix(directory).and_then(|rest| rest.strip_prefix(b"/"))
    };
    let first = below.and_then(|below| below.split(|byte| *byte == b'/').next());
    first.is_some_and(|name| STEERING.iter().any(|known| known.eq_ignore_ascii_case(name)))
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

    #[test]
    fn what_git_does_in_one_is_said_at_its_top() {
        for (directory, path, is_so) in [
            ("a", "a/config", true),
            ("a", "a/hooks/post-checkout", true),
            ("", "Config", true),
            ("a", "a/refs/config", false),
            ("a", "ab/config", false),
            ("a", "config", false),
        ] {
            assert_eq!(steers(directory.as_bytes(), path.as_bytes()), is_so, "{directory} {path}");
        }
    }
}
