//! A copy of the repository in which controls are removed.

use crate::control::Control;
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A copy of the tracked files, with a build directory of its own: an interrupted run leaves no removed control in
/// the checkout.
pub(crate) struct Tree {
    root: PathBuf,
}

/// What came of removing a control.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The test fails without the control.
    Held,
    /// The test passes without the control.
    Missed,
    /// The test fails with the control in place.
    Broken,
    /// Without the control the test does not compile.
    Unbuildable,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held: its test fails without it",
            Self::Missed => "MISSED: its test passes without it",
            Self::Broken => "BROKEN: its test fails, or runs nothing, with the control in place",
            Self::Unbuildable => "UNBUILDABLE: the test does not compile without it",
        })
    }
}

impl Tree {
    /// Copies the tracked files of a checkout as they are in its working tree. What is there already and equal stays
    /// as it is, so that it is not compiled again.
    pub(crate) fn copy(checkout: &Path) -> Result<Self> {
        let root = checkout.join("target/mutations/tree");
        let listed =
            git(checkout, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        let files: Vec<_> = listed.split('\0').filter(|name| !name.is_empty()).collect();
        for name in &files {
            let Ok(content) = fs::read(checkout.join(name)) else { continue };
            put(&root.join(name), &content)?;
        }
        let tree = Self { root };
        tree.remove_others(&files)?;
        Ok(tree)
    }

    /// Removes what an earlier copy left and the checkout no longer has: a test file that is gone would still run.
    fn remove_others(&self, files: &[&str]) -> Result<()> {
        let mut directories = vec![self.root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    directories.push(path);
                } else if let Some(name) = path.strip_prefix(&self.root)?.to_str()
                    && files.binary_search(&name).is_err()
                    && !files.contains(&name)
                {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Removes a control, runs its test, and puts the control back.
    pub(crate) fn remove(&self, control: &Control) -> Result<Outcome> {
        let path = self.root.join(&control.file);
        let with = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let count = with.matches(&control.find).count();
        ensure!(count == 1, "{}: its text stands {count} times in {}", control.name, control.file);
        if !self.passes(control)? {
            return Ok(Outcome::Broken);
        }
        put(&path, with.replacen(&control.find, &control.replace, 1).as_bytes())?;
        let outcome = self.without(control);
        put(&path, with.as_bytes())?;
        outcome
    }

    /// What the test says with the control removed.
    fn without(&self, control: &Control) -> Result<Outcome> {
        if !self.builds(control)? {
            return Ok(Outcome::Unbuildable);
        }
        Ok(if self.passes(control)? { Outcome::Missed } else { Outcome::Held })
    }

    fn builds(&self, control: &Control) -> Result<bool> {
        let built = self.cargo(control).arg("--no-run").output().context("cargo")?;
        Ok(built.status.success())
    }

    /// Whether the test runs and passes.
    fn passes(&self, control: &Control) -> Result<bool> {
        let ran = self.cargo(control).output().context("cargo")?;
        let said = String::from_utf8_lossy(&ran.stdout);
        let passed = said
            .lines()
            .filter_map(|line| {
                line.strip_prefix("test result: ")?.split_once(" passed")?.0.rsplit(' ').next()
            })
            .filter_map(|count| count.parse::<u32>().ok())
            .sum::<u32>();
        Ok(ran.status.success() && passed > 0)
    }

    fn cargo(&self, control: &Control) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command
            .arg("test")
            .args(&control.test)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.root.with_file_name("build"))
            .env("CARGO_TERM_COLOR", "never")
            .stdin(Stdio::null());
        command
    }
}

/// Writes a file when it does not hold this content yet.
fn put(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    let parent = path.parent().context("a file in a directory")?;
    fs::create_dir_all(parent)?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// A number that depends on the commit: what a sample begins with.
pub(crate) fn commit_number(root: &Path) -> Result<usize> {
    let commit = git(root, &["rev-parse", "--short=7", "HEAD"])?;
    usize::from_str_radix(commit.trim(), 16).context("the commit's name")
}

fn git(root: &Path, args: &[&str]) -> Result<String> {
    let ran = Command::new("git").args(args).current_dir(root).output().context("git")?;
    if !ran.status.success() {
        bail!("git {}: {}", args.join(" "), String::from_utf8_lossy(&ran.stderr).trim());
    }
    Ok(String::from_utf8(ran.stdout)?)
}
