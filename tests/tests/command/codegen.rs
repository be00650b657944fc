//! Work in the cloud: one run for one session whatever happens in between, and a token that nobody sees.

use crate::fixtures::{GREETER, MENDED, checks};
use cyrus_simulate::RecordedRequest;
use cyrus_tests::{Ended, Report, Signal, Started, TOKEN, World, world};
use serde_json::{Value, json};
use std::{fs, path::Path};

const RUN: [&str; 5] = ["run", "--json", "--executor", "codegen", "Greet whoever is named"];

/// A run that works for some looks, says something, and hands in what mends the repository.
fn mending() -> Value {
    json!([{ "steps": [
        { "status": "ACTIVE", "polls": 3, "logs": [
            { "message_type": "PLAN_EVALUATION", "observation": "I look at greet.sh." },
        ] },
        { "status": "COMPLETE", "result": "It greets by name now.",
          "push": { "branch": "codegen/{run_id}", "base": "main", "message": "Mend", "files": { "greet.sh": MENDED } },
          "pull_request": { "title": "Greet by name" } },
    ] }])
}

/// A world with a Codegen whose calls go wrong like this.
fn cloud(failures: Value) -> World {
    let script = json!({ "runs": mending(), "failures": failures });
    world!().repository(GREETER).config(checks()).codegen(script)
}

fn mended(world: &World, ended: Ended) -> Report {
    let report = ended.code(0).report().outcome("validated");
    assert_eq!(world.repo().file(report.branch(), "greet.sh"), MENDED.trim());
    let runs = world.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0].pushed.len(), 1, "{runs:?}");
    report
}

