//! What makefiles and shells read is sometimes worked out when it is read: by functions, by variables, by what a program
//! prints. Then what it may be is known by the words there alone.

use super::{
    commands::{BESIDE, KEYWORDS, SHELLS},
    files::is_like,
    make::{expanded, variables},
};

use regex_lite::Regex;
use std::sync::LazyLock;

/// Words of `make` that are no names of files.
const FUNCTIONS: [&str; 36] = [
    "CURDIR",
    "MAKEFILE_LIST",
    "abspath",
    "addprefix",
    "addsuffix",
    "and",
    "basename",
    "call",
    "cat",
    "dir",
    "echo",
    "eval",
    "filter",
    "filter-out",
    "find",
    "firstword",
    "foreach",
    "if",
    "include",
    "info",
    "join",
    "lastword",
    "ls",
    "notdir",
    "or",
    "origin",
    "patsubst",
    "printf",
    "realpath",
    "sed",
    "shell",
    "sort",
    "strip",
    "subst",
    "wildcard",
    "word",
];

/// Endings of what is no makefile and no list of commands, so that nothing reads it as such: sources, texts and data.
const ORDINARY: [&str; 92] = [
    "S", "adoc", "asm", "bmp", "c", "cc", "cjs", "clj", "cpp", "cs", "css", "csv", "cts", "cxx",
    "d", "dart", "elm", "erb", "erl", "ex", "exs", "fs", "gif", "go", "golden", "gradle",
    "graphql", "groovy", "h", "hh", "hpp", "hs", "htm", "html", "hxx", "ico", "java", "jl", "jpeg",
    "jpg", "js", "json", "json5", "jsonc", "jsx", "kt", "kts", "less", "lock", "lua", "m", "md",
    "mjs", "ml", "mli", "mm", "mts", "nim", "pdf", "php", "pl", "pm", "png", "po", "proto", "py",
    "pyi", "pyx", "r", "rb", "rs", "rst", "s", "scala", "scss", "snap", "sql", "sv", "svelte",
    "svg", "swift", "toml", "ts", "tsv", "tsx", "txt", "vb", "vhd", "vue", "xml", "yaml", "yml",
];

/// Endings that are left out where such a file is named.
const READ: [&str; 12] =
    ["conf", "config", "defs", "env", "in", "inc", "mak", "make", "mk", "rules", "sh", "vars"];

/// Directories of programs, where it is not known which are looked through.
const PROGRAMS: [&str; 7] = ["bin", "ci", "libexec", "sbin", "scripts", "shims", "tools"];

/// The words by which a makefile says what it includes, where that is worked out, and the files that it looks for.
pub(super) fn of_makefile(makefile: &str) -> Vec<String> {
    let makefile = makefile.replace("\\\n", " ");
    let variables = variables(&makefile);
    let mut found = Vec::new();
    for line in makefile.lines() {
        let line = line.split(" #").next().unwrap_or_default();
        let first = line.split_whitespace().next().unwrap_or_default();
        let includes = !line.starts_with('\t')
            && ["include", "-include", "sinclude"].contains(&first)
            || line.contains("$(eval") && line.contains("include");
        let text = expanded(line, &variables);
        let functions = without_names(&text);
        // A pattern is known by itself, but for what it begins with.
        if includes && (functions.contains('$') || functions.contains(" */")) {
            found.extend(words(&text));
        }
        for (at, start) in text.match_indices("$(wildcard ") {
            let looked_for = text[at + start.len()..].split([')', '$']).next().unwrap_or_default();
            found.extend(words(looked_for).filter(|word| !word.contains(['*', '?', '[', '%'])));
        }
    }
    found
}

/// A text with `*` for each variable, where functions are left.
fn without_names(text: &str) -> String {
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\$(?:\([\w.-]+\)|\{[\w.-]+\})").expect("it is tested"));
    NAME.replace_all(text, "*").into_owned()
}

