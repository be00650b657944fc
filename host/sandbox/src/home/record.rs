//! What the host knows of a private home: which files it is about, and what both sides had the last time.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{HomeError, HomeFile, LARGEST, make_private};
use crate::beneath::Directory;

const FILES: &str = "files.json";
const GIVEN: &str = "given";

/// The record of one owner, in a directory of its own. Nobody but the host writes there.
#[derive(Debug)]
pub(super) struct Record(PathBuf);

/// What [`FILES`] holds.
#[derive(Serialize, Deserialize)]
struct Files {
    owner: String,
    files: Vec<HomeFile>,
}

/// The name of what is an owner's own, as a file name: an owner's name may have anything in it.
pub(super) fn name_of(owner: &str) -> String {
    let mut name = String::new();
    for byte in &Sha256::digest(owner)[..8] {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

impl Record {
    /// Records which files an owner's home is about. Returns those, too, that it was about before and is no more.
    pub(super) fn make(
        above: &Path,
        owner: &str,
        files: &[HomeFile],
    ) -> Result<(Self, Vec<HomeFile>), HomeError> {
        let directory = above.join(name_of(owner));
        for path in [above, &directory, &directory.join(GIVEN)] {
            make_private(path).map_err(HomeError::at(path))?;
        }
        let before = read(&directory)?.map(|before| before.files).unwrap_or_default();
        let revoked = before.into_iter().filter(|file| !files.contains(file)).collect();
        let list = Files { owner: owner.to_owned(), files: files.to_vec() };
        let list = serde_json::to_vec(&list).expect("paths of a configuration are text");
        Directory::open_plain(&directory)
            .and_then(|opened| opened.replace(Path::new(FILES), &list, 0o600))
            .map_err(HomeError::at(directory.join(FILES)))?;
        Ok((Self(directory), revoked))
    }

    /// The records there are, each with its owner and files.
    pub(super) fn all(above: &Path) -> Result<Vec<(Self, String, Vec<HomeFile>)>, HomeError> {
        let entries = match fs::read_dir(above) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(HomeError::at(above))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let directory = entry.map_err(HomeError::at(above))?.path();
            let list = read(&directory)?;
            all.extend(list.map(|Files { owner, files }| (Self(directory), owner, files)));
        }
        Ok(all)
    }

    /// Forgets what both sides had of a file.
    pub(super) fn forget(&self, file: &HomeFile) -> io::Result<()> {
        self.below(file)?.remove(file.name())
    }

    /// What both sides had of a file the last time.
    pub(super) fn given(&self, file: &HomeFile, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let given = self.below(file)?.read(file.name(), limit)?;
        Ok(given.map(|given| given.bytes))
    }

    pub(super) fn give(&self, file: &HomeFile, bytes: &[u8]) -> io::Result<()> {
        self.below(file)?.replace(file.name(), bytes, 0o600)
    }

    fn below(&self, file: &HomeFile) -> io::Result<Directory> {
        let root = Directory::open_plain(&self.0)?.descend(Path::new(GIVEN))?;
        file.parent().try_fold(root, |directory, name| {
            directory.descend_or_create(Path::new(name.as_os_str()))
        })
    }

    pub(super) fn remove(&self) -> Result<(), HomeError> {
        crate::remove_tree(&self.0).map_err(HomeError::at(&self.0))
    }
}

/// What is recorded in a record's directory, if anything is.
fn read(directory: &Path) -> Result<Option<Files>, HomeError> {
    let list = Directory::open_plain(directory)
        .and_then(|opened| opened.read(Path::new(FILES), LARGEST))
        .and_then(|list| {
            let list = list.map(|list| serde_json::from_slice(&list.bytes));
            list.transpose().map_err(Into::into)
        });
    list.map_err(HomeError::at(directory.join(FILES)))
}
