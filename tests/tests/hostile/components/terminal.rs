//! What a component says, as the command prints it.

use super::HOSTILE;
use crate::case::Case;
use cyrus_tests::{Ended, World, world};
use serde_json::json;
use std::fs;

/// What it requests.
pub(crate) const MANIFEST: &str = r#"
name = "hostile"
version = "1.0.0"
contract = "0.1"
component = "hostile.wasm"
placement = "local"

[requests]
workspace = "read-write"
ask = true
"#;

/// Installs the hostile component.
pub(crate) fn install(world: &World, manifest: &str, component: &[u8]) {
    let directory = world.home().join("plugins/hostile");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("plugin.toml"), manifest).unwrap();
    fs::write(directory.join("hostile.wasm"), component).unwrap();
}

/// A world with a repository and the hostile component, which is granted its workspace.
pub(crate) fn hostile() -> World {
    let world = world!().repository(&[("README.md", "A repository.\n")]);
    install(&world, MANIFEST, HOSTILE);
    world.config(json!({
        "executors": { "hostile": { "grants": { "workspace": "read-write" } } },
        "attempts": { "most": 1, "retries": 0 },
    }))
}

/// Nothing that is printed commands a terminal, and no line of it is one that the component wrote. JSON in a pipe is
/// data, and whole: it escapes what a terminal obeys, and nothing else.
#[track_caller]
pub(crate) fn is_plain(ended: &Ended) {
    for (stream, text) in [("output", &ended.stdout), ("error", &ended.stderr)] {
        let json = stream == "output" && text.starts_with(['{', '[']);
        let controls =
            |c: char| if json { c.is_ascii_control() } else { c.is_control() || hides(c) };
        let bad = |c: char| controls(c) && c != '\n' && c != '\t' && !(json && c == '\u{7f}');
        if let Some(found) = text.chars().find(|c| bad(*c)) {
            panic!("{found:?} is printed on standard {stream}: {text:?}");
        }
        for line in text.lines() {
            assert!(!line.starts_with("validated: FORGED"), "a forged line: {text:?}");
        }
    }
}

/// Whether a character shows text in another order, ends a line, or is not to be seen.
fn hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, attack: fn()| {
        let by = "the one writer of text from outside";
        cases.push(Case::new("components", "terminal", name, by, attack));
    };
    add("events_and_what_is_kept_of_them", || of_session("each-escapes"));
    add("an_outcome_and_what_is_kept_of_it", || of_session("outcome-text"));
    add("an_error_and_what_is_kept_of_it", || of_session("other-kind"));
    add("a_line_of_log", || of_session("log-forgery"));
    add("a_branch", || of_session("branch - a\u{1b}[31mb\u{202e}"));
    add("describe_and_probe", described);
    cases.push(Case::new(
        "components",
        "terminal",
        "a_component_larger_than_is_read",
        "discovery's limit on size",
        too_large,
    ));
    cases
}

/// A run, and every listing of it.
fn of_session(prompt: &str) {
    let world = hostile();
    let args = ["run", "-vv", "--executor", "hostile", "--kind", "scoper", prompt];
    is_plain(&world.run(args));
    let session = world.sessions()[0]["id"].as_str().expect("a session").to_owned();
    for args in [
        &["session", "list"][..],
        &["session", "show", &session],
        &["session", "logs", &session],
        &["logs", &session],
    ] {
        is_plain(&world.run(args));
    }
}

fn described() {
    for export in ["describe", "probe"] {
        let settings = json!({ export: "escapes" });
        let world =
            hostile().config(json!({ "executors": { "hostile": { "settings": settings } } }));
        for args in [
            &["executor", "list"][..],
            &["executor", "explain", "hostile"],
            &["plugin", "list"],
            &["doctor"],
        ] {
            is_plain(&world.run(args));
        }
    }
}

fn too_large() {
    let world = hostile();
    let mut large = HOSTILE.to_vec();
    large.resize((32 << 20) + 1, 0);
    install(&world, MANIFEST, &large);
    let args = ["run", "--executor", "hostile", "--kind", "scoper", "echo x"];
    let _ = world.run(args).code(2).complains("hostile").complains("larger than");
    let _ = world.run(["plugin", "list"]).code(0).prints("hostile");
}
