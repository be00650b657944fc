use crate::{config::Sources, reader::At, sandbox::SandboxSettings, terms::TermsEntry};
use cyrus_executor::Placement;
use cyrus_plugin::{
    ExecutorConfig, ExecutorLimits, GatewayConfig, Grants, ProcessGrant, SecretRef,
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, path::Path};

/// What one place says of an executor: its entry in `executors`, what it comes with, or a section that is a view
/// on it. Laid over one another, in the order of their weight, they are the executor.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecutorEntry {
    pub(crate) plugin: Option<String>,
    pub(crate) enabled: Option<bool>,
    pub(crate) placement: Option<Placement>,
    pub(crate) settings: Map<String, Value>,
    /// Of these, the capabilities in `granted` are said here.
    pub(crate) grants: Grants,
    pub(crate) granted: BTreeSet<Capability>,
    /// What is added to grants of programs that are said elsewhere, by their names, as written: grants without a
    /// `program`.
    pub(crate) additions: Map<String, Value>,
    /// As written; it can be read over the default limits.
    pub(crate) limits: Map<String, Value>,
    /// As a whole.
    pub(crate) gateway: Option<GatewayConfig>,
    pub(crate) terms: TermsEntry,
    pub(crate) sandbox: SandboxSettings,
}

/// A key of `grants`. Each is granted as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Capability {
    Digest,
    Http,
    Process,
    Workspace,
    Secrets,
    Ask,
    Git,
    Mcp,
}

impl Capability {
    const ALL: [(&'static str, Self); 8] = [
        ("digest", Self::Digest),
        ("http", Self::Http),
        ("process", Self::Process),
        ("workspace", Self::Workspace),
        ("secrets", Self::Secrets),
        ("ask", Self::Ask),
        ("git", Self::Git),
        ("mcp", Self::Mcp),
    ];

    /// Takes this capability over from other grants.
    fn copy(self, from: &Grants, to: &mut Grants) {
        match self {
            Self::Digest => to.digest.clone_from(&from.digest),
            Self::Http => to.http.clone_from(&from.http),
            Self::Process => to.process.clone_from(&from.process),
            Self::Workspace => to.workspace = from.workspace,
            Self::Secrets => to.secrets.clone_from(&from.secrets),
            Self::Ask => to.ask = from.ask,
            Self::Git => to.git.clone_from(&from.git),
            Self::Mcp => to.mcp.clone_from(&from.mcp),
        }
    }
}

impl ExecutorEntry {
    /// What is written here. `home` is what `~` stands for in the path of a secret's file.
    pub(crate) fn read(at: &At<'_>, sources: &Sources<'_>, home: Option<&Path>) -> Self {
        at.object();
        let mut entry = Self {
            sandbox: SandboxSettings::read(&at.get("sandbox"), sources),
            plugin: at.get("plugin").text().map(str::to_owned),
            enabled: at.get("enabled").flag(),
            placement: at.get("placement").read(),
            gateway: at.get("gateway").read(),
            settings: at.get("settings").object().cloned().unwrap_or_default(),
            terms: TermsEntry::read(at),
            ..Self::default()
        };
        for (key, value) in at.get("grants").entries() {
            entry.read_grant(key, &value, home);
        }
        let limits = at.get("limits");
        if limits.read::<ExecutorLimits>().is_some() {
            entry.limits = limits.object().cloned().unwrap_or_default();
        }
        entry
    }

    /// Reads one capability by itself, so that a problem is noted where it is. `null` takes it away.
    fn read_grant(&mut self, key: &str, at: &At<'_>, home: Option<&Path>) {
        let Some((_, capability)) = Capability::ALL.into_iter().find(|(name, _)| *name == key)
        else {
            let known = Capability::ALL.map(|(name, _)| name).join(", ");
            return at.wrong(format!("is not something that can be granted; there are {known}"));
        };
        if capability == Capability::Process && self.read_additions(at, home) {
            return;
        }
        let read =
            if at.is_present() { at.read_as::<Grants>(key) } else { Some(Grants::default()) };
        if let Some(mut grants) = read {
            let secrets = grants.secrets.values_mut().map(|grant| &mut grant.source);
            let variables = grants.process.values_mut().flat_map(|grant| grant.env.values_mut());
            secrets.chain(variables).for_each(|secret| expand_file(secret, home));
            capability.copy(&grants, &mut self.grants);
            self.granted.insert(capability);
        }
    }

