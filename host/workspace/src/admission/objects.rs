//! What the objects of an executor's clone, or of a fetched pack, say of their own sizes.

use super::{
    MOST_OBJECTS, ResultLimits,
    inflate::{Broken, Inflater},
    refused,
};
use crate::error::io;
use cyrus_core::WorkspaceError;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
};

/// The longest header of a loose object: its type and a number.
const LOOSE_HEADER: usize = 64;

/// How much is read of a delta to know how long its result is: two numbers.
const DELTA_HEADER: usize = 20;

/// The most packs of one clone. Each is read by a git process of its own; git itself gathers them from 50 on.
const MOST_PACKS: u64 = 500;

/// The bytes by which a compressed object may be longer than the object.
const OVERHEAD: u64 = 1 << 20;

/// What was counted so far of one result's objects.
#[derive(Debug)]
pub(crate) struct Tally {
    limits: ResultLimits,
    objects: u64,
    packs: u64,
    bytes: u64,
}

impl Tally {
    pub(crate) fn new(limits: ResultLimits) -> Self {
        Self { limits, objects: 0, packs: 0, bytes: 0 }
    }

    /// Counts objects that are only announced.
    fn announced(&self, objects: u64, place: &str) -> Result<(), WorkspaceError> {
        if self.objects.saturating_add(objects) > MOST_OBJECTS {
            return Err(refused(format!(
                "{place} brings the objects of it to more than {MOST_OBJECTS}: fetch or commit less in it"
            )));
        }
        Ok(())
    }

    fn object(&mut self, bytes: u64, place: &str) -> Result<(), WorkspaceError> {
        self.announced(1, place)?;
        self.objects += 1;
        if bytes > self.limits.file_bytes {
            return Err(self.limits.file_too_large(place, bytes));
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.total_bytes {
            return Err(self.limits.too_large("what was committed"));
        }
        Ok(())
    }

    /// Refuses a file that is longer than anything that is taken, before it is copied. A file with holes counts as long
    /// as it seems.
    pub(crate) fn file(&self, bytes: u64, is_pack: bool, name: &str) -> Result<(), WorkspaceError> {
        let place = format!("the file of objects {name}");
        if is_pack && bytes > self.limits.total_bytes.saturating_add(OVERHEAD) {
            return Err(self.limits.too_large(&place));
        }
        if !is_pack && bytes > self.limits.file_bytes.saturating_add(OVERHEAD) {
            return Err(self.limits.file_too_large(&place, bytes));
        }
        Ok(())
    }

    /// Counts a loose object. One that cannot be read is left to git, which reads it only when it is needed.
    pub(crate) fn loose(&mut self, path: &Path, name: &str) -> Result<(), WorkspaceError> {
        let place = format!("the object {name}");
        let mut input = BufReader::new(File::open(path).map_err(io("cannot read", path))?);
        let mut header = Vec::with_capacity(LOOSE_HEADER);
        let bytes = match Inflater::new().beginning(&mut input, &mut header) {
            Ok(()) => loose_size(&header).unwrap_or(0),
            Err(Broken::Io(error)) => return Err(io("cannot read", path)(error)),
            Err(_) => 0,
        };
        self.object(bytes, &place)
    }

    /// Counts the objects of a pack.
    pub(crate) fn pack(
        &mut self,
        path: &Path,
        name: &str,
        hash_bytes: usize,
    ) -> Result<(), WorkspaceError> {
        self.packs += 1;
        if self.packs > MOST_PACKS {
            return Err(refused(format!(
                "the executor's clone has more than {MOST_PACKS} packs: run `git gc` in it"
            )));
        }
        let input =
            BufReader::with_capacity(64 << 10, File::open(path).map_err(io("cannot read", path))?);
        self.entries(input, name, hash_bytes)
    }

    pub(crate) fn entries(
        &mut self,
        mut input: impl BufRead,
        name: &str,
        hash_bytes: usize,
    ) -> Result<(), WorkspaceError> {
        let broken =
            |why: &str| refused(format!("a pack in the executor's clone is broken: {name} {why}"));
        let header: [u8; 12] = exactly(&mut input).ok_or_else(|| broken("has no header"))?;
        let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, count @ ..] = header else {
            return Err(broken("has no header"));
        };
        let count = u64::from(u32::from_be_bytes(count));
        self.announced(count, name)?;
        let mut inflater = Inflater::new();
        for number in 1..=count {
            let place = format!("object {number} of {name}");
            let entry = Entry::read(&mut input, hash_bytes)
                .ok_or_else(|| broken(&format!("has no object {number}")))?;
            // Before anything is decompressed that is not taken anyway.
            if entry.bytes > self.limits.file_bytes {
                return Err(self.limits.file_too_large(&place, entry.bytes));
            }
            let mut head = Vec::with_capacity(if entry.is_delta { DELTA_HEADER } else { 0 });
            inflater.skip(&mut input, entry.bytes, &mut head).map_err(|error| match error {
                Broken::Io(error) => broken(&format!("cannot be read: {error}")),
                Broken::NotZlib => broken(&format!("has no zlib stream for object {number}")),
                Broken::Longer => broken(&format!("holds more of object {number} than it says")),
            })?;
            let result = if entry.is_delta {
                delta_result(&head).ok_or_else(|| broken(&format!("has no delta {number}")))?
            } else {
                0
            };
            self.object(entry.bytes.max(result), &place)?;
        }
        Ok(())
    }
}

