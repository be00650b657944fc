//! What a detected command does is said in a file of the repository. When a result changes that, the check is what
//! the base commit says.
//!
//! | detected from | what counts | what is run instead |
//! |---|---|---|
//! | `package.json`, of one package | its script of that name, with those before and after it | those scripts of the base, by `sh`, with `node_modules/.bin` on the path |
//! | `package.json` and its like, of a workspace | the scripts of all its packages, `turbo.json`, `nx.json`, `lerna.json` | the same command, with the base's scripts in the files |
//! | `composer.json`, `deno.json` | its scripts, its tasks | the same command, with the base's in the file |
//! | a makefile | the makefiles beside it | `make` with a copy of the base's makefile |
//! | a `justfile`, a `Taskfile.yml`, `.pre-commit-config.yaml` | the file | the same command, with the base's file |
//!
//! A makefile's target is no file: one of its name that the result adds would have `make` do nothing. And files that say
//! with what scripts are run ([`RUNNERS`]) count as those scripts do.
//!
//! For all others the command itself is all there is to say.

use crate::{confined::Directories, error::io, object::ObjectId, repository::Main};
use cyrus_core::{Check, CommandOrigin, WorkspaceError};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The makefiles that GNU make looks for.
const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// Files that say what a command does and nothing else.
const WHOLE: [&str; 9] = [
    ".justfile",
    ".pre-commit-config.yaml",
    "Justfile",
    "Taskfile.yaml",
    "Taskfile.yml",
    "justfile",
    "lerna.json",
    "nx.json",
    "turbo.json",
];

/// Files of which one key says what a command does.
const KEYED: [(&str, &str); 3] =
    [("composer.json", "scripts"), ("deno.json", "tasks"), ("package.json", "scripts")];

/// Files by which npm and its like are told to run scripts with another shell, or to be another program themselves.
const RUNNERS: [&str; 6] =
    [".npmrc", ".pnpmfile.cjs", ".yarnrc", ".yarnrc.yml", "bunfig.toml", "pnpm-workspace.yaml"];

/// What is run in the place of a check's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) command: String,
    /// Says so, above the output.
    pub(crate) note: String,
}

impl Definition {
    /// What the base says a check does, when the result says otherwise. What is needed of the base is put into the
    /// tree of the check, which the host has just written, or beside it.
    pub(crate) async fn find(
        main: &Main,
        (base, result): (&ObjectId, &ObjectId),
        check: &Check,
        place: &Directories,
    ) -> Result<Option<Self>, WorkspaceError> {
        let CommandOrigin::Base(path) = &check.origin else { return Ok(None) };
        let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
        // The part of the command for a shell in the directory.
        let (inside, own) = match check.command.split_once(" && ").filter(|_| !directory.is_empty())
        {
            Some((inside, own)) => (format!("{inside} && "), own),
            None => (String::new(), check.command.as_str()),
        };
        let command = if let (Some(script), "package.json") = (script(own), file) {
            let before = scripts(main.file(base, path).await?.as_deref(), script);
            let after = scripts(main.file(result, path).await?.as_deref(), script);
            let changed = before != after || runners(main, (base, result), directory).await?;
            changed.then(|| format!("{inside}{}", chained(&before)))
        } else if MAKEFILES.contains(&file) {
            let make = makefile(main, (base, result), directory, (own, path), &place.tmp).await?;
            make.map(|command| format!("{inside}{command}"))
        } else {
            let laid = lay_over(main, (base, result), directory, file, &place.root).await?;
            laid.then(|| check.command.clone())
        };
        Ok(command.map(|command| Self {
            command,
            note: format!(
                "({path}, or what it goes by, was changed: this is what the base commit has for `{}`)",
                check.command
            ),
        }))
    }
}

