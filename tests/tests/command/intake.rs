//! How an issue, its labels, its repository and its start reach a session from the command line.

use crate::fixtures::{GREETER, cut, greeter, mending, turns, write};
use cyrus_tests::{Repository, World, world};
use serde_json::{Value, json};
use std::fs;

fn plan(world: &World, text: &str, more: &[&str]) -> Value {
    let file = world.path("issue.md");
    fs::write(&file, text).unwrap();
    let args = [&["plan", "--json", "--issue", file.to_str().unwrap()], more].concat();
    world.run(args).code(0).json()
}

fn titles(plan: &Value) -> Vec<&str> {
    plan["tasks"].as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap()).collect()
}

#[test]
fn a_form_is_one_task_and_the_plan_says_why() {
    let world = greeter(world!(), mending());
    let form = "# Tabs are lost\n\n### What happens\n\nThey are.\n\n### Code of conduct\n\n- [ ] I agree to follow it\n";
    let plan = plan(&world, form, &[]);
    assert_eq!(titles(&plan), ["Tabs are lost"]);
    assert!(plan["note"].as_str().unwrap().contains("Code of conduct"), "{plan:#}");
    let file = world.path("issue.md");
    let _ = world
        .run(["plan", "--issue", file.to_str().unwrap()])
        .code(0)
        .prints("context and no tasks");
}

#[test]
fn labels_come_from_the_header_and_the_command_line() {
    let world = greeter(world!(), mending());
    let text = "---\ntitle: Colours\nlabels: [bug]\npriority: urgent\n---\n\nThe colours.\n";
    let header = plan(&world, text, &[]);
    assert_eq!(header["analysis"]["kind"], "debugger", "{header:#}");
    assert_eq!(
        (&header["title"], &header["analysis"]["urgency"]),
        (&json!("Colours"), &json!("urgent"))
    );
    let flag = plan(&world, "Colours\n", &["--label", "PRD", "--label", "P0"]);
    assert_eq!(
        (&flag["analysis"]["kind"], &flag["analysis"]["urgency"]),
        (&json!("scoper"), &json!("urgent"))
    );
}

#[test]
fn a_plan_alone_is_enough() {
    let world = greeter(world!(), mending());
    let file = world.path("plan.yaml");
    fs::write(
        &file,
        "tasks:\n- {id: a, title: First, prompt: One}\n- {id: b, prompt: Two, after: [a]}\n",
    )
    .unwrap();
    let shown = world.run(["plan", "--json", "--plan", file.to_str().unwrap()]).code(0).json();
    assert_eq!(
        (&shown["title"], titles(&shown)),
        (&json!("First, and 1 more"), vec!["First", "b"])
    );
    let _ = world.run(["plan"]).code(2);
}

#[test]
fn a_plan_that_names_no_executor_is_refused_before_anything_is_paid_for() {
    let world = greeter(world!(), mending());
    let file = world.path("plan.yaml");
    fs::write(&file, "tasks:\n- {id: a, prompt: One}\n- {id: b, prompt: Two, executor: absent}\n")
        .unwrap();
    let file = file.to_str().unwrap();
    for args in [
        &["run", "--plan", file][..],
        &["run", "--dry-run", "--plan", file],
        &["plan", "--plan", file],
    ] {
        let _ = world.run(args.iter().copied()).code(2).complains("task b: there is no executor");
    }
    assert!(world.sessions().is_empty(), "nothing was begun");
}

