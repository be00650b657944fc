//! What a check does is said in files of the repository, and a result may change those. What the base commit says
//! is then put into the tree of the check, each file in its own place, so that whatever runs there reads it, and what
//! a command starts in its turn, too.
//!
//! | file, anywhere in the repository | what of it is the base's |
//! |---|---|
//! | `package.json` | its scripts, workspaces and package manager |
//! | `composer.json`, `deno.json` | its scripts; its tasks |
//! | makefiles, what they include, what `make` makes them of by itself, and the shell scripts and programs of the repository that they name | all |
//! | `justfile`, `Taskfile.yml`, `tox.ini`, `noxfile.py`, `.pre-commit-config.yaml`, `turbo.json`, `nx.json`, `lerna.json` and their like | all |
//! | wrappers (`gradlew`, `mvnw`) and what they read; releases of Yarn in the repository; files by which a tool runs another program (`.npmrc`, `.cargo/config.toml`, `rust-toolchain.toml`, `.tool-versions`) | all |
//! | a program of the repository that the command of a check names (`./ci`) | all |
//!
//! A file that the base does not have is taken away where tools would take it in place of one of the base's. A
//! makefile's target is no file: one of its name that the result brings would have `make` do nothing, so such targets
//! are made phony. Directories of fixtures, examples, templates and other people's code are not looked into: what is there
//! is what is tested with.
//!
//! Programs and scripts may be what is tested. A result that changes such is checked with the base's and with its own.
//!
//! Tests, their configuration and all else that is run are the result's.

mod commands;
mod fed;
mod files;
mod make;
mod names;
mod python;
mod worked_out;

use crate::{
    copy::plain_directory, diff::Mode, error::io, object::ObjectId, remove::remove_tree,
    repository::Main,
};
pub(crate) use commands::within;
use cyrus_core::{Check, CommandOrigin, WorkspaceError};
use files::{Counts, Files, New};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// How many files a note names.
const NAMED: usize = 5;

/// A file as it is put into a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Laid {
    content: Vec<u8>,
    kind: Kind,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Program,
    /// Its content is where it leads.
    Link,
}

impl Kind {
    /// That of a file of the commit; one that is not there would be a plain one.
    async fn of(main: &Main, commit: &ObjectId, path: &str) -> Result<Self, WorkspaceError> {
        Ok(match main.mode(commit, path).await?.as_deref() {
            Some("100755") => Self::Program,
            Some("120000") => Self::Link,
            _ => Self::Plain,
        })
    }
}

/// What the base commit has of the definitions that a result changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definitions {
    /// What is put in a place; `None`: what is there is taken away.
    over: BTreeMap<String, Option<Laid>>,
    /// What is taken away besides: names that are no text.
    gone: Vec<Vec<u8>>,
    /// The scripts that stand for the commands of checks, by the commands.
    scripts: BTreeMap<String, String>,
    /// Of what is put in a place, the programs and scripts that commands name: they may be what is tested.
    programs: BTreeSet<String>,
    /// Why a person has to look at what the checks ran.
    doubts: Vec<String>,
}