/// Counts the objects of the packs in an object directory.
pub(crate) fn scan_packs(
    objects: &Path,
    limits: ResultLimits,
    hash_bytes: usize,
) -> Result<(), WorkspaceError> {
    let (packs, mut tally) = (objects.join("pack"), Tally::new(limits));
    let failed = io("cannot list", &packs);
    for entry in fs::read_dir(&packs).map_err(&failed)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).map_err(&failed)?;
        if path.extension().is_some_and(|extension| extension == "pack") {
            tally.pack(&path, &name.to_string_lossy(), hash_bytes)?;
        }
    }
    Ok(())
}

/// What a pack says of an object before its data.
struct Entry {
    bytes: u64,
    is_delta: bool,
}

impl Entry {
    fn read(input: &mut impl BufRead, hash_bytes: usize) -> Option<Self> {
        const OFFSET_DELTA: u8 = 6;
        const NAMED_DELTA: u8 = 7;
        let [first] = exactly(input)?;
        let (kind, mut bytes) = (first >> 4 & 7, u64::from(first & 15));
        let (mut more, mut shift) = (first & 0x80 != 0, 4_u32);
        while more {
            let [next] = exactly(input)?;
            bytes |= u64::from(next & 0x7f).checked_shl(shift).filter(|_| shift < 57)?;
            (more, shift) = (next & 0x80 != 0, shift + 7);
        }
        match kind {
            1..=4 => {}
            OFFSET_DELTA => while exactly::<1>(input)?[0] & 0x80 != 0 {},
            NAMED_DELTA if hash_bytes == 32 => drop(exactly::<32>(input)?),
            NAMED_DELTA => drop(exactly::<20>(input)?),
            _ => return None,
        }
        Some(Self { bytes, is_delta: kind > 4 })
    }
}

fn exactly<const N: usize>(input: &mut impl BufRead) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// The second of the two numbers that a delta begins with.
fn delta_result(head: &[u8]) -> Option<u64> {
    let mut bytes = head.iter();
    let mut number = || {
        let (mut value, mut shift) = (0_u64, 0_u32);
        for byte in bytes.by_ref() {
            value |= u64::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 57)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
        None
    };
    number()?;
    number()
}

