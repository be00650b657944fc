//! `cyrus demo`: what it promises in the README.

use cyrus_tests::{Ended, Signal, World, world};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What is in the directory for temporary files.
fn left(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.path("tmp")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The lines of this type.
fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

/// The task with this in its title.
fn titled<'a>(report: &'a Value, part: &str) -> &'a Value {
    let tasks = report["tasks"].as_array().unwrap();
    let found = tasks.iter().find(|task| task["title"].as_str().unwrap().contains(part));
    found.unwrap_or_else(|| panic!("no task {part:?}: {report:#}"))
}

#[test]
fn a_checklist_becomes_validated_work_and_nothing_is_left() {
    let world = world!();
    let ended = world.run(["demo", "--json"]).code(0);
    assert_eq!(left(&world), Vec::<PathBuf>::new());
    assert!(!world.home().join("cyrus.db").exists(), "the user's own home is not used");
    assert!(!ended.stderr.contains("WARN"), "{ended}");

    let lines = ended.lines();
    assert_eq!(of(&lines, "session-finished").len(), 1, "{ended}");
    let report = ended.report().outcome("validated");

    let plan = &of(&lines, "planned")[0]["tasks"];
    assert!(plan.as_array().unwrap().len() >= 6, "{plan:#}");
    let executions = report["executions"].as_array().unwrap();
    let completed = executions.iter().filter(|execution| execution["outcome"] == "completed");
    let placements: BTreeSet<_> = completed.filter_map(|one| one["placement"].as_str()).collect();
    assert_eq!(placements, BTreeSet::from(["cloud", "local"]));
    assert!(report["tasks"].as_array().unwrap().iter().all(|task| task["state"] == "done"));

    falls_back(&lines, &report);
    is_mended(&lines, &report);
    resolves_a_conflict(&lines, &report);
    measures(&lines, &report, &ended);
}

/// Codegen has no credit left for one task, and the local executor takes over.
fn falls_back(lines: &[Value], report: &Value) {
    let task = titled(report, "`swap`");
    let executions = report["executions"].as_array().unwrap();
    let by: Vec<_> = executions
        .iter()
        .filter(|one| one["task"] == task["id"])
        .map(|one| (one["executor"].as_str().unwrap(), one["error"]["kind"].as_str()))
        .collect();
    assert_eq!(by, [("codegen", Some("quota-exhausted")), ("claude", None)]);
    let chosen = of(lines, "executor-chosen");
    let last = chosen.iter().rfind(|line| line["task"] == task["id"]).unwrap();
    let considered = last["receipt"]["considered"].as_array().unwrap();
    let said = |name: &str| considered.iter().find(|line| line["executor"] == name).unwrap();
    assert_eq!(said("claude")["standing"]["reason"], "fallback", "{last:#}");
    assert_eq!(said("codegen")["excluded"]["reason"], "tried", "{last:#}");
}

