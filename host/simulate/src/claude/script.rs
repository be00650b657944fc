//! What a script for the `claude` stand-in can say.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::conversation::{self, Conversation, Turn};
use crate::script::ScriptError;

/// A script: the model's side of the conversations, as for the Anthropic simulator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// The version whose lines are replayed.
    pub version: Version,
    /// What the model says, by prompt. Failures happen to the program's own call of the model.
    pub conversations: Vec<Conversation>,
    /// How long the program waits before it tries the model again, unless a `retry_after` says so.
    pub retry_delay_ms: u64,
    /// How long a command runs before it is announced as a task.
    pub task_after_ms: u64,
}

impl Default for Script {
    fn default() -> Self {
        let conversation = Conversation { when: None, turns: vec![Turn::text("Done.")] };
        Self {
            version: Version::default(),
            conversations: vec![conversation],
            retry_delay_ms: 10,
            task_after_ms: 3000,
        }
    }
}

/// A version of the real program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Version {
    /// Lines begin with `type`.
    #[serde(rename = "2.1.197")]
    V197,
    /// Result lines have their keys in another order, and more of them.
    #[default]
    #[serde(rename = "2.1.330")]
    V330,
}

impl Version {
    pub(super) fn number(self) -> &'static str {
        match self {
            Self::V197 => "2.1.197",
            Self::V330 => "2.1.330",
        }
    }

    /// The model when none is asked for.
    pub(super) fn model(self) -> &'static str {
        match self {
            Self::V197 => "claude-opus-4-8",
            Self::V330 => "claude-opus-5-5",
        }
    }
}

impl Script {
    /// Reads a script from a JSON file.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        crate::script::read(path)
    }

    /// What cannot be carried out, if something cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        conversation::check(&self.conversations)
    }
}
