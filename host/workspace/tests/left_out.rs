//! A check that fails for want of a file that only the executor's clone has: its output says why it is not there.

mod common;

use common::validated;
use cyrus_core::{Repeated, SessionEvent, ValidationReport};

/// Validates a result; gives the steps of its check, too.
async fn validate(
    base: &[(&str, &str)],
    files: &[(&str, &str)],
    command: &str,
) -> (ValidationReport, Vec<&'static str>) {
    let (report, heard) = validated(base, files, command).await;
    let step = |event: &SessionEvent| {
        Some(match event {
            SessionEvent::CheckStarted { .. } => "started",
            SessionEvent::CheckRepeated { on: Repeated::OnBase, .. } => "on the base",
            SessionEvent::CheckRepeated { on: Repeated::OnResult, .. } => "again",
            SessionEvent::CheckFinished(_) => "finished",
            _ => return None,
        })
    };
    (report, heard.iter().filter_map(step).collect())
}

const IGNORES: [(&str, &str); 2] = [(".gitignore", "lib/\n"), ("a.sh", "true\n")];

#[tokio::test]
async fn a_file_that_git_ignores_is_named_where_the_result_lacks_it() {
    let files = [("a.sh", ". ./lib/words.sh\n"), ("lib/words.sh", "x=1\n"), ("lib/more.sh", "")];
    let (report, heard) = validate(&IGNORES, &files, "sh a.sh").await;
    let output = report.findings[0].output.clone().unwrap();
    assert!(output.contains("git ignores it") && output.contains("`lib/words.sh`"), "{output}");
    assert!(!output.contains("more.sh"), "{output}");
    assert_eq!(report.checks[0].output, output);
    assert_eq!(heard, ["started", "on the base", "again", "finished"]);
}

#[tokio::test]
async fn what_fails_for_another_reason_names_no_file() {
    let files = [("a.sh", "echo 'lib is broken'; exit 1\n"), ("lib/words.sh", "x=1\n")];
    let (report, _) = validate(&IGNORES, &files, "sh a.sh").await;
    assert_eq!(report.checks[0].output, "lib is broken");

    // What fails on the base as well is about nothing that was left out.
    let base = [(".gitignore", "lib/\n"), ("a.sh", ". ./lib/words.sh\n")];
    let files = [("b.sh", "true\n"), ("lib/words.sh", "x=1\n")];
    let (report, heard) = validate(&base, &files, "sh a.sh").await;
    assert!(!report.checks[0].output.contains("git ignores"), "{report:?}");
    assert_eq!(heard, ["started", "on the base", "finished"]);
}
