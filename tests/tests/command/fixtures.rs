//! The repository that most tests work on, and what a scripted model does to it.

use cyrus_tests::World;
use serde_json::{Value, json};

/// A repository whose one test fails.
pub(crate) const GREETER: &[(&str, &str)] = &[
    ("greet.sh", "echo \"Hello!\"\n"),
    ("test.sh", "test \"$(sh greet.sh Ada)\" = \"Hello, Ada!\"\n"),
];

/// What mends it.
pub(crate) const MENDED: &str = "echo \"Hello, $1!\"\n";

/// The configuration that checks it, and leaves it at one attempt: what follows a failed one is another matter. The
/// check fails on the base commit, as that is what is to be mended.
pub(crate) fn checks() -> Value {
    json!({
        "validation": { "commands": ["sh test.sh"], "failingBase": "retry" },
        "attempts": { "most": 1, "retries": 0 },
    })
}

/// A script whose every answer breaks off.
pub(crate) fn cut() -> Value {
    json!({ "retry_delay_ms": 1, "conversations": [{ "turns": [{ "text": "x", "failure": { "kind": "cut" } }] }] })
}

/// A script for the stand-in with these turns.
pub(crate) fn turns(turns: Value) -> Value {
    json!({ "conversations": [{ "turns": turns }] })
}

/// A turn that runs a command.
pub(crate) fn bash(command: &str) -> Value {
    json!({ "tools": [{ "name": "Bash", "input": { "command": command } }] })
}

/// A turn that writes a new file.
pub(crate) fn write(path: &str, content: &str) -> Value {
    let path = format!("{{cwd}}/{path}");
    json!({ "tools": [{ "name": "Write", "input": { "file_path": path, "content": content } }] })
}

/// A model that mends the repository.
pub(crate) fn mending() -> Value {
    turns(json!([
        { "tools": [{ "name": "Read", "input": { "file_path": "{cwd}/greet.sh" } }] },
        write("greet.sh", MENDED),
        { "text": "It greets by name now." },
    ]))
}

/// A world with the repository, its checks, and a `claude` that does this.
pub(crate) fn greeter(world: World, script: Value) -> World {
    world.repository(GREETER).config(checks()).stand_in(script)
}
