//! Targets of makefiles that a result brings as files.

use super::{
    files::{Files, is_like},
    names::{SHELL, joined, split},
};
use crate::{object::ObjectId, repository::Main};
use cyrus_core::WorkspaceError;
use std::collections::{BTreeMap, BTreeSet};

/// How many makefiles are read.
const FOLLOWED: usize = 500;

/// What a result brings in the place of what a makefile of the base makes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Brought {
    /// Names of targets: each is none of a file.
    pub(super) phony: Vec<String>,
    /// Files that a rule by pattern makes of others, from the top.
    pub(super) made: Vec<String>,
    /// What may be a target whose name is worked out when the makefile is read, from the top.
    pub(super) may_be: Vec<String>,
}

/// The makefiles of the base that `make` would do nothing for, with what the result brings in the place of their targets.
pub(super) async fn brought(
    main: &Main,
    base: &ObjectId,
    files: &Files,
    brought: &[String],
) -> Result<BTreeMap<String, Brought>, WorkspaceError> {
    // By the makefile: the names from its directory that are there now.
    let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut known: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for path in brought {
        for directory in above(path) {
            let makefile = known.entry(directory).or_insert_with(|| files.makefile(directory));
            let Some(makefile) = makefile else { continue };
            let from = joined(directory, "").len();
            let below = path.get(from..).unwrap_or_default();
            let ends = below.match_indices('/').map(|(at, _)| at).chain([below.len()]);
            let of = names.entry(makefile.clone()).or_default();
            of.extend(ends.filter_map(|end| below.get(..end)));
        }
    }
    let mut found = BTreeMap::new();
    for (makefile, names) in names {
        let text = whole(main, base, files, &makefile).await?;
        let rules = rules(&text);
        let (directory, own) = split(&makefile);
        let is_there =
            |name: &str| files.is_there(&joined(directory, name)) || names.contains(name);
        let known = targets(&rules);
        let computed = Computed::of(&text, &rules);
        let is_known = |name: &str| files.is_there_or_above(&joined(directory, name));
        // A target is looked for in other directories, too, where a makefile says so.
        let is_searched = text.contains("VPATH") || text.contains("vpath");
        let is_brought = |target: &str| {
            names.contains(target)
                || is_searched && names.iter().any(|name| split(name).1 == target)
        };
        let of = Brought {
            phony: known
                .into_iter()
                .filter(|name| *name != own && is_brought(name))
                .map(str::to_owned)
                .collect(),
            made: names
                .iter()
                .filter(|name| {
                    !files.is_there(&joined(directory, name)) && is_made(name, &rules, is_there)
                })
                .map(|name| joined(directory, name))
                .collect(),
            may_be: names
                .iter()
                .filter(|name| !is_known(name) && computed.may_be(name, files))
                .map(|name| joined(directory, name))
                .collect(),
        };
        if of != Brought::default() {
            found.insert(makefile, of);
        }
    }
    Ok(found)
}

/// What a makefile of the base says, with the files that it includes.
async fn whole(
    main: &Main,
    base: &ObjectId,
    files: &Files,
    makefile: &str,
) -> Result<String, WorkspaceError> {
    let (mut left, mut read, mut all) = (vec![makefile.to_owned()], BTreeSet::new(), String::new());
    while let Some(one) = left.pop().filter(|_| read.len() < FOLLOWED) {
        if read.insert(one.clone())
            && let Some(content) = main.file(base, &one).await?
        {
            let text = String::from_utf8_lossy(&content);
            left.extend(files.included_by(split(makefile).0, &text));
            all.push_str(&text);
            all.push('\n');
        }
    }
    Ok(all)
}

