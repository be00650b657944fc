//! What any echo plugin has to do, in whichever language it is written: through the runtime, with a host that
//! remembers what it was told.

use cyrus_executor::{
    Access, Answer, Cost, CostSource, ErrorKind, Event, Execution, ExecutionError, ExecutionHost,
    ExecutionRequest, ExecutionResult, HostError, Outcome, Question, SpendVerdict, StopMode,
    StopResult, Task, TaskExecutor, TaskKind, Usage, WorkProduct, Workspace,
};
use cyrus_plugin::{ExecutorConfig, HostMaximum, discover};
use cyrus_runtime::{HostSecrets, Plugin, PluginExecutor, Runtime, RuntimeOptions, Tools};
use cyrus_sandbox::Launcher;
use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PROMPT: &str = "grüß Gott € 😀";

/// The host's side of an execution: remembers what it was told, and answers as it was set up to.
struct Desk {
    checkpoints: Mutex<Vec<String>>,
    spends: Mutex<Vec<Usage>>,
    questions: Mutex<Vec<Question>>,
    answer: Option<Answer>,
    verdict: SpendVerdict,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            checkpoints: Mutex::default(),
            spends: Mutex::default(),
            questions: Mutex::default(),
            answer: None,
            verdict: SpendVerdict::GoOn,
        }
    }
}

