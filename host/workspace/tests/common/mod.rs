//! Real repositories in directories that go away.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod trap;

use cyrus_core::{
    Base, Check, Collected, CommandOrigin, Integration, PreparedWorkspace, SessionEvent, Subject,
    ValidationReport, Validator, WorkspaceError, WorkspaceSpec, Workspaces,
};
use cyrus_executor::WorkProduct;
use cyrus_sandbox::{AbsolutePath, HomeSeed, Launcher, find_program};
use cyrus_workspace::{
    CheckEnvironment, CheckSettings, CommandValidator, Git, GitEnvironment, GitIntegration,
    GitWorkspaces, Roots, Trash, WorkspaceSettings,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

/// How long a check, a set-up or a tear-down may take.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// A directory with a repository (`main`, on the branch `main`, one commit), a home with the user's git
/// configuration, and a place for sessions.
pub struct World {
    directory: tempfile::TempDir,
    pub git: Git,
    pub workspaces: GitWorkspaces,
    pub integration: GitIntegration,
    pub roots: Roots,
}

pub fn absolute(path: impl Into<PathBuf>) -> AbsolutePath {
    AbsolutePath::parse(path).unwrap()
}

/// What checks are run with.
pub fn checks() -> CheckEnvironment {
    let path = std::env::var_os("PATH").unwrap();
    CheckEnvironment {
        shell: absolute("/bin/sh"),
        variables: vec![("PATH".into(), path), ("TOOL".into(), "t".into())],
        seed: HomeSeed::default(),
        timeout: TIMEOUT,
    }
}

/// Where clones are, and what the host keeps of them.
pub fn roots(place: &Path) -> Roots {
    let (state, work) = (absolute(place.join("cyrus/state")), absolute(place.join("work")));
    Roots::new(state, work, Trash::default()).unwrap()
}

pub fn settings() -> WorkspaceSettings {
    WorkspaceSettings::new(Launcher::unsupervised(), checks())
}

/// A result that has to change something.
pub fn subject<'a>(workspace: &'a PreparedWorkspace, collected: &'a Collected) -> Subject<'a> {
    Subject {
        spec: &workspace.spec,
        commit: &collected.commit,
        must_change: true,
        had_conflict: false,
        notes: &collected.notes,
    }
}

/// What these files make of this base, by one check of the operator's; with what was heard meanwhile.
pub async fn validated(
    base: &[(&str, &str)],
    files: &[(&str, &str)],
    command: &str,
) -> (ValidationReport, Vec<SessionEvent>) {
    let world = World::new();
    world.commit("main", base);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, files);
    let collected = world.collect(&prepared).await;
    let (origin, timeout) = (CommandOrigin::Operator, TIMEOUT);
    let check = Check { command: command.to_owned(), origin, timeout };
    let (roots, git) = (world.roots.clone(), world.git.clone());
    let validator = CommandValidator::new(roots, git, settings(), CheckSettings::default());
    let heard = Mutex::new(Vec::new());
    let observer = |event| heard.lock().unwrap().push(event);
    let report = validator.validate(&subject(&prepared, &collected), &[check], &observer).await;
    (report.unwrap(), heard.into_inner().unwrap())
}

/// A clone of the first task that starts from the base.
pub fn spec(session: &str, base: Base) -> WorkspaceSpec {
    let start = base.repository.base_commit.clone();
    let (session, task) = (session.parse().unwrap(), "t1".parse().unwrap());
    WorkspaceSpec { session, task, token: 1, base, start }
}

impl World {
    pub fn new() -> Self {
        let world = Self::empty();
        world.run("main", &["commit", "--quiet", "--allow-empty", "-m", "root"]);
        world.commit("main", &[("README.md", "hello\n"), ("src/lib.rs", "one\ntwo\nthree\n")]);
        world
    }

