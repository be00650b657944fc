//! Projects of Python.

use super::{Check, Directory, Ecosystem, content, has, has_section};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// What runs a program in the environment of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    Uv,
    Poetry,
    Pdm,
    Pipenv,
    Hatch,
    None,
}

impl Manager {
    pub(crate) fn of(here: &Directory) -> Self {
        let pyproject = content(here, "pyproject.toml").unwrap_or_default();
        if has(here, "uv.lock") || has_section(pyproject, "tool.uv") {
            Self::Uv
        } else if has(here, "poetry.lock") || has_section(pyproject, "tool.poetry") {
            Self::Poetry
        } else if has(here, "pdm.lock") || has_section(pyproject, "tool.pdm") {
            Self::Pdm
        } else if has(here, "Pipfile") {
            Self::Pipenv
        } else if has_section(pyproject, "tool.hatch.envs") {
            Self::Hatch
        } else {
            Self::None
        }
    }

    fn runs(self, program: &str) -> String {
        let with = match self {
            Self::Uv => "uv run ",
            Self::Poetry => "poetry run ",
            Self::Pdm => "pdm run ",
            Self::Pipenv => "pipenv run ",
            Self::Hatch => "hatch run ",
            Self::None => "python3 -m ",
        };
        format!("{with}{program}")
    }
}

/// How a project's extras and groups with what its tests need are called.
const FOR_TESTS: [&str; 6] = ["dev", "develop", "development", "test", "testing", "tests"];

/// The most requirements of groups that are named in a command.
const MAX_REQUIREMENTS: usize = 100;

/// The arguments that have pip install the project in its directory with what its tests need; `None` where the project
/// says of nothing that it needs it, or is none. Groups are of PEP 735, which older versions of pip do not know: what is
/// in them is named one by one.
pub(super) fn project(here: &Directory) -> Option<String> {
    let document: Table = content(here, "pyproject.toml")?.parse().ok()?;
    let project = document.get("project")?.as_table()?;
    let is_for_tests = |(name, _): &(&String, &Value)| FOR_TESTS.contains(&name.as_str());
    let extras = project.get("optional-dependencies").and_then(Value::as_table);
    let extras: Vec<_> = extras.into_iter().flatten().filter(is_for_tests).collect();
    let groups = document.get("dependency-groups").and_then(Value::as_table);
    let mut required = BTreeSet::new();
    for (name, _) in groups.into_iter().flatten().filter(is_for_tests) {
        gather(groups?, name, &mut required, GROUPS_DEEP);
    }
    if required.len() > MAX_REQUIREMENTS
        || (extras.is_empty() && required.is_empty() && !depends(project))
    {
        return None;
    }
    let mut names: Vec<_> = extras.iter().map(|(name, _)| name.as_str()).collect();
    // A project that requires itself with an extra is the one in its directory, and no release of it.
    let own_name = project.get("name").and_then(Value::as_str).map(normal);
    required.retain(|requirement| {
        let (name, extras) = named(requirement);
        let is_itself = Some(normal(name)) == own_name;
        names.extend(extras.filter(|_| is_itself));
        !is_itself
    });
    names.sort_unstable();
    names.dedup();
    let itself =
        if names.is_empty() { ".".to_owned() } else { shell(&format!(".[{}]", names.join(","))) };
    let required = required.into_iter().map(|requirement| format!(" {}", shell(requirement)));
    Some(format!("-e {itself}{}", required.collect::<String>()))
}

/// The command that has uv install what the lock file says: all packages of a workspace, and what its tests need where
/// that is in extras or in groups that uv does not install unasked.
pub(super) fn uv_sync(here: &Directory) -> String {
    let document: Option<Table> =
        content(here, "pyproject.toml").and_then(|text| text.parse().ok());
    let at = |keys: &[&str]| {
        let mut tables = document.as_ref();
        for key in keys {
            tables = tables?.get(*key)?.as_table();
        }
        tables
    };
    let is_there = |keys: &[&str]| at(keys).is_some();
    let mut command = "uv sync --frozen".to_owned();
    if is_there(&["tool", "uv", "workspace"]) {
        command.push_str(" --all-packages");
    }
    let options: [(&str, &[&str]); 2] = [
        (" --extra ", &["project", "optional-dependencies"]),
        (" --group ", &["dependency-groups"]),
    ];
    for (option, keys) in options {
        let names = at(keys).into_iter().flatten().map(|(name, _)| name.as_str());
        for name in names.filter(|name| FOR_TESTS.contains(name)) {
            command.push_str(option);
            command.push_str(name);
        }
    }
    command
}

