//! The program's flags, as far as print mode has them.

use std::collections::VecDeque;

use serde_json::Value;

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// `--version`
    Version,
    /// A run in print mode.
    Run(Box<Arguments>),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Output {
    /// The last text.
    #[default]
    Text,
    /// The result line alone.
    Json,
    /// Every line.
    StreamJson,
}

/// The flags that change what the stand-in does. Others that the real program knows are accepted.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are the program's switches")]
pub(super) struct Arguments {
    pub(super) prompt: Option<String>,
    pub(super) print: bool,
    pub(super) verbose: bool,
    pub(super) replay_user_messages: bool,
    pub(super) partial_messages: bool,
    pub(super) fork_session: bool,
    pub(super) forget_session: bool,
    pub(super) ask_over_stdio: bool,
    pub(super) stream_input: bool,
    pub(super) output: Output,
    pub(super) permission_mode: Option<String>,
    pub(super) model: Option<String>,
    pub(super) max_turns: Option<u64>,
    /// As written, for the message when it is reached.
    pub(super) max_budget_usd: Option<String>,
    pub(super) json_schema: Option<Value>,
    pub(super) resume: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) allowed_tools: Vec<String>,
    pub(super) disallowed_tools: Vec<String>,
    /// The whole built-in set when absent.
    pub(super) tools: Option<Vec<String>>,
    pub(super) mcp_config: Vec<String>,
}

const MODES: [&str; 6] = ["acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan"];

impl Arguments {
    /// Reads the arguments. The error is what the real program writes to standard error.
    pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Asked, String> {
        let mut parsed = Self::default();
        let mut rest: VecDeque<String> = arguments.into_iter().collect();
        while let Some(argument) = rest.pop_front() {
            if argument == "--" {
                parsed.prompt = parsed.prompt.or_else(|| rest.pop_front());
            } else if !argument.starts_with('-') || argument == "-" {
                parsed.prompt.get_or_insert(argument);
            } else {
                let (flag, value) = match argument.split_once('=') {
                    Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                    None => (argument, None),
                };
                if matches!(flag.as_str(), "-v" | "--version") {
                    return Ok(Asked::Version);
                }
                parsed.flag(&flag, value, &mut rest)?;
            }
        }
        parsed.check()?;
        Ok(Asked::Run(Box::new(parsed)))
    }

    fn flag(
        &mut self,
        flag: &str,
        value: Option<String>,
        rest: &mut VecDeque<String>,
    ) -> Result<(), String> {
        if self.switch(flag) {
            return Ok(());
        }
        if let Some(list) = self.list(flag) {
            let mut items: Vec<String> = value.into_iter().collect();
            while rest.front().is_some_and(|next| items.is_empty() || !next.starts_with('-')) {
                items.extend(rest.pop_front());
            }
            *list = items;
            return Ok(());
        }
        let known = [
            "--append-system-prompt",
            "--system-prompt",
            "--settings",
            "--setting-sources",
            "--effort",
        ];
        let more = [
            "--fallback-model",
            "--agents",
            "--permission-prompt-tool",
            "--output-format",
            "--input-format",
        ];
        let mine = [
            "--permission-mode",
            "--model",
            "--max-turns",
            "--max-budget-usd",
            "--json-schema",
            "--resume",
            "-r",
        ];
        if !known.iter().chain(&more).chain(&mine).any(|name| *name == flag)
            && flag != "--session-id"
        {
            return Err(format!("error: unknown option '{flag}'"));
        }
        let value = value.or_else(|| rest.pop_front());
        let value =
            value.ok_or_else(|| format!("error: option '{flag} <value>' argument missing"))?;
        self.set(flag, value)
    }

    /// Flags without a value.
    fn switch(&mut self, flag: &str) -> bool {
        let mut ignored = false;
        let switch = match flag {
            "-p" | "--print" => &mut self.print,
            "--verbose" => &mut self.verbose,
            "--replay-user-messages" => &mut self.replay_user_messages,
            "--include-partial-messages" => &mut self.partial_messages,
            "--fork-session" => &mut self.fork_session,
            "--no-session-persistence" => &mut self.forget_session,
            "--strict-mcp-config" | "--bare" | "--safe-mode" | "--include-hook-events" => {
                &mut ignored
            }
            _ => return false,
        };
        *switch = true;
        true
    }

    /// Flags with any number of values.
    fn list(&mut self, flag: &str) -> Option<&mut Vec<String>> {
        match flag {
            "--allowedTools" | "--allowed-tools" => Some(&mut self.allowed_tools),
            "--disallowedTools" | "--disallowed-tools" => Some(&mut self.disallowed_tools),
            "--tools" => Some(self.tools.get_or_insert_default()),
            "--mcp-config" => Some(&mut self.mcp_config),
            _ => None,
        }
    }

