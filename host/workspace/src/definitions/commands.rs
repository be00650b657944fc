//! The programs and directories of a repository that shell commands name.

use super::{fed::fed, worked_out::of_command};
use regex_lite::Regex;
use std::sync::LazyLock;

/// How many directories one command may change to.
const MAX_DIRECTORIES: usize = 64;

/// Words of a shell before a command.
pub(super) const KEYWORDS: [&str; 9] =
    ["!", "do", "elif", "else", "if", "then", "until", "while", "{"];

/// Interpreters and test runners, without the number of a version: the files that they are given are tests as often as
/// not, and tests are the result's.
const INTERPRETERS: [&str; 22] = [
    "ava", "bats", "bun", "deno", "jest", "lua", "mocha", "node", "perl", "php", "phpunit",
    "prove", "py.test", "pytest", "python", "rspec", "ruby", "tap", "ts-node", "tsx", "unittest",
    "vitest",
];

/// Shells, which run what they read.
pub(super) const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "sh", "zsh"];

/// Words before a command that leave it what it is, or that set variables.
const PREFIXES: [&str; 7] = ["declare", "env", "exec", "export", "local", "readonly", "set"];

/// What `make` is called.
pub(super) const MAKES: [&str; 3] = ["bmake", "gmake", "make"];

/// Options of `make` that name a makefile.
const MAKEFILE: [&str; 3] = ["-f", "--file", "--makefile"];

/// Options of `make`, npm and their like that name the directory in which they work.
const WORKS_IN: [&str; 6] = ["-C", "--directory", "--prefix", "--cwd", "--dir", "--project"];

/// The option of many runners that names a file with variables.
const ENV_FILE: &str = "--env-file";

/// Variables with directories that interpreters load from.
const LOADED_FROM: [&str; 4] = ["NODE_PATH", "PERL5LIB", "PYTHONPATH", "RUBYLIB"];

/// Variables with files that shells and `make` read before anything else.
const READ_FIRST: [&str; 3] = ["BASH_ENV", "ENV", "MAKEFILES"];

/// What stands for the value of a variable.
const UNKNOWN: char = '*';

/// The paths of a repository that a shell command names, from the top; `*` is anything, where a variable or a pattern is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Invoked {
    /// Programs: first words with a slash.
    pub(super) programs: Vec<String>,
    /// Arguments of other commands, which may run them (`timeout 60 ci/run`), and values: programs only where the base
    /// commit has them executable.
    pub(super) arguments: Vec<String>,
    /// Files that a shell or `make` reads commands from: `. ci/env`, `make -f ci/rules`, `sh < ci/run`, `$(cat ci/cmd)`.
    pub(super) reads: Vec<String>,
    /// Directories that the command changes to, and those that interpreters load from.
    pub(super) directories: Vec<String>,
    /// Directories in which programs are looked for.
    pub(super) searched: Vec<String>,
    /// Words that may be names of programs.
    pub(super) words: Vec<String>,
    /// Words by which it is known what a command reads that is worked out: see [`super::worked_out`].
    pub(super) worked_out: Vec<String>,
}

impl Invoked {
    /// Reads a command that runs in a directory of the repository.
    pub(super) fn by(directory: &str, command: &str) -> Self {
        let mut found = Self::default();
        let text = plain(command);
        // After a subshell the directory is one of those before it.
        let mut places = vec![directory.to_owned()];
        for start in ["(cat ", "`cat ", "(shell cat ", "(<", "(file <"] {
            for (at, _) in text.match_indices(start) {
                // What a makefile reads into a variable may be a command; else it is where a command stands.
                let is_run = start.contains("shell") || start.contains("file");
                let rest = text[at + start.len()..].trim_start();
                let word = rest.split(|c: char| c.is_whitespace() || ")`".contains(c)).next();
                if is_run || runs_what_follows(&text[..at]) {
                    found.reads.extend(from_any(&places, word.unwrap_or_default()));
                }
            }
        }
        for word in looped(command).into_iter().chain(fed(command)) {
            found.reads.extend(from_any(&places, &plain(&word)));
        }
        for part in text.split(|c: char| ";&|()`\n".contains(c)) {
            let words: Vec<&str> = part.split_whitespace().collect();
            found.read(&words, &mut places);
        }
        found.directories.extend(places.split_off(1));
        found.worked_out = of_command(command);
        found
    }