#[test]
fn a_run_in_the_cloud_becomes_a_validated_branch() {
    let world = cloud(json!([]));
    let ended = world.run(RUN);
    let lines = ended.lines();
    let report = mended(&world, ended);
    let execution = report.execution();
    assert_eq!(execution["placement"], "cloud");
    assert_eq!(execution["cost"], json!({"amount": 1_000_000, "source": "estimated"}));
    let shown = execution["links"].as_array().unwrap();
    let kinds: Vec<_> = shown.iter().map(|link| link["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["run", "pull-request"]);
    assert!(lines.iter().any(|line| line["event"].to_string().contains("I look at greet.sh.")));
    let looks = world.service().requests();
    let looks = looks.iter().filter(|request| request.path.ends_with("/agent/run/1001")).count();
    assert_eq!(looks, 4, "it was looked at until it was over, and no more");
}

#[test]
fn the_strategy_sends_a_builder_to_the_cloud_and_an_orchestrator_nowhere() {
    let world = cloud(json!([])).stand_in(json!({}));
    let choose = |kind| {
        let args =
            ["run", "--dry-run", "--json", "--strategy", "hybrid-smart", "--kind", kind, "x"];
        world.run(args).code(0).json()["tasks"][0]["executor"]["name"].clone()
    };
    assert_eq!((choose("builder"), choose("orchestrator")), (json!("codegen"), json!("claude")));
    let default = world.run(["run", "--dry-run", "--json", "x"]).code(0).json();
    assert_eq!(default["tasks"][0]["executor"]["name"], "claude", "source stays here");
    assert!(world.runs().is_empty());
}

/// Starts a run, kills it when Codegen has been asked for work, and gives the session.
fn killed_after_the_order(world: &World) -> String {
    let mut run: Started = world.start(RUN);
    let began = run.wait_for("session", |line| line["type"] == "session-started");
    world.wait_for_runs(1);
    run.signal(Signal::SIGKILL);
    let _ = run.end();
    began["session"].as_str().unwrap().to_owned()
}

#[test]
fn killed_between_the_order_and_its_checkpoint_there_is_one_run() {
    let unheard =
        json!([{ "endpoint": "create-run", "after_effect": true, "failure": { "kind": "hang" } }]);
    let world = cloud(unheard);
    let session = killed_after_the_order(&world);
    let report = mended(&world, world.run(["session", "resume", &session, "--json"]));
    let executions = report["executions"].as_array().unwrap();
    let outcomes: Vec<_> = executions.iter().map(|execution| &execution["outcome"]).collect();
    assert_eq!(
        outcomes,
        ["suspended", "completed"],
        "it was cut off, and what it had begun goes on"
    );
    let again = world.run(["session", "resume", &session]).code(2);
    let _ = again.complains("validated");
}

#[test]
fn killed_while_the_run_goes_on_it_is_found_again() {
    let world = cloud(json!([]));
    let session = killed_after_the_order(&world);
    mended(&world, world.run(["session", "resume", &session, "--json"]));
}

#[test]
fn an_order_whose_answer_is_lost_is_not_given_again() {
    for failure in [
        json!({ "kind": "cut" }),
        json!({ "kind": "malformed" }),
        json!({ "kind": "status", "status": 502 }),
    ] {
        let lost = json!([{ "endpoint": "create-run", "after_effect": true, "failure": failure }]);
        let world = cloud(lost);
        mended(&world, world.run(RUN));
    }
}

#[test]
fn looks_that_fail_are_looks_that_are_repeated() {
    let world = cloud(json!([
        { "endpoint": "get-run", "call": 2, "failure": { "kind": "status", "status": 503 } },
        { "endpoint": "get-run", "call": 3, "failure": { "kind": "status", "status": 429 } },
        { "endpoint": "get-run", "call": 4, "failure": { "kind": "cut" } },
        { "endpoint": "logs", "calls": "all", "failure": { "kind": "malformed" } },
    ]));
    mended(&world, world.run(RUN));
}

#[test]
fn what_the_service_refuses_has_its_kind() {
    for (status, kind) in [
        (401, "unauthorized"),
        (402, "quota-exhausted"),
        (403, "unauthorized"),
        (404, "unsupported"),
        (422, "invalid-request"),
        (500, "unavailable"),
    ] {
        let failure = json!({ "kind": "status", "status": status });
        let world =
            cloud(json!([{ "endpoint": "create-run", "calls": "all", "failure": failure }]));
        // What is not there for now is no failure.
        let outcome = if kind == "unavailable" { "paused" } else { "failed" };
        let report = world.run(RUN).code(1).report().outcome(outcome);
        assert_eq!(report.error()["kind"], kind, "{status}: {report:?}");
        assert!(world.runs().is_empty() && world.repo().session_branches().is_empty());
    }
}

#[test]
fn a_limit_that_is_near_is_waited_for() {
    let limited = json!({ "kind": "status", "status": 429, "retry_after": 1 });
    let world = cloud(json!([{ "endpoint": "create-run", "failure": limited }]));
    let ended = world.run(RUN);
    let waits = ended.lines().into_iter().find(|line| line["type"] == "task-waits");
    let wait = waits.expect("it says that it waits")["forMs"].clone();
    assert!(wait.as_u64().is_some_and(|wait| wait >= 1000), "{wait}");
    let report = mended(&world, ended);
    let error = &report["executions"][0]["error"];
    assert_eq!((&error["kind"], &error["retryAfterMs"]), (&json!("rate-limited"), &json!(1000)));
}

#[test]
fn a_run_that_fails_is_a_session_that_failed_and_was_paid_for() {
    for (status, kind) in [
        ("ERROR", "failed"),
        ("MAX_ITERATIONS_REACHED", "turn-limit"),
        ("out_of_tokens", "quota-exhausted"),
    ] {
        let script = json!({ "runs": [{ "steps": [{ "status": "ACTIVE" }, { "status": status, "result": "no luck" }] }] });
        let world = world!().repository(GREETER).config(checks()).codegen(script);
        let report = world.run(RUN).code(1).report().outcome("failed");
        assert_eq!(report.error()["kind"], kind, "{status}");
        assert!(report["reason"].as_str().unwrap().contains("no luck"), "{report:?}");
        assert_eq!(report.execution()["cost"]["amount"], 1_000_000);
    }
}

#[test]
fn an_interrupt_stops_the_run() {
    let endless = json!({ "runs": [{ "steps": [{ "status": "ACTIVE" }] }] });
    let world = world!().repository(GREETER).config(checks()).codegen(endless);
    let mut run = world.start(RUN);
    run.wait_for("link", |line| line["event"].to_string().contains("codegen.com"));
    run.signal(Signal::SIGINT);
    let report = run.end().code(130).report().outcome("paused");
    assert_eq!(report.error()["kind"], "cancelled");
    assert_eq!(world.runs()[0].status.as_deref(), Some("CANCELLED"));
}

#[test]
fn a_stop_that_detaches_leaves_the_run_alone_and_resume_takes_it_up() {
    let going_on = json!([{ "steps": [{ "status": "ACTIVE", "polls": 1_000_000 }] }]);
    let world = world!().repository(GREETER).config(checks()).codegen(json!({ "runs": going_on }));
    let mut run = world.start(RUN);
    let began = run.wait_for("session", |line| line["type"] == "session-started");
    let session = began["session"].as_str().unwrap();
    run.wait_for("link", |line| line["event"].to_string().contains("codegen.com"));
    let _ = world.run(["session", "stop", "--detach", session]).code(0).prints("is paused");
    let _ = run.end().code(1).report().outcome("paused");
    let status = || world.runs().into_iter().map(|run| run.status).collect::<Vec<_>>();
    assert_eq!(status(), [Some("ACTIVE".to_owned())]);

    let is_look = |request: &RecordedRequest| request.path.ends_with("/agent/run/1001");
    let seen = world.service().requests().iter().filter(|request| is_look(request)).count();
    let mut resumed = world.start(["session", "resume", session, "--json"]);
    resumed.wait_for("execution", |line| line["type"] == "execution-started");
    world.wait_for_requests(seen + 1, is_look);
    resumed.signal(Signal::SIGINT);
    let _ = resumed.end().code(130);
    assert_eq!(status(), [Some("CANCELLED".to_owned())], "the same run, and no other");
}

/// Every file below a directory, links apart, that has this in it.
fn files_with(directory: &Path, needle: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_with(&entry.path(), needle, found);
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(entry.file_name().into_string().unwrap());
            }
        }
    }
}

