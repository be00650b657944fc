use super::teller::Teller;
use cyrus_core::SessionEvent;
use std::io::{Stdout, Write, stdout};

/// One JSON object a line on standard output.
pub(crate) struct Json(Stdout);

impl Default for Json {
    fn default() -> Self {
        Self(stdout())
    }
}

impl Teller for Json {
    fn tell(&mut self, event: SessionEvent) {
        let mut out = self.0.lock();
        if serde_json::to_writer(&mut out, &event).is_ok() {
            let _ = out.write_all(b"\n").and_then(|()| out.flush());
        }
    }
}