/// The words of statements of a shell that read or run what is worked out: `. "${ENV:-./ci.env}"`, `eval "$(sed … x)"`.
pub(super) fn of_command(command: &str) -> Vec<String> {
    let text = command.replace("\\\n", " ").replace(['"', '\''], "").replace("$$", "$");
    let text = BESIDE.iter().fold(text, |text, beside| text.replace(beside, "."));
    let statements: Vec<&str> = text.split([';', '\n', '&']).collect();
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for statement in &statements {
        let mut rest = statement
            .split_whitespace()
            .map(|word| word.trim_start_matches(['@', '(', '{']))
            .skip_while(|word| word.is_empty() || KEYWORDS.contains(word));
        let first = rest.next().unwrap_or_default();
        let reads = match first {
            "." | "source" => rest.next().is_some_and(is_worked_out),
            "eval" => statement.contains('$') || statement.contains('`'),
            _ => false,
        };
        if reads {
            found.extend(words(statement));
            names.extend(variables_in(statement));
        } else if SHELLS.contains(&first) {
            names.extend(rest.flat_map(variables_in));
        } else {
            // What is run is what the variable holds; `make` and compilers are called so, too, and are set otherwise.
            let held = variables_in(first).filter(|_| first.starts_with('$'));
            names.extend(held.filter(|name| statements.iter().any(|one| is_list_of(one, name))));
        }
    }
    // What these variables are set to, wherever that is, and what is in it.
    let mut known = 0;
    while let Some(name) = names.get(known).copied() {
        known += 1;
        for (at, statement) in statements.iter().enumerate() {
            let set = format!("{name}=");
            let assigned = statement.find(&set).filter(|at| {
                !statement[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            });
            if let Some(at) = assigned {
                found.extend(words(&statement[at + set.len()..]));
            }
            if is_list_of(statement, name) {
                let is_end = |one: &&&str| one.trim_start().starts_with("done");
                let end =
                    statements[at..].iter().find(is_end).filter(|_| statement.contains("read"));
                for part in [Some(statement), end].into_iter().flatten() {
                    found.extend(words(part));
                    if LISTS.iter().any(|lists| part.contains(lists)) {
                        found.extend(words(part).map(|word| word + "/"));
                    }
                    let more = variables_in(part).filter(|more| !names.contains(more));
                    let more: Vec<_> = more.take(NAMES - names.len().min(NAMES)).collect();
                    names.extend(more);
                }
            }
        }
    }
    found
}

/// How many variables are followed.
const NAMES: usize = 50;

/// Programs that print names of files in a directory.
const LISTS: [&str; 3] = ["find ", "ls ", "ls-files "];

/// The names of the variables in a text.
fn variables_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).filter_map(|name| {
        let name = name.trim_start_matches('{');
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        Some(&name[..end.unwrap_or(name.len())]).filter(|name| !name.is_empty())
    })
}

/// Whether a statement sets a variable to one after the other of what it lists, reads or puts together.
fn is_list_of(statement: &str, name: &str) -> bool {
    let words: Vec<_> = statement.split_whitespace().collect();
    let has = |before: &str, after: &str| words.windows(2).any(|pair| pair == [before, after]);
    let reads = words.iter().position(|word| ["mapfile", "read", "readarray"].contains(word));
    has("for", name)
        || has("-v", name) && words.contains(&"printf")
        || reads.is_some_and(|at| words[at..].contains(&name))
}

/// Whether it is not known which file a word names: a program prints it, a default stands for it, or its own name is a
/// variable's value.
fn is_worked_out(word: &str) -> bool {
    let last = word.rsplit('/').next().unwrap_or_default();
    word.contains("$(")
        || word.starts_with("<(")
        || word.contains('`')
        || word.contains(":-")
        || last.contains('$')
}

/// The words of a text that may be names, or ends of names, of files.
fn words(text: &str) -> impl Iterator<Item = String> + use<'_> {
    text.split(|c: char| c.is_whitespace() || "$(){},:=\"'`;&|<>@".contains(c))
        .map(|word| {
            word.trim_start_matches(['-', '+']).trim_start_matches("./").trim_start_matches('/')
        })
        .filter(|word| word.chars().any(char::is_alphanumeric) && !FUNCTIONS.contains(word))
        .map(|word| word.replace(['%', '?'], "*"))
}

