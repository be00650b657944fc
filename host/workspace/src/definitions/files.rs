//! Which files say what checks do.

use super::{
    commands::{self, Invoked, within},
    make,
    names::{
        self, CHOOSING, HISTORIES, MAKEFILES, PACKAGES, PLACED, SHELL, SOURCES, family, has_ending,
        joined, split,
    },
    python,
    worked_out::{self, may_be, may_be_searched},
};
use crate::{detect, installed::is_systems};
use cyrus_core::Check;
use std::{collections::BTreeSet, path::Path};

/// How many links one after the other are followed.
const LINKS: usize = 8;

/// What counts of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// All of it.
    Whole,
    /// All of it, where the base may execute it: else it is data.
    Program,
    /// Some keys, where both have it.
    Keys(&'static [&'static str]),
}

/// What becomes of a file that counts and that the base does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum New {
    Stays,
    /// Tools would take it in place of what the base has.
    Goes,
    /// It stays without these keys.
    Without(&'static [&'static str]),
}

/// The files of the base commit, and those that checks name.
pub(super) struct Files {
    base: BTreeSet<String>,
    named: BTreeSet<String>,
    /// What makefiles name that has no ending: programs, and files of data.
    programs: BTreeSet<String>,
    /// What makefiles include: paths from the top, with `*` for what is not known of them.
    included: BTreeSet<String>,
    /// The directories in which checks may start Python: the top, those that commands change to, and those of Python
    /// projects.
    directories: BTreeSet<String>,
    /// Directories in which programs are looked for, and the words of commands that may be names of such.
    searched: BTreeSet<String>,
    words: BTreeSet<String>,
    /// Words by which it is known what is read and worked out.
    worked_out: BTreeSet<String>,
    /// Paths with `*` that were looked up.
    patterns: BTreeSet<String>,
}

/// How many paths with `*` are looked up: each is compared with every file.
const PATTERNS: usize = 500;

impl Files {
    /// The files of the base, its links with what is in them, and what these checks name.
    pub(super) fn new(
        base: impl IntoIterator<Item = String>,
        links: &[(String, String)],
        checks: &[Check],
    ) -> Self {
        let commands: Vec<_> = checks.iter().map(|check| check.command.as_str()).collect();
        let mut files = Self {
            base: base.into_iter().collect(),
            named: BTreeSet::new(),
            programs: BTreeSet::new(),
            included: BTreeSet::new(),
            directories: BTreeSet::from([String::new()]),
            searched: BTreeSet::new(),
            words: BTreeSet::new(),
            worked_out: BTreeSet::new(),
            patterns: BTreeSet::new(),
        };
        let projects = files.base.iter().filter_map(|path| python::project(path));
        files.directories.extend(projects.map(str::to_owned).collect::<Vec<_>>());
        files.add_commands("", &commands);
        files.follow(links);
        files
    }

    /// What a link leads to counts as the link does; that may be one, too. Gives what was not known.
    pub(super) fn follow(&mut self, links: &[(String, String)]) -> Vec<String> {
        let mut found = Vec::new();
        for _ in 0..LINKS {
            let led = links.iter().filter(|(path, _)| self.counts(path).is_some());
            let led = led.filter_map(|(path, target)| within(split(path).0, target));
            let more: Vec<_> = led.filter(|target| !self.named.contains(target)).collect();
            if more.is_empty() {
                break;
            }
            self.named.extend(more.iter().cloned());
            found.extend(more);
        }
        found
    }

    /// What counts of the file of this path; `None`: it is the result's.
    pub(super) fn counts(&self, path: &str) -> Option<Counts> {
        if self.named.contains(path)
            || self.is_included(path)
            || self.worked_out.iter().any(|word| may_be(path, word))
        {
            return Some(Counts::Whole);
        }
        if self.programs.contains(path) {
            return Some(Counts::Program);
        }
        let (above, name) = split(path);
        let is_searched = || {
            self.searched.contains(above)
                || self.searched.iter().any(|searched| may_be_searched(above, searched))
        };
        if self.words.contains(name) && is_searched() {
            return Some(Counts::Whole);
        }
        // A script names its interpreter, and `make` its compiler, without a word of the command.
        let stands_in = !self.is_there(path) && self.searched.contains(above) && is_systems(name);
        if stands_in {
            return Some(Counts::Whole);
        }
        self.counts_by_name(path)
    }