    /// One assignment: `NAME=value`, or a variable of a makefile.
    pub(super) fn assign(&mut self, places: &[String], name: &str, value: &str) {
        let parts = || value.split(':').filter(|part| *part != "$PATH" && !part.is_empty());
        let all = |found: &mut Vec<String>| {
            found.extend(parts().flat_map(|part| from_any(places, part)));
        };
        match name {
            "PATH" => {
                all(&mut self.searched);
                if parts().any(is_any) {
                    self.searched.push(UNKNOWN.to_string());
                }
            }
            name if LOADED_FROM.contains(&name) => all(&mut self.directories),
            name if READ_FIRST.contains(&name) => all(&mut self.reads),
            _ if value.contains('/') => self.arguments.extend(from_any(places, value)),
            _ => {}
        }
    }

    /// One command of a line.
    fn read(&mut self, words: &[&str], places: &mut Vec<String>) {
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            // Marks of `make`: silent, ignore errors, run always.
            let word = &word.trim_start_matches(['@', '+']);
            if let Some((name, value)) = word.split_once('=').filter(|_| !word.starts_with('-')) {
                self.assign(places, name, value);
            } else if !KEYWORDS.contains(word) && !PREFIXES.contains(word) {
                break;
            }
            rest = after;
        }
        let Some((first, rest)) = rest.split_first() else { return };
        let first = first.trim_start_matches(['@', '-', '+']);
        if first.is_empty() || KEYWORDS.contains(&first) || PREFIXES.contains(&first) {
            return self.read(rest, places);
        }
        let name = first.rsplit('/').next().unwrap_or_default();
        match first {
            "cd" | "pushd" => {
                let to = rest.iter().find(|word| !word.starts_with('-')).copied();
                for place in from_any(places, to.unwrap_or_default()) {
                    if places.len() < MAX_DIRECTORIES && !places.contains(&place) {
                        places.push(place);
                    }
                }
                return;
            }
            "." | "source" => {
                self.reads.extend(rest.first().into_iter().flat_map(|word| from_any(places, word)));
                return;
            }
            _ if SHELLS.contains(&name) => {
                let is_command = |word: &&str| word.starts_with('-') && word.ends_with('c');
                if let Some(at) = rest.iter().position(is_command) {
                    return self.read(&rest[at + 1..], places);
                }
            }
            _ => {}
        }
        self.options(name, rest, places);
        if first.contains('/') {
            self.programs.extend(from_any(places, first));
        }
        self.words.extend([first].iter().chain(rest).map(|word| (*word).to_owned()));
        let mut is_interpreted = is_interpreter(first);
        for word in rest {
            if word.contains('/') && !is_interpreted {
                self.arguments.extend(from_any(places, word));
            }
            is_interpreted |= is_interpreter(word);
        }
    }

    /// Options that name makefiles and directories.
    fn options(&mut self, of: &str, words: &[&str], places: &[String]) {
        // `$(MAKE)` is a variable.
        let is_make = MAKES.contains(&of) || of.chars().all(|c| c == UNKNOWN);
        for (at, word) in words.iter().enumerate() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let value = if value.is_empty() { words.get(at + 1).copied() } else { Some(value) };
            let Some(value) = value else { continue };
            if is_make && MAKEFILE.contains(&name) || name == ENV_FILE {
                self.reads.extend(from_any(places, value));
            } else if WORKS_IN.contains(&name) {
                self.directories.extend(from_any(places, value));
            }
        }
    }
}

/// Whether what stands behind this is run: it is the beginning of a command, or what a shell is to run.
fn runs_what_follows(before: &str) -> bool {
    let before = before.trim_end();
    let last = before.split_whitespace().next_back().unwrap_or_default();
    before.is_empty()
        || before.ends_with([';', '&', '|', '(', '`', '{'])
        || ["@", "eval", "exec"].contains(&last)
        || KEYWORDS.contains(&last)
        || last.starts_with('-') && last.ends_with('c')
}

