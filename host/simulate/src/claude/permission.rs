//! Whether a tool may be used without asking, and what is asked otherwise.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::conversation::ToolUse;

/// What the rules say about one use of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// Somebody has to say.
    Ask,
}

/// The rules of a session.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) mode: String,
    pub(super) allowed: Vec<String>,
    pub(super) directory: PathBuf,
}

/// Commands that only read. Without shell syntax they are allowed by themselves.
const READ_ONLY: [&str; 9] = ["cat", "date", "echo", "head", "ls", "pwd", "tail", "true", "wc"];

impl Rules {
    pub(super) fn judge(&self, tool: &ToolUse) -> Verdict {
        let command = tool.input["command"].as_str().unwrap_or_default();
        let allowed = self.mode == "bypassPermissions"
            || self.allowed.iter().any(|rule| applies(rule, &tool.name, command))
            || match tool.name.as_str() {
                "Read" | "StructuredOutput" => true,
                "Write" | "Edit" => self.mode == "acceptEdits" && self.is_inside(&tool.input),
                "Bash" => only_reads(command),
                _ => false,
            };
        if allowed { Verdict::Allowed } else { Verdict::Ask }
    }

    fn is_inside(&self, input: &Value) -> bool {
        let path = self.directory.join(input["file_path"].as_str().unwrap_or_default());
        path.starts_with(&self.directory)
            && !path.components().any(|part| part == Component::ParentDir)
    }

    /// Why a use is denied when there is nobody to ask.
    pub(super) fn denial(tool: &ToolUse) -> String {
        match (tool.name.as_str(), tool.input["file_path"].as_str()) {
            ("Write" | "Edit", Some(path)) => {
                format!(
                    "Claude requested permissions to write to {path}, but you haven't granted it yet."
                )
            }
            ("Bash", _) => "This command requires approval".into(),
            (name, _) => format!(
                "Claude requested permissions to use {name}, but you haven't granted it yet."
            ),
        }
    }

    /// The `request` of a `can_use_tool` question.
    pub(super) fn question(&self, tool: &ToolUse, id: &str) -> Value {
        let path = tool.input["file_path"].as_str();
        let file =
            path.and_then(|path| Path::new(path).file_name()).map(|name| name.to_string_lossy());
        let description = tool.input["description"].as_str().map(str::to_owned);
        let mut question = json!({
            "subtype": "can_use_tool",
            "tool_name": tool.name,
            "display_name": tool.name,
            "input": tool.input,
            "description": description.or(file.map(std::borrow::Cow::into_owned)),
            "tool_use_id": id,
        });
        let mut suggestions = Vec::new();
        if tool.name == "Bash" {
            let command = tool.input["command"].as_str().unwrap_or_default();
            let words: Vec<&str> = command.split(' ').take(2).collect();
            let rule = json!({"toolName": "Bash", "ruleContent": format!("{} *", words.join(" "))});
            suggestions.push(
                json!({"type": "addRules", "rules": [rule], "behavior": "allow", "destination": "localSettings"}),
            );
            if let Some(target) = redirection(command) {
                question["blocked_path"] = json!(self.directory.join(target));
                let directories = json!([self.directory]);
                suggestions.push(
                    json!({"type": "addDirectories", "directories": directories, "destination": "session"}),
                );
            }
        } else {
            suggestions
                .push(json!({"type": "setMode", "mode": "acceptEdits", "destination": "session"}));
        }
        question["permission_suggestions"] = suggestions.into();
        question
    }
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// Use the tool, with this input.
    Allow(Value),
    /// Do not, and tell the model why; with `interrupt` the whole message ends.
    Deny { message: String, interrupt: bool },
}

impl Answer {
    /// Reads the `response` of a `control_response` to a question about `input`.
    pub(super) fn read(response: &Value, input: &Value) -> Self {
        let deny = |message: String| Self::Deny { message, interrupt: false };
        if response["subtype"] == "error" {
            let error = response["error"].as_str().unwrap_or_default();
            return deny(format!("Tool permission request failed: Error: {error}"));
        }
        let said = &response["response"];
        match (said["behavior"].as_str(), &said["updatedInput"], said["message"].as_str()) {
            (Some("allow"), Value::Null, _) => Self::Allow(input.clone()),
            (Some("allow"), updated @ Value::Object(_), _) => Self::Allow(updated.clone()),
            (Some("deny"), _, Some(message)) => {
                Self::Deny { message: message.to_owned(), interrupt: said["interrupt"] == true }
            }
            _ => deny(
                "Tool permission callback returned an invalid permission result. Expected {behavior: 'allow', \
                 updatedInput?: object} or {behavior: 'deny', message: string}"
                    .into(),
            ),
        }
    }
}

