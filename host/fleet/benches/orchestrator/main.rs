//! What the orchestrator itself costs: the workspaces, merges and checks here take no time, and executors take as long
//! as they are told to. Fails when a target is missed.
//!
//! `cargo bench -p cyrus-fleet --bench orchestrator [-- PART…]`, with the parts `latency`, `scale`, `scale-durable`,
//! `side-by-side` and `waiting`.
//! What it measures and why is in `docs/performance.md`.

#[path = "../../../../tests/benches/overhead/fresh_process.rs"]
mod fresh_process;
mod instant;
mod latency;
mod patient;
#[path = "../../../../tests/benches/overhead/report.rs"]
#[expect(dead_code, reason = "the bench of the plugin host has targets of the other kind too")]
mod report;
mod scale;
mod scene;
mod setting;
mod side_by_side;
mod stand_in;
mod waiting;
mod worker;

use report::Part;
use std::{env, process::ExitCode};

const PARTS: [Part; 5] = [
    ("latency", latency::measure),
    ("scale", scale::measure),
    ("scale-durable", scale::measure_durable),
    ("side-by-side", side_by_side::measure),
    ("waiting", waiting::measure),
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [waiting::CHILD, patience, count] => waiting::child(patience, count),
        [scale::ONE, size, lanes] => scale::one(size, lanes),
        ref chosen => return report::measure(&PARTS, chosen),
    }
    ExitCode::SUCCESS
}
