//! Counts the tests of `JUnit` reports and names those that failed, which a check writes where `validation.junit` says. What is read are plain files,
//! never through a link, and no more of them than the bounds; entities of a document's own are not expanded.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use rustix::fs::OFlags;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The most that is read of one report, in bytes.
const MAX_BYTES: u64 = 8 << 20;

/// The most reports that are read.
const MAX_REPORTS: usize = 2_000;

/// The most directory entries that are looked at.
const MAX_ENTRIES: usize = 200_000;

/// The most names of failed tests that are kept of one report.
const MAX_NAMES: usize = 500;

/// The longest name that is kept, in bytes.
const MAX_NAME_BYTES: usize = 300;

/// How deep reports may lie in the tree, and elements in a report.
const MAX_DEPTH: usize = 32;

/// The reports that were there, with what tells whether one was written since.
#[derive(Debug, Default)]
pub(crate) struct Reports(BTreeMap<PathBuf, (u64, i64, i64)>);

impl Reports {
    /// Those below `root` that match one of the patterns: `*` and `?` within a name, `**` for any directories.
    pub(crate) fn find(root: &Path, patterns: &[String]) -> Self {
        let patterns: Vec<Vec<&str>> = patterns.iter().map(|p| p.split('/').collect()).collect();
        let (mut found, mut seen) = (BTreeMap::new(), 0);
        let mut open = vec![(root.to_owned(), Vec::<String>::new())];
        while let Some((directory, names)) = open.pop() {
            if patterns.is_empty() || names.len() > MAX_DEPTH {
                continue;
            }
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                seen += 1;
                if seen > MAX_ENTRIES || found.len() == MAX_REPORTS {
                    return Self(found);
                }
                let Ok(name) = entry.file_name().into_string() else { continue };
                let Ok(metadata) = entry.metadata() else { continue };
                let names = [&names[..], &[name]].concat();
                if metadata.is_dir() && patterns.iter().any(|p| leads(p, &names)) {
                    open.push((entry.path(), names));
                } else if metadata.is_file() && patterns.iter().any(|p| matches(p, &names)) {
                    let stamp = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
                    found.insert(entry.path(), stamp);
                }
            }
        }
        Self(found)
    }

    /// What the reports written since `before` say; `None` when there are none.
    pub(crate) fn since(&self, before: &Self) -> Option<Reported> {
        let new = self.0.iter().filter(|(path, stamp)| before.0.get(*path) != Some(*stamp));
        let reports = new.filter_map(|(path, _)| report(&read(path)?));
        reports.reduce(|mut all, one| {
            all.executed = all.executed.saturating_add(one.executed);
            all.failed.extend(one.failed);
            all
        })
    }
}

/// The tests that failed, each as `class.name`.
pub(crate) type Failed = BTreeSet<String>;

/// What reports say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reported {
    /// The test cases that were not skipped.
    pub(crate) executed: u64,
    pub(crate) failed: Failed,
}

/// Whether the names of a path match those of a pattern.
fn matches(pattern: &[&str], names: &[String]) -> bool {
    match (pattern, names) {
        ([], []) => true,
        (["**", rest @ ..], _) => {
            matches(rest, names) || (!names.is_empty() && matches(pattern, &names[1..]))
        }
        ([part, rest @ ..], [name, names @ ..]) => {
            let (part, name): (Vec<_>, Vec<_>) = (part.chars().collect(), name.chars().collect());
            name_matches(&part, &name) && matches(rest, names)
        }
        _ => false,
    }
}

/// Whether what a pattern matches may be below this directory.
fn leads(pattern: &[&str], names: &[String]) -> bool {
    match (pattern, names) {
        (_, []) | (["**", ..], _) => true,
        ([part, rest @ ..], [name, names @ ..]) => {
            let (part, name): (Vec<_>, Vec<_>) = (part.chars().collect(), name.chars().collect());
            name_matches(&part, &name) && leads(rest, names)
        }
        ([], _) => false,
    }
}

/// Whether a name matches a part of a pattern. Only the last `*` is gone back to, so it takes no more than the product
/// of both lengths.
fn name_matches(part: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match part.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    part[p..].iter().all(|c| *c == '*')
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).ok()?;
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok().filter(|found| found.is_file() && found.len() <= MAX_BYTES)?;
    let mut content = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut content).ok()?;
    Some(content)
}

