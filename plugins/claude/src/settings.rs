//! What the operator can set: `executors.NAME.settings` in the configuration.

use crate::{failures::Family, reset::zone_named};
use cyrus_sdk::{Error, Result};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The model when neither the task nor the settings name one. Claude Code's own default differs from version
/// to version, so one is always named.
pub(crate) const DEFAULT_MODEL: &str = "opus";

/// How long commands in the background are waited for: as long as Claude Code does by itself.
const BACKGROUND: Duration = Duration::from_mins(10);

/// The settings of this executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// The model for tasks that name none.
    pub model: Option<String>,
    /// The model to fall back to when the first is overloaded.
    pub fallback_model: Option<String>,
    /// What needs no question.
    pub permission_mode: PermissionMode,
    /// Tools that need no question, for tasks that say nothing of it.
    pub allowed_tools: Vec<String>,
    /// Tools that must not be used, besides those the task names.
    pub disallowed_tools: Vec<String>,
    /// The most turns, for tasks that say nothing of it.
    pub max_turns: Option<u32>,
    /// Whose settings files, hooks and memory files Claude Code reads.
    pub setting_sources: Option<Vec<SettingSource>>,
    /// Where a question about a tool goes that nothing answers beforehand.
    pub permission_prompts: PermissionPrompts,
    /// How long commands in the background are waited for after a result, in minutes.
    pub background_minutes: Option<u32>,
    /// The zone of times in Claude Code's messages that name none: `Europe/Madrid`.
    pub time_zone: Option<String>,
    /// Whether Claude Code may start a sandbox of its own for commands, where its settings say so. Inside of the host's
    /// it cannot, and every command would fail.
    pub own_sandbox: bool,
    /// Failures of the operator's own, which go before those of `failures.json`.
    pub failures: Vec<Family>,
}

/// Where questions about tools go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermissionPrompts {
    /// To the host, which answers by policy or asks a person.
    #[default]
    Host,
    /// Nowhere: what would be asked is denied. Claude Code 2.1.300 and newer.
    None,
}

/// What Claude Code does without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// Only looks.
    Default,
    /// Changes files of the workspace too, which is what a workspace is for. Commands are asked about.
    #[default]
    AcceptEdits,
    /// Decides by a model of its own.
    Auto,
    /// Only looks, and makes a plan.
    Plan,
    /// Only looks, and is denied all else without a question.
    DontAsk,
    /// Everything. Refused to root, and never part of the default grant.
    BypassPermissions,
}

impl PermissionMode {
    /// The word on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Auto => "auto",
            Self::Plan => "plan",
            Self::DontAsk => "dontAsk",
            Self::BypassPermissions => "bypassPermissions",
        }
    }
}

/// A place that Claude Code reads settings from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingSource {
    /// The home directory it is given.
    User,
    /// `.claude/` and the memory files of the checkout. Its hooks are commands, and run without a question.
    Project,
    /// `.claude/settings.local.json` of the checkout.
    Local,
}

impl SettingSource {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
            Self::Local => "local",
        }
    }
}

impl Settings {
    /// Refuses what the command line would misread.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, model) in [("model", &self.model), ("fallbackModel", &self.fallback_model)] {
            if let Some(model) = model {
                check_word(&format!("settings.{key}"), model)?;
            }
        }
        check_tools("settings.allowedTools", &self.allowed_tools)?;
        for family in &self.failures {
            family
                .check()
                .map_err(|why| Error::invalid_request(format!("settings.failures: {why}")))?;
        }
        self.zone()?;
        check_tools("settings.disallowedTools", &self.disallowed_tools)
    }

    /// The zone of times that name none.
    pub(crate) fn zone(&self) -> Result<Option<TimeZone>> {
        let known = |name: &String| {
            zone_named(name).ok_or_else(|| {
                let message = format!(
                    "settings.timeZone: {name:?} is not a time zone: write it like Europe/Madrid"
                );
                Error::invalid_request(message)
            })
        };
        self.time_zone.as_ref().map(known).transpose()
    }

    /// How long commands in the background are waited for.
    pub(crate) fn background_wait(&self) -> Duration {
        self.background_minutes.map_or(BACKGROUND, |minutes| Duration::from_mins(minutes.into()))
    }

    /// The sources as the command line has them. By default the home directory that Cyrus made, and what the
    /// repository has for agents: its memory files, skills, agents and settings, as a person who works on it has
    /// them. The commands that its hooks name run in the sandbox, as its set-up does.
    pub(crate) fn sources(&self) -> String {
        let usual = [SettingSource::User, SettingSource::Project];
        let sources = self.setting_sources.as_deref().unwrap_or(&usual);
        sources.iter().map(|source| source.as_str()).collect::<Vec<_>>().join(",")
    }
}

/// Refuses a name with anything in it that a model's name has not.
pub(crate) fn check_word(place: &str, word: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/[]@,".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return Ok(());
    }
    Err(Error::invalid_request(format!("{place}: {word:?} is not the name of a model")))
}

