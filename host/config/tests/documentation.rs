//! The configurations and manifests in the documentation are ones that Cyrus takes.

use cyrus_config::{BundledExecutor, CONFIG_FILE, Config, Sources};
use cyrus_plugin::Manifest;
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

const DOCUMENTS: [&str; 5] = [
    "docs/configuration.md",
    "docs/writing-a-plugin.md",
    "plugins/claude/README.md",
    "plugins/codegen/README.md",
    "sdk/rust/template/README.md",
];

/// The lines that every manifest begins with, for examples that show what follows.
const BEGINNING: &str = r#"
name = "example"
version = "0.1.0"
contract = "0.1"
component = "example.wasm"
placement = "local"
"#;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The blocks of a document in exactly this language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let fence = format!("```{language}\n");
    let begun = text.split(fence.as_str()).skip(1);
    begun.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn load(text: &str) -> Config {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(CONFIG_FILE);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let grants = ["claude", "codegen"].map(|name| {
        let file = root().join("plugins").join(name).join("grants.json");
        (name, fs::read_to_string(file).unwrap())
    });
    let bundled = grants.each_ref().map(|(name, json)| BundledExecutor { name, json });
    let environment = |name: &str| (name == "HOME").then(|| "/home/op".to_owned());
    let sources = Sources { home: home.path(), bundled: &bundled, environment: &environment };
    Config::load(&sources).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

#[test]
fn every_configuration_is_read_without_a_warning() {
    let mut seen = 0;
    for document in DOCUMENTS {
        for block in blocks(document, "json") {
            assert_eq!(load(&block).warnings(), [], "{document}:\n{block}");
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} examples were found");
}

#[test]
fn every_manifest_is_one() {
    let found = blocks("docs/writing-a-plugin.md", "toml");
    assert!(found.len() >= 2, "only {} examples were found", found.len());
    for block in found {
        let manifest = format!("{BEGINNING}{block}");
        let read = Manifest::parse(manifest.as_bytes());
        assert!(read.is_ok(), "{}\n{block}", read.unwrap_err());
    }
}

/// Every key that the reference of `grants` and `limits` names is one, and none is left out.
#[test]
fn the_tables_of_an_executor_are_whole() {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let limits = serde_json::to_value(cyrus_plugin::ExecutorLimits::default()).unwrap();
    for (key, value) in limits.as_object().unwrap() {
        assert!(text.contains(&format!("`{key}`")), "limits.{key} = {value} is not described");
    }
    for key in ["digest", "http", "process", "workspace", "secrets", "ask", "mcp"] {
        assert!(text.contains(&format!("\n| `{key}` |")), "grants.{key} is not described");
    }
    for key in ["program", "args", "env", "homeFiles", "mcpFlag"] {
        assert!(text.contains(&format!("`{key}`")), "a process grant's {key} is not described");
    }
}
