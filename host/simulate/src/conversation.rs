//! What a scripted model says, for the Messages API and for the `claude` stand-in alike.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{All, Calls, Failure};

/// What the model says to the prompts it applies to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conversation {
    /// Applies to prompts that contain this; to all when absent.
    pub when: Option<String>,
    /// The model's turns after the prompt, in order. After the last one it says that there are no more.
    pub turns: Vec<Turn>,
}

/// One answer of the model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Turn {
    /// What it says. `{cwd}` is the working directory of the session.
    pub text: Option<String>,
    /// The tools it uses, after the text.
    pub tools: Vec<ToolUse>,
    /// What it costs.
    pub usage: Usage,
    /// Why it stops; `tool_use` with tools and `end_turn` without, when absent.
    pub stop_reason: Option<String>,
    /// What goes wrong instead.
    pub failure: Option<Failure>,
    /// How many tries fail, with `failure`; then the turn is given. All of them when absent.
    pub tries: Option<u64>,
}

impl Turn {
    /// A turn that only says something.
    pub fn text(text: &str) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// A turn that only uses a tool.
    pub fn tool(name: &str, input: Value) -> Self {
        Self { tools: vec![ToolUse { name: name.into(), input }], ..Self::default() }
    }

    /// A turn that fails at every try.
    pub fn failing(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    /// Why it stops.
    pub(crate) fn stop_reason(&self) -> &str {
        let usual = if self.tools.is_empty() { "end_turn" } else { "tool_use" };
        self.stop_reason.as_deref().unwrap_or(usual)
    }

    /// The failure of the try with this number, counted from 1.
    pub(crate) fn failure_of(&self, attempt: u64) -> Option<&Failure> {
        let failing = self.tries.map_or(Calls::All(All::All), Calls::Number);
        self.failure.as_ref().filter(|_| match failing {
            Calls::Number(tries) => attempt <= tries,
            Calls::All(All::All) => true,
        })
    }

    /// The turn with `{cwd}` replaced everywhere.
    pub(crate) fn placed_in(mut self, directory: &str) -> Self {
        self.text = self.text.map(|text| text.replace(CWD, directory));
        for tool in &mut self.tools {
            place(&mut tool.input, directory);
        }
        self
    }

    /// Whether it cannot be said without knowing the working directory.
    pub(crate) fn names_directory(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.contains(CWD))
            || self.tools.iter().any(|tool| tool.input.to_string().contains(CWD))
    }
}

const CWD: &str = "{cwd}";

fn place(value: &mut Value, directory: &str) {
    match value {
        Value::String(text) => *text = text.replace(CWD, directory),
        Value::Array(items) => items.iter_mut().for_each(|item| place(item, directory)),
        Value::Object(fields) => fields.values_mut().for_each(|field| place(field, directory)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A tool and what it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolUse {
    /// The tool's name, such as `Write` or `Bash`.
    pub name: String,
    /// Its input. `{cwd}` in texts is the working directory of the session.
    pub input: Value,
}

/// Tokens of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the cache.
    pub cache_read_input_tokens: u64,
    /// Tokens put into the cache.
    pub cache_creation_input_tokens: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            input_tokens: 1200,
            output_tokens: 50,
            cache_read_input_tokens: 0,
            cache_creation_input_tokens: 0,
        }
    }
}

/// What a user said, and how many answers of the model came before it in the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    pub(crate) answers_before: usize,
}

/// Finds the turn that comes next.
///
/// The last prompt that some `when` fits decides, and its turns are counted from there; so a
/// second prompt in a session can have a script of its own, and whatever a program says for
/// itself (a nudge, an interruption) goes on with the first. When no `when` fits any prompt, the
/// first conversation without one applies to the whole session.
pub(crate) fn next_turn(
    conversations: &[Conversation],
    prompts: &[Prompt],
    answers: usize,
) -> Turn {
    let fitting = prompts.iter().rev().find_map(|prompt| {
        let fits =
            |it: &&Conversation| it.when.as_ref().is_some_and(|when| prompt.text.contains(when));
        conversations
            .iter()
            .find(fits)
            .map(|conversation| (conversation, answers.saturating_sub(prompt.answers_before)))
    });
    let general = || {
        conversations
            .iter()
            .find(|it| it.when.is_none())
            .map(|conversation| (conversation, answers))
    };
    match fitting.or_else(general) {
        Some((conversation, turn)) => conversation
            .turns
            .get(turn)
            .cloned()
            .unwrap_or_else(|| Turn::text("The script has no more turns.")),
        None => Turn::text("No conversation of the script applies to this prompt."),
    }
}