impl Definitions {
    /// Finds what a result changes of what these checks go by.
    pub(crate) async fn find(
        main: &Main,
        (base, result): (&ObjectId, &ObjectId),
        checks: &[Check],
    ) -> Result<Self, WorkspaceError> {
        let mut found = Self::default();
        let changes = main.changes(base, result, &[]).await?;
        if changes.is_empty() {
            return Ok(found);
        }
        let links = main.links(base).await?.texts();
        let mut files = Files::new(main.files(base).await?.iter().cloned(), &links, checks);
        make::follow(main, base, &mut files, &links).await?;
        follow_packages(main, base, &mut files).await?;
        follow_scripts(main, base, &mut files).await?;
        let mut brought = Vec::new();
        for change in changes {
            let is_deleted = change.is_deleted();
            let is_link = change.mode == Mode::Symlink;
            let path = match String::from_utf8(change.path) {
                Ok(path) => path,
                Err(other) => {
                    // No name of the base's that is known is one of these.
                    let path = other.into_bytes();
                    if !is_deleted && files.counts(&String::from_utf8_lossy(&path)).is_some() {
                        found.gone.push(path);
                    }
                    continue;
                }
            };
            if let Some(counts) = files.counts(&path) {
                found.weigh(main, (base, result), &files, &path, counts).await?;
            } else if is_link && files.stands_for_some(&path) {
                found.over.insert(path.clone(), None);
            }
            if !is_deleted {
                brought.push(path);
            }
        }
        for (makefile, of) in make::brought(main, base, &files, &brought).await? {
            found.over.extend(of.made.into_iter().map(|path| (path, None)));
            found.doubts.extend(of.may_be.iter().take(NAMED).map(|path| {
                format!(
                    "`{path}` is new, and may be the name of a target that {makefile} works out, for which nothing is done then: a person has to look at it"
                )
            }));
            if of.phony.is_empty() {
                continue;
            }
            let targets = of.phony.join(" ");
            let text = match found.over.get(&makefile) {
                Some(Some(laid)) => laid.content.clone(),
                _ => main.file(base, &makefile).await?.unwrap_or_default(),
            };
            let content = [&text[..], format!("\n.PHONY: {targets}\n").as_bytes()].concat();
            found.over.insert(makefile, Some(Laid { content, kind: Kind::Plain }));
        }
        let programs = found.over.keys().filter(|path| files.is_program(path));
        found.programs = programs.cloned().collect();
        // npm runs its scripts itself, unless what it goes by was changed.
        if found.over.keys().any(|path| names::is_of_packages(path)) {
            for check in checks {
                if let Some(script) = script_of(main, base, check).await? {
                    found.scripts.insert(check.command.clone(), script);
                }
            }
        }
        Ok(found)
    }

    /// Works out what becomes of one changed file.
    async fn weigh(
        &mut self,
        main: &Main,
        (base, result): (&ObjectId, &ObjectId),
        files: &Files,
        path: &str,
        counts: Counts,
    ) -> Result<(), WorkspaceError> {
        if counts == Counts::Program && Kind::of(main, base, path).await? != Kind::Program {
            return Ok(());
        }
        let Some(before) = main.file(base, path).await? else {
            match files.when_new(path) {
                New::Stays => {}
                New::Goes => drop(self.over.insert(path.to_owned(), None)),
                New::Without(keys) => {
                    let after = main.file(result, path).await?.unwrap_or_default();
                    if let Some(content) = with_keys_of(b"{}", &after, keys) {
                        let laid = Laid { content, kind: Kind::Plain };
                        self.over.insert(path.to_owned(), Some(laid));
                    }
                }
            }
            return Ok(());
        };
        let content = match counts {
            Counts::Whole | Counts::Program => Some(before),
            Counts::Keys(keys) => {
                let after = main.file(result, path).await?.unwrap_or_default();
                with_keys_of(&before, &after, keys)
            }
        };
        if let Some(content) = content {
            let kind = Kind::of(main, base, path).await?;
            self.over.insert(path.to_owned(), Some(Laid { content, kind }));
        }
        Ok(())
    }

    /// The same without programs and scripts that commands name, where there are any, and their names.
    pub(crate) fn without_programs(&self) -> Option<(Self, String)> {
        let programs = Self { gone: Vec::new(), ..self.clone() }.only(|path| self.is_program(path));
        Some((self.clone().only(|path| !self.is_program(path)), programs.names()?))
    }

    fn is_program(&self, path: &str) -> bool {
        self.programs.contains(path)
    }

    fn only(mut self, is_wanted: impl Fn(&str) -> bool) -> Self {
        self.over.retain(|path, _| is_wanted(path));
        self
    }

    /// Puts them into the tree of a check, which the host has just written.
    pub(crate) fn lay_over(&self, root: &Path) -> Result<(), WorkspaceError> {
        for path in &self.gone {
            take_away(root, Path::new(OsStr::from_bytes(path)))?;
        }
        self.over.iter().try_for_each(|(path, content)| match content {
            Some(laid) => put(root, path, laid),
            None => take_away(root, Path::new(path)),
        })
    }

    /// Why a person has to look at what the checks ran.
    pub(crate) fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// What a check's command is then.
    pub(crate) fn command<'a>(&'a self, check: &'a Check) -> &'a str {
        self.scripts.get(&check.command).unwrap_or(&check.command)
    }

