//! An agent that leaves something behind, and what the host makes of it.

use crate::{case::Case, components::is_plain};
use cyrus_tests::{Report, World, world};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A repository whose one check passes for as long as it greets, and that is not set up.
pub(crate) const GREETER: &[(&str, &str)] = &[
    ("greet.sh", "echo \"Hello!\"\n"),
    ("test.sh", "sh greet.sh | grep -q Hello\n"),
    ("sub/file", "x\n"),
];

/// What the scripts share. `$ran` is where a program of the agent's leaves its name when the host runs it, and
/// `$git` the clone's own directory. Each script changes a file, so that there is a result.
const PRELUDE: &str = r#"
set -u
git=$(git rev-parse --absolute-git-dir)
trap_program() { printf '#!/bin/sh\ntouch "%s/%s"\ncat\n' "$ran" "$1"; }
trap_at() { mkdir -p "$(dirname "$1")"; trap_program "$2" >"$1"; chmod +x "$1"; }
commit() { git add --all && git commit --quiet --message "${1:-work}"; }
# A tree of the lines `MODE TYPE OBJECT<TAB>NAME`, committed on the branch it is on.
commit_tree() { git update-ref "$(git symbolic-ref HEAD)" "$(git commit-tree "$1" -p HEAD -m work)"; }
blob() { git hash-object -w --stdin; }
echo '# changed' >>greet.sh
"#;

/// What the host has to make of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// It does nothing: the result is validated without it.
    Harmless,
    /// The result is rejected with this finding.
    Finding(&'static str),
    /// The result is not taken, and the reason has this in it.
    Refused(&'static str),
    /// One of these: what git, the file system and the limits make of it differs.
    NotTaken,
    /// It may be taken; what must not happen is held by the invariants and by the check.
    Contained,
}

type Check = fn(&World, &Report);

/// An attack by what is left behind.
pub(crate) struct Deposit {
    group: &'static str,
    name: &'static str,
    script: &'static str,
    expect: Expect,
    stopped_by: &'static str,
    base: &'static [(&'static str, &'static str)],
    config: Value,
    check: Option<Check>,
}

impl Deposit {
    pub(crate) fn new(
        group: &'static str,
        name: &'static str,
        stopped_by: &'static str,
        expect: Expect,
        script: &'static str,
    ) -> Self {
        let (base, config, check) = (&[][..], json!({}), None);
        Self { group, name, script, expect, stopped_by, base, config, check }
    }

    /// More files in the base commit.
    pub(crate) fn base(mut self, files: &'static [(&'static str, &'static str)]) -> Self {
        self.base = files;
        self
    }

    pub(crate) fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    pub(crate) fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    pub(crate) fn case(self) -> Case {
        let (group, name, by) = (self.group, self.name, self.stopped_by);
        Case::new("repositories", group, name, by, move || self.run())
    }

    fn run(self) {
        let files = [GREETER, self.base].concat();
        let world = surroundings(world!().repository(&files));
        let ran = world.path("ran");
        let outside = world.path("outside");
        let script = format!(
            "ran='{}'\noutside='{}'\n{PRELUDE}\n{}\n",
            ran.display(),
            outside.display(),
            self.script
        );
        let tool = json!({ "name": "Bash", "input": { "command": script } });
        let turns = json!([{ "tools": [tool] }, { "text": "Done." }]);
        let mut world = world.stand_in(json!({ "conversations": [{ "turns": turns }] }));
        world.configure(self.config);
        let before = world.repo().state_without_sessions();
        let ended = world.run(["run", "--json", "Greet"]);
        is_plain(&ended);
        let report = ended.report();
        self.expect.check(&report);
        holds(&world, &before);
        if let Some(check) = self.check {
            check(&world, &report);
        }
    }
}

/// The configuration that all share, and what is outside of the clone.
pub(crate) fn surroundings(world: World) -> World {
    for directory in ["ran", "outside"] {
        fs::create_dir(world.path(directory)).unwrap();
    }
    fs::write(world.path("outside/secret"), "TOP SECRET\n").unwrap();
    world.config(json!({
        "validation": { "commands": ["sh test.sh"] },
        "attempts": { "most": 1, "retries": 0 },
    }))
}

/// What holds after every attack: nothing of the agent's was run by the host, the user's repository is as it was
/// but for the session's branch, and what is outside did not come in.
pub(crate) fn holds(world: &World, before: &str) {
    let ran: Vec<_> = names(&world.path("ran"));
    assert!(ran.is_empty(), "the host runs {ran:?}");
    assert_eq!(world.repo().state_without_sessions(), *before, "the user's repository changes");
    let secret = fs::read_to_string(world.path("outside/secret")).unwrap();
    assert_eq!(secret, "TOP SECRET\n", "a file outside changes");
    for branch in world.repo().session_branches() {
        let found = world.repo().git(["log", "--format=%h", "-S", "TOP SECRET", &branch]);
        assert_eq!(found, "", "a file from outside is in the result");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().display().to_string()).collect()
}

impl Expect {
    #[track_caller]
    pub(crate) fn check(self, report: &Report) {
        let outcome = report["outcome"].as_str().unwrap();
        let text = format!("{:#}", **report);
        match self {
            Self::Harmless => assert_eq!(outcome, "validated", "{text}"),
            Self::Finding(code) => {
                assert_eq!(outcome, "rejected", "{text}");
                assert!(text.contains(&format!("\"code\": \"{code}\"")), "no {code}: {text}");
            }
            Self::Refused(part) => {
                assert_ne!(outcome, "validated", "{text}");
                assert!(text.contains(part), "no {part:?}: {text}");
            }
            Self::NotTaken => assert_ne!(outcome, "validated", "{text}"),
            Self::Contained => {}
        }
    }
}

/// The files of the result.
pub(crate) fn files(world: &World, report: &Report) -> Vec<String> {
    let listed = world.repo().git(["ls-tree", "-r", "-z", "--name-only", report.branch()]);
    listed.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The result is the changed file, and nothing else came along.
pub(crate) fn only_the_change(world: &World, report: &Report) {
    let changed = world.repo().git(["diff", "--name-only", "main", report.branch()]);
    assert_eq!(changed, "greet.sh");
}
