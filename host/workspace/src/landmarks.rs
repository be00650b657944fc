//! What tools tell versions and changes by: the tags of a repository, and where the branch that work starts from, and the
//! default one, are at `origin`, as far as is known here. Tools that work out a version (`git describe`) or what was
//! changed (`origin/main...HEAD`) fail without.
//!
//! They are written as files: what they point at is borrowed, and need not be there.

use crate::{error::io, git::Git, repository::Main};
use cyrus_core::WorkspaceError;
use std::{collections::BTreeSet, fs, path::Path};

/// The branches of `origin` as they were last fetched.
const ORIGIN: &str = "refs/remotes/origin";

/// The landmarks of one repository.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Landmarks {
    /// Lines of `packed-refs`.
    packed: String,
    /// The reference that `origin/HEAD` stands for.
    head: Option<String>,
}

impl Landmarks {
    /// Those of the main repository; `base` is the branch that work starts from.
    pub(crate) async fn of(
        git: &Git,
        main: &Main,
        base: Option<&str>,
    ) -> Result<Self, WorkspaceError> {
        let format = "--format=%(objectname) %(refname) %(symref)";
        let head = format!("{ORIGIN}/HEAD");
        let call = main.call(&["for-each-ref", format, "refs/tags", &head]).await?;
        let base = base.map(|base| format!("{ORIGIN}/{base}"));
        Ok(Self::read(&git.text(call.args(base)).await?))
    }

    /// Reads `<object> <reference> <reference that it stands for>`.
    fn read(listed: &str) -> Self {
        let (mut packed, mut head) = (BTreeSet::new(), None);
        for line in listed.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                [object, _, target] if target.starts_with(ORIGIN) => {
                    packed.insert(format!("{object} {target}\n"));
                    head = Some(target.to_owned());
                }
                [object, name, ""] | [object, name] => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_the_branches_of_origin_are_read() {
        let one = "1".repeat(40);
        let listed = format!(
            "{one} refs/remotes/origin/HEAD refs/remotes/origin/main\n{one} refs/remotes/origin/main \n{one} refs/tags/v1 "
        );
        let found = Landmarks::read(&listed);
        assert_eq!(found.packed, format!("{one} refs/remotes/origin/main\n{one} refs/tags/v1\n"));
        assert_eq!(found.head.as_deref(), Some("refs/remotes/origin/main"));
        assert_eq!(Landmarks::read(""), Landmarks::default());
    }
}
