//! Recorded output of Claude Code, for the tests.

use crate::{events::Transcript, line::Line};
use cyrus_sdk::contract::Event;

/// Where the recordings are.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// The names of all recordings.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(DIRECTORY).expect("the recordings");
    let files = entries.map(|entry| entry.expect("a recording").file_name());
    let name = |file: std::ffi::OsString| file.to_str()?.strip_suffix(".jsonl").map(str::to_owned);
    let mut names: Vec<_> = files.filter_map(name).collect();
    names.sort_unstable();
    names
}

/// What is in `tests/fixtures/NAME.jsonl`.
pub(crate) fn text(name: &str) -> String {
    let path = format!("{DIRECTORY}/{name}.jsonl");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a recording.
pub(crate) fn lines(name: &str) -> Vec<Line> {
    text(name).lines().map(Line::parse).collect()
}

/// A recording, read from beginning to end.
pub(crate) fn transcript(name: &str) -> (Transcript, Vec<Event>) {
    let mut transcript = Transcript::default();
    let events = lines(name).iter().flat_map(|line| transcript.take(line)).collect();
    (transcript, events)
}
