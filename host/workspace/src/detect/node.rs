//! Projects of JavaScript: npm and its like, their workspaces, and Deno.

use super::{Check, Directory, Ecosystem, Listing, check, content, has};
use serde_json::Value;

const FILE: &str = "package.json";

/// Scripts that test, where there is none of the name `test`.
const TESTS: &[&str] = &["test:unit", "test:ci", "tests", "unit", "test:all", "vitest", "jest"];

/// Scripts that are worth something where nothing tests.
const LINTS: &[&str] =
    &["typecheck", "type-check", "check-types", "check:types", "tsc", "lint", "check"];

/// What runs the scripts of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    Npm,
    Pnpm,
    Yarn,
    /// Yarn from version 2 on.
    YarnBerry,
    Bun,
}

impl Manager {
    /// The one that a directory's files name, or those above it.
    pub(crate) fn of(listing: &Listing, directory: &str) -> Self {
        let mut at = Some(directory);
        while let Some(here) = at {
            if let Some(found) = listing.get(here).and_then(Self::named) {
                return found;
            }
            at = (!here.is_empty()).then(|| here.rsplit_once('/').map_or("", |(above, _)| above));
        }
        Self::Npm
    }

    fn named(here: &Directory) -> Option<Self> {
        let package = package(here).unwrap_or_default();
        let named = package["packageManager"].as_str().unwrap_or_default();
        let (name, version) = named.split_once('@').unwrap_or((named, ""));
        let berry = has(here, ".yarnrc.yml") || !version.is_empty() && !version.starts_with("1.");
        match name {
            "pnpm" => Some(Self::Pnpm),
            "yarn" if berry => Some(Self::YarnBerry),
            "yarn" => Some(Self::Yarn),
            "bun" => Some(Self::Bun),
            "npm" => Some(Self::Npm),
            _ if has(here, "pnpm-lock.yaml") || has(here, "pnpm-workspace.yaml") => {
                Some(Self::Pnpm)
            }
            _ if has(here, "yarn.lock") && has(here, ".yarnrc.yml") => Some(Self::YarnBerry),
            _ if has(here, "yarn.lock") => Some(Self::Yarn),
            _ if has(here, "bun.lock") || has(here, "bun.lockb") => Some(Self::Bun),
            _ if has(here, "package-lock.json") || has(here, "npm-shrinkwrap.json") => {
                Some(Self::Npm)
            }
            _ => None,
        }
    }

    /// Its lock files, and what installs by them.
    pub(super) fn installs(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Npm => (&["package-lock.json", "npm-shrinkwrap.json"], "npm ci"),
            Self::Pnpm => (&["pnpm-lock.yaml"], "pnpm install --frozen-lockfile"),
            Self::Yarn => (&["yarn.lock"], "yarn install --frozen-lockfile"),
            Self::YarnBerry => (&["yarn.lock"], "yarn install --immutable"),
            Self::Bun => (&["bun.lock", "bun.lockb"], "bun install --frozen-lockfile"),
        }
    }

    /// What installs where there is no lock file.
    pub(super) fn installs_without_lock(self) -> &'static str {
        match self {
            Self::Npm => "npm install --no-package-lock",
            Self::Pnpm => "pnpm install --no-lockfile",
            Self::Yarn => "yarn install --no-lockfile",
            Self::YarnBerry => "yarn install",
            Self::Bun => "bun install --no-save",
        }
    }

    /// What runs a script of the package.
    fn runs(self, script: &str) -> String {
        match (self, script) {
            (Self::Npm, "test") => "npm test".to_owned(),
            (Self::Npm, _) => format!("npm run {script}"),
            (Self::Pnpm, "test") => "pnpm test".to_owned(),
            (Self::Pnpm, _) => format!("pnpm run {script}"),
            (Self::Yarn | Self::YarnBerry, "test") => "yarn test".to_owned(),
            (Self::Yarn | Self::YarnBerry, _) => format!("yarn run {script}"),
            (Self::Bun, _) => format!("bun run {script}"),
        }
    }

    /// What runs a script of each package of a workspace that has it.
    fn runs_in_each(self, script: &str) -> String {
        match self {
            Self::Npm => format!("npm run {script} --workspaces --if-present"),
            Self::Pnpm => format!("pnpm -r --if-present run {script}"),
            Self::Yarn => format!("yarn workspaces run {script}"),
            Self::YarnBerry => format!("yarn workspaces foreach -A run {script}"),
            Self::Bun => format!("bun run --filter '*' {script}"),
        }
    }

    /// What runs a script of these packages of a workspace, each with its path and its name; `None` where they cannot be
    /// named.
    fn runs_in_some(self, script: &str, packages: &[(String, String)]) -> Option<String> {
        let each = |before: &str, by_name: bool| -> Option<String> {
            let names = packages.iter().map(|(path, name)| if by_name { name } else { path });
            let all: Vec<_> = names.collect();
            let is_known = !all.is_empty() && all.iter().all(|name| !name.is_empty());
            is_known.then(|| all.iter().flat_map(|name| [" ", before, name]).collect())
        };
        Some(match self {
            Self::Npm if script == "test" => format!("npm test{}", each("-w ", false)?),
            Self::Npm => format!("npm run {script}{}", each("-w ", false)?),
            Self::Pnpm => format!("pnpm{} run {script}", each("--filter ./", false)?),
            Self::Yarn => {
                let names = each("", true)?;
                let runs = names
                    .split_whitespace()
                    .map(|name| format!("yarn workspace {name} run {script}"));
                runs.collect::<Vec<_>>().join(" && ")
            }
            Self::YarnBerry => {
                format!("yarn workspaces foreach -A{} run {script}", each("--include ", true)?)
            }
            Self::Bun => format!("bun run{} {script}", each("--filter ./", false)?),
        })
    }

    /// What runs a program of the package's own.
    fn executes(self, program: &str) -> String {
        match self {
            Self::Npm => format!("npx {program}"),
            Self::Pnpm => format!("pnpm exec {program}"),
            Self::Yarn | Self::YarnBerry => format!("yarn run {program}"),
            Self::Bun => format!("bunx {program}"),
        }
    }
}