/// Reads `blob 12\0`.
fn loose_size(header: &[u8]) -> Option<u64> {
    let end = header.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&header[..end]).ok()?.split_once(' ')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec_zlib;

    const LIMITS: ResultLimits = ResultLimits { files: 10, file_bytes: 1000, total_bytes: 2500 };

    /// An entry that says that it has this many bytes, before this data.
    fn entry(kind: u8, mut says: u64, between: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind << 4 | (says & 15) as u8];
        says >>= 4;
        while says > 0 {
            *bytes.last_mut().unwrap() |= 0x80;
            bytes.push((says & 0x7f) as u8);
            says >>= 7;
        }
        [&bytes[..], between, &compress_to_vec_zlib(data, 6)].concat()
    }

    fn blob(data: &[u8]) -> Vec<u8> {
        entry(3, data.len() as u64, &[], data)
    }

    fn scan(count: u32, entries: &[Vec<u8>]) -> Result<(), String> {
        let pack =
            [&b"PACK\0\0\0\x02"[..], &count.to_be_bytes(), &entries.concat(), &[0; 20]].concat();
        let scanned = Tally::new(LIMITS).entries(&pack[..], "p", 20);
        scanned.map_err(|error| error.to_string())
    }

    #[test]
    fn objects_of_a_pack_are_counted_by_what_they_say() {
        let full = blob(&[0; 1000]);
        assert_eq!(scan(0, &[]), Ok(()));
        assert_eq!(scan(3, &[full.clone(), full.clone(), blob(&[1; 500])]), Ok(()));
        let error = scan(3, &[full.clone(), full.clone(), blob(&[1; 501])]).unwrap_err();
        assert!(error.contains("more than 2500 bytes in all"), "{error}");
        let error = scan(2, &[full, entry(3, 1 << 30, &[], b"nothing of it is read")]).unwrap_err();
        assert!(error.contains("object 2 of p has 1073741824 bytes"), "{error}");
        let error = scan(u32::MAX, &[]).unwrap_err();
        assert!(error.contains("more than 1000000"), "{error}");
    }

    #[test]
    fn a_delta_counts_as_what_it_makes() {
        // It says: from 1 byte, to 1000 or 1001.
        for (result, good) in [([0xe8, 0x07], true), ([0xe9, 0x07], false)] {
            let delta = [&[1][..], &result, &[0x90, 1]].concat();
            let by_offset = entry(6, delta.len() as u64, &[0x80, 0x01], &delta);
            let by_name = entry(7, delta.len() as u64, &[9; 20], &delta);
            for one in [by_offset, by_name] {
                assert_eq!(scan(2, &[blob(b"x"), one]).is_ok(), good);
            }
        }
    }

    #[test]
    fn a_pack_that_is_not_what_it_says_is_broken() {
        for (count, entries) in [
            (1, vec![entry(3, 10, &[], &[0; 2_000_000])]),
            (1, vec![entry(3, 10, &[], b"short")]),
            (1, vec![vec![0x30, b'n', b'o']]),
            (2, vec![blob(b"x")]),
            (1, vec![entry(5, 1, &[], b"x")]),
            (1, vec![entry(6, 1, &[1], &[0x80])]),
            (1, vec![vec![0xff; 40]]),
        ] {
            let error = scan(count, &entries).unwrap_err();
            assert!(error.contains("is broken"), "{error}");
        }
        assert!(Tally::new(LIMITS).entries(&b"PACK"[..], "p", 20).is_err());
    }

    #[test]
    fn a_loose_object_counts_as_what_it_says() {
        let directory = tempfile::tempdir().unwrap();
        let count = |text: &[u8]| {
            let path = directory.path().join("o");
            fs::write(&path, compress_to_vec_zlib(text, 6)).unwrap();
            Tally::new(LIMITS).loose(&path, "o").map_err(|error| error.to_string())
        };
        assert_eq!(count(b"blob 1000\0x"), Ok(()));
        let error = count(b"blob 1001\0x").unwrap_err();
        assert!(error.contains("the object o has 1001 bytes"), "{error}");
        // A file of a gigabyte under the header of a small one: git reads no more than that says.
        assert_eq!(count(&[&b"blob 10\0"[..], &vec![0; 1 << 20]].concat()), Ok(()));
        assert_eq!(count(b"nonsense"), Ok(()));
        let tally = Tally::new(LIMITS);
        assert!(
            tally.file(50 << 30, true, "p").is_err() && tally.file(50 << 30, false, "o").is_err()
        );
        assert!(tally.file(1000, true, "p").is_ok() && tally.file(1000, false, "o").is_ok());
    }
}
