//! Results that ask for other dependencies than the base commit. What the set-up installed on the base is not what they
//! are to be checked with, so what they ask for is installed for their checks: by the same scripts, or by what their lock
//! files and manifests say, in the sandbox of the checks and with what the checks may reach. What the result decides of
//! that besides is for a person to look at.

use crate::{
    copy::make_plain_directory,
    definitions::{Definitions, within},
    detect,
    error::{in_background, io},
    installed::Places,
    object::ObjectId,
    prepared::Prepared,
    remove::remove_tree,
    repository::Main,
    settings::WorkspaceSettings,
    setup::Stage,
    sources::own_sources,
    tree::{Installed, Trees},
    validator::{CommandValidator, ending},
};
use cyrus_core::{SessionEvent, WorkspaceError};
use regex_lite::Regex;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::LazyLock,
};

/// How many projects of a repository are looked at, and how many doubts are named.
const PROJECTS: usize = 200;
const DOUBTS: usize = 5;

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

/// Keys of scripts in `package.json` that are run while something is installed.
const INSTALL_SCRIPTS: [&str; 8] = [
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
    "prepublish",
    "pnpm:devPreinstall",
];

/// Files whose code is run while something is installed.
const CODE: [&str; 6] =
    [".pnpmfile.cjs", "Gemfile", "build.py", "hatch_build.py", "mix.exs", "setup.py"];

/// Whether a file of this path is such a file.
fn is_code_of_installing(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    CODE.contains(&name) || name.ends_with(".gemspec")
}

/// Has a file of a tree be that of a commit, or none.
async fn put(
    main: &Main,
    commit: &ObjectId,
    path: &str,
    root: &Path,
) -> Result<(), WorkspaceError> {
    let above = Path::new(path).parent().unwrap_or(Path::new(""));
    let Some(above) = make_plain_directory(root, above)? else { return Ok(()) };
    let file = above.join(Path::new(path).file_name().unwrap_or_default());
    remove_tree(&file)?;
    match main.file(commit, path).await? {
        Some(content) => fs::write(&file, content).map_err(io("cannot write", &file)),
        None => Ok(()),
    }
}

/// What does more in such a file than to name packages, outside of texts.
static DOES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[`;]|%x|\w\s*\(|\w\.\w+|\b(?:import|exec|system|eval|require|spawn|lambda|def|class|while|for)\b")
        .expect("it is tested")
});

static TEXTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|#.*"#).expect("it is tested")
});

/// Whether the result's version of such a file does what the base's does not.
fn does_more(base: &[u8], result: &[u8]) -> bool {
    let (base, result) = (String::from_utf8_lossy(base), String::from_utf8_lossy(result));
    let known: BTreeSet<&str> = base.lines().map(str::trim).collect();
    let added = result.lines().map(str::trim).filter(|line| !known.contains(line));
    added.into_iter().any(|line| {
        // What a text has worked out is code as well.
        line.contains("#{") || DOES.is_match(&TEXTS.replace_all(line, "\"\""))
    })
}

/// What is run while something is installed.
#[derive(Debug, Default, PartialEq, Eq)]
struct RunByInstalling {
    /// Files, with or without their endings.
    files: Vec<String>,
    /// Modules: files and directories, without their endings.
    modules: Vec<String>,
}

impl RunByInstalling {
    /// Adds the paths that a script names which is run in a directory.
    fn add(&mut self, directory: &str, script: &str) {
        let words = script.split(|c: char| c.is_whitespace() || "\"'`;&|()<>=,".contains(c));
        let words = words.filter(|word| !word.trim_matches(['.', '/']).is_empty());
        self.files.extend(words.filter_map(|word| within(directory, word)));
    }

    fn has(&self, path: &str) -> bool {
        let is = |path: &str, known: &[String], after: &[char]| {
            known.iter().any(|known| {
                path.strip_prefix(known.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(after))
            })
        };
        // What is installed is read there, and says so itself.
        !says_what_is_installed(path) && is(path, &self.files, &['.'])
            || is(path, &self.modules, &['.', '/'])
    }
}

