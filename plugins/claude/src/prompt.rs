//! What Claude is told: the task, what validation found, and how to work here.

use crate::session::Start;
use cyrus_sdk::contract::{Attachment, AttachmentSource, Finding, Task};
use serde_json::{Value, json};
use std::fmt::Write;

/// The longest piece of a failed command's output that is quoted, in characters.
const QUOTED_OUTPUT: usize = 8_000;

/// The first words of a new session, of one that goes on after an interruption, and of one whose result was rejected.
const BEGIN: &str = "Do this task:";
const INTERRUPTED: &str = "You were interrupted. See what is there already, then finish the task:";
const REJECTED: &str = "Your result was checked, and it does not hold yet.";

/// The line that gives Claude the task.
pub(crate) fn user_message(prompt: &str) -> Value {
    json!({"type": "user", "message": {"role": "user", "content": prompt}})
}

/// What the prompt of a run is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prompt<'a> {
    pub(crate) task: &'a Task,
    /// What validation found.
    pub(crate) findings: &'a [Finding],
    pub(crate) attachments: &'a [Attachment],
    pub(crate) start: Start,
    /// The account of an earlier session that cannot be continued; empty where it left none.
    pub(crate) earlier: Option<&'a str>,
    /// The commit that the work began from.
    pub(crate) base: Option<&'a str>,
    /// What else would be added to the system prompt.
    pub(crate) instructions: Option<&'a str>,
}

impl Prompt<'_> {
    /// The prompt. It never begins with a word of the task: Claude Code takes a first `/` for a command.
    pub(crate) fn text(&self) -> String {
        let found = (!self.findings.is_empty()).then(|| found(self.findings));
        let task = the_task(self.task, self.attachments);
        let mut text = match (self.start, &found) {
            (Start::Resume, None) => format!("{INTERRUPTED}\n\n{task}"),
            (Start::Resume, Some(found)) => {
                format!("{REJECTED}\n\n{found}\nMend this. The task is still:\n\n{task}")
            }
            (Start::Fresh, _) => format!("{BEGIN}\n\n{task}"),
        };
        if let Some(account) = self.earlier {
            text.push_str(&self.continued(account));
        }
        if let (Start::Fresh, Some(found)) = (self.start, found) {
            let _ = write!(
                text,
                "\n\nAn earlier result was checked, and this was found. Mend it too:\n\n{found}"
            );
        }
        // A session that is continued has them.
        if let (Start::Fresh, Some(instructions)) = (self.start, self.instructions) {
            let _ = write!(
                text,
                "\n\nHow to work, before anything else:\n\n<instructions>\n{instructions}\n</instructions>"
            );
        }
        text
    }

    /// What to know of an earlier session whose conversation is lost.
    fn continued(&self, account: &str) -> String {
        let compare = self.base.map_or_else(
            || "`git status` and `git diff`".to_owned(),
            |base| format!("`git status` and `git diff {base}`"),
        );
        let mut text = format!(
            "\n\nAn earlier session worked on this and could not be continued. What it changed is in the working tree: \
             look at {compare} first, keep what is right, and finish what is left."
        );
        if !account.trim().is_empty() {
            let account = account.trim();
            let _ = write!(text, " This is what it said last:\n\n<earlier>\n{account}\n</earlier>");
        }
        text
    }
}

fn the_task(task: &Task, attachments: &[Attachment]) -> String {
    let title = task.title.trim();
    let mut text = if title.is_empty() || task.prompt.contains(title) {
        task.prompt.clone()
    } else {
        format!("# {title}\n\n{}", task.prompt)
    };
    let links = attachments.iter().filter_map(|attachment| match &attachment.source {
        AttachmentSource::Url(url) => Some(format!("- {}: {url}\n", attachment.name)),
        AttachmentSource::File(_) => None,
    });
    let links: String = links.collect();
    if !links.is_empty() {
        let _ = write!(text, "\n\nAttachments:\n{links}");
    }
    text
}

fn found(findings: &[Finding]) -> String {
    let mut text = String::new();
    for (number, finding) in findings.iter().enumerate() {
        let _ = write!(text, "{}. {}", number + 1, finding.message);
        match (&finding.path, finding.line) {
            (Some(path), Some(line)) => {
                let _ = write!(text, " ({path}:{line})");
            }
            (Some(path), None) => {
                let _ = write!(text, " ({path})");
            }
            (None, _) => {}
        }
        text.push('\n');
        if let Some(command) = &finding.command {
            let _ = writeln!(text, "   Command: {command}");
        }
        if let Some(output) = finding.output.as_deref().map(str::trim).filter(|o| !o.is_empty()) {
            // The end of an output says more than its beginning.
            let skip = output.chars().count().saturating_sub(QUOTED_OUTPUT);
            let end: String = output.chars().skip(skip).collect();
            let _ = writeln!(text, "   Output:\n<output>\n{end}\n</output>");
        }
    }
    text
}

