//! What a shell command has a shell run that is no script of its own: files that go through a pipe, a redirection or a
//! loop first.

use super::commands::{KEYWORDS, MAKES, SHELLS};

/// Commands that run what they are given as words.
const RUNNERS: [&str; 12] = [
    ".", "command", "doas", "env", "eval", "exec", "nice", "nohup", "source", "sudo", "time",
    "timeout",
];

/// Commands that run a program with what they read.
const FEEDERS: [&str; 2] = ["parallel", "xargs"];

/// Names of what a command reads from a pipe.
const STANDARD_INPUT: [&str; 3] = ["-", "fd/0", "stdin"];

/// The words of a command that may be files whose content a shell runs.
pub(super) fn fed(command: &str) -> Vec<String> {
    let text = command.replace("\\\n", " ").replace(['"', '\''], "");
    let text = text.replace('<', " < ").replace("&&", ";").replace("||", ";");
    // What closes a group begins a pipeline, which is fed by all of the group.
    let text = text.replace(')', ";) ");
    let statements: Vec<Vec<Vec<&str>>> = text
        .split([';', '&', '\n', '(', '`'])
        .map(|pipeline| pipeline.split('|').map(words).collect())
        .collect();
    let all: Vec<Vec<&str>> = statements.iter().flatten().cloned().collect();
    let mut found = Vec::new();
    for stages in &statements {
        // Each stage that runs what it reads is fed by all before it.
        for (at, stage) in stages.iter().enumerate().filter(|(_, stage)| runs_input(stage)) {
            found.extend(redirected(stage));
            let is_group = matches!(stages[0].first(), Some(&(")" | "}")));
            let before = if is_group { &all[..] } else { &stages[..at] };
            found.extend(before.iter().flatten().copied());
        }
    }
    let is_run = all.iter().any(|words| {
        let read = names_read(words);
        read.iter().any(|name| all.iter().any(|words| runs(words, name)))
    });
    if is_run {
        for stages in &statements {
            for (at, stage) in stages.iter().enumerate() {
                if stage.first() == Some(&"done") {
                    found.extend(redirected(stage));
                }
                if !names_read(stage).is_empty() {
                    found.extend(stages[..at].iter().flatten().copied());
                    found.extend(redirected(stage));
                }
            }
        }
    }
    found.retain(|word| !word.starts_with('-') && !["<", ")", "}"].contains(word));
    found.into_iter().map(str::to_owned).collect()
}

/// The words of a part, without those of a shell before a command and without assignments.
fn words(part: &str) -> Vec<&str> {
    let is_before = |word: &&str| {
        KEYWORDS.contains(word)
            || word.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            })
    };
    part.split_whitespace().map(|word| word.trim_start_matches('@')).skip_while(is_before).collect()
}

fn name_of(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or_default()
}

/// Whether a command runs what it reads from its standard input.
fn runs_input(words: &[&str]) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    let is_shell = |word: &str| SHELLS.contains(&name_of(word));
    let operands = || rest.iter().take_while(|word| **word != "<").filter(|w| !w.starts_with('-'));
    let is_input = rest
        .iter()
        .any(|word| STANDARD_INPUT.contains(&word.strip_prefix("/dev/").unwrap_or(word)));
    let name = name_of(first);
    if is_shell(first) {
        let has_script = operands().next().is_some() && !rest.contains(&"-s");
        return !has_script || is_input;
    }
    if FEEDERS.contains(&name) {
        return rest.iter().any(|word| is_shell(word) || RUNNERS.contains(word));
    }
    if RUNNERS.contains(&name) && !["eval", "source", "."].contains(&name) {
        // What is wrapped: `sudo sh`, `timeout 60 bash -s`.
        let inner = rest.iter().position(|word| is_shell(word) || FEEDERS.contains(&name_of(word)));
        return inner.is_some_and(|at| runs_input(&rest[at..]));
    }
    is_input && (MAKES.contains(&name) || [".", "source"].contains(&name))
}

/// What a command's standard input is, by name.
fn redirected<'a>(words: &[&'a str]) -> Option<&'a str> {
    words.iter().position(|word| *word == "<").and_then(|at| words.get(at + 1).copied())
}

/// The variables that a command reads lines into: `read -r line`, `mapfile -t lines`.
fn names_read<'a>(words: &[&'a str]) -> Vec<&'a str> {
    match words {
        ["read" | "mapfile" | "readarray", rest @ ..] => rest
            .iter()
            .take_while(|w| **w != "<")
            .filter(|w| !w.starts_with('-'))
            .copied()
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a command runs the value of a variable: as a program, by a shell, or as a script of its own.
fn runs(words: &[&str], name: &str) -> bool {
    let holds = |word: &str| {
        word.match_indices('$').any(|(at, _)| {
            let after = word[at + 1..].trim_start_matches('{');
            after.strip_prefix(name).is_some_and(|rest| {
                !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            })
        })
    };
    let Some((first, rest)) = words.split_first() else { return false };
    let name = name_of(first);
    holds(first)
        || (RUNNERS.contains(&name) || SHELLS.contains(&name) || FEEDERS.contains(&name))
            && rest.iter().any(|word| holds(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_a_shell_runs_are_known() {
        for (command, expected) in [
            ("cat ci/run.sh | sh", vec!["cat", "ci/run.sh"]),
            ("cat ci/run.sh|tr -d x|bash -eu", vec!["cat", "ci/run.sh", "tr", "x"]),
            ("sed 1d ci/a | sudo sh -s -- b", vec!["sed", "1d", "ci/a"]),
            ("timeout 60 sh < ci/run", vec!["ci/run"]),
            ("xargs -n1 sh < ci/list", vec!["ci/list"]),
            ("cat ci/list | xargs -I{} sh -c '{}'", vec!["cat", "ci/list"]),
            ("cat ci/env | . /dev/fd/0", vec!["cat", "ci/env"]),
            ("sed s/a/b/ rules | make -f - test", vec!["sed", "s/a/b/", "rules"]),
            ("while read -r l; do sh -c \"$l\"; done < ci/list", vec!["ci/list"]),
            ("cat ci/list | while IFS= read -r l; do $l; done", vec!["cat", "ci/list"]),
            ("while read a b\ndo\n  timeout 9 ./${a} x\ndone <ci/list", vec!["ci/list"]),
            ("read -r cmd < ci/cmd && eval \"$cmd\"", vec!["ci/cmd"]),
            (
                "mapfile -t all < ci/list; for c in ${all[@]}; do eval \"$all\"; done",
                vec!["ci/list"],
            ),
            ("false || cat ci/x | sh", vec!["cat", "ci/x"]),
            ("(cat a; cat b) | sh", vec!["cat", "a", "cat", "b", "sh"]),
            ("{ cat a; } | sh -e", vec!["cat", "a", "sh"]),
        ] {
            assert_eq!(fed(command), expected, "{command}");
        }
    }

    #[test]
    fn what_is_only_data_is_none() {
        for command in [
            "cat tests/data | python3 tests/x.py",
            "cat tests/data | sh tests/run.sh",
            "sh tests/run.sh < tests/data",
            "xargs pytest < tests/list",
            "while read -r l; do echo \"$l\"; done < tests/data",
            "while read -r l; do ./test \"$l\"; done < tests/data",
            "cat a | grep b | wc -l",
            "make test | tee log",
            "x=$(cat VERSION) && test \"$x\" = 2",
            "",
        ] {
            assert_eq!(fed(command), [""; 0], "{command}");
        }
    }
}
