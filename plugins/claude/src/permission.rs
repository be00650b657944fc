//! Permission questions: what Claude asks, as the contract's questions, and the answers in Claude's words.
//!
//! This is no complete gate. Claude Code lets some tools through by itself; what holds is the sandbox.

use crate::line::PermissionRequest;
use cyrus_sdk::contract::{Answer, Question};
use serde_json::{Map, Value, json};

/// The tool with which Claude asks the user something.
const ASK_USER: &str = "AskUserQuestion";
/// The most questions to the user in one call.
const MAX_QUESTIONS: usize = 8;

/// What has to be asked before a request can be answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// Whether the tool may be used.
    Permission(Question),
    /// The user, one question after the other.
    User(Vec<Question>),
}

impl Asked {
    /// The questions of a request.
    pub(crate) fn of(request: &PermissionRequest) -> Self {
        let questions = user_questions(request);
        if questions.is_empty() {
            let PermissionRequest { request_id, tool, input } = request;
            Self::Permission(Question::tool_permission(request_id, tool, input))
        } else {
            Self::User(questions)
        }
    }

    /// The questions, in order.
    pub(crate) fn questions(&self) -> &[Question] {
        match self {
            Self::Permission(question) => std::slice::from_ref(question),
            Self::User(questions) => questions,
        }
    }

    /// The line that answers the request. `answers` are those of [`Asked::questions`], in order; when one of
    /// several was refused, the rest need not have been asked.
    pub(crate) fn reply(&self, request: &PermissionRequest, answers: Vec<Answer>) -> Value {
        let decision = match self {
            Self::Permission(_) => {
                answers.into_iter().next().map_or_else(|| deny(STOPPING), |a| decide(request, a))
            }
            Self::User(questions) => answered(request, questions, answers),
        };
        success(&request.request_id, &decision)
    }
}

const STOPPING: &str = "The work is being stopped.";

fn decide(request: &PermissionRequest, answer: Answer) -> Value {
    match answer {
        Answer::Allow => allow(&request.input),
        Answer::AllowModified(input) => match serde_json::from_str(&input) {
            Ok(input @ Value::Object(_)) => allow(&input),
            // Fail closed: what was allowed is not what can be run.
            _ => deny("It was allowed with another input, which is no JSON object."),
        },
        Answer::Deny(reason) if reason.trim().is_empty() => deny("It is not allowed."),
        Answer::Deny(reason) => deny(&reason),
        Answer::Text(text) => deny(&text),
        Answer::Choice(id) => deny(&format!("The answer was {id:?}, which does not allow it.")),
        Answer::Cancelled => deny(STOPPING),
    }
}

fn answered(request: &PermissionRequest, questions: &[Question], answers: Vec<Answer>) -> Value {
    let mut given = Map::new();
    for (question, answer) in questions.iter().zip(answers) {
        let text = match answer {
            Answer::Choice(text) | Answer::Text(text) => text,
            Answer::Deny(reason) if !reason.trim().is_empty() => return deny(&reason),
            Answer::Cancelled => return deny(STOPPING),
            Answer::Deny(_) | Answer::Allow | Answer::AllowModified(_) => {
                return deny("Nobody answers. Decide yourself, and say what you assumed.");
            }
        };
        given.insert(question.subject.clone(), Value::String(text));
    }
    if given.len() < questions.len() {
        return deny(STOPPING);
    }
    let mut input = request.input.clone();
    input["answers"] = Value::Object(given);
    allow(&input)
}

/// The questions of an `AskUserQuestion`; none when it is something else, or not in the shape that is known.
fn user_questions(request: &PermissionRequest) -> Vec<Question> {
    let questions = request.input["questions"].as_array().filter(|_| request.tool == ASK_USER);
    let Some(questions) = questions.filter(|questions| questions.len() <= MAX_QUESTIONS) else {
        return Vec::new();
    };
    let mut asked = Vec::new();
    for (number, question) in questions.iter().enumerate() {
        let Some(text) = question["question"].as_str() else { return Vec::new() };
        let options = question["options"].as_array().into_iter().flatten();
        let labels = options.filter_map(|option| option["label"].as_str());
        let id = format!("{}-{}", request.request_id, number + 1);
        let mut ask = Question::user(id, text);
        ask.input = question.to_string();
        // Claude knows its choices by their labels.
        asked.push(labels.fold(ask, |ask, label| ask.choice(label, label)));
    }
    asked
}

/// The line that answers a request nobody here can serve, so that Claude does not wait for it.
pub(crate) fn unsupported(request_id: &str, subtype: &str) -> Value {
    control_response(&json!({
        "subtype": "error",
        "request_id": request_id,
        "error": format!("this host does not answer {subtype}"),
    }))
}

/// The line that asks Claude to stop what it is doing.
pub(crate) fn interrupt(request_id: &str) -> Value {
    json!({"type": "control_request", "request_id": request_id, "request": {"subtype": "interrupt"}})
}

fn allow(input: &Value) -> Value {
    json!({"behavior": "allow", "updatedInput": input})
}

fn deny(message: &str) -> Value {
    json!({"behavior": "deny", "message": message})
}