    fn set(&mut self, flag: &str, value: String) -> Result<(), String> {
        let invalid = |known: &str| {
            format!(
                "error: option '{flag} <value>' argument '{value}' is invalid. Allowed choices are {known}."
            )
        };
        match flag {
            "--output-format" => {
                self.output = match value.as_str() {
                    "text" => Output::Text,
                    "json" => Output::Json,
                    "stream-json" => Output::StreamJson,
                    _ => return Err(invalid("text, json, stream-json")),
                }
            }
            "--input-format" => match value.as_str() {
                "text" | "stream-json" => self.stream_input = value == "stream-json",
                _ => return Err(invalid("text, stream-json")),
            },
            "--permission-mode" if !MODES.contains(&value.as_str()) => {
                return Err(invalid(&MODES.join(", ")));
            }
            "--permission-mode" => self.permission_mode = Some(value),
            "--permission-prompt-tool" => self.ask_over_stdio = value == "stdio",
            "--model" => self.model = Some(value),
            "--max-turns" => {
                self.max_turns = Some(
                    value
                        .parse()
                        .ok()
                        .filter(|turns| *turns > 0)
                        .ok_or_else(|| invalid("1, 2, …"))?,
                );
            }
            "--max-budget-usd" => {
                let dollars = value.parse::<f64>().ok().filter(|dollars| *dollars > 0.0);
                dollars.ok_or_else(|| invalid("amounts above 0"))?;
                self.max_budget_usd = Some(value);
            }
            "--json-schema" => {
                let schema = serde_json::from_str(&value);
                self.json_schema =
                    Some(schema.map_err(|error| {
                        format!("Error: --json-schema is not valid JSON: {error}")
                    })?);
            }
            "--resume" | "-r" => self.resume = Some(value),
            "--session-id" => self.session_id = Some(value),
            _ => {}
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), String> {
        if !self.print {
            return Err("Error: the stand-in replays print mode only; add --print".into());
        }
        if self.output == Output::StreamJson && !self.verbose {
            return Err(
                "Error: When using --print, --output-format=stream-json requires --verbose".into(),
            );
        }
        if self.stream_input && self.output != Output::StreamJson {
            return Err(
                "Error: --input-format=stream-json requires output-format=stream-json.".into()
            );
        }
        for list in
            [&mut self.allowed_tools, &mut self.disallowed_tools].into_iter().chain(&mut self.tools)
        {
            *list = list.iter().flat_map(|item| rules(item)).collect();
        }
        Ok(())
    }
}

/// Rules such as `Bash(git log:*)`, split at commas and spaces outside parentheses.
fn rules(list: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let split = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0 && (c == ',' || c == ' ')
    };
    list.split(split).map(str::trim).filter(|rule| !rule.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Asked, String> {
        Arguments::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    fn run(arguments: &[&str]) -> Arguments {
        match parse(arguments) {
            Ok(Asked::Run(arguments)) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_are_read_in_both_spellings_and_lists_end_at_the_next_flag() {
        let parsed = run(&[
            "-p",
            "--input-format=stream-json",
            "--output-format",
            "stream-json",
            "--verbose",
            "--allowedTools",
            "Bash(echo *)",
            "Read,Bash(git log:*)",
            "--model",
            "m",
            "--max-turns",
            "4",
            "--tools",
            "",
        ]);
        assert!(parsed.stream_input && parsed.output == Output::StreamJson);
        assert_eq!(parsed.allowed_tools, ["Bash(echo *)", "Read", "Bash(git log:*)"]);
        assert_eq!(
            (parsed.model.as_deref(), parsed.max_turns, parsed.tools),
            (Some("m"), Some(4), Some(Vec::new()))
        );
        assert_eq!(run(&["-p", "--", "--verbose"]).prompt.as_deref(), Some("--verbose"));
        assert_eq!(run(&["-p", "do it"]).prompt.as_deref(), Some("do it"));
    }

    #[test]
    fn what_the_real_program_refuses_is_refused() {
        for (arguments, part) in [
            (&["-p", "--wat"][..], "unknown option '--wat'"),
            (&["-p", "--output-format", "stream-json"], "requires --verbose"),
            (&["-p", "--input-format", "stream-json"], "requires output-format"),
            (&["-p", "--model"], "argument missing"),
            (&["-p", "--permission-mode", "wild"], "invalid"),
            (&["-p", "--max-turns", "0"], "invalid"),
            (&["-p", "--json-schema", "{"], "not valid JSON"),
            (&["hello"], "--print"),
        ] {
            let message = parse(arguments).unwrap_err();
            assert!(message.contains(part), "{arguments:?}: {message}");
        }
        assert!(matches!(parse(&["--version"]), Ok(Asked::Version)));
    }
}