/// One result fails its checks, goes back with the findings, and passes.
fn is_mended(lines: &[Value], report: &Value) {
    let task = titled(report, "`count`");
    let verdicts: Vec<_> = of(lines, "task-validated")
        .into_iter()
        .filter(|line| line["task"] == task["id"])
        .map(|line| line["report"]["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["failed", "passed"]);
    assert_eq!((&task["attempts"], &task["executor"]), (&2.into(), &"claude".into()));
}

/// Two results change the same lines. Which comes second is not arranged.
fn resolves_a_conflict(lines: &[Value], report: &Value) {
    let added = of(lines, "task-added");
    let [conflict] = &added[..] else { panic!("one task was added, not these: {added:#?}") };
    assert_eq!(conflict["origin"]["from"], "conflict", "{conflict:#}");
    let sides = [titled(report, "`--version`"), titled(report, "`--list`")];
    assert!(sides.iter().any(|side| side["id"] == conflict["origin"]["of"]), "{conflict:#}");
    let tasks = report["tasks"].as_array().unwrap();
    let resolved = tasks.iter().find(|task| task["id"] == conflict["id"]).unwrap();
    assert_eq!(resolved["state"], "done", "{resolved:#}");
}

/// What is printed of the speed-up follows from the tasks' times. How much it is, is measured and not tested: here
/// everything runs beside other tests.
fn measures(lines: &[Value], report: &Value, ended: &Ended) {
    let told = of(lines, "speed-up");
    let [speed_up] = &told[..] else { panic!("one line, before the last: {ended}") };
    assert_eq!(lines[lines.len() - 2]["type"], "speed-up");
    let number = |name: &str| speed_up[name].as_f64().unwrap();
    let tasks = speed_up["tasks"].as_array().unwrap();
    let time = |id: &Value| -> f64 {
        let found = tasks.iter().find(|task| task["task"] == *id).unwrap();
        found["durationMs"].as_f64().unwrap()
    };
    let close = |one: f64, other: f64, by: f64| assert!((one - other).abs() <= by, "{speed_up:#}");
    let count = 10.0;
    close(tasks.iter().map(|task| time(&task["task"])).sum(), number("sumMs"), count);
    let path = speed_up["criticalPath"].as_array().unwrap();
    assert_eq!(path.len(), 3, "{speed_up:#}");
    close(path.iter().map(time).sum(), number("criticalPathMs"), count);
    assert_eq!(speed_up["sessionMs"], report["durationMs"]);
    close(number("speedUp"), number("sumMs") / number("sessionMs"), 0.01);
    close(number("possible"), number("sumMs") / number("criticalPathMs"), 0.01);
    close(number("reached"), number("speedUp") / number("possible"), 0.01);
    assert!(number("speedUp") > 1.0, "{speed_up:#}");
}

#[test]
fn interrupted_it_leaves_nothing_either() {
    let world = world!();
    let mut demo = world.start(["demo", "--json"]);
    // The run in the cloud takes some looks.
    demo.wait_for("run", |line| line["event"].to_string().contains("codegen.com"));
    demo.signal(Signal::SIGINT);
    let _ = demo.end().code(130).report().outcome("paused");
    assert_eq!(left(&world), Vec::<PathBuf>::new());
}

#[test]
fn it_is_told_and_kept_it_can_be_looked_at() {
    let world = world!();
    let ended = world.run(["demo", "--keep"]).code(0);
    for promised in [
        "Coordinate the release",
        "after t5, t6, t7",
        "goes to codegen (cloud): builder or debugger",
        "goes to claude (local): complexity is low",
        "goes to claude (local): needs local context",
        "goes to claude (local): orchestrates",
        "codegen failed: ",
        "falls back to claude (local): codegen was tried",
        "did not pass: ",
        "FAIL tests/count.sh",
        "with what was found",
        "passes now",
        "conflicts with what was merged before",
        "is resolved",
        "Validated: everything merged passes `sh test.sh`",
        "one at a time",
        "longest path",
        "times as fast",
        "ok   tests/swap.sh",
        "Simulated: the `claude` program, its model, and",
    ] {
        assert!(ended.stdout.contains(promised), "nothing of {promised:?}: {ended}");
    }
    assert!(!ended.stdout.contains("not allowed"), "{ended}");
    kept_it_is_as_it_says(&world, &ended);
}

fn kept_it_is_as_it_says(world: &World, ended: &Ended) {
    let kept = left(world);
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    assert!(ended.stdout.contains(kept.to_str().unwrap()), "{ended}");
    let tests = Command::new("sh").arg("test.sh").current_dir(kept.join("words")).output().unwrap();
    assert!(tests.status.success(), "{tests:?}");
    assert_eq!(branches(&kept.join("origin.git")), 4, "main, and what the cloud pushed");
    let home = kept.join("cyrus-home");
    let home = home.to_str().unwrap();
    let list = ["--cyrus-home", home, "session", "list", "--json"];
    let listed = world.run(list).code(0).json();
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|s| &s["state"]).collect();
    assert_eq!(states, ["validated"]);
    let id = listed[0]["id"].as_str().unwrap();
    assert!(ended.stdout.contains(&format!("session show {id}")), "{ended}");
    let shown = world.run(["--cyrus-home", home, "session", "show", id]);
    let _ = shown.code(0).prints(".merge").prints("t8");
}

/// How many branches a repository has.
fn branches(repository: &Path) -> usize {
    let heads = fs::read_dir(repository.join("refs/heads")).unwrap();
    heads
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { fs::read_dir(path).unwrap().count() } else { 1 })
        .sum()
}
