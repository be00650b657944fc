//! An empty repository of the host's own, one for each kind of object name, below the state root. Merges are worked out
//! in it, and pushes made from it, with the objects of the main repository: there is nothing else in it, so no
//! configuration, attributes or hooks but the host's count. It is made once and never written to again.

use crate::{
    error::io,
    git::{Call, Git},
    repository::Main,
};
use cyrus_core::WorkspaceError;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// See the module.
pub(crate) struct Neutral<'a> {
    main: &'a Main,
    directory: PathBuf,
    /// Who may use the objects that are made, as the main repository has it.
    shared: Option<String>,
}

impl<'a> Neutral<'a> {
    /// The one for this repository's kind, which is made when it is not there.
    pub(crate) async fn open(
        git: &Git,
        main: &'a Main,
        state: &Path,
    ) -> Result<Self, WorkspaceError> {
        let directory = state.join(format!(".git-{}", main.format));
        if !directory.is_dir() {
            let under_way = tempfile::Builder::new()
                .prefix(".new-")
                .tempdir_in(state)
                .map_err(io("cannot make a directory in", state))?;
            let new = under_way.path().join("git");
            let call = Call::new(state, &["init", "--quiet", "--template=", "--bare"])
                .arg(format!("--object-format={}", main.format))
                .arg(&new);
            git.output(call).await?;
            match fs::rename(&new, &directory) {
                // Somebody else was faster.
                Err(error) if !directory.is_dir() => {
                    return Err(io("cannot make", &directory)(error));
                }
                _ => {}
            }
        }
        let shared = main.setting("core.sharedRepository").await?;
        Ok(Self { main, directory, shared })
    }

    /// A run with the main repository's objects and the host's settings.
    pub(crate) fn call(&self, args: &[&str]) -> Call {
        let shared =
            self.shared.iter().map(|who| ("core.sharedRepository".to_owned(), who.clone()));
        let call = Call::new(&self.directory, args)
            .env("GIT_DIR", &self.directory)
            .env("GIT_OBJECT_DIRECTORY", &self.main.objects)
            .settings(shared);
        // Where the main repository's history was cut off.
        match self.main.shallow() {
            Some(file) => call.env("GIT_SHALLOW_FILE", file),
            None => call,
        }
    }
}
