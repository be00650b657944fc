//! How many tests a run executed, by what the test runner prints when it is done. An exit code alone does not prove
//! that a test ran: a runner that is replaced by `true`, a configuration that deselects everything and a filter that
//! matches nothing all end with 0.
//!
//! A runner is a row of [`RUNNERS`]: a pattern for its closing lines. What the groups whose names begin with `n` hold
//! is added, and what those hold that begin with `s` (skipped ones that the runner counts as tests) is taken away. A
//! line without such a group counts as one. Where several runners print, such as `make test` over two languages, all
//! of them count; of one runner, the rows with the same name are tried in their order and the first that finds
//! anything is the one that counts.
//!
//! Anything that runs can print such a line. The count is for what goes wrong or is bent quietly, and no proof against
//! a test runner that lies: configure [`protectedPaths`](crate::DiffRules) for what decides how tests are run.

use regex_lite::{Captures, Regex};
use std::sync::LazyLock;

/// One form of a runner's closing line.
struct Row {
    runner: &'static str,
    line: &'static str,
}

const fn row(runner: &'static str, line: &'static str) -> Row {
    Row { runner, line }
}

/// The table. Lines are matched without colours and without blanks around them.
const RUNNERS: &[Row] = &[
    row(
        "cargo test",
        r"^test result: \w+\. (?<n1>\d+) passed; (?<n2>\d+) failed; \d+ ignored; (?<n3>\d+) measured",
    ),
    row("nextest", r"^Summary \[.*\] (?<n1>\d+)(/\d+)? tests? run:"),
    row("nextest", r"^error: no tests (?<none>)to run"),
    row("pytest", r"^=* ?no tests ran(?<none>) in [\d.]+s"),
    row("unittest", r"^Ran (?<n1>\d+) tests? in [\d.]+s$"),
    // Skipped ones are on the line after.
    row("unittest skips", r"^(OK|FAILED) \((?:.*, )?skipped=(?<s1>\d+)(?:, .*)?\)$"),
    row("go", r"^--- (PASS|FAIL): \S+ \("),
    row("go", r"^(ok|FAIL)\s+\S+\s+(\(cached\)|[\d.]+s)(\s+coverage: .*)?$"),
    row("go", r"^\?\s+\S+\s+\[no test files\](?<none>)$"),
    row("go", r"^ok\s+\S+\s+\S+.*\[no tests to run\](?<none>)$"),
    row(
        "jest",
        r"^Tests:\s+(?:(?<n1>\d+) failed, )?(?:\d+ skipped, )?(?:\d+ todo, )?(?:(?<n2>\d+) passed, )?\d+ total$",
    ),
    row("jest", r"^No tests found(?<none>)"),
    row(
        "vitest",
        r"^Tests\s+(?:(?<n1>\d+) failed ?\|? ?)?(?:(?<n2>\d+) passed ?\|? ?)?(?:\d+ (?:skipped|todo) ?\|? ?)*\(\d+\)$",
    ),
    row("vitest", r"^(No test files found|Tests\s+no tests)(?<none>)"),
    row("mocha, playwright", r"^(?<n1>\d+) (passing|passed|failing|failed)( \([\d.]+m?s\))?$"),
    row("node, tap", r"^(?:#|ℹ) (?:pass|fail) +(?<n1>\d+)$"),
    row("node, tap", r"^1\.\.0(?<none>)( .*)?$"),
    row("node, tap", r"^(?:not )?ok \d+(?: - | )[^#]*$"),
    row("node, tap", r"^# (?:tests +(?<n1>\d+)|skip(?:ped)? +(?<s1>\d+))$"),
    row("rspec", r"^(?<n1>\d+) examples?, \d+ failures?(?:, (?<s1>\d+) pending)?"),
    row(
        "minitest",
        r"^(?<n1>\d+) (?:runs|tests), \d+ assertions, \d+ failures, \d+ errors, (?<s1>\d+) (?:skips|pendings)",
    ),
    row("phpunit", r"^OK \((?<n1>\d+) tests?, \d+ assertions?\)$"),
    row("phpunit", r"^Tests: (?<n1>\d+), Assertions: \d+"),
    row("phpunit skips", r"^Tests: \d+, Assertions: \d+,.* Skipped: (?<s1>\d+)[,.]"),
    row("phpunit", r"^No tests executed!(?<none>)$"),
    row(
        "maven",
        r"^(?:\[\w+\] )?Tests run: (?<n1>\d+), Failures: \d+, Errors: \d+, Skipped: (?<s1>\d+)$",
    ),
    row("maven", r"^(?:\[\w+\] )?No tests to run\.(?<none>)$"),
    row("gradle", r"^(?<n1>\d+) tests? completed, \d+ failed(?:, (?<s1>\d+) skipped)?$"),
    row("gradle", r"^> Task \S*:\w*[tT]est$"),
    row("gradle", r"^> Task \S*:\w*[tT]est (NO-SOURCE|SKIPPED)(?<none>)$"),
    row("dotnet", r"^(?:Passed|Failed)! +- Failed: +(?<n1>\d+), Passed: +(?<n2>\d+), Skipped:"),
    row("dotnet", r"^(?:Passed|Failed): (?<n1>\d+)$"),
    row("dotnet", r"^No test (?<none>)(is available in|matches the given testcase filter)"),
    row("ctest", r"^\d+% tests passed, \d+ tests failed out of (?<n1>\d+)$"),
    row("ctest", r"^100% tests passed out of (?<n1>\d+)$"),
    row("ctest", r"^No tests were found!!!(?<none>)$"),
    row("deno", r"^(?:ok|FAILED) \| (?<n1>\d+) passed(?: \(.*?\))? \| (?<n2>\d+) failed"),
    row("bun", r"^Ran (?<n1>\d+) tests? across \d+ files?\."),
    row("swift", r"^Executed (?<n1>\d+) tests?, with"),
    row(
        "exunit, bats",
        r"^(?:\d+ doctests?, )?(?<n1>\d+) tests?, \d+ failures?(?:, \d+ excluded)?(?:, (?<s1>\d+) skipped)?$",
    ),
    row("sbt", r"^\[\w+\] Passed: Total (?<n1>\d+), Failed \d+"),
    row("sbt", r"^\[\w+\] Failed: Total (?<n1>\d+), Failed \d+"),
    row("prove", r"^Files=\d+, Tests=(?<n1>\d+),"),
    row("googletest", r"^\[==========\] (?<n1>\d+) tests? from \d+ test (?:suites?|cases?) ran\."),
    row("zig", r"^All (?<n1>\d+) tests passed\.$"),
    row("meson", r"^(?:Ok|Fail): +(?<n1>\d+)$"),
    row("automake", r"^# (?:PASS|XFAIL|FAIL|XPASS|ERROR): +(?<n1>\d+)$"),
    row("automake", r"^All (?<n1>\d+) tests passed$"),
    row("busted", r"^(?<n1>\d+) successes? / (?<n2>\d+) failures? / (?<n3>\d+) errors? /"),
];

