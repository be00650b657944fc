//! What a commit has that says how it is tested and set up.

use crate::{
    detect::{Directory, Listing, is_looked_into, says_something},
    error::unreadable,
    git::Git,
    object::ObjectId,
    repository::Main,
};
use cyrus_core::WorkspaceError;
use std::sync::Arc;

/// The most files whose content is looked at.
const FILES: usize = 500;

/// The longest file whose content is looked at, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// The most content of a listing that is remembered, in bytes.
const REMEMBERED: usize = 8 << 20;

/// The listing of a commit.
pub(crate) async fn read(
    git: &Git,
    main: &Main,
    commit: &ObjectId,
) -> Result<Arc<Listing>, WorkspaceError> {
    if let Some(known) = git.known().listings.get(commit) {
        return Ok(known);
    }
    let listing = Arc::new(read_anew(main, commit).await?);
    let contents = listing.values().flat_map(Directory::values).flatten();
    if contents.map(String::len).sum::<usize>() <= REMEMBERED {
        git.known().listings.keep(commit.clone(), Arc::clone(&listing));
    }
    Ok(listing)
}

/// Reads a listing: its names, and the content of manifests.
async fn read_anew(main: &Main, commit: &ObjectId) -> Result<Listing, WorkspaceError> {
    let output = main.listed(commit).await?;
    let mut listing = Listing::new();
    listing.insert(String::new(), Directory::new());
    let mut read = Vec::new();
    for entry in output.split(|b| *b == 0).filter(|entry| !entry.is_empty()) {
        let entry = String::from_utf8_lossy(entry);
        let (head, path) = entry.split_once('\t').ok_or_else(|| unreadable("ls-tree"))?;
        let object = head.rsplit(' ').next().and_then(ObjectId::parse);
        note_directories(&mut listing, path);
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(has_content) = says_something(name, false).filter(|_| is_looked_into(directory))
        else {
            continue;
        };
        listing.entry(directory.to_owned()).or_default().insert(name.to_owned(), None);
        // A link or a submodule of that name says nothing.
        let is_file = head.starts_with("100");
        if let Some(object) = object.filter(|_| has_content && is_file && read.len() < FILES) {
            read.push((directory.to_owned(), name.to_owned(), object));
        }
    }
    let names: Vec<_> = read.iter().map(|(_, _, object)| object).collect();
    let sizes = main.sizes(&names).await?;
    let small = read.iter().zip(sizes).filter(|(_, size)| *size <= FILE_BYTES);
    let small: Vec<_> = small.map(|(file, _)| file).collect();
    let contents =
        main.blobs(&small.iter().map(|(_, _, object)| object).collect::<Vec<_>>()).await?;
    for ((directory, name, _), content) in small.into_iter().zip(contents) {
        let text = String::from_utf8_lossy(&content).into_owned();
        listing.entry(directory.clone()).or_default().insert(name.clone(), Some(text));
    }
    Ok(listing)
}

/// Notes the directories of a path that say something by being there.
fn note_directories(listing: &mut Listing, path: &str) {
    for (at, _) in path.match_indices('/') {
        let directory = &path[..at];
        let (above, name) = directory.rsplit_once('/').unwrap_or(("", directory));
        if !is_looked_into(above) {
            return;
        }
        if says_something(name, true).is_some() {
            listing.entry(above.to_owned()).or_default().entry(name.to_owned()).or_default();
        }
    }
}
