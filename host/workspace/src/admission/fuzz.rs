//! Fuzz targets: packs and trees as an executor writes them.

use super::{ResultLimits, objects::Tally, trees::Comparison};
use crate::object::ObjectId;
use cyrus_fuzz::fuzz;
use miniz_oxide::deflate::compress_to_vec_zlib;
use std::collections::HashMap;

const LIMITS: ResultLimits = ResultLimits { files: 50, file_bytes: 1000, total_bytes: 5000 };

/// Whatever a pack says, no more of it is decompressed than may be taken, and its end is found.
#[test]
fn a_pack_is_counted_or_broken() {
    let entry = |head: &[u8], data: &[u8]| [head, &compress_to_vec_zlib(data, 6)].concat();
    let pack = |count: u8, entries: &[Vec<u8>]| {
        [&b"PACK\0\0\0\x02\0\0\0"[..], &[count], &entries.concat(), &[0; 20]].concat()
    };
    let blob = entry(&[0x33], b"abc");
    let by_offset = entry(&[0x63, 0x0c], &[3, 3, 0x90]);
    let by_name = entry(&[&[0x73][..], &[7; 20]].concat(), &[3, 3, 0x90]);
    let large = entry(&[0xbf, 0xff, 0x7f], b"small");
    let examples =
        [pack(0, &[]), pack(3, &[blob.clone(), by_offset, by_name]), pack(2, &[blob, large])];
    let examples: Vec<_> = examples.iter().map(Vec::as_slice).collect();
    fuzz(&examples, |bytes| {
        for hash_bytes in [20, 32] {
            let _ = Tally::new(LIMITS).entries(bytes, "p", hash_bytes);
        }
    });
}

/// Trees that name each other in any way are compared in bounded time, and never found to be less than they are.
#[test]
fn any_trees_are_compared() {
    let name = |byte: u8| ObjectId::from_bytes(&[byte; 20]);
    let line = |mode: &str, path: &str, byte: u8| {
        [format!("{mode} {path}\0").as_bytes(), &[byte; 20]].concat()
    };
    let all = [
        [line("100644", "a", 9), line("40000", "b", 1)].concat(),
        [line("40000", "x", 2), line("40000", "y", 2), line("160000", "z", 8)].concat(),
        line("120000", "link", 7),
    ];
    let cut = all.join(&b"--"[..]);
    fuzz(&[&cut, &all[0], b""], |bytes| {
        let mut trees = HashMap::new();
        let mut rest = bytes;
        for number in 0..4 {
            let at = rest.windows(2).position(|two| two == b"--").unwrap_or(rest.len());
            trees.insert(name(number), rest[..at].to_vec());
            rest = rest.get(at + 2..).unwrap_or_default();
        }
        for before in [None, Some(name(0)), Some(name(2))] {
            let mut comparison = Comparison::new(LIMITS, before, name(0));
            let compared = loop {
                if comparison.wanted().is_empty() {
                    break comparison.weigh(&HashMap::new());
                }
                if let Err(error) = comparison.advance(&trees) {
                    break Err(error);
                }
            };
            let blobs = comparison.blobs().len() as u64;
            assert!(compared.is_err() || blobs <= LIMITS.files, "{blobs} files were taken");
        }
    });
}
