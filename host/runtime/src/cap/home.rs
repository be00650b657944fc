//! The home that a launched program gets: its own, with the granted files of the operator's.

use cyrus_sandbox::{AbsolutePath, HomeFile, PrivateHome, Returned};
use std::{
    fmt::Display,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A home for one launch.
pub(crate) struct Home {
    private: PrivateHome,
    /// Where the program works when there is no workspace; gone with this.
    _scratch: Option<TempDir>,
}

impl Home {
    /// Makes the home under `directory`, or goes on with the one that is there.
    pub(crate) async fn open(
        directory: &Path,
        user: &Path,
        files: &[PathBuf],
        scratch: Option<TempDir>,
    ) -> Result<Self, String> {
        let files = files.iter().map(HomeFile::parse).collect::<Result<Vec<_>, _>>();
        let files = files.map_err(|error| format!("homeFiles: {error}"))?;
        let directory = AbsolutePath::parse(directory).map_err(text)?;
        let user = AbsolutePath::parse(user).map_err(text)?;
        let open = move || PrivateHome::open(directory, user, files);
        let private = tokio::task::spawn_blocking(open).await.map_err(text)?.map_err(text)?;
        Ok(Self { private, _scratch: scratch })
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
                for (file, _) in files.iter().filter(|(_, how)| *how == Returned::Damaged) {
                    let file = file.as_path().display();
                    tracing::warn!("{file} was left unfinished by a program; yours is as it was");
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
        Home::open(directory, user, &[PathBuf::from(file)], None).await
    }

    #[tokio::test]
    async fn only_granted_files_are_there_and_a_renewed_login_comes_back() {
        let (user, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(user.path().join(".tool")).unwrap();
        fs::write(user.path().join(".tool/login"), "old").unwrap();
        fs::write(user.path().join(".tool/other"), "hidden").unwrap();
        let home = open(state.path(), user.path(), ".tool/login").await.unwrap();
        let seen: Vec<_> = fs::read_dir(home.path().as_path().join(".tool")).unwrap().collect();
        assert_eq!(seen.len(), 1);
        let login = home.path().as_path().join(".tool/login");
        assert_eq!(fs::read_to_string(&login).unwrap(), "old");
        fs::write(&login, "renewed").unwrap();
        home.give_back().await;
        assert_eq!(fs::read_to_string(user.path().join(".tool/login")).unwrap(), "renewed");
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
