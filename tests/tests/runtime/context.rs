//! What an execution is told, what comes back, and what the host keeps for it.

use crate::harness::{Setup, begun, end, request};
use cyrus_executor::{
    Answer, Event, ExecutionHost, Finding, HostError, Limits, MicroUsd, Outcome, Question,
    Repository, SpendVerdict, StopMode, TaskExecutor as _, Unattended, Usage,
};
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

/// A host that keeps what it is told, and answers as it was set up to.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) tokens: Mutex<Vec<String>>,
    pub(crate) used: Mutex<Vec<Usage>>,
    pub(crate) questions: Mutex<Vec<Question>>,
    /// Never answer.
    pub(crate) silent: bool,
    pub(crate) broke: bool,
    saved: Notify,
    asked: Notify,
}

impl Recorder {
    /// Waits for a checkpoint.
    pub(crate) async fn saved(&self) {
        self.saved.notified().await;
    }

    fn answer<T: Send + 'static>(&self, answer: T) -> BoxFuture<'static, T> {
        let silent = self.silent;
        async move {
            if silent {
                std::future::pending::<()>().await;
            }
            answer
        }
        .boxed()
    }
}

impl ExecutionHost for Recorder {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        self.tokens.lock().unwrap().push(token);
        self.saved.notify_one();
        self.answer(if self.broke { Err(HostError::Failed("disk full".into())) } else { Ok(()) })
    }

    fn spend(&self, usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        self.used.lock().unwrap().push(usage);
        self.answer(Ok(if self.broke { SpendVerdict::Stop } else { SpendVerdict::GoOn }))
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        self.questions.lock().unwrap().push(question);
        self.asked.notify_one();
        self.answer(Answer::Text("because".to_owned()))
    }
}

async fn summary_with(host: &Arc<Recorder>, grants: &str, prompt: &str) -> String {
    let tested = Setup::new().grants(grants).build().await;
    let outcome = tested.executor.execute(request(prompt), host.clone()).await;
    let Ok(Outcome::Completed(result)) = outcome else { panic!("{outcome:?}") };
    result.summary
}

