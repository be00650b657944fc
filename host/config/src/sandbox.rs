use crate::{RepositoryConfig, config::Sources, hooks, reader::At};
use cyrus_sandbox::Profile;
use std::path::PathBuf;

/// What is said of the sandbox of launched programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxSettings {
    /// How much of it they get; nothing is said when `None`.
    pub profile: Option<Profile>,
    /// Paths that they may read besides the system's. Absolute when Cyrus's home is.
    pub read_only: Vec<PathBuf>,
    /// Paths that they may write besides their own. Absolute when Cyrus's home is.
    pub read_write: Vec<PathBuf>,
}

impl SandboxSettings {
    /// Reads the section `sandbox`. Upstream has one of this name, whose keys mean something else and are left alone.
    pub(crate) fn read(at: &At<'_>, sources: &Sources<'_>) -> Self {
        let profile = at.get("profile");
        Self {
            profile: profile.text().and_then(|word| match word.parse() {
                Ok(profile) => Some(profile),
                Err(unknown) => {
                    profile.wrong(unknown);
                    None
                }
            }),
            read_only: hooks::paths(&at.get("readOnly"), sources).unwrap_or_default(),
            read_write: hooks::paths(&at.get("readWrite"), sources).unwrap_or_default(),
        }
    }

    /// What says more, over this: its profile wins, and its paths are added.
    #[must_use]
    pub(crate) fn overlaid(mut self, over: &Self) -> Self {
        self.profile = over.profile.or(self.profile);
        self.read_only.extend(over.read_only.iter().cloned());
        self.read_write.extend(over.read_write.iter().cloned());
        self
    }
}

impl RepositoryConfig<'_> {
    /// The sandbox of checks and set-ups here: what is said for all, and over it what is said of the repository.
    pub fn sandbox(&self) -> SandboxSettings {
        let own = self.own_sandbox().cloned().unwrap_or_default();
        self.for_all().sandbox.clone().overlaid(&own)
    }

    /// The sandbox of the programs of this executor here: over that of the repository, what is said of the executor.
    pub fn executor_sandbox(&self, executor: &str) -> SandboxSettings {
        self.sandbox().overlaid(&self.entry(executor).sandbox)
    }
}
