use crate::BuildError;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// What a package consists of, as far as its component depends on it.
const SOURCES: [&str; 4] = ["Cargo.toml", "build.rs", "src", "wit"];

/// What every component depends on: the contract, versions, profiles, the compiler.
const SHARED: [&str; 4] = ["wit", "Cargo.lock", "Cargo.toml", "rust-toolchain.toml"];

/// The packages of the workspace that this crate is a part of.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self, BuildError> {
        let cargo = env::var_os("CARGO").ok_or(BuildError::NoVariable("CARGO"))?;
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .output()
            .map_err(BuildError::io("cargo metadata could not be started"))?;
        if !output.status.success() {
            return Err(BuildError::Metadata(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        serde_json::from_slice(&output.stdout).map_err(|e| BuildError::Metadata(e.to_string()))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.workspace_root
    }

    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, BuildError> {
        Ok(self.package(name)?.directory().to_owned())
    }

    /// Has cargo run the build script again when one of these packages, what they depend on here, or the
    /// contract changes.
    pub(crate) fn print_triggers(&self, names: &[&str]) -> Result<(), BuildError> {
        let own = self.closure(names)?.into_iter().flat_map(|name| {
            let package = self.packages.iter().find(|package| package.name == name);
            package.map(Package::directory).into_iter().flat_map(|dir| SOURCES.map(|s| dir.join(s)))
        });
        let shared = SHARED.map(|name| self.workspace_root.join(name));
        // Naming a path that is not there would run the script on every build.
        for path in own.chain(shared).filter(|path| path.exists()) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        Ok(())
    }

    /// These packages and every package of the workspace that they are built from.
    fn closure<'a>(&'a self, names: &[&'a str]) -> Result<BTreeSet<&'a str>, BuildError> {
        let mut found = BTreeSet::new();
        let mut open = names.to_vec();
        while let Some(name) = open.pop() {
            if found.insert(name) {
                let dependencies = self.package(name)?.dependencies.iter();
                let here = dependencies
                    .filter(|dep| dep.path.is_some() && dep.kind.as_deref() != Some("dev"));
                open.extend(here.map(|dep| dep.name.as_str()));
            }
        }
        Ok(found)
    }

    fn package(&self, name: &str) -> Result<&Package, BuildError> {
        let found = self.packages.iter().find(|package| package.name == name);
        found.ok_or_else(|| BuildError::Metadata(format!("there is no package {name:?}")))
    }
}

impl Package {
    fn directory(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        serde_json::from_str(
            r#"{"workspace_root": "/src", "packages": [
                {"name": "plugin", "manifest_path": "/src/plugin/Cargo.toml", "dependencies": [
                    {"name": "sdk", "kind": null, "path": "/src/sdk"},
                    {"name": "kit", "kind": "dev", "path": "/src/kit"},
                    {"name": "serde", "kind": null, "path": null}]},
                {"name": "sdk", "manifest_path": "/src/sdk/Cargo.toml", "dependencies": []},
                {"name": "kit", "manifest_path": "/src/kit/Cargo.toml", "dependencies": []}]}"#,
        )
        .expect("metadata as cargo writes it")
    }

    #[test]
    fn a_component_depends_on_what_it_is_built_from() {
        let workspace = workspace();
        let closure = workspace.closure(&["plugin"]).expect("both packages are there");
        assert_eq!(closure.into_iter().collect::<Vec<_>>(), ["plugin", "sdk"]);
        assert_eq!(workspace.directory("sdk").expect("is there"), Path::new("/src/sdk"));
    }

    #[test]
    fn an_unknown_package_is_named() {
        let error = workspace().directory("plugim").expect_err("no such package");
        assert!(error.to_string().contains("\"plugim\""), "{error}");
    }
}
