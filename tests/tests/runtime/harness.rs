//! One small builder: an executor of the probe component, with these grants, settings and limits.

use cyrus_executor::{
    Event, Execution, ExecutionError, ExecutionHost, ExecutionRequest, ExecutionResult, Outcome,
    Task, TaskExecutor, TaskKind, Unattended,
};
use cyrus_plugin::{BundledPlugin, ExecutorConfig, ExecutorLimits, HostMaximum, discover};
use cyrus_runtime::{
    Compiler, Confine, ExecutorError, HostSecrets, LoadError, LogSink, Plugin, PluginExecutor,
    PluginLog, Runtime, RuntimeOptions, Tools,
};
use cyrus_sandbox::{AbsolutePath, Launcher};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// The component under test.
pub(crate) const PROBE: &[u8] = include_bytes!(env!("CYRUS_GUEST_PROBE"));

/// Its manifest: it asks for a lot, so that what it gets is a matter of grants.
pub(crate) const MANIFEST: &str = r#"
name = "probe"
version = "1.2.3"
contract = "0.1"
component = "probe.wasm"
placement = "local"

[requests]
http = ["*"]
workspace = "read-write"
ask = true

[requests.process]
cat = { program = "cat" }
echo = { program = "echo" }
sh = { program = "sh" }

[[requests.secrets]]
handle = "key"
audience = ["https://api.example.com"]
inject = { header = "authorization", prefix = "Bearer " }
optional = true
"#;

/// How long anything here may take before the test fails. Nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Builds an executor.
#[derive(Clone)]
pub(crate) struct Setup {
    config: ExecutorConfig,
    manifest: String,
    component: Vec<u8>,
    maximum: HostMaximum,
    home: PathBuf,
    cache: PathBuf,
    compiler: Compiler,
    logged: Arc<Mutex<Vec<PluginLog>>>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            config: ExecutorConfig::new("tested", "probe"),
            manifest: MANIFEST.to_owned(),
            component: PROBE.to_vec(),
            maximum: HostMaximum::default(),
            home: PathBuf::from("/nonexistent"),
            // Compiled once for all tests, and for the next run.
            cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"),
            compiler: cyrus_tests::compiler!(),
            logged: Arc::default(),
        }
    }

    pub(crate) fn grants(mut self, json: &str) -> Self {
        self.config.grants = serde_json::from_str(json).unwrap();
        self
    }

    pub(crate) fn settings(mut self, settings: Value) -> Self {
        self.config.settings = settings;
        self
    }

    pub(crate) fn limits(mut self, json: &str) -> Self {
        self.config.limits = serde_json::from_str::<ExecutorLimits>(json).unwrap();
        self
    }

    pub(crate) fn gateway(mut self, json: &str) -> Self {
        self.config.gateway = serde_json::from_str(json).unwrap();
        self
    }

    pub(crate) fn manifest(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.manifest = change(&self.manifest);
        self
    }

    pub(crate) fn component(mut self, bytes: &[u8]) -> Self {
        self.component = bytes.to_vec();
        self
    }

    pub(crate) fn maximum(mut self, maximum: HostMaximum) -> Self {
        self.maximum = maximum;
        self
    }

    /// Where what is compiled is kept.
    pub(crate) fn cache(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.cache);
        self
    }

    /// What compiles.
    pub(crate) fn compiler(mut self, program: &str) -> Self {
        self.compiler = Compiler::at(AbsolutePath::parse(program).unwrap());
        self
    }

    pub(crate) fn home(mut self, home: &Path) -> Self {
        home.clone_into(&mut self.home);
        self
    }

    fn runtime(&self) -> Runtime {
        let launcher = Launcher::unsupervised();
        let path = std::env::var_os("PATH").unwrap();
        let sink = Arc::clone(&self.logged);
        let log_sink: LogSink = Arc::new(move |line| sink.lock().unwrap().push(line));
        Runtime::new(RuntimeOptions {
            scratch: Path::new(env!("CARGO_TARGET_TMPDIR")).join("launches"),
            cache: Some(self.cache.clone()),
            compiler: self.compiler.clone(),
            secrets: Arc::new(HostSecrets::new(launcher.clone(), path.clone())),
            launcher,
            path,
            home: self.home.clone(),
            tools: Tools::default(),
            maximum: self.maximum.clone(),
            log_sink: Some(log_sink),
        })
        .unwrap()
    }

    pub(crate) async fn load(&self) -> Result<(Runtime, Plugin), LoadError> {
        let bundled = BundledPlugin {
            manifest: self.manifest.clone().leak().as_bytes(),
            component: self.component.clone().leak(),
        };
        let mut found = discover(&[], &[bundled]);
        assert!(found.broken.is_empty(), "{:?}", found.broken);
        let runtime = self.runtime();
        let plugin = runtime.load(&found.plugins.remove("probe").unwrap()).await?;
        Ok((runtime, plugin))
    }

    pub(crate) async fn try_build(self) -> Result<Tested, ExecutorError> {
        let (runtime, plugin) = self.load().await.unwrap();
        let executor = runtime.executor(&plugin, self.config).await?;
        Ok(Tested { executor, plugin, logged: self.logged, _runtime: runtime })
    }

    /// Builds it, and records the hosts that each launched program reaches.
    pub(crate) async fn build_recording_hosts(self) -> (Tested, Arc<Mutex<Vec<Vec<String>>>>) {
        let (runtime, plugin) = self.load().await.unwrap();
        let hosts: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let record = Arc::clone(&hosts);
        let confine: Confine = Arc::new(move |program| {
            record.lock().unwrap().push(program.hosts.iter().map(ToString::to_string).collect());
            Launcher::unsupervised()
        });
        let executor = runtime.executor_with(&plugin, self.config, confine).await.unwrap();
        (Tested { executor, plugin, logged: self.logged, _runtime: runtime }, hosts)
    }

    pub(crate) async fn build(self) -> Tested {
        self.try_build().await.unwrap()
    }
}

