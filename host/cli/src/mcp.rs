//! The MCP servers that the configuration names, and the leave to use them.

use cyrus_plugin::{ExecutorConfig, FlagPattern, ProcessGrant, ValuePattern};
use cyrus_plugin_bundle::bundled;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// What configurations say of MCP servers. Each is read once, and what is wrong with it is said once.
#[derive(Debug, Default)]
pub(crate) struct McpServers(Mutex<BTreeMap<Vec<PathBuf>, Option<Value>>>);

impl McpServers {
    /// What these files say, together; of two servers with one name the later file's counts. A file that cannot be
    /// read is left out, and that is said: an agent without a tool is better than no agent.
    pub(crate) fn of(&self, files: Vec<PathBuf>) -> Option<Value> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(files).or_insert_with_key(|files| servers(files)).clone()
    }
}

/// Naming servers in the configuration is leave to start exactly these: an executor with the grants that came with its
/// plugin may pass them to Claude Code. Grants that somebody wrote stay as they are written.
pub(crate) fn allow(config: &mut ExecutorConfig, servers: &Value) {
    let came_with = bundled().iter().find(|plugin| plugin.name == config.plugin);
    let own = came_with.and_then(|plugin| serde_json::from_str::<Value>(plugin.grants).ok());
    let own = own.and_then(|entry| {
        let process = entry.pointer("/grants/process")?.clone();
        serde_json::from_value::<BTreeMap<String, ProcessGrant>>(process).ok()
    });
    if own.as_ref() != Some(&config.grants.process) {
        return;
    }
    if let Some(claude) = config.grants.process.get_mut("claude") {
        let these = ValuePattern::OneOf(vec![servers.to_string()]);
        let flag = FlagPattern { value: Some(these), repeat: false };
        claude.args.flags.entry("--mcp-config".to_owned()).or_insert(flag);
    }
}

fn servers(files: &[PathBuf]) -> Option<Value> {
    let mut all = Map::new();
    for file in files {
        let read = fs::read_to_string(file).map_err(|error| error.to_string());
        let parsed = read.and_then(|text| {
            serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())
        });
        match parsed.as_ref().map(|value| value.get("mcpServers").and_then(Value::as_object)) {
            Ok(Some(servers)) => all.extend(servers.clone()),
            Ok(None) => {
                tracing::warn!("{}: there is no object `mcpServers` in it", file.display());
            }
            Err(error) => {
                tracing::warn!("the MCP servers of {} are left out: {error}", file.display());
            }
        }
    }
    (!all.is_empty()).then(|| json!({ "mcpServers": all }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grants_that_nobody_wrote_are_opened_and_only_for_these_servers() {
        let claude = bundled().iter().find(|plugin| plugin.name == "claude").unwrap();
        let entry: Value = serde_json::from_str(claude.grants).unwrap();
        let mut config = ExecutorConfig::new("second", "claude");
        config.grants = serde_json::from_value(entry["grants"].clone()).unwrap();
        let mut own = config.clone();
        own.grants.process.get_mut("claude").unwrap().home_files.clear();
        let unchanged = own.clone();
        let servers = json!({"mcpServers": {"a": {"command": "one"}}});
        allow(&mut own, &servers);
        assert_eq!(own.grants, unchanged.grants);
        allow(&mut config, &servers);
        let flags = &config.grants.process["claude"].args.flags;
        let text = r#"{"mcpServers":{"a":{"command":"one"}}}"#.to_owned();
        assert_eq!(flags["--mcp-config"].value, Some(ValuePattern::OneOf(vec![text])));
    }

    #[test]
    fn files_are_put_together_and_broken_ones_left_out() {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = home.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let one = file("one", r#"{"mcpServers": {"a": {"command": "1"}, "b": {"command": "1"}}}"#);
        let two = file("two", r#"{"mcpServers": {"b": {"command": "2"}}}"#);
        let broken = file("broken", "{");
        let none = file("none", "[]");
        let missing = home.path().join("missing");
        let found = servers(&[one, broken, none, missing, two]);
        let expected = json!({"mcpServers": {"a": {"command": "1"}, "b": {"command": "2"}}});
        assert_eq!(found, Some(expected));
        assert_eq!(servers(&[]), None);
    }
}
