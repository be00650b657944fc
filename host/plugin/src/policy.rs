use crate::{
    Arguments, Capability, Denied, Destination, ExecutorConfig, GrantedProgram, Grants,
    HostMaximum, HostPattern, Manifest, Scheme, SecretGrant, SecretRequest, args::ArgRefused,
    program::granted_args,
};
use cyrus_executor::{Access, GrantedRemote};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use url::Url;

/// What one executor may do: its plugin's requests ∩ its grants ∩ the host's maximum.
#[derive(Clone, Debug)]
pub struct Policy {
    executor: String,
    manifest: Arc<Manifest>,
    grants: Grants,
    maximum: HostMaximum,
    programs: BTreeMap<String, GrantedProgram>,
}

impl Policy {
    /// The policy of this executor.
    pub fn new(manifest: Arc<Manifest>, config: &ExecutorConfig, maximum: HostMaximum) -> Self {
        let granted = config.grants.process.iter().filter(|_| maximum.process);
        let programs = granted.filter_map(|(name, grant)| {
            let request = manifest.requests.process.get(name)?;
            Some((name.clone(), GrantedProgram::of(name, request, grant, &maximum)))
        });
        let programs = programs.collect();
        let (executor, grants) = (config.name.clone(), config.grants.clone());
        Self { executor, manifest, grants, maximum, programs }
    }

    /// The executor's name.
    pub fn executor(&self) -> &str {
        &self.executor
    }