async fn makefile(
    main: &Main,
    (base, result): (&ObjectId, &ObjectId),
    directory: &str,
    (command, path): (&str, &str),
    beside: &Path,
) -> Result<Option<String>, WorkspaceError> {
    let target = command.strip_prefix("make ").unwrap_or("test");
    let shadow = joined(directory, target).into_bytes();
    let names = MAKEFILES.map(|name| joined(directory, name).into_bytes());
    let changed = main.changes(base, result, &[]).await?;
    let counts = |path: &[u8]| {
        let below = path.strip_prefix(&shadow[..]);
        names.iter().any(|name| name == path)
            || below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    if !changed.iter().any(|change| counts(&change.path)) {
        return Ok(None);
    }
    let (content, copy) =
        (main.file(base, path).await?.unwrap_or_default(), beside.join("base.mk"));
    fs::write(&copy, content).map_err(io("cannot write", &copy))?;
    let phony = beside.join("phony.mk");
    fs::write(&phony, format!(".PHONY: {target}\n")).map_err(io("cannot write", &phony))?;
    Ok(Some(format!("make -f {} -f {} {target}", quoted(&copy), quoted(&phony))))
}

/// Whether a result changes with what a package's scripts are run.
async fn runners(
    main: &Main,
    (base, result): (&ObjectId, &ObjectId),
    directory: &str,
) -> Result<bool, WorkspaceError> {
    let changed = main.changes(base, result, &[]).await?;
    let places = [directory, ""];
    let count = |path: &[u8]| {
        places.iter().any(|place| RUNNERS.iter().any(|name| joined(place, name).as_bytes() == path))
    };
    Ok(changed.iter().any(|change| count(&change.path)))
}

/// Puts what the base commit says a command does in the place of what the result says, in the files of the tree. `false`:
/// they say the same.
async fn lay_over(
    main: &Main,
    (base, result): (&ObjectId, &ObjectId),
    directory: &str,
    file: &str,
    root: &Path,
) -> Result<bool, WorkspaceError> {
    let is_workspace = ["lerna.json", "nx.json", "package.json", "turbo.json"].contains(&file);
    let mut laid = false;
    for change in main.changes(base, result, &[]).await? {
        let Ok(path) = std::str::from_utf8(&change.path) else { continue };
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_runner = is_workspace && RUNNERS.contains(&name);
        let is_own = above == directory
            && (name == file || is_workspace && WHOLE[6..].contains(&name) || is_runner);
        let is_package = is_workspace
            && name == "package.json"
            && (directory.is_empty() || path.starts_with(&format!("{directory}/")));
        if !is_own && !is_package {
            continue;
        }
        let Some(before) = main.file(base, path).await? else {
            if is_runner {
                put(root, path, b"")?;
                laid = true;
            }
            continue;
        };
        let content = if let Some((_, key)) = KEYED.iter().find(|(known, _)| *known == name) {
            let after = main.file(result, path).await?.unwrap_or_default();
            let Some(merged) = with_key_of(&before, &after, key) else { continue };
            merged
        } else if WHOLE.contains(&name) || is_runner {
            before
        } else {
            continue;
        };
        put(root, path, &content)?;
        laid = true;
    }
    Ok(laid)
}

/// A JSON file with one key as another has it; `None` where they say the same. What cannot be read is replaced whole.
fn with_key_of(before: &[u8], after: &[u8], key: &str) -> Option<Vec<u8>> {
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).ok().filter(Value::is_object);
    let (Some(old), Some(mut new)) = (read(before), read(after)) else {
        return (before != after).then(|| before.to_vec());
    };
    if old[key] == new[key] {
        return None;
    }
    new[key] = old[key].clone();
    serde_json::to_vec_pretty(&new).ok()
}

/// Writes a file of the tree, unless a link of the result's leads elsewhere.
fn put(root: &Path, path: &str, content: &[u8]) -> Result<(), WorkspaceError> {
    let mut place = PathBuf::from(root);
    for part in Path::new(path) {
        place.push(part);
        if fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink()) {
            fs::remove_file(&place).map_err(io("cannot remove", &place))?;
        }
    }
    let above = place.parent().unwrap_or(root);
    fs::create_dir_all(above).map_err(io("cannot make", above))?;
    fs::write(&place, content).map_err(io("cannot write", &place))
}

fn joined(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
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

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
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
    fn a_path_is_one_word() {
        assert_eq!(quoted(Path::new("/it's/a b")), r"'/it'\''s/a b'");
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
            serde_json::from_slice(&with_key_of(before, after, "scripts").unwrap()).unwrap();
        assert_eq!(merged, serde_json::json!({"scripts":{"test":"jest"},"dependencies":{"a":"1"}}));
        assert_eq!(with_key_of(before, before, "scripts"), None);
        assert_eq!(with_key_of(before, b"{", "scripts").unwrap(), before);
    }
}
