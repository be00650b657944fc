//! A plugin that sends events without end: it is stopped, and ends at its deadline and its budget, all the same.

use crate::plugins::with_probe;
use cyrus_tests::{Report, World};
use serde_json::json;

/// A world whose probe is dropped as soon as it is to stop, and may send as much as it likes.
fn world(deadline: u64) -> World {
    let limits = json!({ "stopGraceSeconds": 0, "eventsMib": 1_000_000 });
    with_probe().config(json!({
        "executors": { "probe": { "limits": limits } },
        "limits": { "deadlineSeconds": deadline },
        "attempts": { "most": 1 },
    }))
}

fn flood(kind: &str) -> [String; 7] {
    let task = format!("flood {kind}");
    ["run", "--json", "--executor", "probe", "--kind", "scoper", &task].map(str::to_owned)
}

fn error(report: &Report) -> &str {
    report.error()["kind"].as_str().unwrap()
}

#[test]
fn a_stop_is_heard_through_a_flood() {
    let world = world(3600);
    for kind in ["empty", "large", "plan", "usage", "link", "arrays"] {
        let mut run = world.start(flood(kind));
        let began = run.wait_for("session", |line| line["type"] == "session-started");
        run.wait_for("an event", |line| line["type"] == "execution-event");
        let session = began["session"].as_str().unwrap();
        let _ = world.run(["session", "stop", session]).code(0);
        let report = run.end().report();
        assert_eq!(error(&report), "cancelled", "{kind}");
    }
}

#[test]
fn a_deadline_passes_through_a_flood() {
    let world = world(1);
    for kind in ["empty", "plan", "usage", "link"] {
        let report = world.run(flood(kind)).report();
        assert_eq!(error(&report), "timed-out", "{kind}");
    }
}

#[test]
fn a_budget_is_kept_through_a_flood() {
    let world = world(3600);
    let args = flood("usage");
    let args = args.iter().map(String::as_str).chain(["--max-cost", "0.0001"]);
    let report = world.run(args).report();
    assert_eq!(error(&report), "budget-exceeded");
}
