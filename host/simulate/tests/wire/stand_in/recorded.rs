//! What the real program printed, and how lines are reduced to compare with it.

use std::path::Path;

use serde_json::{Map, Value, json};

pub(super) fn summary(line: &Value) -> Value {
    let mut kept = Map::from_iter([("type".to_owned(), line["type"].clone())]);
    let mut keep = |names: &[&str]| {
        for name in names {
            if let Some(value) = line.get(name) {
                kept.insert((*name).to_owned(), value.clone());
            }
        }
    };
    match line["type"].as_str().unwrap() {
        "system" if line["subtype"] == "api_retry" => {
            keep(&["subtype", "attempt", "max_retries", "error_status", "error"]);
        }
        "system" => keep(&["subtype"]),
        "assistant" | "user" => {
            keep(&["error", "isReplay", "isSynthetic"]);
            kept.insert("content".into(), content(&line["message"]["content"]));
        }
        "result" => {
            keep(&[
                "subtype",
                "is_error",
                "api_error_status",
                "num_turns",
                "stop_reason",
                "terminal_reason",
                "errors",
            ]);
            keep(if line.get("structured_output").is_some() {
                &["structured_output"]
            } else {
                &["result"]
            });
            money(line, &mut kept);
        }
        "control_request" => {
            let mut request = line["request"].clone();
            request.as_object_mut().unwrap().remove("tool_use_id");
            kept.insert("request".into(), request);
        }
        "control_response" => {
            let response = &line["response"];
            kept.insert("subtype".into(), response["subtype"].clone());
            kept.insert("response".into(), response["response"].clone());
        }
        _ => {}
    }
    kept.into()
}

pub(super) fn money(line: &Value, kept: &mut Map<String, Value>) {
    let micro = line["total_cost_usd"].as_f64().unwrap() * 1e6;
    kept.insert("micro_usd".into(), format!("{micro:.0}").parse::<u64>().unwrap().into());
    let usage = &line["usage"];
    kept.insert("tokens".into(), json!([usage["input_tokens"], usage["output_tokens"]]));
    let models = line["modelUsage"].as_object().unwrap().values();
    let models: Vec<Value> =
        models.map(|model| json!([model["inputTokens"], model["outputTokens"]])).collect();
    kept.insert("model_tokens".into(), models.into());
    let denials = line["permission_denials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|denial| denial["tool_name"].clone());
    kept.insert("denied".into(), denials.collect());
}

pub(super) fn content(content: &Value) -> Value {
    let Some(blocks) = content.as_array() else { return content.clone() };
    let reduced = blocks.iter().map(|block| match block["type"].as_str().unwrap() {
        "text" => json!({"text": block["text"]}),
        "tool_use" => json!({"tool": block["name"], "input": block["input"]}),
        _ => json!({"result": block["content"], "is_error": block.get("is_error")}),
    });
    reduced.collect()
}

/// What the real program printed in a scenario.
pub(super) fn recorded(scenario: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claude-recorded.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    let mut scenarios = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found =
        scenarios.find(|it| it["scenario"] == scenario).unwrap_or_else(|| panic!("{scenario}"));
    serde_json::from_value(found["lines"].take()).unwrap()
}
