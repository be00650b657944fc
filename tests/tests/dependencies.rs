//! What the program is made of: one version of each crate, known sources, licences that go with ours.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

/// Crates that are there in more than one version, and whose choice that is. None of them is ours.
const TWICE: &[(&str, &str)] = &[
    ("base64", "sqlx and reqwest"),
    ("block-buffer", "sha2"),
    ("cpufeatures", "sha2"),
    ("crypto-common", "sha2"),
    ("digest", "sha2"),
    ("embedded-io", "postcard, for wasmtime"),
    ("getrandom", "ring and uuid"),
    ("hashbrown", "indexmap and sqlx"),
    ("io-lifetimes", "cap-std, for wasmtime-wasi"),
    ("sha2", "wasmtime's cache and sqlx"),
    ("syn", "macros that moved to 3 and those that did not"),
    ("thiserror", "redox_users, on another system"),
    ("thiserror-impl", "redox_users, on another system"),
    ("wasm-encoder", "wasmtime and wit-bindgen"),
    ("wasm-metadata", "wasmtime and wit-bindgen"),
    ("wasmparser", "wasmtime and wit-bindgen"),
    ("winnow", "toml"),
    ("wit-component", "wasmtime and wit-bindgen"),
    ("wit-parser", "wasmtime and wit-bindgen"),
];

/// Licences under which a dependency may be taken; of several that are offered, one is enough.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn locked() -> Vec<toml::Table> {
    let lock: toml::Table = fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    packages.iter().map(|package| package.as_table().unwrap().clone()).collect()
}

#[test]
fn there_is_one_version_of_each_crate() {
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    for package in locked() {
        let text = |key: &str| package[key].as_str().unwrap().to_owned();
        versions.entry(text("name")).or_default().insert(text("version"));
    }
    let elsewhere = |name: &str| name.starts_with("windows");
    let twice: BTreeSet<_> = versions
        .iter()
        .filter(|(name, versions)| versions.len() > 1 && !elsewhere(name))
        .map(|(name, _)| name.as_str())
        .collect();
    let tolerated: BTreeSet<_> = TWICE.iter().map(|(name, _)| *name).collect();
    let new: Vec<_> = twice.difference(&tolerated).collect();
    assert!(new.is_empty(), "in more than one version: {new:?} (`cargo tree -d`)");
    let gone: Vec<_> = tolerated.difference(&twice).collect();
    assert!(gone.is_empty(), "no longer there twice, so no longer to be tolerated: {gone:?}");
}

#[test]
fn every_crate_is_ours_or_published() {
    const PUBLISHED: &str = "registry+https://github.com/rust-lang/crates.io-index";
    for package in locked() {
        let name = package["name"].as_str().unwrap();
        match package.get("source").and_then(toml::Value::as_str) {
            Some(source) => assert_eq!(source, PUBLISHED, "{name}"),
            None => assert!(name.starts_with("cyrus-"), "{name} is from a path outside"),
        }
    }
}

#[test]
fn licences_go_with_ours() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(acceptable(licence), "{} is under {licence}", package["name"]);
    }
}

/// Whether an SPDX expression without deep nesting can be met with [`LICENCES`].
fn acceptable(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], "");
    let met = |part: &str| {
        part.split(" OR ").flat_map(|p| p.split('/')).any(|p| LICENCES.contains(&p.trim()))
    };
    flat.split(" AND ").all(met)
}

#[test]
fn an_expression_is_met_by_one_of_each_choice() {
    for good in ["MIT", "Unlicense/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "LGPL-2.1 OR MIT"] {
        assert!(acceptable(good), "{good}");
    }
    for bad in ["GPL-3.0", "none", "MIT AND GPL-2.0", "AGPL-3.0 OR SSPL-1.0"] {
        assert!(!acceptable(bad), "{bad}");
    }
}
