//! The bundled Codegen plugin, as a component, against the simulated service.

use cyrus_executor::{
    ErrorKind, Event, Execution, ExecutionError, ExecutionHost, ExecutionRequest, HostError,
    MicroUsd, Outcome, Question, Repository, SpendVerdict, StopMode, StopResult, Task,
    TaskExecutor, TaskKind, Usage, WorkProduct,
};
use cyrus_plugin::{ExecutorConfig, HostMaximum, SecretGrant, SecretRef, discover};
use cyrus_runtime::{HostSecrets, PluginExecutor, Runtime, RuntimeOptions, Tools};
use cyrus_sandbox::Launcher;
use cyrus_simulate::{
    any_port,
    codegen::{Codegen, LogEntry, PullRequest, RunScript, Running, Script, Step},
};
use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

const TOKEN: &str = "sk-a-token-nobody-else-has";

/// The host's side of an execution: remembers the checkpoints. With `loses_the_run`, only the first: the second is lost
/// with the process.
#[derive(Default)]
struct Desk {
    checkpoints: Mutex<Vec<String>>,
    loses_the_run: bool,
}

impl ExecutionHost for Desk {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        let mut saved = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if self.loses_the_run && !saved.is_empty() {
            return async { Err(HostError::Failed("killed".to_owned())) }.boxed();
        }
        saved.push(token);
        async { Ok(()) }.boxed()
    }

    fn spend(&self, _: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        async { Ok(SpendVerdict::GoOn) }.boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, cyrus_executor::Answer> {
        let reason = format!("nobody expected {question:?}");
        async { cyrus_executor::Answer::Deny(reason) }.boxed()
    }
}

/// The service, and an executor that is configured for it.
struct Bench {
    service: Running,
    executor: PluginExecutor,
}

impl Bench {
    async fn new(script: Script) -> Self {
        let script = Script { token: Some(TOKEN.to_owned()), ..script };
        let service = Codegen::start(script, any_port()).await.expect("a service");
        let executor = executor(&service.base_url(), true).await;
        Self { service, executor }
    }

    async fn begin(&self, desk: &Arc<Desk>, resume: Option<String>) -> Execution {
        let request = ExecutionRequest { resume, ..request() };
        self.executor.execute_streaming(request, desk.clone()).await.expect("begun")
    }

    async fn run(&self, desk: &Arc<Desk>, resume: Option<String>) -> Ended {
        let Execution { mut events, outcome, handle } = self.begin(desk, resume).await;
        let reading = async {
            let mut seen = Vec::new();
            while let Some(event) = events.recv().await {
                seen.push(event);
            }
            seen
        };
        let (events, outcome) = tokio::join!(reading, outcome);
        drop(handle);
        Ended { events, outcome }
    }
}

struct Ended {
    events: Vec<Event>,
    outcome: Result<Outcome, ExecutionError>,
}