/// Whether a rule such as `Write`, `Bash(git log *)` or `Bash(git log:*)` allows this use.
fn applies(rule: &str, tool: &str, command: &str) -> bool {
    let Some((name, pattern)) = rule.strip_suffix(')').and_then(|rule| rule.split_once('(')) else {
        return rule == tool;
    };
    let prefix =
        pattern.strip_suffix(":*").or_else(|| pattern.strip_suffix('*')).map(str::trim_end);
    let fits = match prefix {
        Some(prefix) => {
            command == prefix || command.starts_with(&format!("{prefix} ")) || prefix.is_empty()
        }
        None => command == pattern,
    };
    name == tool && fits && (command.is_empty() || is_simple(command))
}

fn only_reads(command: &str) -> bool {
    let program = command.split(' ').next().unwrap_or_default();
    READ_ONLY.contains(&program) && is_simple(command)
}

/// The file that a command's output is redirected to.
fn redirection(command: &str) -> Option<&str> {
    let (_, target) = command.split_once('>')?;
    target
        .trim_start_matches('>')
        .split_whitespace()
        .next()
        .filter(|target| !target.starts_with('&'))
}

/// Whether a command is one program with its arguments: no redirection, list, pipe or substitution.
fn is_simple(command: &str) -> bool {
    !command.contains(['>', '<', '|', '&', ';', '$', '`', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(mode: &str, allowed: &[&str], name: &str, input: Value) -> Verdict {
        let allowed = allowed.iter().map(|rule| (*rule).to_owned()).collect();
        let rules = Rules { mode: mode.into(), allowed, directory: "/work".into() };
        rules.judge(&ToolUse { name: name.into(), input })
    }

    #[test]
    fn the_rules_decide_as_recorded() {
        let write = |path: &str| json!({"file_path": path, "content": ""});
        let bash = |command: &str| json!({"command": command});
        let table = [
            ("default", &[][..], "Write", write("/work/a"), Verdict::Ask),
            ("acceptEdits", &[], "Write", write("/work/a"), Verdict::Allowed),
            ("acceptEdits", &[], "Write", write("/etc/a"), Verdict::Ask),
            ("acceptEdits", &[], "Write", write("/work/../etc/a"), Verdict::Ask),
            ("acceptEdits", &[], "Bash", bash("make"), Verdict::Ask),
            ("bypassPermissions", &[], "Bash", bash("make"), Verdict::Allowed),
            ("default", &["Bash"], "Bash", bash("rm -rf x; y"), Verdict::Allowed),
            ("default", &["Bash(git log:*)"], "Bash", bash("git log -1"), Verdict::Allowed),
            ("default", &["Bash(git log *)"], "Bash", bash("git logs"), Verdict::Ask),
            ("default", &["Bash(echo *)"], "Bash", bash("echo hi > x"), Verdict::Ask),
            ("default", &["Bash(make)"], "Bash", bash("make"), Verdict::Allowed),
            ("default", &[], "Bash", bash("echo turn 1"), Verdict::Allowed),
            ("default", &[], "Bash", bash("echo $(reboot)"), Verdict::Ask),
            ("default", &[], "Read", write("/etc/passwd"), Verdict::Allowed),
            ("default", &["Write"], "Edit", write("/work/a"), Verdict::Ask),
        ];
        for (mode, allowed, name, input, verdict) in table {
            assert_eq!(
                judge(mode, allowed, name, input.clone()),
                verdict,
                "{mode} {allowed:?} {name} {input}"
            );
        }
    }

    #[test]
    fn answers_are_read_and_bad_ones_deny() {
        let input = json!({"command": "a"});
        let read = |response: Value| {
            Answer::read(&json!({"subtype": "success", "response": response}), &input)
        };
        assert_eq!(read(json!({"behavior": "allow"})), Answer::Allow(input.clone()));
        let changed = json!({"command": "b"});
        assert_eq!(
            read(json!({"behavior": "allow", "updatedInput": changed})),
            Answer::Allow(changed)
        );
        let denied = |message: &str, interrupt| Answer::Deny { message: message.into(), interrupt };
        assert_eq!(read(json!({"behavior": "deny", "message": "no"})), denied("no", false));
        assert_eq!(
            read(json!({"behavior": "deny", "message": "no", "interrupt": true})),
            denied("no", true)
        );
        for bad in [json!({"behavior": "maybe"}), json!({"behavior": "deny"}), json!(null)] {
            assert!(
                matches!(read(bad), Answer::Deny { message, .. } if message.contains("invalid permission result"))
            );
        }
        let failed = Answer::read(&json!({"subtype": "error", "error": "host failed"}), &input);
        assert_eq!(failed, denied("Tool permission request failed: Error: host failed", false));
    }
}
