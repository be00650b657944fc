//! Attacks by launching programs.

use super::attack::{Attack, Outcomes, Stop, case, hex, setup, still_works};
use crate::case::Case;
use std::time::Duration;

const GROUP: &str = "programs";
const TOKEN: &str = "tok-0123456789-of-the-operator";

/// Programs with as little as can be granted.
const GRANTS: &str = r#"{"workspace": "read-write", "process": {
    "cat": {"program": "cat"},
    "echo": {"program": "echo", "args": {"flags": {"-n": "none"}, "positionals": [["yes", "no"]]}}
}}"#;

/// One whose file of MCP servers the host writes.
const MCP: &str = r#"{"mcp": "all", "process": {"echo": {"program": "echo", "mcpFlag": "--mcp",
    "args": {"flags": {"--tag": "any", "--model": ["sonnet"]}}}}}"#;

/// A shell, for what only a program can show.
const SHELL: &str = r#"{"process": {"sh": {"program": "sh", "args": {"flags": {"-c": "any"}}}}}"#;

fn attack(name: &str, prompt: &str, stop: Stop) -> Attack {
    Attack::new(GROUP, name, prompt, stop).grants(GRANTS)
}

pub(crate) fn cases() -> Vec<Case> {
    use Stop::{Deadline, Denied, Holds, Refused};
    let attacks = [
        attack("a_grant_that_is_not_there", "spawn curl", Denied("requests.process.curl")),
        attack("a_grant_that_is_not_granted", "spawn sh", Denied("grants.process")),
        attack("a_grant_without_a_name", "spawn <EMPTY>", Denied("requests.process")),
        attack("a_path_for_a_grant", "spawn /bin/sh", Denied("requests.process")),
        attack("a_path_up_for_a_grant", "spawn ../cat", Denied("requests.process")),
        attack("a_flag", "spawn echo -e", Denied("args.flags")),
        attack("a_flag_with_a_value", "spawn echo -n=x", Denied("args.flags")),
        attack("flags_in_one", "spawn echo -ne", Denied("args.flags")),
        attack("a_long_flag", "spawn echo --help", Denied("args.flags")),
        attack(
            "a_flag_of_the_dynamic_linker",
            "spawn cat --library-path=/tmp",
            Denied("args.flags"),
        ),
        attack("the_end_of_flags", "spawn cat -- /etc/passwd", Denied("end-of-flags")),
        attack("a_positional", "spawn cat /etc/passwd", Denied("args.positionals")),
        attack("standard_input_by_name", "spawn cat -", Denied("args")),
        attack("a_positional_of_another_value", "spawn echo maybe", Denied("args.positionals")),
        attack("a_positional_too_many", "spawn echo yes no", Denied("args.positionals")),
        attack("a_value_with_a_line_break", "spawn echo yes\u{a}no", Denied("args.positionals")),
        attack(
            "a_positional_behind_the_file_of_servers",
            r#"spawn echo --tag --mcp={"mcpServers":{}} update"#,
            Denied("--tag with a value"),
        )
        .grants(MCP),
        attack(
            "a_value_behind_the_file_of_servers",
            r#"spawn echo --model --mcp={"mcpServers":{}} sonnet"#,
            Denied("--model with a value"),
        )
        .grants(MCP),
        attack(
            "a_file_of_servers_of_its_own",
            "spawn echo --mcp /tmp/servers.json",
            Denied("it is no JSON"),
        )
        .grants(MCP),
        attack(
            "two_files_of_servers",
            r#"spawn echo --mcp={"mcpServers":{}} --mcp={"mcpServers":{}}"#,
            Denied("--mcp more than once"),
        )
        .grants(MCP),
        attack("a_nul_in_an_argument", "spawn sh -c true<NUL>x", Refused("")).grants(SHELL),
        attack("a_hundred_thousand_arguments", "spawn-arguments echo 100000 3", Refused("")),
        attack("an_argument_of_a_megabyte", "spawn-arguments echo 1 1000000", Refused("")),
        attack("a_hundred_programs", "spawn-many sh 100 -c sleep_1000", Holds("launched=4 "))
            .grants(SHELL),
        attack("output_without_end", "spawn sh -c yes", Refused("MiB"))
            .grants(SHELL)
            .limits(r#"{"processOutputMib": 1, "stopGraceSeconds": 0}"#),
        attack("errors_without_end", "spawn sh -c yes>&2", Refused("MiB"))
            .grants(SHELL)
            .limits(r#"{"processOutputMib": 1, "stopGraceSeconds": 0}"#),
        attack("input_without_end", "feed-endless sh -c sleep_1000", Deadline)
            .grants(SHELL)
            .deadline(Duration::from_millis(300)),
        attack("more_input_than_it_reads", "feed-endless sh -c head_-c_10", Stop::Ignored)
            .grants(SHELL),
        attack("the_hosts_environment", "spawn sh -c env", Stop::Ignored)
            .grants(SHELL)
            .check(no_environment),
        attack("an_answer_after_the_deadline", "spawn sh -c sleep_1000", Deadline)
            .grants(SHELL)
            .deadline(Duration::from_millis(100)),
    ];
    let mut cases: Vec<_> = attacks.into_iter().map(Attack::case).collect();
    for (name, command) in [
        ("as_it_is", "echo_$KEY"),
        ("on_standard_error", "echo_$KEY>&2"),
        ("in_pieces", "for_c_in_$(echo_$KEY|fold_-w1);do_printf_%s_$c;sleep_0.01;done"),
        ("among_bytes_that_are_no_text", "printf_'\\377%s\\376'_$KEY"),
        ("in_base64", "printf_%s_$KEY|base64_-w0"),
    ] {
        let name = format!("its_secret_back_{name}");
        cases.push(case(GROUP, name, "redaction", move || secret_back(command)));
    }
    cases
}

/// Nothing of the host's environment is handed on: cargo sets these for the tests.
fn no_environment(outcomes: &Outcomes) {
    let told = outcomes.summary();
    for name in ["CARGO_", "RUST", "SSH_AUTH_SOCK"] {
        assert!(!told.contains(&hex(name)), "{told}");
    }
}

/// A program prints its key; the component tells in hexadecimal what it read.
async fn secret_back(command: &'static str) {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), TOKEN).unwrap();
    let grants = format!(
        r#"{{"process": {{"sh": {{"program": "sh", "args": {{"flags": {{"-c": "any"}}}},
             "env": {{"KEY": {{"file": "{}"}}}}}}}}}}"#,
        key.path().display()
    );
    let tested = setup().grants(&grants).build().await;
    let told = tested.summary(&format!("spawn sh -c {command}")).await;
    for form in super::echo::forms(TOKEN) {
        assert!(!told.contains(&hex(&form)), "the component holds {form}: {told}");
    }
    still_works(&tested).await;
}
