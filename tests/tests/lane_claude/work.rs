use crate::bench::{Bench, Claude, KEY, bash, done, tool_results, write};
use cyrus_simulate::{Conversation, RecordedRequest, Turn, Usage};
use serde_json::{Value, json};
use std::{env, fs, process::Command};

pub(crate) fn a_file_that_it_writes_ends_up_committed_and_validated(claude: Claude) {
    let bench = claude.with([write("hello.txt", "hello\n"), done()]);
    let ended = bench.work().code(0);
    let report = ended.report().outcome("validated");
    assert_eq!(bench.repo().file(report.branch(), "hello.txt"), "hello");
    assert_eq!(report["diff"], json!({ "files": 1, "insertions": 1, "deletions": 0 }));
    assert_eq!(report.execution()["summary"], "Done.");
    assert_eq!(bench.questions().len(), 2);
    assert!(!format!("{ended}").contains(KEY), "{ended}");
}

/// An agent that it starts goes on when its own turn has ended, and is all that does the work.
pub(crate) fn what_it_does_in_the_background_is_waited_for(claude: Claude) {
    let agent = Turn::tool(
        "Task",
        json!({
            "description": "Write the greeting",
            "prompt": "Please write the greeting file",
            "subagent_type": "general-purpose",
            "run_in_background": true,
        }),
    );
    let wait = bash("sleep 2");
    let main = vec![agent, Turn::text("It is being written."), done(), done()];
    let bench = Bench::new(
        claude,
        vec![
            Conversation {
                when: Some("Please write the greeting file".into()),
                turns: vec![wait, write("hello.txt", "hello\n"), Turn::text("Written.")],
            },
            Conversation { when: None, turns: main },
        ],
    );
    let ended = bench.work().code(0);
    let report = ended.report().outcome("validated");
    assert_eq!(report["executions"].as_array().expect("executions").len(), 1, "{ended}");
    // Its turn had ended, and when the agent was done it had another.
    let goes_on = |asked: &RecordedRequest| {
        let messages = asked.json()["messages"].to_string();
        messages.contains("It is being written.")
    };
    assert!(bench.questions().iter().any(goes_on), "{ended}");
    assert_eq!(bench.repo().file(report.branch(), "hello.txt"), "hello");
}

/// What the program itself says when it is run by hand, against the same model.
fn run_by_hand(bench: &Bench) -> Value {
    let (directory, home) = (bench.path("by-hand"), bench.path("by-hand-home"));
    for path in [&directory, &home] {
        fs::create_dir_all(path).expect("a directory");
    }
    let output = Command::new(&bench.claude.program)
        .args(["-p", "Say hello", "--output-format", "json", "--model", "opus"])
        .args(["--permission-mode", "acceptEdits"])
        .current_dir(&directory)
        .env_clear()
        .env("PATH", env::var_os("PATH").expect("a PATH"))
        .env("HOME", &home)
        .env("ANTHROPIC_BASE_URL", bench.model.base_url())
        .env("ANTHROPIC_API_KEY", KEY)
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .output()
        .expect("it is there");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("its result")
}

pub(crate) fn the_cost_is_what_it_reports(claude: Claude) {
    let costing = |turn: Turn, input_tokens, output_tokens| {
        let usage = Usage {
            input_tokens,
            output_tokens,
            cache_read_input_tokens: 7_003,
            cache_creation_input_tokens: 911,
        };
        Turn { usage, ..turn }
    };
    let first = costing(write("hello.txt", "hello\n"), 1_501, 83);
    let bench = claude.with([first, costing(done(), 2_207, 59)]);
    let report = bench.work().code(0).report().outcome("validated");
    let by_hand = run_by_hand(&bench);

    let dollars = by_hand["total_cost_usd"].as_f64().expect("an amount");
    assert!(dollars > 0.0, "{by_hand:#}");
    let cost = &report.execution()["cost"];
    assert_eq!(cost["source"], "gateway");
    let counted = cost["amount"].as_f64().expect("an amount");
    // Each of the two turns is rounded up.
    assert!((counted - dollars * 1e6).abs() <= 2.0, "{counted} millionths are not {dollars}");
    let (ours, its) = (&report.execution()["usage"], &by_hand["usage"]);
    for (our, its) in [
        (&ours["inputTokens"], &its["input_tokens"]),
        (&ours["outputTokens"], &its["output_tokens"]),
        (&ours["cacheReadTokens"], &its["cache_read_input_tokens"]),
        (&ours["cacheWriteTokens"], &its["cache_creation_input_tokens"]),
        (&ours["turns"], &by_hand["num_turns"]),
    ] {
        assert!(our.as_u64() > Some(0) && our == its, "{ours:#} {by_hand:#}");
    }
}

pub(crate) fn it_sees_nothing_of_the_users_home_and_environment(claude: Claude) {
    let look = "env; find \"$HOME\" -type f; echo all seen";
    let bench = claude.with([bash(look), write("hello.txt", "hello\n"), done()]);
    for (directory, file) in [(".ssh", "id_ed25519"), (".claude", "settings.json")] {
        let directory = bench.user().join(directory);
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join(file), "{}").expect("a file");
    }
    fs::write(bench.user().join("diary.txt"), "private").expect("a file");

    let ended = bench.work().code(0);
    let seen = tool_results(&ended)[0]["output"].as_str().expect("text").to_owned();
    assert!(seen.contains("HOME=") && seen.trim_end().ends_with("all seen"), "{seen}");
    assert!(!seen.contains(&format!("HOME={}\n", bench.user().display())), "{seen}");
    for hidden in ["id_ed25519", "settings.json", "diary.txt", "CYRUS_TEST_PRIVATE"] {
        assert!(!seen.contains(hidden), "{hidden}: {seen}");
    }
}

pub(crate) fn a_checkouts_own_settings_start_nothing_where_they_are_shut_out(claude: Claude) {
    let bench = claude.with([write("hello.txt", "hello\n"), done()]);
    let bench = bench.config(json!({ "projectSettings": false }));
    let (hooked, served) = (bench.path("hooked"), bench.path("served"));
    let hook = json!([{ "hooks": [{ "type": "command", "command": format!("touch '{}'", hooked.display()) }] }]);
    let settings =
        json!({ "hooks": { "SessionStart": hook, "PreToolUse": hook, "UserPromptSubmit": hook } });
    let servers = json!({ "mcpServers": { "theirs": { "command": "touch", "args": [served] } } });
    bench.repo().commit(&[
        (".claude/settings.json", &settings.to_string()),
        (".claude/settings.local.json", &settings.to_string()),
        (".mcp.json", &servers.to_string()),
    ]);
    let _ = bench.work().code(0).report().outcome("validated");
    assert!(!hooked.exists(), "a hook of the checkout was run");
    assert!(!served.exists(), "a server of the checkout was started");
}

pub(crate) fn a_probe_says_which_version_it_is(claude: Claude) {
    let version = claude.version.clone();
    let bench = claude.with([done()]);
    let listed = bench.run(["executor", "list", "--json"]).code(0).json();
    let entries = listed.as_array().expect("a list");
    let claude = entries.iter().find(|entry| entry["name"] == "claude").expect("it is there");
    assert_eq!(claude["health"]["version"], version, "{claude:#}");
    assert_eq!(claude["error"], Value::Null);
    assert!(bench.questions().is_empty(), "a probe costs nothing");
}
