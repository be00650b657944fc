//! The real Codex CLI, with a model behind the gateway. Only the model is simulated: no account, no network.

use cyrus_executor::MicroUsd;
use cyrus_gateway::{
    Access, Account, BaseUrl, Credential, Format, Gateway, Lease, Limits, PriceTable,
};
use cyrus_simulate::{
    Conversation, Failure, OpenAi, Server, Turn, Usage, any_port, openai::Script,
};
use cyrus_tests::{PATIENCE, lanes, secrets};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, process::Stdio, sync::Arc};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::timeout,
};
use zeroize::Zeroizing;

/// The only key that the simulated model takes.
const KEY: &str = "sk-proj-nobodys-key";

/// The Codex CLI before a gateway before a model.
struct Bench {
    directory: TempDir,
    model: Server,
    account: Arc<Account>,
    lease: Lease,
}

impl Bench {
    /// `None`: it is left out.
    async fn new(limit: Option<u64>, turns: Vec<Turn>) -> Option<Self> {
        if lanes::left_out("codex-0.171.0") {
            return None;
        }
        let conversations = vec![Conversation { when: None, turns }];
        let script = Script { api_key: Some(KEY.to_owned()), conversations, failures: Vec::new() };
        let model = OpenAi::start(script, any_port()).await.expect("a model");
        let prices = PriceTable::new(BTreeMap::new()).expect("prices");
        let gateway =
            Gateway::new(cyrus_runtime::model_upstream(), Arc::new(prices), Limits::default());
        let account = Account::new(limit.map(MicroUsd));
        let access = Access {
            format: Format::OpenAi,
            base: BaseUrl::parse(&format!("{}/v1", model.base_url())).expect("an address"),
            credential: Arc::new(Credential::Key(Zeroizing::new(KEY.to_owned()))),
            models: None,
            account: Arc::clone(&account),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let ticket = Gateway::ticket().expect("a token");
        let lease = gateway.serve(ticket, listener, access).expect("a lease");
        let directory =
            tempfile::Builder::new().prefix("cyrus-codex-").tempdir().expect("a directory");
        for name in ["home", "tree"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        Some(Self { directory, model, account, lease })
    }

    fn tree(&self) -> std::path::PathBuf {
        self.directory.path().join("tree")
    }

    fn start(&self) -> Child {
        let home = self.directory.path().join("home");
        let provider =
            format!("model_providers.gateway.base_url=\"http://{}/v1\"", self.lease.address());
        Command::new(lanes::program("codex-0.171.0/node_modules/.bin/codex"))
            .args(["exec", "--json", "--skip-git-repo-check", "--sandbox", "danger-full-access"])
            .args([
                "-c",
                "model_provider=gateway",
                "-c",
                "model_providers.gateway.name=\"gateway\"",
            ])
            .args(["-c", &provider, "-c", "model_providers.gateway.env_key=\"MODEL_TOKEN\""])
            .args(["-c", "model_providers.gateway.wire_api=\"responses\"", "-c", "model=gpt-5.1"])
            .arg("Make the file")
            .current_dir(self.tree())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("a PATH"))
            .env("HOME", &home)
            .env("CODEX_HOME", &home)
            .env("MODEL_TOKEN", self.lease.token())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it is there")
    }

    async fn run(&self) -> (Option<i32>, String) {
        let output = timeout(PATIENCE, self.start().wait_with_output()).await.expect("it ends");
        let output = output.expect("it ran");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn command(cmd: &str) -> Turn {
    Turn::tool("exec_command", json!({ "cmd": cmd }))
}

fn asked(model: &Server) -> usize {
    model.requests().iter().filter(|request| request.path == "/v1/responses").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_done_with_a_key_that_is_nowhere_in_the_program() {
    let turns = vec![command("env > made.txt"), Turn::failing(Failure::Hang { after_bytes: None })];
    let Some(bench) = Bench::new(None, turns).await else { return };
    let child = bench.start();
    let second = |seen: &[_]| seen.len() >= 2;
    timeout(PATIENCE, bench.model.wait_until(second)).await.expect("its tool was used");
    let made = fs::read_to_string(bench.tree().join("made.txt")).expect("the file was made");
    assert!(made.contains("PATH=") && !made.contains(KEY), "{made}");
    let own = child.id().expect("it runs");
    let all: Vec<u32> = [own].into_iter().chain(secrets::descendants(own)).collect();
    let places = |secret: &str| {
        let each = all.iter().filter_map(|&pid| secrets::places_in(pid, secret));
        each.flatten().collect::<Vec<_>>()
    };
    let of_token = places(bench.lease.token());
    assert!(of_token.contains(&"environ".to_owned()), "{of_token:?}");
    assert!(of_token.len() > 1, "its memory was looked through, too: {of_token:?}");
    assert_eq!(places(KEY), [""; 0]);
    assert!(secrets::files_with(bench.directory.path(), KEY).is_empty());
    let asked = bench.model.requests();
    let bearer = format!("Bearer {KEY}");
    assert!(asked.iter().all(|request| request.header("authorization") == Some(bearer.as_str())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_it_used_is_what_the_gateway_counted() {
    let usage = Usage {
        input_tokens: 3_000,
        output_tokens: 200,
        cache_read_input_tokens: 1_000,
        cache_creation_input_tokens: 0,
    };
    let first = Turn { usage, ..command("echo made > made.txt") };
    let Some(bench) = Bench::new(None, vec![first, Turn::text("Done.")]).await else { return };
    let (code, printed) = bench.run().await;
    assert_eq!(code, Some(0), "{printed}");
    let last = printed.lines().last().expect("a line");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["type"], "turn.completed");
    let tally = bench.account.tally();
    assert_eq!(last["usage"]["input_tokens"], tally.tokens.prompt());
    assert_eq!(last["usage"]["cached_input_tokens"], tally.tokens.cache_read);
    assert_eq!(last["usage"]["output_tokens"], tally.tokens.output);
    // gpt-5.1: 4,200 in at 1.25, 1,000 from the cache at 0.125, 250 out at 10; each turn is rounded up.
    assert_eq!(tally.cost, MicroUsd(3_000 * 125 / 100 + 125 + 2_000 + 1_500 + 500));
    assert!(!tally.is_estimate, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_the_money_does_and_does_not_try_again() {
    let long = Turn::text(&"a long answer ".repeat(20_000));
    let Some(bench) = Bench::new(Some(500_000), vec![long, Turn::text("never")]).await else {
        return;
    };
    let (code, printed) = bench.run().await;
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("turn.failed"), "{printed}");
    assert_eq!(asked(&bench.model), 1, "{printed}");
    assert!(bench.account.why_spent().is_some());
    // And a turn that begins without money is final, too.
    let (code, printed) = bench.run().await;
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("budget of this execution is spent"), "{printed}");
    assert_eq!(asked(&bench.model), 1);
}