/// How a script names the directory that it is in, without quotes.
pub(super) const BESIDE: [&str; 9] = [
    "$(dirname $0)",
    "$(dirname -- $0)",
    "`dirname $0`",
    "${0%/*}",
    "$(dirname ${BASH_SOURCE[0]})",
    "$(dirname -- ${BASH_SOURCE[0]})",
    "$(dirname ${BASH_SOURCE})",
    "$(dirname $BASH_SOURCE)",
    "${BASH_SOURCE%/*}",
];

/// A directory that is named by going there, so that its name is whole.
static WHERE: LazyLock<Regex> = LazyLock::new(|| {
    let to = r"\$\(\s*cd +(?:-- +)?(?<at>[^\s;&|()]+)";
    let then = r"(?: *[12]?>/dev/null| *2>&1)* *(?:&&|;) *(?:/bin/)?pwd(?: -[LP])?\s*\)";
    Regex::new(&format!("{to}{then}")).expect("it is tested")
});

/// The words of loops whose variable a shell reads: `for f in ci/*.sh; do . "$f"; done`.
fn looped(command: &str) -> Vec<String> {
    let text = command.replace("\\\n", " ").replace(['"', '\''], "");
    let parts: Vec<Vec<&str>> =
        text.split([';', '&', '|', '\n']).map(|part| part.split_whitespace().collect()).collect();
    let reads = |name: &str| {
        parts.iter().any(|words| {
            let words = words.iter().skip_while(|word| KEYWORDS.contains(word)).collect::<Vec<_>>();
            let is_read = words
                .first()
                .is_some_and(|first| [".", "source"].contains(*first) || SHELLS.contains(*first));
            let named = [format!("${name}"), format!("${{{name}}}")];
            is_read && words.iter().any(|word| named.iter().any(|named| word.contains(named)))
        })
    };
    let loops = parts.iter().filter_map(|words| {
        let words = &words[words.iter().position(|word| *word == "for")?..];
        match words {
            ["for", name, "in", rest @ ..] if reads(name) => Some(rest.to_vec()),
            _ => None,
        }
    });
    loops.flatten().map(str::to_owned).collect()
}

/// A command without quotes, with `*` for each variable; directories that are known become `.`.
pub(super) fn plain(command: &str) -> String {
    const HERE: [&str; 6] = ["$PWD/", "${PWD}/", "$(pwd)/", "`pwd`/", "$(CURDIR)/", "${CURDIR}/"];
    let text = command.replace("\\\n", " ").replace(['"', '\''], "").replace("$$", "$");
    let text = HERE.iter().fold(text, |text, here| text.replace(here, "./"));
    // Where the script is: any directory.
    let text = BESIDE.iter().fold(text, |text, beside| text.replace(beside, "$BESIDE"));
    let text = WHERE.replace_all(&text, "$at");
    let text = text.replace('<', " < ").replace(" <  < ", " << ").replace("( < ", "(<");
    let text = text.replace("file  < ", "file <");
    let mut plain = String::new();
    let mut rest = text.as_str();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let closed = [('(', ')'), ('{', '}')].iter().find_map(|(open, close)| {
            let inner = after.strip_prefix(*open)?;
            let (name, rest) = inner.split_once(*close)?;
            (!name.is_empty() && name.chars().all(is_name)).then_some((name, rest))
        });
        let bare = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let bare = bare.unwrap_or(after.len());
        rest = match closed {
            // What is looked through beside is kept.
            Some(("PATH", after)) => {
                plain.push_str("$PATH");
                after
            }
            Some((_, after)) => {
                plain.push(UNKNOWN);
                after
            }
            None if bare > 0 && &after[..bare] == "PATH" => {
                plain.push_str("$PATH");
                &after[bare..]
            }
            None if bare > 0 => {
                plain.push(UNKNOWN);
                &after[bare..]
            }
            // A command's output: what it is made by is read as a part of its own.
            None => after,
        };
    }
    plain.push_str(rest);
    plain
}

