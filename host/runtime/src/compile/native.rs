//! Native code that was compiled from a component, into this process.
#![expect(
    unsafe_code,
    reason = "whoever loads native code vouches for it; there is no way to look at it and be sure"
)]

use cyrus_plugin::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};
use wasmtime::{Engine, bail, component::Component};

/// Loads what a child of ours compiled: a file of ours that nobody else can write, in a directory of ours that
/// nobody else can enter, with the digest that the child said. The engine itself checks that it was compiled by this
/// version of it with these settings.
pub(super) fn load(engine: &Engine, file: &Path, digest: Digest) -> wasmtime::Result<Component> {
    let opened = File::open(file)?;
    let metadata = opened.metadata()?;
    if !metadata.is_file() || metadata.mode() & 0o077 != 0 || metadata.nlink() != 1 {
        bail!("{} is not a file of this user's alone", file.display());
    }
    let found = digest_of(opened)?;
    if found != digest {
        bail!("{} is {found}, not {digest}: it was changed", file.display());
    }
    // SAFETY: the bytes are those that our own child wrote after it had compiled a component with this engine: their
    // digest is the one that came through its pipe, or was written down from there into the same private directory.
    // The directory is ours alone (`make_private`), so nobody changes the file between the look and the load.
    unsafe { Component::deserialize_file(engine, file) }
}

fn digest_of(mut file: File) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    let mut text = "sha256:".to_owned();
    for byte in hasher.finalize() {
        let _infallible = write!(text, "{byte:02x}");
    }
    text.parse().map_err(io::Error::other)
}
