//! A scripted `claude`, which says what the real one was recorded to say.

use cyrus_sdk::{
    contract::Event,
    testing::{Program, Run, Terminal, TestHost},
};
use serde_json::Value;

/// The session of the scripted host's execution, which has the id `execution-1`.
pub(crate) const SESSION: &str = "0d1ba4b3-a0e6-8b3f-a4cd-d1a1d5b0d0de";

pub(crate) fn recorded(name: &str) -> Vec<String> {
    let path = format!("{}/tests/fixtures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(str::to_owned).collect()
}

pub(crate) fn say(terminal: &mut Terminal, lines: &[String]) {
    for line in lines {
        terminal.print(line);
    }
}

/// Says a recording when it is given the task, and ends when its input does.
pub(crate) fn plays(name: &str) -> Program {
    let lines = recorded(name);
    Program::new().on_line(move |line, terminal| {
        if kind(line) == "user" {
            say(terminal, &lines);
        }
    })
}

pub(crate) fn kind(line: &str) -> String {
    let line: Value = serde_json::from_str(line).expect("what the plugin writes is JSON");
    line["type"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn host(name: &'static str) -> TestHost {
    TestHost::new().program("claude", move |_| plays(name))
}

pub(crate) fn warnings(run: &Run) -> Vec<String> {
    let code = |event: &'_ Event| match event {
        Event::Warning(warning) => Some(warning.code.clone()),
        _ => None,
    };
    run.record.events.iter().filter_map(code).collect()
}

pub(crate) fn argument<'a>(run: &'a Run, launch: usize, flag: &str) -> Option<&'a str> {
    let args = &run.record.launches[launch].args;
    args.iter().find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
}