    /// Says so, above the output.
    pub(crate) fn note(&self) -> Option<String> {
        let names = self.names()?;
        Some(format!(
            "(what is run is what the base commit says, not what the result makes of it: {names}; where the task is to change that, `validation.definitions` has the result's run)"
        ))
    }

    /// The files that are put into a tree or taken away from it; `None` where there are none.
    fn names(&self) -> Option<String> {
        let gone = self.gone.iter().map(|name| String::from_utf8_lossy(name));
        let all: Vec<_> = self.over.keys().map(|name| name.as_str().into()).chain(gone).collect();
        let more = match all.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown = all[..all.len().min(NAMED)].join(", ");
        (!all.is_empty()).then(|| format!("{shown}{more}"))
    }
}

/// How many packages are read.
const PACKAGES: usize = 500;

/// How many scripts are read, and how long each may be, in bytes.
const SCRIPTS: usize = 500;
const SCRIPT_BYTES: usize = 1 << 20;

/// What scripts of a shell run and read counts as what runs them does.
async fn follow_scripts(
    main: &Main,
    base: &ObjectId,
    files: &mut Files,
) -> Result<(), WorkspaceError> {
    let mut read = BTreeSet::new();
    while read.len() < SCRIPTS {
        let Some(path) = files.scripts().into_iter().find(|path| !read.contains(path)) else {
            break;
        };
        let content = main.file(base, &path).await?.unwrap_or_default();
        if content.len() <= SCRIPT_BYTES
            && let Ok(text) = str::from_utf8(&content)
        {
            files.add_script(&path, text);
        }
        read.insert(path);
    }
    Ok(())
}

/// The longest manifest that is read, in bytes. A longer one is the base's whole, where it was changed.
const MANIFEST_BYTES: usize = 4 << 20;

/// What the scripts of the base's packages run of its files counts as what a check's command runs.
async fn follow_packages(
    main: &Main,
    base: &ObjectId,
    files: &mut Files,
) -> Result<(), WorkspaceError> {
    for path in files.packages().into_iter().take(PACKAGES) {
        let package: Value = main
            .file(base, &path)
            .await?
            .filter(|text| text.len() <= MANIFEST_BYTES)
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let scripts = package["scripts"].as_object().into_iter().flat_map(|all| all.values());
        let scripts: Vec<_> = scripts.filter_map(Value::as_str).collect();
        files.add_commands(names::split(&path).0, &scripts);
    }
    Ok(())
}

/// The script that stands for a command which runs one of a package, as the base commit has it.
async fn script_of(
    main: &Main,
    base: &ObjectId,
    check: &Check,
) -> Result<Option<String>, WorkspaceError> {
    let CommandOrigin::Base(path) = &check.origin else { return Ok(None) };
    let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
    // The part of the command for a shell in the directory.
    let (inside, own) = match check.command.split_once(" && ").filter(|_| !directory.is_empty()) {
        Some((inside, own)) => (format!("{inside} && "), own),
        None => (String::new(), check.command.as_str()),
    };
    let Some(script) = script(own).filter(|_| file == "package.json") else { return Ok(None) };
    let before = scripts(main.file(base, path).await?.as_deref(), script);
    Ok(Some(format!("{inside}{}", chained(&before))))
}

/// A JSON file with some keys as another has them; `None` where they say the same. What cannot be read is replaced whole.
fn with_keys_of(before: &[u8], after: &[u8], keys: &[&str]) -> Option<Vec<u8>> {
    let read = |text: &[u8]| {
        let text = Some(text).filter(|text| text.len() <= MANIFEST_BYTES)?;
        serde_json::from_slice::<Value>(text).ok().filter(Value::is_object)
    };
    let (Some(old), Some(mut new)) = (read(before), read(after)) else {
        return (before != after).then(|| before.to_vec());
    };
    if keys.iter().all(|key| old.get(key) == new.get(key)) {
        return None;
    }
    for key in keys {
        match (old.get(key), new.as_object_mut()) {
            (Some(value), Some(new)) => drop(new.insert((*key).to_owned(), value.clone())),
            (None, Some(new)) => drop(new.remove(*key)),
            (_, None) => {}
        }
    }
    serde_json::to_vec_pretty(&new).ok()
}

