//! The table of controls.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::{collections::BTreeSet, fs, path::Path};

/// One control, and how it is removed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Control {
    /// What it is called here: unique.
    pub(crate) name: String,
    /// The promise of `SECURITY.md` that it keeps.
    pub(crate) promise: String,
    /// The file that holds it, from the root of the repository.
    pub(crate) file: String,
    /// The text that is the control. It stands exactly once in the file.
    pub(crate) find: String,
    /// What stands there without it.
    pub(crate) replace: String,
    /// The arguments of `cargo test` that run the test, and nothing else.
    pub(crate) test: Vec<String>,
    /// Whether the test builds the WebAssembly engine, which takes minutes.
    #[serde(default)]
    pub(crate) engine: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    control: Vec<Control>,
}

/// Reads the table. Names that stand twice are an error.
pub(crate) fn read(path: &Path) -> Result<Vec<Control>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Table { control } = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let names: BTreeSet<_> = control.iter().map(|control| &control.name).collect();
    ensure!(names.len() == control.len(), "a name stands twice in {}", path.display());
    Ok(control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
    }

    /// Without building anything: the table cannot rot unnoticed.
    #[test]
    fn every_control_is_where_the_table_says() {
        let controls = read(&root().join("tests/mutations/controls.toml")).unwrap();
        assert!(controls.len() >= 15, "{} controls", controls.len());
        for Control { name, file, find, replace, test, .. } in controls {
            let text = fs::read_to_string(root().join(&file)).unwrap_or_default();
            assert_eq!(text.matches(&find).count(), 1, "{name}: {file} does not hold it once");
            assert_ne!(find, replace, "{name}");
            assert!(test.iter().any(|arg| arg == "-p"), "{name}: the test names no package");
        }
    }

    /// Each promise is one of SECURITY.md, word for word.
    #[test]
    fn every_promise_is_one_of_the_document() {
        let document = fs::read_to_string(root().join("SECURITY.md")).unwrap();
        for Control { name, promise, .. } in
            read(&root().join("tests/mutations/controls.toml")).unwrap()
        {
            assert!(document.contains(&promise), "{name}: SECURITY.md does not say {promise:?}");
        }
    }
}
