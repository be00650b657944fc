//! What is asked of a component, and what a component asks.

use super::json;
use crate::{
    bindings::{context as wit, types},
    bound,
    redact::Redactor,
};
use cyrus_executor::{Answer, Choice, Finding, Question, QuestionKind, Repository, Task};
use std::time::Duration;

pub(crate) fn task(task: &Task) -> types::Task {
    types::Task {
        id: task.id.to_string(),
        kind: task.kind.to_string(),
        title: task.title.clone(),
        prompt: task.prompt.clone(),
    }
}

pub(crate) fn repository(repository: &Repository) -> wit::Repository {
    let Repository { remote, base_branch, base_commit, work_branch } = repository.clone();
    wit::Repository { remote, base_branch, base_commit, work_branch }
}

pub(crate) fn finding(finding: &Finding) -> wit::Finding {
    let Finding { code, message, path, line, command, output } = finding.clone();
    wit::Finding { code, message, path, line, command, output }
}

pub(crate) fn question(question: wit::Question, redactor: &Redactor) -> Question {
    // Whole: what is too long is not put at all.
    let clean = |text| bound::text(redactor.text(text), usize::MAX);
    let choice = |choice: wit::Choice| Choice { id: clean(choice.id), label: clean(choice.label) };
    Question {
        id: clean(question.id),
        kind: match question.kind {
            wit::QuestionKind::ToolPermission => QuestionKind::ToolPermission,
            wit::QuestionKind::UserQuestion => QuestionKind::UserQuestion,
        },
        subject: clean(question.subject),
        input: json(question.input, redactor),
        choices: question.choices.into_iter().map(choice).collect(),
        deadline: question.deadline.map(Duration::from_millis),
    }
}

pub(crate) fn answer(answer: Answer) -> wit::Answer {
    match answer {
        Answer::Allow => wit::Answer::Allow,
        Answer::AllowModified(input) => wit::Answer::AllowModified(input.to_string()),
        Answer::Deny(reason) => wit::Answer::Deny(reason),
        Answer::Choice(id) => wit::Answer::Choice(id),
        Answer::Text(text) => wit::Answer::Text(text),
        Answer::Cancelled => wit::Answer::Cancelled,
    }
}
