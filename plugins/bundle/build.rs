//! Builds the first-party plugins and writes the table that the crate includes.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The plugins' names. `NAME` is package `cyrus-plugin-NAME` in `plugins/NAME`.
const PLUGINS: [&str; 2] = ["claude", "codegen"];

fn main() -> ExitCode {
    match bundle() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bundle() -> Result<(), Box<dyn Error>> {
    let packages = PLUGINS.map(|name| format!("cyrus-plugin-{name}"));
    let components =
        cyrus_plugin_build::build_components(&packages.each_ref().map(String::as_str))?;
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut table = "&[\n".to_owned();
    for (name, component) in PLUGINS.iter().zip(components) {
        // A copy of our own: the next build of the components must not change this one.
        let copy = out_dir.join(format!("{name}.wasm"));
        fs::copy(&component.path, &copy)?;
        let file = |file| tracked(&component.directory.join(file));
        let (manifest, grants) = (file("plugin.toml")?, file("grants.json")?);
        writeln!(
            table,
            "BundledPlugin {{ name: {name:?}, manifest: include_str!({manifest:?}), grants: include_str!({grants:?}), \
             component: include_bytes!({copy:?}) }},"
        )?;
    }
    table.push_str("]\n");
    fs::write(out_dir.join("bundled.rs"), table)?;
    Ok(())
}

/// A file that the crate includes, and that makes it out of date when it changes.
fn tracked(path: &Path) -> Result<PathBuf, Box<dyn Error>> {
    if !path.is_file() {
        return Err(format!("{} is missing", path.display()).into());
    }
    println!("cargo::rerun-if-changed={}", path.display());
    Ok(path.to_owned())
}
