use crate::{
    ArgsPattern, ExecutorConfig, GatewayConfig, GitGrant, GitHost, GrantedProgram, HostMaximum,
    HostPattern, HttpRequest, Manifest, McpGrant, ModelRequest, Policy, ProgramKind,
};
use cyrus_executor::Access;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What an executor may do after all: what its plugin requests, the operator grants and the host permits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// The programs that it may launch.
    pub programs: Vec<ProgramAuthority>,
    /// The hosts that it may send requests to.
    pub http: Vec<String>,
    /// The hosts that its results may be fetched from, besides the repository's own `origin`.
    pub git: Vec<GitGrant>,
    /// The secrets that are put into its requests.
    pub secrets: Vec<SecretAuthority>,
    /// What it may do with the workspace, which it sees without git's own directories.
    pub workspace: Option<Access>,
    /// Whether it may put questions.
    pub ask: bool,
    /// The MCP servers that its programs may use.
    pub mcp: McpGrant,
}

/// A program that an executor may launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramAuthority {
    /// The name of the grant, by which the plugin asks for it.
    pub grant: String,
    /// The program as the configuration names it.
    pub program: PathBuf,
    /// The file that is run. `None`: there is no such program now.
    pub resolved: Option<PathBuf>,
    /// What programs of its kind can do.
    pub kind: ProgramKind,
    /// The same in plain words.
    pub meaning: String,
    /// The arguments that it may get: those that are both requested and granted.
    pub args: ArgsPattern,
    /// The flag by which it gets a file of MCP servers, which the host writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_flag: Option<String>,
    /// Its variables, by name, and where each value comes from.
    pub env: BTreeMap<String, String>,
    /// The variables that it gets where the host has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<String>,
    /// The files of the operator's home that it sees.
    pub home_files: Vec<PathBuf>,
    /// What becomes of the key of its model, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The hosts that it reaches.
    pub hosts: Vec<String>,
}

/// A secret that is put into an executor's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretAuthority {
    /// Its name in manifest and grant.
    pub handle: String,
    /// The hosts whose requests get it.
    pub audience: Vec<String>,
    /// The header that carries it.
    pub header: String,
    /// Where the value comes from.
    pub source: String,
}

impl Authority {
    /// What this executor may do. `resolve` finds the file of a granted program.
    pub fn of(
        manifest: &Arc<Manifest>,
        config: &ExecutorConfig,
        maximum: &HostMaximum,
        resolve: &dyn Fn(&Path) -> Option<PathBuf>,
    ) -> Self {
        let policy = Policy::new(Arc::clone(manifest), config, maximum.clone());
        let secrets = policy.secrets().map(|(request, grant, audience)| SecretAuthority {
            handle: request.handle.clone(),
            audience: audience.iter().map(ToString::to_string).collect(),
            header: request.inject.header.clone(),
            source: grant.source.to_string(),
        });
        Self {
            programs: policy.programs().map(|one| program(one, config, resolve)).collect(),
            http: http(manifest, config, maximum),
            git: git(manifest, config, maximum),
            secrets: secrets.collect(),
            workspace: policy.workspace(),
            ask: policy.ask().is_ok(),
            mcp: if policy.has_mcp() { config.grants.mcp.clone() } else { McpGrant::None },
        }
    }
}

