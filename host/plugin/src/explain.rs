use crate::{ExecutorConfig, GitHost, HostMaximum, HostPattern, HttpRequest, Manifest, Policy};
use cyrus_executor::Access;
use std::{collections::BTreeSet, fmt, sync::Arc};

/// One capability of an executor: what its plugin asks for, what the operator grants, what holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// `http https://api.example.com`, `process claude`, …
    pub capability: String,
    /// Whether the manifest asks for it, or how much.
    pub requested: String,
    /// Whether the operator grants it, or how much.
    pub granted: String,
    /// What holds.
    pub effective: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capability, requested, granted, effective } = self;
        write!(f, "{capability:<44} {requested:<12} {granted:<12} {effective}")
    }
}

/// What an executor asks for, was granted and has, row by row: everything that either side names.
pub fn explain(
    manifest: &Arc<Manifest>,
    config: &ExecutorConfig,
    maximum: &HostMaximum,
) -> Vec<Explanation> {
    let policy = Policy::new(Arc::clone(manifest), config, maximum.clone());
    let mut rows = http(manifest, config, maximum);
    rows.extend(git(manifest, config, maximum));
    let (asked, granted) = (&manifest.requests, &config.grants);
    for name in asked.process.keys().chain(granted.process.keys()).collect::<BTreeSet<_>>() {
        rows.push(row(
            format!("process {name}"),
            asked.process.contains_key(name),
            granted.process.contains_key(name),
            policy.program(name).is_ok(),
        ));
    }
    let handles = asked.secrets.iter().map(|secret| &secret.handle);
    for handle in handles.chain(granted.secrets.keys()).collect::<BTreeSet<_>>() {
        rows.push(row(
            format!("secret {handle}"),
            asked.secrets.iter().any(|secret| secret.handle == *handle),
            granted.secrets.contains_key(handle),
            policy.secrets().any(|(request, ..)| request.handle == *handle),
        ));
    }
    rows.push(Explanation {
        capability: "workspace".to_owned(),
        requested: access(asked.workspace),
        granted: access(granted.workspace),
        effective: access(policy.workspace()),
    });
    rows.push(row("ask".to_owned(), asked.ask, granted.ask, policy.ask().is_ok()));
    rows.push(row("mcp".to_owned(), asked.mcp, !granted.mcp.is_none(), policy.has_mcp()));
    rows
}

fn http(manifest: &Manifest, config: &ExecutorConfig, maximum: &HostMaximum) -> Vec<Explanation> {
    let asked = &manifest.requests.http;
    let requested = asked.iter().filter_map(|request| match request {
        HttpRequest::Hosts(hosts) => Some(hosts),
        HttpRequest::Granted => None,
    });
    let names: BTreeSet<_> =
        requested.chain(&config.grants.http).map(ToString::to_string).collect();
    let explain_host = |name: String| {
        let requested = asked.iter().any(|request| match request {
            HttpRequest::Hosts(hosts) => covers(&name, std::slice::from_ref(hosts)),
            HttpRequest::Granted => true,
        });
        let granted = covers(&name, &config.grants.http);
        let permitted = maximum.http.as_ref().is_none_or(|most| covers(&name, most));
        row(format!("http {name}"), requested, granted, requested && granted && permitted)
    };
    names.into_iter().map(explain_host).collect()
}

fn git(manifest: &Manifest, config: &ExecutorConfig, maximum: &HostMaximum) -> Vec<Explanation> {
    let patterns = |hosts: &[GitHost]| -> Vec<HostPattern> {
        hosts.iter().map(|host| host.pattern().clone()).collect()
    };
    let asked = patterns(&manifest.requests.git);
    let granted: Vec<_> =
        config.grants.git.iter().map(|grant| grant.host.pattern().clone()).collect();
    let most = maximum.git.as_deref().map(patterns);
    let names: BTreeSet<_> = asked.iter().chain(&granted).map(ToString::to_string).collect();
    let explain_host = |name: String| {
        let (is_asked, is_granted) = (covers(&name, &asked), covers(&name, &granted));
        let is_permitted = most.as_ref().is_none_or(|most| covers(&name, most));
        row(format!("git {name}"), is_asked, is_granted, is_asked && is_granted && is_permitted)
    };
    names.into_iter().map(explain_host).collect()
}

fn covers(name: &str, wide: &[HostPattern]) -> bool {
    let pattern = name.parse();
    pattern.is_ok_and(|pattern| wide.iter().any(|wide| wide.covers(&pattern)))
}

fn row(capability: String, requested: bool, granted: bool, effective: bool) -> Explanation {
    let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    Explanation {
        capability,
        requested: word(requested),
        granted: word(granted),
        effective: word(effective),
    }
}

fn access(access: Option<Access>) -> String {
    match access {
        None => "none",
        Some(Access::ReadOnly) => "read-only",
        Some(Access::ReadWrite) => "read-write",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_everything_that_either_side_names() {
        let manifest = br#"
name = "example"
version = "0.1.0"
contract = "0.1"
component = "example.wasm"
placement = "local"
[requests]
http = ["api.example.com", "b.example.com"]
workspace = "read-write"
[requests.process.tool]
program = "tool"
[[requests.secrets]]
handle = "key"
audience = ["https://api.example.com"]
inject = { header = "authorization" }
[[requests.secrets]]
handle = "more"
audience = ["https://api.example.com"]
inject = { header = "x-more" }
"#;
        let manifest = Arc::new(Manifest::parse(manifest).unwrap());
        let mut config = ExecutorConfig::new("ex", "example");
        config.grants = serde_json::from_str(
            r#"{"http": ["*.example.com", "evil.net"], "workspace": "read-only",
                "git": ["git.example.com"], "secrets": {"key": "k", "other": "k"}}"#,
        )
        .unwrap();
        let rows = explain(&manifest, &config, &HostMaximum::default());
        let shown: Vec<_> = rows
            .iter()
            .map(|r| [&r.capability, &r.requested, &r.granted, &r.effective].map(String::as_str))
            .collect();
        assert_eq!(
            shown,
            [
                ["http https://*.example.com", "no", "yes", "no"],
                ["http https://api.example.com", "yes", "yes", "yes"],
                ["http https://b.example.com", "yes", "yes", "yes"],
                ["http https://evil.net", "no", "yes", "no"],
                ["git https://git.example.com", "no", "yes", "no"],
                ["process tool", "yes", "no", "no"],
                ["secret key", "yes", "yes", "yes"],
                ["secret more", "yes", "no", "no"],
                ["secret other", "no", "yes", "no"],
                ["workspace", "read-write", "read-only", "read-only"],
                ["ask", "no", "no", "no"],
                ["mcp", "no", "no", "no"],
            ]
        );
        let line = rows[1].to_string();
        let columns: Vec<_> = line.split_whitespace().collect();
        assert_eq!(columns, ["http", "https://api.example.com", "yes", "yes", "yes"]);
    }
}
