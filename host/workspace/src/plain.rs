//! Reads single files that programs wrote, without following a link at the end of their paths.

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// How much of two files is compared at once, in bytes.
const CHUNK: usize = 64 << 10;

/// Opens a plain file. A link, a named pipe or a device in its place is an error.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"))
}

/// Whether two plain files hold the same bytes.
pub(crate) fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (open(one)?, open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        match other.read_exact(&mut right[..read]) {
            Ok(()) if left[..read] == right[..read] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// The SHA-256 of a plain file in hexadecimal, and its size in bytes.
pub(crate) fn sha256(path: &Path) -> io::Result<(String, u64)> {
    let mut file = open(path)?;
    let mut hash = Sha256::new();
    let size = io::copy(&mut file, &mut hash)?;
    Ok((hexadecimal(&hash.finalize()), size))
}

/// Bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn files_are_compared_by_their_bytes_and_links_are_none() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let long = vec![b'x'; CHUNK + 7];
        let mut other = long.clone();
        other[CHUNK + 3] = b'y';
        for (name, content) in [("a", &long), ("b", &long), ("c", &other), ("d", &vec![])] {
            fs::write(at(name), content).unwrap();
        }
        symlink(at("a"), at("link")).unwrap();
        assert!(same_content(&at("a"), &at("b")).unwrap());
        assert!(!same_content(&at("a"), &at("c")).unwrap());
        assert!(!same_content(&at("a"), &at("d")).unwrap());
        assert!(same_content(&at("a"), &at("link")).is_err());
        assert!(open(place.path()).is_err());
    }

    #[test]
    fn digests_are_those_of_sha256sum() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("abc");
        fs::write(&file, "abc").unwrap();
        let (digest, size) = sha256(&file).unwrap();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(size, 3);
    }
}
