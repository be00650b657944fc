//! What the plugin host costs, and beside each figure the floor it stands on: wasmtime alone with the same
//! component, and native code behind the same trait. Fails when a target is missed.
//!
//! `cargo bench -p cyrus-tests --bench overhead [-- PART…]`, with the parts `execution`, `events`, `waiting`,
//! `start` and `sandbox`. What it measures and why is in `docs/performance.md`.

#[path = "../common/mod.rs"]
mod common;
mod events;
mod execution;
mod fresh_process;
mod report;
mod sandbox;
mod silent_server;
mod start;
mod waiting;

use report::Part;
use std::{env, process::ExitCode};

const PARTS: [Part; 5] = [
    ("execution", execution::measure),
    ("events", events::measure),
    ("waiting", waiting::measure),
    ("start", start::measure),
    ("sandbox", sandbox::measure),
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [waiting::CHILD, who, count, port] => waiting::child(who, count, port),
        [silent_server::CHILD] => silent_server::child(),
        ref chosen => return report::measure(&PARTS, chosen),
    }
    ExitCode::SUCCESS
}

/// The scheduler that the program itself uses, with a thread for each of the machine's cores. The work runs in a
/// task on it: that is where executions begin.
fn on_tokio<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads");
    runtime.block_on(async move { tokio::spawn(work).await.expect("it does not panic") })
}
