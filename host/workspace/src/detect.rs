//! Works out how a repository is tested, from the files at the top of the base commit.
//!
//! | file at the top | check |
//! |---|---|
//! | `Cargo.toml` | `cargo test` |
//! | `package.json` with a `test` script (not the one `npm init` writes) | `npm test`, or `pnpm test`, `yarn test`, `bun run test` by `packageManager` or lock file |
//! | `pytest.ini`, `conftest.py`, `[tool.pytest` in `pyproject.toml`, `[pytest]` in `tox.ini`, `[tool:pytest]` in `setup.cfg`, or a `tests` directory beside `pyproject.toml`, `setup.py` or `requirements.txt` | `python3 -m pytest -q` |
//! | `go.mod` | `go test ./...` |
//! | `Makefile` (`GNUmakefile`, `makefile`) with a target `test`, else `check`; only when nothing above matched, because such a target usually calls the above | `make test`, `make check` |
//!
//! Every language that is there is checked. `.cyrus/` or any other file of the repository is not asked what to run:
//! what a repository may decide is what its own test command does, not which command the host runs.

use serde_json::Value;
use std::collections::BTreeMap;

/// The files whose content the table looks at; of the others it matters only that they are there.
pub(crate) const READ: [&str; 7] = [
    "package.json",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
    "GNUmakefile",
    "makefile",
    "Makefile",
];

/// What is at the top of a commit: names, and the content of the files of [`READ`].
pub(crate) type TopLevel = BTreeMap<String, Option<String>>;

/// A command, and the file that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) command: String,
    pub(crate) file: String,
}

/// The checks for a repository with these files.
pub(crate) fn detect(top: &TopLevel) -> Vec<Detected> {
    let mut found: Vec<Detected> =
        [cargo(top), node(top), pytest(top), go(top)].into_iter().flatten().collect();
    if found.is_empty() {
        found.extend(make(top));
    }
    found
}

fn detected(command: impl Into<String>, file: &str) -> Detected {
    Detected { command: command.into(), file: file.to_owned() }
}

fn content<'a>(top: &'a TopLevel, name: &str) -> Option<&'a str> {
    top.get(name)?.as_deref()
}

fn cargo(top: &TopLevel) -> Option<Detected> {
    top.contains_key("Cargo.toml").then(|| detected("cargo test", "Cargo.toml"))
}

fn go(top: &TopLevel) -> Option<Detected> {
    top.contains_key("go.mod").then(|| detected("go test ./...", "go.mod"))
}

fn node(top: &TopLevel) -> Option<Detected> {
    const FILE: &str = "package.json";
    let package: Value = serde_json::from_str(content(top, FILE)?).ok()?;
    let script = package["scripts"]["test"].as_str()?.trim();
    if script.is_empty() || script.contains("no test specified") {
        return None;
    }
    let named = package["packageManager"].as_str().and_then(|name| name.split('@').next());
    let has = |name: &str| top.contains_key(name);
    let command = match named {
        Some("pnpm") => "pnpm test",
        Some("yarn") => "yarn test",
        Some("bun") => "bun run test",
        Some("npm") => "npm test",
        _ if has("pnpm-lock.yaml") => "pnpm test",
        _ if has("yarn.lock") => "yarn test",
        _ if has("bun.lock") || has("bun.lockb") => "bun run test",
        _ => "npm test",
    };
    Some(detected(command, FILE))
}

fn pytest(top: &TopLevel) -> Option<Detected> {
    let has = |name: &str| top.contains_key(name);
    let says = |name: &str, part: &str| {
        content(top, name)
            .is_some_and(|text| text.lines().any(|line| line.trim_start().starts_with(part)))
    };
    let file = if has("pytest.ini") {
        "pytest.ini"
    } else if has("conftest.py") {
        "conftest.py"
    } else if says("pyproject.toml", "[tool.pytest") {
        "pyproject.toml"
    } else if says("tox.ini", "[pytest]") {
        "tox.ini"
    } else if says("setup.cfg", "[tool:pytest]") {
        "setup.cfg"
    } else if has("tests") {
        ["pyproject.toml", "setup.py", "requirements.txt"].into_iter().find(|name| has(name))?
    } else {
        return None;
    };
    Some(detected("python3 -m pytest -q", file))
}

