use crate::{RepositoryConfig, reader::At};
use cyrus_core::{Check, CommandOrigin, FailingBase, FlakyCheck};
use cyrus_executor::TaskKind;
use std::time::Duration;

/// How long a check may take when nothing is said of it.
const CHECK_TIMEOUT: Duration = Duration::from_mins(10);

/// The kind of a task that judges another's result, when nothing is said of it.
const REVIEWER: &str = "reviewer";

/// What a result may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiffRules {
    /// The most files; at least 1. `None` is any number.
    pub max_changed_files: Option<u32>,
    /// The most lines, those added and those removed together; at least 1. `None` is any number.
    pub max_changed_lines: Option<u32>,
    /// The paths that must stay as they are, from the top of the repository. `*` and `?` stand for what is within
    /// one name, a name `**` for any number of directories, and nothing else is special. Capital letters count.
    pub protected_paths: Vec<String>,
}

/// A second executor that judges results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Its name in the configuration.
    pub executor: String,
    /// The kind of the task it is given.
    pub kind: TaskKind,
}

/// The section `validation`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValidationSection {
    commands: Option<Vec<Command>>,
    timeout: Option<Duration>,
    max_changed_files: Option<u32>,
    max_changed_lines: Option<u32>,
    protected_paths: Option<Vec<String>>,
    acceptance: Option<bool>,
    carry: Option<Vec<String>>,
    junit: Option<Vec<String>>,
    review: Option<Reviewing>,
    failing_base: Option<FailingBase>,
    flaky: Option<FlakyCheck>,
    definitions_of_results: Option<bool>,
}

/// What is said of reviews.
#[derive(Clone, Debug)]
enum Reviewing {
    /// There is none, whatever is said for all.
    Off,
    By(Review),
}

/// One of `commands`.
#[derive(Clone, Debug)]
struct Command {
    text: String,
    timeout: Option<Duration>,
}

impl ValidationSection {
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        let commands = at.get("commands");
        let patterns = |key| {
            let list = at.get(key);
            list.is_present()
                .then(|| list.items().filter_map(|at| path_pattern(&at)).collect::<Vec<_>>())
        };
        let carry = at.get("carry");
        Self {
            commands: commands
                .is_present()
                .then(|| commands.items().filter_map(|at| Command::read(&at)).collect()),
            timeout: at.get("timeoutSeconds").seconds(),
            max_changed_files: at.get("maxChangedFiles").number(),
            max_changed_lines: at.get("maxChangedLines").number(),
            protected_paths: patterns("protectedPaths"),
            acceptance: at.get("acceptance").flag(),
            carry: carry
                .is_present()
                .then(|| carry.items().filter_map(|at| directory(&at)).collect()),
            junit: patterns("junit"),
            review: review(&at.get("review")),
            failing_base: failing_base(&at.get("failingBase")),
            flaky: flaky(&at.get("flaky")),
            definitions_of_results: definitions(&at.get("definitions")),
        }
    }

    /// The executor that is to judge results, where one is named here.
    pub(crate) fn reviewer(&self) -> Option<&str> {
        match self.review.as_ref()? {
            Reviewing::Off => None,
            Reviewing::By(review) => Some(&review.executor),
        }
    }
}

impl Command {
    fn read(at: &At<'_>) -> Option<Self> {
        let (text, timeout) = if at.is_text() {
            (at.text(), None)
        } else {
            at.object()?;
            (at.get("command").text(), at.get("timeoutSeconds").seconds())
        };
        let Some(text) = text else {
            at.wrong("has no command: write one as a text, or as {\"command\": \"…\", \"timeoutSeconds\": 600}");
            return None;
        };
        Some(Self { text: text.to_owned(), timeout })
    }
}

fn review(at: &At<'_>) -> Option<Reviewing> {
    if at.is_no() {
        return Some(Reviewing::Off);
    }
    at.object()?;
    let Some(executor) = at.get("executor").text() else {
        at.wrong("does not say who reviews: add \"executor\": \"claude\"");
        return None;
    };
    let kind = TaskKind::new(at.get("kind").text().unwrap_or(REVIEWER));
    Some(Reviewing::By(Review { executor: executor.to_owned(), kind }))
}

fn failing_base(at: &At<'_>) -> Option<FailingBase> {
    match at.text()? {
        "unverified" => Some(FailingBase::Unverified),
        "accept" => Some(FailingBase::Accept),
        "stop" => Some(FailingBase::Stop),
        "retry" => Some(FailingBase::Retry),
        other => {
            at.wrong(format!("{other:?} is none of unverified, accept, stop and retry"));
            None
        }
    }
}

fn flaky(at: &At<'_>) -> Option<FlakyCheck> {
    match at.text()? {
        "unverified" => Some(FlakyCheck::Unverified),
        "accept" => Some(FlakyCheck::Accept),
        "retry" => Some(FlakyCheck::Retry),
        other => {
            at.wrong(format!("{other:?} is none of unverified, accept and retry"));
            None
        }
    }
}

/// Whether results say what checks do.
fn definitions(at: &At<'_>) -> Option<bool> {
    match at.text()? {
        "base" => Some(false),
        "result" => Some(true),
        other => {
            at.wrong(format!("{other:?} is neither base nor result"));
            None
        }
    }
}

