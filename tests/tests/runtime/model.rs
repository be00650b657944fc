//! A program's model is behind the gateway: the key stays with the host, and the host counts.

use crate::harness::{Setup, Tested, request};
use cyrus_executor::{
    Answer, CostSource, ErrorKind, ExecutionHost, HostError, HostVerdict, MicroUsd, Outcome,
    Question, SpendVerdict, TaskExecutor as _, Unattended, Usage, Workspace,
};
use cyrus_simulate::{Anthropic, Conversation, Server, Turn, anthropic::Script, any_port};
use futures::future::{BoxFuture, FutureExt as _, ready};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{Arc, Mutex},
};

const SECRET: &str = "sk-ant-nobodys-key-but-the-operators";

/// Asks the model for one message, by bare hands: KEY and URL are all that it has.
const ASK: &str = r#"
host=${URL#http://}
exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
body='{"model":"claude-opus-5","max_tokens":1000,"stream":true,"messages":[{"role":"user","content":"hi"}]}'
printf 'POST /v1/messages?beta=true HTTP/1.1\r\nHost: localhost\r\nx-api-key: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' \
    "$KEY" "${#body}" "$body" >&3
cat <&3
"#;

struct World {
    directory: tempfile::TempDir,
    model: Server,
}

impl World {
    /// A model that says this, and the programs of the tests.
    async fn new(turn: Turn) -> Self {
        let conversations = vec![Conversation { when: None, turns: vec![turn] }];
        let script =
            Script { api_key: Some(SECRET.to_owned()), conversations, failures: Vec::new() };
        let model = Anthropic::start(script, any_port()).await.unwrap();
        let directory = tempfile::Builder::new().prefix("cyrus-model-").tempdir().unwrap();
        let script = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        script("ask", ASK);
        // Into a file: what the host knows is taken out of what the component sees.
        script(
            "look",
            "exec > \"$0.seen\"; env; tr '\\0' '\\n' < /proc/self/environ; tr '\\0' ' ' < /proc/$$/cmdline; find \"$HOME\" -type f",
        );
        script("ask-and-flood", &format!("{ASK}\nyes"));
        Self { directory, model }
    }

    fn setup(&self) -> Setup {
        let model = r#"format = "anthropic", key = "KEY", base-url = "URL", login = ".tool/login""#;
        let program = format!("sh = {{ program = \"sh\", model = {{ {model} }} }}");
        let grants = json!({"process": {"sh": {
            "program": "bash", "args": {"positionals": ["any"]},
            "env": {"KEY": SECRET, "URL": self.model.base_url(), "PLAIN": "plain"},
            "homeFiles": [".tool/login", ".tool/settings"],
        }}});
        Setup::new()
            .manifest(|manifest| manifest.replace("sh = { program = \"sh\" }", &program))
            .grants(&grants.to_string())
    }

    /// What the script `look` saw.
    fn seen(&self) -> String {
        fs::read_to_string(self.directory.path().join("look.seen")).unwrap()
    }

    fn prompt(&self, script: &str) -> String {
        format!("run sh {}", self.directory.path().join(script).display())
    }

    /// Runs a script with this much money.
    async fn run(
        &self,
        tested: &Tested,
        script: &str,
        most: Option<u64>,
        host: Arc<dyn ExecutionHost>,
    ) -> Result<(String, Usage), cyrus_executor::ExecutionError> {
        let mut request = request(&self.prompt(script));
        request.limits.max_cost = most.map(MicroUsd);
        match tested.executor.execute(request, host).await? {
            Outcome::Completed(result) => Ok((result.summary, result.usage)),
            Outcome::Suspended(suspension) => panic!("{suspension:?}"),
        }
    }
}

/// Remembers what it hears of spending, and lets it be until it is this much.
#[derive(Default)]
struct Purse {
    heard: Mutex<Vec<Usage>>,
    stops_at: Option<u64>,
}

impl ExecutionHost for Purse {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        Unattended.checkpoint(token)
    }

    fn spend(&self, usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        let amount = usage.cost.map_or(0, |cost| cost.amount.0);
        self.heard.lock().unwrap().push(usage);
        let over = self.stops_at.is_some_and(|most| amount > most);
        ready(Ok(if over { SpendVerdict::Stop } else { SpendVerdict::GoOn })).boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        Unattended.ask(question)
    }
}

