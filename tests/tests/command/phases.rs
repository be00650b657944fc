//! An interrupt in each phase of a session: it ends at once, nothing is left running, and the session goes on later.

use crate::fixtures::{GREETER, MENDED, bash, checks, mending, write};
use cyrus_tests::{Held, Signal, World, world};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _};

/// A world whose `claude` mends the repository, and a command that holds for ever the first time and then returns.
fn world_with(files: &[(&str, &str)]) -> (World, Held, String) {
    let world = world!().repository(GREETER).config(checks()).stand_in(mending());
    let place = world.path("phase");
    fs::create_dir(&place).expect("a directory");
    let held = Held::make(&place);
    let (flag, command) = (place.join("came"), held.command());
    let waiting = format!("if [ ! -e '{0}' ]; then : >'{0}'; {command}; fi", flag.display());
    let filled: Vec<_> =
        files.iter().map(|(name, text)| (*name, text.replace("HOLD", &waiting))).collect();
    let filled: Vec<_> = filled.iter().map(|(name, text)| (*name, text.as_str())).collect();
    world.repo().commit(&filled);
    (world.shared(&[&place]), held, waiting)
}

/// What a terminal sends, and what a system sends that shuts down.
const SIGNALS: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

/// Interrupts a run that holds in its phase, and resumes the session to its end.
fn interrupt(signal: Signal, world: &World, held: &Held, args: &[&str]) {
    let run = world.start(["run", "--json"].iter().chain(args));
    held.wait();
    run.signal(signal);
    let report = run.end().code(130).report().outcome("paused");
    held.wait_released();
    let resumed = world.run(["session", "resume", report.session(), "--json"]).code(0);
    let resumed = resumed.report().outcome("validated");
    assert_eq!(resumed.session(), report.session());
}

#[test]
fn an_interrupt_ends_a_set_up() {
    for signal in SIGNALS {
        let (world, held, _) = world_with(&[("cyrus-setup.sh", "HOLD\n")]);
        interrupt(signal, &world, &held, &["Greet"]);
    }
}

#[test]
fn an_interrupt_ends_a_check() {
    let test = "HOLD\ntest \"$(sh greet.sh Ada)\" = \"Hello, Ada!\"\n";
    for signal in SIGNALS {
        let (world, held, _) = world_with(&[("test.sh", test)]);
        interrupt(signal, &world, &held, &["Greet"]);
    }
}

#[test]
fn an_interrupt_ends_a_merge() {
    let (world, held, waiting) = world_with(&[]);
    let git = std::env::split_paths(&std::env::var_os("PATH").expect("a PATH"))
        .map(|directory| directory.join("git"))
        .find(|file| file.is_file())
        .expect("git is there");
    let script =
        format!("case \"$*\" in *merge-tree*) {waiting};; esac\nexec '{}' \"$@\"", git.display());
    world.install("git", &script);
    fs::write(world.path("claude.json"), two().to_string()).expect("a file");
    let plan = "tasks:\n  - id: one\n    prompt: Mend the greeting\n  - id: two\n    prompt: Add a licence\n";
    fs::write(world.path("plan.yaml"), plan).expect("a file");
    let plan = world.path("plan.yaml");
    interrupt(Signal::SIGINT, &world, &held, &["--plan", plan.to_str().expect("a path"), "Both"]);
}

/// A model that does one of two tasks, by what it is asked.
fn two() -> Value {
    let one_of = |when: &str, path: &str| {
        let mend = bash(&format!("printf '%s' '{MENDED}' >greet.sh"));
        json!({ "when": when, "turns": [write(path, "new\n"), mend, { "text": "Done." }] })
    };
    json!({ "conversations": [one_of("greeting", "one.txt"), one_of("licence", "two.txt")] })
}

#[test]
fn an_interrupt_ends_the_delivery() {
    let (world, held, waiting) = world_with(&[]);
    let origin = world.path("origin.git");
    let _origin = world.repo().publish(&origin);
    let hook = origin.join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("a directory")).expect("a directory");
    fs::write(&hook, format!("#!/bin/sh\n{waiting}\n")).expect("a file");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let world = world.config(json!({ "integration": { "push": true } }));
    interrupt(Signal::SIGTERM, &world, &held, &["Greet"]);
    assert!(!world.repo().git(["ls-remote", "origin", "refs/heads/cyrus/*"]).is_empty());
}

#[test]
fn an_interrupt_ends_a_tear_down() {
    for signal in SIGNALS {
        let (world, held, _) = world_with(&[("cyrus-teardown.sh", "HOLD\n")]);
        interrupt(signal, &world, &held, &["Greet"]);
    }
}
