//! The operator's MCP servers: a component learns their names, the program that it launches for them what they are.
//!
//! A server's definition holds tokens, in variables, headers, addresses and arguments. It goes from the configuration
//! into a file in the program's private home that is gone with the program, and never into a component's memory.

use super::home::Home;
use crate::{
    bindings::process::ProcessError,
    redact::{is_secret, secrets_in},
    run::Run,
};
use cyrus_plugin::Policy;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use zeroize::Zeroizing;

/// The key of the servers in a configuration.
const SERVERS: &str = "mcpServers";

type Outcome<T> = Result<T, ProcessError>;

/// What a component is shown of the execution's servers: the names of those that are granted.
pub(crate) fn shown(servers: &Value, policy: &Policy) -> Option<Value> {
    policy.has_mcp().then(|| {
        let all = servers.get(SERVERS).and_then(Value::as_object).into_iter().flatten();
        let granted = all.filter(|(name, _)| policy.mcp(name).is_ok());
        let names: Map<_, _> = granted.map(|(name, _)| (name.clone(), json!({}))).collect();
        json!({ SERVERS: names })
    })
}

/// Puts files with the definitions of servers in the place of their names, wherever this flag is in the arguments.
pub(crate) fn provide(
    run: &Run,
    policy: &Policy,
    flag: &str,
    args: Vec<String>,
    home: &mut Home,
) -> Outcome<Vec<String>> {
    let provided = args.into_iter().map(|arg| {
        match arg.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
            Some(names) => {
                let servers = named(run, policy, flag, names)?;
                let path = write(&servers, home)?;
                Ok(format!("{flag}={path}"))
            }
            None => Ok(arg),
        }
    });
    provided.collect()
}

/// The definitions of the servers of these names. Nothing of the definitions that came with the names is taken.
fn named(run: &Run, policy: &Policy, flag: &str, names: &str) -> Outcome<Map<String, Value>> {
    let denied = |problem: &str| ProcessError::Denied(format!("{flag}: {problem}"));
    let read: Value = serde_json::from_str(names).map_err(|_| denied("it is no JSON"))?;
    let names = read.get(SERVERS).and_then(Value::as_object);
    let names = names.ok_or_else(|| denied("it has no object \"mcpServers\""))?;
    let request = run.request.as_ref().and_then(|request| request.mcp_servers.as_ref());
    let known = request.and_then(|servers| servers.get(SERVERS)).and_then(Value::as_object);
    let mut servers = Map::new();
    for name in names.keys() {
        policy.mcp(name).map_err(|refused| ProcessError::Denied(run.deny(refused)))?;
        let server = known.and_then(|known| known.get(name));
        let server = server.ok_or_else(|| denied(&format!("there is no server {name:?}")))?;
        run.redactor.learn(secrets_of(server));
        servers.insert(name.clone(), server.clone());
    }
    Ok(servers)
}

fn write(servers: &Map<String, Value>, home: &mut Home) -> Outcome<String> {
    let io = |error: std::io::Error| ProcessError::Io(error.to_string());
    let name = tempfile::Builder::new().prefix(".cyrus-mcp-").suffix(".json").to_owned();
    // Made new, for this user alone.
    let mut file = name.tempfile_in(home.path().as_path()).map_err(io)?;
    file.write_all(json!({ SERVERS: servers }).to_string().as_bytes()).map_err(io)?;
    let path = file.into_temp_path();
    let text = path.display().to_string();
    home.keep(path);
    Ok(text)
}

/// The shortest value of an address's parameter that is taken for a key, in bytes.
const SHORTEST_VALUE: usize = 6;

/// What of a server's definition is secret.
fn secrets_of(server: &Value) -> Vec<Zeroizing<String>> {
    let of = |key: &str| server.get(key).cloned().unwrap_or_default();
    let named = json!({ "env": of("env"), "headers": of("headers") });
    let mut secrets = secrets_in(named.to_string().as_bytes());
    let address = server.get("url").and_then(Value::as_str).unwrap_or_default();
    secrets.extend(secrets_of_address(address));
    let args = server.get("args").and_then(Value::as_array).into_iter().flatten();
    let mut flag = "";
    for arg in args.filter_map(Value::as_str) {
        let (name, value) = arg.split_once('=').unwrap_or((flag, arg));
        // Of an argument only a flag's name says what it is.
        if name.starts_with('-') && is_secret(name, value) && !value.starts_with('-') {
            secrets.push(Zeroizing::new(value.to_owned()));
        }
        flag = if arg.starts_with('-') { arg } else { "" };
    }
    secrets
}

/// Of an address with parameters or a user, all of it and each value: any of them may be the key.
fn secrets_of_address(address: &str) -> impl Iterator<Item = Zeroizing<String>> + '_ {
    let is_secret = address.contains(['?', '#', '@']);
    let parameters = address.split(['?', '#', '&']).skip(1);
    let values = parameters.map(|one| one.split_once('=').map_or(one, |(_, value)| value));
    let all = std::iter::once(address).chain(values).filter(move |_| is_secret);
    all.filter(|text| text.len() >= SHORTEST_VALUE).map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_servers_tokens_is_known() {
        let server = json!({
            "command": "/usr/bin/notes-server", "args": ["--token=arg-SECRET-1", "--key", "arg-SECRET-2", "--verbose", "x"],
            "env": {"NOTES_TOKEN": "env-SECRET-3", "HOME": "/home/op", "MODE": "fast"},
            "headers": {"Authorization": "Bearer hdr-SECRET-4"},
            "url": "https://mcp.example/?key=url-SECRET-5",
        });
        let found: Vec<_> = secrets_of(&server).iter().map(|one| one.to_string()).collect();
        for secret in [
            "arg-SECRET-1",
            "arg-SECRET-2",
            "env-SECRET-3",
            "hdr-SECRET-4",
            "https://mcp.example/?key=url-SECRET-5",
            "url-SECRET-5",
        ] {
            assert!(found.iter().any(|one| one == secret), "{secret} in {found:?}");
        }
        for plain in ["/home/op", "fast", "x", "/usr/bin/notes-server"] {
            assert!(!found.iter().any(|one| one == plain), "{plain} in {found:?}");
        }
    }
}
