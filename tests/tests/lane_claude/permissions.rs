//! Claude Code asks before it writes such a file, also when writing is allowed as such, so what becomes of it is the
//! host's answer over the control protocol.

use crate::bench::{Bench, Claude, done, tool_results, write};
use serde_json::json;

const ASKED_ABOUT: &str = ".bashrc";

fn asking(claude: Claude) -> Bench {
    claude.with([write(ASKED_ABOUT, "hello\n"), write("hello.txt", "hello\n"), done()])
}

pub(crate) fn what_policy_denies_is_not_done_and_is_reported(claude: Claude) {
    let bench = asking(claude);
    let ended = bench.work().code(0);
    let report = ended.report().outcome("validated");
    let commit = report["commit"].as_str().expect("a commit");
    assert_eq!(bench.repo().git(["ls-tree", "--name-only", commit, ASKED_ABOUT]), "");

    let results = tool_results(&ended);
    assert_eq!((&results[0]["isError"], &results[1]["isError"]), (&json!(true), &json!(false)));
    let line = "to allow it, add \"Write\" to `allowedTools`";
    assert!(results[0]["output"].as_str().expect("text").contains(line), "{:#}", results[0]);
    let denials = report.execution()["denials"].as_array().expect("denials");
    assert_eq!(denials.len(), 1, "{denials:?}");
    assert_eq!(denials[0]["tool"], "Write", "{denials:?}");
    let warned = |line: &serde_json::Value| line["event"]["value"]["code"] == "permission-denied";
    assert!(ended.lines().iter().any(warned), "{ended}");
}

pub(crate) fn what_policy_allows_is_done(claude: Claude) {
    let bench = asking(claude).config(json!({ "defaultAllowedTools": ["Read", "Write"] }));
    let ended = bench.work().code(0);
    let report = ended.report().outcome("validated");
    assert_eq!(bench.repo().file(report.branch(), ASKED_ABOUT), "hello");
    assert!(report.execution()["denials"].is_null(), "{:#}", report.execution());
}