/// A directory of the repository, from its top.
fn directory(at: &At<'_>) -> Option<String> {
    let text = at.text()?;
    let text = text.strip_suffix('/').unwrap_or(text);
    let is_name =
        |name: &str| !matches!(name, "" | "." | "..") && !name.eq_ignore_ascii_case(".git");
    if text.split('/').all(is_name) && !text.contains(|c: char| c.is_control() || "*?".contains(c))
    {
        return Some(text.to_owned());
    }
    at.wrong(format!("{text:?} is no directory of the repository: write its path from the top, such as \"target\""));
    None
}

/// A pattern for paths. One that can match nothing would be taken for a protection, so it is refused.
fn path_pattern(at: &At<'_>) -> Option<String> {
    let text = at.text()?;
    let refused = if text.starts_with('/') {
        "begins at the top of the repository: leave out the first /"
    } else if text.ends_with('/') {
        "names a directory: add ** for everything in it"
    } else if text.contains(|c: char| "[]{}\\!".contains(c) || c.is_control()) {
        "may have * and ? and, as a whole name, **; there are no [ ], { }, ! and \\"
    } else if text.split('/').any(|name| matches!(name, "" | "." | "..")) {
        "has a name that no path has: leave out empty names, . and .."
    } else if text.split('/').any(|name| name.contains("**") && name != "**") {
        "has ** beside other letters: it stands for directories, and is a name of its own, as in **/*.lock"
    } else {
        return Some(text.to_owned());
    };
    at.wrong(format!("{text:?} {refused}"));
    None
}

impl RepositoryConfig<'_> {
    /// The checks that are configured. None: they are to be detected.
    pub fn checks(&self) -> Vec<Check> {
        let commands = self.find(|section| section.validation.commands.as_ref());
        let usual = self.check_timeout().unwrap_or(CHECK_TIMEOUT);
        let check = |command: &Command| Check {
            command: command.text.clone(),
            origin: CommandOrigin::Operator,
            timeout: command.timeout.unwrap_or(usual),
        };
        commands.into_iter().flatten().map(check).collect()
    }

    /// How long a check may take that nothing else is said of, where this is configured: one that was detected, or
    /// one that a plan or an issue names.
    pub fn check_timeout(&self) -> Option<Duration> {
        self.find(|section| section.validation.timeout.as_ref()).copied()
    }

    /// What a result may change.
    pub fn diff_rules(&self) -> DiffRules {
        let protected = self.find(|section| section.validation.protected_paths.as_ref());
        DiffRules {
            max_changed_files: self.find(|s| s.validation.max_changed_files.as_ref()).copied(),
            max_changed_lines: self.find(|s| s.validation.max_changed_lines.as_ref()).copied(),
            protected_paths: protected.cloned().unwrap_or_default(),
        }
    }

    /// The ignored directories that checks get from the executor's clone.
    pub fn carry(&self) -> Vec<String> {
        self.find(|section| section.validation.carry.as_ref()).cloned().unwrap_or_default()
    }

    /// Where checks write `JUnit` reports, as patterns of the form of [`DiffRules::protected_paths`].
    pub fn junit(&self) -> Vec<String> {
        self.find(|section| section.validation.junit.as_ref()).cloned().unwrap_or_default()
    }

    /// Whether what a check does is what the result says in `package.json`, makefiles and their like; else the base
    /// commit says it.
    pub fn definitions_of_results(&self) -> bool {
        self.find(|section| section.validation.definitions_of_results.as_ref())
            .copied()
            .unwrap_or_default()
    }

    /// What becomes of a result whose failed checks fail on the base commit too.
    pub fn failing_base(&self) -> FailingBase {
        self.find(|section| section.validation.failing_base.as_ref()).copied().unwrap_or_default()
    }

    /// What becomes of a result of which a check fails, and passes when it is run again.
    pub fn flaky(&self) -> FlakyCheck {
        self.find(|section| section.validation.flaky.as_ref()).copied().unwrap_or_default()
    }

    /// Whether commands that the issue names as acceptance criteria are run. They are the author's.
    pub fn acceptance(&self) -> bool {
        self.find(|section| section.validation.acceptance.as_ref()).copied().unwrap_or_default()
    }

    /// The second executor that judges results, where one is configured.
    pub fn review(&self) -> Option<Review> {
        match self.find(|section| section.validation.review.as_ref())? {
            Reviewing::Off => None,
            Reviewing::By(review) => Some(review.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Problems;
    use serde_json::json;

    #[test]
    fn what_is_carried_is_a_directory_of_the_repository() {
        for (text, is_good) in [
            ("target", true),
            ("web/.next/", true),
            ("", false),
            ("/target", false),
            ("../target", false),
            ("a/../b", false),
            (".git", false),
            ("sub/.GIT/x", false),
            ("tar*", false),
        ] {
            let problems = Problems::default();
            let read = directory(&At::root("p", &json!(text), &problems));
            assert_eq!(read.is_some(), is_good, "{text}");
        }
    }

    #[test]
    fn a_pattern_that_protects_nothing_is_refused() {
        for (pattern, is_good) in [
            ("Cargo.lock", true),
            (".github/**", true),
            ("**/*.lock", true),
            ("docs/a?c/*", true),
            ("**", true),
            ("/etc/passwd", false),
            ("docs/", false),
            ("./docs/**", false),
            ("../other/**", false),
            ("a//b", false),
            ("*.{rs,toml}", false),
            ("!keep", false),
            ("[ab].rs", false),
            ("src**", false),
            ("a\\b", false),
        ] {
            let problems = Problems::default();
            let read = path_pattern(&At::root("p", &json!(pattern), &problems));
            assert_eq!(read.is_some(), is_good, "{pattern}");
            assert_eq!(problems.into_inner().is_empty(), is_good, "{pattern}");
        }
    }
}
