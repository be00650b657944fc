//! Reads what `git diff-tree -z` and `git cat-file --batch` print. Paths are bytes: git does not care what encoding they are in.

use crate::object::ObjectId;
use cyrus_core::DiffStat;

/// A file that a result added or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) mode: Mode,
    /// The new content; nothing when it was deleted.
    pub(crate) object: ObjectId,
    /// Relative to the top, with `/` between parts.
    pub(crate) path: Vec<u8>,
}

impl Change {
    pub(crate) fn is_deleted(&self) -> bool {
        self.mode == Mode::Deleted
    }
}

/// What kind of thing a path is, as git stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    File,
    Symlink,
    Submodule,
    Deleted,
}

/// Adds up `--numstat -z`. A rename has an empty path followed by the old and the new one.
pub(crate) fn numstat(output: &[u8]) -> Option<DiffStat> {
    let mut stat = DiffStat::default();
    let mut fields = output.split(|b| *b == 0);
    while let Some(field) = fields.next() {
        if field.is_empty() {
            break;
        }
        let mut parts = field.splitn(3, |b| *b == b'\t');
        let (added, removed, path) = (parts.next()?, parts.next()?, parts.next()?);
        if path.is_empty() {
            fields.next()?;
            fields.next()?;
        }
        stat.files += 1;
        stat.insertions += lines(added)?;
        stat.deletions += lines(removed)?;
    }
    Some(stat)
}

/// A count of lines; a binary file has `-`, which counts none.
fn lines(field: &[u8]) -> Option<u64> {
    if field == b"-" { Some(0) } else { std::str::from_utf8(field).ok()?.parse().ok() }
}

/// Reads `--raw -z --no-renames --no-abbrev`: `:<old mode> <new mode> <old> <new> <status>\0<path>\0`.
pub(crate) fn raw(output: &[u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    let mut fields = output.split(|b| *b == 0);
    while let Some(field) = fields.next() {
        if field.is_empty() {
            break;
        }
        let line = std::str::from_utf8(field).ok()?.strip_prefix(':')?;
        let mut parts = line.split(' ').skip(1);
        let mode = match parts.next()? {
            "120000" => Mode::Symlink,
            "160000" => Mode::Submodule,
            "000000" => Mode::Deleted,
            _ => Mode::File,
        };
        let object = ObjectId::parse(parts.nth(1)?)?;
        changes.push(Change { mode, object, path: fields.next()?.to_vec() });
    }
    Some(changes)
}

/// What of a tree is no file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Special {
    /// The symbolic links: their paths, and the objects that hold their targets.
    pub(crate) links: Vec<(Vec<u8>, ObjectId)>,
    /// The submodules: their paths, and their commits.
    pub(crate) modules: Vec<(Vec<u8>, ObjectId)>,
}

/// Reads `ls-tree -r -z`: `<mode> <type> <object>\t<path>\0`.
pub(crate) fn special(output: &[u8]) -> Option<Special> {
    let mut special = Special::default();
    for entry in output.split(|b| *b == 0).filter(|entry| !entry.is_empty()) {
        let into = match entry.get(..7)? {
            b"120000 " => &mut special.links,
            b"160000 " => &mut special.modules,
            _ => continue,
        };
        let tab = entry.iter().position(|b| *b == b'\t')?;
        let object = std::str::from_utf8(&entry[..tab]).ok()?.rsplit(' ').next()?;
        into.push((entry[tab + 1..].to_vec(), ObjectId::parse(object)?));
    }
    Some(special)
}

/// Reads `cat-file --batch-check=%(objectsize)` of objects that are there.
pub(crate) fn sizes(output: &[u8]) -> Option<Vec<u64>> {
    std::str::from_utf8(output).ok()?.lines().map(|line| line.parse().ok()).collect()
}

/// Reads what `cat-file --batch` says of objects that are there: `<name> <type> <size>\n<content>\n`.
pub(crate) fn batch(mut output: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut contents = Vec::new();
    while !output.is_empty() {
        let end = output.iter().position(|b| *b == b'\n')?;
        let (head, rest) = output.split_at(end + 1);
        let size = std::str::from_utf8(head).ok()?.trim().rsplit(' ').next()?.parse().ok()?;
        contents.push(rest.get(..size)?.to_vec());
        output = rest.get(size..)?.strip_prefix(b"\n")?;
    }
    Some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_text_binary_and_renamed_files() {
        let output = b"3\t1\tsrc/a b.rs\0-\t-\tlogo.png\x000\t2\t\0old name\0new\tname\0";
        let expected = DiffStat { files: 3, insertions: 3, deletions: 3 };
        assert_eq!(numstat(output), Some(expected));
        assert_eq!(numstat(b""), Some(DiffStat::default()));
        assert_eq!(numstat(b"x\ty\tz\0"), None);
        assert_eq!(numstat(b"1\t1\t\0only one"), None);
    }

    #[test]
    fn reads_a_batch_of_objects() {
        let output = b"aa blob 3\na\nb\nbb blob 0\n\n";
        assert_eq!(batch(output), Some(vec![b"a\nb".to_vec(), vec![]]));
        assert_eq!(batch(b""), Some(vec![]));
        for broken in [&b"aa missing\n"[..], b"aa blob 9\nshort\n", b"aa blob 1\nxy\n"] {
            assert_eq!(batch(broken), None);
        }
    }

    #[test]
    fn reads_what_of_a_tree_is_no_file() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let output = format!(
            "100644 blob {a}\tfile\x00120000 blob {b}\ta\tlink\n\x00160000 commit {a}\tsub\0"
        );
        let found = special(output.as_bytes()).unwrap();
        let expected = Special {
            links: vec![(b"a\tlink\n".to_vec(), ObjectId::parse(&b).unwrap())],
            modules: vec![(b"sub".to_vec(), ObjectId::parse(&a).unwrap())],
        };
        assert_eq!(found, expected);
        assert_eq!(special(b""), Some(Special::default()));
        assert_eq!(special(b"120000 blob x\ty\0"), None);
        assert_eq!(sizes(b"3\n0\n"), Some(vec![3, 0]));
        assert_eq!(sizes(b"x missing\n"), None);
    }

    #[test]
    fn tells_files_links_submodules_and_deletions_apart() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let entry = |mode: &str, status: &str, path: &str| {
            format!(":100644 {mode} {a} {b} {status}\0{path}\0")
        };
        let output = [
            entry("100755", "M", "run me.sh"),
            entry("120000", "T", "ünicode"),
            entry("160000", "A", "sub"),
            entry("000000", "D", "gone\nname"),
        ]
        .concat();
        let found: Vec<_> =
            raw(output.as_bytes()).unwrap().into_iter().map(|c| (c.mode, c.path)).collect();
        let expected = [
            (Mode::File, "run me.sh"),
            (Mode::Symlink, "ünicode"),
            (Mode::Submodule, "sub"),
            (Mode::Deleted, "gone\nname"),
        ];
        assert_eq!(found, expected.map(|(mode, path)| (mode, path.as_bytes().to_vec())));
        assert_eq!(raw(b"nonsense\0path\0"), None);
    }
}