fn program(
    granted: &GrantedProgram,
    config: &ExecutorConfig,
    resolve: &dyn Fn(&Path) -> Option<PathBuf>,
) -> ProgramAuthority {
    let GrantedProgram { grant, program, args, mcp_flag, env, passed, .. } = granted.clone();
    let GrantedProgram { home_files, hosts, model, .. } = granted.clone();
    let resolved = resolve(&program);
    let target = resolved.as_deref().and_then(|file| file.canonicalize().ok());
    let files = [Some(program.as_path()), resolved.as_deref(), target.as_deref()];
    let kind = files.into_iter().flatten().map(ProgramKind::of).max();
    let kind = kind.unwrap_or(ProgramKind::Unknown);
    let called = program.file_name().map(|name| name.to_string_lossy().into_owned());
    let meaning = kind.meaning(&called.unwrap_or_else(|| grant.clone()));
    let mut args = args;
    args.flags.retain(|flag, _| Some(flag) != mcp_flag.as_ref());
    ProgramAuthority {
        model: model.and_then(|model| {
            let is_granted =
                |name: &str| env.contains_key(name) || passed.iter().any(|of| of == name);
            of_key(&model, is_granted, config)
        }),
        grant,
        program,
        resolved,
        kind,
        meaning,
        args,
        mcp_flag,
        env: env.into_iter().map(|(name, value)| (name, value.to_string())).collect(),
        passed,
        home_files,
        hosts: hosts.iter().map(ToString::to_string).collect(),
    }
}

/// Who holds the key of a program's model.
fn of_key(
    model: &ModelRequest,
    is_granted: impl Fn(&str) -> bool,
    config: &ExecutorConfig,
) -> Option<String> {
    let granted = model.credentials().map(|(_, name)| name).filter(|name| is_granted(name));
    let names = granted.collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| match &config.gateway {
        GatewayConfig { enabled: false, .. } => {
            format!("the gateway is off: the program holds {names} itself, and says itself what it spends")
        }
        GatewayConfig { models, .. } => {
            let models = models.as_ref().map_or("every model".to_owned(), |models| models.join(", "));
            format!(
                "{names} stays with the host, which counts what it spends; the program gets a token of its execution for {models}"
            )
        }
    })
}

fn http(manifest: &Manifest, config: &ExecutorConfig, maximum: &HostMaximum) -> Vec<String> {
    let asked = &manifest.requests.http;
    let granted = &config.grants.http;
    let mut both: Vec<&HostPattern> = if asked.contains(&HttpRequest::Granted) {
        granted.iter().collect()
    } else {
        let asked = asked.iter().filter_map(|request| match request {
            HttpRequest::Hosts(hosts) => Some(hosts),
            HttpRequest::Granted => None,
        });
        common(asked, granted)
    };
    if let Some(most) = &maximum.http {
        both = common(both, most);
    }
    let mut names: Vec<_> = both.into_iter().map(ToString::to_string).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn git(manifest: &Manifest, config: &ExecutorConfig, maximum: &HostMaximum) -> Vec<GitGrant> {
    let asked = || manifest.requests.git.iter().map(GitHost::pattern);
    let most: Option<Vec<HostPattern>> =
        maximum.git.as_ref().map(|most| most.iter().map(|host| host.pattern().clone()).collect());
    let effective = config.grants.git.iter().flat_map(|grant| {
        let both = common(asked(), std::slice::from_ref(grant.host.pattern()));
        let both = match &most {
            Some(most) => common(both, most),
            None => both,
        };
        let host = |host: &HostPattern| GitHost::new(host.clone());
        let grant_of = |pattern| GitGrant { host: host(pattern), credentials: grant.credentials };
        both.into_iter().map(grant_of).collect::<Vec<_>>()
    });
    effective.collect()
}

/// What both sides open: of each two that overlap, the narrower.
fn common<'a>(
    one: impl IntoIterator<Item = &'a HostPattern>,
    other: &'a [HostPattern],
) -> Vec<&'a HostPattern> {
    let narrower = |a: &'a HostPattern| {
        other.iter().filter_map(move |b| match (a.covers(b), b.covers(a)) {
            (true, _) => Some(b),
            (false, true) => Some(a),
            (false, false) => None,
        })
    };
    one.into_iter().flat_map(narrower).collect()
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, http, git, secrets, workspace, ask, mcp } = self;
        let mut may = Vec::new();
        may.extend(programs.iter().map(ToString::to_string));
        may.extend(http.iter().map(|host| format!("send requests to {host}")));
        may.extend(git.iter().map(|grant| {
            let with =
                if grant.credentials { "with your git credentials" } else { "without credentials" };
            format!("have results fetched by git from {}, {with}", grant.host)
        }));
        may.extend(secrets.iter().map(|secret| {
            let SecretAuthority { handle, audience, header, source } = secret;
            let to = if audience.is_empty() { "nobody".to_owned() } else { audience.join(", ") };
            format!("have the secret {handle:?} ({source}) put into requests to {to}, as header {header:?}, without seeing it")
        }));
        may.extend(workspace.map(|access| match access {
            Access::ReadOnly => "read the workspace, without git's own directories".to_owned(),
            Access::ReadWrite => {
                "read and write the workspace, without git's own directories".to_owned()
            }
        }));
        may.extend(ask.then(|| "put questions to a person".to_owned()));
        if !mcp.is_none() {
            may.push(format!(
                "have its programs use MCP servers of yours ({mcp}), of which it learns the names"
            ));
        }
        if may.is_empty() {
            return f.write_str("It may do nothing but compute and log.");
        }
        f.write_str("It may:")?;
        may.iter().try_for_each(|line| write!(f, "\n* {line}"))
    }
}

