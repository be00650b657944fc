//! Components that were built against a released contract go on working, for ever.
//!
//! `fixtures/golden/VERSION` holds the contract as it was, and a component that uses all of it. The component is
//! never rebuilt: see the README there.

use cyrus_executor::{
    Access, Answer, Attachment, AttachmentSource, BranchSource, Choice, Cost, CostSource, Denial,
    ErrorKind, Event, Execution, ExecutionError, ExecutionHost, ExecutionRequest, ExecutionResult,
    Finding, HostError, Limits, Link, MicroUsd, OtherEvent, Outcome, PlanStep, Progress, Question,
    QuestionKind, RemoteBranch, Repository, SpendVerdict, StepState, StopMode, StopResult, Task,
    TaskExecutor, TaskKind, ToolResult, ToolUse, Usage, Warning, WorkProduct, Workspace,
};
use cyrus_plugin::{ExecutorConfig, HostMaximum, McpGrant, ProcessGrant, discover};
use cyrus_runtime::{
    HostSecrets, LogLevel, PluginExecutor, PluginLog, Runtime, RuntimeOptions, Tools,
};
use cyrus_sandbox::Launcher;
use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/0.1.0")
}

/// The contract's files without their comments: only what a component was compiled against counts.
fn contract(directory: &Path) -> BTreeMap<OsString, String> {
    let files = fs::read_dir(directory).expect("a folder of WIT").map(|entry| {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("text");
        let lines = text.lines().map(str::trim_end);
        let code = lines.filter(|line| !line.is_empty() && !line.trim_start().starts_with("//"));
        (path.file_name().expect("a name").to_owned(), code.collect::<Vec<_>>().join("\n"))
    });
    files.collect()
}

#[test]
fn the_contract_does_not_change_within_its_version() {
    let now = contract(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit"));
    let then = contract(&golden().join("wit"));
    assert_eq!(
        now, then,
        "wit/ is not what plugins were built against. A new optional interface or a new getter is a new minor \
         version, with a golden folder of its own beside this one; a changed record is a new major version. As \
         long as no release has 0.1.0 in it, it may change in place: tests/fixtures/golden/README.md says how."
    );
}

/// Answers every question with what it offers, and remembers it.
#[derive(Default)]
struct Desk {
    questions: Mutex<Vec<Question>>,
    spends: Mutex<Vec<Usage>>,
    checkpoints: Mutex<Vec<String>>,
}

impl ExecutionHost for Desk {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        self.checkpoints.lock().expect("no panic").push(token);
        async { Ok(()) }.boxed()
    }

    fn spend(&self, usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        self.spends.lock().expect("no panic").push(usage);
        async { Ok(SpendVerdict::Stop) }.boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        let answer = match (question.subject.as_str(), question.choices.first()) {
            ("wait", _) => None,
            (_, Some(choice)) => Some(Answer::Choice(choice.id.clone())),
            (_, None) => Some(Answer::AllowModified(json!({"e": 5}))),
        };
        self.questions.lock().expect("no panic").push(question);
        match answer {
            Some(answer) => async move { answer }.boxed(),
            None => std::future::pending().boxed(),
        }
    }
}

struct Bench {
    executor: PluginExecutor,
    directory: TempDir,
    logged: Arc<Mutex<Vec<PluginLog>>>,
}

