//! What becomes of a session besides its branch: pushed, proposed, and its clones kept or swept.

use crate::fixtures::{bash, greeter, mending, turns, write};
use cyrus_tests::{World, world};
use serde_json::{Value, json};
use std::fs;

/// A stand-in for GitHub's program, which keeps one pull request in a file, and the calls in another.
const GH: &str = r#"printf '%s\n' "$@" >>"$DIR/calls"
case $2 in
list) if [ -e "$DIR/opened" ]; then cat "$DIR/opened"; else echo '[]'; fi ;;
create)
    cat >"$DIR/body"
    for arg in "$@"; do case $arg in --head=*) head=${arg#--head=} ;; esac; done
    printf '[{"url":"https://github.com/acme/app/pull/7","headRefName":"%s","isCrossRepository":false}]' "$head" >"$DIR/opened"
    echo https://github.com/acme/app/pull/7 ;;
esac"#;

/// A world whose repository is GitHub's `acme/app`, as far as anybody can tell: pushes go to a bare repository.
fn proposing() -> World {
    let mut world = greeter(world!(), mending());
    let (origin, repository) = (world.path("origin.git"), world.repo());
    let origin = origin.to_str().unwrap();
    repository.git(["clone", "--quiet", "--bare", ".", origin]);
    repository.git(["remote", "add", "origin", "git@github.com:acme/app.git"]);
    repository.git(["config", "remote.origin.pushurl", origin]);
    world.install("gh", &format!("DIR='{}'\n{GH}", world.path("").display()));
    world.configure(json!({ "integration": { "pullRequest": true } }));
    world
}

#[test]
fn a_validated_result_is_pushed_and_proposed_once() {
    let world = proposing();
    let ended = world.run(["run", "--json", "Greet whoever is named"]).code(0);
    let report = ended.report().outcome("validated");
    assert_eq!(report["pullRequest"], "https://github.com/acme/app/pull/7");
    let at = |place: &str| world.repo().git(["ls-remote", place, report.branch()]);
    let pushed = at(world.path("origin.git").to_str().unwrap());
    assert!(pushed.starts_with(report["commit"].as_str().unwrap()), "{pushed}");
    let calls = fs::read_to_string(world.path("calls")).unwrap();
    assert_eq!(calls.lines().filter(|line| *line == "create").count(), 1, "{calls}");
    for expected in [
        "--repo=github.com/acme/app",
        "--base=main",
        "--title=Greet whoever is named",
        &format!("--head={}", report.branch()),
    ] {
        assert!(calls.lines().any(|line| line == expected), "{expected} in {calls}");
    }
    let body = fs::read_to_string(world.path("body")).unwrap();
    assert!(body.contains(report.session()), "{body}");
}

#[test]
fn a_result_that_fails_its_checks_is_neither_pushed_nor_proposed() {
    let world = proposing();
    let world = world.stand_in(turns(json!([write("other.txt", "x\n"), { "text": "Done." }])));
    let report = world.run(["run", "--json", "Greet whoever is named"]).code(1).report();
    assert_eq!((&report["outcome"], &report["pullRequest"]), (&json!("rejected"), &Value::Null));
    assert!(!world.path("calls").exists());
    let origin = world.path("origin.git");
    let heads = world.repo().git(["ls-remote", "--heads", origin.to_str().unwrap()]);
    assert_eq!(heads.lines().count(), 1, "{heads}");
}

#[test]
fn clones_of_a_failed_session_are_kept_as_long_as_is_said_and_then_swept() {
    let script = turns(json!([bash("echo half >half.txt"), { "text": "Done." }]));
    let mut world = greeter(world!(), script);
    let run = ["run", "--json", "Greet whoever is named"];
    let _ = world.run(run).code(1).report().outcome("rejected");
    assert_eq!(world.clones().len(), 1);
    world = world.stand_in(mending());
    let _ = world.run(run).code(0).report().outcome("validated");
    assert_eq!(world.clones().len(), 1, "for a week");
    world.configure(json!({ "retention": { "keepFailed": false } }));
    let _ = world.run(run).code(0).report().outcome("validated");
    assert_eq!(world.clones().len(), 0);
}

/// What a command leaves is removed by the program itself, which removes nothing else.
#[test]
fn what_is_left_to_the_program_is_removed_by_it_and_nothing_else_is() {
    let world = greeter(world!(), mending());
    let (left, other) = (world.work().join(".removed/left"), world.work().join("mine/left"));
    let link = world.path("linked");
    for directory in [&left, &other] {
        fs::create_dir_all(directory.join("1/deep")).unwrap();
    }
    fs::create_dir(&link).unwrap();
    std::os::unix::fs::symlink(world.work().join("mine"), link.join(".removed")).unwrap();
    let linked = link.join(".removed/left");
    let asked = ["--remove-what-another-process-left".into(), left.clone(), other.clone(), linked];
    let _ = world.run(asked).code(0);
    assert!(!left.exists() && other.join("1/deep").exists());
}

/// Clones are moved away and removed while the session goes on; what a process left that was killed meanwhile, the next
/// removes first.
#[test]
fn what_a_killed_process_was_removing_the_next_removes() {
    let world = greeter(world!(), mending());
    let left = world.work().join(".removed/killed/1/deep");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("file"), "x").unwrap();
    let _ = world.run(["run", "--json", "Greet"]).code(0).report().outcome("validated");
    assert!(!world.work().join(".removed/killed").exists());
}
