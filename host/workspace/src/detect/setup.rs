//! What a fresh clone needs before its checks can run, from lock files and manifests.
//!
//! | known by | set-up |
//! |---|---|
//! | `package-lock.json`, `pnpm-lock.yaml`, `yarn.lock`, `bun.lock` | `npm ci`, `pnpm install --frozen-lockfile`, … |
//! | `package.json` with dependencies and no lock file | `npm install` |
//! | `uv.lock`, `poetry.lock`, `pdm.lock`, `Pipfile.lock` | `uv sync`, `poetry install`, … |
//! | `requirements.txt` (with `requirements-dev.txt`) | a virtual environment at `.venv`, with pytest where that tests |
//! | `pyproject.toml` with a `project` that has dependencies, or extras or groups for tests, and no tool of its own | the same with `pip install -e` |
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
    let python = python(here).map(|(command, file)| ("python", command, file));
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

fn python(here: &Directory) -> Option<(String, &'static str)> {
    use python::Manager;
    let found = |command: &str, file: &'static str| Some((command.to_owned(), file));
    match Manager::of(here) {
        Manager::Uv if has(here, "uv.lock") => found(&python::uv_sync(here), "uv.lock"),
        Manager::Poetry if has(here, "poetry.lock") => {
            found("poetry install --no-interaction", "poetry.lock")
        }
        Manager::Pdm if has(here, "pdm.lock") => found("pdm sync", "pdm.lock"),
        Manager::Pipenv if has(here, "Pipfile.lock") => found("pipenv sync --dev", "Pipfile.lock"),
        _ if has(here, "requirements.txt") => {
            let more =
                if has(here, "requirements-dev.txt") { " -r requirements-dev.txt" } else { "" };
            let tests = if is_tested_by_pytest(here) { " pytest" } else { "" };
            found(&format!("{PIP} -r requirements.txt{more}{tests}"), "requirements.txt")
        }
        Manager::None => {
            let wanted = python::project(here)?;
            let tests = if is_tested_by_pytest(here) && !wanted.contains("pytest") {
                " pytest"
            } else {
                ""
            };
            found(&format!("{PIP} {wanted}{tests}"), "pyproject.toml")
        }
        _ => None,
    }
}

/// Whether pytest runs the tests: it is installed also where nothing that is installed asks for it.
fn is_tested_by_pytest(here: &Directory) -> bool {
    python::check(here).is_some_and(|check| check.command.ends_with("pytest -q"))
}

/// Installs into a virtual environment, which checks use where it is.
const PIP: &str = "python3 -m venv .venv && .venv/bin/python -m pip install";
