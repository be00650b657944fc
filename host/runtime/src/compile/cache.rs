//! What was compiled, and what was not, by the digest of the component's bytes. For each there is a record, a line
//! of JSON, and for those that were compiled the native code. Both are kept apart by the engine's version and
//! settings, and by the limits that a compilation had.

use super::{answer::Refusal, child};
use cyrus_plugin::Digest;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
};
use tempfile::{Builder, NamedTempFile, TempPath};
use wasmtime::Engine;

/// What is known of a component.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Record {
    /// It was compiled; the digest is that of the native code.
    Compiled(Digest),
    /// It was not, and will not be.
    Refused(Refusal),
}

/// The most that is read of a record, in bytes.
const RECORD_BYTES: u64 = 64 << 10;

/// A directory that only this user can enter.
pub(super) struct Cache {
    directory: PathBuf,
    /// Tells engines and limits apart.
    kind: String,
}

/// A file to be written by the child. It is removed when it is not kept.
pub(super) struct Draft(TempPath);

impl Draft {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Cache {
    pub(super) fn new(directory: PathBuf, engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        (child::MEMORY_BYTES, child::TIME).hash(&mut hasher);
        Self { directory, kind: format!("{:016x}", hasher.finish()) }
    }

    fn file(&self, source: Digest, ending: &str) -> PathBuf {
        let source = source.to_string();
        let source = source.strip_prefix("sha256:").unwrap_or(&source);
        self.directory.join(format!("{source}-{}.{ending}", self.kind))
    }

    pub(super) fn code_file(&self, source: Digest) -> PathBuf {
        self.file(source, "native")
    }

    pub(super) fn record_file(&self, source: Digest) -> PathBuf {
        self.file(source, "json")
    }

    /// What is known of a component. A record that cannot be read is none.
    pub(super) fn record(&self, source: Digest) -> Option<Record> {
        let file = self.record_file(source);
        let metadata = file.symlink_metadata().ok()?;
        if !metadata.is_file() || metadata.len() > RECORD_BYTES {
            return None;
        }
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// A place for native code to be written to.
    pub(super) fn draft(&self) -> io::Result<Draft> {
        let place = Builder::new().prefix(".new-").tempfile_in(&self.directory)?.into_temp_path();
        // The child makes the file itself: what it writes to is new, and its own.
        fs::remove_file(&place)?;
        Ok(Draft(place))
    }

    /// Keeps what was written, which has this digest.
    pub(super) fn keep(&self, source: Digest, draft: Draft, digest: Digest) -> io::Result<()> {
        draft.0.persist(self.code_file(source)).map_err(|error| error.error)?;
        self.write(source, &Record::Compiled(digest)).map(drop)
    }

    /// Remembers that a component is not compiled, and returns where.
    pub(super) fn refuse(&self, source: Digest, refusal: &Refusal) -> io::Result<PathBuf> {
        self.write(source, &Record::Refused(refusal.clone()))
    }

    fn write(&self, source: Digest, record: &Record) -> io::Result<PathBuf> {
        let mut file: NamedTempFile =
            Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        serde_json::to_writer(&mut file, record)?;
        let place = self.record_file(source);
        file.persist(&place).map_err(|error| error.error)?;
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::new_engine;

    #[test]
    fn records_read_back_and_are_apart_for_each_component() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().to_owned(), &new_engine().unwrap());
        let [one, two] = [b"one", b"two"].map(|bytes| Digest::of(bytes));
        assert_eq!(cache.record(one), None);
        let file = cache.refuse(one, &Refusal::Time).unwrap();
        assert_eq!(cache.record(one), Some(Record::Refused(Refusal::Time)));
        assert_eq!(cache.record(two), None);
        fs::write(&file, "{").unwrap();
        assert_eq!(cache.record(one), None, "a broken record is none");
        let draft = cache.draft().unwrap();
        fs::write(draft.path(), "code").unwrap();
        cache.keep(two, draft, one).unwrap();
        assert_eq!(cache.record(two), Some(Record::Compiled(one)));
        assert_eq!(fs::read(cache.code_file(two)).unwrap(), b"code");
    }
}
