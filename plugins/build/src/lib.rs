//! Builds components from packages of this workspace, for the build scripts of crates that carry them.
//!
//! ```no_run
//! # fn main() -> Result<(), cyrus_plugin_build::BuildError> {
//! for component in cyrus_plugin_build::build_components(&["cyrus-plugin-codegen"])? {
//!     println!("{} is at {}", component.package, component.path.display());
//! }
//! # Ok(()) }
//! ```
//!
//! It must run inside a build script: it reads `OUT_DIR`, `CARGO` and `RUSTC`, and prints the
//! `rerun-if-changed` lines that make the script run again exactly when a component could have changed.

mod packages;
mod toolchain;

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Command,
};

pub use toolchain::{TARGET, ensure_target};

/// Where components are built, when not beside the outer build: for several builds that share them.
pub const TARGET_DIR_VARIABLE: &str = "CYRUS_GUEST_TARGET_DIR";

/// The profile that components are built with, from the workspace's manifest.
const PROFILE: &str = "guest";

/// Why components could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The toolchain has no standard library for WebAssembly, and none could be installed.
    #[error(
        "the Rust toolchain has no {TARGET} target, which the plugins are built for: {reason}\n\
         Install it with `rustup target add {TARGET}`, or with the package of your distribution that holds \
         it, and build again."
    )]
    NoTarget {
        /// What was tried and what came of it.
        reason: String,
    },
    /// Cargo said no; what it said is on standard error.
    #[error("building {packages} for {TARGET} failed ({status}); cargo's own message is above")]
    Cargo {
        /// What was to be built.
        packages: String,
        /// How cargo ended.
        status: String,
    },
    /// Cargo built the package, but it has no library of crate type `cdylib`.
    #[error("{package} made no component at {}: its Cargo.toml needs `[lib] crate-type = [\"cdylib\", \"rlib\"]`", path.display())]
    NoComponent {
        /// The package.
        package: String,
        /// Where its component should be.
        path: PathBuf,
    },
    /// The workspace has no such package, or cargo described it in a way we cannot read.
    #[error("the workspace's packages: {0}")]
    Metadata(String),
    /// Not in a build script.
    #[error("{0} is not set: this runs in build scripts only")]
    NoVariable(&'static str),
    /// A program could not be started, or a file not be read.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl BuildError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A component that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The package it was built from.
    pub package: String,
    /// The package's directory.
    pub directory: PathBuf,
    /// The `.wasm` file.
    pub path: PathBuf,
}

/// Builds `packages` of this workspace as components and says where they are, in the same order.
///
/// They go to a target directory of their own, `guests` beside the outer build's profiles, because the outer
/// cargo holds the lock of its own.
pub fn build_components(packages: &[&str]) -> Result<Vec<Component>, BuildError> {
    let workspace = packages::Workspace::load()?;
    let directories =
        packages.iter().map(|name| workspace.directory(name)).collect::<Result<Vec<_>, _>>()?;
    workspace.print_triggers(packages)?;
    println!("cargo::rerun-if-env-changed={TARGET_DIR_VARIABLE}");

    ensure_target()?;
    let target_dir = target_dir()?;
    let mut command = clean_cargo()?;
    command.args(["build", "--locked", "--profile", PROFILE, "--target", TARGET, "--target-dir"]);
    command.arg(&target_dir).current_dir(workspace.root());
    for name in packages {
        command.args(["--package", name]);
    }
    let status = command.status().map_err(BuildError::io("cargo could not be started"))?;
    if !status.success() {
        return Err(BuildError::Cargo {
            packages: packages.join(", "),
            status: status.to_string(),
        });
    }

    let built = target_dir.join(TARGET).join(PROFILE);
    packages
        .iter()
        .zip(directories)
        .map(|(&package, directory)| {
            let path = built.join(package.replace('-', "_")).with_extension("wasm");
            if !path.is_file() {
                return Err(BuildError::NoComponent { package: package.to_owned(), path });
            }
            Ok(Component { package: package.to_owned(), directory, path })
        })
        .collect()
}

/// Cargo, without what the outer build set for the host's own code.
fn clean_cargo() -> Result<Command, BuildError> {
    let mut command = Command::new(env::var_os("CARGO").ok_or(BuildError::NoVariable("CARGO"))?);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(belongs_to_outer_build) {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Flags, wrappers and targets of the outer build would change the components, or fail on them: coverage and
/// lint wrappers, `-C target-cpu`, a cross-compilation target.
fn belongs_to_outer_build(variable: &str) -> bool {
    const NAMES: [&str; 14] = [
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
        "OUT_DIR",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "TARGET",
        "__CARGO_DEFAULT_LIB_METADATA",
    ];
    const PREFIXES: [&str; 6] =
        ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PROFILE_", "DEP_"];
    NAMES.contains(&variable) || PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
}

fn target_dir() -> Result<PathBuf, BuildError> {
    if let Some(chosen) = env::var_os(TARGET_DIR_VARIABLE).filter(|dir| !dir.is_empty()) {
        return Ok(chosen.into());
    }
    let out_dir = env::var_os("OUT_DIR").ok_or(BuildError::NoVariable("OUT_DIR"))?;
    let beside = guests_beside(Path::new(&out_dir), env::var("TARGET").ok().as_deref());
    beside.ok_or_else(|| {
        BuildError::Metadata(format!("{} is no build script's OUT_DIR", out_dir.display()))
    })
}

/// `OUT_DIR` is `<target>[/<triple>]/<profile>/build/<package>-<hash>/out`.
fn guests_beside(out_dir: &Path, triple: Option<&str>) -> Option<PathBuf> {
    let build = out_dir.ancestors().find(|dir| dir.ends_with("build"))?;
    let target = build.parent()?.parent()?;
    let crossed = triple.is_some_and(|triple| target.ends_with(triple));
    Some(if crossed { target.parent()? } else { target }.join("guests"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_go_beside_the_outer_build() {
        let triple = Some("x86_64-unknown-linux-gnu");
        let guests = |out: &str| guests_beside(Path::new(out), triple);
        let expected = Some(PathBuf::from("/src/target/guests"));
        assert_eq!(guests("/src/target/debug/build/bundle-0f/out"), expected);
        assert_eq!(
            guests("/src/target/x86_64-unknown-linux-gnu/release/build/bundle-0f/out"),
            expected
        );
        assert_eq!(guests("/somewhere/else"), None);
    }

    #[test]
    fn what_the_outer_build_set_does_not_reach_components() {
        for variable in
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_PKG_NAME"]
        {
            assert!(belongs_to_outer_build(variable), "{variable}");
        }
        for variable in
            ["PATH", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "HTTPS_PROXY", "CARGO_NET_OFFLINE"]
        {
            assert!(!belongs_to_outer_build(variable), "{variable}");
        }
    }
}