    /// Whether a file that counts is a program or a script of the base that commands name, and nothing that a tool reads:
    /// it may be what is tested.
    pub(super) fn is_program(&self, path: &str) -> bool {
        self.is_there(path) && !self.is_included(path) && self.counts_by_name(path).is_none()
    }

    /// What counts of a file by what it is called, whatever commands name.
    fn counts_by_name(&self, path: &str) -> Option<Counts> {
        let (above, name) = split(path);
        if self.is_of_others(above) {
            return None;
        }
        let lower = name.to_lowercase();
        let lower = lower.as_str();
        if let Some(keys) = names::keys(lower) {
            return Some(Counts::Keys(keys));
        }
        let is_chooser = names::chooses(path)
            || ["mak", "make", "mk"].iter().any(|ending| has_ending(lower, ending))
            || python::is_code(path) && self.shadows_module(path);
        let is_known = PACKAGES.contains(&lower) || family(lower).is_some();
        (is_chooser || is_known || self.makes_a_makefile(path)).then_some(Counts::Whole)
    }

    /// What becomes of a file of this path that counts, where the base has none.
    pub(super) fn when_new(&self, path: &str) -> New {
        let (above, name) = split(path);
        let lower = name.to_lowercase();
        let goes = |goes| if goes { New::Goes } else { New::Stays };
        if lower == "package.json" {
            return New::Without(&["workspaces"]);
        }
        if PACKAGES.contains(&lower.as_str()) {
            return goes(self.has(above, &PACKAGES) || self.has(above, &["package.json"]));
        }
        // These say it in files of other names, too.
        if ["noxfile.py", "tox.ini", "tox.toml"].contains(&lower.as_str()) {
            return New::Goes;
        }
        if let Some((looks_above, family)) = family(&lower) {
            let mut places = std::iter::successors(Some(above), |place| {
                (looks_above && !place.is_empty()).then(|| split(place).0)
            });
            return goes(places.any(|place| self.has(place, family)));
        }
        New::Goes
    }

    /// The packages of the base whose scripts may be run, those nearest to the top first.
    pub(super) fn packages(&self) -> Vec<String> {
        let is_one = |path: &&String| {
            let (above, name) = split(path);
            name == "package.json" && !above.split('/').any(detect::is_of_others)
        };
        let mut found: Vec<_> = self.base.iter().filter(is_one).cloned().collect();
        found.sort_by_key(|path| path.matches('/').count());
        found
    }