/// What cannot be said, if something cannot.
pub(crate) fn check(conversations: &[Conversation]) -> Result<(), String> {
    for turn in conversations.iter().flat_map(|conversation| &conversation.turns) {
        let silent = turn.text.is_none() && turn.tools.is_empty();
        match &turn.failure {
            Some(_) if silent && turn.tries.is_some() => {
                return Err("a turn whose failure ends after some `tries` needs a `text` or `tools` for then".into());
            }
            Some(failure) => failure.check()?,
            None if turn.tries.is_some() => {
                return Err("`tries` of a turn needs a `failure`".into());
            }
            None if silent => return Err("a turn needs a `text`, `tools` or a `failure`".into()),
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn conversation(when: Option<&str>, turns: &[&str]) -> Conversation {
        Conversation {
            when: when.map(str::to_owned),
            turns: turns.iter().map(|text| Turn::text(text)).collect(),
        }
    }

    fn prompt(text: &str, answers_before: usize) -> Prompt {
        Prompt { text: text.into(), answers_before }
    }

    #[test]
    fn the_last_fitting_prompt_decides_and_turns_count_from_it() {
        let script = [
            conversation(Some("red"), &["r0", "r1"]),
            conversation(None, &["g0", "g1", "g2"]),
            conversation(Some("blue"), &["b0", "b1"]),
        ];
        let said = |prompts: &[Prompt], answers| next_turn(&script, prompts, answers).text.unwrap();
        assert_eq!(said(&[prompt("make it red", 0)], 0), "r0");
        assert_eq!(said(&[prompt("make it red", 0), prompt("[nudge]", 1)], 1), "r1");
        assert_eq!(said(&[prompt("make it red", 0), prompt("now blue", 2)], 2), "b0");
        assert_eq!(said(&[prompt("make it red", 0), prompt("now blue", 2)], 3), "b1");
        assert_eq!(said(&[prompt("anything", 0), prompt("more", 2)], 2), "g2");
        assert!(said(&[prompt("red", 0)], 2).contains("no more turns"));
        assert!(
            next_turn(&script[..1], &[prompt("green", 0)], 0)
                .text
                .unwrap()
                .contains("No conversation")
        );
    }

    #[test]
    fn the_directory_is_placed_everywhere() {
        let turn = Turn {
            text: Some("in {cwd}".into()),
            ..Turn::tool("Write", json!({"a": [{"b": "{cwd}/x"}], "n": 1}))
        };
        assert!(turn.names_directory());
        let turn = turn.placed_in("/w");
        assert_eq!(
            (turn.text.as_deref(), &turn.tools[0].input),
            (Some("in /w"), &json!({"a": [{"b": "/w/x"}], "n": 1}))
        );
        assert!(!turn.names_directory());
    }

    #[test]
    fn a_failure_lasts_its_tries() {
        let once = Turn { tries: Some(1), ..Turn::failing(Failure::status(529)) };
        assert!(once.failure_of(1).is_some() && once.failure_of(2).is_none());
        let always = Turn::failing(Failure::status(401));
        assert!(always.failure_of(1000).is_some());
    }

    #[test]
    fn a_turn_that_says_nothing_is_refused() {
        let script = |turn| [Conversation { when: None, turns: vec![turn] }];
        assert!(check(&script(Turn::default())).is_err());
        assert!(check(&script(Turn { tries: Some(1), ..Turn::text("x") })).is_err());
        assert!(check(&script(Turn::failing(Failure::status(9)))).is_err());
        assert!(
            check(&script(Turn { tries: Some(1), ..Turn::failing(Failure::status(529)) })).is_err()
        );
        assert!(check(&script(Turn::text("x"))).is_ok());
    }
}
