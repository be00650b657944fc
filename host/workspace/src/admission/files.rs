//! What an executor left uncommitted, by what the file system says of it.

use super::{ResultLimits, shown};
use cyrus_core::WorkspaceError;
use std::{
    collections::HashMap, ffi::OsStr, fs::Metadata, os::unix::ffi::OsStrExt as _, path::Path,
};

/// The files of a working tree that git is about to read. A file with holes has the size that it seems to have: that is
/// what would be read.
pub(crate) struct Leftovers {
    /// Bytes of what is new.
    new: u64,
    /// What may have changed, and its bytes.
    touched: Vec<(Vec<u8>, u64)>,
}

impl Leftovers {
    /// Looks at them: those that are new, and those of the commit that may have changed. Paths end in a zero byte.
    pub(crate) fn find(
        tree: &Path,
        (new, touched): (&[u8], &[u8]),
        limits: &ResultLimits,
    ) -> Result<Self, WorkspaceError> {
        let mut found = Self { new: 0, touched: Vec::new() };
        for (number, path) in (1..).zip(paths(new)) {
            if number > limits.files {
                let top = path.split(|b| *b == b'/').next().unwrap_or(path);
                return Err(limits.too_many_files(&shown(top)));
            }
            found.new = found.new.saturating_add(size(tree, path, limits)?);
        }
        for path in paths(touched) {
            found.touched.push((path.to_vec(), size(tree, path, limits)?));
        }
        Ok(found)
    }

    /// Whether it is known without the sizes of the commit's files that it is not too much.
    pub(crate) fn are_few(&self, limits: &ResultLimits) -> bool {
        let touched = self.touched.iter().map(|(_, bytes)| *bytes);
        touched.fold(self.new, u64::saturating_add) <= limits.total_bytes
    }

    /// Refuses too much. A file that is as long as it was counts as it was: whoever touches all files of a large
    /// repository adds nothing to it.
    pub(crate) fn weigh(
        &self,
        before: &HashMap<Vec<u8>, u64>,
        limits: &ResultLimits,
    ) -> Result<(), WorkspaceError> {
        let changed = self.touched.iter().filter(|(path, bytes)| before.get(path) != Some(bytes));
        let total = changed.map(|(_, bytes)| *bytes).fold(self.new, u64::saturating_add);
        if total > limits.total_bytes {
            return Err(limits.too_large("what was left in the clone"));
        }
        Ok(())
    }
}

fn paths(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == 0).filter(|path| !path.is_empty())
}

fn size(tree: &Path, path: &[u8], limits: &ResultLimits) -> Result<u64, WorkspaceError> {
    // What is gone meanwhile, git leaves out; it reads nothing but files.
    let found = tree.join(OsStr::from_bytes(path)).symlink_metadata();
    let bytes = found.ok().filter(Metadata::is_file).map_or(0, |found| found.len());
    if bytes > limits.file_bytes {
        return Err(limits.file_too_large(&shown(path), bytes));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("big")).unwrap();
        fs::write(tree.path().join("small"), "x").unwrap();
        // On no disk of ours: it is one hole.
        File::create(tree.path().join("big/hole")).unwrap().set_len(50 << 30).unwrap();
        tree
    }

    fn find(lists: (&[u8], &[u8]), limits: ResultLimits) -> Result<Leftovers, String> {
        Leftovers::find(tree().path(), lists, &limits).map_err(|error| error.to_string())
    }

    const ENOUGH: ResultLimits =
        ResultLimits { file_bytes: 50 << 30, total_bytes: (50 << 30) + 1, files: 3 };

    #[test]
    fn a_hole_counts_as_long_as_it_seems() {
        let paths = &b"small\0gone\0big/hole\0"[..];
        for lists in [(paths, &b""[..]), (b"", paths)] {
            let error = find(lists, ResultLimits::default()).err().unwrap();
            assert!(error.contains("big/hole has 53687091200 bytes"), "{error}");
            assert!(error.contains("resultLimits.fileMib"), "{error}");
            assert!(find(lists, ENOUGH).unwrap().are_few(&ENOUGH));
            let less = ResultLimits { total_bytes: 50 << 30, ..ENOUGH };
            let found = find(lists, less).unwrap();
            assert!(!found.are_few(&less));
            let error = found.weigh(&HashMap::new(), &less).unwrap_err().to_string();
            assert!(error.contains("resultLimits.totalMib"), "{error}");
        }
        let error = find((paths, b""), ResultLimits { files: 2, ..ENOUGH }).err().unwrap();
        assert!(error.contains("more than 2 files") && error.contains("in big"), "{error}");
    }

    #[test]
    fn a_file_that_was_only_touched_adds_nothing() {
        let found = find((b"", b"small\0big/hole\0"), ENOUGH).unwrap();
        let none = ResultLimits { total_bytes: 1, ..ENOUGH };
        let before = |bytes| HashMap::from([(b"big/hole".to_vec(), bytes)]);
        assert!(found.weigh(&before(50 << 30), &none).is_ok());
        assert!(found.weigh(&before(1), &none).is_err());
        assert!(find((b"", b"small\0gone\0"), ResultLimits { files: 1, ..ENOUGH }).is_ok());
    }
}