async fn executor(base_url: &str, granted: bool) -> PluginExecutor {
    let bundled = cyrus_plugin_bundle::bundled().iter().find(|plugin| plugin.name == "codegen");
    let bundled = bundled.expect("it is bundled");
    let plugin = cyrus_plugin::BundledPlugin {
        manifest: bundled.manifest.as_bytes(),
        component: bundled.component,
    };
    let found = discover(&[], &[plugin]);
    let path = OsString::from("/usr/bin:/bin");
    let launcher = Launcher::unsupervised();
    let runtime = Runtime::new(RuntimeOptions {
        scratch: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("launches"),
        cache: Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("codegen-cache")),
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
    let loaded = runtime.load(&found.plugins["codegen"]).await.expect("it keeps to the contract");
    let mut config = ExecutorConfig::new("codegen", "codegen");
    config.settings =
        json!({"orgId": "42", "baseUrl": base_url, "repoId": 1, "pollInterval": 0.01});
    let address = || base_url.parse().expect("a host pattern");
    config.grants.http = if granted { vec![address()] } else { Vec::new() };
    let token =
        SecretGrant { source: SecretRef::Value(TOKEN.to_owned()), audience: Some(vec![address()]) };
    config.grants.secrets = [("token".to_owned(), token)].into();
    runtime.executor(&loaded, config).await.expect("an executor")
}

fn request() -> ExecutionRequest {
    let task = Task {
        id: "task-1".parse().expect("an id"),
        kind: TaskKind::BUILDER,
        title: "Fix addition".to_owned(),
        prompt: "add(2, 2) gives 5.".to_owned(),
    };
    let repository = Repository {
        remote: None,
        base_branch: Some("main".to_owned()),
        base_commit: "0123abc".to_owned(),
        work_branch: "cyrus/7".to_owned(),
    };
    ExecutionRequest { repository: Some(repository), ..ExecutionRequest::new(task, "execution-1") }
}

/// A run that works for some looks, says something, and ends with a branch.
fn well_behaved() -> Script {
    let said = |kind: &str, text: &str| LogEntry {
        message_type: Some(kind.to_owned()),
        observation: Some(Value::from(text)),
        ..LogEntry::default()
    };
    let working = Step {
        polls: 3,
        logs: vec![said("PLAN_EVALUATION", "I look at add.")],
        ..Step::of("ACTIVE")
    };
    let ended = Step {
        logs: vec![said("FINAL_ANSWER", "It was the carry.")],
        result: Some("Fixed.".to_owned()),
        pull_request: Some(PullRequest {
            head_branch_name: Some("codegen/fix".to_owned()),
            ..PullRequest::default()
        }),
        ..Step::of("COMPLETE")
    };
    with(RunScript { steps: vec![working, ended], ..RunScript::default() })
}

/// A run that goes on until it is stopped.
fn endless(stoppable: bool) -> Script {
    with(RunScript { steps: vec![Step::of("ACTIVE")], stoppable, ..RunScript::default() })
}

fn with(run: RunScript) -> Script {
    Script { runs: vec![run], ..Script::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_becomes_a_branch_and_nobody_sees_the_token() {
    let bench = Bench::new(well_behaved()).await;
    let Ended { events, outcome } = bench.run(&Arc::default(), None).await;
    let Ok(Outcome::Completed(result)) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(result.summary, "Fixed.");
    let WorkProduct::Branch(branch) = &result.product else { panic!("{result:?}") };
    assert_eq!(branch.name, "codegen/fix");
    assert_eq!(result.usage.cost.map(|cost| cost.amount), Some(MicroUsd(1_000_000)));
    let said = events.iter().filter_map(|event| match event {
        Event::Message(text) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), ["I look at add.", "It was the carry."]);

    assert_eq!(bench.service.runs().await.len(), 1);
    for request in bench.service.requests() {
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
    }
    assert!(!format!("{events:?}{outcome:?}").contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_order_and_its_checkpoint_there_is_one_run() {
    let bench = Bench::new(well_behaved()).await;
    let desk = Arc::new(Desk { loses_the_run: true, ..Desk::default() });
    bench.run(&desk, None).await.outcome.expect_err("the checkpoint was lost");
    assert_eq!(bench.service.runs().await.len(), 1, "the order was carried out");
    let saved = desk.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).pop();

    let Ended { outcome, .. } = bench.run(&Arc::default(), saved).await;
    assert!(matches!(outcome, Ok(Outcome::Completed(_))), "{outcome:?}");
    assert_eq!(bench.service.runs().await.len(), 1, "and not once more");
}

async fn stop(stoppable: bool, mode: StopMode) -> (StopResult, Result<Outcome, ExecutionError>) {
    let bench = Bench::new(endless(stoppable)).await;
    let Execution { mut events, outcome, handle } = bench.begin(&Arc::default(), None).await;
    while !matches!(events.recv().await.expect("an event"), Event::Link(_)) {}
    let asked = Instant::now();
    let result = handle.stop(mode).await;
    let outcome = outcome.await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    (result, outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_the_run_as_far_as_the_service_lets_it() {
    for (stoppable, expected) in
        [(true, StopResult::Stopped), (false, StopResult::StillRunningRemotely)]
    {
        let (result, outcome) = stop(stoppable, StopMode::Cancel).await;
        assert_eq!(result, expected);
        let error = outcome.expect_err("stopped");
        assert_eq!((error.kind, error.host), (ErrorKind::Cancelled, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_run_is_left_running() {
    let (result, outcome) = stop(true, StopMode::Detach).await;
    assert_eq!(result, StopResult::StillRunningRemotely);
    assert!(matches!(outcome, Ok(Outcome::Suspended(_))), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_not_granted_is_denied() {
    let bench = Bench::new(well_behaved()).await;
    let denied = executor(&bench.service.base_url(), false).await;
    let error = denied.probe().await.expect_err("not granted");
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(bench.service.requests().is_empty());
    let health = bench.executor.probe().await.expect("granted");
    assert!(health.summary.contains("organization 42"), "{health:?}");
}
