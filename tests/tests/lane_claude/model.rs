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
    let bench = claude.with([bash(look), hangs]);
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

pub(crate) fn the_ledger_is_what_the_gateway_counted(claude: Claude) {
    let usage = Usage { input_tokens: 20_000, output_tokens: 1_000, ..Usage::default() };
    let first = Turn { usage, ..write("hello.txt", "hello\n") };
    let bench = claude.with([first, done()]);
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
