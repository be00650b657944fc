//! Git LFS: files whose commits hold a *pointer*, three lines that name the content by its SHA-256 and size.
//!
//! No program of Git LFS is run here: a pointer is read, compared and written by the host, and content goes where
//! `git lfs` looks for it, `lfs/objects` of the main repository.

use crate::{
    copy::{make_plain_directory, plain_directory},
    error::io,
    plain,
};
use cyrus_core::WorkspaceError;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

/// The value of the attribute `filter` that sends a file to Git LFS.
pub(crate) const FILTER: &str = "lfs";

/// The longest pointer, in bytes, as Git LFS has it.
const LONGEST: u64 = 1024;

/// The first line of a pointer.
const VERSION: &str = "version https://git-lfs.github.com/spec/v1";

/// The content that a pointer names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    digest: String,
    size: u64,
}

impl Pointer {
    /// Reads a pointer. `None`: this is content.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.lines();
        if lines.next()? != VERSION {
            return None;
        }
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let digest = value("oid sha256:")?.trim().to_owned();
        let is_digest = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        Some(Self { digest, size: value("size ")?.trim().parse().ok()? }).filter(|_| is_digest)
    }

    /// The pointer that is in this file, if one is.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let file = plain::open(path).ok()?;
        if file.metadata().ok()?.len() > LONGEST {
            return None;
        }
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text).ok()?;
        Self::parse(&text)
    }

    /// The pointer to this file's content. An empty file has none: Git LFS leaves it as it is.
    pub(crate) fn to(path: &Path) -> std::io::Result<Option<Self>> {
        let (digest, size) = plain::sha256(path)?;
        Ok((size > 0).then_some(Self { digest, size }))
    }

    /// The pointer to this content.
    pub(crate) fn of(content: &[u8]) -> Self {
        let digest = plain::hexadecimal(&Sha256::digest(content));
        Self { digest, size: content.len() as u64 }
    }

    /// What a commit holds in place of the content.
    pub(crate) fn text(&self) -> String {
        format!("{VERSION}\noid sha256:{}\nsize {}\n", self.digest, self.size)
    }

    /// Whether this file is the content.
    pub(crate) fn names(&self, path: &Path) -> bool {
        let is_size = path.symlink_metadata().is_ok_and(|found| found.len() == self.size);
        is_size && plain::sha256(path).is_ok_and(|(digest, _)| digest == self.digest)
    }

    /// Where the content is, from the directory of all content.
    fn place(&self) -> PathBuf {
        [&self.digest[..2], &self.digest[2..4], &self.digest].iter().collect()
    }

    /// The content in a store, when it is there as a plain file.
    pub(crate) fn in_store(&self, store: &Path) -> Option<PathBuf> {
        let place = self.place();
        let above = plain_directory(store, place.parent()?)?;
        Some(above.join(&self.digest)).filter(|file| self.names(file))
    }

    /// Puts the content that is in this file into a store.
    pub(crate) fn store(&self, content: &Path, store: &Path) -> Result<(), WorkspaceError> {
        if self.in_store(store).is_some() {
            return Ok(());
        }
        fs::create_dir_all(store).map_err(io("cannot make", store))?;
        let place = self.place();
        let above = make_plain_directory(store, place.parent().unwrap_or(Path::new("")))?;
        let above = above.ok_or_else(|| WorkspaceError::Io {
            what: format!("cannot keep content for Git LFS in {}", store.display()),
            cause: "a link or a file is in the way of its directories".to_owned(),
        })?;
        let failed = io("cannot write in", &above);
        let mut new = tempfile::NamedTempFile::new_in(&above).map_err(&failed)?;
        let mut from = plain::open(content).map_err(io("cannot read", content))?;
        std::io::copy(&mut from, &mut new).map_err(&failed)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
        File::set_permissions(new.as_file(), mode).map_err(&failed)?;
        if !self.names(new.path()) {
            return Err(WorkspaceError::Io {
                what: format!("cannot keep {} for Git LFS", content.display()),
                cause: "it changed meanwhile".to_owned(),
            });
        }
        new.persist(above.join(&self.digest)).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_as_they_are_written_and_content_is_none() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "abc").unwrap();
        let pointer = Pointer::to(&file).unwrap().unwrap();
        assert_eq!(Pointer::parse(pointer.text().as_bytes()), Some(pointer.clone()));
        assert!(pointer.names(&file));
        fs::write(&file, "abd").unwrap();
        assert!(!pointer.names(&file));
        fs::write(&file, "").unwrap();
        assert_eq!(Pointer::to(&file).unwrap(), None);
        let extended =
            format!("{VERSION}\next-0-x sha256:1\noid sha256:{}\nsize 3\n", pointer.digest);
        assert_eq!(Pointer::parse(extended.as_bytes()), Some(pointer));
        for content in [
            "",
            "abc",
            VERSION,
            "version https://git-lfs.github.com/spec/v1\noid sha256:../x\nsize 1\n",
        ] {
            assert_eq!(Pointer::parse(content.as_bytes()), None, "{content}");
        }
    }

    #[test]
    fn content_is_stored_once_where_git_lfs_looks_for_it() {
        let place = tempfile::tempdir().unwrap();
        let (file, store) = (place.path().join("file"), place.path().join("lfs/objects"));
        fs::write(&file, "abc").unwrap();
        let pointer = Pointer::to(&file).unwrap().unwrap();
        assert_eq!(pointer.in_store(&store), None);
        for _ in 0..2 {
            pointer.store(&file, &store).unwrap();
            let kept = pointer.in_store(&store).unwrap();
            assert!(kept.ends_with(format!("ba/78/{}", pointer.digest)));
        }
        fs::write(&file, "other").unwrap();
        let other = Pointer::to(&file).unwrap().unwrap();
        std::os::unix::fs::symlink("/tmp", store.join(&other.digest[..2])).unwrap();
        assert!(other.store(&file, &store).is_err(), "through a link");
    }
}