#[test]
fn a_tag_names_the_repository_and_the_branch() {
    let world = greeter(world!(), mending());
    let other = Repository::make(&world.path("web"));
    other.commit(&[("a", "1\n")]);
    other.git(["branch", "develop"]);
    other.commit(&[("a", "2\n")]);
    let develop = other.git(["rev-parse", "develop"]);
    let mut world = world;
    world.configure(json!({ "repositories": [
        { "id": "w", "name": "site", "repositoryPath": world.path("web"), "issueBranches": ["dev*", "no*"] },
    ] }));
    for tag in ["site#develop", "acme/web#develop", "w#develop"] {
        let plan = plan(&world, &format!("Colours [repo={tag}]\n"), &[]);
        assert_eq!(plan["baseCommit"], json!(develop), "{tag}");
    }
    let unknown = world.run(["plan", "Colours [repo=nowhere]"]).code(2);
    let _ = unknown.complains("[repo=nowhere] names no repository").complains("--repo");
    let missing = world.run(["plan", "Colours [repo=site#nowhere]"]).code(2);
    let _ = missing.complains("from \"nowhere\", and there is no such branch");
    let named = world.run(["plan", "--json", "--repo", "site", "Colours"]).code(0).json();
    assert_eq!(named["repository"], json!(world.path("web").canonicalize().unwrap()));
}

#[test]
fn the_author_of_an_issue_chooses_no_start_that_the_operator_does_not_allow() {
    let mut world = greeter(world!(), mending());
    let web = Repository::make(&world.path("web"));
    web.commit(&[("a", "1\n")]);
    web.git(["checkout", "--quiet", "-b", "wip"]);
    web.commit(&[("cyrus-setup.sh", "steal\n")]);
    let bad = web.git(["rev-parse", "wip"]);
    web.git(["update-ref", "refs/cyrus/s-one/t1", &bad]);
    web.git(["branch", "cyrus/s-one", &bad]);
    web.git(["checkout", "--quiet", "main"]);
    let entry = json!({ "name": "site", "repositoryPath": world.path("web") });
    world.configure(json!({ "repositories": [entry] }));
    let refused = |world: &World, name: &str| {
        world.run(["run", &format!("Colours [repo=site#{name}]")]).code(2)
    };
    for name in [&bad, "cyrus/s-one", "refs/cyrus/s-one/t1", "HEAD~0"] {
        let _ = refused(&world, name).complains("an issue may name a branch of the repository");
    }
    let _ = refused(&world, "wip").complains("issueBranches").complains("--base wip");
    let shown = plan(&world, "Colours [repo=site#main]\n", &[]);
    assert_eq!(shown["baseBranch"], "main");
    let free = ["--base", "refs/cyrus/s-one/t1"];
    assert_eq!(plan(&world, "Colours [repo=site#main]\n", &free)["baseCommit"], json!(bad));
    let _ = world
        .run(["plan", "Colours [repo=site#main]"])
        .code(0)
        .prints("the branch main, which the issue names");
}

#[test]
fn a_session_starts_from_what_is_named_and_ends_where_it_is_named() {
    let world = greeter(world!(), mending());
    let start = world.repo().git(["rev-parse", "HEAD"]);
    world.repo().git(["tag", "first"]);
    world.repo().commit(&[("later", "x\n")]);
    let args = ["run", "--json", "--base", "first", "--branch", "topic/greet", "Greet"];
    let report = world.run(args).code(0).report().outcome("validated");
    assert_eq!(report.branch(), "topic/greet");
    assert_eq!(world.repo().git(["merge-base", "topic/greet", "HEAD"]), start);
    let bad = world.run(["run", "--branch", "a..b", "Greet"]).code(2);
    let _ = bad.complains("cannot be a branch's name");
    for reserved in ["@", "HEAD", "-x"] {
        let named = format!("--branch={reserved}");
        let _ = world.run(["run", &named, "Greet"]).code(2).complains("cannot be a branch's name");
    }
}

