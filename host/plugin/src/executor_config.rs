use crate::{
    Digest, DigestMismatch, DiscoveredPlugin, ExecutorLimits, GatewayConfig, Grants, PluginDigest,
    PluginName,
};
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
    /// The model gateway of the programs it launches.
    pub gateway: GatewayConfig,
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
            gateway: GatewayConfig::default(),
        }
    }

    /// Checks that its grants are not bound to another plugin than this one.
    pub fn bound_to(&self, plugin: &DiscoveredPlugin) -> Result<(), DigestMismatch> {
        self.bound_to_digest(&plugin.manifest.name, plugin.digest, plugin.component_digest)
    }

    /// The same, of a plugin with these digests.
    pub fn bound_to_digest(
        &self,
        plugin: &PluginName,
        found: PluginDigest,
        component: Digest,
    ) -> Result<(), DigestMismatch> {
        let Some(granted) = self.grants.digest.filter(|granted| *granted != found) else {
            return Ok(());
        };
        let (executor, plugin) = (self.name.clone(), plugin.clone());
        Err(if granted.reads_like(component) {
            DigestMismatch::ComponentOnly { executor, plugin, granted, found }
        } else {
            DigestMismatch::Other { executor, plugin, granted, found }
        })
    }
}