impl Bench {
    async fn new(settings: Value) -> Self {
        let found = discover(&[golden()], &[]);
        assert!(found.broken.is_empty(), "{:?}", found.broken);
        let (launcher, path) = (Launcher::unsupervised(), OsString::from("/usr/bin:/bin"));
        let logged: Arc<Mutex<Vec<PluginLog>>> = Arc::default();
        let sink = Arc::clone(&logged);
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
            log_sink: Some(Arc::new(move |line| sink.lock().expect("no panic").push(line))),
        })
        .expect("a runtime");
        let plugin = runtime.load(&found.plugins["golden"]).await.expect("it still loads");
        assert_eq!(plugin.optional_interfaces().len(), 3, "{:?}", plugin.optional_interfaces());
        let mut config = ExecutorConfig::new("golden", "golden");
        config.settings = settings;
        config.grants.workspace = Some(Access::ReadOnly);
        config.grants.ask = true;
        config.grants.mcp = McpGrant::All;
        config.grants.process.insert("cat".to_owned(), ProcessGrant::new("cat"));
        let executor = runtime.executor(&plugin, config).await.expect("an executor");
        Self { executor, directory: tempfile::tempdir().expect("a directory"), logged }
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    /// A request that says everything there is to say.
    fn request(&self, kind: &str, prompt: &str) -> ExecutionRequest {
        let task = Task {
            id: "task-1".parse().expect("an id"),
            kind: TaskKind::new(kind),
            title: "A title".to_owned(),
            prompt: prompt.to_owned(),
        };
        let file = self.path("attachments").join("a.txt");
        fs::write(&file, "attached").expect("a file");
        ExecutionRequest {
            idempotency_key: "key-1".to_owned(),
            attempt: 2,
            repository: Some(Repository {
                remote: Some("https://a.example/r.git".to_owned()),
                base_branch: Some("main".to_owned()),
                base_commit: "0".repeat(40),
                work_branch: "topic".to_owned(),
            }),
            workspace: Some(Workspace::new(
                self.path("tree"),
                self.path("home"),
                self.path("record"),
            )),
            attachments: vec![
                Attachment {
                    name: "a.txt".to_owned(),
                    media_type: Some("text/plain".to_owned()),
                    source: AttachmentSource::File(file),
                },
                Attachment {
                    name: "b".to_owned(),
                    media_type: None,
                    source: AttachmentSource::Url("https://a.example/b".to_owned()),
                },
            ],
            model: Some("some-model".to_owned()),
            system_prompt: Some("be brief".to_owned()),
            allowed_tools: Some(vec!["Read(**)".to_owned()]),
            disallowed_tools: vec!["WebFetch".to_owned()],
            mcp_servers: Some(json!({"mcpServers": {}})),
            output_schema: Some(json!({"type": "object"})),
            limits: Limits {
                deadline: Some(Duration::from_mins(10)),
                max_cost: Some(MicroUsd(9)),
                max_turns: Some(10),
            },
            findings: vec![Finding {
                code: "command-failed".to_owned(),
                message: "it failed".to_owned(),
                path: Some("a.rs".to_owned()),
                line: Some(3),
                command: Some("cargo test".to_owned()),
                output: Some("1 failed".to_owned()),
            }],
            extensions: vec![("golden".to_owned(), json!([1]))],
            ..ExecutionRequest::new(task, "execution-1")
        }
    }

    async fn run(&self, kind: &str, prompt: &str) -> Ran {
        let desk = Arc::new(Desk::default());
        let request = self.request(kind, prompt);
        let begun = self.executor.execute_streaming(request, desk.clone()).await;
        let Execution { mut events, outcome, handle: _handle } = begun.expect("begun");
        let reading = async {
            let mut seen = Vec::new();
            while let Some(event) = events.recv().await {
                seen.push(event);
            }
            seen
        };
        let (events, outcome) = tokio::join!(reading, outcome);
        Ran { events, outcome, desk }
    }
}

struct Ran {
    events: Vec<Event>,
    outcome: Result<Outcome, ExecutionError>,
    desk: Arc<Desk>,
}

fn usage() -> Usage {
    Usage {
        input_tokens: Some(1),
        output_tokens: Some(2),
        cache_read_tokens: Some(3),
        cache_write_tokens: Some(4),
        turns: Some(5),
        cost: Some(Cost { amount: MicroUsd(6), source: CostSource::Estimated }),
        claimed: None,
    }
}

fn link() -> Link {
    let (kind, title) = ("pull-request".to_owned(), "A title".to_owned());
    Link { kind, title, url: "https://a.example/1".to_owned() }
}

