//! What the commands say that only look.

use crate::fixtures::{greeter, mending};
use cyrus_tests::world;
use serde_json::{Value, json};

#[test]
fn help_is_worth_reading() {
    let world = world!();
    let help = world.run(["--help"]).code(0);
    for word in [
        "run",
        "demo",
        "session",
        "plugin",
        "executor",
        "doctor",
        "simulate",
        "completions",
        "--cyrus-home",
    ] {
        assert!(help.stdout.contains(word), "nothing of {word}: {help}");
    }
    let run = world.run(["run", "--help"]).code(0);
    for word in [
        "Exit status: 0 validated",
        "--dry-run",
        "--strategy",
        "cyrus/<session>",
        "session-finished",
    ] {
        assert!(run.stdout.contains(word), "nothing of {word}: {run}");
    }
    let version = world.run(["--version"]).code(0);
    assert_eq!(version.stdout.trim(), concat!("cyrus ", env!("CARGO_PKG_VERSION")));
    let bare = world.run::<&str>([]).code(2);
    assert!(bare.stderr.contains("Usage"), "{bare}");
}

#[test]
fn completions_are_a_script_of_the_shell() {
    let world = world!();
    for (shell, begins) in [("bash", "_cyrus()"), ("zsh", "#compdef cyrus"), ("fish", "# Print")] {
        let script = world.run(["completions", shell]).code(0).stdout;
        assert!(script.starts_with(begins), "{shell}: {}", script.lines().next().unwrap());
        assert!(script.contains("dry-run"), "{shell}");
    }
}

#[test]
fn a_fresh_machine_has_the_bundled_plugins_and_is_told_what_is_missing() {
    let world = world!().with_only(&["git", "sh"]);
    let plugins = world.run(["plugin", "list", "--json"]).code(0).json();
    let names: Vec<_> = plugins.as_array().unwrap().iter().map(|plugin| &plugin["name"]).collect();
    assert_eq!(names, ["claude", "codegen"]);
    assert!(plugins.as_array().unwrap().iter().all(|plugin| plugin["origin"] == "bundled"));
    let _ = world.run(["plugin", "list"]).code(0).prints("PLACEMENT").prints("cloud");

    let executors = world.run(["executor", "list", "--json"]).code(0).json();
    let claude = &executors[0];
    assert_eq!((&claude["name"], &claude["enabled"]), (&json!("claude"), &json!(true)));
    assert!(claude["error"].as_str().unwrap().contains("Install Claude Code"), "{claude}");
    let codegen = &executors[1];
    assert_eq!((&codegen["name"], &codegen["enabled"]), (&json!("codegen"), &json!(false)));

    let doctor = world.run(["doctor", "--json"]).code(1).json();
    let state = |what: &str| {
        let finding = doctor.as_array().unwrap().iter().find(|finding| finding["what"] == what);
        finding.unwrap_or_else(|| panic!("{what} in {doctor:#}"))["state"].clone()
    };
    assert_eq!(
        (state("home"), state("git"), state("executors")),
        (json!("good"), json!("good"), json!("missing"))
    );
    for finding in doctor.as_array().unwrap() {
        assert!(
            finding["state"] == "good" || finding["mend"] != "" || finding["seen"] != "",
            "{finding}"
        );
    }
}

#[test]
fn a_machine_that_is_ready_is_told_so() {
    let world = greeter(world!(), mending());
    let executors = world.run(["executor", "list", "--json"]).code(0).json();
    assert_eq!(executors[0]["error"], Value::Null, "{executors:#}");
    assert!(executors[0]["health"]["version"].as_str().unwrap().contains("2.1.330"));
    assert!(executors[0]["descriptor"]["settingsSchema"].is_object(), "{executors:#}");
    let quick = world.run(["executor", "list", "--json", "--no-probe"]).code(0).json();
    assert_eq!(quick[0]["health"], Value::Null, "it was not asked");
    let _ = world.run(["executor", "list"]).code(0).prints("ready: ");
    let doctor = world.run(["doctor"]).code(0).prints("held by a ");
    assert!(!doctor.stdout.contains("fail  "), "{doctor}");
}

#[test]
fn explain_says_what_is_asked_for_what_is_granted_and_what_holds() {
    let world = greeter(world!(), mending());
    let text = world.run(["executor", "explain", "claude"]).code(0);
    let _ = text.prints("CAPABILITY").prints("process claude").prints("read-write");
    let before = world.run(["executor", "explain", "claude", "--json"]).code(0).json();
    let holds = |told: &Value, capability: &str| {
        let rows = told["capabilities"].as_array().unwrap();
        let row = rows.iter().find(|row| row["capability"] == capability).unwrap();
        [row["requested"].clone(), row["granted"].clone(), row["effective"].clone()]
    };
    assert_eq!(holds(&before, "process claude"), ["yes", "yes", "yes"]);
    assert_eq!(holds(&before, "workspace"), ["read-write", "read-write", "read-write"]);

    let world = world.config(json!({
        "executors": { "claude": { "grants": { "workspace": "read-only" } } },
        "maximum": { "process": false },
    }));
    let after = world.run(["executor", "explain", "claude", "--json"]).code(0).json();
    assert_eq!(holds(&after, "process claude"), ["yes", "yes", "no"]);
    assert_eq!(holds(&after, "workspace"), ["read-write", "read-only", "read-only"]);
    let _ = world.run(["executor", "explain", "nobody"]).code(2).complains("nobody");
}

