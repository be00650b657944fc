//! The examples in the documentation are scripts that work.

use std::path::Path;

use cyrus_simulate::{Anthropic, Codegen, anthropic, any_port, claude, codegen};

/// The examples for a simulator: blocks that begin with `json` and its name.
fn examples(name: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/simulators.md");
    let text = std::fs::read_to_string(file).unwrap();
    let begin = format!("```json {name}\n");
    let blocks = text.split(begin.as_str()).skip(1);
    let found: Vec<String> =
        blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
    assert!(!found.is_empty(), "no example for {name}");
    found
}

#[tokio::test]
async fn every_example_is_a_script() {
    for example in examples("codegen") {
        let script: codegen::Script = serde_json::from_str(&example).unwrap();
        Codegen::start(script, any_port()).await.unwrap().shutdown().await;
    }
    for example in examples("anthropic") {
        let script: anthropic::Script = serde_json::from_str(&example).unwrap();
        Anthropic::start(script, any_port()).await.unwrap().shutdown().await;
    }
    for example in examples("claude") {
        let _: claude::Script = serde_json::from_str(&example).unwrap();
    }
}