    /// Whether a directory holds what others wrote or what is tested with, and no command works there.
    fn is_of_others(&self, directory: &str) -> bool {
        let is_worked_in = |place: &String| {
            let rest = directory.strip_prefix(place.as_str());
            !place.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        directory.split('/').any(detect::is_of_others) && !self.directories.iter().any(is_worked_in)
    }

    /// Adds what commands run that begin in this directory.
    pub(super) fn add_commands(&mut self, directory: &str, commands: &[&str]) {
        self.directories.insert(directory.to_owned());
        for command in commands {
            self.add_invoked(Invoked::by(directory, command));
        }
    }

    fn add_invoked(&mut self, invoked: Invoked) {
        let Invoked { programs, arguments, reads, directories, searched, words, worked_out } =
            invoked;
        self.worked_out.extend(worked_out);
        for path in programs {
            let known = self.meant(path);
            self.named.extend(known);
        }
        for path in reads {
            // Also one that the base does not have: with it, the command would do what the result says.
            if path.contains('*') && !path.starts_with('*') {
                self.included.insert(path.clone());
            }
            let known = self.meant(path);
            self.named.extend(known);
        }
        for path in arguments {
            let known = self.meant(path);
            self.programs.extend(known);
        }
        self.directories.extend(directories);
        self.searched.extend(searched);
        self.words.extend(words);
    }

    /// The files of the base that a path with `*` may mean; one without is itself.
    fn meant(&mut self, path: String) -> Vec<String> {
        if !path.contains('*') {
            return vec![path];
        }
        let is_new = self.patterns.len() < PATTERNS && self.patterns.insert(path.clone());
        let known = self.base.iter().filter(|known| is_new && is_like(known, &path));
        known.cloned().collect()
    }

    /// The files of the base that commands run or read, and that may be scripts of a shell.
    pub(super) fn scripts(&self) -> BTreeSet<String> {
        let may_be = |path: &&String| {
            let ending = Path::new(path).extension().and_then(|ending| ending.to_str());
            self.base.contains(*path) && ending.is_none_or(|ending| SHELL.contains(&ending))
        };
        let searched = self.searched.iter().flat_map(|directory| {
            let start = joined(directory, "");
            let below = self.base.range(start.clone()..);
            below.take_while(move |path| path.starts_with(&start))
        });
        let searched = searched.filter(|path| self.words.contains(split(path).1));
        self.named.iter().chain(&self.programs).chain(searched).filter(may_be).cloned().collect()
    }

    /// Adds what a script of a shell runs and reads. It is run in its own directory, or in one above.
    pub(super) fn add_script(&mut self, path: &str, text: &str) {
        let above = split(path).0;
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let commands = lines.join("\n");
        let interpreter = text.strip_prefix("#!").and_then(|rest| rest.lines().next());
        for directory in BTreeSet::from([above, ""]) {
            self.add_commands(directory, &[&commands]);
            self.add_commands(directory, interpreter.as_slice());
            for word in make::programs(&commands) {
                let path = within(directory, &word).filter(|path| self.base.contains(path));
                let is_script = Path::new(&word).extension().is_some();
                if is_script { self.named.extend(path) } else { self.programs.extend(path) }
            }
        }
    }

    /// Whether a path is a module of the standard library or a test runner, or is in one, in a directory where Python may
    /// start and where the base has no module of this name.
    fn shadows_module(&self, path: &str) -> bool {
        self.directories.iter().any(|directory| {
            let start = joined(directory, "");
            let module = path.strip_prefix(&start).and_then(python::first_module);
            module.is_some_and(|module| !self.has_module(&start, module))
        })
    }

    /// Whether the base has a module of this name in a directory.
    fn has_module(&self, start: &str, module: &str) -> bool {
        let package = format!("{start}{module}/");
        let mut below = self.base.range(package.clone()..);
        self.base.contains(&format!("{start}{module}.py"))
            || below.next().is_some_and(|next| next.starts_with(&package))
    }

    /// Whether a link in this place could lead to something in the place of what counts below it.
    pub(super) fn stands_for_some(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let (above, name) = split(path);
        if self.is_of_others(above) {
            return false;
        }
        let begins = |directory: &&str| directory.split('/').next() == Some(name);
        let is_read = |known: &String| {
            let fixed = known.split('*').next().unwrap_or_default();
            known.starts_with(&below) || known.contains('*') && below.starts_with(fixed)
        };
        CHOOSING.iter().chain(&PLACED).any(begins)
            || self.included.iter().any(is_read)
            || self.shadows_module(path)
    }

    /// The makefiles of the base, those nearest to the top first.
    pub(super) fn makefiles(&self) -> Vec<String> {
        let is_one = |path: &&String| {
            let lower = split(path).1.to_lowercase();
            MAKEFILES.contains(&lower.as_str()) || has_ending(&lower, "mk")
        };
        let mut found: Vec<_> = self.base.iter().filter(is_one).cloned().collect();
        found.sort_by_key(|path| path.matches('/').count());
        found
    }

    /// Adds what a makefile of the base reads and runs, and gives the files of the base that it reads and that were not
    /// known.
    pub(super) fn add(&mut self, makefile: &str, text: &str) -> Vec<String> {
        // It is run in its own directory, or in one above.
        let places = [split(makefile).0, ""];
        for directory in places {
            self.directories.insert(directory.to_owned());
            for line in text.lines() {
                // Functions stand outside of recipes, too.
                self.add_invoked(Invoked::by(directory, line));
                if let Some((name, value)) = make::assigned(line) {
                    let mut invoked = Invoked::default();
                    invoked.assign(&[directory.to_owned()], name, &commands::plain(value));
                    self.add_invoked(invoked);
                }
            }
        }
        self.worked_out.extend(worked_out::of_makefile(text));
        let mut more = Vec::new();
        for word in make::includes(text) {
            for path in places.iter().filter_map(|place| within(place, &word)) {
                if self.included.insert(path.clone()) {
                    more.extend(self.base.iter().filter(|known| is_like(known, &path)).cloned());
                }
            }
        }
        for word in make::sources_of_included(text) {
            let paths = places.iter().filter_map(|place| within(place, &word));
            self.named.extend(paths.filter(|path| self.base.contains(path)).collect::<Vec<_>>());
        }
        for word in make::programs(text) {
            let paths = places.iter().filter_map(|place| within(place, &word));
            let paths = paths.filter(|path| self.base.contains(path));
            let is_script = Path::new(&word).extension().is_some();
            if is_script { self.named.extend(paths) } else { self.programs.extend(paths) }
        }
        more
    }

    fn is_included(&self, path: &str) -> bool {
        self.included.contains(path) || self.included.iter().any(|known| is_like(path, known))
    }

    /// Whether the base has a file of this path.
    pub(super) fn is_there(&self, path: &str) -> bool {
        self.base.contains(path)
    }

    /// Whether the base has a path, or one below it.
    pub(super) fn is_there_or_above(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.is_there(path)
            || self.base.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below))
    }

    /// Whether a file of the base has this name without its ending.
    pub(super) fn has_stem(&self, name: &str) -> bool {
        self.base
            .iter()
            .any(|path| split(path).1.rsplit_once('.').is_some_and(|(stem, _)| stem == name))
    }

    /// The files of the base that a makefile with this text includes, which is read in this directory.
    pub(super) fn included_by(&self, directory: &str, text: &str) -> Vec<String> {
        let patterns: Vec<_> = make::includes(text)
            .iter()
            .flat_map(|word| [directory, ""].into_iter().filter_map(|place| within(place, word)))
            .collect();
        let is_one = |path: &&String| patterns.iter().any(|pattern| is_like(path, pattern));
        self.base.iter().filter(is_one).cloned().collect()
    }

    /// The directories of the base that have a makefile, with the one that `make` takes.
    pub(super) fn makefile(&self, directory: &str) -> Option<String> {
        ["GNUmakefile", "makefile", "Makefile"]
            .into_iter()
            .map(|name| joined(directory, name))
            .find(|path| self.base.contains(path))
    }

    /// Whether the base has one of these in a directory, however it is written.
    fn has(&self, directory: &str, names: &[&str]) -> bool {
        let start = joined(directory, "");
        self.base
            .range(start.clone()..)
            .take_while(|path| path.starts_with(&start))
            .filter_map(|path| path.get(start.len()..))
            .any(|name| !name.contains('/') && names.contains(&name.to_lowercase().as_str()))
    }

    /// Whether `make` would make a makefile of the base from a file.
    fn makes_a_makefile(&self, path: &str) -> bool {
        let (above, name) = split(path);
        let plain = name.strip_prefix("s.").unwrap_or(name);
        let (beside, stem) = match above.rsplit_once('/').unwrap_or(("", above)) {
            (beside, last) if HISTORIES.contains(&last) => (beside, plain),
            _ => (above, name),
        };
        let stem = SOURCES.iter().find_map(|ending| stem.strip_suffix(ending)).unwrap_or(stem);
        stem != name
            && MAKEFILES.contains(&stem.to_lowercase().as_str())
            && self.has(beside, MAKEFILES)
    }
}

