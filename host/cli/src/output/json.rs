use super::{print::print_json, teller::Teller};
use cyrus_core::SessionEvent;

/// One JSON object a line on standard output.
#[derive(Default)]
pub(crate) struct Json;

impl Teller for Json {
    fn tell(&mut self, event: SessionEvent) {
        // What cannot be written as JSON is none of the events.
        let _ = print_json(&event);
    }
}