/// What the base's makefiles read and run besides themselves counts as they do.
pub(super) async fn follow(
    main: &Main,
    base: &ObjectId,
    files: &mut Files,
    links: &[(String, String)],
) -> Result<(), WorkspaceError> {
    let mut left = files.makefiles();
    let mut read = BTreeSet::new();
    while let Some(makefile) = left.pop().filter(|_| read.len() < FOLLOWED) {
        if read.insert(makefile.clone())
            && let Some(content) = main.file(base, &makefile).await?
        {
            left.extend(files.add(&makefile, &String::from_utf8_lossy(&content)));
            // Of a link, that was where it leads.
            left.extend(files.follow(links));
        }
    }
    Ok(())
}

/// What a makefile includes, with `*` in the place of what is worked out when it is read.
pub(super) fn includes(makefile: &str) -> Vec<String> {
    let makefile = makefile.replace("\\\n", " ");
    let variables = variables(&makefile);
    let included = makefile.lines().filter(|line| !line.starts_with('\t')).filter_map(|line| {
        let (word, rest) = line.trim().split_once(char::is_whitespace)?;
        ["include", "-include", "sinclude"].contains(&word).then_some(rest)
    });
    let text = included.map(|rest| rest.split(" #").next().unwrap_or_default());
    let words = text.map(|text| unknown(&expanded(text, &variables)));
    let words: Vec<String> = words
        .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // Of one about which nothing is known, everything would be.
    words.into_iter().filter(|word| word.chars().any(char::is_alphanumeric)).collect()
}

/// A text with `*` for each variable, function and wildcard.
fn unknown(text: &str) -> String {
    let (mut plain, mut depth) = (String::new(), 0_usize);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '$' if matches!(chars.peek(), Some('(' | '{')) => {
                chars.next();
                if depth == 0 {
                    let (begins, ends) = made_around(chars.clone());
                    plain.push_str(&begins);
                    plain.push('*');
                    plain.push_str(&ends);
                }
                depth += 1;
            }
            '(' | '{' if depth > 0 => depth += 1,
            ')' | '}' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            '$' => {
                chars.next();
                plain.push('*');
            }
            '?' | '%' => plain.push('*'),
            c => plain.push(c),
        }
    }
    plain
}

/// What is around that which a substitution takes over: `.d` behind it in `$(OBJS:.o=.d)`, `unit-` before it in
/// `$(patsubst %,unit-%,$(NAMES))`.
fn made_around(inside: impl Iterator<Item = char>) -> (String, String) {
    let mut depth = 1_usize;
    let inside: String = inside
        .take_while(|c| {
            depth = match c {
                '(' | '{' => depth + 1,
                ')' | '}' => depth - 1,
                _ => depth,
            };
            depth > 0
        })
        .collect();
    let made = match inside.strip_prefix("patsubst ") {
        Some(rest) => rest.split(',').nth(1).unwrap_or_default(),
        None => inside
            .split_once(':')
            .and_then(|(_, rest)| rest.split_once('='))
            .map_or("", |(_, made)| made),
    };
    let (begins, ends) = made.trim().split_once('%').unwrap_or(("", made.trim()));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    let plain = |text: &str| {
        if text.chars().all(is_plain) { text.to_owned() } else { String::new() }
    };
    (plain(begins), plain(ends))
}

/// The words of a makefile that may be programs of the repository: shell scripts, and paths without an ending. What an
/// interpreter of another language is given is a test as often as not.
pub(super) fn programs(makefile: &str) -> BTreeSet<String> {
    let words = makefile.split(|c: char| c.is_whitespace() || "\"'`;&|()<>=@".contains(c));
    let is_program = |word: &&str| {
        let name = word.rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.') {
            Some((stem, ending)) => !stem.is_empty() && SHELL.contains(&ending),
            None => word.contains('/') && !name.is_empty(),
        }
    };
    words.filter(is_program).filter(|word| !word.starts_with('/')).map(str::to_owned).collect()
}

/// The directories that a path lies in, the top last.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let first = split(path).0;
    std::iter::successors(Some(first), |place| (!place.is_empty()).then(|| split(place).0))
}