/// The paths that a word may mean in one of these directories.
fn from_any(places: &[String], word: &str) -> Vec<String> {
    let mut pattern = String::new();
    let mut inside = false;
    for c in word.chars() {
        match c {
            '[' => inside = true,
            ']' if inside => {
                inside = false;
                pattern.push(UNKNOWN);
            }
            _ if inside => {}
            '?' => pattern.push(UNKNOWN),
            c => pattern.push(c),
        }
    }
    // Of what may be any file nothing is known: were all of them the base's, nothing of the result would be checked.
    if is_any(&pattern) {
        return Vec::new();
    }
    // The value of a variable may be any directory, the one that the command runs in among them.
    let below = pattern.strip_prefix("*/").map(str::to_owned);
    if let Some(below) = below {
        let here = places.iter().filter_map(|place| within(place, &below));
        return here.chain([pattern]).collect();
    }
    // What is left of a command that printed a directory.
    if let Some(from_top) = pattern.strip_prefix('/') {
        return within("", from_top).into_iter().collect();
    }
    places.iter().filter_map(|place| within(place, &pattern)).collect()
}

/// Whether nothing is known of what a word names.
fn is_any(word: &str) -> bool {
    let is_unknown = |part: &str| part == "." || part.chars().all(|c| c == UNKNOWN);
    word.is_empty() || word.contains(UNKNOWN) && word.split('/').all(is_unknown)
}

/// Whether a word is an interpreter or a test runner: `python3.13`, `/usr/bin/node`.
fn is_interpreter(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.contains(&name)
}

