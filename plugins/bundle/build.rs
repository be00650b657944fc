//! Builds the first-party plugins and writes the table that the crate includes.

use anyhow::{Context as _, Result, ensure};
use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The plugins' names. `NAME` is package `cyrus-plugin-NAME` in `plugins/NAME`.
const PLUGINS: [&str; 2] = ["claude", "codegen"];

fn main() -> Result<()> {
    let packages = PLUGINS.map(|name| format!("cyrus-plugin-{name}"));
    let components =
        cyrus_plugin_build::build_components(&packages.each_ref().map(String::as_str))?;
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let mut table = "&[\n".to_owned();
    for (name, component) in PLUGINS.iter().zip(components) {
        // A copy of our own: the next build of the components must not change this one.
        let copy = out_dir.join(format!("{name}.wasm"));
        fs::copy(&component.path, &copy)?;
        let file = |file| tracked(&component.directory.join(file));
        let (manifest, grants, component) =
            (file("plugin.toml")?, file("grants.json")?, literal(&copy)?);
        writeln!(
            table,
            "BundledPlugin {{ name: {name:?}, manifest: include_str!({manifest}), \
             grants: include_str!({grants}), component: include_bytes!({component}) }},"
        )?;
    }
    table.push_str("]\n");
    fs::write(out_dir.join("bundled.rs"), table)?;
    Ok(())
}

/// A file that the crate includes, as a literal. When it changes, the script runs again.
fn tracked(path: &Path) -> Result<String> {
    ensure!(path.is_file(), "{} is missing", path.display());
    println!("cargo::rerun-if-changed={}", path.display());
    literal(path)
}

fn literal(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(format!("{text:?}"))
}
