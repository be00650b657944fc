//! Projects of Python.

use super::{Check, Directory, Ecosystem, content, has, has_section};

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