impl ExecutionHost for Desk {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        locked(&self.checkpoints).push(token);
        async { Ok(()) }.boxed()
    }

    fn spend(&self, usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        locked(&self.spends).push(usage);
        let verdict = self.verdict;
        async move { Ok(verdict) }.boxed()
    }

    /// Without an answer it waits for ever: the runtime has to break that.
    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        locked(&self.questions).push(question);
        match self.answer.clone() {
            Some(answer) => async move { answer }.boxed(),
            None => std::future::pending().boxed(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One at a time: a compiler has a time limit, and the others of one component find what the first has compiled.
static LOADING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Checks and compiles the plugin. What is compiled is kept where the command keeps it, so this is done once for both.
pub(crate) async fn load(directory: &Path) -> (Runtime, Plugin) {
    let _turn = LOADING.lock().await;
    let found = discover(&[directory.to_owned()], &[]);
    assert!(found.broken.is_empty(), "{:?}", found.broken);
    let plugin = found.plugins.values().next().expect("a plugin in that directory");
    let path = OsString::from("/usr/bin:/bin");
    let launcher = Launcher::unsupervised();
    let runtime = Runtime::new(RuntimeOptions {
        scratch: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("launches"),
        cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("command-cache/components")),
        compiler: cyrus_tests::compiler!(),
        secrets: Arc::new(HostSecrets::new(launcher.clone(), path.clone())),
        launcher,
        path,
        home: PathBuf::from("/nonexistent"),
        tools: Tools::default(),
        maximum: HostMaximum::default(),
        log_sink: None,
    });
    let runtime = runtime.expect("a runtime");
    let loaded = runtime.load(plugin).await.expect("it keeps to the contract");
    (runtime, loaded)
}

/// An executor of the plugin under test, and a workspace for it.
struct Bench {
    executor: PluginExecutor,
    workspace: TempDir,
}

impl Bench {
    /// With these settings, and everything granted that the plugin asks for.
    async fn new(plugin: &Path, settings: Value) -> Self {
        Self::granting(plugin, settings, Some(Access::ReadWrite)).await
    }

    async fn granting(directory: &Path, settings: Value, workspace: Option<Access>) -> Self {
        let (runtime, plugin) = load(directory).await;
        let name = plugin.manifest().name.as_str();
        let mut config = ExecutorConfig::new(name, name);
        config.settings = settings;
        config.grants.workspace = workspace;
        config.grants.ask = true;
        let executor = runtime.executor(&plugin, config).await.expect("an executor");
        Self { executor, workspace: tempfile::tempdir().expect("a directory") }
    }

    async fn begin(&self, desk: &Arc<Desk>) -> Execution {
        let task = Task {
            id: "task-1".parse().expect("an id"),
            kind: TaskKind::BUILDER,
            title: String::new(),
            prompt: PROMPT.to_owned(),
        };
        let mut request = ExecutionRequest::new(task, "execution-1");
        let root = self.workspace.path().join("tree");
        let home = self.workspace.path().join("home");
        fs::create_dir_all(&root).expect("a tree");
        fs::create_dir_all(&home).expect("a home");
        request.workspace = Some(Workspace::new(root, &home, home.join("record")));
        self.executor.execute_streaming(request, desk.clone()).await.expect("begun")
    }

    async fn run(&self, desk: &Arc<Desk>) -> (Vec<Event>, Result<Outcome, ExecutionError>) {
        let Execution { mut events, outcome, handle } = self.begin(desk).await;
        let reading = async {
            let mut seen = Vec::new();
            while let Some(event) = events.recv().await {
                seen.push(event);
            }
            seen
        };
        let (seen, outcome) = tokio::join!(reading, outcome);
        assert!(!handle.is_running());
        (seen, outcome)
    }

    fn file(&self) -> Option<String> {
        fs::read_to_string(self.workspace.path().join("tree/ECHO.md")).ok()
    }
}

fn completed(outcome: Result<Outcome, ExecutionError>) -> ExecutionResult {
    match outcome {
        Ok(Outcome::Completed(result)) => result,
        other => panic!("not completed: {other:?}"),
    }
}

pub(crate) async fn it_says_what_it_is(plugin: &Path) {
    let bench = Bench::new(plugin, json!({})).await;
    let descriptor = bench.executor.describe().await.expect("described");
    assert!(descriptor.name.ends_with("echo"), "{descriptor:?}");
    assert_eq!(descriptor.features, ["ask", "resume", "suspend"]);
    let schema = descriptor.settings_schema.expect("a schema");
    assert_eq!(schema["properties"]["pause_ms"]["type"], "integer");
    let health = bench.executor.probe().await.expect("healthy");
    assert_eq!(health.version.as_deref(), Some("0.1.0"));
}

pub(crate) async fn it_does_a_task(plugin: &Path) {
    let bench = Bench::new(plugin, json!({})).await;
    let desk = Arc::new(Desk::default());
    let (events, outcome) = bench.run(&desk).await;
    let result = completed(outcome);
    assert_eq!(result.product, WorkProduct::Workspace);
    assert_eq!(bench.file(), Some(format!("{PROMPT}\n")));
    let cost = Cost { amount: cyrus_executor::MicroUsd(0), source: CostSource::Reported };
    assert_eq!((result.usage.turns, &result.usage.cost), (Some(1), &Some(cost)));
    assert_eq!(*locked(&desk.checkpoints), ["begun execution-1"]);
    assert_eq!(*locked(&desk.spends), std::slice::from_ref(&result.usage));
    assert!(matches!(&events[0], Event::Progress(progress) if progress.message == "echoing"));
    assert_eq!(events[1], Event::Message(PROMPT.to_owned()));
    assert!(matches!(&events[2], Event::ToolUse(call) if call.input == json!({"path": "ECHO.md"})));
    assert!(matches!(&events[3], Event::ToolResult(done) if done.id == "write" && !done.is_error));
    assert_eq!(events[4], Event::Usage(result.usage));
    assert_eq!(events.len(), 5, "{events:?}");
}

pub(crate) async fn settings_that_make_no_sense_are_its_to_refuse(plugin: &Path) {
    let bench = Bench::new(plugin, json!({"ask": 7})).await;
    let error = bench.executor.describe().await.expect_err("refused");
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.contains("ask"), "{error}");
    let (_, outcome) = bench.run(&Arc::default()).await;
    assert_eq!(outcome.expect_err("refused").kind, ErrorKind::InvalidRequest);
}

