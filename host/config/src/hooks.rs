use crate::{RepositoryConfig, config::Sources, reader::At};
use std::{path::PathBuf, time::Duration};

/// How long a set-up may take when nothing is said of it, as upstream.
const SETUP_TIMEOUT: Duration = Duration::from_mins(5);

/// How long a tear-down may take when nothing is said of it, as upstream.
const TEARDOWN_TIMEOUT: Duration = Duration::from_mins(2);

/// The operator's own scripts around a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Run in a clone that was just made, before the repository's own set-up. Absolute when Cyrus's home is.
    pub setup: Option<PathBuf>,
    /// Run in a clone before it is removed. Absolute when Cyrus's home is.
    pub teardown: Option<PathBuf>,
    /// Whether a session goes on although its set-up failed. Else it is paused before anything is paid for.
    pub continue_on_failure: bool,
    /// Whether what lock files say is a set-up is run where there is no other.
    pub detect_setup: bool,
    /// How long each set-up may take, the repository's own too.
    pub setup_timeout: Duration,
    /// How long each tear-down may take, the repository's own too.
    pub teardown_timeout: Duration,
}

/// The section `hooks`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HooksSection {
    pub(crate) setup: Option<PathBuf>,
    pub(crate) teardown: Option<PathBuf>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) continue_on_failure: Option<bool>,
    pub(crate) detect_setup: Option<bool>,
}

impl HooksSection {
    pub(crate) fn read(at: &At<'_>, sources: &Sources<'_>) -> Self {
        at.object();
        Self {
            setup: path(&at.get("setup"), sources),
            teardown: path(&at.get("teardown"), sources),
            timeout: at.get("timeoutSeconds").seconds(),
            continue_on_failure: at.get("continueOnFailure").flag(),
            detect_setup: at.get("detectSetup").flag(),
        }
    }
}

/// The file named here. `~` is the user's home, and what is relative is in Cyrus's.
pub(crate) fn path(at: &At<'_>, sources: &Sources<'_>) -> Option<PathBuf> {
    at.path(sources).map(|path| sources.home.join(path))
}

/// The file named here, or those listed here.
pub(crate) fn paths(at: &At<'_>, sources: &Sources<'_>) -> Option<Vec<PathBuf>> {
    if at.is_text() {
        return path(at, sources).map(|path| vec![path]);
    }
    at.is_present().then(|| at.items().filter_map(|item| path(&item, sources)).collect())
}

impl RepositoryConfig<'_> {
    /// The operator's own scripts around a workspace. Where no `hooks.setup` is, `global_setup_script` is it.
    pub fn hooks(&self) -> Hooks {
        let timeout = self.find(|section| section.hooks.timeout.as_ref()).copied();
        Hooks {
            setup: self.find(|section| section.hooks.setup.as_ref()).cloned(),
            teardown: self.find(|section| section.hooks.teardown.as_ref()).cloned(),
            continue_on_failure: self
                .find(|section| section.hooks.continue_on_failure.as_ref())
                .copied()
                .unwrap_or_default(),
            detect_setup: self
                .find(|section| section.hooks.detect_setup.as_ref())
                .copied()
                .unwrap_or(true),
            setup_timeout: timeout.unwrap_or(SETUP_TIMEOUT),
            teardown_timeout: timeout.unwrap_or(TEARDOWN_TIMEOUT),
        }
    }
}
