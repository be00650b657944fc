use crate::{
    ArgsPattern, GitHost, HostPattern, ModelRequest, SecretRequest,
    difference::{MAX_ENTRIES, MAX_ENTRY_BYTES, measure},
    grants::access,
};
use cyrus_executor::{Access, Placement};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

/// The most that a manifest may be long, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// What a plugin says it is, and what it asks for: `plugin.toml`. It is a request, never authority.
///
/// ```toml
/// name = "example"
/// version = "0.1.0"
/// contract = "0.1"
/// component = "example.wasm"
/// placement = "cloud"
/// description = "Sends the task to Example."
///
/// [requests]
/// http = ["https://api.example.com"]
/// workspace = "read-only"
///
/// [requests.process.example]
/// program = "example"
/// args = { flags = { "--json" = "none" } }
///
/// [[requests.secrets]]
/// handle = "example"
/// audience = ["https://api.example.com"]
/// inject = { header = "authorization", prefix = "Bearer " }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name, unique among plugins.
    pub name: PluginName,
    /// Its version.
    pub version: Version,
    /// The contract it was built against.
    pub contract: ContractVersion,
    /// The component's file, beside the manifest.
    pub component: String,
    /// Where it does its work, unless the operator says otherwise.
    pub placement: Placement,
    /// One or two sentences for people.
    #[serde(default)]
    pub description: String,
    /// What it asks for.
    #[serde(default)]
    pub requests: Requests,
}

/// What a plugin asks for, and so the most that it can get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Requests {
    /// Hosts it wants to speak to.
    pub http: Vec<HttpRequest>,
    /// Programs it wants to launch, by grant name.
    pub process: BTreeMap<String, ProcessRequest>,
    /// What it wants to do with the workspace itself. What a program it launches does there is another matter.
    #[serde(with = "access")]
    pub workspace: Option<Access>,
    /// Secrets that its requests need.
    pub secrets: Vec<SecretRequest>,
    /// It wants to put questions to a person.
    pub ask: bool,
    /// Hosts that it pushes results to, besides the repository's own `origin`.
    pub git: Vec<GitHost>,
    /// It wants to have its programs use the operator's MCP servers.
    pub mcp: bool,
}

/// A host that a plugin wants to speak to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HttpRequest {
    /// These hosts.
    Hosts(HostPattern),
    /// Whichever the operator grants, written `*`: for a plugin whose service has a configurable address.
    Granted,
}

/// A program that a plugin wants to launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProcessRequest {
    /// What it expects to find behind the grant, as a bare name; the operator decides.
    pub program: String,
    /// The arguments it will pass; it gets no others. Omitted: whichever are granted.
    #[serde(default)]
    pub args: Option<ArgsPattern>,
    /// Variables it would like the operator to set, by name.
    #[serde(default)]
    pub env: Vec<String>,
    /// How it is pointed at its model's service, if it uses one.
    #[serde(default)]
    pub model: Option<ModelRequest>,
    /// Files of the user's home that the program needs.
    #[serde(default)]
    pub home_files: Vec<PathBuf>,
    /// What it is for, for people.
    #[serde(default)]
    pub description: String,
}

/// A plugin's name: 2 to 63 of `[a-z0-9-]`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(String);

/// A version of the contract: `0.1`, `0.1.0`, `1.2`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContractVersion(Version);

/// Why a manifest was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is not TOML, or not a manifest. The text has line and column.
    #[error("{0}")]
    Malformed(String),
    /// It is too long.
    #[error("it is {0} bytes long; at most {MAX_MANIFEST_BYTES} are read")]
    TooLong(usize),
    /// It says more than is shown when it is approved.
    #[error(
        "it has {entries} entries, the longest of {bytes} bytes; at most {MAX_ENTRIES} of at most {MAX_ENTRY_BYTES} bytes are read: what is asked for has to be shown whole"
    )]
    TooMuch {
        /// How many entries it has. Each item of a list is one.
        entries: usize,
        /// How long the longest is, with its place.
        bytes: usize,
    },
    /// The component is not a file beside it.
    #[error("component = {0:?} is not the name of a file beside the manifest")]
    Component(String),
    /// One handle names two secrets.
    #[error("two secrets have the handle {0:?}")]
    TwoSecrets(String),
    /// The variables of a model's service are none, or one.
    #[error(
        "model: base-url, key, bearer and login-token have to be the names of different variables, in capitals, and are {variables}"
    )]
    Model {
        /// What they are.
        variables: String,
    },
    /// A secret with nobody to send it to.
    #[error("the secret {0:?} has no audience: name the hosts it is for")]
    NoAudience(String),
}