    /// Whether a request may go to this destination.
    pub fn http(&self, to: &Destination) -> Result<(), Denied> {
        let line = || format!("\"{to}\"");
        if !self.manifest.requests.http.iter().any(|request| request.matches(to)) {
            return Err(self.not_requested(Capability::Http, to.to_string(), "http", &line()));
        }
        if !matches(&self.grants.http, to) {
            return Err(self.not_granted(Capability::Http, to.to_string(), "http", &line()));
        }
        match &self.maximum.http {
            Some(most) if !matches(most, to) => {
                Err(Denied::above_maximum(Capability::Http, to.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a private address may be connected to. `at` is the destination by that address: only a grant
    /// that spells out the address opens it, never a name that happens to resolve to it.
    pub fn private_address(&self, to: &Destination, at: &Destination) -> Result<(), Denied> {
        let granted = self.grants.http.iter().filter(|pattern| pattern.address().is_some());
        if granted.into_iter().any(|pattern| pattern.matches(at)) {
            return Ok(());
        }
        let wanted = format!("{to}, which is at the private address {}", at.host);
        Err(self.not_granted(Capability::Http, wanted, "http", &format!("\"{at}\"")))
    }

    /// The programs that may be launched, each with what it gets.
    pub fn programs(&self) -> impl Iterator<Item = &GrantedProgram> {
        self.programs.values()
    }

    /// The program that may be launched under this name.
    pub fn program(&self, name: &str) -> Result<&GrantedProgram, Denied> {
        if let Some(program) = self.programs.get(name) {
            return Ok(program);
        }
        let wanted = format!("the program granted as {name:?}");
        let Some(request) = self.manifest.requests.process.get(name) else {
            let line = format!("[requests.process.{name}]");
            return Err(self.not_requested(Capability::Process, wanted, "process", &line));
        };
        if self.grants.process.contains_key(name) {
            return Err(Denied::above_maximum(Capability::Process, wanted));
        }
        let line = format!("\"{name}\": {{\"program\": \"{}\"}}", request.program);
        Err(self.not_granted(Capability::Process, wanted, "process", &line))
    }

    /// Reads the arguments of a launch. What is returned, and only that, is what the program may get.
    pub fn process(
        &self,
        name: &str,
        args: &[String],
    ) -> Result<(&GrantedProgram, Arguments), Denied> {
        let program = self.program(name)?;
        match program.args.read(args) {
            Ok(read) => Ok((program, read)),
            Err(refused) => Err(self.refused_arguments(name, args, refused)),
        }
    }

    /// Which side would have to allow arguments that are not both requested and granted.
    fn refused_arguments(&self, name: &str, args: &[String], refused: ArgRefused) -> Denied {
        let place = format!("process.{name}.args");
        let granted = self.grants.process.get(name).map(|grant| granted_args(grant).read(args));
        let asked = self.manifest.requests.process.get(name).and_then(|asked| asked.args.as_ref());
        let (refused, is_granted) = match (granted, asked.map(|asked| asked.read(args))) {
            (Some(Err(refused)), _) => (refused, false),
            (_, Some(Err(refused))) => (refused, true),
            _ => (refused, false),
        };
        refusal(&refused, &place, |line, place| {
            let wanted = argument(name, &refused);
            if is_granted {
                self.not_requested(Capability::Process, wanted, place, line)
            } else {
                self.not_granted(Capability::Process, wanted, place, line)
            }
        })
    }

    /// What the plugin may do with the workspace. `None`: it does not see it.
    pub fn workspace(&self) -> Option<Access> {
        // `None` is less than everything, so the least of the three is the intersection.
        self.manifest.requests.workspace.min(self.grants.workspace).min(self.maximum.workspace)
    }

    /// Why the plugin does not see the workspace. `None` when it does.
    pub fn workspace_denied(&self) -> Option<Denied> {
        const PLACE: &str = "workspace";
        if self.workspace().is_some() {
            return None;
        }
        let wanted = "the files of the task";
        let line = |access| match access {
            Access::ReadOnly => "\"read-only\"",
            Access::ReadWrite => "\"read-write\"",
        };
        Some(match (self.manifest.requests.workspace, self.grants.workspace) {
            (None, _) => {
                let line = line(Access::ReadOnly);
                self.not_requested(Capability::Workspace, wanted, PLACE, line)
            }
            (Some(asked), None) => {
                self.not_granted(Capability::Workspace, wanted, PLACE, line(asked))
            }
            (Some(_), Some(_)) => Denied::above_maximum(Capability::Workspace, wanted),
        })
    }

    /// Whether a question may be put.
    pub fn ask(&self) -> Result<(), Denied> {
        let wanted = "to put a question";
        if !self.manifest.requests.ask {
            return Err(self.not_requested(Capability::Ask, wanted, "ask", "true"));
        }
        if !self.grants.ask {
            return Err(self.not_granted(Capability::Ask, wanted, "ask", "true"));
        }
        if self.maximum.ask { Ok(()) } else { Err(Denied::above_maximum(Capability::Ask, wanted)) }
    }

    /// Whether a result may be fetched from this remote, which is not the repository's own.
    pub fn git(&self, address: &str) -> Result<GrantedRemote, Denied> {
        let url = Url::parse(address).ok();
        let to = url.as_ref().and_then(Destination::of).filter(|to| to.scheme == Scheme::Https);
        let (Some(url), Some(to)) = (url, to) else {
            let wanted = format!("a result on the remote {address:?}");
            let hint = "No grant allows it: besides the repository's own origin, results are fetched over https from a host that grants.git names";
            return Err(Denied { capability: Capability::Git, wanted, hint: hint.to_owned() });
        };
        let (wanted, line) = (|| format!("a result on the remote {to}"), format!("\"{to}\""));
        if !self.manifest.requests.git.iter().any(|host| host.pattern().matches(&to)) {
            return Err(self.not_requested(Capability::Git, wanted(), "git", &line));
        }
        let mut granted = self.grants.git.iter().filter(|grant| grant.host.pattern().matches(&to));
        let Some(first) = granted.next() else {
            return Err(self.not_granted(Capability::Git, wanted(), "git", &line));
        };
        let credentials = first.credentials || granted.any(|grant| grant.credentials);
        match &self.maximum.git {
            Some(most) if !most.iter().any(|host| host.pattern().matches(&to)) => {
                Err(Denied::above_maximum(Capability::Git, wanted()))
            }
            // What was judged is what is fetched from: the address as it was read, not as it was spelled.
            _ => Ok(GrantedRemote::judged(url, credentials)),
        }
    }

    /// Whether this MCP server of the operator's may be used.
    pub fn mcp(&self, server: &str) -> Result<(), Denied> {
        let wanted = || format!("the MCP server {server:?}");
        if !self.manifest.requests.mcp {
            return Err(self.not_requested(Capability::Mcp, wanted(), "mcp", "true"));
        }
        if !self.grants.mcp.opens(server) {
            return Err(self.not_granted(Capability::Mcp, wanted(), "mcp", &format!("{server:?}")));
        }
        if self.maximum.mcp {
            Ok(())
        } else {
            Err(Denied::above_maximum(Capability::Mcp, wanted()))
        }
    }

    /// Whether it learns of MCP servers at all.
    pub fn has_mcp(&self) -> bool {
        self.manifest.requests.mcp && self.maximum.mcp && !self.grants.mcp.is_none()
    }

    /// The secrets that were asked for and granted, each with the hosts it is for.
    pub fn secrets(&self) -> impl Iterator<Item = (&SecretRequest, &SecretGrant, &[HostPattern])> {
        self.manifest.requests.secrets.iter().filter_map(|request| {
            let grant = self.grants.secrets.get(&request.handle)?;
            Some((request, grant, grant.audience.as_deref().unwrap_or(&request.audience)))
        })
    }

    /// The headers that secrets of this plugin go into, granted or not.
    pub fn credential_headers(&self) -> impl Iterator<Item = &str> {
        self.manifest.requests.secrets.iter().map(|request| request.inject.header.as_str())
    }

    /// The first secret that the plugin cannot do without and was not granted.
    pub fn missing_secret(&self) -> Option<Denied> {
        let mut missing = self.manifest.requests.secrets.iter().filter(|request| !request.optional);
        let request = missing.find(|r| !self.grants.secrets.contains_key(&r.handle))?;
        let variable = request.handle.to_ascii_uppercase().replace('-', "_");
        let line = format!("\"{}\": {{\"env\": \"{variable}_API_KEY\"}}", request.handle);
        let wanted = format!("the secret {:?}, {}", request.handle, request.description);
        let wanted = wanted.trim_end_matches([',', ' ']).to_owned();
        Some(self.not_granted(Capability::Secret, wanted, "secrets", &line))
    }

    fn not_granted(
        &self,
        capability: Capability,
        wanted: impl Into<String>,
        place: &str,
        line: &str,
    ) -> Denied {
        Denied::not_granted(capability, wanted, &self.executor, place, line)
    }

    fn not_requested(
        &self,
        capability: Capability,
        wanted: impl Into<String>,
        place: &str,
        line: &str,
    ) -> Denied {
        Denied::not_requested(capability, wanted, self.manifest.name.as_str(), place, line)
    }
}

fn matches(patterns: &[HostPattern], to: &Destination) -> bool {
    patterns.iter().any(|pattern| pattern.matches(to))
}

fn argument(name: &str, refused: &ArgRefused) -> String {
    format!("{} for the program granted as {name:?}", refused.wanted)
}

fn refusal(refused: &ArgRefused, place: &str, deny: impl Fn(&str, &str) -> Denied) -> Denied {
    let (below, line) = &refused.line;
    let mut denied = deny(line, &format!("{place}.{below}"));
    if let Some(instead) = &refused.instead {
        denied.hint = format!("No grant allows it: {instead}");
    }
    denied
}

/// A policy that is looked up each time it is used, so that a change of the configuration holds at once for
/// executions under way too.
#[derive(Clone, Debug)]
pub struct PolicyHandle(Arc<RwLock<Arc<Policy>>>);

impl PolicyHandle {
    /// A handle on this policy.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    /// What holds now.
    pub fn current(&self) -> Arc<Policy> {
        // A writer only ever swaps a pointer, so a poisoned lock still holds a whole policy.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What holds from now on.
    pub fn replace(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
name = "example"
version = "0.1.0"
contract = "0.1"
component = "example.wasm"
placement = "local"
[requests]
http = ["*.example.com", "http://127.0.0.1:9"]
workspace = "read-write"
ask = true
[requests.process.tool]
program = "tool"
args = { flags = { "--json" = "none", "--model" = "any" } }
[requests.process.free]
program = "free"
[[requests.secrets]]
handle = "example"
audience = ["https://api.example.com"]
inject = { header = "authorization", prefix = "Bearer " }
"#;

    fn policy(grants: &str) -> Policy {
        let mut config = ExecutorConfig::new("ex", "example");
        config.grants = serde_json::from_str(grants).unwrap();
        let manifest = Arc::new(Manifest::parse(MANIFEST.as_bytes()).unwrap());
        Policy::new(manifest, &config, HostMaximum::default())
    }

    fn to(url: &str) -> Destination {
        Destination::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn nothing_granted_allows_nothing_and_says_what_would() {
        let none = policy("{}");
        let error = none.http(&to("https://api.example.com/v1")).unwrap_err().to_string();
        assert_eq!(
            error,
            "http: https://api.example.com. To allow it, in config.json \
             executors.ex.grants.http: add \"https://api.example.com\""
        );
        let error = none.process("tool", &[]).unwrap_err();
        assert!(
            error.hint.ends_with(r#"grants.process: add "tool": {"program": "tool"}"#),
            "{error}"
        );
        assert!(none.ask().unwrap_err().hint.ends_with("executors.ex.grants.ask: add true"));
        let secret = none.missing_secret().unwrap().hint;
        assert!(secret.ends_with(r#"grants.secrets: add "example": {"env": "EXAMPLE_API_KEY"}"#));
        assert_eq!(none.workspace(), None);
        let files = none.workspace_denied().unwrap().hint;
        assert!(files.ends_with(r#"executors.ex.grants.workspace: add "read-write""#), "{files}");
        assert_eq!(policy(r#"{"workspace": "read-only"}"#).workspace_denied(), None);
        assert_eq!(none.secrets().count(), 0);
    }

    #[test]
    fn a_grant_opens_only_what_was_asked_for() {
        let all = policy(
            r#"{"http": ["*.example.com", "evil.net"], "process": {"sh": {"program": "/bin/sh"}}}"#,
        );
        assert_eq!(all.http(&to("https://api.example.com/")), Ok(()));
        let error = all.http(&to("https://evil.net/")).unwrap_err();
        assert!(
            error.hint.contains("plugin.toml of example needs \"https://evil.net\""),
            "{error}"
        );
        assert!(all.process("sh", &[]).unwrap_err().hint.contains("[requests.process.sh]"));
    }

    #[test]
    fn the_hosts_maximum_stands_over_grants() {
        let mut config = ExecutorConfig::new("ex", "example");
        config.grants = serde_json::from_str(
            r#"{"http": ["*.example.com"], "process": {"tool": {"program": "tool"}}, "ask": true,
                "workspace": "read-write"}"#,
        )
        .unwrap();
        let maximum = serde_json::from_str(
            r#"{"http": ["a.example.com"], "process": false, "workspace": "read-only", "ask": false}"#,
        )
        .unwrap();
        let manifest = Arc::new(Manifest::parse(MANIFEST.as_bytes()).unwrap());
        let capped = Policy::new(manifest, &config, maximum);
        assert_eq!(capped.http(&to("https://a.example.com/")), Ok(()));
        assert!(
            capped.http(&to("https://b.example.com/")).unwrap_err().hint.contains("maximum.http")
        );
        assert!(capped.process("tool", &[]).unwrap_err().hint.contains("maximum.process"));
        assert!(capped.ask().unwrap_err().hint.contains("maximum.ask"));
        assert_eq!(capped.workspace(), Some(Access::ReadOnly));
    }

    #[test]
    fn a_server_is_requested_and_granted_and_permitted() {
        let with = |asked: bool, grants: &str, maximum: &str| {
            let asked = if asked { "ask = true\nmcp = true" } else { "ask = true" };
            let manifest = MANIFEST.replace("ask = true", asked);
            let mut config = ExecutorConfig::new("ex", "example");
            config.grants = serde_json::from_str(grants).unwrap();
            let maximum = serde_json::from_str(maximum).unwrap();
            Policy::new(Arc::new(Manifest::parse(manifest.as_bytes()).unwrap()), &config, maximum)
        };
        let named = r#"{"mcp": ["files"]}"#;
        let open = with(true, named, "{}");
        assert!(open.mcp("files").is_ok() && open.has_mcp());
        let hint = |policy: &Policy, server: &str| policy.mcp(server).unwrap_err().hint;
        let other = hint(&open, "mail");
        assert!(other.ends_with(r#"executors.ex.grants.mcp: add "mail""#), "{other}");
        for (closed, says) in [
            (with(false, named, "{}"), "plugin.toml of example needs"),
            (with(true, "{}", "{}"), "executors.ex.grants.mcp"),
            (with(true, named, r#"{"mcp": false}"#), "maximum.mcp"),
        ] {
            let hint = hint(&closed, "files");
            assert!(hint.contains(says) && !closed.has_mcp(), "{hint}");
        }
    }

    #[test]
    fn knows_its_executor_and_the_headers_of_its_secrets() {
        let policy = policy("{}");
        assert_eq!(policy.executor(), "ex");
        assert_eq!(policy.credential_headers().collect::<Vec<_>>(), ["authorization"]);
    }

    #[test]
    fn an_argument_that_neither_side_allows_is_the_operators_to_grant() {
        let granted = policy(r#"{"process": {"tool": {"program": "tool"}}}"#);
        let neither = granted.process("tool", &["--yes".to_owned()]).unwrap_err();
        assert!(neither.hint.contains("executors.ex.grants.process.tool.args"), "{neither}");
        assert!(neither.wanted.ends_with("for the program granted as \"tool\""), "{neither}");
    }

    #[test]
    fn a_private_address_takes_a_grant_that_spells_it_out() {
        let named = policy(r#"{"http": ["*.example.com"]}"#);
        let (name, at) = (to("https://db.example.com/"), to("https://10.0.0.7/"));
        let error = named.private_address(&name, &at).unwrap_err().to_string();
        assert!(
            error.contains("private address 10.0.0.7") && error.ends_with("\"https://10.0.0.7\"")
        );
        let spelled = policy(r#"{"http": ["*.example.com", "10.0.0.7"]}"#);
        assert_eq!(spelled.private_address(&name, &at), Ok(()));
        assert!(spelled.private_address(&name, &to("https://10.0.0.8/")).is_err());
    }

    #[test]
    fn a_remote_is_an_https_host_that_is_requested_and_granted_and_permitted() {
        let with = |grants: &str, maximum: &str| {
            let manifest = MANIFEST.replace(
                "ask = true",
                "ask = true\ngit = [\"git.example.com\", \"*.git.example.org\"]",
            );
            let mut config = ExecutorConfig::new("ex", "example");
            config.grants = serde_json::from_str(grants).unwrap();
            let maximum = serde_json::from_str(maximum).unwrap();
            let manifest = Arc::new(Manifest::parse(manifest.as_bytes()).unwrap());
            Policy::new(manifest, &config, maximum)
        };
        let all =
            r#"{"git": ["git.example.com", {"host": "*.git.example.org", "credentials": true}]}"#;
        let granted = with(all, "{}");
        let remote = granted.git("https://GIT.example.com:443/a/../b").unwrap();
        assert_eq!(
            (remote.address(), remote.with_credentials()),
            ("https://git.example.com/b", false)
        );
        assert!(granted.git("https://a.git.example.org/x").unwrap().with_credentials());
        for bad in [
            "http://git.example.com/a",
            "ssh://git@git.example.com/a",
            "git@git.example.com:a",
            "git://git.example.com/a",
            "ext::sh -c id",
            "file:///srv/a",
            "/srv/a",
            "https://me@git.example.com/a",
            "https://me:pw@git.example.com/a",
            "https://git.example.com@evil.example/a",
            "https://git.example.com:8443/a",
            "https://git.example.com.evil.example/a",
            "https://evil.example/git.example.com",
            "https://git.example.org/a",
            "https://127.0.0.1/a",
            "-oProxyCommand=x",
            "",
        ] {
            assert_eq!(granted.git(bad).unwrap_err().capability, Capability::Git, "{bad}");
        }
        let hint = |policy: &Policy| policy.git("https://git.example.com/a").unwrap_err().hint;
        let none = hint(&with("{}", "{}"));
        assert!(
            none.ends_with(r#"executors.ex.grants.git: add "https://git.example.com""#),
            "{none}"
        );
        let most = hint(&with(all, r#"{"git": []}"#));
        assert!(most.contains("maximum.git"), "{most}");
        let permitted = with(all, r#"{"git": ["git.example.com"]}"#);
        assert!(permitted.git("https://git.example.com/a").is_ok());
        let asked = hint(&policy(all));
        assert!(
            asked.contains("plugin.toml of example needs \"https://git.example.com\""),
            "{asked}"
        );
    }

    #[test]
    fn arguments_need_both_the_grant_and_the_request() {
        let granted = policy(
            r#"{"process": {"tool": {"program": "tool", "args": {"flags": {"--json": "none", "--yes": "none"}}},
                            "free": {"program": "free", "args": {"positionals": ["any"]}}}}"#,
        );
        let process = |name: &str, args: &[&str]| {
            let args: Vec<_> = args.iter().map(ToString::to_string).collect();
            granted.process(name, &args).map(|(grant, _)| grant.program.clone()).map_err(|e| e.hint)
        };
        assert_eq!(process("tool", &["--json"]), Ok("tool".into()));
        assert_eq!(process("free", &["x"]), Ok("free".into()));
        let hint = process("tool", &["--model", "x"]).unwrap_err();
        assert!(
            hint.ends_with(r#"process.tool.args.flags: add "--model": "none" or "any""#),
            "{hint}"
        );
        assert!(process("tool", &["--yes"]).unwrap_err().contains("plugin.toml of example"));
    }

    /// Every field of a grant of a program: it is that program's, and only where the manifest requests the program.
    #[test]
    fn what_one_program_is_granted_no_other_has() {
        const ALL: &str = r#"{"program": "x", "args": {"flags": {"--json": "none"}, "positionals": ["any"]},
            "env": {"KEY": "1"}, "homeFiles": [".login"], "mcpFlag": "--mcp", "fromHost": {"variables": ["FROM"]},
            "hosts": ["a.example.com", "b.example.com"]}"#;
        let model = "model = { format = \"anthropic\", key = \"KEY\", base-url = \"URL\", login = \".login\" }";
        let manifest = MANIFEST
            .replace("program = \"free\"", &format!("program = \"free\"\n{model}"))
            .replace(
                "[[requests.secrets]]",
                "[requests.process.plain]\nprogram = \"plain\"\n[[requests.secrets]]",
            );
        let with = |maximum: &str| {
            let mut config = ExecutorConfig::new("ex", "example");
            let grants = format!(
                r#"{{"mcp": "all", "process": {{"free": {ALL}, "other": {ALL}, "plain": {{"program": "plain"}}}}}}"#
            );
            config.grants = serde_json::from_str(&grants).unwrap();
            for name in ["free", "other"] {
                let grant = config.grants.process.get_mut(name).unwrap();
                (grant.files, grant.own_model) = (vec!["/ca.pem".into()], true);
            }
            let maximum = serde_json::from_str(maximum).unwrap();
            Policy::new(Arc::new(Manifest::parse(manifest.as_bytes()).unwrap()), &config, maximum)
        };
        let policy = with("{}");
        let names: Vec<_> = policy.programs().map(|program| program.grant.as_str()).collect();
        assert_eq!(names, ["free", "plain"]);
        assert!(policy.program("other").unwrap_err().hint.contains("[requests.process.other]"));
        // Named one by one, so that a new field has its line here.
        let GrantedProgram {
            grant,
            program,
            args,
            mcp_flag,
            env,
            passed,
            files,
            home_files,
            hosts,
            model,
            own_model,
        } = policy.program("plain").unwrap();
        assert_eq!((grant.as_str(), program.to_str()), ("plain", Some("plain")));
        assert!(args.flags.is_empty() && args.positionals.is_empty() && mcp_flag.is_none());
        assert!(passed.is_empty() && files.is_empty() && !own_model);
        assert!(env.is_empty() && home_files.is_empty() && hosts.is_empty() && model.is_none());
        let free = policy.program("free").unwrap();
        let GrantedProgram { grant, program, args, mcp_flag, env, home_files, hosts, .. } = free;
        assert_eq!(
            (free.passed.as_slice(), free.files.as_slice()),
            (&["FROM".to_owned()][..], &["/ca.pem".into()][..])
        );
        assert!(free.own_model);
        let model = &free.model;
        assert_eq!((grant.as_str(), program.to_str()), ("free", Some("x")));
        assert_eq!(args.flags.keys().collect::<Vec<_>>(), ["--json", "--mcp"]);
        assert_eq!((args.positionals.len(), mcp_flag.as_deref()), (1, Some("--mcp")));
        assert_eq!((env.len(), home_files.len(), hosts.len()), (1, 1, 2));
        assert_eq!(model.as_ref().unwrap().login.as_deref(), Some(".login".as_ref()));

        let capped = with(r#"{"http": ["a.example.com"]}"#);
        let hosts = &capped.program("free").unwrap().hosts;
        assert_eq!(
            hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["https://a.example.com"]
        );
        assert_eq!(with(r#"{"process": false}"#).programs().count(), 0);
    }

    /// The flag of the file of MCP servers is read like any other: it hides nothing that stands beside it.
    #[test]
    fn what_is_judged_is_what_is_launched() {
        let granted = policy(
            r#"{"process": {"free": {"program": "free", "mcpFlag": "--mcp",
                    "args": {"flags": {"--tag": "any", "--model": ["sonnet"]}}},
                "tool": {"program": "tool", "mcpFlag": "--mcp", "args": {"flags": {"--json": "none"}}}}}"#,
        );
        let read = |name: &str, args: &[&str]| {
            let args: Vec<_> = args.iter().map(ToString::to_string).collect();
            granted
                .process(name, &args)
                .map(|(_, read)| read.into_list())
                .map_err(|e| e.to_string())
        };
        assert_eq!(read("free", &["--mcp={}", "--tag", "x"]).unwrap(), ["--mcp={}", "--tag", "x"]);
        for smuggled in [
            &["--tag", "--mcp={}", "update"][..],
            &["--model", "--mcp={}", "sonnet"],
            &["--mcp={}", "update"],
            &["--mcp={}", "--mcp={}"],
            &["--mcp", "--tag", "update"],
        ] {
            assert!(read("free", smuggled).is_err(), "{smuggled:?}");
        }
        // Of what the manifest asks for it gets no more than that.
        assert!(read("tool", &["--mcp={}"]).unwrap_err().contains("plugin.toml of example"));
    }

    #[test]
    fn an_operators_audience_takes_the_place_of_the_manifests() {
        let audience = |grants| {
            let policy = policy(grants);
            policy.secrets().map(|(_, _, audience)| audience[0].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(audience(r#"{"secrets": {"example": "k"}}"#), ["https://api.example.com"]);
        let own = r#"{"secrets": {"example": {"value": "k", "audience": ["http://127.0.0.1:9"]}}}"#;
        assert_eq!(audience(own), ["http://127.0.0.1:9"]);
    }

    #[test]
    fn a_change_holds_at_once() {
        let handle = PolicyHandle::new(policy(r#"{"ask": true}"#));
        let held_by_an_execution = handle.clone();
        assert_eq!(held_by_an_execution.current().ask(), Ok(()));
        handle.replace(policy("{}"));
        assert!(held_by_an_execution.current().ask().is_err());
    }
}
