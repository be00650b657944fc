//! The official Codegen Python SDK against the simulated service, as `cyrus simulate codegen` serves it: it is not only
//! what our own client expects.

use cyrus_tests::{Signal, lanes, world};
use std::process::Command;

#[test]
fn the_official_sdk_creates_and_polls_runs() {
    if lanes::left_out("codegen-sdk") {
        return;
    }
    let python = lanes::program("codegen-sdk/bin/python");
    let world = world!();
    let mut service = world.start(["simulate", "codegen"]);
    let address = service.next_line().expect("it says where it is");
    let driven = Command::new(python)
        .arg(lanes::script("codegen_sdk.py"))
        .arg(&address)
        .status()
        .expect("it can be started");
    assert!(driven.success(), "the SDK met something else than it expects: {driven}");
    service.signal(Signal::SIGINT);
    let _ = service.end().code(0);
}
