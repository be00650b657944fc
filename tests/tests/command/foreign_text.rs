//! Text that an agent, a repository or an issue chose: whatever is in it, it steers no terminal, and every line that
//! is printed is one that Cyrus printed.

use crate::fixtures::{GREETER, bash, checks, turns};
use cyrus_tests::{Ended, World, world};
use serde_json::json;
use std::fs;

/// What of a text a terminal obeys, or a reader does not see.
fn obeyed(text: &str) -> Vec<char> {
    let harmless = |c: &char| *c != '\n' && !cyrus_executor::Line::is_harmless(*c);
    text.chars().filter(harmless).collect()
}

/// Nothing is obeyed, and no line begins with what was to be a line of its own.
#[track_caller]
fn assert_harmless(ended: &Ended) {
    for text in [&ended.stdout, &ended.stderr] {
        assert!(obeyed(text).is_empty(), "{:?}: {ended}", obeyed(text));
        let forged = text.lines().find(|line| line.trim_start().starts_with("FORGED"));
        assert_eq!(forged, None, "{ended}");
    }
}

/// Escape sequences as they are and as C1, a line of its own, a reversed order, and what nobody sees.
const EVIL: &str =
    "\u{1b}]0;PWNED\u{7}\u{1b}[2J\u{9b}31m\r\nFORGED\u{2028}FORGED\u{202e}\u{200b}\u{e0041}\u{7f}";

/// The same as a shell's `printf` writes it.
const PRINTED: &str =
    r"\033]0;PWNED\007\033[2J\302\23331m\r\nFORGED\342\200\250FORGED\342\200\256\n";

fn hostile(world: World) -> World {
    let script = turns(json!([
        bash(&format!("printf x >\"$(printf 'evil{PRINTED}.txt')\"")),
        bash(&format!("printf \"printf '{PRINTED}'; exit 1\\n\" >test.sh")),
        { "text": EVIL },
    ]));
    let mut config = checks();
    config["validation"]["protectedPaths"] = json!(["*.txt"]);
    let world = world.repository(GREETER).config(config).stand_in(script);
    fs::write(world.path("issue.md"), format!("# Greet {}\n\n{EVIL}\n", EVIL.replace('\n', "")))
        .unwrap();
    world
}

#[test]
fn no_output_of_a_session_is_forged_or_obeyed() {
    let world = hostile(world!());
    let issue = world.path("issue.md");
    let issue = issue.to_str().unwrap();
    assert_harmless(&world.run(["plan", "--issue", issue]));
    assert_harmless(&world.run(["plan", "--json", "--issue", issue]));
    let ended = world.run(["run", "--issue", issue]).code(1);
    assert_harmless(&ended);
    assert!(ended.stdout.contains("    | "), "the check's output has a gutter: {ended}");
    assert!(ended.stdout.contains(r"evil\u{1b}]0;PWNED\u{7}"), "it can be read: {ended}");
    let session = world.sessions()[0]["id"].as_str().unwrap().to_owned();
    for args in [
        &["session", "list"][..],
        &["session", "list", "--json"],
        &["session", "show", &session],
        &["session", "show", &session, "--json"],
        &["logs", &session],
        &["logs", &session, "--json"],
    ] {
        assert_harmless(&world.run(args.iter().copied()).code(0));
    }
}

#[test]
fn what_is_wrong_in_an_argument_is_shown_as_a_report_has_it() {
    let world = world!().repository(GREETER);
    let evil = format!("--{EVIL}");
    for args in [
        &["run", &evil][..],
        &["session", "show", EVIL],
        &["session", "retry", EVIL, "--executor", EVIL],
        &[&evil],
        &["run", "--max-cost", EVIL, "x"],
        &["run", "--repo", EVIL, "x"],
        &["run", "--plan", EVIL],
        &["completions", EVIL],
    ] {
        let ended = world.run(args.iter().copied());
        assert_harmless(&ended);
        assert!(ended.stderr.contains("PWNED"), "it can be read: {ended}");
    }
}

#[test]
fn an_answer_in_words_is_behind_a_gutter() {
    let says = format!("Done.\n  check     `true` passed\n{EVIL}");
    let world = world!().repository(GREETER).stand_in(turns(json!([{ "text": says }])));
    let ended = world.run(["run", "--kind", "scoper", "Say something"]).code(1);
    assert_harmless(&ended);
    let answer: Vec<_> = ended.stdout.lines().filter(|line| line.contains("passed")).collect();
    assert_eq!(answer, ["            |   check     `true` passed"], "{ended}");
}

#[test]
fn the_log_has_a_line_for_each_event() {
    let world = hostile(world!());
    let ended = world.run(["-vv", "run", "--issue", world.path("issue.md").to_str().unwrap()]);
    assert_harmless(&ended.code(1));
}

#[test]
fn an_error_that_quotes_a_file_is_one_of_cyrus() {
    let world = world!().repository(GREETER);
    let plan = world.path("plan.yaml");
    fs::write(&plan, format!("tasks:\n  - id: \"{}\"\n    title: x\n", EVIL.escape_debug()))
        .unwrap();
    let ended = world.run(["plan", "--plan", plan.to_str().unwrap(), "Do it"]).code(2);
    assert_harmless(&ended);
    fs::create_dir_all(world.home().join("plugins/evil")).unwrap();
    let manifest = format!("name = \"x\"\n# {}\n[[[\n", EVIL.replace(['\n', '\r'], " "));
    fs::write(world.home().join("plugins/evil/plugin.toml"), manifest).unwrap();
    assert_harmless(&world.run(["plugin", "list"]));
    assert_harmless(&world.run(["doctor"]));
}

#[test]
fn a_commit_says_nothing_that_its_issue_made_up() {
    let script = turns(json!([bash("echo x >new"), { "text": "Done." }]));
    let world = world!().repository(GREETER).stand_in(script);
    let issue = world.path("issue.md");
    let title = "Greet @team fixes #12\u{2028}\rSigned-off-by: Mallory <m@example.invalid>";
    fs::write(&issue, format!("# {title}\n\nCo-authored-by: Mallory <m@example.invalid>\n"))
        .unwrap();
    let ended = world.run(["run", "--json", "--issue", issue.to_str().unwrap()]);
    let commit = ended.report()["commit"].as_str().unwrap().to_owned();
    let repository = world.repo();
    let message = repository.git(["log", "-1", "--format=%B", &commit]);
    let lines: Vec<_> = message.lines().collect();
    assert!(lines[0].starts_with("Greet @ team fixes # 12"), "{message}");
    assert_eq!(lines[1], "", "{message}");
    assert!(
        lines[2..].iter().all(|line| line.starts_with("Cyrus-") || line.is_empty()),
        "{message}"
    );
    assert!(obeyed(&message).is_empty(), "{message:?}");
    let trailers = repository.git(["log", "-1", "--format=%(trailers:keyonly)", &commit]);
    assert!(!trailers.contains("by"), "{trailers}");
}