/// Writes a file of the tree, whatever the result has in its place or above it.
fn put(root: &Path, path: &str, Laid { content, kind }: &Laid) -> Result<(), WorkspaceError> {
    let mut place = PathBuf::from(root);
    let above = Path::new(path).parent().unwrap_or(Path::new(""));
    for part in above {
        place.push(part);
        if fs::symlink_metadata(&place).is_ok_and(|found| !found.is_dir()) {
            fs::remove_file(&place).map_err(io("cannot remove", &place))?;
        }
    }
    fs::create_dir_all(&place).map_err(io("cannot make", &place))?;
    place = root.join(path);
    remove_tree(&place)?;
    let failed = io("cannot write", &place);
    if *kind == Kind::Link {
        return std::os::unix::fs::symlink(OsStr::from_bytes(content), &place).map_err(failed);
    }
    let mode = if *kind == Kind::Program { 0o755 } else { 0o644 };
    let file = fs::File::options().write(true).create_new(true).mode(mode).open(&place);
    file.and_then(|mut file| file.write_all(content)).map_err(failed)
}

/// Removes a file of the tree.
fn take_away(root: &Path, path: &Path) -> Result<(), WorkspaceError> {
    let above = plain_directory(root, path.parent().unwrap_or(Path::new("")));
    match (above, path.file_name()) {
        (Some(above), Some(name)) => remove_tree(&above.join(name)),
        _ => Ok(()),
    }
}

/// The script of one package that a command runs: `npm test`, `pnpm run lint`.
fn script(command: &str) -> Option<&str> {
    let words: Vec<_> = command.split(' ').collect();
    let ["npm" | "pnpm" | "yarn" | "bun", rest @ ..] = &words[..] else { return None };
    match rest {
        ["run", script] | [script] if !script.starts_with('-') => Some(script),
        _ => None,
    }
}

/// A script of a `package.json`, with those that npm and its like run before and after it.
fn scripts(content: Option<&[u8]>, name: &str) -> [Option<String>; 3] {
    let package: Value =
        content.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
    [format!("pre{name}"), name.to_owned(), format!("post{name}")]
        .map(|name| package["scripts"][name].as_str().map(str::to_owned))
}

/// Scripts one after the other, each in a shell of its own as npm has it.
fn chained(scripts: &[Option<String>; 3]) -> String {
    let each = scripts.iter().flatten().map(|script| format!("(\n{script}\n)"));
    let all = each.collect::<Vec<_>>().join(" && ");
    format!("PATH=\"$PWD/node_modules/.bin:$PATH\"; export PATH\n{all}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_of_a_test_are_run_in_npms_order() {
        let package = br#"{"scripts": {"posttest": "c", "test": "a || b", "build": "x"}}"#;
        let found = scripts(Some(package), "test");
        assert_eq!(found, [None, Some("a || b".into()), Some("c".into())]);
        assert!(chained(&found).ends_with("(\na || b\n) && (\nc\n)"));
        assert_eq!(scripts(None, "test"), [None, None, None]);
        assert_eq!(scripts(Some(b"{"), "test"), [None, None, None]);
    }

    #[test]
    fn one_packages_script_is_told_from_a_workspaces() {
        for (command, expected) in [
            ("npm test", Some("test")),
            ("pnpm run lint", Some("lint")),
            ("bun run test:unit", Some("test:unit")),
            ("pnpm -r --if-present run test", None),
            ("npm run test --workspaces --if-present", None),
            ("npx nx run-many -t test", None),
        ] {
            assert_eq!(script(command), expected, "{command}");
        }
    }

    #[test]
    fn scripts_of_the_base_stand_in_a_file_of_the_result() {
        let before = br#"{"scripts":{"test":"jest"},"dependencies":{}}"#;
        let after = br#"{"scripts":{"test":"true"},"dependencies":{"a":"1"}}"#;
        let merged: Value =
            serde_json::from_slice(&with_keys_of(before, after, &["scripts"]).unwrap()).unwrap();
        assert_eq!(merged, serde_json::json!({"scripts":{"test":"jest"},"dependencies":{"a":"1"}}));
        assert_eq!(with_keys_of(before, before, &["scripts"]), None);
        assert_eq!(with_keys_of(before, b"{", &["scripts"]).unwrap(), before);
    }
}
