use super::{print::print_json, teller::Teller, time::timestamp};
use cyrus_core::SessionEvent;
use serde::Serialize;
use std::time::SystemTime;

/// An event with when it happened.
#[derive(Serialize)]
pub(crate) struct Timed<'a> {
    /// Its number in a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    #[serde(flatten)]
    pub(crate) event: &'a SessionEvent,
}

/// One JSON object a line on standard output.
#[derive(Default)]
pub(crate) struct Json;

impl Teller for Json {
    fn tell(&mut self, event: SessionEvent) {
        let at = timestamp(SystemTime::now());
        // What cannot be written as JSON is none of the events.
        let _ = print_json(&Timed { number: None, at, event: &event });
    }
}