/// GNU make reads the first of these that is there.
fn make(top: &TopLevel) -> Option<Detected> {
    let file = ["GNUmakefile", "makefile", "Makefile"]
        .into_iter()
        .find(|name| content(top, name).is_some())?;
    let text = content(top, file)?;
    ["test", "check"]
        .into_iter()
        .find(|target| text.lines().any(|line| is_target(line, target)))
        .map(|target| detected(format!("make {target}"), file))
}

/// Whether a line of a makefile is a rule for this target: `test:`, `all test: deps`, and no variable (`test := x`).
fn is_target(line: &str, target: &str) -> bool {
    if line.starts_with(['\t', '#', '.']) {
        return false;
    }
    let Some((targets, rest)) = line.split_once(':') else { return false };
    !rest.starts_with(['=', ':']) && targets.split_whitespace().any(|word| word == target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let top = files.iter().map(|(name, text)| {
            let text = READ.contains(name).then(|| (*text).to_owned());
            ((*name).to_owned(), text)
        });
        detect(&top.collect()).into_iter().map(|found| (found.command, found.file)).collect()
    }

    #[test]
    fn the_table_holds() {
        const TEST: &str = r#"{"scripts": {"test": "vitest run"}}"#;
        for (files, command, file) in [
            (&[("Cargo.toml", "")][..], "cargo test", "Cargo.toml"),
            (&[("package.json", TEST)], "npm test", "package.json"),
            (&[("package.json", TEST), ("pnpm-lock.yaml", "")], "pnpm test", "package.json"),
            (&[("package.json", TEST), ("yarn.lock", "")], "yarn test", "package.json"),
            (&[("package.json", TEST), ("bun.lock", "")], "bun run test", "package.json"),
            (
                &[
                    ("package.json", r#"{"scripts":{"test":"x"},"packageManager":"pnpm@9.1.0"}"#),
                    ("yarn.lock", ""),
                ],
                "pnpm test",
                "package.json",
            ),
            (&[("pytest.ini", "")], "python3 -m pytest -q", "pytest.ini"),
            (&[("conftest.py", "")], "python3 -m pytest -q", "conftest.py"),
            (
                &[("pyproject.toml", "[project]\n[tool.pytest.ini_options]\n")],
                "python3 -m pytest -q",
                "pyproject.toml",
            ),
            (&[("tox.ini", "[pytest]\n")], "python3 -m pytest -q", "tox.ini"),
            (&[("setup.cfg", "[tool:pytest]\n")], "python3 -m pytest -q", "setup.cfg"),
            (&[("setup.py", ""), ("tests", "")], "python3 -m pytest -q", "setup.py"),
            (&[("go.mod", "")], "go test ./...", "go.mod"),
            (&[("Makefile", "all: test\n\ntest: build\n\t./t\n")], "make test", "Makefile"),
            (&[("GNUmakefile", "check lint:\n")], "make check", "GNUmakefile"),
            (&[("Makefile", "check:\ntest:\n")], "make test", "Makefile"),
        ] {
            assert_eq!(commands(files), [(command.to_owned(), file.to_owned())]);
        }
    }

    #[test]
    fn what_is_no_test_is_not_taken_for_one() {
        for files in [
            &[][..],
            &[("README.md", "test:")],
            &[(
                "package.json",
                r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#,
            )],
            &[("package.json", r#"{"scripts":{"build":"tsc"}}"#)],
            &[("package.json", "{ broken")],
            &[("pyproject.toml", "# [tool.pytest]\n")],
            &[("tests", "")],
            &[("Makefile", "test := x\ntests:\n\techo test:\n.PHONY: test\n# test:\n")],
            &[(".cyrus", ""), ("test.sh", "")],
        ] {
            assert!(commands(files).is_empty(), "{files:?}");
        }
    }

    #[test]
    fn every_language_is_checked_and_make_only_stands_in() {
        let package = r#"{"scripts": {"test": "jest"}}"#;
        let found =
            commands(&[("Cargo.toml", ""), ("package.json", package), ("Makefile", "test:\n")]);
        let found: Vec<_> = found.iter().map(|(command, _)| command.as_str()).collect();
        assert_eq!(found, ["cargo test", "npm test"]);
    }
}