impl CommandValidator {
    /// Has what the result asks for installed for its trees, where it asks for something else than the base. Gives why a
    /// person has to look at what that makes of the checks.
    pub(crate) async fn follow_dependencies(
        &self,
        trees: &mut Trees<'_>,
        result: &ObjectId,
        changed: &[Vec<u8>],
        definitions: &Definitions,
    ) -> Result<Vec<String>, WorkspaceError> {
        let (main, base) = (trees.site.main, trees.site.base);
        let Some(file) = cause(main, (base, result), changed).await? else { return Ok(Vec::new()) };
        let settings = self.settings_of_checks();
        let steps = self.stage(trees, &settings).steps_for(result).await?;
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let message =
            format!("the result changes {file}: what it asks for is installed before its checks");
        trees.observer.on_event(SessionEvent::Warning { message });
        let mut doubts = deciding(main, (base, result), changed).await?;
        let before = trees.site.prepared().await?.map(|prepared| prepared.place);
        let lacks_included = before.is_none();
        // What is run meanwhile is the base's, whatever it reads: of the result there is what says what is installed.
        let tree = trees.fresh(base).await?;
        for path in changed.iter().filter_map(|path| str::from_utf8(path).ok()) {
            if says_what_is_installed(path) || is_code_of_installing(path) {
                put(main, result, path, &tree.place.root).await?;
            }
        }
        definitions.lay_over(&tree.place.root)?;
        let set_up = self.stage(trees, &settings).set_up(steps).await?;
        if set_up.failure.is_some() {
            let said = ending(&set_up.said);
            doubts.push(format!(
                "what the result asks for could not be installed for its checks: {said}"
            ));
        }
        let held = trees.site.task.scratch("installed-")?;
        let mut tracked: BTreeSet<String> = main.files(base).await?.into_iter().collect();
        tracked.extend(main.files(result).await?);
        let places = Places { from: trees.site.task.check_dir(), base: before, tracked };
        let place = held.path().join("all");
        let kept = {
            let place = place.clone();
            in_background("keep what was installed", move || places.keep(&place)).await?
        };
        doubts.extend(kept.programs.into_iter().map(|program| {
            format!("{program}, and came with what the result asks for: its checks may run it")
        }));
        if !kept.dropped.is_empty() {
            let dropped = kept.dropped.join(", ");
            let message = format!(
                "the checks do not get what the installation left outside of the directories of packages: {dropped}"
            );
            trees.observer.on_event(SessionEvent::Warning { message });
        }
        let prepared = Prepared { place, set_up, included: Vec::new() };
        trees.installed =
            Some(Installed { of: result.clone(), prepared, _held: held, lacks_included });
        Ok(doubts)
    }

    /// Those of the set-up with what checks may do.
    pub(crate) fn settings_of_checks(&self) -> WorkspaceSettings {
        WorkspaceSettings { launcher: self.launcher.clone(), ..self.settings.clone() }
    }

    pub(crate) fn stage<'a>(
        &'a self,
        trees: &'a Trees<'_>,
        settings: &'a WorkspaceSettings,
    ) -> Stage<'a> {
        let site = &trees.site;
        let place = site.place();
        Stage { git: &self.git, settings, main: site.main, spec: site.spec, base: site.base, place }
    }
}

/// Where the result decides what is run while something is installed, or what is in it.
async fn deciding(
    main: &Main,
    (base, result): (&ObjectId, &ObjectId),
    changed: &[Vec<u8>],
) -> Result<Vec<String>, WorkspaceError> {
    let run = run_by_installing(main, base).await?;
    let packages: BTreeSet<String> = main.files(base).await?.into_iter().collect();
    let is_package = |directory: &str| packages.contains(&format!("{directory}/package.json"));
    let mut doubts = Vec::new();
    for path in changed.iter().filter_map(|path| str::from_utf8(path).ok()) {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_code = is_code_of_installing(path);
        if run.has(path) {
            doubts.push(format!(
                "{path} is run while something is installed, and the result changes it"
            ));
            continue;
        }
        if !is_code && !says_what_is_installed(path) {
            continue;
        }
        let Some(after) = main.file(result, path).await? else { continue };
        let before = main.file(base, path).await?;
        if let Some(line) = own_sources(path, before.as_deref(), &after, &is_package) {
            doubts.push(format!(
                "the result asks in {path} for what is in no registry (`{line}`), which decides what its checks run"
            ));
        }
        let before = before.unwrap_or_default();
        if is_code && does_more(&before, &after)
            || name == "pyproject.toml" && build_system(&before) != build_system(&after)
            || name == "package.json" && !has_no_more_scripts(&before, &after)
        {
            doubts.push(format!(
                "{path} says what is run while something is installed, and the result changes that"
            ));
        }
    }
    doubts.truncate(DOUBTS);
    Ok(doubts)
}

/// Whether a `package.json` has no script that is run while something is installed and that the base's has not.
fn has_no_more_scripts(base: &[u8], result: &[u8]) -> bool {
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or_default();
    let (base, result) = (parse(base), parse(result));
    INSTALL_SCRIPTS.iter().all(|key| {
        let script = &result["scripts"][key];
        script.is_null() || *script == base["scripts"][key]
    })
}

