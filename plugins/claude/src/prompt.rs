//! What Claude is told: the task, what validation found, and how to work here.

use crate::session::Start;
use cyrus_sdk::contract::{Attachment, AttachmentSource, Finding, Task};
use serde_json::{Value, json};
use std::fmt::Write;

/// The longest piece of a failed command's output that is quoted, in characters.
const QUOTED_OUTPUT: usize = 8_000;

/// The line that gives Claude the task.
pub(crate) fn user_message(prompt: &str) -> Value {
    json!({"type": "user", "message": {"role": "user", "content": prompt}})
}

/// The prompt of a run.
pub(crate) fn prompt(
    task: &Task,
    findings: &[Finding],
    attachments: &[Attachment],
    start: Start,
) -> String {
    let mut text = match (start, findings.is_empty()) {
        (Start::Fresh, _) => String::new(),
        (Start::Resume, true) => {
            "You were interrupted. See what is there already, then finish the task:\n\n".to_owned()
        }
        (Start::Resume, false) => {
            "Your result was checked, and it does not hold yet.\n\n".to_owned()
        }
    };
    if start == Start::Resume && !findings.is_empty() {
        text.push_str(&found(findings));
        text.push_str("\nMend this. The task is still:\n\n");
    }
    text.push_str(&the_task(task, attachments));
    if start == Start::Fresh && !findings.is_empty() {
        text.push_str("\n\nAn earlier result was checked, and this was found. Mend it too:\n\n");
        text.push_str(&found(findings));
    }
    text
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
/// The checkout's settings are not loaded, and with them Claude Code leaves out the checkout's memory files,
/// which are only text. So it is told where the conventions are.
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
        assert_eq!(text, "# Add a greeting\n\nSay hello to the user.");
        let titled = Task { prompt: "Add a greeting, please.".to_owned(), ..task() };
        assert_eq!(prompt(&titled, &[], &[], Start::Fresh), "Add a greeting, please.");
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
