//! Whether `claude` is there and has somebody to pay for it.

use crate::conversation::{GRANT, not_launched};
use cyrus_sdk::{
    Error, Host, ProcessError, Result,
    contract::{Exit, Health},
};
use serde_json::Value;
use std::time::Duration;

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest line that is read, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// The most lines that are read.
const MAX_LINES: usize = 200;

/// Looks.
pub(crate) async fn probe(host: Host) -> Result<Health> {
    let output = look(&host, &["--version"]).await?;
    let Some(version) = version(&output) else {
        return Err(Error::unavailable(format!(
            "`claude --version` says no version, but {:?}",
            output.chars().take(200).collect::<String>()
        )));
    };
    // Older versions have no such command, or the grant may not allow it: then it is not known.
    let login = match look(&host, &["auth", "status"]).await {
        Ok(output) => login(&output),
        Err(error) if error.is_stopped() => return Err(error),
        Err(_) => Login::Unknown,
    };
    let health = |login: &str| {
        Health::new(format!("claude {version}, {login}")).version(version).detail("login", login)
    };
    match login {
        Login::With(method) => Ok(health(&format!("logged in ({method})"))),
        Login::Unknown => Ok(health("login not known")),
        Login::None => Err(Error::unauthorized(format!(
            "claude {version} is there, and not logged in. Log in by running `claude` as the user that Cyrus runs \
             as, or set ANTHROPIC_API_KEY"
        ))),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Login {
    With(String),
    None,
    Unknown,
}

async fn look(host: &Host, args: &[&str]) -> Result<String> {
    let reading = async {
        let process = host.spawn(GRANT, args)?;
        drop(process.stdin()?);
        process.keep_stderr(MAX_LINE)?;
        let mut lines = process.stdout()?.lines(MAX_LINE);
        let mut output = String::new();
        for _ in 0..MAX_LINES {
            let Some(line) = lines.next().await? else { break };
            output.push_str(&line);
            output.push('\n');
        }
        let exit = process.wait().await?;
        Ok::<_, ProcessError>((output, exit, process.stderr_tail()))
    };
    let Some(looked) = host.within(PATIENCE, reading).await else {
        return Err(Error::unavailable(format!("`claude {}` does not end", args.join(" "))));
    };
    let (output, exit, stderr) = looked.map_err(not_launched)?;
    // `auth status` ends with 1 when nobody is logged in, and says so all the same.
    if output.trim().is_empty() && exit != Exit::Code(0) {
        let stderr = stderr.trim();
        return Err(Error::unavailable(format!("`claude {}` failed: {stderr}", args.join(" "))));
    }
    Ok(output)
}

/// `2.1.330` of `2.1.330 (Claude Code)`. A wrapper may say more before it, and show it in colours.
fn version(output: &str) -> Option<&str> {
    fn first(line: &str) -> Option<&str> {
        // A colour is `ESC [`, numbers, `m`; there is no other `m` before a version.
        let plain = line.split('\u{1b}').map(|part| match part.split_once('m') {
            Some((code, rest)) if code.starts_with('[') => rest,
            _ => part,
        });
        let mut words = plain.flat_map(str::split_whitespace);
        let word = words.next()?;
        let numbers: Vec<&str> = word.split('.').collect();
        let good = numbers.len() >= 3 && numbers[0].parse::<u32>().is_ok();
        good.then_some(word)
    }
    output.lines().find_map(first)
}

fn login(output: &str) -> Login {
    let Ok(status) = serde_json::from_str::<Value>(output) else { return Login::Unknown };
    match status["loggedIn"].as_bool() {
        Some(true) => Login::With(status["authMethod"].as_str().unwrap_or("unknown").to_owned()),
        Some(false) => Login::None,
        None => Login::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_claude_says_of_itself() {
        assert_eq!(version("2.1.330 (Claude Code)\n"), Some("2.1.330"));
        assert_eq!(
            version("Now using node v20.11.0 (npm)\n2.1.330 (Claude Code)\n"),
            Some("2.1.330")
        );
        assert_eq!(version("\u{1b}[1m2.1.330\u{1b}[22m (Claude Code)\n"), Some("2.1.330"));
        assert_eq!(version("claude 2"), None);
        assert_eq!(version(""), None);
        let status = "{\n  \"loggedIn\": true,\n  \"authMethod\": \"api_key\"\n}\n";
        assert_eq!(login(status), Login::With("api_key".to_owned()));
        assert_eq!(login(r#"{"loggedIn": false, "authMethod": "none"}"#), Login::None);
        assert_eq!(login("Usage: claude"), Login::Unknown);
    }
}