    /// Reads grants of programs that name no program: each adds to the grant of its name that there is. `false` where
    /// all of them name one.
    fn read_additions(&mut self, at: &At<'_>, home: Option<&Path>) -> bool {
        let all: Vec<_> = at.entries().collect();
        let is_addition = |at: &At<'_>| at.is_present() && !at.get("program").is_present();
        if !all.iter().any(|(_, at)| is_addition(at)) {
            return false;
        }
        for (name, at) in all {
            let Some(written) = at.object() else { continue };
            let mut whole = written.clone();
            whole.entry("program").or_insert_with(|| name.into());
            let read = serde_json::from_value::<ProcessGrant>(Value::Object(whole));
            let Some(mut grant) = at.noting(read) else { continue };
            grant.env.values_mut().for_each(|secret| expand_file(secret, home));
            if is_addition(&at) {
                let mut expanded = written.clone();
                if !grant.env.is_empty() {
                    expanded.insert("env".to_owned(), json!(grant.env));
                }
                self.additions.insert(name.to_owned(), Value::Object(expanded));
            } else {
                self.grants.process.insert(name.to_owned(), grant);
                self.granted.insert(Capability::Process);
            }
        }
        true
    }

    /// What says more, over this. Settings are merged key by key, at any depth; a capability replaces the one
    /// there was. An executor that was given to another plugin keeps nothing: what one plugin was granted, no
    /// other has.
    pub(crate) fn overlaid(self, over: &Self, name: &str) -> Self {
        let plugin = |entry: &Self| entry.plugin.clone().unwrap_or_else(|| name.to_owned());
        let mut merged = if over.plugin.is_some() && plugin(&self) != plugin(over) {
            Self::default()
        } else {
            self
        };
        merged.plugin = over.plugin.clone().or(merged.plugin);
        merged.enabled = over.enabled.or(merged.enabled);
        merged.placement = over.placement.or(merged.placement);
        merged.gateway = over.gateway.clone().or(merged.gateway);
        merged.terms = merged.terms.overlaid(&over.terms);
        merged.sandbox = merged.sandbox.overlaid(&over.sandbox);
        merge(&mut merged.settings, &over.settings);
        merge(&mut merged.limits, &over.limits);
        for capability in &over.granted {
            capability.copy(&over.grants, &mut merged.grants);
            merged.granted.insert(*capability);
        }
        for (name, addition) in &over.additions {
            merged.add_to_grant(name, addition);
        }
        merged
    }

    /// Adds to the grant of a program. One that is not there stays away: nothing says which program it is.
    fn add_to_grant(&mut self, name: &str, addition: &Value) {
        let Some(grant) = self.grants.process.get_mut(name) else { return };
        let mut whole = json!(grant);
        add(&mut whole, addition);
        if let Ok(added) = serde_json::from_value(whole) {
            *grant = added;
        }
    }

    /// The name of its plugin: that of the executor, when nothing else is said.
    pub(crate) fn plugin<'a>(&'a self, name: &'a str) -> &'a str {
        self.plugin.as_deref().unwrap_or(name)
    }

    /// The executor of this name.
    pub(crate) fn build(self, name: &str) -> ExecutorConfig {
        let mut config = ExecutorConfig::new(name, self.plugin(name));
        config.placement = self.placement;
        config.settings = Value::Object(self.settings);
        config.grants = self.grants;
        config.gateway = self.gateway.unwrap_or_default();
        // Each entry's limits were read by themselves, so together they can be read too.
        config.limits = serde_json::from_value(json!(self.limits)).unwrap_or_default();
        config
    }

    /// The secrets that are named here, each with its path below the executor.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (String, &SecretRef)> {
        let injected = self
            .grants
            .secrets
            .iter()
            .map(|(handle, grant)| (format!("grants.secrets.{handle}"), &grant.source));
        let variables = self.grants.process.iter().flat_map(|(program, grant)| {
            let path = move |name| format!("grants.process.{program}.env.{name}");
            grant.env.iter().map(move |(name, source)| (path(name), source))
        });
        injected.chain(variables)
    }
}

/// Puts the home directory in the place of `~/`.
pub(crate) fn expand_file(secret: &mut SecretRef, home: Option<&Path>) {
    if let SecretRef::File(path) = secret
        && let (Ok(rest), Some(home)) = (path.strip_prefix("~"), home)
    {
        *path = home.join(rest);
    }
}

/// Adds one value to another: objects key by key, lists what is not in them. Anything else is replaced.
fn add(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                add(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(under), Value::Array(over)) => {
            let new: Vec<_> = over.iter().filter(|value| !under.contains(value)).cloned().collect();
            under.extend(new);
        }
        (under, over) => under.clone_from(over),
    }
}