#[tokio::test(flavor = "multi_thread")]
async fn describes_itself_and_its_health() {
    let tested = Setup::new().settings(json!({"a": 1})).build().await;
    let descriptor = tested.executor.describe().await.unwrap();
    assert_eq!(descriptor.name, "Probe");
    assert_eq!(descriptor.description, r#"settings: {"a":1}"#);
    assert_eq!(tested.executor.probe().await.unwrap().summary, "well");
    let info = tested.executor.info();
    assert_eq!((info.name.as_str(), info.plugin.as_str()), ("tested", "probe"));
    assert_eq!(info.digest, tested.plugin.digest().to_string());
    assert!(tested.plugin.optional_interfaces().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_and_an_outcome_arrive() {
    let tested = Setup::new().build().await;
    let mut execution = tested.under_way("echo hello there").await;
    assert_eq!(execution.events.recv().await, Some(Event::Message("hello there".to_owned())));
    assert_eq!(execution.events.recv().await, None);
    let Ok(Outcome::Completed(result)) = execution.outcome.await else { panic!() };
    assert_eq!((result.summary.as_str(), result.usage.turns), ("hello there", Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_asked_arrives() {
    let mcp = |manifest: &str| manifest.replace("ask = true", "ask = true\nmcp = true");
    let setup = Setup::new().settings(json!({"k": "v"})).manifest(mcp);
    let tested = setup.grants(r#"{"mcp": "all"}"#).build().await;
    let mut request = request("context");
    request.attempt = 2;
    request.idempotency_key = "once".to_owned();
    request.repository = Some(Repository {
        remote: Some("https://example.com/r.git".to_owned()),
        base_branch: None,
        base_commit: "c0ffee".to_owned(),
        work_branch: "work".to_owned(),
    });
    request.model = Some("a-model".to_owned());
    request.system_prompt = Some("be good".to_owned());
    request.allowed_tools = Some(vec!["Read".to_owned()]);
    request.disallowed_tools = vec!["Bash".to_owned()];
    request.mcp_servers = Some(json!({"mcpServers": {"notes": {"command": "not shown"}}}));
    request.output_schema = Some(json!({"type": "object"}));
    request.limits = Limits { deadline: None, max_cost: Some(MicroUsd(5)), max_turns: Some(7) };
    request.resume = Some("token".to_owned());
    request.findings = vec![Finding {
        code: "command-failed".to_owned(),
        message: "no".to_owned(),
        path: None,
        line: Some(3),
        command: None,
        output: None,
    }];
    request.extensions = vec![("known".to_owned(), json!(42))];
    let Ok(Outcome::Completed(result)) = tested.outcome(request).await else { panic!() };
    for part in [
        "id=x1 key=once attempt=2 settings={\"k\":\"v\"}",
        "https://example.com/r.git",
        "c0ffee",
        "workspace=None",
        "model=Some(\"a-model\") prompt=Some(\"be good\")",
        "allowed=Some([\"Read\"]) disallowed=[\"Bash\"]",
        r#"mcp=Some("{\"mcpServers\":{\"notes\":{}}}")"#,
        "cost=Some(5) turns=Some(7) resume=Some(\"token\")",
        "command-failed",
        "extension=Some(\"42\")/None",
    ] {
        assert!(result.summary.contains(part), "{part} in {}", result.summary);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_and_spending_reach_the_host_and_come_back() {
    let host = Arc::new(Recorder::default());
    assert_eq!(summary_with(&host, "{}", "checkpoint token-1").await, "Ok(())");
    assert_eq!(*host.tokens.lock().unwrap(), ["token-1"]);
    assert_eq!(summary_with(&host, "{}", "spend").await, "Ok(SpendVerdict::GoOn)");
    assert_eq!(host.used.lock().unwrap()[0].turns, Some(1));

    let broke = Arc::new(Recorder { broke: true, ..Recorder::default() });
    assert_eq!(summary_with(&broke, "{}", "spend").await, "Ok(SpendVerdict::Stop)");
    let failed = summary_with(&broke, "{}", "checkpoint t").await;
    assert!(failed.contains("Failed") && failed.contains("disk full"), "{failed}");

    let large = summary_with(&host, "{}", "large-checkpoint 65").await;
    assert!(large.contains("Invalid") && large.contains("65536"), "{large}");
    assert_eq!(host.tokens.lock().unwrap().len(), 1, "what is too large is not written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_the_component_waits_for() {
    let tested = Setup::new().grants(r#"{"ask": true}"#).build().await;
    for prompt in ["checkpoint t", "spend", "ask q tool"] {
        let host = Arc::new(Recorder { silent: true, ..Recorder::default() });
        let mut execution = tested.begin_with(request(prompt), host).await;
        begun(&mut execution).await;
        let handle = execution.handle.clone();
        let (_, outcome) = tokio::join!(handle.stop(StopMode::Cancel), end(execution));
        // Whichever comes first: the component hears the stop, or its wait is answered and it finishes.
        if let Ok(outcome) = outcome {
            let Outcome::Completed(result) = outcome else { panic!("{outcome:?}") };
            let answered = result.summary.to_lowercase();
            assert!(answered.contains("stopped") || answered.contains("cancelled"), "{answered}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_asked_once_and_only_if_granted() {
    let host = Arc::new(Recorder::default());
    let answered = summary_with(&host, r#"{"ask": true}"#, "ask q1 Bash").await;
    assert_eq!(answered, r#"Answer::Text("because") then Answer::Text("because")"#);
    let questions = host.questions.lock().unwrap().clone();
    assert_eq!((questions.len(), questions[0].subject.as_str()), (1, "Bash"));

    let denied = summary_with(&host, "{}", "ask q2 Bash").await;
    assert!(denied.contains("executors.tested.grants.ask: add true"), "{denied}");
    assert_eq!(host.questions.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_was_answered_answers_nothing_else() {
    let host = Arc::new(Recorder::default());
    let said = summary_with(&host, r#"{"ask": true}"#, "ask-other q1").await;
    let said: Vec<_> = said.lines().collect();
    let (first, others) = said.split_first().unwrap();
    let (again, others) = others.split_last().unwrap();
    assert_eq!((*first, *again), (r#"Answer::Text("because")"#, *first));
    assert_eq!(others.len(), 5);
    for other in others {
        assert!(other.starts_with("Answer::Deny") && other.contains("other content"), "{other}");
    }
    assert_eq!(host.questions.lock().unwrap().len(), 1, "no other was put");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_too_long_is_not_cut_and_not_put() {
    let host = Arc::new(Recorder::default());
    let said = summary_with(&host, r#"{"ask": true}"#, "ask-large 256").await;
    assert!(said.starts_with("Answer::Deny") && said.contains("256 KiB"), "{said}");
    assert!(host.questions.lock().unwrap().is_empty());
    let said = summary_with(&host, r#"{"ask": true}"#, "ask-large 255").await;
    assert_eq!(said, r#"Answer::Text("because")"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_answers_is_denied_at_its_deadline() {
    let host = Arc::new(Recorder { silent: true, ..Recorder::default() });
    let denied = summary_with(&host, r#"{"ask": true}"#, "ask q tool 20").await;
    assert!(denied.starts_with("Answer::Deny") && denied.contains("in time"), "{denied}");
    assert_eq!(host.questions.lock().unwrap()[0].deadline, Some(Duration::from_millis(20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn suspensions_are_slept_through_and_resumed_from_what_was_saved() {
    let tested = Setup::new().build().await;
    let host = Arc::new(Recorder::default());
    let outcome = tested.executor.execute(request("suspend 3"), host.clone()).await;
    let Ok(Outcome::Completed(result)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(result.summary, "resumed 3 times");
    assert_eq!(*host.tokens.lock().unwrap(), ["1", "2", "3"], "each was durable before it slept");

    let broke = Arc::new(Recorder { broke: true, ..Recorder::default() });
    let error = tested.executor.execute(request("suspend 3"), broke).await.unwrap_err();
    assert!(error.message.contains("disk full"), "{error}");
    assert_eq!(error.checkpoint.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_the_component_and_loses_nothing() {
    let tested = Setup::new().build().await;
    let mut execution = tested.begin("events 5000 10").await;
    let mut seen = 0;
    while let Some(event) = execution.events.recv().await {
        assert_eq!(event, Event::Message("x".repeat(10)));
        seen += 1;
        tokio::task::yield_now().await;
    }
    assert_eq!(seen, 5000);
    let Ok(Outcome::Completed(result)) = execution.outcome.await else { panic!() };
    assert_eq!(result.summary, "sent 5000");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reader_the_work_goes_on() {
    let tested = Setup::new().build().await;
    let execution =
        tested.executor.execute_streaming(request("events 5000 10"), Arc::new(Unattended)).await;
    let execution = execution.unwrap();
    drop(execution.events);
    let Ok(Outcome::Completed(result)) = execution.outcome.await else { panic!() };
    assert_eq!(result.summary, "sent 5000");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_bounded() {
    let tested = Setup::new().limits(r#"{"logLines": 3}"#).build().await;
    assert_eq!(tested.summary("log 1000 and more").await, "logged");
    let logged = tested.logged();
    let lines: Vec<_> = logged.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines[..3], ["line 0 and more", "line 1 and more", "line 2 and more"]);
    assert_eq!(lines.len(), 4);
    assert!(lines[3].contains("3 lines"), "{}", lines[3]);
    assert_eq!((logged[0].executor.as_str(), logged[0].execution.as_str()), ("tested", "x1"));
}
