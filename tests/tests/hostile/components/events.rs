//! Floods and bombs in the stream of events.

use super::attack::{Attack, Outcomes, Stop};
use crate::case::Case;
use cyrus_executor::Event;
use serde_json::Value;

const GROUP: &str = "events";

/// The longest text of an event that is kept, with what says that it was cut.
const LONGEST: usize = 65 << 10;

/// The deepest JSON that is kept as JSON.
const DEEPEST: usize = 128;

const KINDS: [&str; 10] = [
    "message",
    "thought",
    "tool-use",
    "tool-result",
    "plan",
    "usage",
    "link",
    "progress",
    "warning",
    "other",
];

fn attack(name: &str, prompt: &str, stop: Stop) -> Attack {
    Attack::new(GROUP, name, prompt, stop)
}

pub(crate) fn cases() -> Vec<Case> {
    use Stop::{Deadline, Ignored, Limit, Stopped};
    const EVENTS: Stop = Limit(&["events"]);
    const ONE_MIB: &str = r#"{"eventsMib": 1, "stopGraceSeconds": 0}"#;
    let mut attacks = Vec::new();
    for kind in KINDS {
        // What an event costs does not depend on how much text is in it.
        let named = |what: &str| format!("{what}_of_{}", kind.replace('-', "_"));
        let empty = format!("flood {kind} 60000 0");
        attacks.push(attack(&named("flood_of_nothing"), &empty, EVENTS).limits(ONE_MIB));
        let full = format!("flood {kind} 3000 1024");
        let of_text = if kind == "usage" { format!("flood {kind} 60000 0") } else { full };
        attacks.push(attack(&named("flood_of_text"), &of_text, EVENTS).limits(ONE_MIB));
        let endless = format!("flood {kind} 0 16");
        attacks.push(attack(&named("flood_against_a_stop"), &endless, Stopped).check(nothing));
        let late = attack(&named("flood_past_its_deadline"), &endless, Deadline);
        attacks.push(late.deadline(std::time::Duration::from_millis(50)));
    }
    for shape in ["deep", "closed", "objects", "wide", "empty", "keys", "number", "string"] {
        let prompt = format!("json {shape} 1000000");
        let name = format!("json_{shape}");
        attacks.push(attack(&name, &prompt, Ignored).check(json_is_bounded));
    }
    for shape in ["deep", "wide", "empty", "keys"] {
        let name = format!("json_{shape}_as_large_as_is_read");
        let prompt = format!("json {shape} 60000");
        attacks.push(attack(&name, &prompt, Ignored).check(json_is_bounded));
    }
    attacks.extend([
        attack("a_plan_of_a_million_steps", "steps 1000000", Limit(&["events", "call-bytes"]))
            .limits(ONE_MIB),
        attack("huge_texts_in_each_field", "each-huge 8", Ignored).check(texts_are_bounded),
        attack("larger_than_a_call", "each-huge 5000", Limit(&["call-bytes", "events", "memory"])),
        attack("escapes_in_each_field", "each-escapes", Ignored).check(no_control),
        attack("usage_that_goes_back", "usage-lie", Ignored),
        attack("work_after_the_end_of_events", "close-events", Ignored),
        attack("random_events", "random 1 400", Ignored).check(no_control),
    ]);
    attacks.into_iter().map(Attack::case).collect()
}

fn nothing(_: &Outcomes) {}

fn texts_are_bounded(outcomes: &Outcomes) {
    for text in texts(outcomes) {
        assert!(text.len() <= LONGEST, "a text of {} bytes is kept", text.len());
    }
}

/// The texts of all events but for those in JSON, which is data: what prints it escapes it.
fn texts(outcomes: &Outcomes) -> Vec<String> {
    let mut found = Vec::new();
    for event in &outcomes.events {
        let mut event = event.clone();
        match &mut event {
            Event::ToolUse(call) => call.input = Value::Null,
            Event::Other(other) => other.payload = Value::Null,
            _ => {}
        }
        collect(&serde_json::to_value(event).unwrap(), &mut found);
    }
    found
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        Value::Object(values) => {
            for (key, value) in values {
                into.push(key.clone());
                collect(value, into);
            }
        }
        _ => {}
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn json_is_bounded(outcomes: &Outcomes) {
    let mut seen = 0;
    for event in &outcomes.events {
        let json = match event {
            Event::ToolUse(call) => &call.input,
            Event::Other(other) => &other.payload,
            _ => continue,
        };
        seen += 1;
        assert!(depth(json) <= DEEPEST, "JSON of depth {} is kept", depth(json));
        let size = json.to_string().len();
        assert!(size <= 16 * LONGEST, "JSON of {size} bytes is kept");
    }
    assert_eq!(seen, 2, "the events are there");
}

/// Nothing that the host hands on is obeyed by a terminal.
fn no_control(outcomes: &Outcomes) {
    for text in texts(outcomes) {
        let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!text.contains(obeyed), "{text:?}");
    }
}
