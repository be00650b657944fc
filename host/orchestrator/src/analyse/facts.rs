//! What the rules look at: a text's words and marks, taken from it once.

use super::{
    boxes,
    outline::{outline, without_comments},
    tags,
};
use cyrus_core::{Issue, SubIssue};
use cyrus_executor::TaskKind;

/// The most labels that are looked at.
const MAX_LABELS: usize = 100;

/// The most words of a title that are looked at.
const MAX_WORDS: usize = 60;

/// What rules look at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The labels, in small letters.
    pub(crate) labels: Vec<String>,
    /// The words of the title, in small letters, without tags and without the issue's own name.
    pub(crate) title: Vec<String>,
    /// Title and body, in small letters, without code.
    pub(crate) text: String,
    /// The sub-issues that are not done.
    pub(crate) sub_issues: usize,
    /// The parts that are not done: sub-issues and items with an empty box.
    pub(crate) parts: usize,
    /// What kind of work it is, once that is known.
    pub(crate) kind: Option<TaskKind>,
}

impl Facts {
    /// Of an issue.
    pub(crate) fn of_issue(issue: &Issue) -> Self {
        let mut facts = Self::of_text(&issue.title, &issue.body, &issue.labels);
        facts.sub_issues = issue.sub_issues.iter().filter(|sub| !sub.done).count();
        facts.parts += facts.sub_issues;
        facts
    }

    /// Of an issue that is part of another.
    pub(crate) fn of_sub_issue(issue: &SubIssue) -> Self {
        Self::of_text(&issue.title, &issue.body, &issue.labels)
    }

    /// Of a text with labels.
    pub(crate) fn of_text(title: &str, body: &str, labels: &[String]) -> Self {
        let bare = tags::strip(title);
        let mut text = bare.to_lowercase();
        let body = &*without_comments(body);
        let parts = boxes::read(body).work.values().filter(|checked| !**checked).count();
        for line in outline(body) {
            let Some(said) = line.said() else { continue };
            text.push('\n');
            text.push_str(&said.to_lowercase());
        }
        Self {
            labels: labels
                .iter()
                .take(MAX_LABELS)
                .map(|label| label.trim().to_lowercase())
                .collect(),
            title: title_words(&bare),
            text,
            sub_issues: 0,
            parts,
            kind: None,
        }
    }
}

/// The words of a title, without an issue's name in front: `CYR-12: fix …`.
fn title_words(title: &str) -> Vec<String> {
    let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut words: Vec<_> = words.take(MAX_WORDS).map(str::to_lowercase).collect();
    let number = |word: &String| word.bytes().all(|b| b.is_ascii_digit());
    let upper = title.trim_start_matches('[').split('-').next().unwrap_or_default();
    let named = !upper.is_empty() && upper.bytes().all(|b| b.is_ascii_uppercase());
    if named && words.len() > 2 && number(&words[1]) {
        words.drain(..2);
    }
    words
}

/// Whether a phrase is in a text, with no letter or digit right before or after it.
pub(crate) fn says(text: &str, phrase: &str) -> bool {
    let mut from = 0;
    while let Some(at) = text[from..].find(phrase) {
        let (start, end) = (from + at, from + at + phrase.len());
        let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        if apart(text[..start].chars().next_back()) && apart(text[end..].chars().next()) {
            return true;
        }
        from = end;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_its_words() {
        for (title, words) in [
            ("CYR-12: Fix the parser", vec!["fix", "the", "parser"]),
            ("fix(api): don't [agent=a]", vec!["fix", "api", "don", "t"]),
            ("[Bug] Crash", vec!["bug", "crash"]),
            ("2 things", vec!["2", "things"]),
        ] {
            assert_eq!(Facts::of_text(title, "", &[]).title, words, "{title}");
        }
    }

    #[test]
    fn a_phrase_stands_alone() {
        assert!(says("it is (in parallel).", "in parallel"));
        assert!(!says("within parallels", "in parallel"));
        assert!(says("xin parallel in parallel", "in parallel"));
    }
}
