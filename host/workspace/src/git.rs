//! Runs git so that nothing but git itself is run: see the crate's documentation for what that takes.

use crate::{
    asked::Asked,
    confinement::{Confinement, passed_limit},
    environment::GitEnvironment,
    error::{unreadable, with_advice},
    known::Known,
    updates::Updates,
    user::UserConfig,
};
use cyrus_core::WorkspaceError;
use cyrus_sandbox::{
    AbsolutePath, Child, Exit, Finished, Input, Launch, Launcher, Limits, Output, Profile,
    find_program,
};
use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::OnceCell;

/// Settings that every run has, over whatever a repository says.
const HARDENED: [(&str, &str); 24] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.askPass", ""),
    ("core.editor", "false"),
    ("core.pager", "cat"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    // Others may work on the same refs at the same time: sessions, processes, the user. In milliseconds.
    ("core.filesRefLockTimeout", "10000"),
    ("core.packedRefsTimeout", "10000"),
    ("commit.gpgSign", "false"),
    ("log.showSignature", "false"),
    ("protocol.allow", "never"),
    ("protocol.version", "2"),
    ("transfer.fsckObjects", "true"),
    ("fetch.fsckObjects", "true"),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("diff.ignoreSubmodules", "all"),
    // Larger files pass through git in pieces, and are compared as a whole.
    ("core.bigFileThreshold", "32m"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
];

/// Variables that every run has.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("LC_ALL", "C"),
];

/// What is kept of a program's standard output. Lists of a million files fit; more is an error.
const OUTPUT_BYTES: usize = 128 << 20;

/// How long git may take for what needs no network.
const LOCAL_TIME: Duration = Duration::from_mins(10);

/// The git program, and how it is launched. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Git(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    launcher: Launcher,
    program: AbsolutePath,
    environment: GitEnvironment,
    user: OnceCell<UserConfig>,
    version: OnceCell<Version>,
    known: Known,
    asked: Asked,
    updates: Updates,
}

