//! Executions against a service that keeps its runs in memory.

mod beginning;
mod looking;
mod service;
mod stopping;

use crate::Codegen;
use cyrus_sdk::{
    contract::{Finding, Repository},
    testing::{Run, TestHost},
};
use serde_json::{Value, json};
use service::Service;

const PROMPT: &str = "add(2, 2) gives 5.";

fn repository() -> Repository {
    Repository {
        remote: Some("git@github.com:Acme/Widgets.git".to_owned()),
        base_branch: Some("main".to_owned()),
        base_commit: "0123abc".to_owned(),
        work_branch: "cyrus/7".to_owned(),
    }
}

/// A host with the organization's settings, the repository and the service.
fn host(service: &Service) -> TestHost {
    TestHost::new()
        .settings(&json!({"orgId": "42"}))
        .repository(repository())
        .http(service.answers())
}

fn execute(host: TestHost) -> Run {
    host.run::<Codegen>(PROMPT)
}

/// Goes on from where an execution was suspended, until it is not any more.
fn follow(service: &Service, mut run: Run) -> Vec<Run> {
    let mut runs = Vec::new();
    while let Ok(cyrus_sdk::contract::Outcome::Suspended(suspension)) = &run.outcome {
        let next = execute(host(service).resume(&suspension.checkpoint));
        runs.push(std::mem::replace(&mut run, next));
        assert!(runs.len() < 100, "it never ends");
    }
    runs.push(run);
    runs
}

fn finding() -> Finding {
    Finding {
        code: "command-failed".to_owned(),
        message: "the tests fail".to_owned(),
        path: None,
        line: None,
        command: None,
        output: None,
    }
}

fn state_of(checkpoint: &str) -> Value {
    let value: Value = serde_json::from_str(checkpoint).expect("a checkpoint is JSON");
    value["state"].clone()
}
