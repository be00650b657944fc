//! Works out how a repository is tested, from the files of the base commit.
//!
//! | ecosystem | detected by | check |
//! |---|---|---|
//! | Rust | `Cargo.toml` | `cargo test`, in a workspace `cargo test --workspace` |
//! | JavaScript | a script `test` of `package.json` that tests something, else its kind (`test:unit`), else the same in the packages of a workspace (pnpm, Yarn, npm, Bun, Turborepo, Nx, Lerna), else `typecheck` and `lint` | by `packageManager` or lock file |
//! | Deno | `deno.json` | its task `test`, else `deno test` |
//! | Python | a sign of pytest, else `tox.ini`, `noxfile.py`, `manage.py`, else a directory of tests | `python3 -m pytest -q`, by `uv`, `poetry`, `pdm`, `pipenv`, `hatch` where their lock files or sections are |
//! | Go | `go.mod`, `go.work` | `go test ./...`, of each module of the workspace |
//! | others | one row each of [`others`] | |
//! | a task runner | `Makefile`, `justfile`, `Taskfile.yml` with a `test` (or `check`), `.pre-commit-config.yaml`; only when nothing above matched, because such a target usually calls the above | `make test`, `just test`, `task test`, `pre-commit run` |
//!
//! Every ecosystem at the top is checked. A project below the top that no check above it covers is checked where it
//! is, when a result changes something below it ([`applies`]). No other file of the repository is asked what to run:
//! what a repository may decide is what its own test command does, not which command the host runs.

pub(crate) mod broken;
mod node;
mod others;
mod python;
mod runner;
pub(crate) mod setup;

use std::collections::BTreeMap;

/// The deepest directory in which a project is looked for, in directories.
const DEPTH: usize = 4;

/// The most projects below the top that are looked at.
const PROJECTS: usize = 100;

/// The most checks there are.
const CHECKS: usize = 40;

/// The files whose content is looked at; of the others it matters only that they are there.
const READ: &[&str] = &[
    ".pre-commit-config.yaml",
    "CMakeLists.txt",
    "Cargo.toml",
    "GNUmakefile",
    "Gemfile",
    "Justfile",
    "Makefile",
    "Pipfile",
    "Rakefile",
    "Taskfile.yaml",
    "Taskfile.yml",
    "composer.json",
    "deno.json",
    "deno.jsonc",
    "go.work",
    "justfile",
    ".justfile",
    "makefile",
    "package.json",
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "turbo.json",
    "pubspec.yaml",
    "requirements.txt",
    "requirements-dev.txt",
];

/// The files that say something by being there.
const SEEN: &[&str] = &[
    // What pip is given beside `requirements.txt`.
    "base.txt",
    "dev-requirements.txt",
    "dev.txt",
    "requirements-test.txt",
    "test-requirements.txt",
    "test.txt",
    ".busted",
    ".rspec",
    ".yarnrc.yml",
    "BUILD.bazel",
    "DESCRIPTION",
    "MODULE.bazel",
    "Makefile.PL",
    "Makefile.am",
    "Package.swift",
    "Pipfile.lock",
    "WORKSPACE",
    "WORKSPACE.bazel",
    "build.gradle",
    "build.gradle.kts",
    "build.sbt",
    "build.zig",
    "bun.lock",
    "bun.lockb",
    "bunfig.toml",
    "cabal.project",
    "composer.lock",
    "configure",
    "configure.ac",
    "conftest.py",
    "dune-project",
    "go.mod",
    "gradlew",
    "lerna.json",
    "manage.py",
    "meson.build",
    "mix.exs",
    "mvnw",
    "noxfile.py",
    "nx.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pdm.lock",
    "phpunit.xml",
    "phpunit.xml.dist",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "poetry.lock",
    "pom.xml",
    "project.clj",
    "pytest.ini",
    "rebar.config",
    "settings.gradle",
    "settings.gradle.kts",
    "setup.py",
    "shard.yml",
    "stack.yaml",
    "uv.lock",
    "yarn.lock",
    "Cargo.lock",
    "go.sum",
    "Gemfile.lock",
    "mix.lock",
    "pubspec.lock",
    "deno.lock",
    "Manifest.toml",
    "Project.toml",
];

/// Directories that say something by being there.
const SEEN_DIRECTORIES: &[&str] = &["bin", "spec", "t", "test", "tests"];

/// Kinds of files of which there may be any name.
const ENDINGS: &[&str] = &[".cabal", ".csproj", ".fsproj", ".sln", ".slnx", ".vbproj"];

/// Directories of what is tested with, of what files are made from, and of other people's code.
const OF_OTHERS: [&str; 16] = [
    "__fixtures__",
    "bower_components",
    "example",
    "examples",
    "fixture",
    "fixtures",
    "node_modules",
    "sample",
    "samples",
    "templates",
    "testdata",
    "third-party",
    "third_party",
    "thirdparty",
    "vendor",
    "vendored",
];