/// The files of the base that are run while something is installed, as far as its scripts name them.
async fn run_by_installing(
    main: &Main,
    base: &ObjectId,
) -> Result<RunByInstalling, WorkspaceError> {
    let mut found = RunByInstalling::default();
    let files = main.files(base).await?;
    let of_projects = files.iter().filter(|path| {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        ["package.json", "pyproject.toml", "cyrus-setup.sh"].contains(&name)
            && !above.split('/').any(detect::is_of_others)
    });
    for path in of_projects.take(PROJECTS) {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(content) = main.file(base, path).await? else { continue };
        match name {
            "package.json" => {
                let package: Value = serde_json::from_slice(&content).unwrap_or_default();
                let scripts =
                    INSTALL_SCRIPTS.iter().filter_map(|key| package["scripts"][key].as_str());
                scripts.for_each(|script| found.add(above, script));
            }
            "pyproject.toml" => found.modules.extend(backend(above, &content)),
            _ if above.is_empty() => {
                found.add("", &String::from_utf8_lossy(&content));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The table of a `pyproject.toml` that says by what a project is built.
fn build_system(pyproject: &[u8]) -> Option<toml::Value> {
    let table = String::from_utf8_lossy(pyproject).parse::<toml::Table>().ok()?;
    table.get("build-system").cloned()
}

/// The module of the project itself that builds it, when there is one.
fn backend(above: &str, pyproject: &[u8]) -> Vec<String> {
    let Some(system) = build_system(pyproject) else { return Vec::new() };
    let Some(name) = system.get("build-backend").and_then(toml::Value::as_str) else {
        return Vec::new();
    };
    let module = name.split([':', '.']).next().unwrap_or_default();
    let places = system.get("backend-path").and_then(toml::Value::as_array);
    let places = places.into_iter().flatten().filter_map(toml::Value::as_str);
    places.filter_map(|place| within(above, &format!("{place}/{module}"))).collect()
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
    fn what_a_file_of_code_does_more_is_known() {
        for line in [
            "import os; os.system('x')",
            "gem `x`",
            "gem \"a#{system('x')}\"",
            "open('Makefile', 'w').write('x')",
            "eval_gemfile 'x' if exec 'y'",
            "System.cmd(\"x\", [])",
        ] {
            assert!(does_more(b"", line.as_bytes()), "{line}");
            assert!(!does_more(line.as_bytes(), line.as_bytes()), "{line}");
        }
        for line in [
            "gem 'rake', '~> 13.0'",
            "    install_requires=['flask>=3.0', \"attrs\"],",
            "    version='1.2.3',",
            "      {:jason, \"~> 1.4\"},",
            "# a word (or two)",
            "",
        ] {
            assert!(!does_more(b"", line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn scripts_that_are_run_while_something_is_installed_are_the_bases() {
        let base = br#"{"scripts": {"postinstall": "a", "test": "b"}}"#;
        for same in [&base[..], br#"{"scripts": {"test": "c"}}"#, b"{}"] {
            assert!(has_no_more_scripts(base, same));
        }
        for other in [
            &br#"{"scripts": {"postinstall": "c"}}"#[..],
            br#"{"scripts": {"postinstall": "a", "prepare": "x"}}"#,
        ] {
            assert!(!has_no_more_scripts(base, other));
            assert!(!has_no_more_scripts(b"", other));
        }
    }

    #[test]
    fn what_is_run_while_something_is_installed_is_known() {
        let mut run = RunByInstalling::default();
        run.add(
            "web",
            "node ./scripts/post && sh ../ci/a.sh; cd . && pip install -r requirements.txt",
        );
        for (path, is_run) in [
            ("web/scripts/post.js", true),
            ("web/scripts/post", true),
            ("ci/a.sh", true),
            ("web/scripts/poster.js", false),
            ("web/requirements.txt", false),
            ("web/x", false),
            ("scripts/post.js", false),
        ] {
            assert_eq!(run.has(path), is_run, "{path}");
        }
        let pyproject =
            b"[build-system]\nrequires=[]\nbuild-backend='b.api'\nbackend-path=['.', 'x']\n";
        assert_eq!(backend("", pyproject), ["b", "x/b"]);
        assert_eq!(backend("", b"[build-system]\nbuild-backend='b'\n"), [""; 0]);
        let run = RunByInstalling { modules: backend("", pyproject), ..RunByInstalling::default() };
        assert!(run.has("x/b/api.py") && run.has("b.py") && !run.has("bc.py"));
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
