//! Holds a result to the diff rules of [`crate::rules`].

use crate::{
    attributes, bare,
    diff::{Change, Mode},
    error::in_background,
    links::Leads,
    object::ObjectId,
    repository::Main,
    rules::{
        CONFLICT_MARKER, DiffRules, EMPTY_DIFF, ONE_SIDED, OUTSIDE_WORKSPACE, PROTECTED_PATH,
        TOO_LARGE, conflicts,
    },
    shadows::{is_of_a_toolchain, leads_otherwise, shadows},
    sides::place_of,
    workspaces::{base_commit, commit},
};
use cyrus_core::{Subject, WorkspaceError};
use cyrus_executor::Finding;
use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

/// How many findings of one kind are reported.
const MAX_FINDINGS: usize = 50;

/// How much of the changed files is read at once to look for conflict markers, in bytes.
const READ_BYTES: u64 = 16 << 20;

/// The longest file in which conflict markers are looked for, in bytes.
const MAX_TEXT_BYTES: u64 = 32 << 20;

/// One result and what it is held to.
pub(crate) struct Examination<'a> {
    main: &'a Main,
    rules: &'a DiffRules,
    subject: &'a Subject<'a>,
    base: ObjectId,
    result: ObjectId,
    /// What the diff is against.
    from: ObjectId,
    /// Whether the result is what the clone started from: something merged, every part of which was looked at.
    merged: bool,
}

impl<'a> Examination<'a> {
    pub(crate) async fn new(
        main: &'a Main,
        rules: &'a DiffRules,
        subject: &'a Subject<'a>,
    ) -> Result<Self, WorkspaceError> {
        let spec = subject.spec;
        let (base, start) = (base_commit(&spec.base)?, commit(&spec.start)?);
        let result = commit(subject.commit)?;
        if main.resolve(result.as_str()).await?.as_ref() != Some(&result) {
            let place = spec.base.path.display();
            let problem = format!("{place} does not hold {result}: the result was not collected");
            return Err(WorkspaceError::Unacceptable(problem));
        }
        let merged = result == start;
        let from = main.since(if merged { &base } else { &start }, &result).await?;
        Ok(Self { main, rules, subject, base, result, from, merged })
    }

    /// What is wrong with the result.
    pub(crate) async fn findings(&self) -> Result<Vec<Finding>, WorkspaceError> {
        let changes = self.main.changes(&self.from, &self.result, &[]).await?;
        if self.subject.must_change && (self.merged || changes.is_empty()) {
            let message =
                "nothing was changed: the result is the same as what the task started from";
            let parts = [message].into_iter().chain(self.subject.notes.iter().map(String::as_str));
            let message = parts.collect::<Vec<_>>().join("; ");
            return Ok(vec![finding(EMPTY_DIFF, message, None, None)]);
        }
        let mut found = self.size().await?;
        found.extend(self.protected().await?);
        found.extend(self.links().await?);
        found.extend(self.repositories(&changes).await?);
        found.extend(self.bare_repositories(&changes).await?);
        found.extend(self.conflicts(changes).await?);
        if self.subject.had_conflict {
            found.extend(self.one_sided().await?);
        }
        Ok(found)
    }

    /// The bounds are for one result: what is merged is as large as its parts.
    async fn size(&self) -> Result<Vec<Finding>, WorkspaceError> {
        if self.merged {
            return Ok(Vec::new());
        }
        let stat = self.main.stat(&self.from, &self.result).await?;
        let lines = match self.rules.max_lines {
            Some(_) => self.main.changed_lines(&self.from, &self.result).await?,
            None => 0,
        };
        let bounds =
            [("files", stat.files, self.rules.max_files), ("lines", lines, self.rules.max_lines)];
        let over = bounds.into_iter().filter_map(|(what, count, bound)| {
            let bound = bound.filter(|bound| count > *bound)?;
            let message = format!(
                "{count} {what} were changed, and at most {bound} may be: leave out what can be made again, such as dependencies and build output"
            );
            Some(finding(TOO_LARGE, message, None, None))
        });
        Ok(over.collect())
    }

    async fn protected(&self) -> Result<Vec<Finding>, WorkspaceError> {
        let pathspecs = self.rules.pathspecs();
        if pathspecs.is_empty() {
            return Ok(Vec::new());
        }
        let changes = self.main.changes(&self.from, &self.result, &pathspecs).await?;
        let tell = |change: &Change| {
            let path = String::from_utf8_lossy(&change.path);
            let message = format!("{path} is protected: put it back as it was");
            finding(PROTECTED_PATH, message, Some(&path), None)
        };
        Ok(changes.iter().take(MAX_FINDINGS).map(tell).collect())
    }