#[test]
fn the_token_is_where_it_was_written_and_nowhere_else() {
    let echo = json!({ "detail": format!("the token {TOKEN} is tired") });
    let said = json!([{ "status": "ACTIVE", "logs": [{ "message_type": "ACTION", "tool_name": "x", "thought": TOKEN, "tool_input": { TOKEN: TOKEN } }] },
        { "status": "ERROR", "result": format!("I found {TOKEN}"), "summary": TOKEN }]);
    let talkative = json!({ "runs": [{ "steps": said }] });
    let refusing = json!({ "failures": [{ "endpoint": "create-run", "failure": { "kind": "status", "status": 401, "body": echo } }] });
    for script in [talkative, refusing] {
        let world = world!().repository(GREETER).config(checks()).codegen(script);
        let ended = world.run(RUN.iter().chain(&["-vv"])).code(1);
        let told = world.run(["executor", "explain", "codegen", "--json"]).code(0);
        let listed = world.run(["executor", "list", "--json"]).code(0);
        for said in [&ended, &told, &listed] {
            assert!(!said.stdout.contains(TOKEN) && !said.stderr.contains(TOKEN), "{said}");
        }
        assert!(!world.service().requests().is_empty(), "it was sent");
        let mut found = Vec::new();
        files_with(&world.path(""), TOKEN, &mut found);
        assert_eq!(found, ["config.json"]);
    }
}

/// Two items, the second of which needs what came of the first.
const BUILDING_ON: &str =
    "# Greet\n\n- [ ] Greet whoever is named\n- [ ] Tidy up after it (after #1)\n";

/// A Codegen with a run for each: the second removes a file that only the first has made.
fn building_on(share: bool) -> World {
    let done = |files: Value, delete: Value| {
        json!([{ "status": "COMPLETE", "result": "Done.", "pull_request": {}, "push":
            { "branch": "codegen/{run_id}", "base": "{start}", "files": files, "delete": delete } }])
    };
    let script = json!({ "runs": [
        { "when": "Tidy up after it\n\nThis is one part",
          "steps": done(json!({ "tidy.txt": "tidy\n" }), json!(["scrap.txt"])) },
        { "steps": done(json!({ "greet.sh": MENDED, "scrap.txt": "scrap\n" }), json!([])) },
    ] });
    let mut config = checks();
    config["integration"] = json!({ "share": share });
    config["selection"] = json!({ "strategy": "cloud-only", "fallback": "none" });
    let world = world!().repository(GREETER).config(config).codegen(script);
    fs::write(world.path("issue.md"), BUILDING_ON).unwrap();
    world
}

#[test]
fn a_task_in_the_cloud_has_what_it_builds_on_and_nothing_of_that_stays_at_the_origin() {
    let world = building_on(true);
    let issue = world.path("issue.md");
    let ended = world.run(["run", "--json", "--issue", issue.to_str().unwrap()]);
    let report = ended.code(0).report().outcome("validated");
    assert_eq!(world.repo().file(report.branch(), "greet.sh"), MENDED.trim());
    let files = world.repo().git(["ls-tree", "--name-only", report.branch()]);
    assert!(files.contains("tidy.txt") && !files.contains("scrap.txt"), "{files}");
    let prompts: Vec<_> = world.runs().into_iter().map(|run| run.prompt).collect();
    let start = format!("Start from branch `{}-from-", report.branch());
    assert!(!prompts[0].contains(&start) && prompts[1].contains(&start), "{prompts:#?}");
    let branches = world.repo().git(["ls-remote", "--heads", "origin"]);
    let names: Vec<_> = branches.lines().filter_map(|line| line.split_once('\t')).collect();
    let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["refs/heads/codegen/1001", "refs/heads/codegen/1002", "refs/heads/main"]);
}

#[test]
fn a_task_that_only_the_cloud_may_have_waits_until_what_it_builds_on_is_shared() {
    let mut world = building_on(false);
    let issue = world.path("issue.md");
    let args = ["run", "--json", "--issue", issue.to_str().unwrap()];
    let plan = world.run(["plan", "--json", "--issue", issue.to_str().unwrap()]).code(0).json();
    assert_eq!(plan["tasks"][1]["executor"], Value::Null, "{plan:#}");
    let report = world.run(args).code(1).report().outcome("paused");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("`integration.share`"), "{reason}");
    assert_eq!(world.runs().len(), 1);
    world.configure(json!({ "integration": { "share": true } }));
    let session = report["session"].as_str().unwrap();
    let report = world.run(["session", "resume", session, "--json"]).code(0).report();
    assert_eq!(report["outcome"], "validated");
    assert_eq!(world.runs().len(), 2);
}