/// What a report says. `None`: it is no report, or a broken one.
fn report(content: &[u8]) -> Option<Reported> {
    let mut reader = Reader::from_reader(content);
    let (mut all, mut depth, mut is_report) = (Reported::default(), 0_usize, false);
    let (mut is_skipped, mut case) = (false, String::new());
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return None;
                }
                match element.local_name().as_ref() {
                    b"testsuite" | b"testsuites" => is_report = true,
                    b"testcase" => (is_skipped, case) = (false, name(&element)),
                    b"skipped" => is_skipped = true,
                    b"failure" | b"error" => all.fails(&case),
                    _ => {}
                }
            }
            Event::Empty(element) => match element.local_name().as_ref() {
                b"testsuite" | b"testsuites" => is_report = true,
                b"testcase" => all.executed += 1,
                b"skipped" => is_skipped = true,
                b"failure" | b"error" => all.fails(&case),
                _ => {}
            },
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                if element.local_name().as_ref() == b"testcase" && !is_skipped {
                    all.executed += 1;
                }
            }
            Event::Eof => return is_report.then_some(all),
            _ => {}
        }
    }
}

impl Reported {
    fn fails(&mut self, case: &str) {
        if !case.is_empty() && self.failed.len() < MAX_NAMES {
            self.failed.insert(case.to_owned());
        }
    }
}

/// What a test case is called: `class.name`. Entities stay as they are written.
fn name(case: &BytesStart<'_>) -> String {
    let attribute = |name: &str| {
        let found = case.try_get_attribute(name).ok()??;
        Some(String::from_utf8_lossy(&found.value).into_owned())
    };
    let parts = [attribute("classname"), attribute("name")];
    let mut name = parts.into_iter().flatten().collect::<Vec<_>>().join(".");
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const TWO: &str = r#"<?xml version="1.0"?><testsuites><testsuite tests="3">
        <testcase name="a"/><testcase name="b"><failure>no</failure></testcase>
        <testcase name="c"><skipped/></testcase></testsuite></testsuites>"#;

    fn executed(text: &str) -> Option<u64> {
        report(text.as_bytes()).map(|reported| reported.executed)
    }

    #[test]
    fn executed_cases_are_counted_and_skipped_ones_are_not() {
        for (text, expected) in [
            (TWO, Some(2)),
            ("<testsuite/>", Some(0)),
            ("<testsuite><testcase><skipped>why</skipped></testcase></testsuite>", Some(0)),
            ("<other><testcase/></other>", None),
            ("<testsuite><testcase></testsuite>", None),
            ("no report", None),
        ] {
            assert_eq!(executed(text), expected, "{text}");
        }
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>"#;
        assert_eq!(executed(bomb), Some(1), "entities are not expanded");
        let deep = format!("<testsuite>{}", "<a>".repeat(100));
        assert_eq!(executed(&deep), None);
        let failed = report(TWO.as_bytes()).unwrap().failed;
        assert_eq!(failed.into_iter().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn patterns_match_paths() {
        let matches = |pattern: &str, path: &str| {
            let pattern: Vec<_> = pattern.split('/').collect();
            let names: Vec<_> = path.split('/').map(str::to_owned).collect();
            matches(&pattern, &names)
        };
        for (pattern, path, expected) in [
            ("report.xml", "report.xml", true),
            ("report.xml", "a/report.xml", false),
            ("**/*.xml", "report.xml", true),
            ("**/TEST-*.xml", "a/b/TEST-x.xml", true),
            ("build/test-results/**/*.xml", "build/test-results/test/a.xml", true),
            ("a/*", "a/b/c", false),
            ("a?c", "abc", true),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxx", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn only_what_the_run_wrote_counts_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("tree");
        fs::create_dir_all(root.join("out")).unwrap();
        fs::write(root.join("out/old.xml"), TWO).unwrap();
        fs::write(place.path().join("outside.xml"), TWO).unwrap();
        fs::create_dir(place.path().join("elsewhere")).unwrap();
        fs::write(place.path().join("elsewhere/a.xml"), TWO).unwrap();
        let patterns = ["out/**/*.xml".to_owned()];
        let before = Reports::find(&root, &patterns);
        assert_eq!(Reports::find(&root, &patterns).since(&before), None);
        symlink(place.path().join("outside.xml"), root.join("out/link.xml")).unwrap();
        symlink(place.path().join("elsewhere"), root.join("out/directory")).unwrap();
        assert_eq!(Reports::find(&root, &patterns).since(&before), None);
        fs::write(root.join("out/new.xml"), TWO).unwrap();
        assert_eq!(
            Reports::find(&root, &patterns).since(&before).map(|reported| reported.executed),
            Some(2)
        );
        assert_eq!(Reports::find(&root, &[]).since(&before), None);
    }
}