fn costing(input_tokens: u64, output_tokens: u64, text: &str) -> Turn {
    let usage = cyrus_simulate::Usage { input_tokens, output_tokens, ..Default::default() };
    Turn { usage, ..Turn::text(text) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_works_with_its_model_and_never_sees_the_key() {
    let world = World::new(costing(1000, 200, "Hello from the model.")).await;
    let tested = world.setup().build().await;
    world.run(&tested, "look", None, Arc::new(Unattended)).await.unwrap();
    let seen = world.seen();
    assert!(seen.contains("KEY=cyrus-execution-") && seen.contains("PLAIN=plain"), "{seen}");
    assert!(seen.contains("URL=http://127.0.0.1:"), "{seen}");
    assert!(!seen.contains(SECRET) && !seen.contains(&world.model.base_url()), "{seen}");

    let purse = Arc::new(Purse::default());
    let (answer, used) = world.run(&tested, "ask", None, Arc::clone(&purse) as _).await.unwrap();
    assert!(answer.contains("Hello from the model") && answer.contains("message_stop"), "{answer}");
    let requests = world.model.requests();
    let [asked] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(asked.header("x-api-key"), Some(SECRET));
    // 1,000 in are 5,000 and 200 out are 5,000: what passed, not what the plugin says.
    let cost = used.cost.unwrap();
    assert_eq!((cost.amount, cost.source), (MicroUsd(10_000), CostSource::Gateway));
    assert_eq!((used.input_tokens, used.output_tokens), (Some(1000), Some(200)));
    assert_ne!(used.claimed.map(|claimed| claimed.amount), Some(cost.amount));
    let heard = purse.heard.lock().unwrap();
    assert_eq!(
        heard.last().and_then(|usage| usage.cost),
        Some(cost),
        "the host heard while it ran"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_nothing_when_its_program_is_gone() {
    let world = World::new(Turn::text("late")).await;
    let tested = world.setup().build().await;
    world.run(&tested, "look", None, Arc::new(Unattended)).await.unwrap();
    let seen = world.seen();
    let address = seen.split("URL=http://").nth(1).unwrap().split_whitespace().next().unwrap();
    let connected = tokio::net::TcpStream::connect(address).await;
    assert!(connected.is_err(), "something still listens on {address}");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_ends_in_a_turn_ends_the_turn_and_the_execution() {
    let world = World::new(costing(1000, 5000, &"a long answer ".repeat(2000))).await;
    let tested = world.setup().limits(r#"{"processOutputMib": 1}"#).build().await;
    let (passed, used) =
        world.run(&tested, "ask", Some(20_000), Arc::new(Unattended)).await.unwrap();
    assert!(passed.contains("event: error") && !passed.contains("message_stop"), "{passed}");
    assert!(used.cost.unwrap().amount > MicroUsd(20_000));
    assert!(used.cost.unwrap().amount < MicroUsd(21_000), "{used:?}");

    // Whatever becomes of the program: the reason is the money.
    let ended = world.run(&tested, "ask-and-flood", Some(20_000), Arc::new(Unattended)).await;
    let error = ended.unwrap_err();
    assert_eq!(
        (&error.kind, error.host.as_deref()),
        (&ErrorKind::BudgetExceeded, Some(&HostVerdict::Budget))
    );
    assert!(error.message.contains("budget") && error.message.contains("$0.02"), "{error}");
    assert!(error.usage.unwrap().cost.unwrap().amount > MicroUsd(20_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_will_not_pay_ends_in_the_turn_too() {
    let world = World::new(costing(1000, 50_000, &"a long answer ".repeat(40_000))).await;
    let tested = world.setup().build().await;
    let purse = Arc::new(Purse { stops_at: Some(30_000), ..Purse::default() });
    let (passed, used) = world.run(&tested, "ask", None, purse).await.unwrap();
    let spent = used.cost.unwrap().amount;
    assert!(spent > MicroUsd(30_000), "{spent}");
    let ended = passed.contains("event: error") || passed.contains("message_stop");
    assert!(ended, "it ended in one way or the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_allowed_is_not_asked() {
    let world = World::new(Turn::text("no")).await;
    let tested = world.setup().gateway(r#"{"models": ["claude-haiku-*"]}"#).build().await;
    let (answer, used) = world.run(&tested, "ask", None, Arc::new(Unattended)).await.unwrap();
    assert!(answer.contains("403 Forbidden") && answer.contains("permission_error"), "{answer}");
    assert!(world.model.requests().is_empty());
    assert_ne!(used.cost.map(|cost| cost.source), Some(CostSource::Gateway));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_price_is_what_it_costs() {
    let world = World::new(costing(1000, 200, "hi")).await;
    let prices = r#"{"prices": {"claude-opus-5": {"input": 1, "output": 2}}}"#;
    let tested = world.setup().gateway(prices).build().await;
    let (_, used) = world.run(&tested, "ask", None, Arc::new(Unattended)).await.unwrap();
    assert_eq!(used.cost.unwrap().amount, MicroUsd(1400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_withheld_where_the_gateway_has_the_key() {
    let world = World::new(Turn::text("hi")).await;
    let operator = world.directory.path().join("me");
    fs::create_dir_all(operator.join(".tool")).unwrap();
    for file in [".tool/login", ".tool/settings"] {
        fs::write(operator.join(file), "{}").unwrap();
    }
    for (gateway, withheld) in [("true", true), ("false", false)] {
        let tested = world.setup().home(&operator).gateway(gateway).build().await;
        let root = world.directory.path().join(format!("tree-{gateway}"));
        let home = world.directory.path().join(format!("home-{gateway}"));
        for path in [&root, &home] {
            fs::create_dir_all(path).unwrap();
        }
        let mut request = request(&world.prompt("look"));
        request.workspace = Some(Workspace::new(root, &home, home.join("record")));
        let Ok(Outcome::Completed(_)) = tested.outcome(request).await else { panic!() };
        let seen = world.seen();
        assert!(seen.contains(".tool/settings"), "{seen}");
        assert_eq!(!seen.contains(".tool/login"), withheld, "{seen}");
        assert_eq!(seen.contains("cyrus-execution-"), withheld, "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_from_a_program_makes_no_executor() {
    let world = World::new(Turn::text("hi")).await;
    let env = |env: Value| {
        let grants = json!({"process": {"sh": {"program": "bash", "env": env}}});
        world.setup().grants(&grants.to_string())
    };
    for (setup, says) in [
        (env(json!({"KEY": SECRET, "COPY": SECRET})), "COPY"),
        (env(json!({"KEY": SECRET, "URL": "not an address"})), "URL"),
        (world.setup().gateway(r#"{"models": ["*"]}"#).gateway(r#"{"models": ["a*b"]}"#), "a*b"),
    ] {
        let problem = setup.try_build().await.unwrap_err().to_string();
        assert!(
            problem.contains("executors.tested.gateway") && problem.contains(says),
            "{problem}"
        );
        assert!(!problem.contains(SECRET), "{problem}");
    }
}
