//! The programs and directories of a repository that shell commands name.

/// How many directories one command may change to.
const MAX_DIRECTORIES: usize = 64;

/// Words of a shell before a command.
const KEYWORDS: [&str; 9] = ["!", "do", "elif", "else", "if", "then", "until", "while", "{"];

/// Interpreters and test runners, without the number of a version: the files that they are given are tests as often as
/// not, and tests are the result's.
const INTERPRETERS: [&str; 22] = [
    "ava", "bats", "bun", "deno", "jest", "lua", "mocha", "node", "perl", "php", "phpunit",
    "prove", "py.test", "pytest", "python", "rspec", "ruby", "tap", "ts-node", "tsx", "unittest",
    "vitest",
];

/// The paths of a repository that a shell command names, from the top.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Invoked {
    /// Programs: first words with a slash.
    pub(super) programs: Vec<String>,
    /// Arguments of other commands, which may run them (`timeout 60 ci/run`): programs only where the base commit has
    /// them executable.
    pub(super) arguments: Vec<String>,
    /// Directories that the command changes to.
    pub(super) directories: Vec<String>,
}

impl Invoked {
    /// Reads a command that runs in a directory of the repository.
    pub(super) fn by(directory: &str, command: &str) -> Self {
        let mut found = Self::default();
        let command =
            ["\"", "'"].iter().fold(command.to_owned(), |text, mark| text.replace(mark, ""));
        let command = ["$PWD/", "${PWD}/", "$(pwd)/", "`pwd`/"]
            .iter()
            .fold(command, |text, here| text.replace(here, "./"));
        // After a subshell the directory is one of those before it.
        let mut places = vec![directory.to_owned()];
        let from_any = |places: &[String], word: &str| -> Vec<String> {
            places.iter().filter_map(|place| within(place, word)).collect()
        };
        for part in command.split(|c: char| ";&|()`\n".contains(c)) {
            let is_before = |word: &&str| KEYWORDS.contains(word) || word.contains('=');
            let mut words = part.split_whitespace().skip_while(is_before);
            // Marks of `make`: silent, ignore errors, run always.
            let Some(first) = words.next().map(|word| word.trim_start_matches(['@', '-', '+']))
            else {
                continue;
            };
            if ["cd", "pushd"].contains(&first) {
                let to = words.find(|word| !word.starts_with('-')).unwrap_or_default();
                for place in from_any(&places, to) {
                    if places.len() < MAX_DIRECTORIES && !places.contains(&place) {
                        places.push(place);
                    }
                }
                continue;
            }
            if first.contains('/') {
                found.programs.extend(from_any(&places, first));
            }
            let mut is_interpreted = is_interpreter(first);
            for word in words {
                if word.contains('/') && !is_interpreted {
                    found.arguments.extend(from_any(&places, word));
                }
                is_interpreted |= is_interpreter(word);
            }
        }
        found.directories = places.split_off(1);
        found
    }
}

/// Whether a word is an interpreter or a test runner: `python3.13`, `/usr/bin/node`.
fn is_interpreter(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.contains(&name)
}

/// A path from the top for a word in a directory; `None` when it leads out.
pub(super) fn within(directory: &str, word: &str) -> Option<String> {
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
            ("../x && /bin/sh y", vec![]),
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
            ("uv run ci/check --fast", vec!["ci/check"]),
            ("uv run pytest tests/a.py", vec![]),
            ("timeout 9 python3.13 tests/a.py", vec![]),
            ("bats test/a.bats", vec![]),
            ("ci/run /etc/x ../y", vec![]),
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
}
