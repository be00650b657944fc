//! What an agent gets of its model in the profile `strict`: a token that is good for nothing else, and no more than its budget.

use crate::bench::{Claude, KEY, bash, done, tool_results, write};
use cyrus_simulate::{Failure, Turn, Usage};
use cyrus_tests::{Signal, secrets};

/// What every token of the gateway begins with.
const TOKEN: &str = "cyrus-execution-";

/// The program uses a tool, and is looked through while it waits for its model.
pub(crate) fn its_key_is_nowhere_in_it(claude: Claude) {
    // Into a file: what the host knows is taken out of what is printed.
    let look = "(env; cat /proc/$PPID/environ /proc/$PPID/cmdline) > seen.txt; echo all seen";
    let hangs = Turn::failing(Failure::Hang { after_bytes: None });
    let Some(bench) = claude.with([bash(look), hangs]).strictly() else { return };
    let mut run = bench.start(["run", "--json", "Say hello"]);
    let seen = run.wait_for("a tool's result", |line| line["event"]["kind"] == "tool-result");
    let seen = seen["event"]["value"]["output"].as_str().expect("text").to_owned();
    assert!(seen.contains("all seen"), "{seen}");
    bench.until_asked(2);

    let ours = secrets::program_of(run.id());
    let agents: Vec<u32> = secrets::descendants(run.id())
        .into_iter()
        .filter(|&pid| secrets::program_of(pid) != ours)
        .collect();
    let places = |secret| {
        let each = agents.iter().filter_map(|&pid| secrets::places_in(pid, secret));
        each.flatten().collect::<Vec<_>>()
    };
    let of_token = places(TOKEN);
    assert!(of_token.contains(&"environ".to_owned()), "it was looked at: {agents:?} {of_token:?}");
    assert!(of_token.len() > 1, "its memory was looked through, too: {of_token:?}");
    assert_eq!(places(KEY), [""; 0]);
    let with_token = secrets::files_with(&bench.path(""), TOKEN);
    assert!(with_token.iter().any(|file| file.ends_with("seen.txt")), "{with_token:?}");
    let mut files = secrets::files_with(&bench.path(""), KEY);
    files.retain(|file| *file != bench.home().join("config.json"));
    assert!(files.is_empty(), "{files:?}: only the operator's configuration has it");
    run.signal(Signal::SIGINT);
    let _ = run.end();
}

/// It takes itself for logged in, and the service is shown the login's token, which the program never had.
#[expect(clippy::needless_pass_by_value, reason = "all tests of a version are called alike")]
pub(crate) fn the_token_of_its_login_stays_with_the_host(claude: Claude) {
    for variable in ["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"] {
        let look = bash("env > seen.txt; echo hello > hello.txt");
        let bench = claude.clone().with([look, done()]).key_in(variable);
        let report = bench.work().code(0).report().outcome("validated");
        let seen = bench.repo().file(report.branch(), "seen.txt");
        assert!(seen.contains("PATH=") && !seen.contains(KEY), "{seen}");
        for question in bench.questions() {
            let shown = format!("Bearer {KEY}");
            assert_eq!(question.header("authorization"), Some(shown.as_str()), "{variable}");
            assert_eq!(question.header("x-api-key"), None, "{variable}");
        }
        assert_eq!(report.execution()["usage"]["cost"]["source"], "gateway");
    }
}

pub(crate) fn the_ledger_is_what_the_gateway_counted(claude: Claude) {
    let usage = Usage { input_tokens: 20_000, output_tokens: 1_000, ..Usage::default() };
    let first = Turn { usage, ..write("hello.txt", "hello\n") };
    let Some(bench) = claude.with([first, done()]).strictly() else { return };
    let ended = bench.work().code(0);
    let report = ended.report().outcome("validated");
    assert_eq!(tool_results(&ended).len(), 1);
    let used = &report.execution()["usage"];
    assert_eq!(used["inputTokens"], 21_200, "{used:#}");
    assert_eq!(used["outputTokens"], 1_050, "{used:#}");
    assert_eq!(used["cost"]["source"], "gateway", "{used:#}");
    assert_eq!(report.execution()["cost"], used["cost"]);
    let id = bench.sessions()[0]["id"].as_str().expect("an id").to_owned();
    let shown = bench.run(["session", "show", &id, "--json"]).code(0).json().to_string();
    assert!(shown.contains(&used["cost"]["amount"].to_string()), "{shown}");
    assert_eq!(bench.questions().len(), 2);
}

/// What is spent by the end of the first request is more than there is.
pub(crate) fn its_budget_stops_it_inside_a_turn(claude: Claude) {
    let usage = Usage { input_tokens: 100_000, ..Usage::default() };
    let dear = Turn { usage, ..write("hello.txt", "hello\n") };
    let Some(bench) = claude.with([dear, done()]).strictly() else { return };
    let run = ["run", "--json", "--max-cost", "0.30", "Say hello"];
    let report = bench.run(run).code(1).report().outcome("paused");
    assert_eq!(report.error()["kind"], "budget-exceeded", "{report:?}");
    assert_eq!(bench.questions().len(), 1, "it asked once, and had more to ask");
    // It was cut while it answered, so what was left of the answer is estimated: by the gateway, and not by the program.
    let used = &report.execution()["usage"]["cost"];
    assert_eq!(used["source"], "estimated", "{used:#}");
    assert!(used["amount"].as_u64() >= Some(300_000), "{used:#}");
    assert_eq!(report.execution()["cost"], *used);
}