/// The rules of a makefile: their targets and what these are made of, with the variables that it sets to plain text.
fn rules(makefile: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let lines = || makefile.lines().filter(|line| !line.starts_with('\t'));
    let variables: BTreeMap<&str, &str> = lines().filter_map(variable).collect();
    lines().filter_map(|line| rule(line, &variables)).collect()
}

/// The targets that a line has a rule for, and what these are made of.
fn rule(line: &str, variables: &BTreeMap<&str, &str>) -> Option<(Vec<String>, Vec<String>)> {
    let line = line.trim_start();
    let (names, rest) = line.split_once(':').filter(|_| !line.starts_with('#'))?;
    let rest = rest.trim_start_matches(':');
    if names.contains('=') || rest.starts_with('=') {
        return None;
    }
    let words = |text: &str| {
        let text = expanded(text, variables);
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    Some((words(names), words(rest.split(';').next().unwrap_or_default())))
}

/// How many files one after the other are followed of which an included one is made.
const MADE_OF: usize = 4;

/// What the files that a makefile includes are made of by its own rules, as far as they are no lists of what a source
/// depends on (`.d`): what stands before the recipe, and the words in it.
pub(super) fn sources_of_included(makefile: &str) -> BTreeSet<String> {
    let variables = variables(makefile);
    let mut made = includes(makefile);
    let mut sources = BTreeSet::new();
    for _ in 0..MADE_OF {
        let mut is_of_one = false;
        for line in makefile.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(recipe) = line.strip_prefix('\t') {
                let words = recipe.split(|c: char| c.is_whitespace() || "<>;|&()'\"`".contains(c));
                sources.extend(words.filter(|_| is_of_one).map(str::to_owned));
                continue;
            }
            let Some((targets, of)) = rule(line, &variables) else { continue };
            let stems = targets.iter().filter(|target| target.strip_suffix(".d").is_none());
            let stems: Vec<_> = stems.filter_map(|target| stem(target, &made)).collect();
            is_of_one = !stems.is_empty();
            let of = stems.iter().flat_map(|stem| of.iter().map(|name| name.replace('%', stem)));
            sources.extend(of);
        }
        made.extend(sources.iter().cloned());
    }
    sources.remove("");
    sources
}

/// What `%` in a target stands for, when it is one of these files.
fn stem(target: &str, files: &[String]) -> Option<String> {
    let Some((begins, ends)) = target.split_once('%') else {
        return files.iter().any(|file| is_like(target, file)).then(String::new);
    };
    let stem = |file: &String| {
        let stem = file.strip_prefix(begins)?.strip_suffix(ends)?;
        (!stem.is_empty() && !stem.contains('*')).then(|| stem.to_owned())
    };
    files.iter().find_map(stem)
}

/// The variable that a line of a makefile sets, exported or not.
pub(super) fn assigned(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    variable(line.strip_prefix("export ").or(line.strip_prefix("override ")).unwrap_or(line))
}

/// The variables that a makefile sets to plain text.
pub(super) fn variables(makefile: &str) -> BTreeMap<&str, &str> {
    makefile.lines().filter_map(variable).collect()
}

/// Reads `NAME = value`, `NAME := value` and their like.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end_matches([':', '?', '+']).trim();
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    is_name.then(|| (name, value.split('#').next().unwrap_or_default().trim()))
}

/// A text with the values of variables in the place of their names, as far as they are known.
pub(super) fn expanded(text: &str, variables: &BTreeMap<&str, &str>) -> String {
    let mut text = text.to_owned();
    // A value may name others; some name themselves.
    for _ in 0..4 {
        for (name, value) in variables {
            for spelled in [format!("$({name})"), format!("${{{name}}}")] {
                if text.contains(&spelled) && text.len() < 64 << 10 {
                    text = text.replace(&spelled, value);
                }
            }
        }
    }
    text
}

