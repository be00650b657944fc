//! The programs that checks and set-ups cannot do without.

use crate::app::App;
use anyhow::Result;
use cyrus_core::{Base, Validator as _};
use cyrus_workspace::Script;

/// What there is to do where a program is not there.
pub(crate) const MEND: &str =
    "install it, or say what is to be run instead: `validation.commands`, `hooks.setup`";

/// Words of a shell, which are no programs.
const SHELL_WORDS: [&str; 24] = [
    ".", "alias", "case", "cd", "command", "eval", "exec", "exit", "export", "for", "function",
    "if", "readonly", "return", "set", "shift", "source", "time", "trap", "type", "ulimit",
    "umask", "until", "while",
];

/// The program that a command begins with, when there is none of that name and it is not the repository's own.
pub(crate) fn missing(app: &App, command: &str) -> Option<String> {
    let own = command.split(" && ").find(|part| !part.starts_with("cd "))?;
    let name = own.split(' ').next()?;
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
    let is_known = || cyrus_sandbox::find_program(name, app.search_path().as_os_str()).is_some();
    let is_program = is_plain && !name.is_empty() && !SHELL_WORDS.contains(&name);
    (is_program && !is_known()).then(|| name.to_owned())
}

/// Warnings of the checks that cannot pass here, before anything is paid for. A set-up may bring what they begin with,
/// unless it lacks its own program.
pub(crate) async fn warnings(app: &App, base: &Base) -> Result<Vec<String>> {
    let scripts = app.workspaces(&base.path, None)?.scripts(base).await?;
    let mut set_ups = scripts.iter().filter(|script| script.is_set_up).peekable();
    let lacks = |script: &Script| script.is_detected && missing(app, &script.command).is_some();
    if set_ups.peek().is_some() && !set_ups.any(lacks) {
        return Ok(Vec::new());
    }
    let checks = app.validator(&base.path, None)?.checks(base).await?;
    let missing = checks.iter().filter_map(|check| Some((check, missing(app, &check.command)?)));
    Ok(missing
        .map(|(check, program)| {
            format!(
                "the check `{}` ({}) cannot pass: `{program}` is not installed, or not on PATH, so no result will count as validated; {MEND}",
                check.command, check.origin
            )
        })
        .collect())
}
