//! Whole sessions: the real orchestrator on the real store in a file, and real components behind the plugin host. Only
//! workspaces, merges and checks take no time. Fails when a target is missed.
//!
//! `cargo bench -p cyrus-tests --bench sessions [-- PART…]`, with the parts `ready`, `waiting` and `suspended`. What it
//! measures and why is in `docs/performance.md`.

#[path = "../common/mod.rs"]
mod common;
#[path = "../overhead/fresh_process.rs"]
mod fresh_process;
#[path = "../../../host/fleet/benches/orchestrator/instant.rs"]
mod instant;
mod many;
mod ready;
#[path = "../overhead/report.rs"]
#[expect(dead_code, reason = "the bench of the plugin host has targets of the other kind too")]
mod report;
#[path = "../../../host/fleet/benches/orchestrator/setting.rs"]
mod setting;
#[path = "../overhead/silent_server.rs"]
mod silent_server;

use report::Part;
use std::{env, process::ExitCode};

const PARTS: [Part; 3] =
    [("ready", ready::measure), ("waiting", many::waiting), ("suspended", many::suspended)];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [many::CHILD, count, prompt, port] => many::child(count, prompt, port),
        [silent_server::CHILD] => silent_server::child(),
        ref chosen => return report::measure(&PARTS, chosen),
    }
    ExitCode::SUCCESS
}
