//! What tools tell versions and changes by: the tags of a repository, where the branch that work starts from, and the
//! default one, are at `origin`, as far as is known here, and the usual default branch here. Tools that work out a version
//! (`git describe`) or what was changed (`origin/main...HEAD`, `main...HEAD`) fail without.
//!
//! They are written as files: what they point at is borrowed, and need not be there.

use crate::{error::io, git::Git, repository::Main};
use cyrus_core::WorkspaceError;
use cyrus_executor::Repository;
use std::{collections::BTreeSet, fs, path::Path};

/// The branches of `origin` as they were last fetched.
const ORIGIN: &str = "refs/remotes/origin";

/// Where branches are.
const HEADS: &str = "refs/heads/";

/// The branches that tools compare with where nothing else is configured.
const DEFAULTS: [&str; 4] = ["develop", "main", "master", "trunk"];

/// The landmarks of one repository.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Landmarks {
    /// Lines of `packed-refs`.
    packed: String,
    /// The reference that `origin/HEAD` stands for.
    head: Option<String>,
}

impl Landmarks {
    /// Those of the main repository, for work like this; `base` is the branch that it starts from.
    pub(crate) async fn of(
        git: &Git,
        main: &Main,
        repository: &Repository,
        base: Option<&str>,
    ) -> Result<Self, WorkspaceError> {
        let format = "--format=%(objectname) %(refname) %(symref)";
        let head = format!("{ORIGIN}/HEAD");
        let call = main.call(&["for-each-ref", format, "refs/tags", &head]).await?;
        let at_origin = base.map(|base| format!("{ORIGIN}/{base}"));
        let here = DEFAULTS.map(|name| format!("{HEADS}{name}"));
        let listed = git.text(call.args(at_origin).args(here)).await?;
        // Two of them may not be there at once, and these two are put there by themselves.
        let own = [Some(repository.work_branch.as_str()), base];
        Ok(Self::read(&listed, |name| {
            is_default(name) && own.iter().flatten().all(|own| !are_one_path(name, own))
        }))
    }

    /// Reads `<object> <reference> <reference that it stands for>`, with the branches here that are `wanted`.
    fn read(listed: &str, wanted: impl Fn(&str) -> bool) -> Self {
        let (mut packed, mut head) = (BTreeSet::new(), None);
        for line in listed.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                [object, _, target] if target.starts_with(ORIGIN) => {
                    packed.insert(format!("{object} {target}\n"));
                    head = Some(target.to_owned());
                }
                [object, name, ""] | [object, name]
                    if name.strip_prefix(HEADS).is_none_or(&wanted) =>
                {
                    packed.insert(format!("{object} {name}\n"));
                }
                _ => {}
            }
        }
        Self { packed: packed.into_iter().collect(), head }
    }

    /// Writes them into a repository that has no packed references yet.
    pub(crate) fn put(&self, git_dir: &Path) -> Result<(), WorkspaceError> {
        let write =
            |path: &Path, text: &str| fs::write(path, text).map_err(io("cannot write", path));
        if !self.packed.is_empty() {
            write(&git_dir.join("packed-refs"), &self.packed)?;
        }
        if let Some(target) = &self.head {
            let directory = git_dir.join(ORIGIN);
            fs::create_dir_all(&directory).map_err(io("cannot make", &directory))?;
            write(&directory.join("HEAD"), &format!("ref: {target}\n"))?;
        }
        Ok(())
    }
}

/// Whether a clone may have been given a branch of this name beside those of its work.
pub(crate) fn is_default(name: &str) -> bool {
    DEFAULTS.contains(&name)
}

/// Whether one of these names is the other, or a directory above it.
pub(crate) fn are_one_path(one: &str, other: &str) -> bool {
    let inside = |one: &str, other: &str| {
        one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    inside(one, other) || inside(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_the_branches_of_origin_are_read() {
        let one = "1".repeat(40);
        let listed = format!(
            "{one} refs/remotes/origin/HEAD refs/remotes/origin/main\n{one} refs/remotes/origin/main \n{one} refs/tags/v1 "
        );
        let found = Landmarks::read(&listed, |_| true);
        assert_eq!(found.packed, format!("{one} refs/remotes/origin/main\n{one} refs/tags/v1\n"));
        assert_eq!(found.head.as_deref(), Some("refs/remotes/origin/main"));
        assert_eq!(Landmarks::read("", |_| true), Landmarks::default());
    }
    #[test]
    fn of_the_branches_here_only_those_that_are_wanted_are_taken() {
        let one = "1".repeat(40);
        let listed =
            format!("{one} refs/heads/main \n{one} refs/heads/master \n{one} refs/tags/main ");
        let found = Landmarks::read(&listed, |name| name == "main");
        assert_eq!(found.packed, format!("{one} refs/heads/main\n{one} refs/tags/main\n"));
    }

    #[test]
    fn names_of_branches_exclude_each_other_like_paths() {
        for (one, other, expected) in [
            ("main", "main", true),
            ("main", "main/x", true),
            ("main/x", "main", true),
            ("main", "mainline", false),
            ("main", "x/main", false),
        ] {
            assert_eq!(are_one_path(one, other), expected, "{one} {other}");
        }
    }
}
