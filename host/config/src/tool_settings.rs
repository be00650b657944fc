//! What the user's own tools go by: addresses of registries and mirrors, versions of toolchains, and caches of downloads.
//! Every program that works on a repository gets them, so that what works for the user works there; a private registry
//! is found without a word in the configuration.
//!
//! | tool | settings | what is taken |
//! |---|---|---|
//! | npm, pnpm | `~/.npmrc` | `registry`, `@scope:registry` |
//! | Yarn | `~/.yarnrc.yml` | `npmRegistryServer` |
//! | pip | `~/.config/pip/pip.conf`, `~/.pip/pip.conf` | `index-url`, `extra-index-url`, `trusted-host` |
//! | Cargo | `~/.cargo/config.toml`, `~/.cargo/config` | `source`, `registries.NAME.index`, `registry.default` |
//! | Go | `~/.config/go/env` | `GOPROXY`, `GOPRIVATE`, `GONOSUMDB`, `GONOPROXY`, `GOSUMDB` |
//! | asdf, mise | `~/.tool-versions`, `~/.config/mise/config.toml` | the versions of tools |
//! | all of them | variables ([`VARIABLES`]) | the address |
//!
//! No credentials are taken: neither tokens, nor names and passwords in an address.
//!
//! | cache of downloads, read and never written | by |
//! |---|---|
//! | `go/pkg/mod/cache/download` | `GOPROXY` |
//! | `.m2/repository` | `maven.repo.local.tail` in `MAVEN_ARGS` (Maven 3.9) |
//! | `.gradle/caches` | `GRADLE_RO_DEP_CACHE` |
//! | `.nuget/packages` | `NUGET_FALLBACK_PACKAGES` |
//!
//! Cargo, npm and pip know no cache that is only read; theirs begin empty.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};
use toml::{Table, Value};
use url::{Host, Url};

/// Variables that hold addresses and nothing else.
const VARIABLES: [&str; 17] = [
    "npm_config_registry",
    "NPM_CONFIG_REGISTRY",
    "YARN_NPM_REGISTRY_SERVER",
    "YARN_REGISTRY",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "RUSTUP_DIST_SERVER",
    "HEX_MIRROR",
    "GOPROXY",
    "GOPRIVATE",
    "GONOPROXY",
    "GONOSUMDB",
    "GOSUMDB",
];

/// The settings of mise, in a home.
const MISE: &str = ".config/mise/config.toml";

/// The longest file of settings that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolSettings {
    /// Files by their path in a home, with their content.
    pub files: Vec<(&'static str, String)>,
    /// Variables with their values.
    pub variables: Vec<(String, String)>,
    /// Directories that programs read and never write.
    pub caches: Vec<PathBuf>,
    /// The hosts that the addresses name, as `scheme://host:port`, those of this machine apart.
    pub hosts: BTreeSet<String>,
}