pub(crate) fn package(here: &Directory) -> Option<Value> {
    serde_json::from_str(content(here, FILE)?.trim_start_matches('\u{feff}')).ok()
}

/// Whether the scripts of this directory's package are for packages below it too.
pub(super) fn is_workspace(here: &Directory) -> bool {
    let marks = ["pnpm-workspace.yaml", "turbo.json", "nx.json", "lerna.json"];
    marks.iter().any(|mark| has(here, mark))
        || package(here).is_some_and(|package| !package["workspaces"].is_null())
}

pub(super) fn checks(listing: &Listing, directory: &str) -> Vec<Check> {
    let here = &listing[directory];
    let Some(package) = package(here) else { return Vec::new() };
    let manager = Manager::of(listing, directory);
    let found = |command: String| check(Ecosystem::Node, command, FILE);
    let tests = |script: &&str| has_script(&package, script);
    if let Some(script) = std::iter::once(&"test").chain(TESTS).find(|script| tests(script)) {
        return vec![found(manager.runs(script))];
    }
    if let Some(of_workspace) = workspace(listing, directory, manager) {
        return vec![of_workspace];
    }
    let lints = LINTS.iter().filter(|script| tests(script));
    lints.map(|script| found(manager.runs(script))).collect()
}

/// The check of a workspace whose top has no test of its own, where a package below has one.
fn workspace(listing: &Listing, directory: &str, manager: Manager) -> Option<Check> {
    let here = &listing[directory];
    if !is_workspace(here) {
        return None;
    }
    let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
    let below = listing.iter().filter(|(path, _)| !path.is_empty() && path.starts_with(&prefix));
    let packages = below.filter_map(|(path, names)| Some((&path[prefix.len()..], package(names)?)));
    let packages: Vec<_> = packages.collect();
    let script = "test";
    if !packages.iter().any(|(_, package)| has_script(package, script)) {
        return None;
    }
    let turbo = content(here, "turbo.json").is_some_and(|text| text.contains("\"test\""));
    let (command, file) = if turbo {
        (manager.executes("turbo run test"), "turbo.json")
    } else if has(here, "nx.json") {
        (manager.executes("nx run-many -t test"), "nx.json")
    } else if has(here, "lerna.json") && manager != Manager::Pnpm {
        (manager.executes("lerna run test"), "lerna.json")
    } else {
        let fails = packages.iter().any(|(_, package)| only_fails(package, script));
        let some = || manager.runs_in_some(script, &tested(here, manager, &packages, script));
        (fails.then(some).flatten().unwrap_or_else(|| manager.runs_in_each(script)), FILE)
    };
    Some(check(Ecosystem::Node, command, file))
}

