//! What an Anthropic script can say.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::conversation::{self, Conversation};
use crate::failure::Injection;
use crate::script::ScriptError;

/// A script. An empty one accepts any key and says that no conversation applies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// The accepted key, as `x-api-key` or bearer token; any when absent.
    pub api_key: Option<String>,
    /// What the model says, by prompt.
    pub conversations: Vec<Conversation>,
    /// Calls that fail, whoever makes them.
    pub failures: Vec<Injection<Endpoint>>,
}

/// The endpoints whose calls are counted for failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `HEAD /`
    Root,
}

impl Script {
    /// Reads a script from a JSON file.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        crate::script::read(path)
    }

    /// What cannot be carried out, if something cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        self.failures.iter().try_for_each(|injection| injection.failure.check())?;
        conversation::check(&self.conversations)
    }
}
