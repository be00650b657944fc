//! What goes wrong, and what is noise.

use crate::fake::{host, recorded, say, warnings};
use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::ErrorKind,
    testing::{Program, TestHost},
};

#[test]
fn failures_of_the_service_have_their_kinds_and_their_usage() {
    for (name, kind) in [
        ("api_401", ErrorKind::Unauthorized),
        ("api_429", ErrorKind::RateLimited),
        ("api_529", ErrorKind::Unavailable),
        ("api_400_credit", ErrorKind::QuotaExhausted),
        ("budget", ErrorKind::BudgetExceeded),
        ("max_turns", ErrorKind::TurnLimit),
    ] {
        let run = host(name).run::<Claude>("x");
        assert_eq!(run.error().kind, kind, "{name}");
        assert!(run.error().usage.is_some_and(|usage| usage.cost.is_some()), "{name}");
    }
}

#[test]
fn noise_does_not_lose_the_result() {
    let lines = recorded("write");
    let run = TestHost::new()
        .program("claude", move |_| {
            let lines = lines.clone();
            Program::new().on_line(move |_, terminal| {
                terminal.print("npm warn something");
                terminal.print(r#"{"type":"hologram","x":1}"#);
                terminal.print_bytes([b'{', 0xff, 0xfe, b'\n', b'\r', b'\n']);
                terminal.print(format!(
                    "{{\"type\":\"user\",\"x\":\"{}\"}}",
                    "x".repeat(5 * 1024 * 1024)
                ));
                let (last, others) = lines.split_last().expect("a result");
                say(terminal, others);
                // The result comes in pieces and without a line end.
                for piece in last.as_bytes().chunks(7) {
                    terminal.print_bytes(piece);
                }
                terminal.exit(0);
            })
        })
        .run::<Claude>("x");
    assert_eq!(run.completed().summary, "Done: final answer 2.");
    assert!(warnings(&run).iter().all(|code| code == "unknown-line"));
    assert_eq!(warnings(&run).len(), 4, "three kinds, and the count of them");
}

#[test]
fn an_end_without_a_result_is_a_failure_that_tells_of_its_last_words() {
    let run = TestHost::new()
        .program("claude", |_| {
            let lines = recorded("no_result");
            Program::new().on_line(move |_, terminal| {
                say(terminal, &lines);
                terminal.print_error("out of memory");
                terminal.exit(137);
            })
        })
        .run::<Claude>("x");
    let error = run.error();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.message.contains("137") && error.message.contains("out of memory"), "{error:?}");
    assert!(error.checkpoint.is_some(), "the session can be resumed");
    assert_eq!(error.usage.and_then(|usage| usage.cost), None, "not known is not zero");
}