    /// Why a person has to look at new files that tools may take in place of those that are protected.
    pub(crate) async fn shadows(&self) -> Result<Vec<String>, WorkspaceError> {
        let pathspecs = self.rules.pathspecs();
        if pathspecs.is_empty() {
            return Ok(Vec::new());
        }
        let none = self.base.empty_tree_like();
        let kept = self.main.changes(&none, &self.base, &pathspecs).await?;
        let known = self.main.files(&self.base).await?;
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        let changes = self.main.changes(&self.from, &self.result, &[]).await?;
        let text = |change: &'_ Change| String::from_utf8(change.path.clone()).ok();
        let kept: Vec<_> = kept.iter().filter_map(text).collect();
        let new = changes.iter().filter(|change| !change.is_deleted()).filter_map(text);
        let new: Vec<_> = new.filter(|path| !known.contains(path.as_str())).collect();
        let found = shadows(kept.iter().map(String::as_str), new.iter().map(String::as_str));
        let stand_ins = new.iter().filter(|path| is_of_a_toolchain(path)).map(|path| {
            format!("`{path}` is new, and has the name of what tests are made with: a person has to look at it")
        });
        let say = |(new, kept): (&str, &str)| {
            format!(
                "`{new}` is new, and tools may take it in place of `{kept}`, which is protected: a person has to look at it"
            )
        };
        let mut doubts: Vec<_> = found.into_iter().map(say).chain(stand_ins).collect();
        for path in changes.iter().filter_map(|change| str::from_utf8(&change.path).ok()) {
            let of = async |commit| self.main.file(commit, path).await;
            let name = path.rsplit('/').next().unwrap_or_default();
            if ["Cargo.toml", "package.json"].contains(&name)
                && let (Some(before), Some(after)) =
                    (of(&self.base).await?, of(&self.result).await?)
                && leads_otherwise(name, &before, &after)
            {
                doubts.push(format!(
                    "`{path}` says where names lead by which tests find each other and what they test, and the result changes that: a person has to look at it"
                ));
            }
        }
        doubts.truncate(MAX_FINDINGS);
        Ok(doubts)
    }

    /// Why a person has to look at attributes by which git writes files in another way: those of the base count where checks
    /// are run.
    pub(crate) async fn conversions(&self) -> Result<Vec<String>, WorkspaceError> {
        let changes = self.main.changes(&self.base, &self.result, &[]).await?;
        let mut doubts = Vec::new();
        for path in changes.iter().filter_map(|change| str::from_utf8(&change.path).ok()) {
            if path.rsplit('/').next() != Some(".gitattributes") {
                continue;
            }
            let of = async |commit| self.main.file(commit, path).await;
            let (before, after) = (of(&self.base).await?, of(&self.result).await?);
            let [before, after] = [before, after].map(Option::unwrap_or_default);
            if attributes::convert_otherwise(&before, &after) {
                doubts.push(format!(
                    "`{path}` has git write files in another way than the checks saw them, which is by the base's: a person has to look at it"
                ));
            }
        }
        doubts.truncate(MAX_FINDINGS);
        Ok(doubts)
    }

    /// Links that lead out, by themselves or through others, and did not before.
    async fn links(&self) -> Result<Vec<Finding>, WorkspaceError> {
        let (before, after) =
            (self.main.links(&self.from).await?, self.main.links(&self.result).await?);
        let found = in_background("follow symbolic links", move || {
            let out = after.leading_out(&before).into_iter().take(MAX_FINDINGS);
            Ok(out.map(|(path, leads)| led_out(path, &leads)).collect())
        });
        found.await
    }

    /// Repositories inside of this one that are no submodules: what is in them is not in the result.
    async fn repositories(&self, changes: &[Change]) -> Result<Vec<Finding>, WorkspaceError> {
        let inside: Vec<_> = changes.iter().filter(|c| c.mode == Mode::Submodule).collect();
        if inside.is_empty() {
            return Ok(Vec::new());
        }
        let known: BTreeSet<_> = self.main.submodules(&self.result).await?.into_iter().collect();
        let stray = inside.into_iter().filter(|change| !known.contains(&change.path));
        let tell = |change: &Change| {
            let path = String::from_utf8_lossy(&change.path);
            let message = format!(
                "{path} is a repository of its own and no submodule, so its files are not part of the result: remove {path}/.git and add the files"
            );
            finding(OUTSIDE_WORKSPACE, message, Some(&path), None)
        };
        Ok(stray.take(MAX_FINDINGS).map(tell).collect())
    }

