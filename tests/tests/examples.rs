//! The executors of `sdk/examples` that stand for kinds of agents, as components: one that holds the agent's loop
//! itself and speaks HTTP, one that drives a program over JSON-RPC.

use cyrus_executor::{
    Access, Answer, ErrorKind, Event, Execution, ExecutionError, ExecutionHost, ExecutionRequest,
    ExecutionResult, HostError, Outcome, Question, SpendVerdict, StopMode, StopResult, Task,
    TaskExecutor, TaskKind, Usage, WorkProduct, Workspace,
};
use cyrus_plugin::{
    BundledPlugin, ExecutorConfig, Grants, HostMaximum, ProcessGrant, SecretGrant, SecretRef,
    discover,
};
use cyrus_runtime::{HostSecrets, PluginExecutor, Runtime, RuntimeOptions, Tools};
use cyrus_sandbox::Launcher;
use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const ACP: BundledPlugin = BundledPlugin {
    manifest: include_bytes!("../../sdk/examples/acp/plugin.toml"),
    component: include_bytes!(env!("CYRUS_EXAMPLE_ACP")),
};

const OPENAI: BundledPlugin = BundledPlugin {
    manifest: include_bytes!("../../sdk/examples/openai/plugin.toml"),
    component: include_bytes!(env!("CYRUS_EXAMPLE_OPENAI")),
};

/// Allows what it is asked, and remembers it.
#[derive(Default)]
struct Desk {
    questions: Mutex<Vec<Question>>,
    checkpoints: Mutex<Vec<String>>,
}

impl ExecutionHost for Desk {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        self.checkpoints.lock().expect("no panic").push(token);
        async { Ok(()) }.boxed()
    }

    fn spend(&self, _: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        async { Ok(SpendVerdict::GoOn) }.boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        self.questions.lock().expect("no panic").push(question);
        async { Answer::Allow }.boxed()
    }
}

struct Bench {
    executor: PluginExecutor,
    directory: TempDir,
}

impl Bench {
    async fn new(plugin: BundledPlugin, settings: Value, grants: Grants) -> Self {
        let found = discover(&[], &[plugin]);
        assert!(found.broken.is_empty(), "{:?}", found.broken);
        let (name, plugin) = found.plugins.first_key_value().expect("a plugin");
        let (launcher, path) = (Launcher::unsupervised(), OsString::from("/usr/bin:/bin"));
        let runtime = Runtime::new(RuntimeOptions {
            scratch: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("launches"),
            cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
            compiler: cyrus_tests::compiler!(),
            secrets: Arc::new(HostSecrets::new(launcher.clone(), path.clone())),
            launcher,
            path,
            home: PathBuf::from("/nonexistent"),
            tools: Tools::default(),
            maximum: HostMaximum::default(),
            log_sink: None,
        })
        .expect("a runtime");
        let loaded = runtime.load(plugin).await.expect("it keeps to the contract");
        let mut config = ExecutorConfig::new(name, name);
        (config.settings, config.grants) = (settings, grants);
        let executor = runtime.executor(&loaded, config).await.expect("an executor");
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["tree", "home"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        Self { executor, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn begin(&self, desk: &Arc<Desk>) -> Execution {
        let task = Task {
            id: "task-1".parse().expect("an id"),
            kind: TaskKind::BUILDER,
            title: String::new(),
            prompt: "write it".to_owned(),
        };
        let mut request = ExecutionRequest::new(task, "execution-1");
        request.workspace =
            Some(Workspace::new(self.path("tree"), self.path("home"), self.path("record")));
        request.allowed_tools = Some(vec!["read_file".to_owned()]);
        self.executor.execute_streaming(request, desk.clone()).await.expect("begun")
    }

    async fn run(&self, desk: &Arc<Desk>) -> (Vec<Event>, Result<Outcome, ExecutionError>) {
        let Execution { mut events, outcome, handle: _handle } = self.begin(desk).await;
        let reading = async {
            let mut seen = Vec::new();
            while let Some(event) = events.recv().await {
                seen.push(event);
            }
            seen
        };
        tokio::join!(reading, outcome)
    }
}

fn completed(outcome: Result<Outcome, ExecutionError>) -> ExecutionResult {
    match outcome {
        Ok(Outcome::Completed(result)) => result,
        other => panic!("not completed: {other:?}"),
    }
}

/// An agent as a shell script: noise, an early update, a question, and what becomes of it. With `wait` it never ends
/// its turn by itself.
const AGENT: &str = r#"
echo "starting up"
say() { printf '%s\n' "$1"; }
update() { say '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":'"$1"'}}'; }
while read -r line; do
  case $line in
    *'"initialize"'*)
      say '{"id":1,"result":{"protocolVersion":1,"agentInfo":{"name":"sh","version":"1"},"agentCapabilities":{}}}' ;;
    *'"session/new"'*)
      update '{"sessionUpdate":"available_commands_update"}'
      say '{"id":2,"result":{"sessionId":"s1"}}' ;;
    *'"session/prompt"'*)
      update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"working"}}'
      [ "$1" = --wait ] || say '{"id":0,"method":"session/request_permission","params":{"options":[{"kind":"allow_always","optionId":"always"},{"kind":"allow_once","optionId":"once"}],"toolCall":{"toolCallId":"t1","kind":"edit","rawInput":{"path":"a.txt"}}}}' ;;
    *'"session/cancel"'*)
      say '{"id":3,"result":{"stopReason":"cancelled"}}'
      update '{"sessionUpdate":"usage_update","cost":{"amount":0.02,"currency":"USD"}}' ;;
    *'"optionId":"once"'*)
      echo hello >a.txt
      update '{"sessionUpdate":"tool_call_update","toolCallId":"t1","status":"completed","rawOutput":"written"}'
      update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"Done."}}'
      say '{"id":3,"result":{"stopReason":"end_turn","usage":{"inputTokens":5,"outputTokens":6}}}'
      update '{"sessionUpdate":"usage_update","cost":{"amount":0.01,"currency":"USD"}}' ;;
  esac