impl ToolSettings {
    /// Those of a user with this home; `variable` looks a variable of theirs up.
    pub fn of_user(home: Option<&Path>, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut found = Self::default();
        if let Some(home) = home {
            let read = |name: &str| read(&home.join(name));
            if let Some(text) = read(".npmrc") {
                found.file(".npmrc", npm(&text));
            }
            let pip = [".config/pip/pip.conf", ".pip/pip.conf"].iter().find_map(|name| read(name));
            if let Some(text) = pip {
                found.file(".config/pip/pip.conf", pip_settings(&text));
            }
            let cargo = [".cargo/config.toml", ".cargo/config"].iter().find_map(|name| read(name));
            if let Some(table) = cargo.and_then(|text| text.parse::<Table>().ok()) {
                found.file(".cargo/config.toml", cargo_settings(&table));
            }
            for (name, value) in read(".yarnrc.yml").iter().flat_map(|text| yarn(text)) {
                found.variable(name, &value);
            }
            for (name, value) in read(".config/go/env").iter().flat_map(|text| go(text)) {
                found.variable(name, &value);
            }
        }
        if let Some(home) = home {
            for (file, text) in [
                (".tool-versions", read(&home.join(".tool-versions")).map(|text| versions(&text))),
                (MISE, read(&home.join(MISE)).map(|text| mise(&text))),
            ] {
                found.file(file, text.unwrap_or_default());
            }
        }
        for name in VARIABLES {
            if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
                found.variable(name, &value);
            }
        }
        let texts = found.files.iter().map(|(_, text)| text);
        let texts = texts.chain(found.variables.iter().map(|(_, value)| value));
        found.hosts = texts.flat_map(|text| hosts(text)).collect();
        if let Some(home) = home {
            found.read_caches(home, variable);
        }
        found
    }

    /// Has programs look into the user's caches before they download.
    fn read_caches(&mut self, home: &Path, variable: &dyn Fn(&str) -> Option<String>) {
        let chosen =
            |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let modules = chosen("GOMODCACHE")
            .or_else(|| Some(chosen("GOPATH")?.join("pkg/mod")))
            .unwrap_or_else(|| home.join("go/pkg/mod"));
        let of_gradle = chosen("GRADLE_USER_HOME").unwrap_or_else(|| home.join(".gradle"));
        let proxy = self.variables.iter().find(|(name, _)| name == "GOPROXY");
        let proxy = proxy.map_or("https://proxy.golang.org,direct", |(_, value)| value).to_owned();
        for (directory, name, value) in [
            (modules.join("cache/download"), "GOPROXY", format!("file://{{}},{proxy}")),
            (home.join(".m2/repository"), "MAVEN_ARGS", "-Dmaven.repo.local.tail={}".to_owned()),
            (of_gradle.join("caches"), "GRADLE_RO_DEP_CACHE", "{}".to_owned()),
            (home.join(".nuget/packages"), "NUGET_FALLBACK_PACKAGES", "{}".to_owned()),
        ] {
            // Each of them takes a path as a word of its own.
            let path = directory.to_str().filter(|path| !path.contains([' ', ',', ';']));
            if let Some(path) = path.filter(|_| directory.is_dir()) {
                self.variables.retain(|(known, _)| known != name);
                self.variables.push((name.to_owned(), value.replace("{}", path)));
                self.caches.push(directory);
            }
        }
    }

    fn file(&mut self, path: &'static str, text: String) {
        if !text.is_empty() {
            self.files.push((path, text));
        }
    }

    /// The later one counts.
    fn variable(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), without_credentials(value)));
    }
}

fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(file).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A text in which no address holds a name and a password.
fn without_credentials(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let ends = |c: char| {
            c == '/'
                || c == '?'
                || c == '#'
                || c == ','
                || c == '|'
                || c == '"'
                || c.is_whitespace()
        };
        let end = after.find(ends).unwrap_or(after.len());
        let (authority, following) = after.split_at(end);
        clean.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = following;
    }
    clean + rest
}

/// The hosts of the addresses in a text.
fn hosts(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let scheme = text[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        let ends = |c: char| c == ',' || c == '|' || c == '"' || c == '\'' || c.is_whitespace();
        let rest = &text[at..];
        let end = rest.find(ends).unwrap_or(rest.len());
        let Ok(url) = format!("{scheme}{}", &rest[..end]).parse::<Url>() else { continue };
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => true,
        };
        if let ("http" | "https", Some(host), Some(port), false) =
            (url.scheme(), url.host_str(), url.port_or_known_default(), is_here)
        {
            found.push(format!("{}://{host}:{port}", url.scheme()));
        }
    }
    found
}

/// The lines of an `.npmrc` that name registries.
fn npm(text: &str) -> String {
    let is_registry = |line: &&str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        key == "registry" || (key.starts_with('@') && key.ends_with(":registry"))
    };
    lines(text.lines().filter(is_registry))
}