#[test]
fn sessions_are_listed_the_newest_first() {
    let world = greeter(world!(), mending());
    assert!(world.sessions().is_empty());
    let first = world.run(["run", "--json", "First"]).code(0).report().session().to_owned();
    let second = world.run(["run", "--json", "Second"]).code(0).report().session().to_owned();
    let listed = world.sessions();
    let ids: Vec<_> = listed.iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&*second, &*first]);
    assert_eq!((&listed[1]["title"], &listed[1]["state"]), (&json!("First"), &json!("validated")));
    let _ = world.run(["session", "list"]).code(0).prints("Second").prints("validated");
}

#[test]
fn the_record_names_the_programs_that_were_launched_by_what_is_in_them() {
    let world = greeter(world!(), mending());
    let explained = world.run(["executor", "explain", "claude", "--json"]).code(0).json();
    let program = &explained["programs"][0];
    assert_eq!(program["grant"], "claude");
    let file = std::fs::canonicalize(world.path("bin/claude")).unwrap();
    assert_eq!(program["file"], file.to_str().unwrap());
    let sha256 = program["sha256"].as_str().unwrap().to_owned();
    assert_eq!(sha256.len(), 64, "{sha256}");
    let report = world.run(["run", "--json", "Greet"]).code(0).report();
    let mut launched = report["executions"][0]["programs"].clone();
    // What its sandbox lacked is the system's to say.
    launched[0].as_object_mut().unwrap().remove("sandboxLacked");
    assert_eq!(launched, json!([program]));
    let session = world.sessions()[0]["id"].as_str().unwrap().to_owned();
    let shown = world.run(["session", "show", &session, "--json"]).code(0).json();
    assert_eq!(shown["executions"][0]["report"]["programs"][0]["sha256"], sha256.as_str());
    let _ = world.run(["executor", "explain", "claude"]).code(0).prints(&sha256);
}

/// On a system that has them, which a variable takes away.
#[test]
fn what_the_sandbox_of_a_session_lacked_is_in_its_report_and_named_as_doctor_names_it() {
    let without =
        |layers: &str| greeter(world!(), mending()).variable("CYRUS_SANDBOX_WITHOUT", layers);
    let lacking = without("namespaces,landlock");
    let rows = ["sandbox: files", "sandbox: network", "sandbox: Landlock"];
    let doctor = lacking.run(["doctor", "--json"]).json();
    for row in rows {
        let finding = doctor.as_array().unwrap().iter().find(|finding| finding["what"] == row);
        assert_eq!(finding.unwrap()["state"], "less", "{doctor:#}");
    }
    if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0 {
        // It would stay root here, and none does without Landlock.
        let _ = lacking.run(["run", "--json", "Greet"]).code(2).complains("as root");
    }
    let (lacking, rows) = (without("namespaces"), &rows[..2]);
    let report = lacking.run(["run", "--json", "Greet"]).code(0).report();
    let lacked: Vec<_> = report["sandboxLacked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_str().unwrap())
        .collect();
    assert!(rows.iter().all(|row| lacked.contains(row)), "{lacked:?}");
    let once: std::collections::BTreeSet<_> = lacked.iter().collect();
    assert_eq!(once.len(), lacked.len(), "{lacked:?}");
    let session = lacking.sessions()[0]["id"].as_str().unwrap().to_owned();
    let shown = lacking.run(["session", "show", &session]).code(0).prints("sandbox: files");
    assert_eq!(shown.stdout.matches("  sandbox   lacked ").count(), 1, "{shown}");

    let wrong = without("everything").run(["doctor"]).code(2);
    let _ = wrong.complains("CYRUS_SANDBOX_WITHOUT").complains("everything");
}

/// Whatever is taken away, `strict` asks for it.
#[test]
fn strict_starts_nothing_without_a_layer_that_is_withheld() {
    let world = greeter(world!(), mending())
        .variable("CYRUS_SANDBOX_WITHOUT", "namespaces")
        .variable("CYRUS_SANDBOX", "strict");
    let ended = world.run(["run", "--json", "Greet"]).code(2);
    let _ = ended.complains("claude: not ready").complains("the profile `strict` needs");
}

/// The host looks for its programs in no directory that programs, or others, write to.
#[test]
fn programs_are_not_looked_for_where_others_put_them() {
    let world = greeter(world!(), mending());
    for place in ["open", "repository/bin", "user/cyrus-work/.bin"] {
        let directory = world.path(place);
        std::fs::create_dir_all(&directory).unwrap();
        // What is open to all is still on the path of the checks, which look for `sh`.
        let programs =
            if place == "open" { &["git", "claude"][..] } else { &["git", "claude", "sh"] };
        for program in programs {
            let ran = world.path("planted-ran");
            let text = format!("#!/bin/sh\ntouch '{}'\nexit 1\n", ran.display());
            std::fs::write(directory.join(program), text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(directory.join(program), mode).unwrap();
        }
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(world.path("open"), mode).unwrap();
    let [open, inside, work] =
        ["open", "repository/bin", "user/cyrus-work/.bin"].map(|place| world.path(place));
    let planted = [".".into(), "".into(), "bin".into(), open, inside, work, world.path("bin")];
    let real = std::env::var_os("PATH").unwrap();
    let path = planted.into_iter().chain(std::env::split_paths(&real));
    let world = world.variable("PATH", std::env::join_paths(path).unwrap());
    let _ = world.run(["run", "--json", "Greet"]).code(0);
    assert!(!world.path("planted-ran").exists());
    let doctor = world.run(["doctor"]);
    for why in ["is not absolute", "every user may write", "where programs write"] {
        assert!(doctor.stdout.contains(why), "{why}: {doctor}");
    }
}
