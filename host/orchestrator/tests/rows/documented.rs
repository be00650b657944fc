//! `docs/selection.md` names every test of this crate, and none that does not exist.

use std::{collections::BTreeSet, fs, path::Path};

/// The names of the tests in this crate's sources.
fn tests() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rows");
    let files = fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap());
    sources.flat_map(|source| names(&source)).collect()
}

fn names(source: &str) -> Vec<String> {
    let lines: Vec<_> = source.lines().collect();
    let marked = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    let names = marked.filter_map(|pair| pair[1].strip_prefix("fn ")?.split_once('('));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_test_that_drives_a_row_is_in_the_document() {
    let page = include_str!("../../../../docs/selection.md");
    let (_, section) = page.split_once("## Each row, driven\n").unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let words = cells.flat_map(|(_, tests)| tests.split('`').filter(|word| word.contains('_')));
    let named: BTreeSet<String> = words.map(str::to_owned).collect();
    let own = "every_test_that_drives_a_row_is_in_the_document";
    let mut tests = tests();
    assert!(tests.remove(own) && tests.len() > 60, "{tests:?}");
    let odd: Vec<_> = named.symmetric_difference(&tests).collect();
    assert!(odd.is_empty(), "either no test or not in docs/selection.md: {odd:?}");
}
