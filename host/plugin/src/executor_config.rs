use crate::{ExecutorLimits, Grants};
use cyrus_executor::Placement;
use serde_json::Value;

/// A configured executor: a plugin with its settings and grants, under a name of the operator's.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutorConfig {
    /// Its name: the key under `executors`.
    pub name: String,
    /// The name of its plugin.
    pub plugin: String,
    /// In place of the manifest's placement. Only the operator can say so, never running code.
    pub placement: Option<Placement>,
    /// The plugin's settings: a JSON object. The plugin reads it, so no secret belongs here.
    pub settings: Value,
    /// What it is allowed.
    pub grants: Grants,
    /// What it may use.
    pub limits: ExecutorLimits,
}

impl ExecutorConfig {
    /// An executor of this plugin with no settings, no grants and the default limits.
    pub fn new(name: impl Into<String>, plugin: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            plugin: plugin.into(),
            placement: None,
            settings: Value::Object(serde_json::Map::new()),
            grants: Grants::default(),
            limits: ExecutorLimits::default(),
        }
    }
}