impl Manifest {
    /// Reads `plugin.toml`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::parse_text(bytes).map(|(manifest, _)| manifest)
    }

    /// Reads `plugin.toml`, and returns the text that it read as well.
    pub(crate) fn parse_text(bytes: &[u8]) -> Result<(Self, &str), ManifestError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong(bytes.len()));
        }
        let malformed = |e: &dyn fmt::Display| ManifestError::Malformed(e.to_string());
        let text = str::from_utf8(bytes).map_err(|e| malformed(&e))?;
        let manifest: Self = toml::from_str(text).map_err(|e| malformed(&e))?;
        let (entries, bytes) = measure(text);
        if entries > MAX_ENTRIES || bytes > MAX_ENTRY_BYTES {
            return Err(ManifestError::TooMuch { entries, bytes });
        }
        let component = &manifest.component;
        if component.is_empty()
            || component.starts_with('.')
            || component.contains(['/', '\\', '\0'])
        {
            return Err(ManifestError::Component(component.clone()));
        }
        let models =
            manifest.requests.process.values().filter_map(|program| program.model.as_ref());
        models.into_iter().try_for_each(ModelRequest::check)?;
        let secrets = &manifest.requests.secrets;
        for (i, secret) in secrets.iter().enumerate() {
            if secret.audience.is_empty() {
                return Err(ManifestError::NoAudience(secret.handle.clone()));
            }
            if secrets[..i].iter().any(|earlier| earlier.handle == secret.handle) {
                return Err(ManifestError::TwoSecrets(secret.handle.clone()));
            }
        }
        Ok((manifest, text))
    }
}

impl HttpRequest {
    /// Whether this host is asked for.
    pub(crate) fn matches(&self, to: &crate::Destination) -> bool {
        match self {
            Self::Hosts(hosts) => hosts.matches(to),
            Self::Granted => true,
        }
    }
}

impl fmt::Display for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(hosts) => hosts.fmt(f),
            Self::Granted => f.write_str("*"),
        }
    }
}

impl TryFrom<String> for HttpRequest {
    type Error = crate::ParseHostPatternError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "*" { Ok(Self::Granted) } else { text.parse().map(Self::Hosts) }
    }
}

impl From<HttpRequest> for String {
    fn from(request: HttpRequest) -> Self {
        request.to_string()
    }
}

impl PluginName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = (2..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(plain);
        good.then(|| Self(text.to_owned())).ok_or_else(|| {
            format!(
                "{text:?} is not a plugin name: use 2 to 63 of a-z, 0-9 and hyphens, beginning with a letter"
            )
        })
    }
}

