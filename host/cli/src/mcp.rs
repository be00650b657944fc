//! The MCP servers that the configuration names. Which executors may use them is a matter of grants.

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
