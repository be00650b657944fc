//! Which session it works in.

use crate::fake::{SESSION, argument, host, plays, recorded, say, warnings};
use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::{ErrorKind, Finding},
    testing::{Program, TestHost},
};

#[test]
fn findings_are_told_in_the_session_they_are_about() {
    let finding = Finding {
        code: "command-failed".to_owned(),
        message: "cargo test failed".to_owned(),
        path: None,
        line: None,
        command: None,
        output: None,
    };
    let run = host("write").resume(SESSION).finding(finding).run::<Claude>("Write a greeting");
    run.completed();
    assert_eq!(argument(&run, 0, "--resume"), Some(SESSION));
    assert_eq!(argument(&run, 0, "--session-id"), None);
    let told = &run.record.launches[0].lines[0];
    assert!(told.contains("cargo test failed") && told.contains("Write a greeting"), "{told}");
}

#[test]
fn a_session_that_never_began_is_begun() {
    let run = TestHost::new()
        .program("claude", |args| {
            if args.iter().any(|arg| arg.starts_with("--resume=")) {
                let lines = recorded("resume_unknown");
                Program::new().on_line(move |_, terminal| {
                    say(terminal, &lines);
                    terminal.exit(1);
                })
            } else {
                plays("write")
            }
        })
        .resume(SESSION)
        .run::<Claude>("x");
    run.completed();
    assert_eq!(argument(&run, 1, "--session-id"), Some(SESSION));
    assert_eq!(warnings(&run), ["session"]);
}

#[test]
fn a_session_that_is_there_already_is_resumed() {
    let run = TestHost::new()
        .program("claude", |args| {
            match args.iter().find_map(|arg| arg.strip_prefix("--session-id=")) {
                Some(id) => {
                    let complaint = format!("Error: Session ID {id} is already in use.");
                    Program::new().at_start(|terminal| {
                        terminal.print_error(complaint);
                        terminal.exit(1);
                    })
                }
                None => plays("write"),
            }
        })
        .run::<Claude>("x");
    run.completed();
    let first = argument(&run, 0, "--session-id");
    assert!(first.is_some());
    assert_eq!(argument(&run, 1, "--resume"), first);
}

#[test]
fn a_session_that_is_neither_there_nor_not_is_not_tried_for_ever() {
    let run = TestHost::new()
        .program("claude", |args| {
            let fresh = args.iter().any(|arg| arg.starts_with("--session-id="));
            Program::new().at_start(|terminal| {
                terminal.print_error(if fresh {
                    "Error: Session ID x is already in use."
                } else {
                    "No conversation found with session ID: x"
                });
                terminal.exit(1);
            })
        })
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Unavailable);
    assert_eq!(run.record.launches.len(), 2);
}

#[test]
fn another_executors_checkpoint_is_unsupported() {
    let run = host("write").resume("run-42 --settings evil").run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Unsupported);
    assert!(run.record.launches.is_empty());
}