/// An executor of the probe.
#[derive(Debug)]
pub(crate) struct Tested {
    pub(crate) executor: PluginExecutor,
    pub(crate) plugin: Plugin,
    logged: Arc<Mutex<Vec<PluginLog>>>,
    _runtime: Runtime,
}

pub(crate) fn request(prompt: &str) -> ExecutionRequest {
    let task = Task {
        id: "t1".parse().unwrap(),
        kind: TaskKind::BUILDER,
        title: String::new(),
        prompt: prompt.to_owned(),
    };
    ExecutionRequest::new(task, "x1")
}

impl Tested {
    /// Begins a task.
    pub(crate) async fn begin(&self, prompt: &str) -> Execution {
        self.begin_with(request(prompt), Arc::new(Unattended)).await
    }

    pub(crate) async fn begin_with(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> Execution {
        self.executor.execute_streaming(request, host).await.unwrap()
    }

    /// Begins a task, and returns when the component is at work.
    pub(crate) async fn under_way(&self, prompt: &str) -> Execution {
        let mut execution = self.begin(prompt).await;
        begun(&mut execution).await;
        execution
    }

    pub(crate) async fn outcome(
        &self,
        request: ExecutionRequest,
    ) -> Result<Outcome, ExecutionError> {
        let work = self.executor.execute(request, Arc::new(Unattended));
        tokio::time::timeout(PATIENCE, work).await.expect("it ends")
    }

    /// Does a task, and gives what it ended with.
    pub(crate) async fn run(&self, prompt: &str) -> Result<ExecutionResult, ExecutionError> {
        match self.outcome(request(prompt)).await? {
            Outcome::Completed(result) => Ok(result),
            Outcome::Suspended(suspension) => panic!("{suspension:?}"),
        }
    }

    /// Does a task that succeeds, and gives its summary.
    pub(crate) async fn summary(&self, prompt: &str) -> String {
        self.run(prompt).await.unwrap().summary
    }

    /// Does a task that fails, and gives its error.
    pub(crate) async fn failure(&self, prompt: &str) -> ExecutionError {
        self.run(prompt).await.unwrap_err()
    }

    pub(crate) fn logged(&self) -> Vec<PluginLog> {
        self.logged.lock().unwrap().clone()
    }
}

/// Waits for the component's first event.
pub(crate) async fn begun(execution: &mut Execution) {
    let first = tokio::time::timeout(PATIENCE, execution.events.recv()).await.expect("it begins");
    assert!(matches!(first, Some(Event::Progress(_))), "{first:?}");
}

/// How an execution ends, within reason.
pub(crate) async fn end(execution: Execution) -> Result<Outcome, ExecutionError> {
    let Execution { outcome, mut events, handle } = execution;
    let drain = async { while events.recv_batch().await.is_some() {} };
    let (outcome, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(outcome, drain) })
        .await
        .expect("it ends");
    assert!(!handle.is_running());
    outcome
}