/// The targets of these rules that are names.
fn targets(rules: &[(Vec<String>, Vec<String>)]) -> BTreeSet<&str> {
    rules
        .iter()
        .flat_map(|(targets, _)| targets.iter().map(String::as_str))
        .filter(|name| !name.starts_with('.') && !name.contains(['%', '$', '(', ')']))
        .collect()
}

/// The targets of a makefile that are no names: those with variables and functions in them, and those by pattern that
/// are made of nothing by the same pattern.
struct Computed {
    /// With `*` for what is not known.
    patterns: BTreeSet<String>,
    /// The words of the makefile.
    words: BTreeSet<String>,
}

impl Computed {
    fn of(makefile: &str, rules: &[(Vec<String>, Vec<String>)]) -> Self {
        let makefile = makefile.replace("\\\n", " ");
        let variables = variables(&makefile);
        let lines = makefile.lines().filter(|line| !line.starts_with(['\t', '#']));
        // What is evaluated is a rule, too.
        let evaluated = lines.clone().flat_map(|line| line.split("$(eval ").skip(1));
        let written = lines.chain(evaluated).filter_map(before_colon);
        let of_variables = written
            .map(|names| expanded(names, &variables))
            .filter(|names| names.contains('$'))
            .flat_map(|names| {
                unknown(&names).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
            });
        let by_pattern = rules.iter().filter(|(_, of)| !of.iter().any(|name| name.contains('%')));
        let by_pattern = by_pattern.flat_map(|(targets, _)| targets);
        // One for whatever there is says nothing.
        let by_pattern = by_pattern.filter(|name| name.contains('%') && name.len() > 1);
        let is_name = |name: &String| {
            name.contains('*')
                && !name.starts_with('.')
                && !name.contains(|c| "(),\"'{}=".contains(c))
        };
        let patterns =
            of_variables.chain(by_pattern.map(|name| unknown(name))).filter(is_name).collect();
        let is_of_word = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        let words = makefile.split(|c| !is_of_word(c)).filter(|word| !word.is_empty());
        Self { patterns, words: words.map(str::to_owned).collect() }
    }

    /// Whether a name may be one of them. Of a pattern that says nothing, what the makefile or a file of the base is
    /// called by.
    fn may_be(&self, name: &str, files: &Files) -> bool {
        self.patterns.iter().filter(|pattern| is_like(name, pattern)).any(|pattern| {
            let says_something = pattern.chars().any(char::is_alphanumeric);
            says_something || self.words.contains(name) || files.has_stem(name)
        })
    }
}

/// What stands before the colon of a rule.
fn before_colon(line: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let (at, mark) = line.char_indices().find(|(_, c)| {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, ':' | '=')
    })?;
    let (names, rest) = line.split_at(at);
    (mark == ':' && !rest.trim_start_matches(':').starts_with('=')).then_some(names)
}

