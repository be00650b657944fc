//! What follows an attempt that came to nothing: another executor, or the same one with what was found.

use crate::fixtures::{GREETER, MENDED, bash, greeter, mending, turns, write};
use cyrus_tests::{World, world};
use serde_json::{Value, json};

/// A world in which the cloud comes first, and nobody is asked twice.
fn cloud_first(world: World) -> World {
    world.config(json!({
        "selection": { "strategy": "hybrid-smart" },
        "attempts": { "most": 6, "retries": 0 },
    }))
}

/// The receipts of a run, in order.
fn receipts(lines: &[Value]) -> Vec<&Value> {
    let chosen = lines.iter().filter(|line| line["type"] == "executor-chosen");
    chosen.map(|line| &line["receipt"]).collect()
}

#[test]
fn a_cloud_that_cannot_be_reached_is_no_reason_not_to_finish() {
    let failing = |failure: Value| {
        let all = json!([{ "endpoint": "create-run", "calls": "all", "failure": failure }]);
        let world = world!().repository(GREETER).stand_in(mending());
        cloud_first(world.config(crate::fixtures::checks()).codegen(json!({ "failures": all })))
    };
    let mut refused = failing(json!({ "kind": "cut" }));
    // Nothing listens on the port for nothing.
    refused.configure(json!({ "codegen": { "baseUrl": "http://127.0.0.1:1" } }));
    for (world, kind) in [
        (refused, "unavailable"),
        (failing(json!({ "kind": "status", "status": 503 })), "unavailable"),
        (failing(json!({ "kind": "status", "status": 402 })), "quota-exhausted"),
    ] {
        let ended = world.run(["run", "--json", "Greet whoever is named"]).code(0);
        let report = ended.report().outcome("validated");
        let executions = report["executions"].as_array().unwrap();
        let by: Vec<_> = executions.iter().map(|one| one["executor"].as_str().unwrap()).collect();
        assert_eq!(by, ["codegen", "claude"], "{kind}");
        assert_eq!(executions[0]["error"]["kind"], kind);
        let lines = ended.lines();
        let receipts = receipts(&lines);
        assert_eq!(
            (&receipts[0]["chosen"], &receipts[1]["chosen"]),
            (&json!("codegen"), &json!("claude"))
        );
        let considered = receipts[1]["considered"].as_array().unwrap();
        let out = considered.iter().find(|line| line["executor"] == "codegen").unwrap();
        assert!(out["excluded"]["reason"].is_string(), "the receipt says why: {out}");
        assert_eq!(world.repo().file(report.branch(), "greet.sh"), MENDED.trim());
        assert!(world.runs().is_empty(), "nothing was begun there");
    }
}

#[test]
fn without_a_configuration_the_cloud_is_never_asked() {
    let world = greeter(world!(), mending());
    let ended = world.run(["run", "--json", "[agent=codegen] [strategy=cloud-only] Greet"]).code(0);
    let report = ended.report().outcome("validated");
    assert_eq!(report.execution()["executor"], "claude");
    let warned = ended.lines().iter().filter(|line| line["type"] == "warning").count();
    assert_eq!(warned, 2, "what it does not get is said: {ended}");
}

#[test]
fn what_the_checks_find_goes_back_to_who_did_it() {
    let script = turns(json!([
        write("extra.txt", "beside the point\n"),
        { "text": "All done!" },
        bash(&format!("printf '%s' '{MENDED}' >greet.sh")),
        { "text": "Now it greets." },
    ]));
    let world = greeter(world!(), script).config(json!({ "attempts": { "most": 3, "rounds": 1 } }));
    let ended = world.run(["run", "--json", "Greet whoever is named"]).code(0);
    let report = ended.report().outcome("validated");
    let verdicts: Vec<_> = ended
        .lines()
        .iter()
        .filter(|line| line["type"] == "task-validated")
        .map(|line| line["report"]["verdict"].clone())
        .collect();
    assert_eq!(verdicts, ["failed", "passed"]);
    let executions = report["executions"].as_array().unwrap();
    assert_eq!(executions.len(), 2);
    let conversation = |of: usize| executions[of]["checkpoint"].as_str().unwrap().lines().next();
    assert_eq!(conversation(0), conversation(1), "the same conversation");
    assert_eq!(world.repo().file(report.branch(), "greet.sh"), MENDED.trim());
}

#[test]
fn two_at_once_on_one_home_and_one_repository_do_not_meet() {
    let world = greeter(world!(), mending());
    let both = ["First", "Second"].map(|title| world.start(["run", "--json", title]));
    let branches =
        both.map(|run| run.end().code(0).report().outcome("validated").branch().to_owned());
    assert_ne!(branches[0], branches[1]);
    for branch in &branches {
        assert_eq!(world.repo().file(branch, "greet.sh"), MENDED.trim());
    }
    assert_eq!(world.sessions().len(), 2);
    assert_eq!(world.clones(), [""; 0]);
}

#[test]
fn an_issue_with_a_checklist_is_a_plan() {
    let world = greeter(world!(), mending());
    let issue = world.path("issue.md");
    let text = "# Release\n\n- [ ] Fix the greeting\n- [ ] Add a farewell\n- [ ] Write the notes (after #1, #2)\n";
    std::fs::write(&issue, text).unwrap();
    let args = ["plan", "--json", "--issue", issue.to_str().unwrap()];
    let plan = world.run(args).code(0).json();
    assert_eq!(plan["source"], "checklist");
    let tasks = plan["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 3);
    assert_eq!(tasks[2]["after"], json!(["t1", "t2"]));
    assert_eq!(plan["criticalPath"].as_array().unwrap().len(), 2);
    assert!(plan["expectedCost"].as_u64().unwrap() > 0);
    let graph = world.run(["plan", "--graph", "--issue", issue.to_str().unwrap()]).code(0);
    assert!(graph.stdout.starts_with("flowchart") || graph.stdout.starts_with("graph"), "{graph}");

    let file = world.path("plan.yaml");
    std::fs::write(&file, "tasks:\n  - id: a\n    prompt: x\n    after: [b]\n").unwrap();
    let args = ["run", "x", "--plan", file.to_str().unwrap()];
    let _ = world.run(args).code(2).complains("plan.yaml").complains("b");
}

/// The verdict on a task that changes nothing is none on what the others made, although its commit is theirs.
#[test]
fn what_others_made_is_there_when_a_task_changes_nothing() {
    let once = bash("test -e one.txt || echo 1 >one.txt");
    let world = greeter(world!(), turns(json!([once, { "text": "Done." }]))).config(
        json!({ "validation": { "commands": ["test -e one.txt"] }, "attempts": { "most": 1 } }),
    );
    let issue = world.path("issue.md");
    let text =
        "# Release\n\n- [ ] Add one\n- [ ] Add one too\n- [ ] Write the notes (after #1, #2)\n";
    std::fs::write(&issue, text).unwrap();
    let ended = world.run(["run", "--json", "--yes", "--issue", issue.to_str().unwrap()]).code(1);
    let report = ended.report();
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.starts_with("task t3: ") && reason.contains("nothing was changed"), "{reason}");
    assert!(!reason.contains("merged"), "{reason}");
    assert_eq!(world.repo().file(report.branch(), "one.txt"), "1");
}
