//! The services of one repository: clones, git, checks, integration and pull requests, as the configuration has them.

use super::App;
use crate::{exit::usage, git, sandbox, way_out::ByRule};
use anyhow::Result;
use cyrus_config::SandboxSettings;
use cyrus_core::{CommandPolicy, Issue, SessionId, SessionStore, SystemClock};
use cyrus_orchestrator::Ports;
use cyrus_runtime::Tools;
use cyrus_sandbox::{AbsolutePath, HomeSeed, Launcher, Profile, WayOut, find_program};
use cyrus_workspace::{
    CheckEnvironment, CheckSettings, CommandValidator, DiffRules, ForgeEnvironment, GhForge, Git,
    GitEnvironment, GitIntegration, GitWorkspaces, Issues, Roots, WorkspaceSettings,
};
use std::{
    env,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

/// How long a check may take when it was detected.
const CHECK_TIMEOUT: Duration = Duration::from_mins(15);

/// What an untrusted program is launched for that belongs to no executor.
#[derive(Clone, Copy)]
enum Part {
    /// Setting a clone up, and tearing it down.
    SetUp,
    /// Checking a result.
    Checks,
}

/// The issues of sessions, for the variables that set-up scripts have.
struct IssuesOf(Arc<dyn SessionStore>);

#[async_trait::async_trait]
impl Issues for IssuesOf {
    async fn of(&self, session: &SessionId) -> Option<Issue> {
        self.0.snapshot(session).await.ok().map(|found| found.session.issue)
    }
}

impl App {
    /// What sessions in this repository are worked on with.
    pub(crate) async fn ports(&self, repository: &Path) -> Result<Ports> {
        let store = self.store().await?;
        let issues: Arc<dyn Issues> = Arc::new(IssuesOf(Arc::clone(&store)));
        Ok(Ports {
            store,
            workspaces: Arc::new(self.workspaces(repository, Some(Arc::clone(&issues)))?),
            integration: Arc::new(GitIntegration::new(self.roots()?, self.git(repository)?)),
            forge: self.forge().map(|forge| Arc::new(forge) as _),
            validator: Arc::new(self.validator(repository, Some(issues))?),
            clock: Arc::new(SystemClock::default()),
        })
    }

    /// Where pull requests are opened: GitHub, where its program is installed.
    fn forge(&self) -> Option<GhForge> {
        let program = find_program("gh", self.path.as_os_str())?;
        let environment = ForgeEnvironment::of_user(self.user_home(), |name| self.variable(name));
        Some(GhForge::new(self.launcher.clone(), program, environment))
    }

    /// Which commands are run in this repository, by their origin.
    pub(crate) fn command_policy(&self, repository: &Path) -> CommandPolicy {
        CommandPolicy { issue: self.repository(repository).acceptance() }
    }

    /// What checks results in this repository. `issues` knows what the variables of set-up scripts are about.
    pub(crate) fn validator(
        &self,
        repository: &Path,
        issues: Option<Arc<dyn Issues>>,
    ) -> Result<CommandValidator> {
        let configured = self.repository(repository);
        let rules = configured.diff_rules();
        let defaults = DiffRules::default();
        let rules = DiffRules {
            max_files: rules.max_changed_files.map(u64::from).or(defaults.max_files),
            max_lines: rules.max_changed_lines.map(u64::from).or(defaults.max_lines),
            protected_paths: rules.protected_paths,
        };
        let mut settings = self.workspace_settings(repository, issues)?;
        let timeout = &mut settings.environment.timeout;
        *timeout = configured.check_timeout().unwrap_or(*timeout);
        let checks = CheckSettings {
            configured: configured.checks(),
            policy: self.command_policy(repository),
            rules,
            carry: configured.carry(),
            junit: configured.junit(),
            failing_base: configured.failing_base(),
            flaky: configured.flaky(),
            definitions_of_results: configured.definitions_of_results(),
        };
        self.checking(repository, settings, checks)
    }

    /// The same with this script in the place of the configured set-up.
    pub(crate) fn validator_with_setup(
        &self,
        repository: &Path,
        script: Option<AbsolutePath>,
    ) -> Result<CommandValidator> {
        let configured = self.repository(repository);
        let mut settings = self.workspace_settings(repository, None)?;
        settings.global_setup = script.or(settings.global_setup);
        let checks = CheckSettings { configured: configured.checks(), ..CheckSettings::default() };
        self.checking(repository, settings, checks)
    }

    fn checking(
        &self,
        repository: &Path,
        settings: WorkspaceSettings,
        checks: CheckSettings,
    ) -> Result<CommandValidator> {
        let launcher = self.launching(repository, Part::Checks)?;
        let made = CommandValidator::new(self.roots()?, self.git(repository)?, settings, checks);
        Ok(made.launching_checks_with(launcher))
    }

    /// Where tasks get their clones. `issues` knows what the variables of set-up scripts are about.
    pub(crate) fn workspaces(
        &self,
        repository: &Path,
        issues: Option<Arc<dyn Issues>>,
    ) -> Result<GitWorkspaces> {
        let settings = self.workspace_settings(repository, issues)?;
        Ok(GitWorkspaces::new(self.roots()?, self.git(repository)?, settings))
    }

    fn workspace_settings(
        &self,
        repository: &Path,
        issues: Option<Arc<dyn Issues>>,
    ) -> Result<WorkspaceSettings> {
        let configured = self.repository(repository);
        let hooks = configured.hooks();
        let executors = configured.executors();
        let profiles = executors
            .iter()
            .map(|executor| sandbox::profile(&configured.executor_sandbox(&executor.name)))
            .collect::<Result<Vec<_>>>()?;
        let launcher = self.launching(repository, Part::SetUp)?;
        Ok(WorkspaceSettings {
            global_setup: hooks.setup.map(AbsolutePath::parse).transpose()?,
            global_teardown: hooks.teardown.map(AbsolutePath::parse).transpose()?,
            detects_setup: hooks.detect_setup,
            setup_time: hooks.setup_timeout,
            teardown_time: hooks.teardown_timeout,
            results: git::result_limits(&configured),
            setup_must_succeed: !hooks.continue_on_failure,
            issues,
            executors_have_views: profiles.iter().all(|profile| *profile != Profile::Off),
            turns: self.turns.clone(),
            ..WorkspaceSettings::new(launcher, self.check_environment()?)
        })
    }

    /// What launches programs of the repository that no executor launches.
    fn launching(&self, repository: &Path, part: Part) -> Result<Launcher> {
        let configured = self.repository(repository);
        let (access, key) = match part {
            Part::SetUp => (configured.network_access().setup, "network.setup"),
            Part::Checks => (configured.network_access().checks, "network.checks"),
        };
        let way_out = ByRule::access(&access, &self.tool_settings.hosts, key);
        self.confining(&configured.sandbox(), way_out)
    }

    /// What launches programs that are not trusted, into sandboxes as configured.
    pub(crate) fn confining(
        &self,
        settings: &SandboxSettings,
        way_out: Arc<dyn WayOut>,
    ) -> Result<Launcher> {
        let policy = sandbox::policy(settings, &self.surroundings()?)?;
        Ok(self.launcher.with_policy(policy.way_out(way_out)))
    }

    pub(super) fn surroundings(&self) -> Result<sandbox::Surroundings> {
        Ok(sandbox::Surroundings {
            private: self.private(),
            repositories: self.repositories_at_hand(),
            path: self.path.as_os_str().to_owned(),
            variables: self.check_environment()?.variables,
            caches: self.tool_settings.caches.clone(),
        })
    }

    /// The directories of the operator's and of Cyrus's own.
    fn private(&self) -> Vec<PathBuf> {
        let own = [self.home.as_path(), self.config.work_dir()].map(Path::to_owned).into_iter();
        own.chain(self.user_home.clone()).collect()
    }

    /// The repositories that are configured, and the one of the current directory.
    fn repositories_at_hand(&self) -> Vec<PathBuf> {
        let here = env::current_dir().unwrap_or_default();
        let here = here.ancestors().find(|directory| directory.join(".git").exists());
        self.config.repository_paths().chain(here).map(Path::to_owned).collect()
    }

    /// Where clones are, and what is known of them.
    pub(super) fn roots(&self) -> Result<Roots> {
        let state = AbsolutePath::parse(self.home.join("state"))?;
        let work = AbsolutePath::parse(self.config.work_dir())?;
        Roots::new(state, work, self.trash.clone()).map_err(|error| usage(error.to_string()))
    }

    pub(super) fn git(&self, repository: &Path) -> Result<Git> {
        let known = || self.git.lock().unwrap_or_else(PoisonError::into_inner);
        // `.` and its path are one.
        let place = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
        if let Some(git) = known().get(&place) {
            return Ok(git.clone());
        }
        let git = self.new_git(repository)?;
        known().insert(place, git.clone());
        Ok(git)
    }

    fn new_git(&self, repository: &Path) -> Result<Git> {
        let git = find_program("git", self.path.as_os_str())
            .ok_or_else(|| usage("git was not found: install it, and see that PATH names it"))?;
        let environment = GitEnvironment::of_user(self.user_home(), |name| self.variable(name));
        let settings = self.repository(repository).sandbox();
        let launcher =
            sandbox::bare(&self.launcher, &settings, self.private(), self.repositories_at_hand())?;
        Ok(Git::new(launcher, git, environment))
    }

    pub(super) fn check_environment(&self) -> Result<CheckEnvironment> {
        let shell = find_program("sh", self.path.as_os_str())
            .ok_or_else(|| usage("sh was not found on PATH: checks are run by it"))?;
        let home = self.user_home();
        let own = CheckEnvironment::of_user(
            shell,
            home.as_ref(),
            |name| self.variable(name),
            CHECK_TIMEOUT,
        );
        let settings = &self.tool_settings;
        let variables = settings.variables.iter().map(|(name, value)| (name.into(), value.into()));
        let files = settings.files.iter();
        let seed = files.fold(HomeSeed::default(), |seed, (path, text)| seed.file(*path, text));
        Ok(own.with(variables, seed))
    }

    /// What launched agents get of the operator's tools: the same as checks.
    pub(super) fn tools(&self) -> Result<Tools> {
        let CheckEnvironment { variables, seed, .. } = self.check_environment()?;
        Ok(Tools { variables, seed })
    }
}
