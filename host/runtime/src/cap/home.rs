//! The home that a launched program gets: its own, with the granted files of the operator's. Each grant of an executor
//! has one, and keeps it for as long as the workspace stays.

use crate::scratch::Scratch;
use cyrus_plugin::GrantedProgram;
use cyrus_sandbox::{AbsolutePath, HomeFile, HomePlace, PrivateHome, Returned};
use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

/// What the host calls the owner of a home's files: the place of the grant in the configuration.
pub fn home_owner(executor: &str, grant: &str) -> String {
    format!("executors.{executor}.grants.process.{grant}")
}

/// Where the homes of an execution's programs are made, and what is known of them.
pub(crate) fn home_place(homes: &Path, record: &Path) -> Result<HomePlace, String> {
    let absolute = |path: &Path| AbsolutePath::parse(path).map_err(text);
    Ok(HomePlace { directory: absolute(homes)?, record: absolute(record)? })
}

/// Where files of the operator's home are that programs of an executor have: the operator's own, and each program's
/// copy, whether or not it is launched now. What one was given in an earlier attempt can be anywhere by now.
pub(crate) fn login_files<'a>(
    place: &HomePlace,
    executor: &str,
    user: &Path,
    programs: impl Iterator<Item = &'a GrantedProgram>,
) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for program in programs {
        let owner = home_owner(executor, &program.grant);
        for file in program.home_files.iter().filter_map(|file| HomeFile::parse(file).ok()) {
            let own = user.join(file.as_path());
            files.push(own.canonicalize().unwrap_or(own));
            files.push(PrivateHome::copy_of(place, &owner, &file));
        }
    }
    files.sort();
    files.dedup();
    files
}

/// A home for one launch.
pub(crate) struct Home {
    private: PrivateHome,
    /// What was made for this launch alone; gone with this.
    scratch: Option<Scratch>,
}

impl Home {
    /// Makes the home of this owner, or goes on with the one that is there, and gives it these files.
    pub(crate) async fn open(
        place: HomePlace,
        owner: &str,
        user: &Path,
        files: &[PathBuf],
    ) -> Result<Self, String> {
        let files = files.iter().map(HomeFile::parse).collect::<Result<Vec<_>, _>>();
        let files = files.map_err(|error| format!("homeFiles: {error}"))?;
        let owner = owner.to_owned();
        let user = AbsolutePath::parse(user).map_err(text)?;
        let open = move || PrivateHome::open(&place, &owner, user, files);
        let private = tokio::task::spawn_blocking(open).await.map_err(text)?.map_err(text)?;
        Ok(Self { private, scratch: None })
    }

    /// Removes this when the program is gone.
    pub(crate) fn keep(&mut self, scratch: Scratch) {
        self.scratch = Some(scratch);
    }

    /// What the program's `HOME` is.
    pub(crate) fn path(&self) -> AbsolutePath {
        self.private.path()
    }

    /// What the program's `TMPDIR` is; `/tmp`, where the sandbox has a view.
    pub(crate) fn tmp(&self) -> AbsolutePath {
        self.private.tmp()
    }

    /// Brings what the program changed in the granted files back to the operator's: a login that it renewed is
    /// worth nothing anywhere else. To be called when the program is gone.
    pub(crate) async fn give_back(self) {
        let synced = tokio::task::spawn_blocking(move || (self.private.sync(), self)).await;
        match synced {
            Ok((Ok(files), _home)) => {
                for (file, how) in files {
                    let file = file.as_path().display();
                    match how {
                        Returned::Damaged => {
                            tracing::warn!("a program left {file} unfinished; yours is as it was");
                        }
                        Returned::Refused(why) => tracing::warn!(
                            "what a program made of {file} was not taken over, because {why}; yours is as it was"
                        ),
                        Returned::Unchanged | Returned::ToUser | Returned::ToProgram => {}
                    }
                }
            }
            Ok((Err(error), _home)) => {
                tracing::error!("what a program changed in its home did not reach yours: {error}");
            }
            Err(error) => tracing::error!("a program's home could not be looked at: {error}"),
        }
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    async fn open(directory: &Path, user: &Path, file: &str) -> Result<Home, String> {
        let place = home_place(&directory.join("home"), &directory.join("record")).unwrap();
        Home::open(place, "owner", user, &[PathBuf::from(file)]).await
    }

    #[tokio::test]
    async fn only_granted_files_are_there_and_a_renewed_login_comes_back() {
        let (user, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(user.path().join(".tool")).unwrap();
        fs::write(user.path().join(".tool/login"), r#"{"token":1}"#).unwrap();
        fs::write(user.path().join(".tool/other"), "hidden").unwrap();
        let home = open(state.path(), user.path(), ".tool/login").await.unwrap();
        let seen: Vec<_> = fs::read_dir(home.path().as_path().join(".tool")).unwrap().collect();
        assert_eq!(seen.len(), 1);
        let login = home.path().as_path().join(".tool/login");
        assert_eq!(fs::read_to_string(&login).unwrap(), r#"{"token":1}"#);
        fs::write(&login, r#"{"token":2}"#).unwrap();
        home.give_back().await;
        let own = fs::read_to_string(user.path().join(".tool/login")).unwrap();
        assert_eq!(own, r#"{"token":2}"#);
    }

    #[tokio::test]
    async fn a_granted_file_is_below_the_home() {
        let directory = tempfile::tempdir().unwrap();
        for bad in ["../x", "/etc/passwd", ".tool/../../x"] {
            let refused = open(directory.path(), directory.path(), bad).await;
            assert!(refused.is_err_and(|problem| problem.contains("homeFiles")), "{bad}");
        }
    }
}
