//! A look before the work.

use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::ErrorKind,
    testing::{Program, TestHost},
};

/// A `claude` for `probe`: its version, and what `auth status` says.
fn probed(status: &'static str, code: i32) -> TestHost {
    TestHost::new().program("claude", move |args| {
        let version = args == ["--version"];
        Program::new().at_start(|terminal| {
            terminal.print(if version { "2.1.330 (Claude Code)" } else { status });
            terminal.exit(if version { 0 } else { code });
        })
    })
}

#[test]
fn a_probe_says_the_version_and_the_login() {
    let health = probed(r#"{"loggedIn": true, "authMethod": "api_key"}"#, 0).probe::<Claude>();
    let health = health.expect("it works");
    assert_eq!(health.summary, "claude 2.1.330, logged in (api_key)");
    assert_eq!(health.version.as_deref(), Some("2.1.330"));
    let unknown = probed("error: unknown command", 1).probe::<Claude>().expect("it works");
    assert_eq!(unknown.summary, "claude 2.1.330, login not known");
    let error = probed(r#"{"loggedIn": false}"#, 1).probe::<Claude>().expect_err("nobody");
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(error.message.contains("ANTHROPIC_API_KEY"), "{error}");
}

#[test]
fn a_probe_does_not_wait_for_ever() {
    let silent = TestHost::new().program("claude", |_| Program::new().on_end_of_input(|_| {}));
    let error = silent.probe::<Claude>().expect_err("it hangs");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let error = TestHost::new().probe::<Claude>().expect_err("not granted");
    assert_eq!(error.kind, ErrorKind::Denied);
}
