//! The operator's MCP servers: a component learns their names, the program that it launches for them what they are.
//!
//! A server's definition holds tokens, in variables, headers, addresses and arguments. It goes from the configuration
//! into a file for one launch that is gone with the program, and with the host when that is killed, and never into a
//! component's memory.

use crate::{
    bindings::process::ProcessError,
    redact::{TooManySecrets, is_secret, secret_parts, secrets_in},
    run::Run,
};
use cyrus_plugin::{Arguments, Policy};
use serde_json::{Map, Value, json};
use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};
use zeroize::Zeroizing;

/// The key of the servers in a configuration.
const SERVERS: &str = "mcpServers";

/// The file that a program gets.
const FILE: &str = "mcp-servers.json";

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

/// Puts the path of a file in `directory` with the definitions of servers in the place of their names.
pub(crate) fn provide(
    run: &Run,
    policy: &Policy,
    flag: &str,
    args: &mut Arguments,
    directory: &Path,
) -> Outcome<()> {
    args.try_set(flag, |names| {
        let servers = named(run, policy, flag, names)?;
        write(&servers, directory)
    })
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
        let learned = secrets_of(server).and_then(|secrets| run.redactor.learn(secrets));
        learned.map_err(|e| denied(&format!("server {name:?}: {e}")))?;
        servers.insert(name.clone(), server.clone());
    }
    Ok(servers)
}

fn write(servers: &Map<String, Value>, directory: &Path) -> Outcome<String> {
    let path = directory.join(FILE);
    // Made new, for this user alone.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let written = file
        .and_then(|mut file| file.write_all(json!({ SERVERS: servers }).to_string().as_bytes()));
    written.map_err(|error| ProcessError::Io(error.to_string()))?;
    Ok(path.display().to_string())
}

/// The shortest value that is taken for a key by its place, in bytes.
const SHORTEST_VALUE: usize = 6;

/// Keys of a definition whose values are not secret as a whole.
const ORDINARY_KEYS: [&str; 10] = [
    "command",
    "args",
    "type",
    "transport",
    "cwd",
    "env",
    "headers",
    "url",
    "timeout",
    "description",
];

/// What of a server's definition is secret.
fn secrets_of(server: &Value) -> Result<Vec<Zeroizing<String>>, TooManySecrets> {
    let of = |key: &str| server.get(key).cloned().unwrap_or_default();
    let named = json!({ "env": of("env"), "headers": of("headers") });
    let mut secrets = secrets_in(named.to_string().as_bytes())?;
    let address = server.get("url").and_then(Value::as_str).unwrap_or_default();
    if address.contains(['?', '#', '@']) {
        secrets.push(Zeroizing::new(address.to_owned()));
    }
    let args = server.get("args").and_then(Value::as_array).into_iter().flatten();
    let mut flag = "";
    for arg in args.filter_map(Value::as_str) {
        let (name, value) = arg.split_once('=').unwrap_or((flag, arg));
        // Of an argument only a flag's name says what it is, or its look.
        let is_flags = name.starts_with('-') && is_secret(name, value) && !value.starts_with('-');
        if is_flags || is_opaque(arg) {
            secrets.push(Zeroizing::new(value.to_owned()));
        }
        flag = if arg.starts_with('-') { arg } else { "" };
    }
    for (key, value) in server.as_object().into_iter().flatten() {
        leaves(value, &mut |leaf| {
            secrets.extend(secret_parts(leaf));
            if !ORDINARY_KEYS.contains(&key.as_str()) {
                secrets.push(Zeroizing::new(leaf.to_owned()));
            }
        });
    }
    secrets.retain(|secret| secret.len() >= SHORTEST_VALUE);
    Ok(secrets)
}

/// Whether an argument looks like a token, and not like the name of a package, a file or a place.
fn is_opaque(arg: &str) -> bool {
    let has = |is: fn(&u8) -> bool| arg.bytes().any(|byte| is(&byte));
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    arg.len() >= 16
        && !arg.starts_with('-')
        && arg.bytes().all(is_token)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}

/// Every text in a value.
fn leaves(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, each)),
        Value::Object(map) => map.values().for_each(|value| leaves(value, each)),
        Value::Number(number) => each(&number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
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
            "oauth": {"clientId": "me", "clientSecret": "oauth-SECRET-6", "scopes": [{"deep": "deep-SECRET-7"}]},
        });
        let found: Vec<_> =
            secrets_of(&server).unwrap().iter().map(|one| one.to_string()).collect();
        for secret in [
            "arg-SECRET-1",
            "arg-SECRET-2",
            "env-SECRET-3",
            "hdr-SECRET-4",
            "https://mcp.example/?key=url-SECRET-5",
            "url-SECRET-5",
            "oauth-SECRET-6",
            "deep-SECRET-7",
        ] {
            assert!(found.iter().any(|one| one == secret), "{secret} in {found:?}");
        }
        for plain in ["/home/op", "fast", "x", "/usr/bin/notes-server"] {
            assert!(!found.iter().any(|one| one == plain), "{plain} in {found:?}");
        }
    }

    #[test]
    fn a_token_is_known_in_whatever_argument_it_is() {
        for (args, secret) in [
            (
                json!([
                    "-y",
                    "server-postgres",
                    "postgresql://ada:Pg-Secret-778899@db.example/app"
                ]),
                "Pg-Secret-778899",
            ),
            (
                json!(["x", "--header", "Authorization: Bearer mcp-SECRET-44556"]),
                "mcp-SECRET-44556",
            ),
            (json!(["--header=Authorization: Bearer mcp-SECRET-44556"]), "mcp-SECRET-44556"),
            (json!(["https://h.example/sse?token=url-SECRET-1"]), "url-SECRET-1"),
            (json!(["--url=https://h.example/sse#url-SECRET-1"]), "url-SECRET-1"),
            (json!(["tokenSECRET0123456789abcdef"]), "tokenSECRET0123456789abcdef"),
        ] {
            let found = secrets_of(&json!({"command": "npx", "args": args})).unwrap();
            assert!(found.iter().any(|one| one.as_str() == secret), "{secret} in {found:?}");
        }
        let plain = json!({"command": "npx", "args": ["@scope/server-files-v2", "/home/op/x1"]});
        assert_eq!(secrets_of(&plain).unwrap(), []);
    }
}
