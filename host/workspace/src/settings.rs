use crate::{admission::ResultLimits, environment::CheckEnvironment, prepared::Turns};
use async_trait::async_trait;
use cyrus_core::{Issue, SessionId};
use cyrus_sandbox::{AbsolutePath, Launcher};
use std::{sync::Arc, time::Duration};

/// How long a set-up may take, as upstream has it.
const SETUP_TIME: Duration = Duration::from_mins(5);

/// How long a tear-down may take, as upstream has it.
const TEARDOWN_TIME: Duration = Duration::from_mins(2);

/// Says which issue a session is about, for the variables that set-up and tear-down have.
#[async_trait]
pub trait Issues: Send + Sync {
    /// The session's issue, where it is known.
    async fn of(&self, session: &SessionId) -> Option<Issue>;
}

/// What [`GitWorkspaces`](crate::GitWorkspaces) does to a clone besides making and removing it.
#[derive(Clone)]
pub struct WorkspaceSettings {
    /// Launches set-up and tear-down, as programs that nobody trusts.
    pub launcher: Launcher,
    /// What they have of the user's surroundings: the same as checks.
    pub environment: CheckEnvironment,
    /// A script of the operator's own, run by the shell in every new clone before the repository's `cyrus-setup.sh`.
    pub global_setup: Option<AbsolutePath>,
    /// A script of the operator's own, run by the shell in every clone before it is removed, after the repository's
    /// `cyrus-teardown.sh`.
    pub global_teardown: Option<AbsolutePath>,
    /// Whether what lock files and manifests of the base commit say is a set-up is run where there is no other. That
    /// it fails is logged, and stops nothing.
    pub detects_setup: bool,
    /// How long each script of the set-up may take.
    pub setup_time: Duration,
    /// How long each script of the tear-down may take.
    pub teardown_time: Duration,
    /// Whether a task does not begin when its set-up fails. Upstream begins it; the failure is logged, and what was
    /// printed is in the file `set-up` of the clone's state.
    pub setup_must_succeed: bool,
    /// What a result may hold to be taken.
    pub results: ResultLimits,
    /// Where the variables `LINEAR_ISSUE_…` come from; without it there are none.
    pub issues: Option<Arc<dyn Issues>>,
    /// Whether each executor's programs have a view of files of their own, where the system gives one: then they find
    /// each clone of a session at the same path.
    pub executors_have_views: bool,
    /// Shared by all settings of a process, so that a set-up that several tasks need is run once.
    pub turns: Turns,
}

impl WorkspaceSettings {
    /// Upstream's time limits, no scripts of the operator's, the usual limits of results, and no issue.
    pub fn new(launcher: Launcher, environment: CheckEnvironment) -> Self {
        Self {
            launcher,
            environment,
            global_setup: None,
            global_teardown: None,
            detects_setup: false,
            setup_time: SETUP_TIME,
            teardown_time: TEARDOWN_TIME,
            setup_must_succeed: false,
            results: ResultLimits::default(),
            issues: None,
            executors_have_views: false,
            turns: Turns::default(),
        }
    }
}