/// The first two numbers of a release of git.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// Reads what `git version` prints: `git version 2.39.5 (Apple Git-154)`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().strip_prefix("git version ")?.split('.');
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Git {
    /// Runs `program` (git 2.33 or newer; 2.38 to merge) through `launcher`.
    pub fn new(launcher: Launcher, program: AbsolutePath, environment: GitEnvironment) -> Self {
        Self(Arc::new(Inner {
            launcher,
            program,
            environment,
            user: OnceCell::new(),
            version: OnceCell::new(),
            known: Known::default(),
            asked: Asked::default(),
            updates: Updates::default(),
        }))
    }

    /// Which git it is, asked once.
    pub(crate) async fn version(&self) -> Result<Version, WorkspaceError> {
        let ask = async || {
            let said = self.text(Call::new(Path::new("/"), &["version"])).await?;
            Version::parse(&said).ok_or_else(|| unreadable("version"))
        };
        self.0.version.get_or_try_init(ask).await.copied()
    }

    /// Whether what is confined is in a sandbox, and not only limited.
    pub(crate) fn is_sandboxing(&self) -> bool {
        self.0.launcher.sandbox(&self.0.program).profile() != Profile::Off
    }

    /// Whether the user has Git LFS.
    pub(crate) fn lfs_is_installed(&self) -> bool {
        find_program("git-lfs", &self.0.environment.path).is_some()
    }

    /// What the user's own configuration says, read once.
    pub(crate) async fn user(&self) -> Result<&UserConfig, WorkspaceError> {
        self.0.user.get_or_try_init(|| UserConfig::read(self)).await
    }

    /// What the user configured, as it is for one repository.
    pub(crate) async fn user_in(&self, repository: &Path) -> Result<UserConfig, WorkspaceError> {
        if let Some(user) = self.0.known.users.get(&repository.to_owned()) {
            return Ok(user);
        }
        let user = self.user().await?.with_repository(self, repository).await?;
        self.0.known.users.keep(repository.to_owned(), user.clone());
        Ok(user)
    }

    /// What was said before.
    pub(crate) fn known(&self) -> &Known {
        &self.0.known
    }

    /// Who answers without being started.
    pub(crate) fn asked(&self) -> &Asked {
        &self.0.asked
    }

    pub(crate) fn updates(&self) -> &Updates {
        &self.0.updates
    }

    pub(crate) fn environment(&self) -> &GitEnvironment {
        &self.0.environment
    }

    /// A run in the user's own repository, which the user may have declared safe although somebody else owns it.
    pub(crate) async fn in_main(
        &self,
        repository: &Path,
        args: &[&str],
    ) -> Result<Call, WorkspaceError> {
        let safe = &self.user().await?.safe_directories;
        let settings = safe.iter().map(|path| ("safe.directory".to_owned(), path.clone()));
        Ok(Call::new(repository, args).settings(settings))
    }

    /// Starts a git that is asked while it runs.
    pub(crate) async fn spawn(&self, call: Call) -> Result<Child, WorkspaceError> {
        let (command, path) = (call.command(), call.directory.clone());
        let io = |cause: String| WorkspaceError::Io {
            what: format!("cannot run `git {command}` in {}", path.display()),
            cause,
        };
        let launch = self.launch(call).map_err(io)?.stdin(Input::Pipe).stderr(Output::Null);
        self.0.launcher.spawn(launch).await.map_err(|error| io(error.to_string()))
    }

    /// Runs git to its end, whatever that is.
    pub(crate) async fn run(&self, call: Call) -> Result<Answer, WorkspaceError> {
        let (command, path) = (call.command(), call.directory.clone());
        let io = |cause: String| WorkspaceError::Io {
            what: format!("cannot run `git {command}` in {}", path.display()),
            cause,
        };
        let limits = Limits { head: OUTPUT_BYTES, tail: 0, ..Limits::within(call.time) };
        let confined =
            call.confinement.as_ref().map(|confined| confined.launcher(&self.0.launcher));
        let is_confined = confined.is_some();
        let launcher = confined.unwrap_or_else(|| self.0.launcher.clone());
        let launch = self.launch(call).map_err(io)?;
        let finished = launcher.run_to_end(launch, &limits).await;
        let finished = finished.map_err(|error| io(error.to_string()))?;
        if is_confined && let Some(error) = passed_limit(&command, &finished, limits.time.as_secs())
        {
            return Err(error);
        }
        let Finished { exit, stdout, stderr, timed_out, .. } = finished;
        if timed_out {
            return Err(io(format!("it took longer than {} s", limits.time.as_secs())));
        }
        if stdout.dropped() > 0 {
            return Err(io(format!("it printed more than {OUTPUT_BYTES} bytes")));
        }
        let code = match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => return Err(io(format!("signal {signal} ended it"))),
        };
        let mut stderr = stderr.text().trim().to_owned();
        stderr.truncate(stderr.floor_char_boundary(16 << 10));
        Ok(Answer { code, stdout: stdout.into_bytes(), stderr, command, path })
    }

    /// What git printed, when it succeeded.
    pub(crate) async fn output(&self, call: Call) -> Result<Vec<u8>, WorkspaceError> {
        let answer = self.run(call).await?;
        if answer.code == 0 { Ok(answer.stdout) } else { Err(answer.into_error()) }
    }

    /// The same, as text without the blanks around it.
    pub(crate) async fn text(&self, call: Call) -> Result<String, WorkspaceError> {
        let output = self.output(call).await?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// What git printed, or nothing when it says with code 1 that there is nothing.
    pub(crate) async fn maybe(&self, call: Call) -> Result<Option<String>, WorkspaceError> {
        let answer = self.run(call).await?;
        match answer.code {
            0 => Ok(Some(String::from_utf8_lossy(&answer.stdout).trim().to_owned())),
            1 => Ok(None),
            _ => Err(answer.into_error()),
        }
    }

    fn launch(&self, call: Call) -> Result<Launch, String> {
        let Inner { launcher, program, environment, .. } = &*self.0;
        let path = environment.path.as_os_str();
        let directory = AbsolutePath::parse(call.directory).map_err(|error| error.to_string())?;
        let home = call.home.as_deref().map(Path::as_os_str);
        let mut launch = Launch::trusted(program.clone(), directory, Some(path), home);
        if let Some(confinement) = call.confinement {
            launch = confinement.apply(launcher, program, launch)?;
        }
        for (name, value) in HARDENED {
            launch = launch.arg("-c").arg(format!("{name}={value}"));
        }
        // Through the environment, because arguments can be read by every user of the machine.
        launch = launch.env("GIT_CONFIG_COUNT", call.settings.len().to_string());
        for (index, (name, value)) in call.settings.into_iter().enumerate() {
            launch = launch
                .env(format!("GIT_CONFIG_KEY_{index}"), name)
                .env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        if !call.user_config {
            launch = launch.env("GIT_CONFIG_GLOBAL", "/dev/null");
        }
        Ok(launch
            .args(call.args)
            .envs(ENVIRONMENT)
            .env("GIT_ALLOW_PROTOCOL", call.protocol)
            .envs(call.env)
            .stdin(call.stdin.map_or(Input::Null, Input::Bytes)))
    }
}

/// One run of git.
pub(crate) struct Call {
    directory: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    settings: Vec<(String, String)>,
    stdin: Option<Vec<u8>>,
    protocol: &'static str,
    home: Option<PathBuf>,
    user_config: bool,
    time: Duration,
    confinement: Option<Confinement>,
}

impl Call {
    pub(crate) fn new(directory: &Path, args: &[&str]) -> Self {
        Self {
            directory: directory.to_owned(),
            args: args.iter().map(Into::into).collect(),
            env: Vec::new(),
            settings: Vec::new(),
            stdin: None,
            // Objects are moved between two directories of this machine; all else has to be asked for.
            protocol: "file",
            home: None,
            user_config: false,
            time: LOCAL_TIME,
            confinement: None,
        }
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn settings(mut self, settings: impl IntoIterator<Item = (String, String)>) -> Self {
        self.settings.extend(settings);
        self
    }

    pub(crate) fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// With the user's home and configuration, and the system's: for reading that configuration, and nothing else.
    pub(crate) fn reading_user_config(mut self, environment: &GitEnvironment) -> Self {
        self.home = environment.home.clone().map(Into::into);
        self.user_config = true;
        self.env.push(("GIT_CONFIG_NOSYSTEM".into(), "0".into()));
        self.env.extend(environment.configuration.iter().cloned());
        self
    }

    /// Over what did not come from this machine's user: in a sandbox, and with limits.
    pub(crate) fn confined(mut self, confinement: Confinement) -> Self {
        self.confinement = Some(confinement);
        self
    }

    /// With the network, this one protocol, and what ssh and credential helpers need.
    pub(crate) fn network(
        mut self,
        protocol: &'static str,
        environment: &GitEnvironment,
        time: Duration,
    ) -> Self {
        self.protocol = protocol;
        self.home = environment.home.clone().map(Into::into);
        self.time = time;
        self.env.extend(environment.network.iter().cloned());
        self
    }

    /// For messages: the command without its data.
    fn command(&self) -> String {
        let words = self.args.iter().take_while(|arg| !arg.as_encoded_bytes().contains(&b'\n'));
        words.map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// How a run ended.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    command: String,
    path: PathBuf,
}

impl Answer {
    pub(crate) fn into_error(self) -> WorkspaceError {
        let output =
            if self.stderr.is_empty() { format!("exit code {}", self.code) } else { self.stderr };
        WorkspaceError::Git { command: self.command, path: self.path, output: with_advice(output) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        for (text, version) in [
            ("git version 2.47.3\n", Version(2, 47)),
            ("git version 2.39.5 (Apple Git-154)", Version(2, 39)),
            ("git version 3.0.rc1", Version(3, 0)),
        ] {
            assert_eq!(Version::parse(text), Some(version));
        }
        assert_eq!(Version::parse("hub version 2.1"), None);
        assert!(Version(2, 9) < Version(2, 38) && Version(3, 0) > Version(2, 47));
    }
}