    /// Without a commit.
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let program = find_program("git", &path).expect("git is installed");
        let home = directory.path().join("user-home");
        fs::create_dir(&home).unwrap();
        fs::write(home.join(".gitconfig"), "[user]\nname = Ada\nemail = ada@example.com\n")
            .unwrap();
        let environment =
            GitEnvironment { path, home: Some(absolute(home)), ..GitEnvironment::default() };
        let git = Git::new(Launcher::unsupervised(), program, environment);
        let roots = roots(&directory.path().canonicalize().unwrap());
        let workspaces = GitWorkspaces::new(roots.clone(), git.clone(), settings());
        let integration = GitIntegration::new(roots.clone(), git.clone());
        let world = Self { directory, git, workspaces, integration, roots };
        fs::create_dir(world.path("main")).unwrap();
        world.run("main", &["init", "--quiet", "--initial-branch=main", "."]);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    /// What git prints in one of the directories, run as the user would.
    pub fn run(&self, place: impl AsRef<Path>, args: &[&str]) -> String {
        let (output, ok) = self.attempt(place, args);
        assert!(ok, "git {args:?}: {output}");
        output
    }

    pub fn attempt(&self, place: impl AsRef<Path>, args: &[&str]) -> (String, bool) {
        self.attempt_with(place, args, &[])
    }

    /// The same with other variables.
    pub fn attempt_with(
        &self,
        place: impl AsRef<Path>,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> (String, bool) {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.directory.path().join(place))
            .env("HOME", self.path("user-home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ALLOW_PROTOCOL", "file")
            .env_remove("XDG_CONFIG_HOME")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            (text(&output.stdout), true)
        } else {
            (text(&output.stderr), false)
        }
    }

    pub fn write(&self, place: impl AsRef<Path>, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = self.directory.path().join(&place).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    /// Writes files and commits them all; gives the commit.
    pub fn commit(&self, place: impl AsRef<Path>, files: &[(&str, &str)]) -> String {
        self.write(&place, files);
        self.run(&place, &["add", "--all"]);
        self.run(&place, &["commit", "--quiet", "-m", "work"]);
        self.run(&place, &["rev-parse", "HEAD"])
    }

    pub async fn base(&self) -> Base {
        self.workspaces.base(&self.path("main"), "cyrus/s-one").await.unwrap()
    }

    pub async fn prepare(&self) -> PreparedWorkspace {
        self.prepare_as("s-one").await
    }

    pub async fn prepare_as(&self, session: &str) -> PreparedWorkspace {
        let branch = format!("cyrus/{session}");
        let base = self.workspaces.base(&self.path("main"), &branch).await.unwrap();
        self.workspaces.prepare(&spec(session, base)).await.unwrap()
    }

    /// Makes a result visible on its session's branch.
    pub async fn publish(
        &self,
        workspace: &PreparedWorkspace,
        collected: &Collected,
    ) -> Result<String, WorkspaceError> {
        let WorkspaceSpec { base, session, .. } = &workspace.spec;
        self.integration.publish(base, session, &collected.commit).await
    }

    /// The same world with other settings.
    pub fn with(self, settings: WorkspaceSettings) -> Self {
        let workspaces = GitWorkspaces::new(self.roots.clone(), self.git.clone(), settings);
        Self { workspaces, ..self }
    }

    pub async fn collect(&self, workspace: &PreparedWorkspace) -> Collected {
        self.try_collect(workspace).await.unwrap()
    }

    pub async fn try_collect(
        &self,
        workspace: &PreparedWorkspace,
    ) -> Result<Collected, WorkspaceError> {
        self.workspaces.collect(workspace, &WorkProduct::Workspace, "Do the task\n").await
    }

    /// The names of the files of a commit in the main repository.
    pub fn files(&self, commit: &str) -> Vec<String> {
        let list = self.run("main", &["ls-tree", "-r", "-z", "--name-only", commit]);
        list.split('\0').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
    }

    pub fn content(&self, commit: &str, file: &str) -> String {
        self.run("main", &["show", &format!("{commit}:{file}")])
    }
}