/// The sections of a `pip.conf` with the keys that name indexes; a value may go on over lines that begin with a blank.
fn pip_settings(text: &str) -> String {
    const KEYS: [&str; 3] = ["index-url", "extra-index-url", "trusted-host"];
    let mut kept = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        let is_more = line.starts_with([' ', '\t']) && !line.trim().is_empty();
        let key = line.split(['=', ':']).next().unwrap_or_default().trim().replace('_', "-");
        goes_on = if is_more { goes_on } else { KEYS.contains(&key.as_str()) };
        if goes_on || line.starts_with('[') {
            kept.push(line);
        }
    }
    let names_any = kept.iter().any(|line| !line.starts_with('['));
    if names_any { lines(kept.into_iter()) } else { String::new() }
}

fn lines<'a>(kept: impl Iterator<Item = &'a str>) -> String {
    kept.map(|line| without_credentials(line) + "\n").collect()
}

/// What of Cargo's settings says where crates are.
fn cargo_settings(table: &Table) -> String {
    let strings = |table: &Table, keys: &[&str]| -> Table {
        let kept =
            table.iter().filter(|(key, value)| keys.contains(&key.as_str()) && value.is_str());
        let clean =
            |value: &Value| Value::String(without_credentials(value.as_str().unwrap_or("")));
        kept.map(|(key, value)| (key.clone(), clean(value))).collect()
    };
    let mut kept = Table::new();
    for (section, keys) in [
        ("source", &["registry", "replace-with", "git", "branch", "tag", "rev"][..]),
        ("registries", &["index"]),
    ] {
        let entries = table.get(section).and_then(Value::as_table).into_iter().flatten();
        let entries = entries.filter_map(|(name, entry)| {
            let entry = strings(entry.as_table()?, keys);
            (!entry.is_empty()).then(|| (name.clone(), Value::Table(entry)))
        });
        let entries: Table = entries.collect();
        if !entries.is_empty() {
            kept.insert(section.to_owned(), Value::Table(entries));
        }
    }
    let default = table.get("registry").and_then(Value::as_table);
    let default = default.map(|registry| strings(registry, &["default"])).unwrap_or_default();
    if !default.is_empty() {
        kept.insert("registry".to_owned(), Value::Table(default));
    }
    if kept.is_empty() { String::new() } else { kept.to_string() }
}

/// The registry that a `.yarnrc.yml` names.
fn yarn(text: &str) -> Vec<(&'static str, String)> {
    let value = text.lines().find_map(|line| line.strip_prefix("npmRegistryServer:"));
    let value = value.map(|value| value.trim().trim_matches(['"', '\'']).to_owned());
    value.map(|value| ("YARN_NPM_REGISTRY_SERVER", value)).into_iter().collect()
}

/// The settings of `go env -w` that say where modules are.
fn go(text: &str) -> Vec<(&'static str, String)> {
    let known = ["GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB"];
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let pairs = pairs.filter_map(|(name, value)| {
        let name = known.iter().find(|known| **known == name)?;
        Some((*name, value.to_owned()))
    });
    pairs.collect()
}

/// The lines of a `.tool-versions`: a tool, and versions of it.
fn versions(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:+/ \t".contains(c);
    lines(text.lines().filter(|line| !line.trim().is_empty() && line.chars().all(plain)))
}

