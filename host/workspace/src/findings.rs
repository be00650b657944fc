//! Holds a result to the diff rules of [`crate::rules`].

use crate::{
    diff::{Change, Mode},
    error::{in_background, io},
    links::Leads,
    object::ObjectId,
    refs,
    repository::Main,
    rules::{
        CONFLICT_MARKER, DiffRules, EMPTY_DIFF, OUTSIDE_WORKSPACE, PROTECTED_PATH, TOO_LARGE,
        conflicts,
    },
    workspaces::{base_commit, commit},
};
use cyrus_core::{Subject, WorkspaceError};
use cyrus_executor::Finding;
use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::File,
    io::BufReader,
    os::unix::ffi::OsStrExt,
    path::Path,
};

/// How many findings of one kind are told: more help nobody.
const MAX_FINDINGS: usize = 50;

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
        let spec = &subject.workspace.spec;
        let (base, start) = (base_commit(&spec.base)?, commit(&spec.start)?);
        let result = commit(subject.commit)?;
        // Else the checks would say something of other files.
        if main.resolve(&refs::clone(spec)).await?.as_ref() != Some(&result) {
            let root = subject.workspace.workspace.root.display();
            let problem = format!("the clone {root} does not hold {result}: collect its result");
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
            return Ok(vec![finding(EMPTY_DIFF, message.to_owned(), None, None)]);
        }
        let mut found = self.size().await?;
        found.extend(self.protected().await?);
        found.extend(self.links().await?);
        found.extend(self.repositories(&changes).await?);
        found.extend(self.conflicts(changes).await?);
        Ok(found)
    }

    /// The bounds are for one result: what is merged is as large as its parts.
    async fn size(&self) -> Result<Vec<Finding>, WorkspaceError> {
        if self.merged {
            return Ok(Vec::new());
        }
        let stat = self.main.stat(&self.from, &self.result).await?;
        let lines = stat.insertions.saturating_add(stat.deletions);
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
        let root = self.subject.workspace.workspace.root.clone();
        let marked = in_background("look for conflicts", move || {
            let files = changes.into_iter().filter(|change| change.mode == Mode::File);
            let look = |file: Change| Ok(conflicts_in(&root, &file.path)?.map(|l| (file.path, l)));
            files.filter_map(|file| look(file).transpose()).collect::<Result<Vec<_>, _>>()
        });
        let mut found = Vec::new();
        for (path, lines) in marked.await?.into_iter().take(MAX_FINDINGS) {
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

/// The conflicts in a file of the workspace; `None` when there are none, or no plain file is there.
fn conflicts_in(root: &Path, path: &[u8]) -> Result<Option<Vec<u32>>, WorkspaceError> {
    let path = root.join(OsStr::from_bytes(path));
    let inside = path.canonicalize().is_ok_and(|real| {
        root.canonicalize().is_ok_and(|root| real.starts_with(root)) && real.is_file()
    });
    if !inside {
        return Ok(None);
    }
    let file = File::open(&path).map_err(io("cannot read", &path))?;
    let lines = conflicts(BufReader::new(file)).map_err(io("cannot read", &path))?;
    Ok((!lines.is_empty()).then_some(lines))
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