/// A path from the top for a word in a directory; `None` when it leads out.
pub(crate) fn within(directory: &str, word: &str) -> Option<String> {
    if word.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in word.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_programs_and_scripts() {
        for (command, expected) in [
            ("./gradlew test", vec!["gradlew"]),
            ("cd web && ./mvnw -q test", vec!["mvnw", "web/mvnw"]),
            ("(cd web && npm ci); ci/run", vec!["ci/run", "web/ci/run"]),
            ("sh -eu ci/test.sh all", vec![]),
            ("CI=1 \"ci/test.sh\"; ./b", vec!["ci/test.sh", "b"]),
            ("pytest tests/test_a.py", vec![]),
            ("../x && y", vec![]),
        ] {
            assert_eq!(Invoked::by("", command).programs, expected, "{command}");
        }
    }

    #[test]
    fn what_a_command_is_given_may_be_run_by_it_and_what_an_interpreter_is_given_is_a_test() {
        for (command, expected) in [
            ("timeout 60 ci/run", vec!["ci/run"]),
            ("retry --times 3 -- ci/run a/b", vec!["ci/run", "a/b"]),
            ("A='x y' ci/run", vec!["ci/run"]),
            ("R=ci/run; $R", vec!["ci/run"]),
            ("uv run ci/check --fast", vec!["ci/check"]),
            ("uv run pytest tests/a.py", vec![]),
            ("timeout 9 python3.13 tests/a.py", vec![]),
            ("bats test/a.bats", vec![]),
            ("ci/run ../y", vec![]),
        ] {
            assert_eq!(Invoked::by("", command).arguments, expected, "{command}");
        }
    }

    #[test]
    fn a_command_names_the_directories_it_changes_to() {
        for (command, expected) in [
            ("cd py && python3 -m pytest", vec!["py"]),
            ("cd -- a; cd b", vec!["a", "b", "a/b"]),
            ("(cd a && x); pushd ../b", vec!["a", "b"]),
            ("@cd web", vec!["web"]),
            ("if cd a; then x; fi", vec!["a"]),
            ("cdx a", vec![]),
        ] {
            assert_eq!(Invoked::by("", command).directories, expected, "{command}");
        }
    }

    #[test]
    fn what_a_shell_or_make_reads_commands_from_is_known() {
        for (command, expected) in [
            ("make -s -f ci/rules test", vec!["ci/rules"]),
            ("make --file=ci/rules test", vec!["ci/rules"]),
            ("$(MAKE) -f rules.local", vec!["rules.local"]),
            ("node --env-file=.env test.js", vec![".env"]),
            ("uv run --env-file ci/env pytest", vec!["ci/env"]),
            (". ci/env && $CHECK file", vec!["ci/env"]),
            ("cd ci; source ./env", vec!["env", "ci/env"]),
            ("sh -c \"$(cat ci/cmd)\"", vec!["ci/cmd"]),
            ("sh -c `cat ci/cmd`", vec!["ci/cmd"]),
            ("$(shell cat ci.cmd)", vec!["ci.cmd"]),
            ("sh < ci/run.sh", vec!["ci/run.sh"]),
            ("bash -s <ci/run.sh", vec!["ci/run.sh"]),
            ("BASH_ENV=ci/env bash x", vec!["ci/env"]),
            ("sh -ec '. ci/env; run'", vec!["ci/env"]),
            ("cat tests/data.txt", vec![]),
            ("test \"$(cat hello.txt)\" = hello", vec![]),
            ("[ `cat VERSION` = 2 ]", vec![]),
            ("eval \"$(cat ci/cmd)\" && $(cat ci/more) x", vec!["ci/cmd", "ci/more"]),
            (". \"$(dirname \"$0\")/lib.sh\"", vec!["lib.sh", "*/lib.sh"]),
            (". \"${0%/*}/lib.sh\"", vec!["lib.sh", "*/lib.sh"]),
            (
                "source \"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)/env\"",
                vec!["env", "*/env"],
            ),
            ("for f in ci/d/*.sh b; do . \"./$f\"; done", vec!["ci/d/*.sh", "b"]),
            ("for f in a/b; do echo $f; done", vec![]),
            ("test -f a.txt && make -s", vec![]),
            ("tail -f log; cut -f 1 a", vec![]),
            ("python3 tests/x.py < tests/data", vec![]),
        ] {
            assert_eq!(Invoked::by("", command).reads, expected, "{command}");
        }
    }

    #[test]
    fn directories_of_programs_and_of_modules_are_known() {
        for (command, searched, directories) in [
            ("PATH=$PWD/bin:$PATH; runtests", vec!["bin"], Vec::<&str>::new()),
            ("PATH=\"$(cd ci/bin && pwd):$PATH\" runtests", vec!["ci/bin"], vec![]),
            ("PATH=$(cd -- ci >/dev/null 2>&1; pwd -P)/bin:$PATH; x", vec!["ci/bin"], vec![]),
            ("export PATH=\"bin:$PATH\" && runtests", vec!["bin"], vec![]),
            ("PATH=$(CURDIR)/tools:$(PATH) x", vec!["tools"], vec![]),
            ("PYTHONPATH=src:lib python3 -m unittest", vec![], vec!["src", "lib"]),
            ("@PYTHONPATH=src python3 -m unittest", vec![], vec!["src"]),
            ("make -C examples test", vec![], vec!["examples"]),
            ("npm --prefix examples/app test", vec![], vec!["examples/app"]),
            ("yarn --cwd=web test", vec![], vec!["web"]),
        ] {
            let found = Invoked::by("", command);
            assert_eq!(found.searched, searched, "{command}");
            assert_eq!(found.directories, directories, "{command}");
        }
    }

    #[test]
    fn what_a_variable_or_a_pattern_stands_for_is_anything() {
        for (command, expected) in [
            ("$(D)/run file", vec!["run", "*/run"]),
            ("${D}/tools/run", vec!["tools/run", "*/tools/run"]),
            ("$$D/run", vec!["run", "*/run"]),
            ("./ci/ru[n]", vec!["ci/ru*"]),
            ("./ci/r?n", vec!["ci/r*n"]),
            ("sh -c ./run", vec!["run"]),
            ("$(git rev-parse --show-toplevel || pwd)/ci/run", vec!["ci/run"]),
            ("$RUN", vec![]),
        ] {
            assert_eq!(Invoked::by("", command).programs, expected, "{command}");
        }
    }
}