/// Whether a project depends on others, or has its build say on which.
fn depends(project: &Table) -> bool {
    let entries = |key: &str| project.get(key).and_then(Value::as_array).into_iter().flatten();
    entries("dependencies").next().is_some()
        || entries("dynamic").any(|key| key.as_str() == Some("dependencies"))
}

/// The name of what is required, and its extras: `requests[socks]>=2`.
fn named(requirement: &str) -> (&str, impl Iterator<Item = &str>) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let (name, rest) =
        requirement.split_at(requirement.find(|c| !is_part(c)).unwrap_or(requirement.len()));
    let extras = rest.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let extras = extras.into_iter().flat_map(|(extras, _)| extras.split(',')).map(str::trim);
    (name, extras.filter(move |extra| !extra.is_empty() && extra.chars().all(is_part)))
}

/// A name as Python's index compares it.
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// How deep groups that include others are followed.
const GROUPS_DEEP: usize = 8;

/// The requirements of a group and of those that it includes. What would be an option is none.
fn gather<'a>(groups: &'a Table, name: &str, into: &mut BTreeSet<&'a str>, deep: usize) {
    let entries = groups.get(name).and_then(Value::as_array).into_iter().flatten();
    for entry in entries {
        match entry {
            Value::String(requirement)
                if requirement.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && !requirement.contains(char::is_control) =>
            {
                into.insert(requirement);
            }
            Value::Table(other) if deep > 0 => {
                if let Some(name) = other.get("include-group").and_then(Value::as_str) {
                    gather(groups, name, into, deep - 1);
                }
            }
            _ => {}
        }
    }
}

/// As one word for a shell.
fn shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Whether a file is named as one of pytest's or unittest's.
pub(super) fn is_test_file(name: &str) -> bool {
    let stem = name.strip_suffix(".py");
    stem.is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
}

pub(super) fn check(here: &Directory) -> Option<Check> {
    let manager = Manager::of(here);
    if let Some(file) = sign_of_pytest(here) {
        return Some(found(manager.runs("pytest -q"), file));
    }
    if content(here, "tox.ini")
        .is_some_and(|text| has_section(text, "tox") || has_section(text, "testenv"))
        || content(here, "pyproject.toml").is_some_and(|text| has_section(text, "tool.tox"))
    {
        let file = if has(here, "tox.ini") { "tox.ini" } else { "pyproject.toml" };
        return Some(found("tox".to_owned(), file));
    }
    if has(here, "noxfile.py") {
        return Some(found("nox".to_owned(), "noxfile.py"));
    }
    if has(here, "manage.py") {
        let python =
            if manager == Manager::None { "python3".to_owned() } else { manager.runs("python") };
        return Some(found(format!("{python} manage.py test"), "manage.py"));
    }
    let project = ["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile"]
        .into_iter()
        .find(|name| has(here, name))?;
    let tests =
        has(here, "tests") || has(here, "test") || here.keys().any(|name| is_test_file(name));
    tests.then(|| found(manager.runs("pytest -q"), project))
}

fn found(command: String, file: &str) -> Check {
    super::check(Ecosystem::Python, command, file)
}

/// The file that says that pytest is what tests.
fn sign_of_pytest(here: &Directory) -> Option<&'static str> {
    let in_file = |name: &str, section: &str| {
        content(here, name).is_some_and(|text| has_section(text, section))
    };
    if has(here, "pytest.ini") {
        Some("pytest.ini")
    } else if has(here, "conftest.py") {
        Some("conftest.py")
    } else if in_file("pyproject.toml", "tool.pytest") {
        Some("pyproject.toml")
    } else if in_file("tox.ini", "pytest") {
        Some("tox.ini")
    } else if in_file("setup.cfg", "tool:pytest") {
        Some("setup.cfg")
    } else if has(here, "tests")
        && ["pyproject.toml", "setup.py", "requirements.txt"].iter().any(|name| has(here, name))
    {
        ["pyproject.toml", "setup.py", "requirements.txt"].into_iter().find(|name| has(here, name))
    } else {
        None
    }
}
