//! What a detected command does is said in a file of the repository. When a result changes that, the check is what
//! the base commit says.
//!
//! | detected from | what counts | what is run instead |
//! |---|---|---|
//! | `package.json` | its scripts `pretest`, `test` and `posttest` | those scripts of the base, by `sh`, with `node_modules/.bin` on the path |
//! | a makefile | the makefiles at the top | `make` with a copy of the base's makefile |
//!
//! For all others the command itself is all there is to say.

use crate::{error::io, object::ObjectId, repository::Main};
use cyrus_core::{Check, CommandOrigin, WorkspaceError};
use serde_json::Value;
use std::{fs, path::Path};

/// What npm and its like run for `test`.
const SCRIPTS: [&str; 3] = ["pretest", "test", "posttest"];

/// The makefiles that GNU make looks for.
const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// What is run in the place of a check's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) command: String,
    /// Says so, above the output.
    pub(crate) note: String,
}

impl Definition {
    /// What the base says a check does, when the result says otherwise. A copy of the base's makefile is put
    /// `beside` the tree of the check.
    pub(crate) async fn find(
        main: &Main,
        (base, result): (&ObjectId, &ObjectId),
        check: &Check,
        beside: &Path,
    ) -> Result<Option<Self>, WorkspaceError> {
        let CommandOrigin::Base(file) = &check.origin else { return Ok(None) };
        let command = if file == "package.json" {
            let before = scripts(main.file(base, file).await?.as_deref());
            let after = scripts(main.file(result, file).await?.as_deref());
            (before != after).then(|| chained(&before))
        } else if MAKEFILES.contains(&file.as_str()) {
            makefile(main, base, result, (check, file), beside).await?
        } else {
            None
        };
        Ok(command.map(|command| Self {
            command,
            note: format!(
                "({file} was changed: this is what the base commit has for `{}`)",
                check.command
            ),
        }))
    }
}

async fn makefile(
    main: &Main,
    base: &ObjectId,
    result: &ObjectId,
    (check, file): (&Check, &str),
    beside: &Path,
) -> Result<Option<String>, WorkspaceError> {
    let changed = main.changes(base, result, &[]).await?;
    if !changed.iter().any(|change| MAKEFILES.iter().any(|name| name.as_bytes() == change.path)) {
        return Ok(None);
    }
    let (content, copy) =
        (main.file(base, file).await?.unwrap_or_default(), beside.join("base.mk"));
    fs::write(&copy, content).map_err(io("cannot write", &copy))?;
    let target = check.command.strip_prefix("make ").unwrap_or("test");
    Ok(Some(format!("make -f {} {target}", quoted(&copy))))
}

/// The scripts of a `package.json` that make up its test.
fn scripts(content: Option<&[u8]>) -> [Option<String>; 3] {
    let package: Value =
        content.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
    SCRIPTS.map(|name| package["scripts"][name].as_str().map(str::to_owned))
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
        let found = scripts(Some(package));
        assert_eq!(found, [None, Some("a || b".into()), Some("c".into())]);
        assert!(chained(&found).ends_with("(\na || b\n) && (\nc\n)"));
        assert_eq!(scripts(None), [None, None, None]);
        assert_eq!(scripts(Some(b"{")), [None, None, None]);
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted(Path::new("/it's/a b")), r"'/it'\''s/a b'");
    }
}