/// Refuses tool patterns that would read as several, or as none.
pub(crate) fn check_tools(place: &str, tools: &[String]) -> Result<()> {
    for tool in tools {
        let name_ends = tool.find('(').unwrap_or(tool.len());
        let (name, pattern) = tool.split_at(name_ends);
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-*".contains(c);
        let closed = pattern.is_empty()
            || (pattern.ends_with(')') && balanced(pattern) && !pattern.contains(char::is_control));
        if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) || !closed {
            return Err(Error::invalid_request(format!(
                "{place}: {tool:?} is not a tool: write it like Read, Bash(git log:*) or mcp__server__tool"
            )));
        }
    }
    Ok(())
}

/// Whether the first parenthesis is closed by the last character and not before.
fn balanced(pattern: &str) -> bool {
    let mut depth = 0_i32;
    let last = pattern.len() - 1;
    pattern.char_indices().all(|(at, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth > 0 || at == last
    }) && depth == 0
}

/// The JSON Schema of [`Settings`].
pub(crate) fn schema() -> Value {
    let tools = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "model": {"type": "string", "default": DEFAULT_MODEL,
                "description": "The model for tasks that name none: an alias such as opus, or a full name."},
            "fallbackModel": {"type": "string",
                "description": "The model to use while the first is overloaded."},
            "permissionMode": {"default": "acceptEdits",
                "enum": ["default", "acceptEdits", "auto", "plan", "dontAsk", "bypassPermissions"],
                "description": "What Claude Code does without asking. The grant has to allow it too."},
            "allowedTools": tools,
            "disallowedTools": tools,
            "maxTurns": {"type": "integer", "minimum": 1},
            "settingSources": {"type": "array", "default": ["user", "project"],
                "items": {"enum": ["user", "project", "local"]},
                "description": "Whose settings, hooks and memory files are read. project and local are the \
                    checkout's own: only for repositories whose authors may run commands here."},
            "permissionPrompts": {"enum": ["host", "none"], "default": "host",
                "description": "Where questions about tools go: to the host, or nowhere, which denies what would be asked."},
            "backgroundMinutes": {"type": "integer", "minimum": 0, "default": 10,
                "description": "How long commands in the background are waited for after a result. Agents are waited for."},
            "timeZone": {"type": "string",
                "description": "The zone of times in messages that name none: Europe/Madrid."},
            "ownSandbox": {"type": "boolean", "default": false,
                "description": "Whether it may start a sandbox of its own for commands: only where Cyrus starts none."},
            "failures": {"type": "array", "items": family_schema(),
                "description": "Failures of your own, by status, code or words. They go before those of failures.json."}
        }
    })
}

fn family_schema() -> Value {
    let list = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "type": "object",
        "required": ["name", "kind"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string"},
            "kind": {"enum": ["rate-limited", "unavailable", "unauthorized", "quota-exhausted", "invalid-request",
                "refused", "failed", "session-broken"]},
            "statuses": list, "codes": list, "says": list
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_sdk::contract::ErrorKind;

    fn parse(json: &str) -> Result<Settings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_has_to_be_set() {
        let settings = parse("{}").unwrap();
        assert_eq!(settings.permission_mode.as_str(), "acceptEdits");
        assert_eq!(settings.sources(), "user,project");
        settings.check().unwrap();
    }

    #[test]
    fn the_schema_names_every_setting_and_no_other() {
        let all = json!({
            "model": "opus", "fallbackModel": "sonnet", "permissionMode": "plan",
            "allowedTools": ["Read"], "disallowedTools": ["WebFetch"], "maxTurns": 3,
            "settingSources": ["user", "project"], "permissionPrompts": "none", "backgroundMinutes": 1,
            "timeZone": "Europe/Madrid", "ownSandbox": true, "failures": [{"name": "ours", "kind": "unavailable", "says": ["x"]}]
        });
        let settings = parse(&all.to_string()).unwrap();
        assert_eq!(settings.sources(), "user,project");
        let schema = schema();
        let named: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(named, all.as_object().unwrap().keys().collect::<Vec<_>>());
        for mode in schema["properties"]["permissionMode"]["enum"].as_array().unwrap() {
            let mode: PermissionMode = serde_json::from_value(mode.clone()).unwrap();
            assert!(schema.to_string().contains(mode.as_str()));
        }
        assert!(parse(r#"{"modle": "opus"}"#).unwrap_err().contains("modle"));
        assert!(parse(r#"{"permissionMode": "yolo"}"#).is_err());
    }

    #[test]
    fn what_the_command_line_would_misread_is_refused() {
        for good in ["opus", "claude-opus-4-8[1m]", "us.anthropic.claude:0", "arn:aws:x/y", "a,b"] {
            check_word("model", good).unwrap();
        }
        for bad in ["", "--settings", "opus --x", "a\nb", "{}"] {
            let error = check_word("settings.model", bad).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidRequest);
            assert!(error.message.starts_with("settings.model: "), "{error}");
        }
        for good in ["Read", "Bash(git log:*)", "Bash(python -c 'f(x)')", "mcp__a__b", "mcp__*"] {
            check_tools("tools", &[good.to_owned()]).unwrap();
        }
        for bad in [
            "",
            "Read,Bash",
            "Read Bash",
            "Bash(x),Bash(*)",
            "Bash(x",
            "(x)",
            "--x",
            "B(\n)",
            "B()x",
        ] {
            assert!(check_tools("tools", &[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }
}
