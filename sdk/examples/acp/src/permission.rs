//! `session/request_permission`: the agent's question, put to the host, and the host's answer in the agent's words.

use crate::update::tool_name;
use cyrus_sdk::contract::{Answer, Denial, Question};
use serde_json::{Value, json};

/// The question for the host. `number` makes it one of its kind where the agent gives the call no id.
pub(crate) fn question(params: &Value, number: u32) -> Question {
    let call = &params["toolCall"];
    let id =
        call["toolCallId"].as_str().map_or_else(|| format!("permission-{number}"), str::to_owned);
    Question::tool_permission(id, tool_name(call), &call["rawInput"])
}

/// What to answer the agent, and the denial to report if it is one.
///
/// Agents name their options as they like, so they are chosen by kind; and never one that decides for later calls
/// too, since the host was asked about this one.
pub(crate) fn decide(
    params: &Value,
    question: &Question,
    answer: Answer,
) -> (Value, Option<Denial>) {
    let options = params["options"].as_array();
    let of_kind = |kind: &str| {
        let found = options?.iter().find(|option| option["kind"].as_str() == Some(kind))?;
        Some(json!({"outcome": {"outcome": "selected", "optionId": found["optionId"]}}))
    };
    let reason = match answer {
        Answer::Allow => match of_kind("allow_once") {
            Some(allowed) => return (allowed, None),
            None => "the agent offers no way to allow this once".to_owned(),
        },
        Answer::AllowModified(_) => "ACP has no way to allow another input".to_owned(),
        Answer::Deny(reason) => reason,
        other => format!("not an answer to a permission: {other:?}"),
    };
    let denied = of_kind("reject_once").unwrap_or_else(cancelled);
    let (tool, input) = (question.subject.clone(), question.input.clone());
    (denied, Some(Denial { tool, input, reason }))
}

/// What an agent is told when nobody will answer any more.
pub(crate) fn cancelled() -> Value {
    json!({"outcome": {"outcome": "cancelled"}})
}
