//! Homes of Cyrus to read configurations in.

use cyrus_config::{BundledExecutor, CONFIG_FILE, Config, ConfigError, Sources};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};
use tempfile::TempDir;

const BUNDLED: [BundledExecutor<'static>; 2] = [
    BundledExecutor {
        name: "claude",
        json: r#"{"plugin": "claude", "settings": {"permissionMode": "acceptEdits"},
            "grants": {"process": {"claude": {"program": "claude"}}, "workspace": "read-write", "ask": true}}"#,
    },
    BundledExecutor {
        name: "codegen",
        json: r#"{"plugin": "codegen", "settings": {},
            "grants": {"http": ["https://api.codegen.com"], "secrets": {"token": {"env": "CODEGEN_API_TOKEN"}}}}"#,
    },
];

/// A home directory of Cyrus with this configuration.
pub(crate) struct Home(pub(crate) TempDir);

impl Home {
    pub(crate) fn with(text: impl AsRef<[u8]>) -> Self {
        let home = Self(TempDir::new().unwrap());
        fs::write(home.file(), text).unwrap();
        fs::set_permissions(home.file(), fs::Permissions::from_mode(0o600)).unwrap();
        home
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join(CONFIG_FILE)
    }

    pub(crate) fn load_with(&self, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let sources = Sources { home: self.0.path(), bundled: &BUNDLED, environment: &environment };
        Config::load(&sources)
    }

    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        self.load_with(&[("HOME", "/home/op")])
    }
}

pub(crate) fn loaded(text: &str) -> Config {
    Home::with(text).load().unwrap()
}

/// What is wrong with this configuration.
pub(crate) fn problems(text: &str) -> Vec<String> {
    match Home::with(text).load() {
        Err(ConfigError::Invalid { problems, .. }) => {
            problems.iter().map(ToString::to_string).collect()
        }
        other => panic!("expected problems, got {other:?}"),
    }
}

pub(crate) fn warnings(config: &Config) -> Vec<&str> {
    config.warnings().iter().map(|warning| warning.path.as_str()).collect()
}