pub(crate) async fn it_goes_on_after_a_suspension(plugin: &Path) {
    let bench = Bench::new(plugin, json!({"suspend_ms": 10})).await;
    let desk = Arc::new(Desk::default());
    let (events, outcome) = bench.run(&desk).await;
    assert_eq!(completed(outcome).product, WorkProduct::Workspace);
    assert_eq!(locked(&desk.checkpoints).last().map(String::as_str), Some("woken"));
    let begun = events.iter().filter(|e| matches!(e, Event::Progress(_))).count();
    assert_eq!(begun, 2, "an instance before, and one after");
}

pub(crate) async fn it_keeps_to_what_it_is_answered(plugin: &Path) {
    let bench = Bench::new(plugin, json!({"ask": true})).await;
    let deny = Desk { answer: Some(Answer::Deny("hands off".to_owned())), ..Desk::default() };
    let desk = Arc::new(deny);
    let (events, outcome) = bench.run(&desk).await;
    let result = completed(outcome);
    assert_eq!((result.product, bench.file()), (WorkProduct::Nothing, None));
    assert_eq!(result.denials[0].reason, "hands off");
    assert!(events.iter().any(|e| matches!(e, Event::Warning(w) if w.code == "permission-denied")));
    let question = locked(&desk.questions).remove(0);
    assert_eq!(question.input, json!({"path": "ECHO.md", "text": format!("{PROMPT}\n")}));

    let other = json!({"path": "ECHO.md", "text": "changed"});
    let modify = Desk { answer: Some(Answer::AllowModified(other)), ..Desk::default() };
    let (_, outcome) = bench.run(&Arc::new(modify)).await;
    assert!(completed(outcome).denials.is_empty());
    assert_eq!(bench.file().as_deref(), Some("changed"));
}

pub(crate) async fn a_stop_reaches_it_wherever_it_waits(plugin: &Path) {
    for settings in [json!({"pause_ms": 600_000}), json!({"ask": true})] {
        let bench = Bench::new(plugin, settings.clone()).await;
        let Execution { mut events, outcome, handle } = bench.begin(&Arc::default()).await;
        // The last event before the wait: what it is stopped in is the wait, not the way to it.
        while !matches!(events.recv().await.expect("an event"), Event::Message(_)) {}
        assert!(handle.is_running());
        let asked = Instant::now();
        assert_eq!(handle.stop(StopMode::Cancel).await, StopResult::Stopped, "{settings}");
        let error = outcome.await.expect_err("stopped");
        assert_eq!((error.kind, error.host), (ErrorKind::Cancelled, None), "by itself: {settings}");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert!(!handle.is_running());
    }
}

pub(crate) async fn how_it_ends_badly_is_told_with_what_it_used(plugin: &Path) {
    let bench = Bench::new(plugin, json!({})).await;
    let stop = Desk { verdict: SpendVerdict::Stop, ..Desk::default() };
    let error = bench.run(&Arc::new(stop)).await.1.expect_err("no money");
    assert_eq!(error.kind, ErrorKind::BudgetExceeded);
    assert_eq!(error.usage.and_then(|usage| usage.turns), Some(1));

    let bench = Bench::new(plugin, json!({"fail": true})).await;
    let error = bench.run(&Arc::default()).await.1.expect_err("it is told to");
    assert_eq!(error.kind, ErrorKind::Failed);
    assert_eq!(error.checkpoint.as_deref(), Some("woken"));
}

pub(crate) async fn what_is_not_granted_is_not_there(plugin: &Path) {
    for access in [None, Some(Access::ReadOnly)] {
        let bench = Bench::granting(plugin, json!({}), access).await;
        let (_, outcome) = bench.run(&Arc::default()).await;
        assert_eq!(completed(outcome).product, WorkProduct::Nothing, "{access:?}");
        assert_eq!(bench.file(), None);
    }
}
