//! A try of what a repository is set up and checked with, on its base commit: before anything is configured or paid for.

use crate::{
    detect::{self, broken::BrokenFile},
    executed::runs_no_tests,
    layout::TaskDir,
    listing,
    object::ObjectId,
    prepared::{self, Site},
    repository::Main,
    settings::WorkspaceSettings,
    setup::SetUpFailure,
    tree::Trees,
    validator::CommandValidator,
    workspaces::base_commit,
};
use cyrus_core::{
    Base, Check, CheckReport, Observer, SessionEvent, SessionId, WorkspaceError, WorkspaceSpec,
};
use std::time::SystemTime;

/// A command that a repository's files suggest, and the file that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// For a shell at the top of the repository.
    pub command: String,
    /// From the top.
    pub file: String,
}

/// What came of a check on the base commit.
#[derive(Clone, Debug)]
pub struct Tried {
    /// How it went.
    pub report: CheckReport,
    /// What it lacks, where its output names it.
    pub missing: Option<String>,
    /// Whether it passed without a test that is known to have run.
    pub proves_nothing: bool,
}

/// What came of a set-up and of checks on the base commit.
#[derive(Clone, Debug)]
pub struct Trial {
    /// How the set-up failed; the checks were tried all the same.
    pub set_up: Option<SetUpFailure>,
    /// In the order in which they were given.
    pub checks: Vec<Tried>,
}

/// The task of a trial.
pub(crate) const TRIAL: &str = "trial";

impl CommandValidator {
    /// What a fresh clone of the base commit needs to be set up with, by its lock files and manifests.
    pub async fn suggested_set_up(&self, base: &Base) -> Result<Vec<Suggestion>, WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        let listing = listing::read(&self.git, &main, &base_commit(base)?).await?;
        let found = detect::setup::set_up(&listing).into_iter();
        Ok(found.map(|found| Suggestion { command: found.command, file: found.file }).collect())
    }

    /// The files of the base commit that would say how it is set up and checked, and cannot be read.
    pub async fn broken_files(&self, base: &Base) -> Result<Vec<BrokenFile>, WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        let listing = listing::read(&self.git, &main, &base_commit(base)?).await?;
        Ok(detect::broken::broken(&listing))
    }

    /// The submodules of the base commit, which are empty in a clone.
    pub async fn submodules(&self, base: &Base) -> Result<Vec<String>, WorkspaceError> {
        let main = Main::open(&self.git, &base.path).await?;
        let modules = main.submodules(&base_commit(base)?).await?;
        Ok(modules.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect())
    }

    /// Runs the set-up and these checks once on the base commit, in a tree that is removed afterwards. The checks are run
    /// after a set-up that fails, too: they may do without.
    pub async fn try_on_base(
        &self,
        base: &Base,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<Trial, WorkspaceError> {
        let spec = WorkspaceSpec {
            session: SessionId::generate(SystemTime::now()),
            task: TRIAL.parse().map_err(|_| unnamed())?,
            token: 1,
            base: base.clone(),
            start: base.repository.base_commit.clone(),
        };
        let settings = WorkspaceSettings { setup_must_succeed: false, ..self.settings.clone() };
        let main = Main::open(&self.git, &base.path).await?;
        let user = self.git.user_in(&base.path).await?;
        let (commit, task) = (base_commit(base)?, TaskDir::of(&self.roots, &spec));
        let site = Site {
            git: &self.git,
            main: &main,
            spec: &spec,
            base: &commit,
            task: &task,
            settings: &settings,
            identity: &user.identity(),
            seen: prepared::seen(&settings, &task).await,
        };
        let trees =
            Trees { site, rules: &self.checks.rules, observer, installed: None, products: None };
        task.create()?;
        // Without this lock the next session removes it: see `Roots::remove_trials`.
        let _lock = self.roots.held(&spec.session)?;
        let tried = self.try_in(&trees, &commit, checks).await;
        let removed = task.remove();
        self.roots.remove_session(&spec.session)?;
        removed.and(tried)
    }

    async fn try_in(
        &self,
        trees: &Trees<'_>,
        commit: &ObjectId,
        checks: &[Check],
    ) -> Result<Trial, WorkspaceError> {
        let Trees { observer, .. } = trees;
        let set_up = trees.site.prepared().await?.and_then(|prepared| prepared.set_up.failure);
        let mut all = Vec::new();
        for check in checks {
            observer.on_event(SessionEvent::CheckStarted { check: check.clone() });
            let tree = trees.fresh(commit).await?;
            let (report, run) = self.run(&tree, check, None).await?;
            observer.on_event(report.clone().into());
            let ran = report.tests.is_some_and(|tests| tests.executed > 0);
            let proves_nothing = report.passed && !ran && !runs_no_tests(&check.command);
            all.push(Tried { report, missing: run.missing, proves_nothing });
        }
        Ok(Trial { set_up, checks: all })
    }
}

fn unnamed() -> WorkspaceError {
    WorkspaceError::Unacceptable("the trial has no name".to_owned())
}
