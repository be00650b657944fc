//! What a fresh clone needs before its checks can run, from lock files and manifests.
//!
//! | known by | set-up |
//! |---|---|
//! | `package-lock.json`, `pnpm-lock.yaml`, `yarn.lock`, `bun.lock` | `npm ci`, `pnpm install --frozen-lockfile`, … |
//! | `package.json` with dependencies and no lock file | `npm install` |
//! | `uv.lock`, `poetry.lock`, `pdm.lock`, `Pipfile.lock` | `uv sync`, `poetry install`, … |
//! | `requirements.txt`, `requirements-dev.txt`, `requirements/dev.txt` and their like | a virtual environment at `.venv`, with pytest where that tests |
//! | `pyproject.toml` with a `project` that has dependencies, or extras or groups for tests, and no tool of its own; `setup.py` | the same with `pip install -e` |
//! | a project of Python that has none of these and is tested by pytest | the same with pytest alone |
//! | `Gemfile.lock`, `composer.lock`, `mix.lock`, `pubspec.lock` | `bundle install`, `composer install`, … |
//!
//! Rust, Go, Maven, Gradle and .NET fetch what they need as they build, and have none.

use super::{Detected, Directory, Listing, depth, has, is_below, node, placed_command, python};

/// The set-up of each directory that has one, those of a workspace at its top.
pub(crate) fn set_up(listing: &Listing) -> Vec<Detected> {
    let mut found: Vec<(&str, &'static str, Detected)> = Vec::new();
    let mut directories: Vec<&str> = listing.keys().map(String::as_str).collect();
    directories.sort_by_key(|directory| (depth(directory), *directory));
    for directory in directories.into_iter().take(super::PROJECTS) {
        for (ecosystem, command, file) in of_directory(listing, directory) {
            let covered = found.iter().any(|(above, known, _)| {
                *known == ecosystem
                    && is_below(directory, above)
                    && covers(listing, above, ecosystem)
            });
            if !covered {
                let detected = placed_command(directory, &command, file);
                found.push((directory, ecosystem, detected));
            }
        }
    }
    found.into_iter().map(|(_, _, detected)| detected).take(super::CHECKS).collect()
}

fn covers(listing: &Listing, above: &str, ecosystem: &str) -> bool {
    ecosystem != "node" || listing.get(above).is_some_and(node::is_workspace)
}

fn of_directory(listing: &Listing, directory: &str) -> Vec<(&'static str, String, &'static str)> {
    let here = &listing[directory];
    let node = node(listing, directory).map(|(command, file)| ("node", command, file));
    let python = python(listing, directory).map(|(command, file)| ("python", command, file));
    let locks = [
        ("ruby", "Gemfile.lock", "bundle install"),
        ("ruby", "Gemfile", "bundle install"),
        ("php", "composer.lock", "composer install --no-interaction"),
        ("elixir", "mix.lock", "mix local.hex --force --if-missing && mix deps.get"),
        ("dart", "pubspec.lock", "dart pub get"),
    ];
    let mut found: Vec<_> = node.into_iter().chain(python).collect();
    for (ecosystem, file, command) in locks {
        if has(here, file) && found.iter().all(|(known, ..)| *known != ecosystem) {
            found.push((ecosystem, command.to_owned(), file));
        }
    }
    found
}

fn node(listing: &Listing, directory: &str) -> Option<(String, &'static str)> {
    let here = &listing[directory];
    let package = node::package(here)?;
    let manager = node::Manager::of(listing, directory);
    let (file, command) = manager.installs();
    if let Some(lock) = file.iter().find(|lock| has(here, lock)) {
        return Some((command.to_owned(), lock));
    }
    let depends = ["dependencies", "devDependencies"]
        .iter()
        .any(|key| package[*key].as_object().is_some_and(|all| !all.is_empty()));
    depends.then(|| (manager.installs_without_lock().to_owned(), "package.json"))
}

fn python(listing: &Listing, directory: &str) -> Option<(String, &'static str)> {
    use python::Manager;
    let here = &listing[directory];
    let found = |command: &str, file: &'static str| Some((command.to_owned(), file));
    match Manager::of(here) {
        Manager::Uv if has(here, "uv.lock") => found(&python::uv_sync(here), "uv.lock"),
        Manager::Poetry if has(here, "poetry.lock") => {
            found("poetry install --no-interaction", "poetry.lock")
        }
        Manager::Pdm if has(here, "pdm.lock") => found("pdm sync", "pdm.lock"),
        Manager::Pipenv if has(here, "Pipfile.lock") => found("pipenv sync --dev", "Pipfile.lock"),
        Manager::None => installed_by_pip(listing, directory),
        _ if has(here, "requirements.txt") => installed_by_pip(listing, directory),
        _ => None,
    }
}

/// What pip installs of a project: what its lists require, else what the project says of itself, with pytest where that
/// tests.
fn installed_by_pip(listing: &Listing, directory: &str) -> Option<(String, &'static str)> {
    const LISTS: [&str; 5] = [
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-test.txt",
        "dev-requirements.txt",
        "test-requirements.txt",
    ];
    const PLACED: [&str; 3] = ["base.txt", "dev.txt", "test.txt"];
    let here = &listing[directory];
    let below = if directory.is_empty() {
        "requirements".to_owned()
    } else {
        format!("{directory}/requirements")
    };
    let placed = listing.get(&below);
    let placed = PLACED.iter().filter(|name| placed.is_some_and(|place| has(place, name)));
    let lists = LISTS.iter().filter(|name| has(here, name)).map(|name| (*name).to_owned());
    let lists: Vec<_> = lists.chain(placed.map(|name| format!("requirements/{name}"))).collect();
    // An application is not installed itself.
    let (wanted, of) = if has(here, "requirements.txt") {
        (None, "requirements.txt")
    } else if has(here, "pyproject.toml") {
        (python::project(here), "pyproject.toml")
    } else if has(here, "setup.py") {
        (Some("-e .".to_owned()), "setup.py")
    } else {
        (None, "requirements")
    };
    let file = LISTS.iter().copied().find(|name| has(here, name)).unwrap_or(of);
    let mut arguments: Vec<_> = lists.iter().map(|list| format!("-r {list}")).collect();
    arguments.extend(wanted);
    let names_pytest = arguments.iter().any(|argument| argument.contains("pytest"));
    if is_tested_by_pytest(here) && !names_pytest && (!arguments.is_empty() || is_project(here)) {
        arguments.push("pytest".to_owned());
    }
    (!arguments.is_empty()).then(|| (format!("{PIP} {}", arguments.join(" ")), file))
}

/// Whether a directory is one of a project of Python.
fn is_project(here: &Directory) -> bool {
    ["pyproject.toml", "setup.cfg", "setup.py"].iter().any(|name| has(here, name))
}

/// Whether pytest runs the tests: it is installed also where nothing that is installed asks for it.
fn is_tested_by_pytest(here: &Directory) -> bool {
    python::check(here).is_some_and(|check| check.command.ends_with("pytest -q"))
}

/// Installs into a virtual environment, which checks use where it is.
const PIP: &str = "python3 -m venv .venv && .venv/bin/python -m pip install";
