//! The operator's variables: those of this process, and those of `.env` in Cyrus's home where the process has none.

use anyhow::Result;
use cyrus_config::EnvFile;
use cyrus_plugin::ExecutorConfig;
use std::{env, ffi::OsString, path::Path, sync::Arc};

/// Looks variables up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(Arc<EnvFile>);

impl Variables {
    /// With the file in this home.
    pub(crate) fn load(home: &Path) -> Result<Self, cyrus_config::ConfigError> {
        EnvFile::load(home).map(|file| Self(Arc::new(file)))
    }

    /// The file's part.
    pub(crate) fn file(&self) -> &EnvFile {
        &self.0
    }

    /// The value as text; none where it is not text.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.os(name)?.into_string().ok()
    }

    /// The value.
    pub(crate) fn os(&self, name: &str) -> Option<OsString> {
        env::var_os(name).or_else(|| self.0.get(name).map(Into::into))
    }

    /// The variables of the file, with their values.
    pub(crate) fn of_file(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.names().filter_map(|name| Some((name, self.0.get(name)?)))
    }

    /// Gives an executor's programs what their grants let them have of these variables. Returns the names of those that
    /// they get.
    pub(crate) fn give(&self, config: &mut ExecutorConfig) -> Vec<String> {
        let mut given = Vec::new();
        for grant in config.grants.process.values_mut() {
            given.extend(grant.take(&|name| self.get(name)));
            grant.files.retain(|file| file.is_absolute() && file.exists());
        }
        given
    }
}