/// Whether a rule by pattern makes a file of this name of another one that is there.
fn is_made(
    name: &str,
    rules: &[(Vec<String>, Vec<String>)],
    is_there: impl Fn(&str) -> bool,
) -> bool {
    rules.iter().any(|(targets, sources)| {
        let stem = targets.iter().find_map(|pattern| {
            let (start, end) = pattern.split_once('%')?;
            name.strip_prefix(start)?.strip_suffix(end).filter(|stem| !stem.is_empty())
        });
        stem.is_some_and(|stem| {
            let mut made_of = sources.iter().filter(|source| source.contains('%'));
            made_of.any(|source| {
                let source = source.replace('%', stem);
                source != name && is_there(&source)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_be_worked_out() {
        const EVALUATED: &str = "define rule\nunit-$(1): tests/$(1).sh\n\tsh tests/$(1).sh\nendef\n$(foreach s,$(S),$(eval $(call rule,$s)))\ntest: $(S:%=unit-%)\n";
        for (makefile, name, expected) in [
            (EVALUATED, "unit-add", true),
            (EVALUATED, "units", false),
            ("$(foreach t,$(S),$(eval check-$t: ; sh tests/$t.sh))\n", "check-add", true),
            ("$(S:%=unit-%): build\n\tsh x\n", "unit-add", true),
            ("unit-%: build\n\tsh tests/$*.sh\n", "unit-add", true),
            ("${P}-unit: build\n", "a-unit", true),
            ("A := $(B)\n$(A)-unit:: build\n", "a-unit", true),
            // What says nothing is one where the makefile or a file has the name.
            ("TESTS = $(basename $(wildcard *.sh))\n$(TESTS): x\n", "add", true),
            ("all: one\n$(T): x\n", "one", true),
            ("all: one\n$(T): x\n", "LICENSE", false),
            ("B = prog\n$(B): x.o\n", "other", false),
            ("%: %.c\n", "add", false),
            ("%:\n\t@echo no such target\n", "add", false),
            ("$(O)/%.o: %.c\n", "src/new.c", false),
            ("X := $(Y):z\nexport PATH := $(A):$(PATH)\n", "add", false),
            ("test:\n\t@$(X):y\n", "add", false),
            ("ifeq ($(A),b:c)\n", "add", false),
        ] {
            let files = Files::new(["tests/add.sh".to_owned()], &[], &[]);
            let computed = Computed::of(makefile, &rules(makefile));
            assert_eq!(computed.may_be(name, &files), expected, "{name} of {makefile}");
        }
    }

    #[test]
    fn what_included_files_are_made_of_is_known() {
        for (makefile, sources) in [
            ("-include config.mk\nconfig.mk: config.mk.in\n\tcp $< $@\n", &["config.mk.in"][..]),
            (
                "include c.mk\n%.mk: %.in tools.txt\n\tsed s/a/b/ <more.txt >$@\n",
                &["c.in", "more.txt", "tools.txt"],
            ),
            (
                "include c.mk\nc.mk: c.tmp\nc.tmp: c.in ; cat $< >$@\ntest: a.c\n\tcc a.c\n",
                &["c.in", "c.tmp"],
            ),
            ("OBJS = a.o\n-include $(OBJS:.o=.d)\n%.d: %.c\n\tcc -MM $< >$@\n", &[]),
            ("-include a.d\na.d: a.c\n\tcc -MM $< >$@\n", &[]),
            ("test: a.c\n\tcc a.c\n", &[]),
        ] {
            let found = sources_of_included(makefile);
            let found = found.iter().map(String::as_str);
            let found = found.filter(|word| word.contains('.') && !word.contains('$'));
            assert_eq!(found.collect::<Vec<_>>(), sources, "{makefile}");
        }
    }

    #[test]
    fn targets_are_told_from_assignments() {
        let makefile = "BIN = out/run\n  $(BIN): a.sh\nA := b:c\nB ::= x\nall test: unit\n\tx: y\nunit:: z ; true\n.PHONY: all\n%.o: %.c\n\
                        $(OBJ): x\n# c: d\nURL = http://x\nsub/x: y\n";
        let expected = ["all", "out/run", "sub/x", "test", "unit"];
        assert_eq!(targets(&rules(makefile)).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_a_pattern_makes_of_another_file_is_made() {
        let rules = rules("bin/%: %.sh\n\tcp $< $@\n%.o: %.c\n%.c: %.y\n");
        let is_there = |name: &str| ["run.sh", "a.c", "b.c"].contains(&name);
        for (name, expected) in
            [("bin/run", true), ("bin/x", false), ("a.o", true), ("c.o", false), ("b.c", false)]
        {
            assert_eq!(is_made(name, &rules, is_there), expected, "{name}");
        }
    }

    #[test]
    fn the_directories_above_a_path_end_with_the_top() {
        assert_eq!(above("a/b/c").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(above("c").collect::<Vec<_>>(), [""]);
    }
}
