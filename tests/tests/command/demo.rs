//! `cyrus demo`: what it promises in the README.

use cyrus_tests::{Signal, World, world};
use serde_json::Value;
use std::{fs, path::PathBuf, process::Command};

/// What is in the directory for temporary files.
fn left(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.path("tmp")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn two_executors_do_real_work_and_nothing_is_left() {
    let world = world!();
    let ended = world.run(["demo"]).code(0);
    for promised in [
        "FAIL tests/greet.sh",
        "claude (local): completed",
        "codegen (cloud): completed",
        "$1.00 estimated",
        "ok   tests/greet.sh",
        "ok   tests/part.sh",
        "Simulated: the `claude` program, its model, and the Codegen service",
    ] {
        assert!(ended.stdout.contains(promised), "nothing of {promised:?}: {ended}");
    }
    assert_eq!(ended.stdout.matches("Validated").count(), 2, "{ended}");
    assert!(!ended.stdout.contains("not allowed"), "{ended}");
    assert!(!ended.stderr.contains("WARN"), "{ended}");
    assert_eq!(left(&world), Vec::<PathBuf>::new());
    assert!(!world.home().join("cyrus.db").exists(), "the user's own home is not used");
}

#[test]
fn for_machines_it_is_two_sessions() {
    let ended = world!().run(["demo", "--json"]).code(0);
    let lines = ended.lines();
    let finished: Vec<&Value> =
        lines.iter().filter(|line| line["type"] == "session-finished").collect();
    assert_eq!(finished.len(), 2, "{ended}");
    assert!(finished.iter().all(|report| report["outcome"] == "validated"), "{ended}");
    let _ = ended.report().outcome("validated");
}

#[test]
fn interrupted_it_leaves_nothing_either() {
    let world = world!();
    let mut demo = world.start(["demo", "--json"]);
    // The run in the cloud takes some looks, a second apart.
    demo.wait_for("run", |line| line["event"].to_string().contains("codegen.com"));
    demo.signal(Signal::SIGINT);
    let _ = demo.end().code(130).report().outcome("paused");
    assert_eq!(left(&world), Vec::<PathBuf>::new());
}

#[test]
fn kept_it_can_be_looked_at_as_it_says() {
    let world = world!();
    let ended = world.run(["demo", "--keep"]).code(0);
    let kept = left(&world);
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    assert!(ended.stdout.contains(kept.to_str().unwrap()), "{ended}");
    let tests =
        Command::new("sh").arg("test.sh").current_dir(kept.join("greeter")).output().unwrap();
    assert!(tests.status.success(), "{tests:?}");
    let home = kept.join("cyrus-home");
    let listed = world.run(["--cyrus-home", home.to_str().unwrap(), "session", "list", "--json"]);
    let sessions = listed.code(0).json();
    let states: Vec<_> = sessions.as_array().unwrap().iter().map(|s| &s["state"]).collect();
    assert_eq!(states, ["validated", "validated"]);
}
