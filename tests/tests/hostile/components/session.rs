//! Attacks through what the host does for an execution: checkpoints, spending, questions and the log.

use super::attack::{Attack, Outcomes, Stop};
use crate::case::Case;

const GROUP: &str = "session";

fn attack(name: &str, prompt: &str, stop: Stop) -> Attack {
    Attack::new(GROUP, name, prompt, stop)
}

pub(crate) fn cases() -> Vec<Case> {
    use Stop::{Holds, Ignored};
    const ASK: &str = r#"{"ask": true}"#;
    let mut attacks = vec![
        attack("a_huge_checkpoint", "large-checkpoint 65", Holds("65536")).check(saves_nothing),
        attack("larger_than_a_call", "large-checkpoint 8192", Stop::Limit(&["call-bytes"])),
        attack("checkpoints_at_once", "checkpoints-at-once 5000", Stop::Limit(&["handles"])),
        attack(
            "checkpoints_that_are_not_read",
            "unread-checkpoints 200 64",
            Holds("more than 8 MiB"),
        ),
        attack("questions_one_after_the_other", "long-questions 100 250", Holds("at most 16 MiB"))
            .grants(ASK),
        attack("questions_that_are_not_read", "unread-questions 40 250", Holds("more than 8 MiB"))
            .grants(ASK),
        attack(
            "a_request_of_megabytes",
            "long-request 3900",
            Holds("method=false scheme=false authority=false path=false"),
        ),
        attack(
            "a_request_that_is_a_little_long",
            "long-request 17",
            Holds("method=false scheme=false authority=false path=false"),
        ),
        attack("spending_what_there_is_not", "spend", Holds("Ok(")),
        attack("questions_without_a_grant", "questions 3 10", Holds("0 allowed")).check(unasked),
        attack("questions_at_once", "questions 500 10", Stop::Limit(&["handles"])).grants(ASK),
        attack("a_question_of_a_megabyte", "questions 1 1000000", Ignored)
            .grants(ASK)
            .check(short_questions),
        attack("escapes_in_a_question", "terminal-question", Ignored).grants(ASK).check(plain),
        attack("a_flood_of_log", "log-flood 20000 10", Ignored).check(short_log),
        attack("a_line_of_log_of_a_megabyte", "log-flood 1 1000000", Ignored).check(short_lines),
        attack("a_forged_line_of_log", "log-forgery", Ignored).check(plain_log),
    ];
    for by in ["input", "subject", "kind", "choices"] {
        let (name, prompt) =
            (format!("the_same_question_of_another_{by}"), format!("same-question {by}"));
        let both = attack(&name, &prompt, Holds("first allowed=true second allowed=false"));
        attacks.push(both.grants(ASK));
    }
    attacks.into_iter().map(Attack::case).collect()
}

fn saves_nothing(outcomes: &Outcomes) {
    assert!(outcomes.host.tokens.lock().unwrap().is_empty());
}

fn unasked(outcomes: &Outcomes) {
    assert!(outcomes.host.questions.lock().unwrap().is_empty());
}

fn short_questions(outcomes: &Outcomes) {
    for question in &*outcomes.host.questions.lock().unwrap() {
        let size = serde_json::to_string(&question.input).unwrap().len();
        assert!(size <= 128 << 10, "a question of {size} bytes reaches a person");
    }
}

fn plain(outcomes: &Outcomes) {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    for question in &*outcomes.host.questions.lock().unwrap() {
        assert!(!question.subject.contains(obeyed), "{:?}", question.subject);
        assert!(!question.id.contains(obeyed), "{:?}", question.id);
        assert!(question.choices.iter().all(|choice| !choice.label.contains(obeyed)));
    }
}

fn short_log(outcomes: &Outcomes) {
    let lines = outcomes.tested.logged().len();
    assert!(lines <= 1001, "{lines} lines are kept");
}

fn short_lines(outcomes: &Outcomes) {
    for line in outcomes.tested.logged() {
        assert!(line.message.len() <= 4200, "a line of {} bytes", line.message.len());
    }
}

fn plain_log(outcomes: &Outcomes) {
    for line in outcomes.tested.logged() {
        assert!(!line.message.contains(['\u{1b}', '\u{9b}', '\u{7}', '\r']), "{:?}", line.message);
    }
}
