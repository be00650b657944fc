//! Programs: only what is granted, with the arguments that are granted, and none of it outlives the execution.

use crate::harness::{Setup, end, request};
use cyrus_executor::{ErrorKind, Outcome, StopMode, TaskExecutor as _, Workspace};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

/// Programs that the tests use, each with arguments of its own.
const GRANTS: &str = r#"{"process": {
    "sh": {"program": "sh", "args": {"flags": {"-c": "any"}},
           "env": {"PLAIN": "plain value", "HIDDEN": {"file": "/proc/sys/kernel/ostype"}}},
    "cat": {"program": "cat"},
    "echo": {"program": "echo", "args": {"flags": {"-n": "none"}, "positionals": [["yes", "no"]]}}
}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn runs_what_is_granted() {
    let tested = Setup::new().grants(GRANTS).build().await;
    assert_eq!(tested.summary("run echo -n yes").await, "Exit::Code(0) out=yes err=");
    let both = tested.summary("run sh -c echo_out;echo_err>&2;exit_3").await;
    assert_eq!(both, "Exit::Code(3) out=out err=err");
    let fed = tested.summary("feed cat hello").await;
    assert!(fed.starts_with("hello Ok(()) Ok(Exit::Code(0)) Err(ProcessError::Io("), "{fed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_denied_with_the_line_that_would_allow_it() {
    let tested = Setup::new().grants(GRANTS).build().await;
    for (prompt, line) in [
        ("run sh --login", r#"executors.tested.grants.process.sh.args.flags: add "--login""#),
        (
            "run echo maybe",
            r#"executors.tested.grants.process.echo.args.positionals[0]: add "maybe""#,
        ),
        (
            "run cat /etc/passwd",
            r#"executors.tested.grants.process.cat.args.positionals: add "any""#,
        ),
        ("run curl", "plugin.toml of probe needs [requests.process.curl]"),
    ] {
        let error = tested.failure(prompt).await;
        assert_eq!(error.kind, ErrorKind::Denied, "{prompt}");
        assert!(error.message.contains(line), "{prompt}: {}", error.message);
    }
    let nothing = Setup::new().build().await;
    let error = nothing.failure("run sh -c true").await;
    assert_eq!(error.kind, ErrorKind::Denied);
    let line = r#"executors.tested.grants.process: add "sh": {"program": "sh"}"#;
    assert!(error.message.contains(line), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_not_found() {
    let grants = r#"{"process": {"sh": {"program": "no-such-program"}}}"#;
    let error = Setup::new().grants(grants).build().await.failure("run sh").await;
    assert!(
        error.message.contains("NotFound") && error.message.contains("no-such-program"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_gets_the_operators_environment_and_no_more() {
    let tested = Setup::new().grants(GRANTS).build().await;
    let out = tested.summary("run sh -c env").await;
    for variable in ["PLAIN=plain value", "PATH=", "HOME=", "LANG=C.UTF-8"] {
        assert!(out.contains(variable), "{variable} in {out}");
    }
    assert!(!out.contains("CARGO"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_in_the_workspace_with_a_home_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (root, home, operator) =
        (directory.path().join("tree"), directory.path().join("home"), directory.path().join("me"));
    for path in [&root, &home, &operator.join(".tool")] {
        fs::create_dir_all(path).unwrap();
    }
    fs::write(operator.join(".tool/login"), "token").unwrap();
    fs::write(operator.join(".tool/other"), "private").unwrap();
    let grants = r#"{"process": {"sh": {"program": "sh", "args": {"flags": {"-c": "any"}},
        "homeFiles": [".tool/login", ".tool/not-there"]}}}"#;
    let tested = Setup::new().grants(grants).home(&operator).build().await;
    let mut request = request("run sh -c pwd;cat_~/.tool/*");
    request.workspace = Some(Workspace::new(&root, &home, home.join("record")));
    let Ok(Outcome::Completed(result)) = tested.outcome(request).await else { panic!() };
    let expected =
        format!("Exit::Code(0) out={}\ntoken err=", root.canonicalize().unwrap().display());
    assert_eq!(result.summary, expected);
}

/// One workspace, as two attempts have it, and a program in each: one that is granted a login and one that is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_program_has_is_no_other_programs() {
    const LOGIN: &str = r#"{"token":"oauth-SECRET-1234567"}"#;
    let directory = tempfile::tempdir().unwrap();
    let [root, operator] = ["tree", "me"].map(|name| directory.path().join(name));
    for path in [&root, &operator.join(".tool")] {
        fs::create_dir_all(path).unwrap();
    }
    fs::write(operator.join(".tool/login.json"), LOGIN).unwrap();
    let shell = json!({"flags": {"-c": "any"}});
    let grants = json!({"process": {
        "sh": {"program": "sh", "args": shell, "homeFiles": [".tool/login.json"]},
        "cat": {"program": "sh", "args": shell},
    }});
    let tested = Setup::new().grants(&grants.to_string()).home(&operator).build().await;
    let run = async |prompt: &str| {
        let mut request = request(prompt);
        request.workspace = Some(Workspace::new(
            &root,
            directory.path().join("homes"),
            directory.path().join("record"),
        ));
        let Ok(Outcome::Completed(result)) = tested.outcome(request).await else { panic!() };
        result.summary
    };
    let first = run("run sh -c cat_~/.tool/login.json;cp_~/.tool/login.json_$TMPDIR;cp_~/.tool/login.json_shared").await;
    assert!(first.contains("[secret]"), "{first}");
    let other = run("run cat -c find_~_$TMPDIR_-type_f;cat_~/.tool/login.json").await;
    assert!(other.starts_with("Exit::Code(1) out= err="), "{other}");
    // It is redacted wherever it turns up, and in whatever program's output.
    let shared = run("run cat -c cat_shared").await;
    assert_eq!(shared, r#"Exit::Code(0) out={"token":"[secret]"} err="#);
    run(r#"run cat -c mkdir_-p_~/.tool;echo_'{"token":"of-another"}'>~/.tool/login.json"#).await;
    run("run sh -c true").await;
    assert_eq!(fs::read_to_string(operator.join(".tool/login.json")).unwrap(), LOGIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_program_is_launched_with_the_hosts_of_its_own_grant() {
    let grants = r#"{"process": {
        "cat": {"program": "true"},
        "sh": {"program": "true", "hosts": ["a.example.com"]},
        "unrequested": {"program": "true", "hosts": ["b.example.com"]}}}"#;
    let (tested, hosts) = Setup::new().grants(grants).build_recording_hosts().await;
    for (prompt, expected) in [("run cat", &[][..]), ("run sh", &["https://a.example.com"])] {
        tested.summary(prompt).await;
        assert_eq!(hosts.lock().unwrap().pop().unwrap(), expected, "{prompt}");
    }
    assert_eq!(tested.failure("run unrequested").await.kind, ErrorKind::Denied);
    assert!(hosts.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_arrives_while_the_end_is_waited_for() {
    let tested = Setup::new().grants(GRANTS).build().await;
    let script = "signal sh -c trap_'echo_caught;exit_7'_INT;echo_ready;while_:;do_sleep_0.01;done";
    let told = tested.summary(script).await;
    assert_eq!(told, "ready caught  Ok(Exit::Code(7)) Ok(Exit::Code(7))");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_programs_and_output_are_limited() {
    let limits = r#"{"liveProcesses": 2, "processOutputMib": 1}"#;
    let tested = Setup::new().grants(GRANTS).limits(limits).build().await;
    let many = tested.summary("run-many sh 5 -c sleep_1000").await;
    assert!(many.starts_with("2 launched") && many.contains("at most 2 programs"), "{many}");
    let error = tested.failure("run sh -c yes").await;
    assert!(error.message.contains("Limit") && error.message.contains("1 MiB"), "{error}");
    // Nobody takes its standard error, which is more than a pipe holds, and it ends all the same.
    let quiet = tested.summary("wait sh -c head_-c_200000_/dev/zero>&2").await;
    assert_eq!(quiet, "Ok(Exit::Code(0))");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_the_execution() {
    let directory = tempfile::tempdir().unwrap();
    let (begun, lives) = (directory.path().join("begun"), directory.path().join("lives"));
    for path in [&begun, &lives] {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    }
    let tested = Setup::new().grants(GRANTS).build().await;
    // It holds the second pipe open for as long as it lives.
    let script = format!("exec_3>{};echo_x>{};sleep_1000", lives.display(), begun.display());
    let execution = tested.begin(&format!("leave sh -c {script}")).await;
    let handle = execution.handle.clone();
    let read = |path: std::path::PathBuf| tokio::task::spawn_blocking(move || fs::read(path));
    let ended = read(lives);
    read(begun).await.unwrap().unwrap();
    assert!(!ended.is_finished());
    let (_, outcome) = tokio::join!(handle.stop(StopMode::Cancel), end(execution));
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Cancelled);
    let closed = tokio::time::timeout(Duration::from_mins(1), ended).await;
    closed.expect("the program is gone").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_may_run_programs_and_a_description_may_not_wait_for_ever() {
    let asks = json!({"probe": "run echo -n yes"});
    let tested = Setup::new().grants(GRANTS).settings(asks).build().await;
    assert_eq!(tested.executor.probe().await.unwrap().summary, "Exit::Code(0) out=yes err=");

    let limits = r#"{"probeSeconds": 0}"#;
    for settings in [json!({"probe": "timer"}), json!({"spin": true})] {
        let tested = Setup::new().settings(settings.clone()).limits(limits).build().await;
        let error = if settings.get("spin").is_some() {
            tested.executor.describe().await.unwrap_err()
        } else {
            tested.executor.probe().await.unwrap_err()
        };
        assert_eq!(error.kind, ErrorKind::TimedOut);
    }
}

/// What the component held in its memory of what a program printed that has a key, a login and a literal secret.
async fn held(script: &str) -> String {
    held_by("run-backwards", script).await
}

async fn held_by(verb: &str, script: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let operator = directory.path().join("me");
    fs::create_dir_all(operator.join(".tool")).unwrap();
    fs::write(operator.join(".tool/login.json"), r#"{"token": "oauth-SECRET-1234567"}"#).unwrap();
    fs::write(
        operator.join(".tool/key.pem"),
        "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n",
    )
    .unwrap();
    fs::write(directory.path().join("key"), "sk-live-SECRET-abcdef").unwrap();
    let file = directory.path().join("script");
    fs::write(&file, script).unwrap();
    let grants = json!({"process": {"sh": {
        "program": "sh",
        "args": {"positionals": ["any"]},
        "env": {"API_KEY": {"file": directory.path().join("key")}, "CLEAR_TOKEN": "in-the-clear-98765",
            "MODE": "production-mode"},
        "homeFiles": [".tool/login.json", ".tool/key.pem", ".tool/new"],
    }}});
    let tested = Setup::new().grants(&grants.to_string()).home(&operator).build().await;
    // An underscore is a blank to the probe, and a directory's name may have one.
    let script = file.display().to_string();
    assert!(!script.contains('_'), "{script}");
    let backwards = tested.summary(&format!("{verb} sh {script}")).await;
    backwards.chars().rev().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_never_holds_what_its_programs_were_given() {
    let secrets = [
        "sk-live-SECRET-abcdef",
        "oauth-SECRET-1234567",
        "in-the-clear-98765",
        "MIIEvQIBADANBgkq",
        "oauth-RENEWED-7654321",
        "made-meanwhile-11223",
        // In base64 and in hexadecimal.
        "c2stbGl2ZS1TRUNSRVQ",
        "736b2d6c6976652d534543524554",
    ];
    for script in [
        "echo $API_KEY; cat ~/.tool/login.json; echo $CLEAR_TOKEN",
        "echo $API_KEY >&2; cat ~/.tool/login.json >&2",
        "printf %s $API_KEY | base64; printf %s $API_KEY | od -An -tx1 | tr -d ' '",
        "cat ~/.tool/key.pem",
        // In pieces, each of which is passed on by itself.
        "for c in s k - l i v e - S E C R E T - a b c d e f; do printf $c; sleep 0.02; done",
        "printf '\"key\":\"sk-live-'; sleep 0.2; printf 'SECRET-abcdef\"'",
        // Renewed, and made, while it runs.
        "echo '{\"token\": \"oauth-RENEWED-7654321\"}' > ~/.tool/login.json; cat ~/.tool/login.json",
        "echo 'password = made-meanwhile-11223' > ~/.tool/new; cat ~/.tool/new; echo $API_KEY",
        // Much, of which only the end is kept.
        "i=0; while [ $i -lt 5000 ]; do echo \"$i $API_KEY\" >&2; i=$((i+1)); done",
    ] {
        let held = held(script).await;
        assert!(held.contains("[secret]"), "{script}: {held}");
        for secret in secrets {
            assert!(!held.contains(secret), "{script}: {held}");
        }
        assert!(!held.to_lowercase().contains("ecret-abc"), "nor a part of one: {held}");
    }
}

/// The home of a program without a workspace is gone with it, and what it printed is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_wrote_into_its_login_is_known_when_it_is_gone() {
    let script = "echo 'password = made-meanwhile-11223' > ~/.tool/new; cat ~/.tool/new";
    let held = held_by("run-backwards-late", script).await;
    assert!(held.contains("[secret]") && !held.contains("made-meanwhile"), "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_secret_reaches_a_component_as_it_was_printed() {
    let line = r#"{"type":"system","session_id":"0a1b2c3d-4e5f","model":"claude-opus-4-5","cwd":"/tmp/x"}"#;
    let held = held(&format!("echo '{line}'; echo $MODE; echo '{{\"key\":\"'$API_KEY'\"}}'")).await;
    let expected =
        format!("Exit::Code(0) out={line}\nproduction-mode\n{{\"key\":\"[secret]\"}} err=");
    assert_eq!(held, expected, "a line of JSON stays one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_may_begin_a_secret_is_not_held_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    // Its first line is what the program says before it waits to be interrupted.
    fs::write(&key, "ready\nnot-all-of-it-yet").unwrap();
    let grants = json!({"process": {"sh": {
        "program": "sh",
        "args": {"flags": {"-c": "any"}},
        "env": {"KEY": {"file": key}},
    }}});
    let tested = Setup::new().grants(&grants.to_string()).build().await;
    let script = "signal sh -c trap_'echo_caught;exit_7'_INT;echo_ready;while_:;do_sleep_0.01;done";
    let told = tested.summary(script).await;
    assert_eq!(told, "ready caught  Ok(Exit::Code(7)) Ok(Exit::Code(7))");
}

const MCP: &str = r#"{"mcpServers": {
    "notes": {"command": "notes-server", "env": {"NOTES_TOKEN": "mcp-SECRET-12345"}},
    "remote": {"type": "http", "url": "https://mcp.example", "headers": {"Authorization": "Bearer hdr-SECRET-67890"}}
}}"#;

/// Does a task with those MCP servers, granted like this, and the program's flag for them.
async fn with_servers(
    granted: &str,
    prompt: &str,
) -> Result<String, cyrus_executor::ExecutionError> {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    // It shows which file it was given, and what is in it.
    fs::write(&program, "#!/bin/sh\necho \"$1\"; cat \"${1#--mcp=}\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let grants = json!({"mcp": serde_json::from_str::<serde_json::Value>(granted).unwrap(),
        "process": {"sh": {"program": program, "mcpFlag": "--mcp"}}});
    let asks = |manifest: &str| manifest.replace("ask = true", "ask = true\nmcp = true");
    let tested = Setup::new().manifest(asks).grants(&grants.to_string()).build().await;
    let mut request = request(prompt);
    request.mcp_servers = Some(serde_json::from_str(MCP).unwrap());
    match tested.outcome(request).await? {
        Outcome::Completed(result) => Ok(result.summary),
        Outcome::Suspended(suspension) => panic!("{suspension:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_learns_the_names_of_granted_mcp_servers_and_nothing_else() {
    for (granted, shown) in [
        ("[]", "mcp=None"),
        (r#"["notes"]"#, r#"mcp=Some("{\"mcpServers\":{\"notes\":{}}}")"#),
        ("\"all\"", r#"mcp=Some("{\"mcpServers\":{\"notes\":{},\"remote\":{}}}")"#),
    ] {
        let seen = with_servers(granted, "context").await.unwrap();
        assert!(seen.contains(shown), "{granted}: {seen}");
        assert!(!seen.contains("SECRET") && !seen.contains("notes-server"), "{seen}");
    }
    // Nothing is there for a plugin that does not ask for it.
    let tested = Setup::new().grants(r#"{"mcp": "all"}"#).build().await;
    let mut request = request("context");
    request.mcp_servers = Some(serde_json::from_str(MCP).unwrap());
    let Ok(Outcome::Completed(result)) = tested.outcome(request).await else { panic!() };
    assert!(result.summary.contains("mcp=None"), "{}", result.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_definitions_and_its_component_none_of_their_tokens() {
    let run = r#"run-backwards sh --mcp={"mcpServers":{"notes":{"command":"evil"},"remote":{}}}"#;
    let backwards = with_servers("\"all\"", run).await.unwrap();
    let held: String = backwards.chars().rev().collect();
    for part in [
        r#""command":"notes-server""#,
        r#""NOTES_TOKEN":"[secret]""#,
        r#""Authorization":"[secret]""#,
        "https://mcp.example",
    ] {
        assert!(held.contains(part), "{part} in {held}");
    }
    assert!(!held.contains("SECRET") && !held.contains("evil"), "{held}");
    let file = held.split("--mcp=").nth(1).and_then(|rest| rest.split('\n').next()).unwrap();
    assert!(file.ends_with("/mcp/mcp-servers.json"), "{held}");
    assert!(!std::path::Path::new(file).exists(), "the file is gone with the program");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_granted_is_given_to_no_program() {
    for (granted, args, says) in [
        (r#"["notes"]"#, r#"--mcp={"mcpServers":{"remote":{}}}"#, r#"grants.mcp: add "remote""#),
        ("[]", r#"--mcp={"mcpServers":{"notes":{}}}"#, r#"grants.mcp: add "notes""#),
        ("\"all\"", r#"--mcp={"mcpServers":{"other":{}}}"#, "there is no server"),
        ("\"all\"", "--mcp=/etc/passwd", "it is no JSON"),
        ("\"all\"", "--mcp /etc/passwd", "it is no JSON"),
        ("\"all\"", r#"--mcp={"mcpServers":{}} /etc/passwd"#, "args.positionals"),
    ] {
        let error = with_servers(granted, &format!("run sh {args}")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{args}: {error}");
        assert!(error.message.contains(says), "{args}: {error}");
    }
}