    /// Directories that git takes for a repository although there is no `.git`: what works there runs what their
    /// configuration says.
    async fn bare_repositories(&self, changes: &[Change]) -> Result<Vec<Finding>, WorkspaceError> {
        let mut left = changes.iter().filter(|change| !change.is_deleted());
        if !left.any(|change| bare::may_concern_one(&change.path)) {
            return Ok(Vec::new());
        }
        let before = self.main.listed(&self.from).await?;
        let after = self.main.listed(&self.result).await?;
        let known = bare::repositories(attributes::paths(&before));
        let found = bare::repositories(attributes::paths(&after));
        // One that the base has stays what it is.
        let is_other = |directory: &&Vec<u8>| {
            !known.contains(*directory)
                || changes.iter().any(|change| bare::steers(directory, &change.path))
        };
        let tell = |directory: &Vec<u8>| {
            let name = String::from_utf8_lossy(directory);
            let place = if name.is_empty() { "the top" } else { &name };
            let message = format!(
                "{place} is a repository for git, by HEAD, objects and refs in it: programs that look at it do what its configuration says. Have tests make such a one, or remove it"
            );
            finding(OUTSIDE_WORKSPACE, message, Some(&name), None)
        };
        Ok(found.iter().filter(is_other).take(MAX_FINDINGS).map(tell).collect())
    }

    /// A file may be about conflicts, and may have been before: it must not have more of them. What the clone
    /// started from excuses nothing when that is an unresolved merge itself.
    async fn conflicts(&self, changes: Vec<Change>) -> Result<Vec<Finding>, WorkspaceError> {
        let (before, changes) = if self.subject.had_conflict {
            let before = self.main.since(&self.base, &self.result).await?;
            let changes = self.main.changes(&before, &self.result, &[]).await?;
            (before, changes)
        } else {
            (self.from.clone(), changes)
        };
        let mut found: Vec<_> = left_sides(&changes).take(MAX_FINDINGS).collect();
        let marked = self.marked(changes).await?;
        for (path, lines) in marked.into_iter().take(MAX_FINDINGS) {
            let mut name = OsString::from(format!("{before}:"));
            name.push(OsStr::from_bytes(&path));
            let known = self.main.blob(name).await?;
            let known = known.map_or(Ok(0), |text| conflicts(&text[..]).map(|lines| lines.len()));
            if lines.len() > known.unwrap_or(0) {
                let (path, line) = (String::from_utf8_lossy(&path), lines[0]);
                let message = format!("{path} has an unresolved conflict at line {line}");
                found.push(finding(CONFLICT_MARKER, message, Some(&path), Some(line)));
            }
        }
        Ok(found)
    }

    /// Files that were in conflict and are now as one side had them: what the other did is dropped. That may be right;
    /// then a commit message says so.
    async fn one_sided(&self) -> Result<Vec<Finding>, WorkspaceError> {
        let start = commit(&self.subject.spec.start)?;
        let side = async |number| self.main.resolve(&format!("{start}^{number}")).await;
        let (Some(ours), Some(theirs)) = (side(1).await?, side(2).await?) else {
            return Ok(Vec::new());
        };
        let since = self.main.since(&self.base, &start).await?;
        let marked = self.marked(self.main.changes(&since, &start, &[]).await?).await?;
        let mut dropped = BTreeSet::new();
        for side in [&ours, &theirs] {
            let other = self.main.changes(side, &self.result, &[]).await?;
            let other: BTreeSet<_> = other.into_iter().map(|change| change.path).collect();
            dropped
                .extend(marked.iter().map(|(path, _)| path).filter(|path| !other.contains(*path)));
        }
        if dropped.is_empty() {
            return Ok(Vec::new());
        }
        let said = self.main.messages(&start, &self.result).await?;
        let unsaid = dropped.into_iter().map(|path| String::from_utf8_lossy(path));
        let unsaid = unsaid.filter(|path| !said.contains(&**path)).take(MAX_FINDINGS);
        let tell = |path: std::borrow::Cow<'_, str>| {
            let message = format!(
                "{path} was in conflict and is now as one side has it: bring in what the other did, or commit with a message that names {path} and says why one side is enough"
            );
            finding(ONE_SIDED, message, Some(&path), None)
        };
        Ok(unsaid.map(tell).collect())
    }

    /// The changed files that hold conflicts, each with the lines on which one begins. They are read from the commit,
    /// a part at a time.
    async fn marked(
        &self,
        changes: Vec<Change>,
    ) -> Result<Vec<(Vec<u8>, Vec<u32>)>, WorkspaceError> {
        let files: Vec<_> = changes.into_iter().filter(|c| c.mode == Mode::File).collect();
        let objects: Vec<_> = files.iter().map(|file| &file.object).collect();
        let sizes = self.main.sizes(&objects).await?;
        let files = files.into_iter().zip(sizes).filter(|(_, size)| *size <= MAX_TEXT_BYTES);
        let (mut parts, mut filled) = (Vec::<Vec<Change>>::new(), 0_u64);
        for (file, size) in files {
            filled = filled.saturating_add(size);
            if let Some(part) = parts.last_mut().filter(|_| filled <= READ_BYTES) {
                part.push(file);
            } else {
                parts.push(vec![file]);
                filled = size;
            }
        }
        let mut marked = Vec::new();
        for part in parts {
            let objects: Vec<_> = part.iter().map(|file| &file.object).collect();
            let contents = self.main.blobs(&objects).await?;
            for (file, content) in part.iter().zip(contents) {
                // Reading from memory does not fail.
                let lines = conflicts(&content[..]).unwrap_or_default();
                if !lines.is_empty() {
                    marked.push((file.path.clone(), lines));
                }
            }
        }
        Ok(marked)
    }
}

