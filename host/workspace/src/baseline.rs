//! How checks go on the base commit. A check that fails on a result is tried there before it is held against whoever
//! made the result; each command is run once on each commit.

use crate::object::ObjectId;
use cyrus_core::{CheckReport, OnBase};
use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

/// The most names of tests that a message lists.
const NAMES: usize = 8;

/// The most names of tests that a report lists.
const LISTED: usize = 100;

/// One run of a check, as far as runs are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) passed: bool,
    pub(crate) exit_code: Option<i32>,
    pub(crate) timed_out: bool,
    /// How many tests it ran; `None` where nothing says so.
    pub(crate) executed: Option<u64>,
    /// How many failed, as its closing lines say, whatever it ended with.
    pub(crate) failing: u64,
    /// The tests that failed, where something names them.
    pub(crate) failed: BTreeSet<String>,
    /// What it lacks, where its output names it.
    pub(crate) missing: Option<String>,
    /// The hosts that it did not reach.
    pub(crate) refused: Vec<String>,
}

/// The runs on base commits that are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Baseline(Arc<Mutex<HashMap<(ObjectId, String), Run>>>);

impl Baseline {
    pub(crate) fn known(&self, base: &ObjectId, command: &str) -> Option<Run> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(&(base.clone(), command.to_owned())).cloned()
    }

    pub(crate) fn keep(&self, base: &ObjectId, command: &str, run: Run) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert((base.clone(), command.to_owned()), run);
    }
}

/// How a check that failed on a result goes on the base commit. Tests are compared one by one where both runs name
/// them, else by how the command ended.
pub(crate) fn compare(result: &Run, base: &Run) -> OnBase {
    if base.passed {
        return OnBase::Passes;
    }
    let named = |tests: &mut dyn Iterator<Item = &String>| tests.take(LISTED).cloned().collect();
    let new: Vec<String> = named(&mut result.failed.difference(&base.failed));
    let other = || {
        let way = |run: &Run| (run.exit_code, run.timed_out, run.missing.clone());
        result.failed.is_empty() && (!base.failed.is_empty() || way(result) != way(base))
    };
    if !new.is_empty() || other() {
        return OnBase::NewFailures { tests: new };
    }
    let tests = named(&mut result.failed.intersection(&base.failed));
    OnBase::SameFailures { tests, missing: result.missing.clone() }
}

/// Whether what a check printed names one of these files: then what fails may be what the task is to mend, as where
/// its test was written first. What warns of a file, or says that it passed, says nothing of what fails.
pub(crate) fn is_about<'p>(output: &str, mut changed: impl Iterator<Item = &'p [u8]>) -> bool {
    let of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let output = &of_failures(output);
    changed.any(|path| {
        let Ok(path) = std::str::from_utf8(path) else { return false };
        !path.is_empty()
            && output.match_indices(path).any(|(at, _)| {
                let (before, after) = (&output[..at], &output[at + path.len()..]);
                !before.ends_with(|c| of_a_name(c) || c == '.')
                    && !after.starts_with(|c| of_a_name(c) || c == '/')
            })
    })
}

