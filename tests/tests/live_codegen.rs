//! The Codegen plugin against the real service. It needs an account, and spends its money, so it runs only when these
//! variables are set, and says so when they are not: `CYRUS_LIVE_CODEGEN_ORG` (the organization's number),
//! `CYRUS_LIVE_CODEGEN_TOKEN` (its API token) and `CYRUS_LIVE_CODEGEN_REPO` (the number of a repository that the run may
//! look at). `CYRUS_LIVE_CODEGEN_BASE_URL` names another address of the service.
//!
//! `cargo test -p cyrus-tests --features live --test live_codegen`

use cyrus_tests::{World, lanes, world};
use serde_json::{Value, json};
use std::{env, time::Duration};

const VARIABLES: [&str; 3] =
    ["CYRUS_LIVE_CODEGEN_ORG", "CYRUS_LIVE_CODEGEN_TOKEN", "CYRUS_LIVE_CODEGEN_REPO"];

/// A world with the account. `None`: there is none.
fn account() -> Option<(World, String)> {
    let set = VARIABLES.map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let [Some(organization), Some(token), Some(repository)] = set else {
        lanes::say(&format!("not run: it needs a real account, in {}", VARIABLES.join(", ")));
        return None;
    };
    let repository: u64 = repository.trim().parse().expect("CYRUS_LIVE_CODEGEN_REPO is a number");
    let mut world = world!()
        .repository(&[("README.md", "A repository.\n")])
        .variable("CODEGEN_API_TOKEN", &token)
        .config(json!({
            "codegen": { "orgId": organization.trim(), "apiToken": { "env": "CODEGEN_API_TOKEN" } },
            "executors": { "codegen": { "settings": { "repoId": repository } } },
        }));
    if let Ok(address) = env::var("CYRUS_LIVE_CODEGEN_BASE_URL") {
        world.configure(json!({ "codegen": { "baseUrl": address } }));
    }
    Some((world, token))
}

#[test]
fn it_is_ready_and_answers_a_question() {
    let Some((world, token)) = account() else { return };
    let listed = world.run(["executor", "list", "--json"]).code(0);
    let entries = listed.json();
    let entries = entries.as_array().expect("a list");
    let codegen = entries.iter().find(|entry| entry["name"] == "codegen").expect("it is there");
    assert_eq!(codegen["error"], Value::Null, "{codegen:#}");

    let question = "Answer with the one word \"pong\". Change no file, and open no pull request.";
    let run = world.start([
        "run",
        "--json",
        "--executor",
        "codegen",
        "--kind",
        "scoper",
        "--deadline",
        "20",
        question,
    ]);
    let ended = run.patiently(Duration::from_mins(21)).end().code(1);
    let report = ended.report().outcome("unverified");
    let execution = report.execution();
    assert_eq!(execution["outcome"], "completed", "{execution:#}");
    assert!(execution["checkpoint"].is_string(), "{execution:#}");
    let mut links = execution["links"].as_array().expect("links").iter();
    assert!(links.any(|link| link["kind"] == "run"), "{execution:#}");
    for said in [&ended.stdout, &ended.stderr, &listed.stdout, &listed.stderr] {
        assert!(!said.contains(&token), "the token was shown");
    }
}