/// What was found without what may be an example, and why a person has to look at that.
pub(crate) fn without_examples(
    found: Vec<Finding>,
    subject: &Subject<'_>,
) -> (Vec<Finding>, Vec<String>) {
    let (examples, findings): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|found| may_be_an_example(found, subject));
    let looked_at = |found: Finding| {
        format!("{}, unless that is an example: a person has to look at it", found.message)
    };
    (findings, examples.into_iter().map(looked_at).collect())
}

/// Whether conflict markers that were found may be an example of them: in prose and in what tests read, where the work
/// did not begin with a conflict.
fn may_be_an_example(found: &Finding, subject: &Subject<'_>) -> bool {
    let has_markers = found.code == CONFLICT_MARKER && found.line.is_some();
    has_markers && !subject.had_conflict && found.path.as_deref().is_some_and(may_show_conflicts)
}

/// Whether a file may be about conflicts.
fn may_show_conflicts(path: &str) -> bool {
    const PROSE: [&str; 7] = ["adoc", "markdown", "md", "mdx", "org", "rst", "txt"];
    const OF_TESTS: [&str; 9] = [
        "__tests__",
        "examples",
        "fixtures",
        "spec",
        "specs",
        "test",
        "testdata",
        "tests",
        "test-data",
    ];
    let is_prose = path.rsplit_once('.').is_some_and(|(_, ending)| PROSE.contains(&ending));
    is_prose || path.split('/').any(|name| OF_TESTS.contains(&name))
}

/// Sides of conflicts that are still beside their places.
fn left_sides(changes: &[Change]) -> impl Iterator<Item = Finding> {
    let left = changes.iter().filter(|change| !change.is_deleted());
    left.filter_map(|change| {
        let (path, place) = (String::from_utf8_lossy(&change.path), place_of(&change.path)?);
        let place = String::from_utf8_lossy(place);
        let message = format!(
            "{path} is one side of an unresolved conflict: put what is right at {place}, or leave nothing there, and remove {path}"
        );
        Some(finding(CONFLICT_MARKER, message, Some(&path), None))
    })
}

/// What is said of a link that leads out.
fn led_out(path: &[u8], leads: &Leads) -> Finding {
    let path = String::from_utf8_lossy(path);
    let message = match leads {
        Leads::Out(step) => format!(
            "the symbolic link {path} leads out of the repository, by way of {}: make it lead to a file of the repository, or remove it",
            String::from_utf8_lossy(step)
        ),
        _ => format!(
            "where the symbolic link {path} leads cannot be told: there are too many links, or their targets are too long"
        ),
    };
    finding(OUTSIDE_WORKSPACE, message, Some(&path), None)
}

pub(crate) fn finding(
    code: &str,
    message: String,
    path: Option<&str>,
    line: Option<u32>,
) -> Finding {
    Finding {
        code: code.to_owned(),
        message,
        path: path.map(ToOwned::to_owned),
        line,
        command: None,
        output: None,
    }
}
