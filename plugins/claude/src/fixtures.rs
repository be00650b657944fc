//! Recorded output of Claude Code, for the tests.

use crate::{events::Transcript, line::Line};
use cyrus_sdk::contract::Event;

/// The lines of `tests/fixtures/NAME.jsonl`.
pub(crate) fn lines(name: &str) -> Vec<Line> {
    let path = format!("{}/tests/fixtures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(Line::parse).collect()
}

/// A recording, read from beginning to end.
pub(crate) fn transcript(name: &str) -> (Transcript, Vec<Event>) {
    let mut transcript = Transcript::default();
    let events = lines(name).iter().flat_map(|line| transcript.take(line)).collect();
    (transcript, events)
}