/// Lays one object over another, key by key. `null` takes a key away.
fn merge(under: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (_, Value::Null) => {
                under.remove(key);
            }
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Problems;

    fn read(value: &Value) -> (ExecutorEntry, Vec<String>) {
        let problems = Problems::default();
        let sources = Sources { home: Path::new("/c"), bundled: &[], environment: &|_| None };
        let at = At::root("e", value, &problems);
        let entry = ExecutorEntry::read(&at, &sources, Some(Path::new("/h")));
        (entry, problems.into_inner().iter().map(ToString::to_string).collect())
    }

    fn built(entries: &[Value]) -> ExecutorConfig {
        let fold = |under: ExecutorEntry, over: &Value| under.overlaid(&read(over).0, "e");
        entries.iter().fold(ExecutorEntry::default(), fold).build("e")
    }

    #[test]
    fn settings_are_merged_and_capabilities_replaced() {
        let config = built(&[
            json!({"plugin": "p", "placement": "cloud", "settings": {"a": 1, "o": {"x": 1, "y": 2}, "gone": 1},
                "limits": {"memoryMib": 7}, "grants": {"http": ["https://a.test"], "ask": true,
                "secrets": {"one": "1", "two": "2"}, "workspace": "read-write"}}),
            json!({"settings": {"o": {"y": 3}, "gone": null}, "limits": {"logLines": 9},
                "grants": {"secrets": {"two": {"file": "~/k"}}, "workspace": null}}),
        ]);
        assert_eq!(config.plugin, "p");
        assert_eq!(config.placement, Some(Placement::Cloud));
        assert_eq!(config.settings, json!({"a": 1, "o": {"x": 1, "y": 3}}));
        assert_eq!((config.limits.memory_mib, config.limits.log_lines), (7, 9));
        assert_eq!((config.grants.http.len(), config.grants.ask), (1, true));
        assert_eq!(config.grants.workspace, None);
        let secrets: Vec<_> = config.grants.secrets.iter().collect();
        assert_eq!(secrets.len(), 1);
        assert_eq!(secrets[0].1.source, SecretRef::File("/h/k".into()));
    }

    #[test]
    fn a_grant_without_a_program_adds_to_the_one_there_is() {
        let bundled = json!({"grants": {"process": {"tool": {"program": "tool", "hosts": ["https://a.test"],
            "args": {"flags": {"-p": "none", "--mode": ["a"]}}, "env": {"A": "1"}}}}});
        let more = json!({"grants": {"process": {"tool": {"hosts": ["https://b.test", "https://a.test"],
            "args": {"flags": {"--mode": ["a", "b"]}}, "env": {"KEY": {"file": "~/k"}}}}}});
        let config = built(&[bundled.clone(), more.clone()]);
        let grant = json!(config.grants.process["tool"]);
        assert_eq!(grant["hosts"], json!(["https://a.test", "https://b.test"]));
        assert_eq!(grant["args"]["flags"], json!({"-p": "none", "--mode": ["a", "b"]}));
        assert_eq!(grant["env"], json!({"A": "1", "KEY": {"file": "/h/k"}}));
        let whole = json!({"grants": {"process": {"tool": {"program": "other"}}}});
        let config = built(&[bundled, whole.clone()]);
        assert_eq!(config.grants.process["tool"].env.len(), 0, "one with a program replaces");
        assert!(built(&[more]).grants.process.is_empty(), "nothing says which program it is");
        let (_, said) = read(&json!({"grants": {"process": {"tool": {"shell": true}}}}));
        assert!(said.len() == 1 && said[0].starts_with("e.grants.process.tool: "), "{said:?}");
    }

    #[test]
    fn another_plugin_inherits_nothing() {
        let bundled = json!({"plugin": "p", "settings": {"a": 1}, "grants": {"ask": true}});
        let config = built(&[bundled.clone(), json!({"plugin": "q"})]);
        assert_eq!(config, ExecutorConfig::new("e", "q"));
        let config = built(&[json!({"grants": {"ask": true}}), json!({"plugin": "e"})]);
        assert!(config.grants.ask, "the executor's name is its plugin's when nothing else is said");
    }

    #[test]
    fn what_cannot_be_granted_is_named_where_it_is() {
        let (_, said) =
            read(&json!({"placement": "moon", "enabled": "yes", "limits": {"memory": 1},
            "grants": {"network": true, "http": ["ftp://x"], "secrets": "hunter2", "ask": true}}));
        let all = said.join("\n");
        for path in ["e.placement", "e.enabled", "e.limits", "e.grants.network", "e.grants.http"] {
            assert!(
                said.iter().any(|line| line.starts_with(&format!("{path}: "))),
                "{path} in {all}"
            );
        }
        assert!(all.contains("e.grants.secrets") && !all.contains("hunter2"), "{all}");
        assert_eq!(said.len(), 6, "{all}");
    }
}
