//! What a task is told that is a part of an issue.

use crate::analyse::{cut, head};
use cyrus_core::Issue;
use std::fmt::Write as _;

/// The most of an issue that each of its parts is given, in bytes.
const CONTEXT_BYTES: usize = 32 << 10;

/// The most of an issue that all of its parts together are given, in bytes.
const TOTAL_CONTEXT_BYTES: usize = 4 << 20;

/// The most that is told of each sub-issue and of all of them where the issue is one task, in bytes.
const SUB_ISSUE_BYTES: (usize, usize) = (32 << 10, 512 << 10);

/// The longest title of another task, in characters.
const TITLE_CHARS: usize = 200;

/// A part of an issue.
pub(super) struct Part<'a> {
    /// What is to be done, in one line.
    pub(super) title: &'a str,
    /// What is said about it besides. May be empty.
    pub(super) details: &'a str,
    /// The titles of the tasks that it comes after.
    pub(super) after: Vec<&'a str>,
    /// Whether those are parts of this one.
    pub(super) gathers: bool,
}

/// What each of so many parts is given of the issue.
pub(super) fn context(issue: &Issue, parts: usize) -> String {
    cut_text(&issue.text(), CONTEXT_BYTES.min(TOTAL_CONTEXT_BYTES / parts.max(1)))
}

/// The prompt of a part, with the issue's text as context.
pub(super) fn of_part(part: &Part<'_>, context: &str) -> String {
    let mut prompt = format!("{}\n", part.title);
    if !part.details.trim().is_empty() {
        let _ = write!(prompt, "\n{}\n", part.details.trim_end());
    }
    prompt.push_str(
        "\nThis is one part of the issue below. Do this part and nothing else: the other parts are other tasks, and some of them are being done at the same time, in other copies of the repository.\n",
    );
    if !part.after.is_empty() {
        prompt.push_str(if part.gathers {
            "\nThese are done already, parts of it among them, and are in the files that you see. Do what is left of it, and see that they work together:\n"
        } else {
            "\nThese are done already and are in the files that you see:\n"
        });
        for title in &part.after {
            let _ = writeln!(prompt, "- {}", cut(title, TITLE_CHARS));
        }
    }
    let _ = write!(prompt, "\nThe issue:\n\n{context}\n");
    prompt
}

/// The prompt of an issue that is one task: its text, with the sub-issues that are not done.
pub(super) fn of_whole(issue: &Issue) -> String {
    let mut prompt = issue.text();
    let (each, mut left) = SUB_ISSUE_BYTES;
    for sub in issue.sub_issues.iter().filter(|sub| !sub.done) {
        let text = format!("{}: {}\n\n{}", sub.identifier, sub.title, sub.body);
        let kept = cut_text(text.trim_end(), each.min(left));
        left = left.saturating_sub(kept.len());
        let _ = write!(prompt, "\n\nPart of it, {kept}");
        if left == 0 {
            prompt.push_str("\n\n… (the other parts are left out)");
            break;
        }
    }
    prompt
}

/// The text, cut where it is too long.
pub(super) fn cut_text(text: &str, bytes: usize) -> String {
    let kept = head(text, bytes);
    let mark = if kept.len() == text.len() { "" } else { "\n… (the rest is left out)" };
    format!("{kept}{mark}")
}
