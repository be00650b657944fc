//! The set-up of a session: how often it is run, and where programs find what it left. On a system with namespaces,
//! which a variable takes away.

use crate::fixtures::{bash, turns, write};
use cyrus_tests::{World, world};
use serde_json::json;
use std::fs;

const PLAN: &str =
    "tasks:\n- id: a\n  prompt: Look\n- id: b\n  prompt: Look\n- id: c\n  prompt: Look\n";

/// What is in `deps` is of use at one place only: the one that the set-up was run in.
const SET_UP: &str =
    "echo ran >>RUNS\nmkdir deps\necho \"$PWD\" >deps/place\necho kept >\"$HOME/kept\"\n";

/// The check and the agent each fail where that is not where they are.
const IN_PLACE: &str = "test \"$(cat deps/place)\" = \"$PWD\"";

/// A world whose agent says in a file of its own whether it found what the set-up left.
fn preparing() -> World {
    let world = world!();
    let shared = world.path("shared");
    fs::create_dir(&shared).expect("a directory");
    let set_up = SET_UP.replace("RUNS", &format!("'{}'", shared.join("runs").display()));
    let check = format!("{IN_PLACE} && test -e \"$HOME/kept\" && ! grep -L found seen-* | grep .");
    let look = format!("{IN_PLACE} && echo found >\"seen-$(date +%s%N)\"");
    world
        .repository(&[("a", "x\n"), (".gitignore", "deps/\n"), ("cyrus-setup.sh", &set_up)])
        .config(json!({ "validation": { "commands": [check] } }))
        .stand_in(turns(json!([bash(&look), { "text": "I looked." }])))
        .shared(&[&shared])
}

/// Runs the plan; gives how often the set-up was run.
fn set_ups(world: &World) -> usize {
    let plan = world.path("plan.yaml");
    fs::write(&plan, PLAN).expect("a file");
    let ended = world.run(["run", "--json", "--plan", plan.to_str().expect("a path"), "Look"]);
    let report = ended.code(0).report().outcome("validated");
    let seen = world.repo().git(["ls-tree", "--name-only", report.branch()]);
    assert_eq!(seen.matches("seen-").count(), 3, "{seen}");
    let runs = fs::read_to_string(world.path("shared/runs")).expect("it ran");
    runs.lines().count()
}

#[test]
fn a_set_up_is_run_once_for_all_tasks_and_checks_where_programs_have_views() {
    let world = preparing();
    assert_eq!(set_ups(&world), 1);
    assert_eq!(world.clones(), [""; 0], "nothing of it is left");
}

/// A path is what it is, so what was made for one is of no use at another.
#[test]
fn a_set_up_is_run_in_each_clone_and_for_each_tasks_checks_where_they_have_none() {
    let world = preparing().variable("CYRUS_SANDBOX_WITHOUT", "namespaces");
    let count = set_ups(&world);
    assert!(count > 3, "three clones, and checks: {count}");
    // An executor without a sandbox finds its clone where it is; checks are in theirs all the same.
    let world = preparing()
        .config(json!({ "executors": { "claude": { "sandbox": { "profile": "off" } } } }));
    assert_eq!(set_ups(&world), 4, "three clones, and all checks");
}

/// What a task starts from may ask for another set-up than the base.
#[test]
fn a_task_after_another_is_set_up_on_what_that_did() {
    let world = preparing();
    let plan = world.path("plan.yaml");
    fs::write(&plan, PLAN.replace("id: b\n", "id: b\n  after: [a]\n")).expect("a file");
    let ended = world.run(["run", "--json", "--plan", plan.to_str().expect("a path"), "Look"]);
    let _ = ended.code(0).report().outcome("validated");
    let runs = fs::read_to_string(world.path("shared/runs")).expect("it ran");
    assert_eq!(runs.lines().count(), 2, "on the base, and on what the first task did");
}

/// No set-up of the base has put them there.
#[test]
fn the_users_ignored_files_are_there_where_only_the_result_is_to_be_installed() {
    let world = world!();
    world.install("npm", "mkdir -p node_modules && echo installed >node_modules/all");
    let npm = world.path("bin/npm");
    let ignored = [(".gitignore", ".env\nnode_modules/\n"), (".worktreeinclude", ".env\n")];
    let world = world
        .repository(&ignored)
        .config(json!({ "validation": { "commands": ["cat .env node_modules/all"] } }))
        .stand_in(turns(json!([
            write("package.json", "{\"dependencies\": {\"a\": \"1.0.0\"}}\n"),
            write("package-lock.json", "{\"lockfileVersion\": 3, \"packages\": {}}\n"),
            { "text": "It depends on a now." },
        ])))
        .seen(&[&npm]);
    world.repo().write(&[(".env", "the user's\n")]);
    let report = world.run(["run", "--json", "Depend on a"]).report();
    let check = &report["validation"]["checks"][0];
    assert_eq!(check["output"], "the user's\ninstalled", "{report:?}");
}
