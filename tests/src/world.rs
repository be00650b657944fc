use crate::{Ended, Repository, Started};
use cyrus_simulate::{
    RecordedRequest, any_port,
    codegen::{self, Codegen},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::{process::Command, runtime::Runtime};

/// The organization of the simulated Codegen, and the only token it takes.
const ORGANIZATION: u64 = 42;
/// The token that [`World::codegen`] configures.
pub const TOKEN: &str = "sk-a-token-nobody-else-has";

/// A throw-away machine for `cyrus` to run on: a user with a home, a `PATH` with a directory of its own before the
/// real one, and nothing else in the environment.
#[derive(Debug)]
pub struct World {
    program: PathBuf,
    config: Value,
    environment: BTreeMap<OsString, OsString>,
    codegen: Option<codegen::Running>,
    runtime: Runtime,
    directory: TempDir,
}

impl World {
    /// A world with this command; see [`world!`](crate::world). What is compiled is kept in `scratch`, for all.
    pub fn new(program: &str, scratch: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("cyrus-test-").tempdir();
        let directory = directory.expect("a directory");
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let world = Self {
            program: PathBuf::from(program),
            config: json!({}),
            environment: BTreeMap::new(),
            codegen: None,
            runtime,
            directory,
        };
        let compiled = Path::new(scratch).join("command-cache");
        for path in [&world.home(), &world.path("bin"), &world.path("tmp"), &compiled] {
            fs::create_dir_all(path).expect("a directory");
        }
        symlink(compiled, world.home().join("cache")).expect("a link");
        world
    }

    /// A place in the world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The user's home.
    pub fn user(&self) -> PathBuf {
        self.path("user")
    }

    /// Cyrus's home: where it is when nobody says otherwise.
    pub fn home(&self) -> PathBuf {
        self.user().join(".cyrus")
    }

    /// Where programs work: where it is when nobody says otherwise.
    pub fn work(&self) -> PathBuf {
        self.user().join("cyrus-work")
    }

    /// The sessions that have something there.
    pub fn clones(&self) -> Vec<String> {
        let entries = fs::read_dir(self.work()).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        // What is for launches alone begins with a dot.
        names.filter(|name| !name.starts_with('.')).collect()
    }

    /// The repository that [`World::repository`] made.
    pub fn repo(&self) -> Repository {
        Repository::at(&self.path("repository"))
    }

    /// The sessions there are.
    pub fn sessions(&self) -> Vec<Value> {
        let listed = self.run(["session", "list", "--json"]).code(0).json();
        listed.as_array().expect("a list").clone()
    }

    /// The simulated Codegen.
    pub fn service(&self) -> &codegen::Running {
        self.codegen.as_ref().expect("World::codegen was called")
    }

    /// The runs that Codegen was asked for.
    pub fn runs(&self) -> Vec<codegen::Run> {
        self.runtime.block_on(self.service().runs())
    }

    /// Returns when Codegen has made so many runs, whether or not anybody heard of it.
    #[track_caller]
    pub fn wait_for_runs(&self, count: usize) {
        self.wait_for_requests(count, |request| request.path.ends_with("/agent/run"));
        let carried_out = async {
            // An order is recorded just before it is carried out.
            while self.service().runs().await.len() < count {
                tokio::task::yield_now().await;
            }
        };
        let waited = async { tokio::time::timeout(crate::PATIENCE, carried_out).await };
        self.runtime.block_on(waited).expect("the runs are made");
    }

    /// Returns when Codegen has had so many requests like this.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize, like: impl Fn(&RecordedRequest) -> bool) {
        let enough =
            |seen: &[RecordedRequest]| seen.iter().filter(|one| like(one)).count() >= count;
        let ready = self.service().wait_until(enough);
        let waited = async { tokio::time::timeout(crate::PATIENCE, ready).await };
        self.runtime.block_on(waited).expect("the requests come");
    }

    /// Makes a repository with these files, committed.
    #[must_use]
    pub fn repository(self, files: &[(&str, &str)]) -> Self {
        Repository::make(&self.path("repository")).commit(files);
        self
    }

    /// Lays this over the configuration there is, key by key.
    #[must_use]
    pub fn config(mut self, more: Value) -> Self {
        self.configure(more);
        self
    }

    /// The same, between two commands.
    pub fn configure(&mut self, more: Value) {
        lay_over(&mut self.config, more);
        let text = format!("{:#}\n", self.config);
        self.write_config(&text);
    }

    /// Writes a configuration as it is.
    pub fn write_config(&self, text: &str) {
        let file = self.home().join("config.json");
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }

    /// A variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.into(), value.as_ref().into());
        self
    }

    /// Leaves only these programs of the machine's on the `PATH`.
    #[must_use]
    pub fn with_only(self, programs: &[&str]) -> Self {
        let only = self.path("only");
        fs::create_dir(&only).expect("a directory");
        let path = std::env::var_os("PATH").expect("a PATH");
        for name in programs {
            let found = std::env::split_paths(&path).map(|directory| directory.join(name));
            let program = found.into_iter().find(|file| file.is_file()).expect("it is there");
            symlink(program, only.join(name)).expect("a link");
        }
        let path = std::env::join_paths([self.path("bin"), only]).expect("plain names");
        self.variable("PATH", path)
    }

    /// Installs a `claude`: the stand-in, with this script.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "JSON is written where it is passed")]
    pub fn stand_in(self, script: Value) -> Self {
        let file = self.path("claude.json");
        fs::write(&file, script.to_string()).expect("a file");
        let (file, program) = (file.display(), self.program.display());
        let line =
            format!("CLAUDE_STAND_IN_SCRIPT='{file}' exec '{program}' simulate claude -- \"$@\"");
        self.install("claude", &line);
        let (program, script) = (self.program.clone(), self.path("claude.json"));
        self.seen(&[&program, &script])
    }

    /// Lets launched programs read these.
    #[must_use]
    pub fn seen(self, paths: &[&Path]) -> Self {
        self.sandbox("readOnly", paths)
    }

    /// Lets launched programs write these.
    #[must_use]
    pub fn shared(self, paths: &[&Path]) -> Self {
        self.sandbox("readWrite", paths)
    }

    fn sandbox(self, key: &str, paths: &[&Path]) -> Self {
        let mut all = self.config["sandbox"][key].as_array().cloned().unwrap_or_default();
        for path in paths.iter().map(|path| json!(path)) {
            if !all.contains(&path) {
                all.push(path);
            }
        }
        self.config(json!({ "sandbox": { key: all } }))
    }

    /// Puts a shell script on the `PATH`.
    pub fn install(&self, name: &str, script: &str) {
        let file = self.path("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// Starts a Codegen with this script, and configures it. The repository gets a remote, which Codegen knows.
    #[must_use]
    pub fn codegen(mut self, script: Value) -> Self {
        let remote = self.path("origin.git");
        let _origin = self.repo().publish(&remote);
        let mut all = json!({
            "token": TOKEN,
            "organizations": [{ "id": ORGANIZATION, "repositories": [
                { "id": 1, "full_name": "acme/app", "remote": remote },
            ] }],
        });
        lay_over(&mut all, script);
        let script: codegen::Script = serde_json::from_value(all).expect("a script");
        let running = self.runtime.block_on(Codegen::start(script, any_port()));
        let running = running.expect("a service");
        let address = running.base_url();
        self.codegen = Some(running);
        self.config(json!({
            "codegen": { "orgId": ORGANIZATION, "apiToken": TOKEN, "baseUrl": address },
            "executors": { "codegen": { "settings": { "repoId": 1, "pollInterval": 0.02 } } },
        }))
    }

    /// Runs the command to its end.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ended {
        self.start(args).end()
    }

    /// Starts the command, in the repository if there is one.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Started {
        self.started(Command::new(&self.program), args)
    }

    /// The same, by a program that is given what to start after these arguments.
    #[track_caller]
    pub fn start_by<S: AsRef<OsStr>>(
        &self,
        (by, before): (&str, &[&str]),
        args: impl IntoIterator<Item = S>,
    ) -> Started {
        let mut command = Command::new(by);
        command.args(before).arg(&self.program);
        self.started(command, args)
    }

    fn started<S: AsRef<OsStr>>(
        &self,
        mut command: Command,
        args: impl IntoIterator<Item = S>,
    ) -> Started {
        let mut path = OsString::from(self.path("bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").expect("a PATH"));
        let repository = self.path("repository");
        let inside = if repository.exists() { &repository } else { self.directory.path() };
        command
            .args(args)
            .current_dir(inside)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.user())
            .env("TMPDIR", self.path("tmp"))
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Started::new(self.runtime.handle(), command)
    }
}

/// Objects are merged; everything else is replaced.
fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}
