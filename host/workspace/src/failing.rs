//! How many tests a run says failed, in the closing lines of test runners. A check that ends with 0 although it says so
//! hides its runner's exit code: `npm test | tee log`, `|| true`, a script whose last command is another one.

use regex_lite::Regex;
use std::sync::LazyLock;

/// Closing lines, as in [`crate::executed`]: what their groups hold is added, and a line without one counts as one.
const CLOSING: &[&str] = &[
    // cargo test, nextest
    r"^test result: \w+\. \d+ passed; (?<f1>\d+) failed",
    r"^Summary \[.*\] .*?(?<f1>\d+) failed",
    // unittest
    r"^FAILED \((?:failures=(?<f1>\d+))?(?:, )?(?:errors=(?<f2>\d+))?.*\)$",
    // go
    r"^FAIL\s+\S+\s+[\d.]+s$",
    // jest, vitest
    r"^Tests:? +(?<f1>\d+) failed\b",
    // mocha, playwright
    r"^(?<f1>\d+) (?:failing|failed)(?: \([\d.]+m?s\))?$",
    // node
    r"^(?:#|ℹ) fail +(?<f1>\d+)$",
    // TAP; what is to be done or skipped is no failure
    r"^not ok \d+(?: - | )[^#]*$",
    // rspec
    r"^\d+ examples?, (?<f1>\d+) failures?",
    // minitest
    r"^\d+ (?:runs|tests), \d+ assertions, (?<f1>\d+) failures, (?<f2>\d+) errors",
    // phpunit
    r"^Tests: \d+, Assertions: \d+.*?, Failures: (?<f1>\d+)",
    r"^Tests: \d+, Assertions: \d+.*?, Errors: (?<f1>\d+)",
    // maven, gradle, sbt
    r"^(?:\[\w+\] )?Tests run: \d+, Failures: (?<f1>\d+), Errors: (?<f2>\d+), Skipped: \d+$",
    r"^\d+ tests? completed, (?<f1>\d+) failed",
    r"^\[\w+\] (?:Passed|Failed): Total \d+, Failed (?<f1>\d+)",
    // dotnet, ctest
    r"^(?:Passed|Failed)! +- Failed: +(?<f1>\d+),",
    r"^\d+% tests passed, (?<f1>\d+) tests? failed out of",
    // deno, bun
    r"^(?:ok|FAILED) \| \d+ passed(?: \(.*?\))? \| (?<f1>\d+) failed",
    r"^(?<f1>\d+) fail$",
    // exunit, bats
    r"^(?:\d+ doctests?, )?\d+ tests?, (?<f1>\d+) failures?",
    // automake
    r"^# (?:FAIL|ERROR): +(?<f1>\d+)$",
    // googletest, busted
    r"^\[  FAILED  \] (?<f1>\d+) tests?",
    r"^\d+ successes? / (?<f1>\d+) failures? / (?<f2>\d+) errors? /",
    // pytest
    r"^=* ?(?:\d+ [a-z ]+, )*(?<f1>\d+) failed\b.* in [\d.]+s",
    r"^=* ?(?:\d+ [a-z ]+, )*(?<f1>\d+) errors?\b.* in [\d.]+s",
];

static COMPILED: LazyLock<(Vec<Regex>, Regex)> = LazyLock::new(|| {
    let compile = |pattern: &&str| Regex::new(pattern).expect("the table is tested");
    (CLOSING.iter().map(compile).collect(), compile(&"\u{1b}\\[[0-9;]*[A-Za-z]"))
});

/// How many tests failed, as this output says.
pub(crate) fn failing(output: &str) -> u64 {
    let (closing, colour) = &*COMPILED;
    let plain = colour.replace_all(output, "");
    let lines = plain.lines().map(str::trim);
    lines.map(|line| closing.iter().map(|closing| count(closing, line)).sum::<u64>()).sum()
}

fn count(closing: &Regex, line: &str) -> u64 {
    let Some(found) = closing.captures(line) else { return 0 };
    let mut names = closing.capture_names().flatten().peekable();
    if names.peek().is_none() {
        return 1;
    }
    let number = |name: &str| found.name(name).and_then(|text| text.as_str().parse().ok());
    names.filter_map(number).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_say_how_many_tests_failed() {
        for (output, expected) in [
            ("", 0),
            ("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", 2),
            ("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", 0),
            ("Summary [   0.1s] 3 tests run: 2 passed, 1 failed, 0 skipped", 1),
            ("===== 1 failed, 1 passed in 0.02s =====", 1),
            ("1 failed, 1 passed in 0.02s", 1),
            ("2 passed, 1 error in 0.02s", 1),
            ("2 passed, 1 xfailed in 0.02s", 0),
            ("FAILED (failures=1, errors=2)", 3),
            ("FAILED (errors=2)", 2),
            ("--- FAIL: TestX (0.00s)\nFAIL\nFAIL\texample.com/x\t0.003s", 1),
            ("ok  \texample.com/x\t0.003s", 0),
            ("Tests:       1 failed, 1 passed, 2 total", 1),
            ("Tests  1 failed | 1 passed (2)", 1),
            ("Tests:       2 passed, 2 total", 0),
            ("  2 passing (10ms)\n  1 failing", 1),
            ("# pass 1\n# fail 1", 1),
            ("not ok 1 - a\nok 2 - b\nnot ok 3 - c # skip later", 1),
            ("3 examples, 1 failure", 1),
            ("3 runs, 4 assertions, 1 failures, 1 errors, 0 skips", 2),
            ("Tests: 3, Assertions: 3, Errors: 1, Failures: 1.", 2),
            ("[ERROR] Tests run: 2, Failures: 1, Errors: 0, Skipped: 0", 1),
            ("3 tests completed, 1 failed", 1),
            ("Failed!  - Failed:     1, Passed:     2, Skipped:     0, Total:     3", 1),
            ("50% tests passed, 1 tests failed out of 2", 1),
            ("FAILED | 1 passed | 1 failed (2ms)", 1),
            (" 1 pass\n 1 fail", 1),
            ("3 tests, 1 failure", 1),
            ("[  FAILED  ] 1 test, listed below:", 1),
            ("\u{1b}[31m1 failed\u{1b}[0m, \u{1b}[32m1 passed\u{1b}[0m in 0.02s", 1),
            ("it says 3 failed here and there", 0),
        ] {
            assert_eq!(failing(output), expected, "{output}");
        }
    }
}