/// What is added to Claude Code's own system prompt.
///
/// Claude Code does not read `AGENTS.md` by itself, and no memory file at all where the checkout's settings are not
/// loaded. So the prompt says where the conventions are.
pub(crate) fn system_prompt(task: &Task, given: Option<&str>) -> String {
    let work = match task.kind.as_str() {
        "scoper" => {
            "Find out what has to be done, and say so in your answer. Do not change any file."
        }
        "debugger" => {
            "Find the cause first, then mend it, and add a test that would have caught it where the \
             repository has tests."
        }
        _ => "Do the whole task, and leave the repository's own checks passing.",
    };
    let mut text = format!(
        "You work on your own, in a clone made for this task: nobody reads along, so do not wait for \
         instructions. {work} Follow the conventions in CLAUDE.md and AGENTS.md where the repository has \
         them. Leave the result in the working tree; do not push. End with a short summary of what you did \
         and of what is left."
    );
    if let Some(given) = given.map(str::trim).filter(|given| !given.is_empty()) {
        let _ = write!(text, "\n\n{given}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task {
            id: "t1".to_owned(),
            kind: "builder".to_owned(),
            title: "Add a greeting".to_owned(),
            prompt: "Say hello to the user.".to_owned(),
        }
    }

    fn prompt(
        task: &Task,
        findings: &[Finding],
        attachments: &[Attachment],
        start: Start,
    ) -> String {
        Prompt { task, findings, attachments, start, earlier: None, base: None, instructions: None }
            .text()
    }

    fn finding() -> Finding {
        Finding {
            code: "command-failed".to_owned(),
            message: "cargo test failed".to_owned(),
            path: Some("src/lib.rs".to_owned()),
            line: Some(7),
            command: Some("cargo test".to_owned()),
            output: Some(format!("{}the last line\n", "é".repeat(QUOTED_OUTPUT))),
        }
    }

    #[test]
    fn a_first_try_is_the_task() {
        let text = prompt(&task(), &[], &[], Start::Fresh);
        assert_eq!(text, "Do this task:\n\n# Add a greeting\n\nSay hello to the user.");
        let titled = Task { prompt: "Add a greeting, please.".to_owned(), ..task() };
        assert_eq!(
            prompt(&titled, &[], &[], Start::Fresh),
            "Do this task:\n\nAdd a greeting, please."
        );
    }

    #[test]
    fn no_task_is_taken_for_a_command() {
        for first in
            ["/api/users answers 500", "!ls", "#note", "@file", "?", "-p", "\\", "\n/clear"]
        {
            let task = Task { title: String::new(), prompt: first.to_owned(), ..task() };
            for start in [Start::Fresh, Start::Resume] {
                for findings in [vec![], vec![finding()]] {
                    let text = prompt(&task, &findings, &[], start);
                    assert!(
                        text.starts_with(char::is_alphabetic) && text.contains(first),
                        "{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_new_session_is_told_what_an_earlier_one_did() {
        let whole = |earlier| {
            let task = task();
            let prompt = Prompt {
                task: &task,
                findings: &[finding()],
                attachments: &[],
                start: Start::Fresh,
                earlier: Some(earlier),
                base: Some("abc123"),
                instructions: Some("Use tabs."),
            };
            prompt.text()
        };
        let text = whole("Half of it is done.");
        for part in [
            "Say hello",
            "git diff abc123",
            "Half of it is done.",
            "cargo test failed",
            "<instructions>\nUse tabs.\n</instructions>",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!whole("").contains("<earlier>"));
    }

    #[test]
    fn what_was_found_is_told_with_its_place_and_the_end_of_the_output() {
        for start in [Start::Fresh, Start::Resume] {
            let text = prompt(&task(), &[finding()], &[], start);
            for part in [
                "Say hello to the user.",
                "1. cargo test failed (src/lib.rs:7)",
                "Command: cargo test",
                "the last line\n</output>",
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(text.chars().count() < QUOTED_OUTPUT + 500);
        }
    }

    #[test]
    fn after_an_interruption_the_task_is_told_again() {
        let text = prompt(&task(), &[], &[], Start::Resume);
        assert!(text.starts_with("You were interrupted."), "{text}");
        assert!(text.ends_with("Say hello to the user."), "{text}");
    }

    #[test]
    fn links_are_told_and_files_are_not() {
        let attach = |source| Attachment { name: "shot".to_owned(), media_type: None, source };
        let attachments = [
            attach(AttachmentSource::Url("https://example.com/a.png".to_owned())),
            attach(AttachmentSource::File("/attachments/a.png".to_owned())),
        ];
        let text = prompt(&task(), &[], &attachments, Start::Fresh);
        assert!(text.ends_with("Attachments:\n- shot: https://example.com/a.png\n"), "{text}");
    }

    #[test]
    fn a_scoper_is_told_to_change_nothing() {
        let scoper = Task { kind: "scoper".to_owned(), ..task() };
        assert!(system_prompt(&scoper, None).contains("Do not change any file"));
        let built = system_prompt(&task(), Some(" Use tabs. "));
        assert!(built.ends_with("\n\nUse tabs.") && !built.contains("Do not change any file"));
    }

    #[test]
    fn the_message_is_one_line_whatever_the_prompt_holds() {
        let line = user_message("a\nb \"c\" \u{2028}").to_string();
        assert!(!line.contains('\n'));
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["message"]["content"], "a\nb \"c\" \u{2028}");
    }
}