/// Whether a path may be what such a word stands for.
pub(super) fn may_be(path: &str, word: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let parts = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    if parts.is_some_and(|(_, ending)| ORDINARY.contains(&ending)) {
        return false;
    }
    let ends = |path: &str| {
        path.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    let stem = |(stem, ending): (&str, &str)| stem == word && READ.contains(&ending);
    if word.ends_with('/') {
        return path.starts_with(word) || path.contains(&format!("/{word}"));
    }
    if word.contains('*') {
        return is_like(path, word) || is_like(path, &format!("*/{word}"));
    }
    ends(path) || name == word || parts.is_some_and(stem)
}

/// Whether a directory may be one of these in which programs are looked for.
pub(super) fn may_be_searched(directory: &str, searched: &str) -> bool {
    let name = directory.rsplit('/').next().unwrap_or_default();
    if searched == "*" {
        return PROGRAMS.contains(&name);
    }
    searched.contains('*') && is_like(directory, searched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_makefile_works_out_is_known_by_its_words() {
        for (makefile, path) in [
            ("-include $(wildcard conf/*)", "conf/user"),
            ("include $(sort $(wildcard make/*.inc))", "make/new.inc"),
            ("include $(addprefix conf/,base user)", "conf/user"),
            ("$(foreach f,$(wildcard conf/*),$(eval include $(f)))", "conf/user"),
            ("include $(abspath ci/rules)", "ci/rules"),
            ("include $(abspath ci/rules.mk)", "ci/rules.mk"),
            ("include $(dir $(lastword $(MAKEFILE_LIST)))ci/rules", "ci/rules"),
            ("include $(shell git rev-parse --show-toplevel)/ci/rules", "ci/rules"),
            ("inc = ci/$(1)\ninclude $(call inc,rules)", "ci/rules"),
            ("include $(TOP)/common/rules", "common/rules"),
            ("-include $(wildcard .env)", ".env"),
            ("ifneq ($(wildcard override/run),)\nR=override/run\nendif", "override/run"),
            ("R := $(firstword $(wildcard tools/run scripts/run))", "tools/run"),
            ("include $(A)/$(B)/x.rules", "a/b/x.rules"),
            ("X = rules\ninclude $(patsubst %,ci/%.inc,$(X))", "ci/rules.inc"),
        ] {
            let words = of_makefile(makefile);
            assert!(words.iter().any(|word| may_be(path, word)), "{makefile}: {words:?}");
            assert!(!words.iter().any(|word| may_be("src/main.c", word)), "{makefile}: {words:?}");
            assert!(!words.iter().any(|word| may_be("README", word)), "{makefile}: {words:?}");
        }
    }

    #[test]
    fn what_a_makefile_names_or_makes_of_sources_is_no_such_thing() {
        for makefile in [
            "include ci/rules.mk",
            "include ci/$(OS).inc",
            "SRC := $(wildcard src/*.c)\n-include $(SRC:.c=.d)",
            "-include $(patsubst src/%.c,build/%.d,$(wildcard src/*.c))",
            "T := $(wildcard tests/*.sh)\ntest:\n\tsh run $(T)",
            "test:\n\techo include $(X)",
        ] {
            let words = of_makefile(makefile);
            for path in [
                "src/a.c",
                "src/a.h",
                "ci/.inc",
                "ci/run",
                "tests/new.sh",
                "docs/a.md",
                "Dockerfile",
            ] {
                assert!(!words.iter().any(|word| may_be(path, word)), "{makefile}: {words:?}");
            }
        }
    }

    #[test]
    fn what_a_shell_reads_that_is_worked_out_is_known_by_its_words() {
        for (command, path) in [
            (". <(cat env/*)", "env/b"),
            ("for f in $(find ci.d -type f); do . ./$f; done", "ci.d/20-x"),
            ("for f in `git ls-files '*.rc'`; do . ./$f; done", "b.rc"),
            ("while read -r f; do . ./$f; done < <(find ci.d -type f)", "ci.d/deep/x"),
            ("git ls-files '*.rc' | while read f; do . ./$f; done", "b.rc"),
            ("for f in **/*.env; do . \"$f\"; done", "d/e/y.env"),
            ("printf -v F '%s/%s' lib env; . $F", "lib/env"),
            ("mapfile -t C < cmds; for c in \"${C[@]}\"; do $c || exit 1; done", "cmds"),
            ("for f in ci/*; do bash $f; done", "ci/one"),
            (". ./$(shell echo env)", "env"),
            (". ${ENVF:-./ci.env}", "ci.env"),
            ("E=ci/env; . $E", "ci/env"),
            ("eval \"$(sed s/a/b/ ci/opts)\"", "ci/opts"),
            ("x=$(cat ci/opts); eval \"run $x\"", "ci/opts"),
            ("if true; then source `ls conf.d/a`; fi", "conf.d/a"),
        ] {
            let words = of_command(command);
            assert!(words.iter().any(|word| may_be(path, word)), "{command}: {words:?}");
        }
        for command in
            [". ./env", ". \"$(dirname \"$0\")/lib\"", "source $DIR/env", "echo $(cat x)"]
        {
            assert_eq!(of_command(command), [""; 0], "{command}");
        }
    }

    #[test]
    fn directories_of_programs_that_are_worked_out_are_known() {
        for (directory, searched, is_one) in [
            ("tools/bin", "*", true),
            ("bin", "*", true),
            ("src", "*", false),
            ("tools/x/bin", "tools/*/bin", true),
            ("bin", "bin", false),
        ] {
            assert_eq!(may_be_searched(directory, searched), is_one, "{directory} {searched}");
        }
    }
}