fn success(request_id: &str, response: &Value) -> Value {
    control_response(&json!({"subtype": "success", "request_id": request_id, "response": response}))
}

fn control_response(response: &Value) -> Value {
    json!({"type": "control_response", "response": response})
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_sdk::contract::QuestionKind;

    fn request(tool: &str, input: Value) -> PermissionRequest {
        PermissionRequest { request_id: "r1".to_owned(), tool: tool.to_owned(), input }
    }

    /// The decision that one answer leads to.
    fn decision(answer: Answer) -> Value {
        let request = request("Bash", json!({"command": "make"}));
        let reply = Asked::of(&request).reply(&request, vec![answer]);
        assert_eq!(reply["type"], "control_response");
        assert_eq!(reply["response"]["subtype"], "success");
        assert_eq!(reply["response"]["request_id"], "r1");
        reply["response"]["response"].clone()
    }

    #[test]
    fn a_tool_is_asked_about_by_name_and_input() {
        let request = request("Bash", json!({"command": "make"}));
        let asked = Asked::of(&request);
        let [question] = asked.questions() else { panic!() };
        assert_eq!(question.kind, QuestionKind::ToolPermission);
        assert_eq!((question.id.as_str(), question.subject.as_str()), ("r1", "Bash"));
        assert_eq!(question.input, r#"{"command":"make"}"#);
    }

    #[test]
    fn allowing_says_the_input_that_is_to_run() {
        let own = json!({"behavior": "allow", "updatedInput": {"command": "make"}});
        assert_eq!(decision(Answer::Allow), own);
        let other = json!({"behavior": "allow", "updatedInput": {"command": "make -n"}});
        assert_eq!(decision(Answer::AllowModified(r#"{"command":"make -n"}"#.to_owned())), other);
    }

    #[test]
    fn everything_else_denies_with_a_reason() {
        for answer in [
            Answer::Deny("not today".to_owned()),
            Answer::Deny(" ".to_owned()),
            Answer::AllowModified("not json".to_owned()),
            Answer::AllowModified("[]".to_owned()),
            Answer::Text("use cargo".to_owned()),
            Answer::Choice("later".to_owned()),
            Answer::Cancelled,
        ] {
            let decision = decision(answer.clone());
            assert_eq!(decision["behavior"], "deny", "{answer:?}");
            assert!(decision["message"].as_str().is_some_and(|m| !m.trim().is_empty()));
        }
        assert_eq!(decision(Answer::Deny("not today".to_owned()))["message"], "not today");
    }

    fn color() -> PermissionRequest {
        request(
            ASK_USER,
            json!({"questions": [
                {"question": "Which colour?", "options": [{"label": "Red"}, {"label": "Blue"}]},
                {"question": "Why?", "options": []}
            ]}),
        )
    }

    #[test]
    fn a_question_to_the_user_is_put_as_one() {
        let asked = Asked::of(&color());
        let [first, second] = asked.questions() else { panic!() };
        assert_eq!((first.id.as_str(), second.id.as_str()), ("r1-1", "r1-2"));
        assert_eq!(first.kind, QuestionKind::UserQuestion);
        let labels: Vec<&str> = first.choices.iter().map(|choice| choice.label.as_str()).collect();
        assert_eq!(labels, ["Red", "Blue"]);
        let answers =
            vec![Answer::Choice("Blue".to_owned()), Answer::Text("It is calm".to_owned())];
        let reply = asked.reply(&color(), answers);
        let input = &reply["response"]["response"]["updatedInput"];
        assert_eq!(input["answers"], json!({"Which colour?": "Blue", "Why?": "It is calm"}));
        assert_eq!(input["questions"], color().input["questions"]);
    }

    #[test]
    fn without_an_answer_the_agent_is_told_to_decide() {
        for answers in [
            vec![Answer::Deny("nobody is there".to_owned())],
            vec![Answer::Allow, Answer::Allow],
            vec![Answer::Choice("Red".to_owned()), Answer::Cancelled],
            vec![Answer::Choice("Red".to_owned())],
            vec![],
        ] {
            let reply = Asked::of(&color()).reply(&color(), answers);
            assert_eq!(reply["response"]["response"]["behavior"], "deny");
        }
    }

    #[test]
    fn a_question_in_an_unknown_shape_is_asked_as_a_tool() {
        let many = vec![json!({"question": "?"}); MAX_QUESTIONS + 1];
        for input in [
            json!({}),
            json!({"questions": []}),
            json!({"questions": [{"header": "no question"}]}),
            json!({"questions": many}),
        ] {
            assert!(matches!(Asked::of(&request(ASK_USER, input)), Asked::Permission(_)));
        }
        let other = request("Ask", color().input);
        assert!(matches!(Asked::of(&other), Asked::Permission(_)), "only that tool asks people");
    }

    #[test]
    fn what_cannot_be_served_is_answered_too() {
        let reply = unsupported("r9", "hook_callback");
        assert_eq!(reply["response"]["subtype"], "error");
        assert_eq!(reply["response"]["request_id"], "r9");
        assert_eq!(interrupt("i")["request"]["subtype"], "interrupt");
    }
}