/// The versions that the settings of mise name; their variables may hold secrets.
fn mise(text: &str) -> String {
    let table = text.parse::<Table>().unwrap_or_default();
    let tools = table.get("tools").cloned();
    let kept: Table = tools.map(|tools| ("tools".to_owned(), tools)).into_iter().collect();
    if kept.is_empty() { String::new() } else { kept.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn user(files: &[(&str, &str)], variables: &[(&str, &str)]) -> ToolSettings {
        let home = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ToolSettings::of_user(Some(home.path()), &variable)
    }

    #[test]
    fn addresses_are_taken_and_credentials_are_not() {
        let found = user(
            &[
                (
                    ".npmrc",
                    "registry=https://me:pw@npm.corp.example/\n@team:registry = https://t.example:8443/x\n//npm.corp.example/:_authToken=S3CRET\n_auth=S3CRET\nemail=a@b\n",
                ),
                (
                    ".config/pip/pip.conf",
                    "[global]\nindex-url = https://u:S3CRET@pypi.corp.example/simple\nextra-index-url =\n    https://other.example/simple\nproxy = http://x:S3CRET@p\n    S3CRET\n[install]\nuser = yes\n",
                ),
                (
                    ".cargo/config.toml",
                    "[registries.corp]\nindex = \"sparse+https://crates.corp.example/\"\ntoken = \"S3CRET\"\n[source.crates-io]\nreplace-with = \"corp\"\n[build]\nrustc-wrapper = \"/evil\"\n[registry]\ndefault = \"corp\"\ntoken = \"S3CRET\"\n",
                ),
                (
                    ".yarnrc.yml",
                    "npmRegistryServer: \"https://yarn.example\"\nnpmAuthToken: S3CRET\n",
                ),
                (".config/go/env", "GOPROXY=https://u:S3CRET@go.example,direct\nGOFLAGS=-x\n"),
            ],
            &[("PIP_INDEX_URL", "https://a:S3CRET@env.example/simple"), ("NPM_TOKEN", "S3CRET")],
        );
        let shown = format!("{found:?}");
        for secret in ["S3CRET", "pw@", "rustc-wrapper", "email", "GOFLAGS"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        let expected = [
            "https://crates.corp.example:443",
            "https://env.example:443",
            "https://go.example:443",
            "https://npm.corp.example:443",
            "https://other.example:443",
            "https://pypi.corp.example:443",
            "https://t.example:8443",
            "https://yarn.example:443",
        ];
        assert_eq!(found.hosts.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        let file = |name: &str| &found.files.iter().find(|(known, _)| *known == name).unwrap().1;
        assert!(file(".npmrc").contains("registry=https://npm.corp.example/\n"));
        assert!(file(".cargo/config.toml").parse::<Table>().unwrap().contains_key("registries"));
        let proxy = ("GOPROXY".to_owned(), "https://go.example,direct".to_owned());
        assert!(found.variables.contains(&proxy), "{shown}");
    }

    #[test]
    fn versions_of_tools_are_taken_without_what_else_is_there() {
        let found = user(
            &[
                (".tool-versions", "nodejs 20.11.0\n# S3CRET=x\npython 3.12.1 3.11.0\n"),
                (".config/mise/config.toml", "[env]\nTOKEN = \"S3CRET\"\n[tools]\nnode = \"20\"\n"),
            ],
            &[],
        );
        assert!(!format!("{found:?}").contains("S3CRET"), "{found:?}");
        let names: Vec<_> = found.files.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [".tool-versions", MISE]);
        assert_eq!(found.files[0].1, "nodejs 20.11.0\npython 3.12.1 3.11.0\n");
    }

    #[test]
    fn caches_are_read_before_anything_is_downloaded() {
        let files = [
            "go/pkg/mod/cache/download/x",
            ".m2/repository/x",
            ".gradle/caches/x",
            ".nuget/packages/x",
        ];
        let found = user(&files.map(|name| (name, "")), &[("GOPROXY", "https://go.example")]);
        assert_eq!(found.caches.len(), 4);
        let value =
            |name: &str| &found.variables.iter().find(|(known, _)| known == name).unwrap().1;
        assert!(
            value("GOPROXY").starts_with("file:///")
                && value("GOPROXY").ends_with("/go/pkg/mod/cache/download,https://go.example")
        );
        assert!(value("MAVEN_ARGS").starts_with("-Dmaven.repo.local.tail=/"));
        assert!(value("GRADLE_RO_DEP_CACHE").ends_with("/.gradle/caches"));
        assert!(value("NUGET_FALLBACK_PACKAGES").ends_with("/.nuget/packages"));
    }

    #[test]
    fn there_is_nothing_of_a_user_who_has_set_nothing() {
        assert_eq!(
            user(&[(".npmrc", "email=a@b\n"), (".cargo/config.toml", "[build]\njobs = 2\n")], &[]),
            ToolSettings::default()
        );
        assert_eq!(ToolSettings::of_user(None, &|_| None), ToolSettings::default());
    }
}
