//! What is wrong with a command line or a configuration is told with exit status 2, and nothing is begun.

use crate::fixtures::{GREETER, greeter, mending};
use cyrus_tests::{Ended, World, world};
use serde_json::json;
use std::fs;

/// Everything below Cyrus's home but what was compiled.
fn home(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.home()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs it and holds it to changing nothing.
#[track_caller]
fn refused(world: &World, args: &[&str]) -> Ended {
    let before = (home(world), world.repo().state());
    let ended = world.run(args).code(2);
    assert_eq!((home(world), world.repo().state()), before, "{args:?}");
    assert_eq!(ended.stdout, "", "{args:?}");
    ended
}

#[test]
fn doctor_says_that_a_session_here_would_be_refused() {
    let world = greeter(world!(), mending());
    let refused = |world: &World| world.run(["doctor", "--json"]).json().to_string();
    assert!(!refused(&world).contains("it has no commit yet"));
    world.repo().git(["update-ref", "-d", "HEAD"]);
    assert!(refused(&world).contains("it has no commit yet"));
}

/// What is known without a try is said before anything is paid for.
#[test]
fn doctor_names_the_programs_that_are_missing() {
    const MISSING: &str = "is not installed, or not on PATH";
    let doctor = |commands: &[&str]| {
        let world = greeter(world!(), mending());
        let world = world.config(json!({ "validation": { "commands": commands } }));
        world.run(["doctor", "--json"]).json().to_string()
    };
    let found = doctor(&["no-such-program-here --all"]);
    assert!(found.contains(&format!("`no-such-program-here` {MISSING}")), "{found}");
    let found = doctor(&["sh test.sh", "cd sub && git status", "./own", "A=1 b"]);
    assert!(!found.contains(MISSING), "{found}");
    // A session says so, too, and begins: who starts it may mean to mend that.
    let world = greeter(world!(), mending());
    let world = world.config(json!({ "validation": { "commands": ["no-such-program-here"] } }));
    let plan = world.run(["plan", "--json", "Greet"]).code(0).json();
    assert!(plan["warnings"].to_string().contains(MISSING), "{plan}");
    let _ = world.run(["run", "Greet"]).code(1).complains(MISSING);
    // A set-up that lacks its own program brings none for the checks.
    for (lock, is_missing) in [("pdm.lock", true), ("package-lock.json", false)] {
        let files = [(lock, "{}"), ("package.json", "{\"dependencies\": {\"a\": \"1\"}}")];
        let world = world!().repository(&files).stand_in(mending());
        if !is_missing {
            world.install("npm", "");
        }
        let world = world.config(json!({ "validation": { "commands": ["no-such-runner"] } }));
        let found = world.run(["doctor", "--json"]).json().to_string();
        let of_check = format!("`no-such-runner` {MISSING}");
        assert_eq!(found.contains(&of_check), is_missing, "{lock}: {found}");
        let plan = world.run(["plan", "--json", "x"]).code(0).json();
        assert_eq!(plan["warnings"].to_string().contains(&of_check), is_missing, "{lock}: {plan}");
    }
}

/// What is configured there is not to be had, which is not the same as that nothing is.
#[test]
fn a_link_that_leads_nowhere_is_no_missing_configuration() {
    for name in ["config.json", ".env"] {
        let world = greeter(world!(), mending());
        let file = world.home().join(name);
        let _ = fs::remove_file(&file);
        std::os::unix::fs::symlink(world.path("not-mounted"), &file).unwrap();
        for command in ["plan", "run"] {
            let _ =
                world.run([command, "Greet"]).code(2).complains(name).complains("leads nowhere");
        }
    }
    let world = greeter(world!(), mending());
    fs::rename(world.home(), world.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(world.path("not-mounted"), world.home()).unwrap();
    let _ = world.run(["plan", "Greet"]).code(2).complains("leads nowhere");
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let world = greeter(world!(), mending());
    for (args, complaint) in [
        (&["run"][..], "PROMPT"),
        (&["run", ""], "the prompt: the issue is empty"),
        (&["run", " \n "], "the prompt: the issue is empty"),
        (&["run", "--issue", "-"], "standard input: the issue is empty"),
        (&["run", "--issue", "none.md"], "none.md"),
        (&["run", "a", "--issue", "b"], "cannot be used with"),
        (&["run", "a", "--executor", "x", "--strategy", "local-only"], "cannot be used with"),
        (
            &["run", "a", "--executor", "nobody"],
            "there is no executor \"nobody\"; there are claude",
        ),
        (&["run", "a", "--executor", "codegen"], "not enabled"),
        (&["run", "a", "--strategy", "cheapest"], "local-only, cloud-only, hybrid-smart"),
        (&["run", "a", "--max-cost=-1"], "amount in US dollars"),
        (&["run", "a", "--max-cost", "much"], "amount in US dollars"),
        (&["run", "a", "--deadline", "0"], "1..=1440"),
        (&["run", "a", "--frobnicate"], "--frobnicate"),
        (&["frobnicate"], "frobnicate"),
        (&["simulate", "codegen", "--script", "none.json"], "none.json"),
        (&["simulate", "fleet", "--sessions", "0"], "1..=10000"),
        (&["simulate", "fleet", "--strategy", "cheapest"], "local-only, cloud-only, hybrid-smart"),
    ] {
        let _ = refused(&world, args).complains(complaint);
    }
}

#[test]
fn a_place_that_is_no_repository() {
    let world = greeter(world!(), mending());
    let (empty, none) = (world.path("empty"), world.path("none"));
    fs::create_dir(&empty).unwrap();
    world.repo().git(["init", "--quiet", empty.to_str().unwrap()]);
    let run =
        |path: &std::path::Path| refused(&world, &["run", "a", "--repo", path.to_str().unwrap()]);
    let _ = run(&empty).complains("no commit");
    let _ = run(&none).complains("none");
    fs::create_dir(&none).unwrap();
    let _ = run(&none).complains("not a git repository");
    let _ = run(&world.home().join("config.json")).complains("config.json");
}

#[test]
fn a_configuration_that_cannot_be_used() {
    let world = greeter(world!(), mending());
    for (text, complaint) in [
        ("{\n  \"codegen\": {,}\n}", "config.json:2:15"),
        ("[]", "config.json"),
        (
            r#"{"codegen": {"strategy": "cheapest"}}"#,
            "codegen.strategy: \"cheapest\" is not a strategy",
        ),
        (r#"{"codegen": {"maxCostPerTask": "much"}}"#, "codegen.maxCostPerTask"),
        (r#"{"validation": {"commands": "make"}}"#, "validation.commands"),
        (
            r#"{"executors": {"claude": {"grants": {"http": ["nonsense//"]}}}}"#,
            "executors.claude.grants.http",
        ),
        (r#"{"executors": {"claude": {"grants": {"files": "all"}}}}"#, "executors.claude.grants"),
        (r#"{"executors": {"Claude!": {}}}"#, "Claude!"),
    ] {
        world.write_config(text);
        let _ = refused(&world, &["run", "Greet"]).complains(complaint);
        let _ = refused(&world, &["executor", "list"]).complains(complaint);
    }
    // Doctor is for finding out.
    let _ = world.run(["doctor"]).code(1).prints("fail  configuration");
}

#[test]
fn keys_that_nobody_knows_do_no_harm_and_are_named() {
    let world = greeter(world!(), mending()).config(json!({ "codegne": {} }));
    let _ = world.run(["run", "Greet"]).code(0).complains("codegne");
}

#[test]
fn nobody_who_can_do_it() {
    let world = world!().repository(GREETER).with_only(&["git", "sh"]);
    let ended = refused(&world, &["run", "Greet"]).complains("strategy local-only");
    let _ = ended.complains("claude: not ready: ").complains("cyrus doctor");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let world = greeter(world!(), mending());
    let before = world.repo().state();
    let text = world.run(["run", "--dry-run", "Greet whoever is named"]).code(0);
    let text = text.prints("Nothing was done").prints("Greet whoever is named");
    let _ = text.prints("`sh test.sh` (configured)").prints("claude");

    let plan = world.run(["run", "--dry-run", "--json", "Greet"]).code(0).json();
    assert_eq!((&plan["type"], &plan["title"]), (&json!("plan"), &json!("Greet")));
    assert_eq!(plan["tasks"][0]["executor"]["name"], "claude");
    assert_eq!(plan["checks"][0]["command"], "sh test.sh");
    let receipt = &plan["tasks"][0]["receipt"];
    assert_eq!(receipt["chosen"], "claude");
    assert_eq!(receipt["considered"][0]["standing"]["reason"], "preferred");
    assert_eq!(world.repo().state(), before);
    assert_eq!(world.sessions(), Vec::<serde_json::Value>::new());
    assert_eq!(world.clones(), [""; 0]);
}
