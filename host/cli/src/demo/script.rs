//! What the simulated model and the simulated service do. Which part of the issue they have before them they tell by
//! the prompt, so that it does not matter who is asked when.

use super::{
    files::{COUNT, COUNT_WRONG, REPOSITORY, WORDS_WITH_BOTH},
    issue::{COUNTING, PARTS, Part, SWAPPING},
};
use anyhow::Result;
use cyrus_simulate::codegen;
use serde_json::{Value, json};
use std::path::Path;

/// The organization and the token of the simulated Codegen. No secret: nothing else knows them.
pub(super) const ORGANIZATION: u64 = 7;
pub(super) const TOKEN: &str = "demo-token";

/// How often a run in the cloud is looked at, in milliseconds.
pub(super) const LOOK: u64 = 250;

/// How long the model takes to resolve the conflict, and to mend a result, in milliseconds.
const RESOLVING: u64 = 800;

/// The model's side of every conversation with Claude Code. The first that fits counts, and a prompt that sends a
/// result back or tells of a conflict has the part's own prompt in it: so these come first.
pub(super) fn claude() -> Value {
    let conflict = json!({ "when": "Two pieces of work change the same place", "turns": [
        thinking(RESOLVING, "Both options are wanted, and both belong into the usage.", &[read("words.sh")]),
        { "tools": [write("words.sh", WORDS_WITH_BOTH)] },
        { "tools": [bash("sh test.sh")] },
        { "text": "`words.sh` has both options now; all tests pass." },
    ] });
    let mended = json!({ "when": "FAIL tests/count.sh", "turns": [
        thinking(RESOLVING, "It counts characters, not words.", &[read("tools/count.sh")]),
        { "tools": [write("tools/count.sh", COUNT)] },
        { "tools": [bash("sh test.sh")] },
        { "text": "`count` counts words; all tests pass." },
    ] });
    let parts = PARTS.iter().map(|part| match part.title {
        COUNTING => hasty(part),
        _ => conversation(part),
    });
    let all: Vec<_> = [conflict, mended].into_iter().chain(parts).collect();
    json!({ "conversations": all })
}

/// A conversation in which the part is done, and tested.
fn conversation(part: &Part) -> Value {
    let mut turns = begun(part);
    turns.push(json!({ "tools": writes(part) }));
    if !part.removed.is_empty() {
        turns.push(json!({ "tools": [bash(&format!("rm {}", part.removed.join(" ")))] }));
    }
    turns.push(json!({ "tools": [bash("sh test.sh")] }));
    turns.push(json!({ "text": "Done; all tests pass." }));
    json!({ "when": part.prompt(), "turns": turns })
}

/// A conversation that ends too early: nobody runs the tests, and one fails.
fn hasty(part: &Part) -> Value {
    let wrong = |text: &str| if text == COUNT { COUNT_WRONG.to_owned() } else { text.to_owned() };
    let files = part.files.iter().map(|(name, text)| write(name, &wrong(text)));
    let mut turns = begun(part);
    turns.push(json!({ "tools": files.collect::<Vec<_>>() }));
    turns.push(json!({ "text": "Done." }));
    json!({ "when": part.prompt(), "turns": turns })
}

/// How every conversation begins: with a look at what is there. The model thinks as long as the part takes.
fn begun(part: &Part) -> Vec<Value> {
    let there = |name: &str| REPOSITORY.iter().any(|(known, _)| *known == name);
    let looks = part.files.iter().filter(|(name, _)| there(name)).map(|(name, _)| read(name));
    let looks: Vec<_> = looks.chain([bash("ls tools tests")]).collect();
    vec![thinking(part.time, "I will look at what is there first.", &looks)]
}

/// A turn that takes so long.
fn thinking(time: u64, text: &str, tools: &[Value]) -> Value {
    json!({
        "text": text,
        "tools": tools,
        "failure": { "kind": "slow", "bytes": text.len(), "delay_ms": time },
    })
}

fn writes(part: &Part) -> Vec<Value> {
    part.files.iter().map(|(name, text)| write(name, text)).collect()
}

fn read(name: &str) -> Value {
    json!({ "name": "Read", "input": { "file_path": format!("{{cwd}}/{name}") } })
}

fn write(name: &str, text: &str) -> Value {
    json!({ "name": "Write", "input": { "file_path": format!("{{cwd}}/{name}"), "content": text } })
}

fn bash(command: &str) -> Value {
    json!({ "name": "Bash", "input": { "command": command } })
}

/// What the simulated Codegen does: it works for some looks, then really pushes a branch.
pub(super) fn codegen(remote: &Path) -> Result<codegen::Script> {
    let runs: Vec<_> = PARTS.iter().map(run).collect();
    let script = json!({
        "token": TOKEN,
        "organizations": [{ "id": ORGANIZATION, "name": "demo", "repositories": [
            { "id": 1, "full_name": "demo/words", "remote": remote },
        ] }],
        "runs": runs,
    });
    Ok(serde_json::from_value(script)?)
}

/// A run for a part.
fn run(part: &Part) -> Value {
    let looks = (part.time / LOOK).max(1);
    let files: Value =
        part.files.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
    let end = match part.title {
        SWAPPING => json!({ "status": "OUT_OF_TOKENS", "result": "the plan's tokens are used up" }),
        title => json!({
            "status": "COMPLETE",
            "result": "Done; all tests pass.",
            "push": { "branch": "codegen/run-{run_id}", "base": "main", "message": title,
                      "files": files, "delete": part.removed },
            "pull_request": { "title": title },
        }),
    };
    let looks = if part.title == SWAPPING { 1 } else { looks };
    let work = json!({ "status": "ACTIVE", "polls": looks, "logs": [
        { "message_type": "PLAN_EVALUATION", "thought": "First what is there, then a test, then the work." },
        { "message_type": "ACTION", "tool_name": "ripgrep_search", "tool_input": { "query": "words" } },
    ] });
    json!({ "when": part.prompt(), "steps": [work, end] })
}