/// The packages of a workspace that have a script of this name which does something: where each is, and its name.
fn tested(
    top: &Directory,
    manager: Manager,
    packages: &[(&str, Value)],
    script: &str,
) -> Vec<(String, String)> {
    let top = package(top).unwrap_or_default();
    // A list, or an object with one; pnpm has its own file, and takes no notice of what is not in it.
    let lists = [&top["workspaces"], &top["workspaces"]["packages"]];
    let patterns: Vec<_> = lists
        .iter()
        .filter_map(|list| list.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let is_member = |path: &str| {
        let (out, into): (Vec<&str>, Vec<&str>) =
            patterns.iter().partition(|pattern| pattern.starts_with('!'));
        let is = |pattern: &str| {
            let parts: Vec<_> =
                pattern.trim_start_matches("./").trim_end_matches('/').split('/').collect();
            is_at(&parts, &path.split('/').collect::<Vec<_>>())
        };
        into.iter().any(|pattern| is(pattern)) && !out.iter().any(|pattern| is(&pattern[1..]))
    };
    let plain = |text: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/@-".contains(c);
        !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain)
    };
    let found = packages.iter().filter(|(path, package)| {
        has_script(package, script) && (manager == Manager::Pnpm || is_member(path))
    });
    let named = found.map(|(path, package)| {
        let name = package["name"].as_str().filter(|name| plain(name)).unwrap_or_default();
        ((*path).to_owned(), name.to_owned())
    });
    named.filter(|(path, _)| plain(path)).collect()
}

/// Whether the parts of a path have the form of a pattern's: `*` stands for any text in one of them, `**` for any number
/// of them.
fn is_at(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => {
            is_at(rest, path) || !path.is_empty() && is_at(pattern, &path[1..])
        }
        ([first, pattern @ ..], [part, path @ ..]) => {
            let fits = match first.split_once('*') {
                Some((before, after)) => {
                    part.strip_prefix(before).is_some_and(|part| part.ends_with(after))
                }
                None => first == part,
            };
            fits && is_at(pattern, path)
        }
        _ => false,
    }
}

/// Whether a package has a script of this name that does nothing and fails, as `npm init` writes it.
fn only_fails(package: &Value, name: &str) -> bool {
    let script = package["scripts"][name].as_str().unwrap_or_default();
    is_placeholder(script) && script.contains("exit") && !script.contains("exit 0")
}

/// Whether a package has a script of this name that does something.
fn has_script(package: &Value, name: &str) -> bool {
    let script = package["scripts"][name].as_str();
    script.is_some_and(|script| !is_placeholder(script) && !waits(script))
}

/// Whether a script does not end by itself: it waits for changes of files, or for a person.
fn waits(script: &str) -> bool {
    const WAITING: [&str; 5] = ["--watch", "--watchAll", "--watch-all", "--ui", "--watch=true"];
    let words: Vec<_> = script.split_whitespace().collect();
    words.iter().any(|word| WAITING.contains(word))
        || words.windows(2).any(|pair| matches!(pair, ["cypress", "open"] | ["vitest", "watch"]))
}

/// Whether a script only says that there is nothing: what `npm init` writes, and its like.
fn is_placeholder(script: &str) -> bool {
    let script = script.trim();
    let only_prints = script.strip_prefix("echo ").is_some_and(|rest| {
        let rest = rest.split("&&").chain([]).collect::<Vec<_>>();
        rest.iter().skip(1).all(|part| part.trim().starts_with("exit"))
            && !rest[0].contains(['|', ';', '>', '`', '$'])
    });
    script.is_empty() || script.contains("no test specified") || only_prints
}

pub(super) fn deno(here: &Directory) -> Option<Check> {
    let file = ["deno.json", "deno.jsonc"].into_iter().find(|name| has(here, name))?;
    let text = content(here, file).unwrap_or_default();
    let tasks = serde_json::from_str::<Value>(text).map(|config| config["tasks"]["test"].clone());
    let command = match tasks {
        Ok(Value::Null) => "deno test",
        Ok(_) => "deno task test",
        // With comments in it: nearly always the task's name is written once.
        Err(_) if text.contains("\"test\"") && text.contains("\"tasks\"") => "deno task test",
        Err(_) => "deno test",
    };
    // A package of npm's with a test is tested by that.
    let is_node = package(here).is_some_and(|package| has_script(&package, "test"));
    (!is_node).then(|| check(Ecosystem::Deno, command, file))
}
