//! Which tests failed in a run, by what the test runner prints or reports, and what a run that could not begin lacks.

use crate::junit::Failed;
use regex_lite::Regex;
use std::{collections::BTreeSet, sync::LazyLock};

/// The most names that are kept.
const NAMES: usize = 500;

/// The longest name that is kept, in bytes.
const NAME_BYTES: usize = 300;

/// Lines that name a test which failed.
const FAILED: &[&str] = &[
    // cargo test, nextest
    r"^test (?<t>\S.*?) \.\.\. FAILED$",
    r"^FAIL \[ *[\d.]+s\] (?:\([ \d/]+\) )?(?<t>\S.*)$",
    // pytest
    r"^(?:FAILED|ERROR) (?<t>\S+?)(?: - .*)?$",
    // unittest
    r"^(?:FAIL|ERROR): (?<t>\S+ \(\S+\))$",
    // automake
    r"^FAIL: (?<t>\S+)$",
    // go
    r"^--- FAIL: (?<t>\S+) \(",
    // jest, vitest
    r"^● (?<t>\S.* › .*)$",
    r"^FAIL +(?<t>\S+ > .*)$",
    r"^[×✕✗] (?<t>\S.*?)(?: \(?[\d.]+ ?m?s\)?)?$",
    // node, TAP
    r"^not ok \d+ (?:- )?(?<t>[^#]*[^# ])",
    r"^✖ (?<t>\S.*?) \([\d.]+ms\)$",
    // mocha
    r"^\d+\) (?<t>\S.*?):?$",
    // rspec, minitest
    r"^rspec (?<t>\./\S+)",
    r"^(?:Failure|Error): *(?<t>\S+#\S+)",
    // maven, gradle
    r"^\[ERROR\] +(?<t>[\w.$]+(?:\.|:)\w+(?::\d+)?)",
    r"^(?<t>\S+ > .*) FAILED$",
    // dotnet
    r"^Failed (?<t>[\w.]+(?:\(.*\))?) \[",
    // phpunit, exunit
    r"^\d+\) (?<t>[\w\\]+::\w+)",
    r"^\d+\) test (?<t>.*\))$",
    // ctest
    r"^\d+ - (?<t>\S+) \((?:Failed|Timeout|SEGFAULT|Not Run)",
    // googletest
    r"^\[  FAILED  \] (?<t>[\w./]+)",
];

const WINDOWS_LINES: &str = "line ends that a shell reads: a script's are those of Windows, CR LF (`*.sh text eol=lf` in .gitattributes, then `git add --renormalize .`)";

