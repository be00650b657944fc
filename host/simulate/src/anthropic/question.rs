//! What a client asks the model: a request of the Messages API, read for what the script needs.

use serde::Deserialize;
use serde_json::Value;

use crate::conversation::Prompt;
use crate::server::RecordedRequest;

/// The parts of a request body that matter here. What else it holds is the client's business.
#[derive(Debug, Deserialize)]
struct Body {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    system: Value,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    metadata: Value,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Value,
}

/// A request, understood.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) model: String,
    pub(super) stream: bool,
    /// The user's prompts, without what the client adds for the model.
    pub(super) prompts: Vec<Prompt>,
    /// How often the model has answered already.
    pub(super) answers: usize,
    /// The working directory, as Claude Code states it.
    pub(super) directory: Option<String>,
    /// Who is talking: tries of one turn are counted per session.
    pub(super) session: String,
}

impl Question {
    /// Reads a request. The error says what the service would.
    pub(super) fn read(request: &RecordedRequest) -> Result<Self, String> {
        let body: Body = serde_json::from_slice(&request.body)
            .map_err(|error| format!("The request body is not valid: {error}"))?;
        if body.messages.is_empty() {
            return Err("messages: at least one message is required".into());
        }
        let (prompts, answers) = prompts(&body.messages);
        let texts = std::iter::once(&body.system)
            .chain(body.messages.iter().map(|message| &message.content));
        let directory = texts.flat_map(texts_of).find_map(stated_directory).map(str::to_owned);
        let header = request.header("x-claude-code-session-id").map(str::to_owned);
        let session = header
            .or_else(|| Some(body.metadata.get("user_id")?.as_str()?.to_owned()))
            .unwrap_or_else(|| {
                prompts.first().map(|prompt| prompt.text.clone()).unwrap_or_default()
            });
        Ok(Self { model: body.model, stream: body.stream, prompts, answers, directory, session })
    }
}

fn prompts(messages: &[Message]) -> (Vec<Prompt>, usize) {
    let mut answers = 0;
    let mut prompts = Vec::new();
    for message in messages {
        match message.role.as_str() {
            "assistant" => answers += 1,
            "user" if !holds_tool_result(&message.content) => {
                let text: Vec<&str> = texts_of(&message.content)
                    .into_iter()
                    .filter(|text| !is_reminder(text))
                    .collect();
                prompts.push(Prompt { text: text.join("\n"), answers_before: answers });
            }
            _ => {}
        }
    }
    (prompts, answers)
}

fn texts_of(content: &Value) -> Vec<&str> {
    match content {
        Value::String(text) => vec![text],
        Value::Array(blocks) => {
            blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

fn holds_tool_result(content: &Value) -> bool {
    content
        .as_array()
        .is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_result"))
}

/// Text that Claude Code adds to a prompt: instructions, memory, the environment.
fn is_reminder(text: &str) -> bool {
    text.trim_start().starts_with("<system-reminder>")
}

/// The directory after `working directory: ` (2.1.330 says `Primary working directory: `).
fn stated_directory(text: &str) -> Option<&str> {
    let lines = text.lines().filter_map(|line| line.split_once("orking directory: "));
    lines.map(|(_, directory)| directory.trim()).find(|directory| directory.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<Question, String> {
        Question::read(&RecordedRequest {
            method: http::Method::POST,
            path: "/v1/messages".into(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            body: body.to_string().into(),
        })
    }

    #[test]
    fn reminders_and_tool_results_are_no_prompts() {
        let question = read(&json!({"model": "m", "messages": [
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>fix x</system-reminder>"}, {"type": "text", "text": "do it"}]},
            {"role": "assistant", "content": []},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}, {"type": "text", "text": "and more"}]},
            {"role": "assistant", "content": "done"},
            {"role": "user", "content": "again"},
        ]}))
        .unwrap();
        let seen: Vec<_> = question
            .prompts
            .iter()
            .map(|prompt| (prompt.text.as_str(), prompt.answers_before))
            .collect();
        assert_eq!(seen, [("do it", 0), ("again", 2)]);
        assert_eq!((question.answers, question.session.as_str()), (2, "do it"));
    }

    #[test]
    fn the_directory_is_found_where_either_version_states_it() {
        let old = "the current working directory. For example\n - Primary working directory: /tmp/a b\n - Platform";
        let as_system = json!([{"type": "text", "text": old}]);
        let question = read(
            &json!({"model": "m", "system": as_system, "messages": [{"role": "user", "content": "x"}]}),
        );
        assert_eq!(question.unwrap().directory.as_deref(), Some("/tmp/a b"));
        let new = "<system-reminder>\nWorking directory: /work/tree\n</system-reminder>";
        let question = read(
            &json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": new}]}]}),
        );
        assert_eq!(question.unwrap().directory.as_deref(), Some("/work/tree"));
        assert_eq!(
            read(&json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}))
                .unwrap()
                .directory,
            None
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in [
            json!({}),
            json!([]),
            json!({"model": "m", "messages": []}),
            json!({"messages": [{"role": "user"}]}),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}