#[test]
fn what_the_result_cannot_be_delivered_to_is_refused_before_anything_is_begun() {
    let mut world = greeter(world!(), mending());
    world.repo().git(["checkout", "--quiet", "-b", "topic"]);
    world.repo().commit(&[("later", "x\n")]);
    world.repo().git(["checkout", "--quiet", "main"]);
    let run = |world: &World, branch: &str| world.run(["run", "--branch", branch, "Greet"]).code(2);
    let _ = run(&world, "topic").complains("has commits that the start of the work has not");
    let _ = run(&world, "main").complains("is checked out in");
    let _ = run(&world, &"x".repeat(251)).complains("too long");
    world.configure(json!({ "integration": { "push": true } }));
    let _ = run(&world, "new").complains("git remote add origin");
    world.repo().git(["remote", "add", "origin", "http://example.com/a/b"]);
    let _ = run(&world, "new").complains("use https or ssh");
    let _ = world.run(["plan", "Greet"]).code(0).prints("use https or ssh");
    assert_eq!(world.run(["session", "list", "--json"]).code(0).json(), json!([]));
}

#[test]
fn a_session_is_found_by_the_beginning_of_its_id() {
    let world = greeter(world!(), mending());
    let report = world.run(["run", "--json", "Greet"]).code(0).report();
    let id = report.session().to_owned();
    for command in [vec!["session", "show"], vec!["logs"], vec!["session", "logs"]] {
        let args: Vec<_> = command.iter().copied().chain([&id[..id.len() - 3]]).collect();
        let _ = world.run(args).code(0);
    }
    let _ = world.run(["run", "--json", "Greet again"]).code(0);
    let both = world.run(["session", "show", &id[..1]]).code(2);
    let _ = both.complains("2 sessions begin with").complains(&id);
    let _ = world.run(["session", "show", "zzzz"]).code(2);
}

