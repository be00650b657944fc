//! The lines the program prints.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::arguments::Output;
use super::script::Version;
use crate::clock::Calendar;

/// The built-in tools.
const TOOLS: [&str; 7] = ["Bash", "Edit", "Read", "Task", "WebFetch", "WebSearch", "Write"];

/// What `system/init` says about the session.
#[derive(Debug)]
pub(super) struct Introduction {
    pub(super) directory: PathBuf,
    pub(super) model: String,
    pub(super) permission_mode: String,
    pub(super) tools: Vec<String>,
    pub(super) mcp_servers: Vec<Value>,
    /// Where the real program would keep its memory.
    pub(super) memory: PathBuf,
}

impl Introduction {
    /// The built-in tools, less those not wanted or not allowed.
    pub(super) fn tools(wanted: Option<&[String]>, disallowed: &[String]) -> Vec<String> {
        let offered = |tool: &&&str| {
            wanted.is_none_or(|wanted| wanted.iter().any(|name| name == **tool))
                && !disallowed.iter().any(|name| name == **tool)
        };
        TOOLS.iter().filter(offered).map(|tool| (*tool).to_owned()).collect()
    }
}

/// Prints lines, each with its session, an id and a timestamp that are counted.
#[derive(Debug)]
pub(super) struct Printer {
    version: Version,
    output: Output,
    session: String,
    calendar: Calendar,
    lines: u64,
}

impl Printer {
    pub(super) fn new(version: Version, output: Output, session: String) -> Self {
        // 2026-01-01T00:00:00Z
        let start = Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { version, output, session, calendar: Calendar::from(start), lines: 0 }
    }

    /// `system/init`.
    pub(super) fn init(&mut self, about: &Introduction) {
        let key = if std::env::var_os("ANTHROPIC_API_KEY").is_some() {
            "ANTHROPIC_API_KEY"
        } else {
            "none"
        };
        self.print(json!({
            "type": "system",
            "subtype": "init",
            "cwd": about.directory,
            "tools": about.tools,
            "mcp_servers": about.mcp_servers,
            "model": about.model,
            "permissionMode": about.permission_mode,
            "slash_commands": [],
            "apiKeySource": key,
            "claude_code_version": self.version.number(),
            "output_style": "default",
            "agents": ["general-purpose"],
            "skills": [],
            "plugins": [],
            "memory_paths": {"auto": about.memory},
            "fast_mode_state": "off",
        }));
    }

    /// One `assistant` line for one content block of a message.
    pub(super) fn assistant(&mut self, envelope: &Value, block: &Value) {
        let mut message = envelope.clone();
        message["content"] = json!([block]);
        message["context_management"] = Value::Null;
        let mut line = json!({"type": "assistant", "message": message, "parent_tool_use_id": null});
        line["request_id"] = "req_sim".into();
        if self.version == Version::V330 {
            line["timestamp"] = self.calendar.next().into();
        }
        self.print(line);
    }