/// Directories of tests, and of what is built, besides [`OF_OTHERS`]: no project of its own is there.
const NO_PROJECTS: [&str; 9] =
    ["__tests__", "build", "dist", "spec", "target", "template", "test", "tests", "venv"];

/// The names in a directory that say something, and the content of the files of [`READ`].
pub(crate) type Directory = BTreeMap<String, Option<String>>;

/// The directories of a commit that say something, by their paths; the top is the empty one.
pub(crate) type Listing = BTreeMap<String, Directory>;

/// A command, and the file that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    /// For a shell at the top of the repository.
    pub(crate) command: String,
    /// From the top.
    pub(crate) file: String,
}

/// A check of one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    ecosystem: Ecosystem,
    /// For a shell in the directory.
    command: String,
    /// The file of the directory that says so.
    file: String,
}

/// What projects are compared by: one check covers those of its own below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ecosystem {
    Cargo,
    Node,
    Deno,
    Python,
    Go,
    Other(&'static str),
    /// A task runner, which covers whatever is below it.
    Runner,
}

fn check(ecosystem: Ecosystem, command: impl Into<String>, file: &str) -> Check {
    Check { ecosystem, command: command.into(), file: file.to_owned() }
}

/// Whether a file or a directory of this name says something, and whether its content does.
pub(crate) fn says_something(name: &str, is_directory: bool) -> Option<bool> {
    if is_directory {
        return SEEN_DIRECTORIES.contains(&name).then_some(false);
    }
    if READ.contains(&name) {
        return Some(true);
    }
    let tests = python::is_test_file(name) || name.ends_with("_test.go");
    let seen = SEEN.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending));
    (seen || tests).then_some(false)
}

/// Whether projects are looked for in this directory.
pub(crate) fn is_looked_into(directory: &str) -> bool {
    let plain = |part: &str| !part.starts_with('.') && !is_not_looked_into(part);
    let nameable = |c: char| c.is_alphanumeric() || " ._-/+@".contains(c);
    directory.is_empty()
        || directory.split('/').count() <= DEPTH
            && directory.chars().all(nameable)
            && directory.split('/').all(plain)
}

/// Whether a directory of this name holds what others wrote, or what is tested with.
pub(crate) fn is_of_others(name: &str) -> bool {
    OF_OTHERS.contains(&name)
}

fn is_not_looked_into(name: &str) -> bool {
    is_of_others(name) || NO_PROJECTS.contains(&name)
}

/// The checks for a repository with these files: those of the top, and those of projects below that these do not cover.
pub(crate) fn detect(listing: &Listing) -> Vec<Detected> {
    let mut found: Vec<(&str, Check)> = Vec::new();
    let mut directories: Vec<&str> = listing.keys().map(String::as_str).collect();
    directories.sort_by_key(|directory| (depth(directory), *directory));
    for directory in directories.into_iter().take(PROJECTS) {
        let mut here = of_directory(listing, directory);
        here.retain(|check| {
            !found.iter().any(|(above, known)| covers(listing, above, known, directory, check))
        });
        found.extend(here.into_iter().map(|check| (directory, check)));
    }
    found.into_iter().take(CHECKS).map(|(directory, check)| placed(directory, check)).collect()
}

/// Whether a detected check is to be run on a result that changed these paths. A check of the top is about everything;
/// one of a project below is about what is below it.
pub(crate) fn applies(file: &str, changed: &[Vec<u8>]) -> bool {
    let Some((directory, _)) = file.rsplit_once('/') else { return true };
    let below = |path: &Vec<u8>| {
        path.strip_prefix(directory.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
    };
    changed.iter().any(below)
}

/// Whether a path was changed that none of the checks with these files is about: what all of them may share.
pub(crate) fn is_shared<'a>(files: impl Iterator<Item = &'a str>, changed: &[Vec<u8>]) -> bool {
    let files: Vec<_> = files.collect();
    changed.iter().any(|path| {
        let path = std::slice::from_ref(path);
        !is_prose(&path[0]) && !files.iter().any(|file| applies(file, path))
    })
}

/// Whether a file is written for people, by its name.
fn is_prose(path: &[u8]) -> bool {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path).to_ascii_lowercase();
    [&b".md"[..], b".rst", b".adoc"].iter().any(|ending| name.ends_with(ending))
        || [&b"license"[..], b"notice", b"authors", b"codeowners"].contains(&&name[..])
}

fn depth(directory: &str) -> usize {
    if directory.is_empty() { 0 } else { directory.split('/').count() }
}

/// A directory's check as a command for the top of the repository.
fn placed(directory: &str, Check { command, file, .. }: Check) -> Detected {
    placed_command(directory, &command, &file)
}

fn placed_command(directory: &str, command: &str, file: &str) -> Detected {
    if directory.is_empty() {
        return Detected { command: command.to_owned(), file: file.to_owned() };
    }
    // An option is none behind its directory.
    let named =
        if directory.starts_with('-') { format!("./{directory}") } else { directory.into() };
    let place = if named.contains(' ') { format!("'{named}'") } else { named };
    Detected { command: format!("cd {place} && {command}"), file: format!("{directory}/{file}") }
}