#[test]
fn a_log_has_times_tools_changes_and_phases() {
    let world = greeter(world!(), mending());
    let id = world.run(["run", "--json", "Greet"]).code(0).report().session().to_owned();
    let text = world.run(["logs", &id]).code(0).stdout;
    let is_time = |word: &str| word.len() == 8 && word.split(':').count() == 3;
    let timed = text.lines().filter(|line| line.split(' ').next().is_some_and(is_time)).count();
    assert!(timed > 5, "{text}");
    for part in [
        "Write",
        "greet.sh",
        "| +echo \"Hello, $1!\"",
        "preparing took",
        "check `sh test.sh` begins",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let lines = world.run(["logs", "--json", &id]).code(0).lines();
    assert!(lines.iter().all(|line| line["at"].as_str().is_some_and(|at| at.ends_with('Z'))));
    let phases = lines.iter().filter(|line| line["type"] == "phase-finished");
    let phases: Vec<_> = phases.map(|line| line["phase"].as_str().unwrap()).collect();
    for phase in ["preparing", "collecting", "checking", "merging", "publishing", "removing"] {
        assert!(phases.contains(&phase), "{phases:?}");
    }
}

#[test]
fn upstreams_keys_that_are_not_followed_are_named() {
    let world = greeter(world!(), mending()).config(json!({
        "defaultRunner": "codex",
        "sandbox": { "enabled": true, "networkPolicy": { "preset": "trusted" } },
        "repositories": [{ "id": "r", "repositoryPath": "/nowhere", "baseBranch": "develop", "isActive": false }],
    }));
    let doctor = world.run(["doctor"]).code(0).stdout;
    for key in [
        "defaultRunner",
        "sandbox.networkPolicy",
        "repositories[0].baseBranch",
        "repositories[0].isActive",
    ] {
        assert!(
            doctor.contains(&format!("{key}: is upstream's and not followed")),
            "{key}: {doctor}"
        );
    }
}

#[test]
fn a_denials_hint_works_as_it_is_written() {
    let world = greeter(world!(), mending()).config(
        json!({ "executors": { "claude": { "settings": { "settingSources": ["project"] } } } }),
    );
    let refused = world.run(["run", "--json", "Greet"]).code(1);
    assert!(refused.stdout.contains("--setting-sources"), "{refused}");
    let world =
        world.config(json!({ "executors": { "claude": { "grants": { "process": { "claude": {
        "args": { "flags": { "--setting-sources": ["project"] } },
    } } } } } }));
    let _ = world.run(["run", "--json", "Greet"]).code(0).report().outcome("validated");
    let nothing = world.config(json!({ "executors": { "claude": { "grants": { "process": { "other": { "env": {} } } } } } }));
    let _ = nothing.run(["plan", "x"]).code(2).complains("no grant of that name to add to");
}

#[test]
fn a_set_up_that_fails_pauses_before_anything_is_paid_for() {
    let world = greeter(world!(), mending());
    let script = world.path("bin/prepare");
    world.install("prepare", "echo 'npm ERR! registry is down' >&2; exit 1");
    let world = world.seen(&[&script]).config(json!({ "hooks": { "setup": script } }));
    let ended = world.run(["run", "--json", "Greet"]).code(1);
    assert!(!ended.stdout.contains("execution-started"), "{ended}");
    let report = ended.report().outcome("paused");
    let reason = report["reason"].as_str().unwrap();
    assert!(
        reason.contains("the set-up failed") && reason.contains("registry is down"),
        "{reason}"
    );
    world.install("prepare", "exit 0");
    let resumed = world.run(["session", "resume", "--json", report.session()]).code(0);
    let _ = resumed.report().outcome("validated");
}

#[test]
fn doctor_and_init_show_what_a_repository_is_checked_with() {
    let files =
        [GREETER, &[("Makefile", "test:\n\t@echo 'test a ... ok'; no-such-tool\n")]].concat();
    let world =
        world!().repository(&files).stand_in(turns(json!([write("a", "\n"), { "text": "Done." }])));
    let doctor = world.run(["doctor", "--try"]).code(0).stdout;
    assert!(
        doctor.contains(
            "`make test` (detected from Makefile of the base commit) fails on the base commit"
        ),
        "{doctor}"
    );
    assert!(doctor.contains("the program `no-such-tool` is missing"), "{doctor}");
    let tried = world.run(["init"]).code(1).stdout;
    assert!(
        tried.contains("fails with exit code 2") && tried.contains("Nothing was written"),
        "{tried}"
    );
    assert!(
        !world.home().join("config.json").exists()
            || !world.run(["init", "--no-try"]).code(0).stdout.contains("wrote")
    );
    let _ = world.run(["init", "--no-try", "--write"]).code(0).prints("wrote");
    let config: Value =
        serde_json::from_str(&fs::read_to_string(world.home().join("config.json")).unwrap())
            .unwrap();
    assert_eq!(
        config["repositories"][0]["validation"]["commands"],
        json!(["make test"]),
        "{config:#}"
    );
    let hook = world.config(json!({ "hooks": { "setup": "/nowhere/up.sh" } }));
    let _ = hook.run(["doctor"]).code(1).prints("fail  hooks.setup: /nowhere/up.sh is not there");
}

#[test]
fn init_names_the_detected_command_that_fails_and_tries_the_checks_all_the_same() {
    let files = [
        ("package.json", "{\"dependencies\": {\"a\": \"1\"}}"),
        ("package-lock.json", "{}"),
        ("Makefile", "test:\n\ttrue\n"),
    ];
    let world = world!().repository(&files);
    let npm = world.path("bin/npm");
    world.install("npm", "echo 'npm error E404'; exit 1");
    let tried = world.seen(&[&npm]).run(["init"]).code(1).stdout;
    for part in ["`npm ci` (", "fails", "npm error E404", "`make test` passes"] {
        assert!(tried.contains(part), "{part}: {tried}");
    }
    assert!(!tried.contains("/set-up-") && !tried.contains("failed command"), "{tried}");
}

#[test]
fn init_shows_a_set_up_that_there_is_and_runs_it_once() {
    let world = world!().repository(&[("Makefile", "test:\n\ttrue\n")]);
    let (ran, script) = (world.path("shared"), world.path("set-up.sh"));
    fs::create_dir(&ran).unwrap();
    fs::write(
        &script,
        format!("echo ran >>{}/log; echo 'no such mirror'; exit 3\n", ran.display()),
    )
    .unwrap();
    let world =
        world.seen(&[&script]).shared(&[&ran]).config(json!({ "hooks": { "setup": script } }));
    let tried = world.run(["init"]).code(1).stdout;
    let shown = format!("set-up    {} (configured)", script.display());
    for part in
        [&*shown, "set-up.sh failed with exit code 3", "no such mirror", "`make test` passes"]
    {
        assert!(tried.contains(part), "{part}: {tried}");
    }
    assert_eq!(fs::read_to_string(ran.join("log")).unwrap(), "ran\n");
    let doctor = world.run(["doctor", "--try"]).stdout;
    assert!(doctor.contains("set-up.sh failed with exit code 3"), "{doctor}");
    assert_eq!(doctor.matches("set-up here").count(), 1, "{doctor}");
}

#[test]
fn a_branch_that_another_session_is_to_fill_is_refused_before_anything_is_begun() {
    let world = greeter(world!(), cut());
    let named = ["--json", "--branch", "topic/greet", "Greet"];
    let paused = world.run([&["run"], &named[..]].concat()).code(1).report().outcome("paused");
    let refused = world.run([&["run"], &named[..]].concat()).code(2).complains(paused.session());
    let _ = refused.complains("--branch topic/greet").complains("name another branch");
    let planned = world.run([&["plan"], &named[..]].concat()).code(0).json();
    assert!(planned["warnings"].to_string().contains(paused.session()), "{planned}");
    assert_eq!(
        world.run(["session", "list", "--json"]).code(0).json().as_array().unwrap().len(),
        1
    );
    fs::write(world.path("claude.json"), mending().to_string()).unwrap();
    let other = world.run(["run", "--json", "--branch", "topic/other", "Greet"]).code(0);
    assert_eq!(other.report().branch(), "topic/other");
    // A session that is removed fills no branch.
    let _ = world.run(["session", "rm", "--force", paused.session()]).code(0);
    let done = world.run([&["run"], &named[..]].concat()).code(0).report().outcome("validated");
    assert_eq!(done.branch(), "topic/greet");
}

#[test]
fn a_file_that_would_say_how_to_check_and_cannot_be_read_is_named() {
    let broken = [("package.json", "{\n  \"scripts\": { \"test\": \"node --test\" },\n}\n")];
    let world = world!().repository(&broken).stand_in(mending());
    let planned = world.run(["plan", "--json", "Greet"]).code(0).json();
    let warnings = planned["warnings"].to_string();
    assert!(warnings.contains("package.json cannot be read"), "{planned}");
    assert!(warnings.contains("line 3"), "{planned}");
    let _ = world.run(["init", "--no-try"]).code(0).prints("broken    package.json");
}

#[test]
fn a_plan_keeps_to_the_caps_that_a_run_has() {
    let mut world = greeter(world!(), mending());
    let planned = |world: &World, more: &[&str]| {
        let args = [&["plan", "--json"], more, &["Greet"]].concat();
        world.run(args).code(0).json()["tasks"][0]["receipt"]["chosen"].clone()
    };
    assert_eq!(planned(&world, &[]), json!("claude"));
    // After an execution its cost is known, and does not fit.
    let _ = world.run(["run", "--json", "Greet"]).code(0);
    let _ =
        world.run(["run", "--json", "--max-cost", "0.000001", "Greet"]).report().outcome("paused");
    assert_eq!(planned(&world, &["--max-cost", "0.000001"]), json!(null));
    assert_eq!(planned(&world, &[]), json!("claude"));
    world.configure(json!({ "budget": { "maxCostPerDay": 1e-6 } }));
    assert_eq!(planned(&world, &[]), json!(null));
}
