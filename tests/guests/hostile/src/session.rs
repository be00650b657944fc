//! Attacks through the context: checkpoints, spending, questions and the log.

use crate::{
    bindings::cyrus::executor::{
        context::{Answer, Choice, Question, QuestionKind},
        log,
    },
    events::impossible,
    guest::{Done, Work, done},
    text,
    verbs::number,
};
use futures::future::join_all;
use std::future::IntoFuture as _;

/// `KIB`: one checkpoint of that size.
pub(crate) async fn large_checkpoint(work: Work, kib: usize) -> Done {
    done(format!("{:?}", work.context.checkpoint(&"x".repeat(kib << 10)).await))
}

/// `COUNT BYTES`: so many checkpoints, each other than the last, as fast as the host takes them.
pub(crate) async fn checkpoints(work: Work, rest: &[&str]) -> Done {
    let (count, size) = (number(rest[0]), number(rest[1]));
    let mut refused = None;
    for i in 0..count {
        let token = format!("{i:0size$}");
        if let Err(error) = work.context.checkpoint(&token).await {
            refused = Some(format!("{error:?}"));
            break;
        }
    }
    done(format!("{refused:?}"))
}

/// `COUNT KIB`: so many checkpoints, of which none is read before all are begun.
pub(crate) async fn unread_checkpoints(work: Work, rest: &[&str]) -> Done {
    let (count, token) = (number(rest[0]), "x".repeat(number(rest[1]) << 10));
    let begun: Vec<_> = (0..count).map(|_| work.context.checkpoint(&token)).collect();
    let saved = join_all(begun.into_iter().map(|one| one.into_future())).await;
    done(format!("{:?}", saved.iter().find_map(|saved| saved.as_ref().err())))
}

/// `COUNT KIB`: so many questions, one after the other.
pub(crate) async fn long_questions(work: Work, rest: &[&str]) -> Done {
    let (count, input) = (number(rest[0]), "x".repeat(number(rest[1]) << 10));
    let mut refused = None;
    for i in 0..count {
        let answer = work.context.ask(&question(&format!("q{i}"), "Read", &input)).await;
        if matches!(answer, Answer::Deny(_)) {
            refused = Some(answer);
            break;
        }
    }
    done(format!("{refused:?}"))
}

/// `COUNT KIB`: so many questions, of which none is read before all are begun.
pub(crate) async fn unread_questions(work: Work, rest: &[&str]) -> Done {
    let (count, input) = (number(rest[0]), "x".repeat(number(rest[1]) << 10));
    let begun: Vec<_> =
        (0..count).map(|i| work.context.ask(&question(&format!("q{i}"), "Read", &input))).collect();
    let answers = join_all(begun.into_iter().map(|one| one.into_future())).await;
    let refused = answers.iter().find(|answer| matches!(answer, Answer::Deny(_)));
    done(format!("{refused:?}"))
}

/// All at once, without a wait between.
pub(crate) async fn checkpoints_at_once(work: Work, count: usize) -> Done {
    let saved =
        join_all((0..count).map(|i| work.context.checkpoint(&i.to_string()).into_future())).await;
    done(format!("{} saved", saved.iter().filter(|saved| saved.is_ok()).count()))
}

pub(crate) async fn spend(work: Work) -> Done {
    let first = work.context.spend(impossible()).await;
    let second = work.context.spend(impossible()).await;
    done(format!("{first:?} {second:?}"))
}

fn question(id: &str, subject: &str, input: &str) -> Question {
    Question {
        id: id.to_owned(),
        kind: QuestionKind::ToolPermission,
        subject: subject.to_owned(),
        input: input.to_owned(),
        choices: Vec::new(),
        deadline: None,
    }
}

/// Asks for something harmless, and then for something else under the same id.
pub(crate) async fn same_question(work: Work, by: &str) -> Done {
    let first = question("q", "Read", r#"{"path": "README.md"}"#);
    let mut second = first.clone();
    match by {
        "input" => second.input = r#"{"command": "rm -rf /"}"#.to_owned(),
        "subject" => second.subject = "Bash".to_owned(),
        "kind" => second.kind = QuestionKind::UserQuestion,
        _ => {
            second.choices = vec![Choice { id: "yes".into(), label: "delete it".into() }];
        }
    }
    let first = work.context.ask(&first).await;
    let second = work.context.ask(&second).await;
    let allowed = |answer: &Answer| {
        matches!(answer, Answer::Allow | Answer::AllowModified(_) | Answer::Text(_))
    };
    done(format!("first allowed={} second allowed={}", allowed(&first), allowed(&second)))
}

/// `COUNT`: so many questions at once.
pub(crate) async fn questions(work: Work, rest: &[&str]) -> Done {
    let (count, size) = (number(rest[0]), number(rest[1]));
    let asked: Vec<_> =
        (0..count).map(|i| question(&i.to_string(), "Bash", &"x".repeat(size))).collect();
    let answers =
        join_all(asked.iter().map(|question| work.context.ask(question).into_future())).await;
    let denied = answers.iter().filter(|answer| matches!(answer, Answer::Deny(_))).count();
    done(format!("{} allowed", answers.len() - denied))
}

pub(crate) async fn terminal_question(work: Work) -> Done {
    let mut question = question(text::ESCAPES, text::ESCAPES, text::ESCAPES);
    let choice = || Choice { id: text::ESCAPES.into(), label: text::ESCAPES.into() };
    question.choices = (0..3).map(|_| choice()).collect();
    done(format!("{:?}", work.context.ask(&question).await))
}

/// `COUNT SIZE`: lines of log.
pub(crate) fn log_flood(rest: &[&str]) -> Done {
    let line = "x".repeat(number(rest[1]));
    for _ in 0..number(rest[0]) {
        log::log(log::Level::Error, &line);
    }
    done("logged")
}

/// A line that looks like one of the host's.
pub(crate) fn log_forgery() -> Done {
    log::log(log::Level::Error, text::ESCAPES);
    done("logged")
}
