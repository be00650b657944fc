//! What the result has to fulfil, as a text says it.

use super::{
    cut,
    outline::{What, after_acceptance_title, outline},
};
use cyrus_core::{CommandOrigin, Criterion, PlannedCommand};

/// The most criteria that are read.
const MAX_CRITERIA: usize = 64;

/// The longest criterion, in characters.
const CRITERION_CHARS: usize = 500;

/// The longest command, in bytes.
const COMMAND_BYTES: usize = 500;

/// What follows a command that has to end well.
const ENDS_WELL: &[&str] = &[
    "exits 0",
    "exits with 0",
    "exits with code 0",
    "exits with status 0",
    "is clean",
    "is green",
    "pass",
    "passes",
    "returns 0",
    "runs without errors",
    "succeed",
    "succeeds",
];

/// What before a command, from the start of the criterion, says that it is to be run.
const RUN: &[&str] = &["", "run", "running", "the command", "command:"];

/// The criteria of a text: what stands under "Acceptance criteria", "Done when" and their like.
pub(crate) fn read(body: &str) -> Vec<Criterion> {
    let mut texts: Vec<String> = Vec::new();
    let mut open = false;
    for line in outline(body) {
        let text = match line.what {
            What::Item { text, .. } if line.acceptance => text,
            What::Text(text) if line.acceptance => {
                if let Some(last) = texts.last_mut().filter(|_| open && line.indent > 0) {
                    if last.len() < CRITERION_CHARS * 4 {
                        last.push(' ');
                        last.push_str(text);
                    }
                    continue;
                }
                text
            }
            What::Text(text) | What::Item { checked: None, text } => {
                match after_acceptance_title(text) {
                    Some(rest) => rest,
                    None => continue,
                }
            }
            _ => continue,
        };
        open = line.acceptance;
        if texts.len() == MAX_CRITERIA {
            break;
        }
        texts.push(text.to_owned());
    }
    texts.iter().map(|text| criterion(text)).collect()
}

/// One criterion, with the command that it names.
fn criterion(text: &str) -> Criterion {
    let command = command(text).filter(|command| command.len() <= COMMAND_BYTES);
    Criterion { text: cut(text, CRITERION_CHARS), command: command.map(str::to_owned) }
}

/// The commands of a list of criteria. Criteria are read from issues and from nothing else.
pub(crate) fn commands(criteria: &[Criterion]) -> Vec<PlannedCommand> {
    let commands = criteria.iter().filter_map(|criterion| criterion.command.clone());
    commands.map(|command| PlannedCommand { command, origin: CommandOrigin::Issue }).collect()
}

/// The code span that is a command to be run: it is all there is (`cargo test`), or it is said to end well
/// (`cargo test` passes).
pub(crate) fn command(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(start) = text[from..].find('`').map(|at| from + at + 1) {
        let end = start + text[start..].find('`')?;
        let (before, code, after) = (&text[..start - 1], text[start..end].trim(), &text[end + 1..]);
        let alone =
            after.trim_matches(|c: char| c.is_whitespace() || ".;,!".contains(c)).is_empty();
        let run = before.len() <= 40 && RUN.contains(&before.trim().to_lowercase().as_str());
        if is_command(code) && (alone && run || ends_well(after)) {
            return Some(code);
        }
        from = end + 1;
    }
    None
}

fn ends_well(after: &str) -> bool {
    let after = after.trim_start();
    ENDS_WELL.iter().any(|words| {
        let begins =
            after.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words));
        begins && after[words.len()..].chars().next().is_none_or(|c| !c.is_alphanumeric())
    })
}

/// Whether a code span can be a command: it begins with a program or a variable, and is one line.
fn is_command(code: &str) -> bool {
    let begins = code.starts_with(|c: char| c.is_ascii_alphanumeric() || "./_~".contains(c));
    begins && !code.contains(char::is_control) && !code.ends_with("()")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_that_is_to_be_run() {
        for (text, expected) in [
            ("`cargo test`", Some("cargo test")),
            ("`cargo test`.", Some("cargo test")),
            ("Run `make check`", Some("make check")),
            ("`npm test` passes", Some("npm test")),
            ("all of `pytest -q` succeeds on Linux", Some("pytest -q")),
            ("with `x` set, `./run.sh` exits with 0", Some("./run.sh")),
            ("`--json` prints an object", None),
            ("`--json`", None),
            ("`parse()`", None),
            ("`foo` is renamed to `bar`", None),
            ("`cargo test` no longer fails", None),
            ("`a", None),
            ("`cargo test` passing is not enough", None),
        ] {
            assert_eq!(command(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_what_stands_under_the_title() {
        let body = "Do it.\n\n## Acceptance criteria\n- [ ] `cargo test` passes\n- [x] the flag\n  is \
                    documented\n\nOnly then.\n\n## Notes\n- `rm -rf x`\n\nDone when `make` passes";
        let found = read(body);
        let texts: Vec<_> = found.iter().map(|criterion| criterion.text.as_str()).collect();
        let expected =
            ["`cargo test` passes", "the flag is documented", "Only then.", "`make` passes"];
        assert_eq!(texts, expected);
        let commands = commands(&found);
        assert!(commands.iter().all(|command| command.origin == CommandOrigin::Issue));
        let commands: Vec<_> = commands.iter().map(|command| command.command.as_str()).collect();
        assert_eq!(commands, ["cargo test", "make"]);
    }

    #[test]
    fn what_is_long_or_many_is_cut() {
        let body = format!("Done when:\n{}", format!("- {}\n", "é".repeat(2_000)).repeat(500));
        let found = read(&body);
        assert_eq!(found.len(), MAX_CRITERIA);
        assert!(found.iter().all(|one| one.text.chars().count() <= CRITERION_CHARS));
    }
}