done
"#;

/// The script is not executed itself but read by a shell: a file that was just written may still be open elsewhere.
async fn acp(flags: &[&str]) -> (Bench, TempDir) {
    let bin = tempfile::tempdir().expect("a directory");
    let script = bin.path().join("agent.sh").display().to_string();
    fs::write(&script, AGENT).expect("a script");
    let args: Vec<&str> = [script.as_str()].into_iter().chain(flags.iter().copied()).collect();
    let mut grant = ProcessGrant::new("sh");
    let pattern = json!({"flags": {"--wait": "none"}, "positionals": [[script]]});
    grant.args = serde_json::from_value(pattern).expect("a pattern");
    let mut grants = Grants { workspace: Some(Access::ReadWrite), ask: true, ..Grants::default() };
    grants.process.insert("agent".to_owned(), grant);
    (Bench::new(ACP, json!({"name": "Shell", "args": args}), grants).await, bin)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acp_agent_works_in_the_workspace_and_is_asked_for() {
    let (bench, _bin) = acp(&[]).await;
    assert_eq!(bench.executor.describe().await.expect("described").name, "Shell");
    assert_eq!(bench.executor.probe().await.expect("healthy").summary, "sh 1");
    let desk = Arc::new(Desk::default());
    let (events, outcome) = bench.run(&desk).await;
    let result = completed(outcome);
    assert_eq!((result.summary.as_str(), result.product), ("Done.", WorkProduct::Workspace));
    assert_eq!(result.usage.cost.map(|cost| cost.amount.0), Some(10_000), "told after the end");
    assert_eq!(result.usage.input_tokens, Some(5));
    assert_eq!(fs::read_to_string(bench.path("tree/a.txt")).expect("written"), "hello\n");
    let questions = desk.questions.lock().expect("no panic");
    assert_eq!((questions.len(), &questions[0].input), (1, &json!({"path": "a.txt"})));
    assert!(events.iter().any(|e| matches!(e, Event::Warning(w) if w.code == "unknown-line")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acp_agent_is_asked_to_leave_off_before_it_is_killed() {
    let (bench, _bin) = acp(&["--wait"]).await;
    let desk = Arc::new(Desk::default());
    let Execution { mut events, outcome, handle } = bench.begin(&desk).await;
    while events.recv().await.expect("an event") != Event::Message("working".to_owned()) {}
    assert_eq!(handle.stop(StopMode::Cancel).await, StopResult::Stopped);
    let error = outcome.await.expect_err("stopped");
    assert_eq!((error.kind, error.host), (ErrorKind::Cancelled, None));
    let spent = error.usage.and_then(|usage| usage.cost).map(|cost| cost.amount.0);
    assert_eq!(spent, Some(20_000), "what the agent said when it was asked");
    assert!(error.checkpoint.expect("a checkpoint").contains("s1"));
}

/// A service that gives these answers in order and remembers what was asked.
async fn service(answers: Vec<Value>) -> (u16, Arc<Mutex<Vec<(String, Value)>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let record = Arc::clone(&seen);
    tokio::spawn(async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let request = read(&mut connection).await;
            record.lock().expect("no panic").push(request);
            let (body, kind) = (answer.to_string(), "content-type: application/json");
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            connection.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
        }
    });
    (port, seen)
}

/// The head of a request, and its body as JSON.
async fn read(connection: &mut TcpStream) -> (String, Value) {
    let mut text = String::new();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = connection.read(&mut bytes).await.expect("bytes");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let whole = serde_json::from_str(body).ok();
        if let Some(body) = whole.or((count == 0 || head.starts_with("GET")).then_some(Value::Null))
        {
            return (head.to_ascii_lowercase(), body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_loop_runs_in_the_component_and_never_sees_its_key() {
    let call = json!({
        "id": "r1", "status": "completed", "usage": {"input_tokens": 10, "output_tokens": 2},
        "output": [{
            "type": "function_call", "call_id": "c1", "name": "write_file",
            "arguments": r#"{"path": "src/a.txt", "text": "hello\n"}"#,
        }],
    });
    // The service echoes the key, as one that quotes its requests in errors would.
    let text = json!([{"type": "output_text", "text": "Done with hunter2."}]);
    let last = json!({
        "id": "r2", "status": "completed", "output": [{"type": "message", "content": text}],
    });
    let (port, seen) = service(vec![call, last]).await;
    let origin = format!("http://127.0.0.1:{port}");
    let mut grants = Grants { workspace: Some(Access::ReadWrite), ask: true, ..Grants::default() };
    grants.http = vec![origin.parse().expect("a pattern")];
    let source = SecretRef::Value("hunter2".to_owned());
    let secret = SecretGrant { source, audience: Some(grants.http.clone()) };
    grants.secrets.insert("openai".to_owned(), secret);
    let bench = Bench::new(OPENAI, json!({"baseUrl": format!("{origin}/v1")}), grants).await;
    let desk = Arc::new(Desk::default());
    let (events, outcome) = bench.run(&desk).await;
    let result = completed(outcome);
    assert!(
        result.summary.starts_with("Done with") && !result.summary.contains("hunter2"),
        "{result:?}"
    );
    assert!(!format!("{events:?}").contains("hunter2"), "{events:?}");
    assert_eq!(fs::read_to_string(bench.path("tree/src/a.txt")).expect("written"), "hello\n");
    assert_eq!(desk.questions.lock().expect("no panic")[0].subject, "write_file");
    assert_eq!(*desk.checkpoints.lock().expect("no panic"), ["r1", "r2"]);
    let seen = seen.lock().expect("no panic");
    assert!(
        seen.iter().all(|(head, _)| head.contains("authorization: bearer hunter2")),
        "{seen:?}"
    );
    assert_eq!(seen[1].1["previous_response_id"], "r1");
    assert_eq!(seen[1].1["input"][0]["output"], "written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_granted_is_denied_with_the_line_to_add() {
    let mut grants = Grants::default();
    let source = SecretRef::Value("hunter2".to_owned());
    let secret = SecretGrant { source, audience: None };
    grants.secrets.insert("openai".to_owned(), secret);
    let settings = json!({"baseUrl": "https://elsewhere.example/v1"});
    let bench = Bench::new(OPENAI, settings, grants).await;
    let error = bench.run(&Arc::default()).await.1.expect_err("denied");
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("https://elsewhere.example"), "{error}");
    assert!(error.message.contains("executors.openai.grants"), "{error}");
}