impl fmt::Display for ProgramAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grant, program, resolved, meaning, args, mcp_flag, .. } = self;
        let Self { env, home_files, hosts, .. } = self;
        match resolved {
            Some(file) => write!(f, "launch {} as {grant:?}", file.display())?,
            None => write!(f, "launch {} as {grant:?}, which is not installed", program.display())?,
        }
        write!(f, "\n    {meaning}\n    arguments: {args}")?;
        if let Some(flag) = mcp_flag {
            write!(f, "\n    file of MCP servers: written by the host, passed as {flag}")?;
        }
        let variables: Vec<_> =
            env.iter().map(|(name, source)| format!("{name} ({source})")).collect();
        let files: Vec<_> = home_files.iter().map(|file| file.display().to_string()).collect();
        for (what, list) in
            [("variables", variables), ("files of your home", files), ("hosts", hosts.clone())]
        {
            let list = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
            write!(f, "\n    {what}: {list}")?;
        }
        if !self.passed.is_empty() {
            write!(f, "\n    your variables, where they are set: {}", self.passed.join(", "))?;
        }
        if let Some(model) = &self.model {
            write!(f, "\n    key of its model: {model}")?;
        }
        Ok(())
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
http = ["*.example.com", "https://a.test"]
git = ["git.example.com", "git.example.org"]
workspace = "read-write"
[requests.process.agent]
program = "claude"
args = { flags = { "-p" = "none", "--model" = ["a", "b"], "--asked" = "any" }, positionals = ["any", "any"] }
[requests.process.other]
program = "other"
[[requests.secrets]]
handle = "key"
audience = ["https://api.example.com"]
inject = { header = "authorization", prefix = "Bearer " }
"#;

    fn authority(grants: &str, maximum: &str) -> Authority {
        let mut config = ExecutorConfig::new("ex", "example");
        config.grants = serde_json::from_str(grants).unwrap();
        let manifest = Arc::new(Manifest::parse(MANIFEST.as_bytes()).unwrap());
        let maximum = serde_json::from_str(maximum).unwrap();
        Authority::of(&manifest, &config, &maximum, &|program| {
            (program != Path::new("missing")).then(|| Path::new("/opt").join(program))
        })
    }

    #[test]
    fn only_what_all_three_sides_allow_is_effective() {
        let found = authority(
            r#"{"http": ["https://api.example.com", "https://evil.test", "*.b.example.com"],
                "git": ["*.example.com", {"host": "git.example.org", "credentials": true}, "evil.test"],
                "workspace": "read-write", "ask": true, "secrets": {"key": {"env": "K"}, "more": "x"},
                "process": {"agent": {"program": "claude", "homeFiles": [".login"], "env": {"A": "hunter2", "K": {"env": "K"}},
                    "args": {"flags": {"-p": "none", "--model": "any", "--granted": "any"}, "positionals": [["auth"]]}},
                    "sh": {"program": "sh"}}}"#,
            r#"{"http": ["https://*.b.example.com", "https://api.example.com"], "workspace": "read-only",
                "git": ["git.example.com"]}"#,
        );
        let git: Vec<_> = found.git.iter().map(|grant| grant.host.to_string()).collect();
        assert_eq!(git, ["https://git.example.com"]);
        assert_eq!(found.http, ["https://*.b.example.com", "https://api.example.com"]);
        assert_eq!((found.workspace, found.ask), (Some(Access::ReadOnly), false));
        assert_eq!(found.secrets.len(), 1);
        assert_eq!(found.programs.len(), 1, "sh is not requested");
        let agent = &found.programs[0];
        assert_eq!(agent.args.to_string(), "auth; --model=a|b, -p");
        assert_eq!(agent.resolved.as_deref(), Some(Path::new("/opt/claude")));
        let text = found.to_string();
        for part in [
            "* launch /opt/claude as \"agent\"",
            "`claude` runs shell commands: this grant is a shell inside the sandbox",
            "variables: A (a value in the configuration), K (environment variable K)",
            "files of your home: .login",
            "* have the secret \"key\" (environment variable K) put into requests to https://api.example.com",
            "* read the workspace, without git's own directories",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let json = serde_json::to_string(&found).unwrap();
        assert!(!text.contains("hunter2") && !json.contains("hunter2"), "{json}");
    }

    #[test]
    fn nothing_granted_is_nothing() {
        let found = authority("{}", "{}");
        assert_eq!(found.to_string(), "It may do nothing but compute and log.");
        let none =
            authority(r#"{"process": {"other": {"program": "missing"}}}"#, r#"{"process": false}"#);
        assert_eq!(none, found);
        let missing =
            authority(r#"{"process": {"other": {"program": "missing"}}}"#, "{}").to_string();
        assert!(
            missing.contains("which is not installed") && missing.contains("arguments: none"),
            "{missing}"
        );
    }

    #[test]
    fn it_says_who_holds_the_key_of_a_model() {
        let request = "[requests.process.agent]\nmodel = { format = \"anthropic\", key = \"KEY\", login-token = \"LOGIN\", base-url = \"URL\" }";
        let text = MANIFEST.replacen("[requests.process.agent]", request, 1);
        let manifest = Arc::new(Manifest::parse(text.as_bytes()).unwrap());
        let passing = |passed: &str, env: &str, gateway: &str| {
            let mut config = ExecutorConfig::new("ex", "example");
            let grants = format!(
                r#"{{"process": {{"agent": {{"program": "claude", "env": {env}, "fromHost": {{"variables": {passed}}}}}}}}}"#
            );
            config.grants = serde_json::from_str(&grants).unwrap();
            config.gateway = serde_json::from_str(gateway).unwrap();
            let maximum = HostMaximum::default();
            let authority = Authority::of(&manifest, &config, &maximum, &|_| None);
            authority.programs[0].to_string()
        };
        let shown = |env: &str, gateway: &str| passing("[]", env, gateway);
        let key = r#"{"KEY": {"env": "KEY"}}"#;
        assert!(shown(key, "true").contains("key of its model: KEY stays with the host"));
        assert!(shown(key, r#"{"models": ["a", "b-*"]}"#).contains("for a, b-*"));
        assert!(shown(key, "false").contains("the gateway is off: the program holds KEY itself"));
        assert!(!shown("{}", "true").contains("key of its model"));
        let both = r#"{"KEY": {"env": "KEY"}, "LOGIN": {"env": "LOGIN"}}"#;
        assert!(shown(both, "true").contains("key of its model: KEY, LOGIN stays with the host"));
        assert!(!shown(both, "true").contains("your variables"));
        let passed = passing(r#"["LOGIN", "PLACE"]"#, "{}", "true");
        assert!(passed.contains("key of its model: LOGIN stays with the host"), "{passed}");
        assert!(passed.contains("your variables, where they are set: LOGIN, PLACE"), "{passed}");
        assert!(!passing(r#"["PLACE"]"#, "{}", "true").contains("key of its model"));
    }
}