/// Lines of a run that lacks something.
const MISSING: &[(&str, &str)] = &[
    (r"(?:^|: )(?<m>[\w./@+-]+): (?:command )?not found$", "the program `{}`"),
    (r"command not found: (?<m>[\w./@+-]+)$", "the program `{}`"),
    (r"env: [‘'`]?(?<m>[\w./@+-]+)[’'`]?: No such file or directory", "the program `{}`"),
    (r"(?:^|: )(?<m>[\w.@+-]*/[\w./@+-]+): No such file or directory$", "the file `{}`"),
    (r"make: (?<m>[\w./@+-]+): No such file or directory", "the program `{}`"),
    (r"No module named '?(?<m>[\w.]+)'?", "the Python module `{}`"),
    (r"Cannot find (?:module|package) '(?<m>[^']+)'", "the package `{}`"),
    (r"Cannot find module (?<m>[@\w][\w./@-]*)", "the package `{}`"),
    (r"error: no such command: `(?<m>[\w-]+)`", "the cargo command `{}`"),
    (r"Could not find (?<m>[\w-]+)-[\d.]+ in any of the sources", "the gem `{}`"),
    (r"cannot load such file -- (?<m>[\w./-]+)", "the gem `{}`"),
    (r"no required module provides package (?<m>[\w./-]+)", "the Go module of `{}`"),
    (r"cannot find package [\x22'](?<m>[\w./-]+)[\x22']", "the Go package `{}`"),
    (r"fatal error: (?<m>[\w./-]+\.h(?:pp)?): No such file", "the header `{}`"),
    (r"Failed opening required '(?<m>[\w./-]*vendor/autoload\.php)'", "the file `{}`"),
    (r"Unable to locate (?<m>a Java Runtime)", "{}"),
    (r"spawn (?<m>[\w./-]+) ENOENT", "the program `{}`"),
    (
        r"^(?:\S*/)?(?:(?:ba|da|k|z)?sh: (?:line )?\d+|make(?:\[\d+\])?): (?<m>[\w./@+-]*/[\w./@+-]+): Permission denied$",
        "the right to run `{}` (`git update-index --chmod=+x`)",
    ),
    // Of the right kind, and the wrong version.
    (r"^pyenv: version [‘'`](?<m>[\w.-]+)[’'`] is not installed", "Python `{}`"),
    (r"toolchain [‘'`](?<m>[\w.+-]+)[’'`] is not installed", "the Rust toolchain `{}`"),
    (r"^info: syncing channel updates for [‘'`]?(?<m>[\w.+-]+\w)", "the Rust toolchain `{}`"),
    (r"requires (?<m>rustc [\d.]+\d)(?:-\w+)? or newer", "`{}`"),
    (r"go\.mod requires (?<m>go >= ?[\d.]+\d)", "`{}`"),
    (r"requires a different Python: [\d.]+ not in [‘'`](?<m>[^’'`]+)[’'`]", "Python `{}`"),
    (r"The engine .(?<m>\w+). is incompatible with this module", "another version of `{}`"),
    (r"(?<m>\r|\\r)[’'`]?: (?:(?:command )?not found|No such file or directory)", WINDOWS_LINES),
    (r"(?<m>JAVA_HOME) (?:is not set|environment variable is not defined)", "`{}`"),
    // What listens on the machine is not on the loopback interface of a sandbox.
    (
        r"[Cc]annot connect to the (?<m>Docker) daemon",
        "{}'s daemon (no program in the sandbox reaches it)",
    ),
    (
        r"connection to server at .*, port (?<m>\d+) failed: Connection refused",
        "a server on port {} of its own loopback interface (no program in the sandbox reaches the machine's)",
    ),
    (
        r"ECONNREFUSED (?:127\.0\.0\.1|::1):(?<m>\d+)",
        "a server on port {} of its own loopback interface (no program in the sandbox reaches the machine's)",
    ),
    // No program in a sandbox looks into another one.
    (
        r"(?<m>LeakSanitizer) (?:has encountered a fatal error|does not work under ptrace)",
        "`ptrace` for {} (no program has it in the sandbox; `ASAN_OPTIONS=detect_leaks=0` does without)",
    ),
    (r"(?<m>ptrace): Operation not permitted", "`{}` (no program has it in the sandbox)"),
];

struct Compiled {
    failed: Vec<Regex>,
    missing: Vec<(Regex, &'static str)>,
    colour: Regex,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let compile = |pattern: &str| Regex::new(pattern).expect("the table is tested");
    Compiled {
        failed: FAILED.iter().map(|pattern| compile(pattern)).collect(),
        missing: MISSING.iter().map(|(pattern, what)| (compile(pattern), *what)).collect(),
        colour: compile("\u{1b}\\[[0-9;]*[A-Za-z]"),
    }
});

/// The tests that failed, as this output names them; those of reports where there are any.
pub(crate) fn failed_tests(output: &str, reported: Option<&Failed>) -> BTreeSet<String> {
    if let Some(reported) = reported {
        return reported.iter().take(NAMES).cloned().collect();
    }
    let plain = COMPILED.colour.replace_all(output, "");
    let name = |line: &str| {
        let found = COMPILED.failed.iter().find_map(|pattern| pattern.captures(line))?;
        Some(found.name("t")?.as_str().to_owned()).filter(|name| name.len() <= NAME_BYTES)
    };
    plain.lines().filter_map(|line| name(line.trim())).take(NAMES).collect()
}