fn result(product: WorkProduct) -> ExecutionResult {
    let (tool, reason) = ("Bash".to_owned(), "no".to_owned());
    ExecutionResult {
        summary: "Done.".to_owned(),
        structured: Some(json!({"answer": 42})),
        product,
        links: vec![link()],
        usage: usage(),
        denials: vec![Denial { tool, input: json!({"a": 1}), reason }],
        checkpoint: Some("golden-end".to_owned()),
        extensions: vec![("golden".to_owned(), json!([true]))],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_describes_and_probes() {
    let bench = Bench::new(json!({})).await;
    let described = bench.executor.describe().await.expect("described");
    assert_eq!(
        (described.name.as_str(), described.kinds.as_slice()),
        ("Golden", ["builder".to_owned()].as_slice())
    );
    assert_eq!(described.settings_schema, Some(json!({"type": "object"})));
    let health = bench.executor.probe().await.expect("healthy");
    assert_eq!(health.version.as_deref(), Some("1.2.3"));
    assert_eq!(health.details, [("login".to_owned(), "good".to_owned())]);
    let refusing = Bench::new(json!({"refuse": true})).await;
    assert_eq!(
        refusing.executor.describe().await.expect_err("refused").kind,
        ErrorKind::InvalidRequest
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_everything() {
    let bench = Bench::new(json!({"f": 6})).await;
    let ran = bench.run("builder", "do it").await;
    let lines: BTreeMap<String, String> = ran.events.iter().filter_map(told).collect();
    let tree = bench.path("tree").display().to_string();
    let expected: [(&str, &[&str]); 18] = [
        ("task", &["task-1", "builder", "A title", "do it"]),
        ("execution-id", &["\"execution-1\""]),
        ("idempotency-key", &["\"key-1\""]),
        ("attempt", &["2"]),
        ("settings", &[r#"{\"f\":6}"#]),
        ("repository", &["https://a.example/r.git", "main", "0000", "topic"]),
        ("workspace", &["false", &tree, "ReadOnly"]),
        ("attachments", &["/a.txt", "text/plain", "Url(\"https://a.example/b\")"]),
        ("model", &["Some(\"some-model\")"]),
        ("system-prompt", &["Some(\"be brief\")"]),
        ("allowed-tools", &["Some([\"Read(**)\"])"]),
        ("disallowed-tools", &["[\"WebFetch\"]"]),
        ("mcp-servers", &["mcpServers"]),
        ("output-schema", &["object"]),
        ("limits", &["Some(9)", "Some(10)"]),
        ("resume", &["None"]),
        ("findings", &["command-failed", "it failed", "a.rs", "Some(3)", "cargo test", "1 failed"]),
        ("extension", &["(Some(\"[1]\"), None)"]),
    ];
    for (name, parts) in expected {
        let line = lines.get(name).unwrap_or_else(|| panic!("{name} was not told: {lines:?}"));
        assert!(
            parts.iter().all(|part| line.contains(part)),
            "{name}: {line} lacks one of {parts:?}"
        );
    }
}

/// The name and the value of a line that the component sends about what it was told.
fn told(event: &Event) -> Option<(String, String)> {
    let Event::Message(line) = event else { return None };
    let (name, value) = line.split_once(": ")?;
    Some((name.to_owned(), value.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_does_everything_for_it() {
    let bench = Bench::new(json!({})).await;
    let ran = bench.run("builder", "do it").await;
    let lines: Vec<_> = ran.events.iter().filter_map(told).collect();
    let value = |name: &str| {
        lines.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(value("checkpoint"), ["Ok(())"]);
    assert_eq!(value("too long"), ["true"]);
    assert_eq!(*ran.desk.checkpoints.lock().expect("no panic"), ["golden-1"]);
    assert!(value("spend")[0].contains("Stop"), "{lines:?}");
    assert_eq!(*ran.desk.spends.lock().expect("no panic"), [usage()]);
    let answers = value("ask");
    assert!(answers[0].contains("AllowModified") && answers[0].contains('e'), "{answers:?}");
    assert!(answers[1].contains("Choice(\"yes\")"), "{answers:?}");
    let question = |id: &str, kind, choices| Question {
        id: id.to_owned(),
        kind,
        subject: "Bash".to_owned(),
        input: json!({"d": 4}),
        choices,
        deadline: Some(Duration::from_mins(1)),
    };
    let choice = Choice { id: "yes".to_owned(), label: "Yes".to_owned() };
    let asked = [
        question("q1", QuestionKind::ToolPermission, Vec::new()),
        question("q2", QuestionKind::UserQuestion, vec![choice]),
    ];
    assert_eq!(*ran.desk.questions.lock().expect("no panic"), asked);
    assert!(value("none")[0].contains("Denied"), "{lines:?}");
    let cat = value("cat")[0];
    assert!(cat.contains("Ok(\"ping\")") && cat.contains("Code(0)"), "{cat}");
    let logged = bench.logged.lock().expect("no panic");
    let levels: Vec<_> = logged.iter().map(|line| line.level).collect();
    let all = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    assert_eq!(levels, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives() {
    let bench = Bench::new(json!({})).await;
    let ran = bench.run("builder", "do it").await;
    let step = |text: &str, state| PlanStep { text: text.to_owned(), state };
    let expected = [
        Event::Message("message".to_owned()),
        Event::Thought("thought".to_owned()),
        Event::ToolUse(ToolUse {
            id: "t".to_owned(),
            tool: "Read".to_owned(),
            input: json!({"b": 2}),
        }),
        Event::ToolResult(ToolResult {
            id: "t".to_owned(),
            is_error: true,
            output: "none".to_owned(),
        }),
        Event::Plan(vec![
            step("one", StepState::Completed),
            step("two", StepState::InProgress),
            step("three", StepState::Pending),
        ]),
        Event::Usage(usage()),
        Event::Link(link()),
        Event::Progress(Progress { message: "half".to_owned(), fraction: Some(0.5) }),
        Event::Warning(Warning { code: "golden".to_owned(), message: "warned".to_owned() }),
        Event::Other(OtherEvent { kind: "golden".to_owned(), payload: json!({"c": 3}) }),
    ];
    let last = ran.events.len().saturating_sub(expected.len());
    assert_eq!(ran.events[last..], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ending_arrives() {
    let bench = Bench::new(json!({})).await;
    let branch = RemoteBranch {
        source: BranchSource::Origin,
        name: "topic".to_owned(),
        commit: Some("0123456789012345678901234567890123456789".to_owned()),
    };
    let products = [
        ("builder", WorkProduct::Nothing),
        ("workspace", WorkProduct::Workspace),
        ("branch", WorkProduct::Branch(branch)),
        ("suspend", WorkProduct::Nothing),
    ];
    for (kind, product) in products {
        let ran = bench.run(kind, "do it").await;
        assert_eq!(ran.outcome, Ok(Outcome::Completed(result(product))), "{kind}");
        if kind == "suspend" {
            assert!(ran.events.contains(&Event::Message("resume: Some(\"woken\")".to_owned())));
        }
    }
    let kinds = [
        ErrorKind::Unavailable,
        ErrorKind::RateLimited,
        ErrorKind::Unauthorized,
        ErrorKind::QuotaExhausted,
        ErrorKind::InvalidRequest,
        ErrorKind::Unsupported,
        ErrorKind::Refused,
        ErrorKind::Denied,
        ErrorKind::BudgetExceeded,
        ErrorKind::TurnLimit,
        ErrorKind::TimedOut,
        ErrorKind::Cancelled,
        ErrorKind::Failed,
        ErrorKind::Other("golden".to_owned()),
    ];
    for (index, kind) in kinds.into_iter().enumerate() {
        let ran = bench.run("fail", &index.to_string()).await;
        let expected = ExecutionError {
            retry_after: Some(Duration::from_millis(7)),
            usage: Some(Box::new(usage())),
            checkpoint: Some("golden-end".to_owned()),
            partial: Some(Box::new(result(WorkProduct::Nothing))),
            ..ExecutionError::new(kind, "It went wrong.")
        };
        assert_eq!(ran.outcome, Err(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops() {
    for (mode, expected) in [
        (StopMode::Cancel, StopResult::Stopped),
        (StopMode::Detach, StopResult::StillRunningRemotely),
    ] {
        let bench = Bench::new(json!({})).await;
        let request = bench.request("wait", "do it");
        let begun = bench.executor.execute_streaming(request, Arc::new(Desk::default())).await;
        let Execution { mut events, outcome, handle } = begun.expect("begun");
        assert_eq!(events.recv().await, Some(Event::Message("waiting".to_owned())));
        assert!(handle.is_running());
        assert_eq!(handle.stop(mode).await, expected);
        assert_eq!(outcome.await.expect_err("stopped").kind, ErrorKind::Cancelled);
        assert!(!handle.is_running());
    }
}