/// The summary of pytest is a list in any order.
const PYTEST: &str = r"^=* ?((?:\d+ [a-z ]+, )*\d+ [a-z ]+) in [\d.]+s(?: \([\d:, a-z]+\))? ?=*$";

/// The words of that list which are tests that ran.
const PYTEST_RAN: [&str; 6] = ["passed", "failed", "error", "errors", "xfailed", "xpassed"];

struct Compiled {
    rows: Vec<(&'static str, Regex)>,
    pytest: Regex,
    colour: Regex,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let compile = |pattern: &str| Regex::new(pattern).expect("the table is tested");
    Compiled {
        rows: RUNNERS.iter().map(|row| (row.runner, compile(row.line))).collect(),
        pytest: compile(PYTEST),
        colour: compile("\u{1b}\\[[0-9;]*[A-Za-z]"),
    }
});

/// The number of tests that were executed, as this output says it; `None` when no runner that is known says anything.
pub(crate) fn executed(output: &str) -> Option<u64> {
    let known = &*COMPILED;
    let plain = known.colour.replace_all(output, "");
    let lines: Vec<_> = plain.lines().map(str::trim).collect();
    let mut total: Option<i64> = None;
    let mut add = |count: i64| total = Some(total.unwrap_or(0).saturating_add(count));
    if let Some(count) = lines.iter().filter_map(|line| pytest(&known.pytest, line)).reduce(sum) {
        add(count);
    }
    let mut counted = "";
    for (runner, line) in &known.rows {
        let found = lines.iter().filter_map(|text| line.captures(text)).map(|c| count(line, &c));
        let Some(count) = found.reduce(sum) else { continue };
        if counted == *runner {
            continue;
        }
        add(count);
        // A row that only says that there are none does not keep the next from counting.
        if count != 0 {
            counted = runner;
        }
    }
    if total.is_none() && made_nothing(&lines) {
        return Some(0);
    }
    total.map(|total| u64::try_from(total).unwrap_or(0))
}

/// Whether all that was printed is that make has nothing to do: a target that is the name of a file which is there.
fn made_nothing(lines: &[&str]) -> bool {
    let said = |line: &&&str| {
        let Some(rest) = line.strip_prefix("make: ") else { return false };
        rest.starts_with("Nothing to be done for ") || rest.ends_with(" is up to date.")
    };
    let mut printed = lines.iter().filter(|line| !line.is_empty()).peekable();
    printed.peek().is_some() && printed.all(|line| said(&line))
}