/// What a check printed without what warns, and without what passed.
fn of_failures(output: &str) -> String {
    const PASSED: [&str; 6] = ["PASS ", "PASSED", "ok ", "✓ ", "✔ ", "✅"];
    let mut is_warning = false;
    let kept = output.lines().filter(|line| {
        let line = line.trim();
        // pytest's section of warnings, up to the next.
        if line.starts_with("===") {
            is_warning = line.contains("warnings summary");
        }
        let has_passed = PASSED.iter().any(|word| line.starts_with(word))
            || line.ends_with(" ... ok")
            || line.contains(" PASSED");
        !is_warning && !has_passed && !line.to_lowercase().contains("warning")
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// The commands that lock files and manifests say would install what a clone needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetUpCommands {
    /// They could be run.
    Suggested(Vec<String>),
    /// They were run.
    Run(Vec<String>),
}

impl SetUpCommands {
    fn advice(&self) -> String {
        const PLACE: &str = "a cyrus-setup.sh at the top of the repository";
        const FILES: &str = "ignored files that .worktreeinclude lists are copied";
        match self {
            Self::Suggested(commands) if commands.is_empty() => {
                format!(". Install what a fresh clone needs in {PLACE}, or in hooks.setup; {FILES}")
            }
            Self::Suggested(commands) => format!(
                ". Install what a fresh clone needs in {PLACE}, here `{}`, or in hooks.setup; {FILES}",
                commands.join("` and `")
            ),
            Self::Run(commands) => format!(
                ". What was run to set the clone up (`{}`) failed, as the check's output says, or is not enough: {PLACE}, or hooks.setup, is run in its place; {FILES}",
                commands.join("` and `")
            ),
        }
    }
}

/// What checks may lack.
pub(crate) struct Lack {
    pub(crate) set_up: SetUpCommands,
    /// The end of what a set-up that failed printed.
    pub(crate) failure: Option<String>,
    /// Those of the base, which are empty in a clone.
    pub(crate) submodules: Vec<String>,
}

/// What is to be said of a check that fails as it does on the base commit: what it lacked, and what to do.
pub(crate) fn explain(report: &CheckReport, run: &Run, lack: &Lack) -> Option<String> {
    let Lack { set_up, failure, submodules } = lack;
    let Some(OnBase::SameFailures { tests, missing }) = &report.on_base else { return None };
    let command = &report.check.command;
    let end = match report.exit_code {
        _ if report.timed_out => "takes too long".to_owned(),
        Some(code) => format!("exit code {code}"),
        None => "ended by a signal".to_owned(),
    };
    let how = if tests.is_empty() { end } else { list(tests) };
    let mut said = format!(
        "`{command}` fails on the base commit too, with the same failures as before ({how})"
    );
    if let Some(missing) = missing {
        let _ = write!(said, "; {missing} is missing");
    }
    if !submodules.is_empty() {
        let _ = write!(said, "; submodules are empty in a clone: {}", list(submodules));
    }
    if !run.refused.is_empty() {
        let _ = write!(said, "; it did not reach {}", list(&run.refused));
    }
    if let Some(failure) = failure {
        let _ = write!(said, "; the set-up had failed ({failure})");
    }
    if missing.is_some() || !submodules.is_empty() || failure.is_some() {
        said.push_str(&set_up.advice());
    } else if !run.refused.is_empty() {
        said.push_str(
            ". Let it reach what it needs with `network.checks`, or have the set-up bring that",
        );
    } else {
        said.push_str(
            ". Mend the base, or choose with validation.failingBase what becomes of such results",
        );
    }
    Some(said)
}

/// What there is to repair where a result makes more tests fail than the base commit has.
pub(crate) fn new_failures(report: &CheckReport) -> Option<String> {
    let Some(OnBase::NewFailures { tests }) = &report.on_base else { return None };
    let command = &report.check.command;
    Some(if tests.is_empty() {
        format!("`{command}` fails in another way than on the base commit, where it fails too")
    } else {
        format!("`{command}` fails tests that do not fail on the base commit: {}", list(tests))
    })
}

pub(crate) fn list(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_core::{Check, CommandOrigin};
    use std::time::Duration;

    fn run(exit_code: i32, failed: &[&str], missing: Option<&str>) -> Run {
        Run {
            passed: exit_code == 0,
            exit_code: Some(exit_code),
            failed: failed.iter().map(|name| (*name).to_owned()).collect(),
            missing: missing.map(str::to_owned),
            ..Run::default()
        }
    }

    #[test]
    fn what_is_printed_may_name_what_was_changed() {
        let about = |output: &str, changed: &[&str]| {
            is_about(output, changed.iter().map(|path| path.as_bytes()))
        };
        for (output, changed) in [
            ("grep -q 3 a\nmake: *** [Makefile:2: test] Error 1", "a"),
            ("  File \"/w/tree/src/calc.py\", line 3, in add", "src/calc.py"),
            ("src/lib.rs:7:5: mismatched types", "src/lib.rs"),
            ("test failed: greet.sh.", "greet.sh"),
        ] {
            assert!(about(output, &["other", changed]), "{output}");
        }
        for (output, changed) in [
            ("sh t/flaky.sh\nmake: *** Error 1", "a"),
            ("a-b a_b ba .a a/b", "a"),
            ("my-src/lib.rs src/lib.rst", "src/lib.rs"),
            ("PASS src/a.test.js\nFAIL src/b.test.js", "src/a.test.js"),
            ("tests/a.py::test_x PASSED [ 50%]\ntests/b.py::test_y FAILED", "tests/a.py"),
            ("ok 1 - test/a.js\nnot ok 2 - test/b.js", "test/a.js"),
            ("src/a.c:3:1: warning: unused\nFAIL: b", "src/a.c"),
            (
                "=== FAILURES ===\nE x\n=== warnings summary ===\nsrc/u.py:530\n  Deprecation\n=== short ===\nFAILED t",
                "src/u.py",
            ),
            ("anything", ""),
        ] {
            assert!(!about(output, &[changed]), "{output} {changed}");
        }
    }

    #[test]
    fn runs_are_compared_test_by_test_where_they_name_them() {
        let same = |tests: &[&str]| OnBase::SameFailures {
            tests: tests.iter().map(|name| (*name).to_owned()).collect(),
            missing: None,
        };
        let new = |tests: &[&str]| OnBase::NewFailures {
            tests: tests.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (result, base, expected) in [
            (run(1, &["a"], None), run(0, &[], None), OnBase::Passes),
            (run(1, &["a"], None), run(1, &["a", "b"], None), same(&["a"])),
            (run(1, &["a", "c"], None), run(1, &["a", "b"], None), new(&["c"])),
            (run(101, &[], None), run(101, &["a"], None), new(&[])),
            (run(1, &["a"], None), run(2, &[], None), new(&["a"])),
            (run(2, &[], None), run(2, &[], None), same(&[])),
            (run(2, &[], None), run(127, &[], None), new(&[])),
            (run(2, &[], Some("x")), run(2, &[], Some("y")), new(&[])),
        ] {
            assert_eq!(compare(&result, &base), expected, "{result:?} {base:?}");
        }
    }

    #[test]
    fn a_check_that_failed_before_is_explained_by_what_it_lacks() {
        let check = Check {
            command: "make test".to_owned(),
            origin: CommandOrigin::Operator,
            timeout: Duration::from_mins(1),
        };
        let failed = CheckReport {
            check,
            passed: false,
            exit_code: Some(2),
            timed_out: false,
            duration_ms: 1,
            tests: None,
            on_base: None,
            output: String::new(),
        };
        let report = |missing: Option<&str>| CheckReport {
            on_base: Some(OnBase::SameFailures {
                tests: Vec::new(),
                missing: missing.map(str::to_owned),
            }),
            ..failed.clone()
        };
        let ran = |refused: &[&str]| Run {
            refused: refused.iter().map(|host| (*host).to_owned()).collect(),
            ..run(2, &[], None)
        };
        let lack = |failure: Option<&str>, submodules: &[&str]| Lack {
            set_up: SetUpCommands::Suggested(vec!["npm ci".to_owned()]),
            failure: failure.map(str::to_owned),
            submodules: submodules.iter().map(|path| (*path).to_owned()).collect(),
        };
        let (install, reach, mend) = ("here `npm ci`", "`network.checks`", "Mend the base");
        for (missing, refused, lack, reason, advice) in [
            (None, &[][..], lack(None, &[]), "(exit code 2)", mend),
            (Some("`jq`"), &[], lack(None, &[]), "`jq` is missing", install),
            (None, &[], lack(None, &["lib"]), "submodules are empty in a clone", install),
            (None, &["a.example"], lack(None, &[]), "did not reach a.example", reach),
            (None, &[], lack(Some("no key"), &[]), "the set-up had failed (no key)", install),
            (None, &["a.example"], lack(Some("no key"), &[]), "a.example", install),
        ] {
            let said = explain(&report(missing), &ran(refused), &lack).unwrap();
            for part in [reason, advice] {
                assert!(said.contains(part), "{part} is not in: {said}");
            }
            for other in [install, reach, mend].iter().filter(|other| **other != advice) {
                assert!(!said.contains(other), "{other} is in: {said}");
            }
        }
        let other = CheckReport { on_base: Some(OnBase::Passes), ..report(None) };
        assert_eq!(explain(&other, &ran(&[]), &lack(Some("x"), &[])), None);
    }
}
