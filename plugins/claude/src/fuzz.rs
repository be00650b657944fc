//! A fuzz target: what reads the lines that `claude` writes.

use crate::{events::Transcript, fixtures, line::Line};
use cyrus_fuzz::fuzz_text;

/// The longest text of an event for a line: an output is cut, everything else is as long as the line.
const LONGEST: usize = 256 << 10;

/// Any lines are read, one after the other, and never as more than they are.
#[test]
fn lines_are_read_as_far_as_they_are_understood() {
    let recorded: Vec<String> = fixtures::names().iter().map(|name| fixtures::text(name)).collect();
    let examples: Vec<&str> = recorded.iter().flat_map(|text| text.lines()).collect();
    let whole: Vec<&str> = examples.iter().copied().filter(|line| line.len() < 4096).collect();
    fuzz_text(&whole, |text| {
        let mut transcript = Transcript::default();
        for line in text.lines() {
            let read = Line::parse(line);
            if !line.trim_start().starts_with('{') {
                assert_eq!(read, Line::NotJson, "{line:?}");
            }
            let events = transcript.take(&read);
            assert!(
                events.len() <= line.len() + 1,
                "{} events of {} bytes",
                events.len(),
                line.len()
            );
            let said = format!("{events:?}");
            assert!(
                said.len() <= LONGEST + 8 * line.len(),
                "{} bytes of {}",
                said.len(),
                line.len()
            );
        }
    });
}