fn sum(one: i64, other: i64) -> i64 {
    one.saturating_add(other)
}

fn pytest(summary: &Regex, line: &str) -> Option<i64> {
    let list = summary.captures(line)?.get(1)?.as_str();
    let mut total = 0_i64;
    for entry in list.split(", ") {
        let (number, word) = entry.split_once(' ')?;
        if PYTEST_RAN.contains(&word) {
            total = total.saturating_add(number.parse().ok()?);
        }
    }
    Some(total)
}

fn count(line: &Regex, found: &Captures<'_>) -> i64 {
    let (mut total, mut is_said) = (0_i64, false);
    for name in line.capture_names().flatten() {
        is_said = true;
        let number = found.name(name).map_or(0, |text| text.as_str().parse().unwrap_or(0));
        total = if name.starts_with('s') {
            total.saturating_sub(number)
        } else {
            total.saturating_add(number)
        };
    }
    if is_said { total } else { 1 }
}

/// Whether a command is known to run no tests, so that nothing is to be compared: builds, linters, formatters.
pub(crate) fn runs_no_tests(command: &str) -> bool {
    const PLAIN: &[&[&str]] = &[
        &["cargo", "build"],
        &["cargo", "check"],
        &["cargo", "clippy"],
        &["cargo", "doc"],
        &["cargo", "fmt"],
        &["go", "build"],
        &["go", "vet"],
        &["gofmt"],
        &["eslint"],
        &["npx", "eslint"],
        &["npx", "tsc"],
        &["tsc"],
        &["prettier"],
        &["ruff"],
        &["mypy"],
        &["black"],
        &["flake8"],
    ];
    // Several commands in one may be anything.
    if command.contains(|c: char| "&|;`$()\n<>".contains(c)) {
        return false;
    }
    let words: Vec<_> = command.split_whitespace().collect();
    PLAIN.iter().any(|plain| words.starts_with(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_closing_lines_of_runners_are_read() {
        for (output, expected) in [
            ("make: 'test' is up to date.\n", Some(0)),
            ("make: Nothing to be done for 'test'.", Some(0)),
            ("make: Nothing to be done for 'all'.\nall is well", None),
            ("make[1]: Nothing to be done for 'all'.\n42 assertions", None),
            ("make: *** No rule to make target 'test'.  Stop.", None),
            ("", None),
            (
                "test result: ok. 3 passed; 1 failed; 2 ignored; 0 measured; 4 filtered out; finished in 0.00s",
                Some(4),
            ),
            (
                "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s",
                Some(0),
            ),
            (
                "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n   Doc-tests x\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
                Some(2),
            ),
            ("     Summary [   1.669s] 28/174 tests run: 27 passed, 1 failed, 0 skipped", Some(28)),
            ("     Summary [   0.1s] 1 test run: 1 passed, 0 skipped", Some(1)),
            ("error: no tests to run", Some(0)),
            ("==== 3 passed, 1 failed, 2 skipped, 1 warning in 0.12s ====", Some(4)),
            ("1 failed, 2 passed in 61.00s (0:01:01)", Some(3)),
            ("..\n2 passed in 0.01s", Some(2)),
            ("2 deselected in 0.01s", Some(0)),
            ("===== no tests ran in 0.00s =====", Some(0)),
            ("Ran 3 tests in 0.001s\n\nOK", Some(3)),
            ("Ran 3 tests in 0.001s\n\nOK (skipped=3)", Some(0)),
            ("Ran 4 tests in 0.001s\n\nFAILED (failures=1, skipped=1)", Some(3)),
            ("Ran 0 tests in 0.000s\n\nNO TESTS RAN", Some(0)),
            ("ok  \texample.com/a\t0.002s\n?   \texample.com/b\t[no test files]", Some(1)),
            ("ok  \texample.com/a\t0.002s [no tests to run]", Some(0)),
            (
                "ok  \texample.com/a\t(cached)\nok  \texample.com/b\t1.2s\tcoverage: 80.0% of statements",
                Some(2),
            ),
            ("?   \texample.com/b\t[no test files]", Some(0)),
            (
                "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/x (0.00s)\nPASS\nok  \tx\t0.1s",
                Some(2),
            ),
            ("Tests:       1 failed, 2 skipped, 3 passed, 6 total", Some(4)),
            ("Tests:       2 skipped, 2 total", Some(0)),
            ("No tests found, exiting with code 0", Some(0)),
            (" Test Files  1 passed (1)\n      Tests  3 passed | 2 skipped (5)", Some(3)),
            ("      Tests  1 failed | 3 passed (4)", Some(4)),
            ("      Tests  2 skipped (2)", Some(0)),
            ("No test files found, exiting with code 0", Some(0)),
            ("  3 passing (12ms)\n  1 pending\n  2 failing", Some(5)),
            ("  0 passing (1ms)", Some(0)),
            ("ℹ tests 3\nℹ pass 2\nℹ fail 1\nℹ skipped 0", Some(3)),
            ("# tests 3\n# pass 2\n# fail 0\n# skipped 1", Some(2)),
            ("ok 1 - a\nok 2 - b\n1..2\n# tests 2\n# pass 2\n# fail 0", Some(2)),
            ("ok 1 - a\nok 2 # SKIP b\n1..2\n# tests 2\n# skip 1", Some(1)),
            ("ok 1 # SKIP a\n1..1\n# tests 1\n# pass 0\n# fail 0\n# skipped 1", Some(0)),
            ("# tests 1\n# pass 0\n# fail 0\n# skipped 1\n1..2\nok 1 a\nok 2 b", Some(2)),
            ("1..0 # no tests", Some(0)),
            ("TAP version 13\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP later", Some(2)),
            ("3 examples, 1 failure, 1 pending", Some(2)),
            ("0 examples, 0 failures", Some(0)),
            ("3 runs, 5 assertions, 0 failures, 0 errors, 1 skips", Some(2)),
            ("OK (3 tests, 5 assertions)", Some(3)),
            ("Tests: 4, Assertions: 5, Failures: 1, Skipped: 2.", Some(2)),
            ("No tests executed!", Some(0)),
            (
                "[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 1, Time elapsed: 0.1 s -- in A\n[INFO] \n[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 1",
                Some(2),
            ),
            ("3 tests completed, 1 failed", Some(3)),
            ("> Task :app:test", Some(1)),
            ("> Task :compileTestJava\n> Task :test NO-SOURCE", Some(0)),
            (
                "Passed!  - Failed:     0, Passed:     3, Skipped:     1, Total:     4, Duration: 1 s - a.dll",
                Some(3),
            ),
            ("Total tests: 4\n     Passed: 3\n     Failed: 1", Some(4)),
            ("100% tests passed, 0 tests failed out of 3", Some(3)),
            ("100% tests passed out of 19", Some(19)),
            ("No tests were found!!!", Some(0)),
            ("ok | 3 passed (2 steps) | 1 failed (12ms)", Some(4)),
            (" 3 pass\n 0 fail\nRan 3 tests across 1 files. [12.00ms]", Some(3)),
            ("5 doctests, 3 tests, 0 failures, 1 skipped", Some(2)),
            ("Files=1, Tests=3,  0 wallclock secs", Some(3)),
            ("[==========] 3 tests from 1 test suite ran. (0 ms total)", Some(3)),
            (
                "# TOTAL: 9\n# PASS:  6\n# SKIP:  1\n# XFAIL: 1\n# FAIL:  1\n# XPASS: 0\n# ERROR: 0",
                Some(8),
            ),
            ("# TOTAL: 1\n# PASS:  0\n# SKIP:  1\n# FAIL:  0", Some(0)),
            ("PASS: a\nPASS: b\n==================\nAll 2 tests passed", Some(2)),
            ("\u{1b}[32m3 passed\u{1b}[0m in 0.01s", Some(3)),
            // What no runner prints.
            ("", None),
            ("all good\n3 tests\npassed 3", None),
            ("Compiling x v0.1.0\nFinished `test` profile\nRunning unittests src/lib.rs", None),
            ("I ran 3 passed in the street", None),
        ] {
            assert_eq!(executed(output), expected, "{output}");
        }
    }

    #[test]
    fn every_row_is_a_pattern() {
        assert_eq!(COMPILED.rows.len(), RUNNERS.len());
    }

    #[test]
    fn only_a_plain_command_is_known_to_run_no_tests() {
        for (command, expected) in [
            ("cargo clippy --all-targets -- -D warnings", true),
            ("npx tsc --noEmit", true),
            ("cargo clippy && cargo test", false),
            ("cargo test", false),
            ("make check", false),
            ("true", false),
            ("ruff check; pytest", false),
        ] {
            assert_eq!(runs_no_tests(command), expected, "{command}");
        }
    }

    proptest! {
        #[test]
        fn any_output_can_be_read(output in ".{0,400}", number in any::<u64>()) {
            let _ = executed(&output);
            let _ = executed(&format!("{number} passed in 1s\nRan {number} tests in 0.1s"));
        }
    }
}