/// Whether a path is one of a pattern, in which `*` is anything but nothing at all.
pub(super) fn is_like(path: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.len() > part.len() && rest.ends_with(part);
        }
        let Some(at) = rest.get(1..).and_then(|rest| rest.find(part)) else { return false };
        rest = &rest[1 + at + part.len()..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_core::CommandOrigin;

    fn files(base: &[&str], command: &str) -> Files {
        let check = Check {
            command: command.to_owned(),
            origin: CommandOrigin::Operator,
            timeout: std::time::Duration::ZERO,
        };
        let links = [("Taskfile.yml".to_owned(), "tasks/all.yml".to_owned())];
        Files::new(base.iter().map(|path| (*path).to_owned()), &links, &[check])
    }

    /// A script names its interpreter, and `make` its compiler, without a word of the command.
    #[test]
    fn a_new_program_that_stands_in_for_the_systems_is_not_the_results() {
        let mut files = files(&["Makefile", "Rakefile", "bin/cat"], "make test");
        files.add("Makefile", "export PATH := $(CURDIR)/bin:$(PATH)\ntest:\n\t./check.py\n");
        for (path, expected) in [
            ("bin/sh", Some(Counts::Whole)),
            ("bin/cat", None),
            ("bin/no-such-program", None),
            ("src/sh", None),
            ("Rakefile", Some(Counts::Whole)),
            ("sub/rakefile", Some(Counts::Whole)),
        ] {
            assert_eq!(files.counts(path), expected, "{path}");
        }
    }

    #[test]
    fn what_counts_is_known_by_its_name_wherever_it_is() {
        let files = files(&["Makefile", "web/package.json", "ci/run.sh"], "ci/run.sh x");
        let package = Counts::Keys(&[
            "bin",
            "config",
            "nx",
            "packageManager",
            "scripts",
            "wireit",
            "workspaces",
        ]);
        for (path, expected) in [
            ("GNUmakefile", Some(Counts::Whole)),
            ("sub/Makefile", Some(Counts::Whole)),
            ("a/taskfile.yml", Some(Counts::Whole)),
            ("deno.json", Some(Counts::Keys(&["tasks"]))),
            ("web/package.json", Some(package)),
            ("web/.npmrc", Some(Counts::Whole)),
            (".yarn/releases/yarn-4.cjs", Some(Counts::Whole)),
            ("crates/a/.cargo/config.toml", Some(Counts::Whole)),
            ("x.cargo/config.toml", None),
            ("ci/run.sh", Some(Counts::Whole)),
            ("ci/other.sh", None),
            ("Makefile.sh", Some(Counts::Whole)),
            ("SCCS/s.Makefile", Some(Counts::Whole)),
            ("RCS/Makefile,v", Some(Counts::Whole)),
            ("sub/Makefile.sh", None),
            ("Makefile.am", None),
            ("build/rules.make", Some(Counts::Whole)),
            ("difflib.py", Some(Counts::Whole)),
            ("test/x.py", None),
            ("vendor/rules.mk", None),
            ("packages/build/package.json", Some(package)),
            ("make/rules.mk", Some(Counts::Whole)),
            ("pytest.py", Some(Counts::Whole)),
            ("_pytest/x.py", Some(Counts::Whole)),
            ("src/json.py", None),
            ("types/index.d.ts", None),
            (".proverc", Some(Counts::Whole)),
            ("tasks/all.yml", Some(Counts::Whole)),
            ("tasks/other.yml", None),
            ("tests/fixtures/a/package.json", None),
            ("vendor/x/Makefile", None),
            ("src/lib.rs", None),
        ] {
            assert_eq!(files.counts(path), expected, "{path}");
        }
    }

    #[test]
    fn what_makefiles_read_and_run_counts() {
        let base = [
            "Makefile",
            "Makefile.common",
            "conf/a.inc",
            "ci/run",
            "ci/lib.py",
            "sub/Makefile",
            "sub/t.sh",
        ];
        let mut files = files(&base, "make test");
        assert_eq!(files.makefiles(), ["Makefile", "sub/Makefile"]);
        let text = "include Makefile.common\n-include conf/$(KIND).inc gone.d\ntest:\n\t@timeout 9 ci/run && python ci/lib.py\n";
        assert_eq!(files.add("Makefile", text), ["Makefile.common", "conf/a.inc"]);
        assert_eq!(files.add("Makefile", text), [] as [&str; 0]);
        files.add("sub/Makefile", "t:\n\tsh t.sh\n");
        for (path, counts) in [
            ("Makefile.common", true),
            ("conf/a.inc", true),
            ("conf/new.inc", true),
            ("conf/.inc", false),
            ("gone.d", true),
            ("ci/run", true),
            ("ci/lib.py", false),
            ("sub/t.sh", true),
            ("sub/other.sh", false),
        ] {
            assert_eq!(files.counts(path).is_some(), counts, "{path}");
        }
        assert_eq!(files.when_new("conf/new.inc"), New::Goes);
        // Whether it is a program only the commit says.
        assert_eq!(files.counts("ci/run"), Some(Counts::Program));
        let links = [("Makefile.common".to_owned(), "conf/real".to_owned())];
        assert_eq!(files.follow(&links), ["conf/real"]);
        assert_eq!(files.counts("conf/real"), Some(Counts::Whole));
    }

    #[test]
    fn what_recipes_and_scripts_name_by_variables_and_in_turn_counts() {
        let base = [
            "Makefile",
            "tools/run",
            "ci.sh",
            "lib/inner",
            "lib/env",
            "lib/deep.sh",
            "ci/rules",
            "tools/interp",
            "examples/Makefile",
            "bin/check",
            "other/run.py",
        ];
        let mut files = files(&base, "make test");
        let makefile = "D = tools\nexport PATH := $(CURDIR)/bin:$(PATH)\n-include $(OBJS:.o=.d) $(patsubst %.c,%.dep,$(S))\n\
                        test:\n\t@cd tools && ./run ../file\n\t@$(D)/interp file\n\t@check\n\t./ci.sh\n\t$(MAKE) -C examples\n\tmake -f ci/rules\n";
        files.add("Makefile", makefile);
        assert!(files.scripts().contains("ci.sh") && files.scripts().contains("bin/check"));
        files.add_script(
            "ci.sh",
            "#!tools/interp\nset -e\n. lib/env\nif lib/inner; then sh lib/deep.sh; fi\n",
        );
        for (path, counts) in [
            ("tools/run", true),
            ("tools/interp", true),
            ("ci.sh", true),
            ("lib/env", true),
            ("lib/inner", true),
            ("lib/deep.sh", true),
            ("ci/rules", true),
            ("a.d", true),
            ("sub/a.dep", true),
            ("examples/Makefile", true),
            ("bin/check", true),
            ("bin/other", false),
            ("other/run.py", false),
        ] {
            assert_eq!(files.counts(path).is_some(), counts, "{path}");
        }
        // Whether it is a program only the commit says.
        assert_eq!(files.counts("file"), Some(Counts::Program));
        // What the result brings for a word of a command goes.
        assert_eq!(files.when_new("bin/check"), New::Goes);
    }

    #[test]
    fn a_pattern_is_anything_where_nothing_is_known() {
        for (path, pattern, is) in [
            ("a/b.mk", "a/b.mk", true),
            ("a/b.mk", "a/*.mk", true),
            ("a/.mk", "a/*.mk", false),
            ("a/b/c.mk", "*/c.mk", true),
            ("a/b/c.mk", "*/b/*.mk", true),
            ("a/c.mk", "*/b/*.mk", false),
            ("a", "*", true),
            ("", "*", false),
        ] {
            assert_eq!(is_like(path, pattern), is, "{path} {pattern}");
        }
    }

    #[test]
    fn what_is_new_goes_where_it_would_be_taken_for_the_bases() {
        let files = files(&["Makefile", "justfile", "web/package.json", "deno/deno.json"], "x");
        for (path, expected) in [
            ("GNUmakefile", New::Goes),
            ("tools/Makefile", New::Stays),
            ("tools/justfile", New::Goes),
            ("Taskfile.yml", New::Stays),
            ("deno/deno.jsonc", New::Goes),
            ("web/turbo.json", New::Goes),
            ("turbo.json", New::Stays),
            ("package.json", New::Without(&["workspaces"])),
            (".npmrc", New::Goes),
            ("Makefile.sh", New::Goes),
        ] {
            assert_eq!(files.when_new(path), expected, "{path}");
        }
    }

    #[test]
    fn files_that_choose_a_program_are_known_by_their_places() {
        let files = Files::new([], &[], &[]);
        for path in [
            "tools/bazel",
            "a/tools/bazel",
            "mise/config.toml",
            ".config/mise/config.toml",
            ".config/dotnet-tools.json",
            ".bundle/config",
            "a/.bazelversion",
            "unicodedata.py",
            "_heapq.so",
            "xml/__init__.py",
        ] {
            assert_eq!(files.counts(path), Some(Counts::Whole), "{path}");
        }
        for path in [
            "bazel",
            "tools/bazel.py",
            "mise/x.toml",
            "config.toml",
            "a/unicodedata.py",
            "xml/a.xml",
        ] {
            assert_eq!(files.counts(path), None, "{path}");
        }
    }

    #[test]
    fn a_link_stands_for_what_would_be_below_it() {
        let mut files = files(&["Makefile", "ci/run"], "cd py && python3 -m unittest");
        files.add("Makefile", "-include build/settings conf/*.mk\n");
        for (path, stands) in [
            (".cargo", true),
            ("crates/a/.cargo", true),
            (".yarn", true),
            ("tools", true),
            ("a/mise", true),
            ("build", true),
            ("conf", true),
            ("unittest", true),
            ("py/unittest", true),
            ("other/unittest", false),
            ("py/pytest", true),
            ("src", false),
            ("vendor/x/.cargo", false),
        ] {
            assert_eq!(files.stands_for_some(path), stands, "{path}");
        }
        for (path, counts) in [
            ("py/unittest/__init__.py", true),
            ("py/json.cpython-313-x86_64-linux-gnu.so", true),
            ("unittest/__init__.pyc", true),
            ("unittest.pyc", true),
            ("unittest/data.txt", false),
            ("src/unittest/__init__.py", false),
        ] {
            assert_eq!(files.counts(path).is_some(), counts, "{path}");
        }
    }

    #[test]
    fn python_may_start_where_a_recipe_goes_and_where_a_project_is() {
        let base = ["Makefile", "a/pyproject.toml", "b/x.py", "c/conftest.py", "d/Makefile"];
        let mut files = files(&base, "make");
        files.add("Makefile", "test:\n\t@cd b && python3 -m unittest\n");
        files.add("d/Makefile", "test:\n\tpython3 -m pytest\n");
        for (path, counts) in [
            ("a/unittest.py", true),
            ("b/unittest.py", true),
            ("c/unittest.py", true),
            ("d/pytest.py", true),
            ("b/x/unittest.py", false),
            ("e/unittest.py", false),
        ] {
            assert_eq!(files.counts(path).is_some(), counts, "{path}");
        }
    }

    #[test]
    fn a_program_is_known_behind_others() {
        for command in [
            "timeout 60 ci/run",
            "time ci/run",
            "nice -n 5 ./ci/run",
            "env -u X ci/run",
            "command ci/run x",
            "if ci/run; then true; fi",
            "{ ci/run; }",
            "$PWD/ci/run",
            "\"${PWD}/ci/run\" x",
            "cd ci && $(pwd)/run",
            "! ci/run",
            "A=1 sh ci/run",
        ] {
            let mut files = files(&["ci/run"], "true");
            files.add_commands("", &[command]);
            assert!(files.counts("ci/run").is_some(), "{command}");
        }
    }

    #[test]
    fn a_packages_scripts_run_programs_of_the_package() {
        let mut files = files(&["web/package.json", "web/ci/run"], "true");
        assert_eq!(files.packages(), ["web/package.json"]);
        files.add_commands("web", &["./ci/run && jest"]);
        assert_eq!(files.counts("web/ci/run"), Some(Counts::Whole));
        assert_eq!(files.counts("ci/run"), None);
    }
}
