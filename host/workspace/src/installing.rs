//! Results that ask for other dependencies than the base commit. What the set-up installed on the base is not what they
//! are to be checked with, so what they ask for is installed in the trees of their checks: by the same scripts, or by
//! what their lock files and manifests say, in the sandbox of the checks and with what the checks may reach.

use crate::{
    detect,
    object::ObjectId,
    repository::Main,
    settings::WorkspaceSettings,
    setup::{SetUp, Stage},
    tree::{Installing, Tree, Trees},
    validator::CommandValidator,
};
use cyrus_core::{Observer, SessionEvent, WorkspaceError};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// Files that say what is installed before anything can be run.
const NAMES: [&str; 24] = [
    "Gemfile",
    "Gemfile.lock",
    "Pipfile",
    "Pipfile.lock",
    "bun.lock",
    "bun.lockb",
    "composer.json",
    "composer.lock",
    "mix.exs",
    "mix.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.json",
    "pdm.lock",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "poetry.lock",
    "pubspec.lock",
    "pubspec.yaml",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "uv.lock",
    "yarn.lock",
];

/// Parts of the keys of `package.json` that say what is installed.
const PARTS: [&str; 5] =
    ["ependencies", "overrides", "resolutions", "workspaces", "packageManager"];

/// Whether a file of this path says what is installed: none of those that are tested with, or are other people's.
fn says_what_is_installed(path: &str) -> bool {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    if above.split('/').any(detect::is_of_others) {
        return false;
    }
    let is_text = Path::new(name).extension().is_some_and(|ending| ending == "txt");
    NAMES.contains(&name) || name.starts_with("requirements") && is_text
}

/// What of `package.json` says what is installed; `None` where it is no JSON object.
fn asked_for(package: &[u8]) -> Option<BTreeMap<String, Value>> {
    let all: BTreeMap<String, Value> = serde_json::from_slice(package).ok()?;
    let is_asked = |key: &String| PARTS.iter().any(|part| key.contains(part));
    Some(all.into_iter().filter(|(key, _)| is_asked(key)).collect())
}

/// The first of the changed files by which the result asks for something else than the base.
async fn cause(
    main: &Main,
    (base, result): (&ObjectId, &ObjectId),
    changed: &[Vec<u8>],
) -> Result<Option<String>, WorkspaceError> {
    for path in changed.iter().filter_map(|path| str::from_utf8(path).ok()) {
        if !says_what_is_installed(path) {
            continue;
        }
        if path.rsplit('/').next() != Some("package.json") {
            return Ok(Some(path.to_owned()));
        }
        let (before, after) = (main.file(base, path).await?, main.file(result, path).await?);
        let asked = |content: Option<Vec<u8>>| content.as_deref().and_then(asked_for);
        if asked(before).unwrap_or_default() != asked(after).unwrap_or_default() {
            return Ok(Some(path.to_owned()));
        }
    }
    Ok(None)
}

impl CommandValidator {
    /// Has what the result asks for installed in its trees, where it asks for something else than the base.
    pub(crate) async fn follow_dependencies(
        &self,
        trees: &mut Trees<'_>,
        result: &ObjectId,
        changed: &[Vec<u8>],
        observer: &dyn Observer,
    ) -> Result<(), WorkspaceError> {
        let cause = cause(trees.site.main, (trees.site.base, result), changed).await?;
        let Some(file) = cause else { return Ok(()) };
        let settings = self.settings_of_checks();
        trees.installing.steps = self.stage(trees, &settings).steps_for(result).await?;
        if !trees.installing.steps.is_empty() {
            let message = format!(
                "the result changes {file}: what it asks for is installed before each check"
            );
            observer.on_event(SessionEvent::Warning { message });
        }
        Ok(())
    }

    /// Installs in a tree what the result asks for.
    pub(crate) async fn install(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        tree: &mut Tree,
    ) -> Result<(), WorkspaceError> {
        let Installing { steps, failure: first } = &trees.installing;
        if steps.is_empty() {
            return Ok(());
        }
        let settings = self.settings_of_checks();
        let SetUp { said, failure } = self.stage(trees, &settings).set_up(steps.clone()).await?;
        // What failed on the base says nothing of this.
        tree.set_up_failure = failure.map(|_| said);
        if let Some(said) = &tree.set_up_failure {
            first.get_or_init(|| said.clone());
        }
        tree.environment = trees.environment(result).await?;
        Ok(())
    }

    /// Those of the set-up with what checks may do.
    fn settings_of_checks(&self) -> WorkspaceSettings {
        WorkspaceSettings { launcher: self.launcher.clone(), ..self.settings.clone() }
    }

    fn stage<'a>(&'a self, trees: &'a Trees<'_>, settings: &'a WorkspaceSettings) -> Stage<'a> {
        let site = &trees.site;
        let place = site.place();
        Stage { git: &self.git, settings, main: site.main, spec: site.spec, base: site.base, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_say_what_is_installed_are_known_wherever_they_are() {
        for path in ["package.json", "web/pnpm-lock.yaml", "requirements-dev.txt", "a/b/setup.py"] {
            assert!(says_what_is_installed(path), "{path}");
        }
        for path in [
            "Cargo.lock",
            "go.sum",
            "my-package.json",
            "package.json/a",
            "notes.txt",
            "tests/fixtures/app/package.json",
            "",
        ] {
            assert!(!says_what_is_installed(path), "{path}");
        }
    }

    #[test]
    fn of_package_json_only_what_is_installed_counts() {
        let base = r#"{"version": "1", "scripts": {"test": "a"}, "dependencies": {"x": "1"}}"#;
        let differs = |other: &str| asked_for(base.as_bytes()) != asked_for(other.as_bytes());
        for same in [
            r#"{"version": "2", "scripts": {"test": "b"}, "dependencies": {"x": "1"}}"#,
            r#"{"dependencies": {"x": "1"}, "files": ["y"]}"#,
        ] {
            assert!(!differs(same), "{same}");
        }
        for other in [
            r#"{"dependencies": {"x": "2"}}"#,
            r#"{"dependencies": {"x": "1"}, "devDependencies": {"y": "1"}}"#,
            r#"{"dependencies": {"x": "1"}, "overrides": {"y": "1"}}"#,
            r#"{"dependencies": {"x": "1"}, "pnpm": 1, "resolutions": {"z": "1"}}"#,
            "{}",
            "no JSON",
        ] {
            assert!(differs(other), "{other}");
        }
    }
}