/// Whether a directory is below another.
fn is_below(directory: &str, above: &str) -> bool {
    let rest = if above.is_empty() { Some("/") } else { directory.strip_prefix(above) };
    directory != above && rest.is_some_and(|rest| rest.starts_with('/'))
}

fn of_directory(listing: &Listing, directory: &str) -> Vec<Check> {
    let here = &listing[directory];
    let mut found: Vec<Check> = cargo(here).into_iter().collect();
    found.extend(node::checks(listing, directory));
    found.extend(node::deno(here));
    found.extend(python::check(here));
    found.extend(go(here));
    found.extend(others::checks(here));
    if found.is_empty() {
        found.extend(runner::check(here));
    }
    found
}

/// Whether the check `known` of the directory `above` covers this one of a directory below it.
fn covers(listing: &Listing, above: &str, known: &Check, directory: &str, check: &Check) -> bool {
    if !is_below(directory, above) {
        return false;
    }
    // A makefile below is called by what is above it.
    if known.ecosystem == Ecosystem::Runner || check.ecosystem == Ecosystem::Runner {
        return true;
    }
    if known.ecosystem != check.ecosystem {
        return false;
    }
    match known.ecosystem {
        Ecosystem::Cargo => {
            let manifest = content(&listing[above], "Cargo.toml").unwrap_or_default();
            let name = directory.rsplit('/').next().unwrap_or(directory);
            let excluded = section_value(manifest, "workspace", "exclude")
                .is_some_and(|list| list.contains(name));
            has_section(manifest, "workspace") && !excluded
        }
        Ecosystem::Node => node::is_workspace(&listing[above]),
        Ecosystem::Go => {
            let work = content(&listing[above], "go.work");
            work.is_some_and(|work| modules(work).any(|module| join(above, &module) == directory))
        }
        _ => true,
    }
}

fn join(above: &str, below: &str) -> String {
    if above.is_empty() { below.to_owned() } else { format!("{above}/{below}") }
}

fn has(here: &Directory, name: &str) -> bool {
    here.contains_key(name)
}

fn content<'a>(here: &'a Directory, name: &str) -> Option<&'a str> {
    here.get(name)?.as_deref()
}

/// Whether a TOML or INI file has a section whose name begins like this.
fn has_section(text: &str, name: &str) -> bool {
    let sections = text.lines().filter_map(|line| line.trim_start().strip_prefix('['));
    sections.map(|section| section.trim_start_matches('[')).any(|section| {
        section.strip_prefix(name).is_some_and(|rest| rest.starts_with([']', '.', ':']))
    })
}

/// The value of a key in a section of a TOML file, to the line that ends it.
fn section_value(text: &str, section: &str, key: &str) -> Option<String> {
    let (_, after) = text.split_once(&format!("[{section}]"))?;
    let within = after.split("\n[").next()?;
    let line =
        within.lines().position(|line| line.trim_start().split(['=', ' ']).next() == Some(key))?;
    let value = within.lines().skip(line).collect::<Vec<_>>().join("\n");
    let end = value.find(']').unwrap_or(value.len());
    Some(value[..end].to_owned())
}

fn cargo(here: &Directory) -> Option<Check> {
    let manifest = here.get("Cargo.toml")?.as_deref().unwrap_or_default();
    let command =
        if has_section(manifest, "workspace") { "cargo test --workspace" } else { "cargo test" };
    Some(check(Ecosystem::Cargo, command, "Cargo.toml"))
}

fn go(here: &Directory) -> Option<Check> {
    if let Some(work) = content(here, "go.work") {
        let each: Vec<_> = modules(work)
            .map(
                |module| if module == "." { "./...".to_owned() } else { format!("./{module}/...") },
            )
            .collect();
        if !each.is_empty() {
            return Some(check(Ecosystem::Go, format!("go test {}", each.join(" ")), "go.work"));
        }
    }
    has(here, "go.mod").then(|| check(Ecosystem::Go, "go test ./...", "go.mod"))
}

/// The modules of a `go.work`.
fn modules(work: &str) -> impl Iterator<Item = String> + '_ {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let mut inside = false;
    work.lines().filter_map(move |line| {
        let line = line.split("//").next().unwrap_or_default().trim();
        let module = if inside {
            inside = line != ")";
            (line != ")").then_some(line)
        } else {
            let used = line.strip_prefix("use")?.trim();
            inside = used == "(";
            (used != "(").then_some(used)
        };
        let module = module?.trim_matches('"').trim_start_matches("./").trim_end_matches('/');
        let module = if module.is_empty() { "." } else { module };
        (module.chars().all(plain) && !module.contains("..")).then(|| module.to_owned())
    })
}

#[cfg(test)]
mod tests;
