use cyrus_sdk::contract::{Attachment, AttachmentSource, Finding, Repository, Task};
use std::fmt::Write;

/// How much of a failed command's output goes into a prompt.
const OUTPUT: usize = 4_000;

/// What the agent is asked to do.
pub(crate) fn first(
    task: &Task,
    system_prompt: Option<&str>,
    repository: Option<&Repository>,
    attachments: &[Attachment],
    findings: &[Finding],
) -> String {
    let mut prompt = String::new();
    if let Some(text) = system_prompt {
        section(&mut prompt, None, text);
    }
    let title = task.title.trim();
    section(&mut prompt, (!title.is_empty()).then_some(title), &task.prompt);
    if let Some(repository) = repository {
        section(&mut prompt, Some("Where to put the work"), &placement(repository));
    }
    let urls = attachments.iter().filter_map(|attachment| match &attachment.source {
        AttachmentSource::Url(url) => Some(format!("- {}: {url}\n", attachment.name)),
        AttachmentSource::File(_) => None,
    });
    let urls: String = urls.collect();
    if !urls.is_empty() {
        section(&mut prompt, Some("Attachments"), &urls);
    }
    if !findings.is_empty() {
        section(&mut prompt, Some("What was wrong with an earlier try"), &list(findings));
    }
    prompt
}

/// What an agent whose work was not good enough is asked to do; with no findings, to go on.
pub(crate) fn next(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "Go on with the task from where you stopped, and finish it.".to_owned();
    }
    let mut prompt =
        "The work was checked and is not good enough yet. Mend what was found, on the same \
                      branch, and push it."
            .to_owned();
    section(&mut prompt, Some("What was found"), &list(findings));
    prompt
}

fn section(prompt: &mut String, heading: Option<&str>, text: &str) {
    if !prompt.is_empty() {
        prompt.push_str("\n\n");
    }
    if let Some(heading) = heading {
        prompt.push_str("## ");
        prompt.push_str(heading);
        prompt.push_str("\n\n");
    }
    prompt.push_str(text.trim());
}

fn placement(repository: &Repository) -> String {
    let base = match &repository.base_branch {
        Some(branch) => format!("branch `{branch}` (commit {})", repository.base_commit),
        None => format!("commit {}", repository.base_commit),
    };
    format!(
        "Start from {base}. Commit to a branch named `{}`, push it, and open a pull request for it. Do not merge it.",
        repository.work_branch
    )
}

fn list(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { code, message, path, line, command, output } in findings {
        let place = match (path, line) {
            (Some(path), Some(line)) => format!(" ({path}:{line})"),
            (Some(path), None) => format!(" ({path})"),
            (None, _) => String::new(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "- {code}{place}: {message}");
        if let Some(command) = command {
            let _ = writeln!(text, "  Command: `{command}`");
        }
        if let Some(output) = output {
            let fence = fence(output);
            let _ = writeln!(text, "{fence}\n{}\n{fence}", end_of(output.trim_end(), OUTPUT));
        }
    }
    text
}

/// A fence that the text cannot close.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// The last `limit` bytes, from the beginning of a character.
fn end_of(text: &str, limit: usize) -> &str {
    let start = text.ceil_char_boundary(text.len().saturating_sub(limit));
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task {
            id: "t".to_owned(),
            kind: "builder".to_owned(),
            title: "Fix addition".to_owned(),
            prompt: "add(2, 2) gives 5.\n".to_owned(),
        }
    }

    fn finding(output: &str) -> Finding {
        Finding {
            code: "command-failed".to_owned(),
            message: "the tests fail".to_owned(),
            path: Some("src/add.rs".to_owned()),
            line: Some(3),
            command: Some("cargo test".to_owned()),
            output: Some(output.to_owned()),
        }
    }

    #[test]
    fn says_what_to_do_and_where_to_put_it() {
        let repository = Repository {
            remote: None,
            base_branch: Some("main".to_owned()),
            base_commit: "0123abc".to_owned(),
            work_branch: "cyrus/7".to_owned(),
        };
        let screenshot = Attachment {
            name: "shot.png".to_owned(),
            media_type: None,
            source: AttachmentSource::Url("https://files.example/1".to_owned()),
        };
        let prompt = first(&task(), Some("Be brief."), Some(&repository), &[screenshot], &[]);
        assert_eq!(
            prompt,
            "Be brief.\n\n## Fix addition\n\nadd(2, 2) gives 5.\n\n## Where to put the work\n\nStart from branch \
             `main` (commit 0123abc). Commit to a branch named `cyrus/7`, push it, and open a pull request for it. \
             Do not merge it.\n\n## Attachments\n\n- shot.png: https://files.example/1"
        );
    }

    #[test]
    fn findings_are_handed_on() {
        let prompt = next(&[finding("assertion failed")]);
        assert!(prompt.contains("- command-failed (src/add.rs:3): the tests fail\n"), "{prompt}");
        assert!(prompt.contains("Command: `cargo test`\n```\nassertion failed\n```"), "{prompt}");
        assert!(first(&task(), None, None, &[], &[finding("x")]).contains("an earlier try"));
        assert!(!next(&[]).contains("found"));
    }

    #[test]
    fn output_is_cut_at_its_beginning_and_cannot_leave_its_fence() {
        let prompt = next(&[finding(&format!("{}\n````\nEND", "é".repeat(10_000)))]);
        assert!(prompt.len() < OUTPUT + 500, "{}", prompt.len());
        assert!(prompt.trim_end().ends_with("END\n`````"), "{prompt}");
    }
}