/// What a run lacks that could not do its work, in words; `None` where its output names nothing.
pub(crate) fn missing(output: &str) -> Option<String> {
    let plain = COMPILED.colour.replace_all(output, "");
    plain.lines().map(str::trim).find_map(|line| {
        COMPILED.missing.iter().find_map(|(pattern, what)| {
            let name = pattern.captures(line)?.name("m")?.as_str().to_owned();
            (name.len() <= NAME_BYTES).then(|| what.replace("{}", &name))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_is_named_as_its_runner_names_it() {
        for (output, names) in [
            ("test parser::tabs ... FAILED\ntest parser::ok ... ok", vec!["parser::tabs"]),
            ("FAILED tests/test_a.py::test_x - assert 1 == 2", vec!["tests/test_a.py::test_x"]),
            ("FAIL: test_add (calc.T.test_add)", vec!["test_add (calc.T.test_add)"]),
            ("PASS: tests/a\nFAIL: tests/b.sh", vec!["tests/b.sh"]),
            ("--- FAIL: TestTabs (0.00s)", vec!["TestTabs"]),
            ("  ● parser › keeps tabs", vec!["parser › keeps tabs"]),
            ("not ok 3 - keeps tabs # time=1", vec!["keeps tabs"]),
            ("AppTest > keepsTabs() FAILED", vec!["AppTest > keepsTabs()"]),
            ("  Failed Acme.Tests.Tabs [12 ms]", vec!["Acme.Tests.Tabs"]),
            ("\u{1b}[31m[  FAILED  ] Parser.Tabs\u{1b}[0m", vec!["Parser.Tabs"]),
            ("ok 1 - all\nPASS", vec![]),
        ] {
            let found: Vec<_> = failed_tests(output, None).into_iter().collect();
            assert_eq!(found, names, "{output}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (output, expected) in [
            ("sh: 1: jest: not found", "the program `jest`"),
            ("bash: line 3: tox: command not found", "the program `tox`"),
            ("/usr/bin/python3: No module named pytest", "the Python module `pytest`"),
            ("ModuleNotFoundError: No module named 'flask'", "the Python module `flask`"),
            ("Error: Cannot find module 'express'", "the package `express`"),
            ("make: cargo: No such file or directory", "the program `cargo`"),
            ("sh: 1: .venv/bin/python: No such file or directory", "the file `.venv/bin/python`"),
            ("error: no such command: `nextest`", "the cargo command `nextest`"),
            ("foo.c:1:10: fatal error: zlib.h: No such file or directory", "the header `zlib.h`"),
            (
                "info: syncing channel updates for 1.11.0-x86_64\nerror: could not create temp file",
                "the Rust toolchain `1.11.0-x86_64`",
            ),
            (
                "error: toolchain 'nightly-2026-01-01-x86_64-unknown-linux-gnu' is not installed",
                "the Rust toolchain `nightly-2026-01-01-x86_64-unknown-linux-gnu`",
            ),
            (
                "error: package `a v1.0.0` cannot be built because it requires rustc 1.99 or newer, while the currently active rustc version is 1.95.0",
                "`rustc 1.99`",
            ),
            (
                "go: go.mod requires go >= 1.99 (running go 1.24.4; GOTOOLCHAIN=local)",
                "`go >= 1.99`",
            ),
            (
                "ERROR: Package 'x' requires a different Python: 3.11.2 not in '>=3.13'",
                "Python `>=3.13`",
            ),
            (
                "error x@1.0.0: The engine \"node\" is incompatible with this module. Expected version",
                "another version of `node`",
            ),
            (
                "sh: 1: ./gradlew: Permission denied",
                "the right to run `./gradlew` (`git update-index --chmod=+x`)",
            ),
            (
                "pyenv: version `3.9.1' is not installed (set by /x/.python-version)",
                "Python `3.9.1`",
            ),
            ("/usr/bin/env: 'bash\\r': No such file or directory", WINDOWS_LINES),
            ("setup.sh: line 2: $'\\r': command not found", WINDOWS_LINES),
            ("sh: 1: npm\r: not found", WINDOWS_LINES),
            ("JAVA_HOME is not set and no 'java' command could be found", "`JAVA_HOME`"),
            (
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
                "Docker's daemon (no program in the sandbox reaches it)",
            ),
            (
                "connection to server at \"localhost\" (127.0.0.1), port 5432 failed: Connection refused",
                "a server on port 5432 of its own loopback interface (no program in the sandbox reaches the machine's)",
            ),
            (
                "Error: connect ECONNREFUSED 127.0.0.1:6379",
                "a server on port 6379 of its own loopback interface (no program in the sandbox reaches the machine's)",
            ),
            ("ptrace: Operation not permitted.", "`ptrace` (no program has it in the sandbox)"),
            (
                "==7==LeakSanitizer has encountered a fatal error.",
                "`ptrace` for LeakSanitizer (no program has it in the sandbox; `ASAN_OPTIONS=detect_leaks=0` does without)",
            ),
        ] {
            assert_eq!(missing(output).as_deref(), Some(expected), "{output}");
        }
        assert_eq!(missing("cat: /etc/shadow: Permission denied"), None);
        assert_eq!(missing("assertion failed: 404 page was not found"), None);
    }
}
