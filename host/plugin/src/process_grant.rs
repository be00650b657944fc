use crate::{ArgsPattern, HostPattern, SecretRef};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// A program that a plugin may launch, and with what. The plugin names the grant, never the program.
///
/// What is launched is native code that holds whatever it is given here: this is the operator's trust in the
/// program, not in the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProcessGrant {
    /// An absolute path, or a bare name that is looked up once in the operator's `PATH`.
    pub program: PathBuf,
    /// The arguments that may be passed. Omitted: none.
    #[serde(default)]
    pub args: ArgsPattern,
    /// Its environment, beyond the few variables every program gets. Values are the operator's alone; a variable
    /// that is taken from the host's environment and is not there is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, SecretRef>,
    /// Files of the operator's home that it sees, relative to it; what is not there is left out. Nothing else of the home is visible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub home_files: Vec<PathBuf>,
    /// The flag with which it takes a file of MCP servers, such as `--mcp-config`. The plugin passes it with the names
    /// of servers, and the host puts the path of a private file with these servers in their place. Omitted: it is given
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_flag: Option<String>,
    /// The hosts that it reaches, through the host's proxy. Omitted: none. A loopback address with a port, as in
    /// `http://127.0.0.1:8080`, is found at that port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostPattern>,
    /// What it gets of the host's environment.
    #[serde(default, skip_serializing_if = "HostEnvironment::is_empty")]
    pub from_host: HostEnvironment,
    /// What it gets besides while a variable of the host is set, and neither `0` nor `false`: by that variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when_set: BTreeMap<String, HostEnvironment>,
    /// Files of the host that it reads, which variables of the host named.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// Whether it reaches its model without the gateway, as variables of the host said.
    #[serde(skip)]
    pub own_model: bool,
}

/// What a program gets of the host's environment, where it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HostEnvironment {
    /// Variables, under the same name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Variables whose values are paths of files that it may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Variables whose values are addresses of hosts that it may reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Hosts that it may reach besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostPattern>,
    /// Files of the operator's home that it sees besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub home_files: Vec<PathBuf>,
    /// Its model is reached without the gateway: it is not the service that the gateway speaks to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_model: bool,
}

impl HostEnvironment {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ProcessGrant {
    /// A grant of this program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: ArgsPattern::default(),
            env: BTreeMap::new(),
            home_files: Vec::new(),
            mcp_flag: None,
            hosts: Vec::new(),
            from_host: HostEnvironment::default(),
            when_set: BTreeMap::new(),
            files: Vec::new(),
            own_model: false,
        }
    }

    /// The names of the variables that it gets where the host has them, each once.
    pub fn passed(&self) -> impl Iterator<Item = &str> {
        let all = std::iter::once(&self.from_host).chain(self.when_set.values());
        let names = all.flat_map(|part| &part.variables).chain(self.when_set.keys());
        names.map(String::as_str).collect::<BTreeSet<_>>().into_iter()
    }

    /// Puts what it gets of the host's environment in the place of what it may get of any: variables, hosts and
    /// files. `variable` looks one of the host up. Returns the names of the variables that it gets, in order.
    pub fn take(&mut self, variable: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let on = |name: &String| set(name).is_some_and(|value| value != "0" && value != "false");
        let when_set = std::mem::take(&mut self.when_set);
        let switches: Vec<String> = when_set.keys().cloned().collect();
        let held = when_set.into_iter().filter(|(name, _)| on(name)).map(|(_, part)| part);
        let mut taken = Vec::new();
        let mut names: BTreeSet<String> = switches.into_iter().collect();
        for part in std::iter::once(std::mem::take(&mut self.from_host)).chain(held) {
            names.extend(part.variables);
            self.files.extend(part.paths.iter().filter_map(|name| set(name)).map(PathBuf::from));
            let addresses = part.addresses.iter().filter_map(|name| set(name));
            self.hosts.extend(addresses.filter_map(|address| host_of(&address)));
            self.hosts.extend(part.hosts);
            self.home_files.extend(part.home_files);
            self.own_model |= part.own_model;
        }
        for name in names {
            // What the operator says of a variable stands.
            if let Some(value) = set(&name)
                && !self.env.contains_key(&name)
            {
                self.env.insert(name.clone(), SecretRef::Value(value));
                taken.push(name);
            }
        }
        taken
    }
}

/// The host that an address is of, whatever its path.
fn host_of(address: &str) -> Option<HostPattern> {
    let (scheme, rest) = address.trim().split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{authority}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> ProcessGrant {
        serde_json::from_str(
            r#"{"program": "agent", "env": {"FIXED": "1"}, "hosts": ["api.example.com"],
                "fromHost": {"variables": ["TOKEN", "FIXED", "EMPTY", "ABSENT"], "paths": ["CERTS"], "addresses": ["URL"]},
                "whenSet": {"USE_CLOUD": {"variables": ["CLOUD_KEY"], "hosts": ["*.cloud.test"],
                    "homeFiles": [".cloud/config"], "ownModel": true}}}"#,
        )
        .unwrap()
    }

    fn take(cloud: &str) -> (ProcessGrant, Vec<String>) {
        let mut grant = grant();
        let variable = |name: &str| {
            let value = match name {
                "TOKEN" => "t",
                "FIXED" => "2",
                "EMPTY" => "",
                "CERTS" => "/etc/ca.pem",
                "URL" => "https://user@gateway.test:8443/v1?x",
                "USE_CLOUD" => cloud,
                "CLOUD_KEY" => "k",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let taken = grant.take(&variable);
        (grant, taken)
    }

    #[test]
    fn what_is_there_is_taken_and_what_is_not_is_left() {
        let (grant, taken) = take("0");
        assert_eq!(taken, ["TOKEN", "USE_CLOUD"]);
        assert_eq!(grant.files, [PathBuf::from("/etc/ca.pem")]);
        assert!(!grant.own_model);
        assert_eq!(grant.env["FIXED"], SecretRef::Value("1".to_owned()));
        let hosts: Vec<String> = grant.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["https://api.example.com", "https://gateway.test:8443"]);
        assert!(grant.home_files.is_empty());
    }

    #[test]
    fn a_switch_brings_what_belongs_to_it() {
        let (grant, taken) = take("1");
        assert_eq!(taken, ["CLOUD_KEY", "TOKEN", "USE_CLOUD"]);
        assert!(grant.own_model);
        assert_eq!(grant.home_files, [PathBuf::from(".cloud/config")]);
        assert!(grant.hosts.iter().any(|host| host.to_string() == "https://*.cloud.test"));
        assert!(grant.when_set.is_empty() && grant.from_host == HostEnvironment::default());
    }

    #[test]
    fn a_grant_names_what_it_may_pass_and_knows_its_keys() {
        let names = ["ABSENT", "CLOUD_KEY", "EMPTY", "FIXED", "TOKEN", "USE_CLOUD"];
        assert_eq!(grant().passed().collect::<Vec<_>>(), names);
        assert!(
            serde_json::from_str::<ProcessGrant>(r#"{"program": "x", "fromHost": {"env": []}}"#)
                .is_err()
        );
        let again = serde_json::to_value(grant()).unwrap();
        assert_eq!(serde_json::from_value::<ProcessGrant>(again).unwrap(), grant());
        let least = serde_json::to_value(ProcessGrant::new("x")).unwrap();
        assert_eq!(least.get("fromHost"), None, "{least}");
    }
}
