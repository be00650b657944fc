//! What an agent tells while it works: `session/update`.

use cyrus_sdk::contract::{Cost, Event, PlanStep, StepState, Usage, micro_usd};
use serde_json::Value;
use std::collections::BTreeSet;

/// What was seen of a session so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    tools: BTreeSet<String>,
    /// What the session had cost before this execution, in millionths of a US dollar: agents count per session.
    spent_before: u64,
    /// What it has cost by now. `None`: the agent has not said.
    spent: Option<u64>,
    usage: Usage,
    /// What the agent has said since it last used a tool.
    said: String,
}

impl Seen {
    /// A session that had cost so much when it was taken up.
    pub(crate) fn after(spent_before: u64) -> Self {
        Self { spent_before, ..Self::default() }
    }

    /// What the session has cost in all.
    pub(crate) fn spent(&self) -> u64 {
        self.spent.unwrap_or(self.spent_before)
    }

    /// What the agent said last: its answer, once the turn has ended.
    pub(crate) fn said(&self) -> &str {
        self.said.trim()
    }

    /// What this execution has used.
    pub(crate) fn usage(&self) -> Usage {
        let cost = self.spent.and_then(|spent| {
            // An agent that began to count anew when the session was taken up shows less than before.
            let amount = spent.checked_sub(self.spent_before).unwrap_or(spent);
            Cost::reported(0.0).map(|cost| Cost { amount, ..cost })
        });
        Usage { cost, ..self.usage }
    }

    /// Takes the counts that an agent gives at the end of a turn; where they are differs.
    pub(crate) fn turn_ended(&mut self, result: &Value) {
        let tokens = |place: &Value, name: &str| place[name].as_u64();
        let (usage, quota) = (&result["usage"], &result["_meta"]["quota"]["token_count"]);
        self.usage.input_tokens = tokens(usage, "inputTokens").or(tokens(quota, "input_tokens"));
        self.usage.output_tokens = tokens(usage, "outputTokens").or(tokens(quota, "output_tokens"));
        self.usage.cache_read_tokens = tokens(usage, "cachedReadTokens");
        self.usage.cache_write_tokens = tokens(usage, "cachedWriteTokens");
        self.usage.turns = Some(1);
    }

    /// What people should see of an update. Kinds that this version does not know are none of theirs.
    pub(crate) fn events(&mut self, update: &Value) -> Vec<Event> {
        match update["sessionUpdate"].as_str().unwrap_or_default() {
            "agent_message_chunk" => self.message_event(update).into_iter().collect(),
            "agent_thought_chunk" => text(update).map(Event::thought).into_iter().collect(),
            "tool_call" | "tool_call_update" => self.tool_events(update),
            "plan" => {
                vec![Event::plan(update["entries"].as_array().into_iter().flatten().map(step))]
            }
            "usage_update" => self.cost_event(&update["cost"]).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn message_event(&mut self, update: &Value) -> Option<Event> {
        let text = text(update)?;
        self.said.push_str(text);
        Some(Event::message(text))
    }

    /// Some agents announce a call before they know its input, some never announce it.
    fn tool_events(&mut self, update: &Value) -> Vec<Event> {
        let Some(id) = update["toolCallId"].as_str() else { return Vec::new() };
        self.said.clear();
        let input = &update["rawInput"];
        let status = update["status"].as_str().unwrap_or_default();
        let ended = matches!(status, "completed" | "failed");
        let known = input.as_object().is_some_and(|input| !input.is_empty());
        let mut events = Vec::new();
        if (known || ended) && self.tools.insert(id.to_owned()) {
            events.push(Event::tool_use(id, tool_name(update), input));
        }
        if ended {
            events.push(Event::tool_result(id, status == "failed", output(update)));
        }
        events
    }

    fn cost_event(&mut self, cost: &Value) -> Option<Event> {
        if cost["currency"].as_str() != Some("USD") {
            return None;
        }
        self.spent = Some(micro_usd(cost["amount"].as_f64()?)?);
        Some(Event::Usage(self.usage()))
    }
}

/// What a tool is called, as well as an agent says it.
pub(crate) fn tool_name(call: &Value) -> &str {
    let own = call["_meta"]["claudeCode"]["toolName"].as_str();
    own.or(call["kind"].as_str()).or(call["title"].as_str()).unwrap_or("tool")
}

fn text(update: &Value) -> Option<&str> {
    update["content"]["text"].as_str().filter(|text| !text.is_empty())
}

fn output(update: &Value) -> String {
    let parts = update["content"].as_array().into_iter().flatten();
    let texts: Vec<&str> = parts.filter_map(|part| part["content"]["text"].as_str()).collect();
    match (&update["rawOutput"], texts.is_empty()) {
        (Value::String(text), _) => text.clone(),
        (Value::Null, _) | (_, false) => texts.join("\n"),
        (other, true) => other.to_string(),
    }
}

fn step(entry: &Value) -> PlanStep {
    let state = match entry["status"].as_str() {
        Some("completed") => StepState::Completed,
        Some("in_progress") => StepState::InProgress,
        _ => StepState::Pending,
    };
    PlanStep { text: entry["content"].as_str().unwrap_or_default().to_owned(), state }
}
