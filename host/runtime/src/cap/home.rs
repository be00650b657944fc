//! The home that a launched program gets: its own, with the granted files of the operator's.

use cyrus_sandbox::{AbsolutePath, HomeFile, HomePlace, PrivateHome, Returned};
use std::{
    fmt::Display,
    path::{Path, PathBuf},
};
use tempfile::{TempDir, TempPath};

/// What the host calls the owner of a home's files: the place of the grant in the configuration.
pub fn home_owner(executor: &str, grant: &str) -> String {
    format!("executors.{executor}.grants.process.{grant}")
}

/// Two directories for a launch without a workspace, gone when it is: what the program may write, and what only the
/// host does.
pub(crate) struct Scratch {
    pub(crate) work: TempDir,
    pub(crate) state: TempDir,
}

impl Scratch {
    pub(crate) fn make() -> std::io::Result<Self> {
        let make = || tempfile::Builder::new().prefix("cyrus-").tempdir();
        Ok(Self { work: make()?, state: make()? })
    }
}

/// A home for one launch.
pub(crate) struct Home {
    private: PrivateHome,
    /// Files that were made for this launch alone.
    made: Vec<TempPath>,
    /// Where the program works when there is no workspace; gone with this.
    _scratch: Option<Scratch>,
}

impl Home {
    /// Makes the home under `directory`, or goes on with the one that is there. What is known of it is kept under
    /// `record`, and `owner` is granted the files.
    pub(crate) async fn open(
        (directory, record): (&Path, &Path),
        owner: &str,
        user: &Path,
        files: &[PathBuf],
        scratch: Option<Scratch>,
    ) -> Result<Self, String> {
        let files = files.iter().map(HomeFile::parse).collect::<Result<Vec<_>, _>>();
        let files = files.map_err(|error| format!("homeFiles: {error}"))?;
        let place = HomePlace {
            directory: AbsolutePath::parse(directory).map_err(text)?,
            record: AbsolutePath::parse(record).map_err(text)?,
        };
        let owner = owner.to_owned();
        let user = AbsolutePath::parse(user).map_err(text)?;
        let open = move || PrivateHome::open(place, &owner, user, files);
        let private = tokio::task::spawn_blocking(open).await.map_err(text)?.map_err(text)?;
        Ok(Self { private, made: Vec::new(), _scratch: scratch })
    }

    /// Removes this file when the program is gone.
    pub(crate) fn keep(&mut self, file: TempPath) {
        self.made.push(file);
    }

    /// What the program's `HOME` is.
    pub(crate) fn path(&self) -> AbsolutePath {
        self.private.path()
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
        let record = directory.join("record");
        let home = directory.join("home");
        Home::open((&home, &record), "owner", user, &[PathBuf::from(file)], None).await
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
        assert_eq!(fs::read_to_string(user.path().join(".tool/login")).unwrap(), r#"{"token":2}"#);
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