    /// The `assistant` line that stands for a failed call of the model.
    pub(super) fn synthetic(&mut self, text: &str, error: &str) {
        let id = format!("00000000-0000-4000-a000-{:012}", self.lines + 1);
        let message = json!({
            "id": id,
            "container": null,
            "model": "<synthetic>",
            "role": "assistant",
            "stop_details": null,
            "stop_reason": "stop_sequence",
            "stop_sequence": "",
            "type": "message",
            "usage": {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
            "content": [{"type": "text", "text": text}],
            "context_management": null,
        });
        self.print(json!({"type": "assistant", "message": message, "parent_tool_use_id": null, "error": error}));
    }

    /// A `user` line: what goes back to the model. `more` is added at the top.
    pub(super) fn user(&mut self, content: &Value, more: Value) {
        let message = json!({"role": "user", "content": content});
        let mut line = json!({"type": "user", "message": message, "parent_tool_use_id": null});
        line["timestamp"] = self.calendar.next().into();
        merge(&mut line, more);
        self.print(line);
    }

    /// `system/…`.
    pub(super) fn system(&mut self, subtype: &str, more: Value) {
        let mut line = json!({"type": "system", "subtype": subtype});
        merge(&mut line, more);
        self.print(line);
    }

    /// A raw event of the model's stream.
    pub(super) fn stream_event(&mut self, event: &Value) {
        self.print(json!({"type": "stream_event", "event": event, "parent_tool_use_id": null}));
    }

    /// A line of the control protocol: it belongs to no session.
    pub(super) fn control(&mut self, line: &Value) {
        if self.output == Output::StreamJson {
            self.write(line);
        }
    }

    /// A `result` line, or what the output format makes of it.
    pub(super) fn result(&mut self, mut line: Value) {
        self.sign(&mut line);
        match self.output {
            Output::Text => {
                let text = line["result"]
                    .as_str()
                    .or_else(|| line["errors"][0].as_str())
                    .unwrap_or_default();
                write_out(text);
            }
            Output::Json | Output::StreamJson => self.write(&line),
        }
    }

    fn print(&mut self, mut line: Value) {
        self.sign(&mut line);
        if self.output == Output::StreamJson {
            self.write(&line);
        }
    }

    fn sign(&mut self, line: &mut Value) {
        self.lines += 1;
        line["session_id"] = self.session.as_str().into();
        line["uuid"] = format!("00000000-0000-4000-9000-{:012}", self.lines).into();
    }

    fn write(&self, line: &Value) {
        write_out(&ordered(line, self.version));
    }
}

/// A line as the version orders its keys: 2.1.330 does not begin a result with its type.
fn ordered(line: &Value, version: Version) -> String {
    let Value::Object(fields) = line else { return line.to_string() };
    if version == Version::V330 && line["type"] == "result" {
        return line.to_string();
    }
    let first = ["type", "subtype"];
    let leading = first.iter().filter_map(|key| Some((*key, fields.get(*key)?)));
    let rest = fields
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .filter(|(key, _)| !first.contains(key));
    let written: Vec<String> =
        leading.chain(rest).map(|(key, value)| format!("{}:{value}", json!(key))).collect();
    format!("{{{}}}", written.join(","))
}

fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever read this has gone: the real program goes on to its end as well.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn merge(line: &mut Value, more: Value) {
    if let (Value::Object(line), Value::Object(more)) = (line, more) {
        line.extend(more);
    }
}

/// The MCP servers of the configurations, none of which the stand-in starts.
pub(super) fn mcp_servers(configurations: &[String]) -> Result<Vec<Value>, String> {
    let mut servers = Vec::new();
    for configuration in configurations {
        let text = if configuration.trim_start().starts_with('{') {
            configuration.clone()
        } else {
            std::fs::read_to_string(Path::new(configuration))
                .map_err(|error| format!("Error: MCP config file {configuration}: {error}"))?
        };
        let read: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| format!("Error: Invalid MCP configuration: {error}"))?;
        let names =
            read.get("mcpServers").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        servers.extend(names.map(|name| json!({"name": name, "status": "failed"})));
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_comes_first_except_in_results_of_the_newer_version() {
        let result = json!({"type": "result", "subtype": "success", "is_error": false});
        let written = |version| ordered(&result, version);
        assert!(written(Version::V197).starts_with(r#"{"type":"result","subtype":"success","#));
        assert!(!written(Version::V330).starts_with(r#"{"type""#));
        for version in [Version::V197, Version::V330] {
            assert_eq!(serde_json::from_str::<Value>(&written(version)).unwrap(), result);
        }
        let user = json!({"a": 1, "type": "user"});
        assert_eq!(ordered(&user, Version::V330), r#"{"type":"user","a":1}"#);
    }

    #[test]
    fn tools_are_offered_as_far_as_they_are_wanted() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(Introduction::tools(None, &names(&["Bash"])).len(), TOOLS.len() - 1);
        assert_eq!(
            Introduction::tools(Some(&names(&["Read", "Bash"])), &names(&["Bash"])),
            ["Read"]
        );
        assert_eq!(Introduction::tools(Some(&[]), &[]), Vec::<String>::new());
    }

    #[test]
    fn configured_servers_are_named() {
        let servers =
            mcp_servers(&[r#"{"mcpServers": {"echo": {"command": "x"}}}"#.into()]).unwrap();
        assert_eq!(servers, [json!({"name": "echo", "status": "failed"})]);
        assert!(mcp_servers(&["{".into()]).is_err());
    }
}