impl TryFrom<String> for PluginName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ContractVersion {
    /// Whether a host of `host`'s contract can run what was built against this one: nothing was taken away
    /// between the two, and nothing is missing yet.
    pub fn runs_on(&self, host: &Version) -> bool {
        let same_major = self.0.major == host.major;
        let same_line = self.0.major > 0 || self.0.minor == host.minor;
        same_major && same_line && self.0 <= *host
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for ContractVersion {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let full = if text.matches('.').count() == 1 { format!("{text}.0") } else { text.clone() };
        let refuse = |_| format!("{text:?} is not a contract version: write it like 0.1");
        Version::parse(&full).map(Self).map_err(refuse)
    }
}

impl From<ContractVersion> for String {
    fn from(version: ContractVersion) -> Self {
        version.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "example"
version = "0.1.0"
contract = "0.1"
component = "example.wasm"
placement = "cloud"

[requests]
http = ["https://api.example.com", "*"]
workspace = "read-only"
ask = true

[requests.process.example]
program = "example"
args = { flags = { "--json" = "none" }, positionals = ["any"] }
home-files = [".example/login.json"]

[[requests.secrets]]
handle = "example"
audience = ["https://api.example.com"]
inject = { header = "authorization", prefix = "Bearer " }
"#;

    #[test]
    fn reads_every_part() {
        let manifest = Manifest::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(manifest.name.as_str(), "example");
        assert_eq!(manifest.contract.to_string(), "0.1.0");
        assert_eq!(manifest.placement, Placement::Cloud);
        assert_eq!(manifest.requests.http[1], HttpRequest::Granted);
        assert_eq!(manifest.requests.workspace, Some(Access::ReadOnly));
        assert_eq!(manifest.requests.secrets[0].inject.prefix, "Bearer ");
    }

    #[test]
    fn an_error_says_where() {
        let misspelled = GOOD.replace("ask = true", "aks = true");
        let error = Manifest::parse(misspelled.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 11, column 1") && error.contains("aks"), "{error}");
    }

    #[test]
    fn refuses_what_is_wrong() {
        for (from, to) in [
            ("name = \"example\"", "name = \"Example\""),
            ("name = \"example\"", "name = \"x\""),
            ("0.1.0", "0.1"),
            ("contract = \"0.1\"", "contract = \"one\""),
            ("example.wasm", "../example.wasm"),
            ("example.wasm", "/etc/passwd"),
            ("placement = \"cloud\"", "placement = \"moon\""),
            ("read-only", "everything"),
            ("[\"https://api.example.com\"]\ninject", "[]\ninject"),
            ("placement = \"cloud\"", "placement = \"cloud\"\ntrusted = true"),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD);
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{to}");
        }
        assert!(Manifest::parse(&vec![b' '; MAX_MANIFEST_BYTES + 1]).is_err());
        assert!(Manifest::parse(b"\xff").is_err());
        // What cannot be shown whole when it is approved.
        let more: Vec<_> = (0..260).map(|i| format!("\"https://h{i}.example\", ")).collect();
        let more = more.concat();
        let more = GOOD.replacen("http = [", &format!("http = [{more}"), 1);
        let long =
            GOOD.replacen("0.1.0\"", &format!("0.1.0\"\ndescription = \"{}\"", "x".repeat(600)), 1);
        for bad in [more, long] {
            let refused = Manifest::parse(bad.as_bytes());
            assert!(matches!(refused, Err(ManifestError::TooMuch { .. })), "{refused:?}");
        }
    }

    #[test]
    fn takes_what_is_just_as_large_as_it_may_be() {
        let good = GOOD.to_owned();
        let padded = |bytes: usize| good.clone() + "#" + &"x".repeat(bytes - good.len() - 1);
        assert!(Manifest::parse(padded(MAX_MANIFEST_BYTES).as_bytes()).is_ok());
        let error = Manifest::parse(padded(MAX_MANIFEST_BYTES + 1).as_bytes()).unwrap_err();
        assert_eq!(error, ManifestError::TooLong(MAX_MANIFEST_BYTES + 1));

        let (entries, _) = measure(GOOD);
        let hosts = |more: usize| {
            let more: Vec<_> = (0..more).map(|n| format!("\"h{n}.example.com\", ")).collect();
            let more = more.concat();
            GOOD.replacen("http = [", &format!("http = [{more}"), 1)
        };
        let described = |letters: usize| {
            let text = format!("0.1.0\"\ndescription = \"{}\"", "x".repeat(letters));
            GOOD.replacen("0.1.0\"", &text, 1)
        };
        let shown = MAX_ENTRY_BYTES - "description = \"\"".len();
        for (text, is_good) in [
            (hosts(MAX_ENTRIES - entries), true),
            (hosts(MAX_ENTRIES - entries + 1), false),
            (described(shown), true),
            (described(shown + 1), false),
        ] {
            let read = Manifest::parse(text.as_bytes());
            assert_eq!(read.is_ok(), is_good, "{:?} {read:?}", measure(&text));
        }
    }

    #[test]
    fn a_component_is_a_file_beside_it_and_a_handle_names_one_secret() {
        for bad in ["", ".hidden.wasm", "a/b.wasm", "a\\\\b.wasm", "a\\u0000.wasm"] {
            let text = GOOD.replacen("example.wasm", bad, 1);
            let refused = Manifest::parse(text.as_bytes());
            assert!(matches!(refused, Err(ManifestError::Component(_))), "{bad} {refused:?}");
        }
        let secret = |handle: &str| {
            format!(
                "[[requests.secrets]]\nhandle = \"{handle}\"\naudience = [\"a.example.com\"]\n\
                 inject = {{ header = \"x\" }}\n"
            )
        };
        let with = |handle: &str| Manifest::parse((GOOD.to_owned() + &secret(handle)).as_bytes());
        assert_eq!(with("other").unwrap().requests.secrets.len(), 2);
        assert_eq!(with("example").unwrap_err(), ManifestError::TwoSecrets("example".to_owned()));
    }

    #[test]
    fn what_is_read_is_written_as_it_was() {
        let manifest = Manifest::parse(GOOD.as_bytes()).unwrap();
        let hosts: Vec<_> = manifest.requests.http.iter().cloned().map(String::from).collect();
        assert_eq!(hosts, ["https://api.example.com", "*"]);
        assert_eq!(manifest.requests.http[1].to_string(), "*");
        assert_eq!(String::from(manifest.contract), "0.1.0");
        for (name, is_good) in [
            ("ab", true),
            ("a-1b", true),
            ("a1", true),
            ("1ab", false),
            ("-ab", false),
            ("a_b", false),
            ("aB", false),
            ("a.b", false),
            ("a", false),
        ] {
            assert_eq!(name.parse::<PluginName>().is_ok(), is_good, "{name}");
        }
    }

    #[test]
    fn a_contract_runs_where_nothing_of_it_is_missing() {
        let runs = |plugin: &str, host: &str| {
            let plugin = ContractVersion::try_from(plugin.to_owned()).unwrap();
            plugin.runs_on(&host.parse().unwrap())
        };
        assert!(runs("0.1", "0.1.0") && runs("0.1.0", "0.1.3"));
        assert!(!runs("0.1.1", "0.1.0") && !runs("0.2", "0.1.0") && !runs("0.1", "0.2.0"));
        assert!(runs("1.0", "1.3.0") && !runs("1.3", "1.2.0") && !runs("1.0", "2.0.0"));
    }
}
