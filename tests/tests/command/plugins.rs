//! A plugin that somebody drops into the plugin directory: there at once, allowed nothing, allowed exactly what the
//! message of its denial says.

use cyrus_plugin::Digest;
use cyrus_tests::{Report, World, world};
use serde_json::{Value, json};
use std::{
    fs,
    io::{ErrorKind, Read as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
};

/// A component that does what its task says.
const PROBE: &[u8] = include_bytes!(env!("CYRUS_GUEST_PROBE"));

const MANIFEST: &str = r#"
name = "probe"
version = "1.2.3"
contract = "0.1"
component = "probe.wasm"
placement = "local"
description = "Does what its task says."

[requests]
http = ["*"]
workspace = "read-write"
ask = true

[requests.process.echo]
program = "echo"
description = "says it again"
"#;

fn install(world: &World, directory: &str, manifest: &str) {
    let directory = world.home().join("plugins").join(directory);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("plugin.toml"), manifest).unwrap();
    fs::write(directory.join("probe.wasm"), PROBE).unwrap();
}

pub(crate) fn with_probe() -> World {
    let world = world!().repository(&[("README.md", "A repository.\n")]);
    install(&world, "probe", MANIFEST);
    world
}

/// Has the probe do something, as a task of a kind that may answer in words.
fn ask(world: &World, task: &str) -> Report {
    let args = ["run", "--json", "--executor", "probe", "--kind", "scoper", task];
    world.run(args).code(1).report()
}

/// What the probe answers to something it may do.
#[track_caller]
fn answer(world: &World, task: &str) -> String {
    let report = ask(world, task).outcome("unverified");
    report.execution()["summary"].as_str().unwrap().to_owned()
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array().unwrap().iter().find(|entry| entry["name"] == name)
}

#[test]
fn it_is_there_as_soon_as_it_is_put_in() {
    let world = world!().repository(&[("README.md", "A repository.\n")]);
    let plugins = || world.run(["plugin", "list", "--json"]).code(0).json();
    let executors = || world.run(["executor", "list", "--json"]).code(0).json();
    assert!(named(&plugins(), "probe").is_none() && named(&executors(), "probe").is_none());
    let args = ["run", "--executor", "probe", "echo hello"];
    let _ = world.run(args).code(2).complains("no executor \"probe\"");

    install(&world, "any-name", MANIFEST);
    let (plugins, executors) = (plugins(), executors());
    let plugin = named(&plugins, "probe").unwrap();
    assert_eq!((&plugin["version"], &plugin["placement"]), (&json!("1.2.3"), &json!("local")));
    assert!(plugin["origin"].as_str().unwrap().ends_with("plugins/any-name"), "{plugin}");
    let executor = named(&executors, "probe").unwrap();
    assert_eq!(executor["health"]["summary"], "well", "it was probed");
    assert_eq!(executor["enabled"], false, "no strategy takes what nobody configured");
    assert_eq!(answer(&world, "echo hello"), "hello");
}

#[test]
fn directories_of_the_command_line_and_of_the_configuration_count_too() {
    let world = with_probe();
    let elsewhere = world.path("elsewhere");
    fs::rename(world.home().join("plugins"), &elsewhere).unwrap();
    let list = |args: &[&str]| {
        let listed = world.run(args).code(0).json();
        named(&listed, "probe").map(|plugin| plugin["origin"].clone())
    };
    assert_eq!(list(&["plugin", "list", "--json"]), None);
    let directory = elsewhere.to_str().unwrap();
    assert!(list(&["--plugin-dir", directory, "plugin", "list", "--json"]).is_some());
    let world = world.config(json!({ "pluginDirs": [directory] }));
    let listed = world.run(["plugin", "list", "--json"]).code(0).json();
    assert!(named(&listed, "probe").is_some());
}

#[test]
fn a_strategy_takes_it_when_it_is_configured() {
    let world = with_probe().config(json!({ "executors": { "mine": { "plugin": "probe" } } }));
    let report = world.run(["run", "--json", "--kind", "scoper", "echo hello"]).code(1).report();
    assert_eq!(report.execution()["executor"], "mine");
    assert_eq!(report.execution()["summary"], "hello");
}

/// Writes exactly what a denial says into the configuration.
fn obey(world: &mut World, denial: &str) {
    let (_, hint) = denial.split_once("in config.json ").expect(denial);
    let (place, line) = hint.split_once(": add ").expect(denial);
    let line = line.lines().next().unwrap();
    let addition = match serde_json::from_str::<Value>(&format!("{{{line}}}")) {
        Ok(member) => member,
        Err(_) => match serde_json::from_str::<Value>(line).expect(denial) {
            Value::String(element) if place.ends_with("workspace") => element.into(),
            Value::String(element) => json!([element]),
            value => value,
        },
    };
    let config = place.rsplit('.').fold(addition, |value, key| json!({ key: value }));
    world.configure(config);
}

#[test]
fn what_was_not_granted_is_denied_and_the_line_to_add_is_enough() {
    let mut world = with_probe().codegen(json!({}));
    let url = format!("{}/v1/users/me", world.service().base_url());
    let get = format!("get {url}");
    for (task, place, allowed) in [
        (&*get, "executors.probe.grants.http", "401"),
        ("files", "executors.probe.grants.workspace", "/workspace"),
        ("run echo", "executors.probe.grants.process", "Code(0)"),
        ("run echo hello", "executors.probe.grants.process.echo.args.positionals", "out=hello"),
    ] {
        let report = ask(&world, task).outcome("failed");
        assert_eq!(report.error()["kind"], "denied", "{task}: {report:?}");
        let denial = report.error()["message"].as_str().unwrap();
        assert!(denial.contains(place), "{task}: {denial}");
        obey(&mut world, denial);
        let said = answer(&world, task);
        assert!(said.contains(allowed), "{task}: {said}");
    }
    let more = ask(&world, "run echo hello again").outcome("failed");
    assert_eq!(more.error()["kind"], "denied", "one argument was granted, not two");
    let flag = ask(&world, "run echo -n").outcome("failed");
    assert_eq!(flag.error()["kind"], "denied", "nor a flag");
}

#[test]
fn no_grant_gives_what_the_manifest_does_not_ask_for_or_the_host_forbids() {
    let sh = json!({ "program": "sh", "args": { "positionals": ["any"] } });
    let echo = json!({ "program": "echo" });
    let mut world = with_probe().config(json!({
        "executors": { "probe": { "grants": { "process": { "sh": sh, "echo": echo } } } },
    }));
    let report = ask(&world, "run sh x").outcome("failed");
    assert_eq!(report.error()["kind"], "denied");
    let denial = report.error()["message"].as_str().unwrap();
    assert!(denial.contains("plugin.toml of probe needs [requests.process.sh]"), "{denial}");

    world.configure(json!({ "maximum": { "process": false } }));
    let report = ask(&world, "run echo").outcome("failed");
    assert!(report.error()["message"].as_str().unwrap().contains("maximum.process"), "{report:?}");
}

#[test]
fn what_is_broken_is_listed_and_harms_nobody() {
    let world = with_probe();
    let broken = [
        ("no-plugin", None),
        ("typo", Some(MANIFEST.replace("ask = true", "aks = true"))),
        ("escape", Some(MANIFEST.replace("probe.wasm", "../../config.json"))),
        (
            "future",
            Some(
                MANIFEST
                    .replace("contract = \"0.1\"", "contract = \"9.0\"")
                    .replace("\"probe\"", "\"future\""),
            ),
        ),
        ("text", Some(MANIFEST.replace("\"probe\"", "\"text\""))),
    ];
    for (name, manifest) in broken {
        install(&world, name, &manifest.unwrap_or_default());
    }
    let plugins = world.home().join("plugins");
    fs::write(plugins.join("text/probe.wasm"), "(component)").unwrap();
    fs::remove_file(plugins.join("no-plugin/plugin.toml")).unwrap();

    let text = world.run(["plugin", "list"]).code(0);
    let text = text.prints("probe").prints("typo cannot be used: plugin.toml: ");
    let _ =
        text.prints("future cannot be used: the plugin needs contract 9.0.0, this host speaks 0.1");
    let plugins = world.run(["plugin", "list", "--json"]).code(0).json();
    for (name, says) in [("typo", "aks"), ("escape", "not the name of a file"), ("future", "9.0")] {
        let listed = named(&plugins, name).unwrap_or_else(|| panic!("{name} in {plugins:#}"));
        assert!(listed["error"].as_str().unwrap().contains(says), "{listed}");
    }
    let executors = world.run(["executor", "list", "--json"]).code(0).json();
    for (name, says) in [("future", "9.0"), ("text", "component")] {
        let listed = named(&executors, name).unwrap_or_else(|| panic!("{name} in {executors:#}"));
        assert!(listed["error"].as_str().unwrap().contains(says), "{listed}");
        let _ = world.run(["run", "--executor", name, "x"]).code(2).complains(says);
    }
    let _ = world.run(["run", "--executor", "typo", "x"]).code(2).complains("typo");
    assert_eq!(answer(&world, "echo still here"), "still here");
}

#[test]
fn a_plugin_with_a_bundled_name_gets_none_of_its_grants_until_its_digest_is_granted() {
    let mut world = world!().repository(&[("README.md", "A repository.\n")]);
    let manifest =
        MANIFEST.replace("\"probe\"", "\"claude\"").replace("process.echo", "process.claude");
    install(&world, "claude", &manifest);
    let listed = world.run(["plugin", "list", "--json"]).code(0).json();
    let all = listed.as_array().unwrap().iter().filter(|plugin| plugin["name"] == "claude");
    let hidden: Vec<_> = all.map(|plugin| plugin["hidden"].as_bool().unwrap()).collect();
    assert_eq!(hidden, [false, true], "the operator's goes first");
    let digest = named(&listed, "claude").unwrap()["digest"].as_str().unwrap();

    let args = ["run", "--json", "--executor", "claude", "--kind", "scoper", "echo hello"];
    let _ = world.run(args).code(2).complains(&format!("\"digest\": \"{digest}\""));
    let _ =
        world.run(["run", "echo hello"]).code(2).complains("hides the one that comes with Cyrus");

    world.configure(json!({ "executors": { "claude": { "grants": { "digest": digest } } } }));
    let report = world.run(args).code(1).report().outcome("unverified");
    assert_eq!(report.execution()["summary"], "hello");

    let component_only = Digest::of(PROBE).to_string();
    world.configure(
        json!({ "executors": { "claude": { "grants": { "digest": component_only } } } }),
    );
    let refused = world.run(args).code(2).complains("plugin.toml too");
    let _ = refused.complains(&format!("\"digest\": \"{digest}\""));

    let other = format!("sha256:{}", "0".repeat(64));
    world.configure(json!({ "executors": { "claude": { "grants": { "digest": other } } } }));
    let _ = world.run(args).code(2).complains(digest);
}

/// A probe with a grant that was used once, so that its state is approved.
fn with_approved_probe() -> World {
    let grants = json!({ "grants": { "workspace": "read-only" } });
    let world = with_probe().config(json!({ "executors": { "probe": grants } }));
    assert_eq!(answer(&world, "echo first use"), "first use");
    world
}

const RUN: [&str; 6] = ["run", "--executor", "probe", "--kind", "scoper", "echo hello"];

#[test]
fn a_plugin_that_changed_has_no_grants_until_it_is_approved() {
    let world = with_approved_probe();
    let directory = world.home().join("plugins/probe");
    let other_component = [PROBE, b"\0\x02\x01x"].concat();
    let wider =
        MANIFEST.replace("ask = true", "ask = true\n\n[requests.process.sh]\nprogram = \"sh\"");
    let changes: [(&str, &[u8], &str); 3] = [
        ("plugin.toml", wider.as_bytes(), "+ requests.process.sh.program = \"sh\""),
        ("probe.wasm", &other_component, "+ sha256:"),
        ("plugin.toml", MANIFEST.as_bytes(), "- requests.process.sh.program = \"sh\""),
    ];
    for (file, bytes, shows) in changes {
        fs::write(directory.join(file), bytes).unwrap();
        let refused = world.run(RUN).code(2).complains("changed since it was approved");
        let _ = refused.complains(shows).complains("`cyrus plugin approve probe`");
        let listed = world.run(["executor", "list", "--json"]).code(0).json();
        let error = named(&listed, "probe").unwrap()["error"].as_str().unwrap();
        assert!(error.contains(shows), "{error}");

        // Not at a terminal, it takes the word that nobody has to be asked.
        let _ = world.run(["plugin", "approve", "probe"]).code(2).prints(shows).complains("--yes");
        let _ = world.run(RUN).code(2);
        let _ = world.run(["plugin", "approve", "probe", "--yes"]).code(0).prints(shows);
        assert_eq!(answer(&world, "echo hello"), "hello");
    }
    let _ = world.run(["plugin", "approve", "probe", "--yes"]).code(0).prints("needs no approval");
    let _ =
        world.run(["plugin", "approve", "claude", "--yes"]).code(2).complains("comes with Cyrus");
    let _ = world.run(["plugin", "approve", "nothing"]).code(2).complains("no such plugin");
}

#[test]
fn only_work_approves_at_first_use_and_what_has_no_grant_is_not_bound() {
    let mut world = with_probe();
    let approvals = world.home().join("approvals.json");
    assert_eq!(answer(&world, "echo hello"), "hello");
    assert!(!approvals.exists(), "nothing is granted, so nothing is bound");

    world.configure(json!({ "executors": { "probe": { "grants": { "ask": true } } } }));
    for look in [
        &["executor", "list"][..],
        &["executor", "explain", "probe"],
        &["plan", "--executor", "probe", "echo hello"],
        &["run", "--dry-run", "--executor", "probe", "echo hello"],
        &["doctor"],
    ] {
        let _ = world.run(look);
        assert!(!approvals.exists(), "{look:?}");
    }
    assert_eq!(answer(&world, "echo hello"), "hello");
    let mode = fs::metadata(&approvals).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    fs::write(&approvals, "{").unwrap();
    let _ = world.run(RUN).code(2).complains("approvals.json");
}

/// A listener of this machine to which nothing may connect.
struct Untouched(TcpListener);

impl Untouched {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn is_untouched(&self) -> bool {
        matches!(self.0.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

#[test]
fn git_goes_to_no_host_that_is_not_granted() {
    let untouched = Untouched::new();
    let port = untouched.port();
    let world = with_probe().config(json!({ "executors": { "probe": { "grants": {} } } }));
    world.repo().git(["remote", "add", "origin", &format!("https://127.0.0.1:{port}/own.git")]);
    let trap = world.path("trap");
    for remote in [
        format!("https://127.0.0.1:{port}/loot"),
        format!("https://localhost:{port}/loot"),
        format!("https://me:pw@127.0.0.1:{port}/own.git"),
        format!("https://127.0.0.1:{port}/own.git/../loot"),
        format!("https://127.0.0.1:{port}/OWN.git"),
        format!("http://127.0.0.1:{port}/own.git"),
        format!("ssh://127.0.0.1:{port}/own.git"),
        format!("ssh://127.0.0.1@127.0.0.1:{port}/own.git"),
        format!("git://127.0.0.1:{port}/own.git"),
        format!("127.0.0.1:{port}/own.git"),
        format!("file://{}", world.path("repository").display()),
        format!("ext::touch% {}", trap.display()),
        format!("--upload-pack=touch:{}", trap.display()),
    ] {
        let remote = remote.replace(' ', "%20");
        let report = ask(&world, &format!("branch topic {remote}")).outcome("failed");
        assert_eq!(report.error()["kind"], "denied", "{remote}: {report:?}");
        let denial = report.error()["message"].as_str().unwrap();
        assert!(denial.contains("git: a result on the remote"), "{remote}: {denial}");
    }
    assert!(untouched.is_untouched() && !trap.exists());
}

#[test]
fn a_remote_is_gone_to_when_the_manifest_and_the_operator_and_the_host_allow_it() {
    let untouched = Untouched::new();
    let url = format!("https://127.0.0.1:{}", untouched.port());
    let task = format!("branch topic {url}/result.git");
    let mut world = with_probe();
    let manifest = MANIFEST.replace("ask = true", &format!("ask = true\ngit = [\"{url}\"]"));
    install(&world, "probe", &manifest);
    let denied = ask(&world, &task).outcome("failed");
    let denial = denied.error()["message"].as_str().unwrap();
    assert!(denial.contains("executors.probe.grants.git"), "{denial}");
    obey(&mut world, denial);
    world.configure(json!({ "maximum": { "git": [] } }));
    let capped = ask(&world, &task).outcome("failed");
    assert!(capped.error()["message"].as_str().unwrap().contains("maximum.git"), "{capped:?}");
    assert!(untouched.is_untouched());

    // Now git knocks; nothing there speaks TLS, so the fetch waits for the listener to go away.
    world.configure(json!({ "maximum": { "git": [url] } }));
    let listener = untouched.0;
    listener.set_nonblocking(false).unwrap();
    let knock = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut hello = [0; 3];
        connection.read_exact(&mut hello).unwrap();
        hello
    });
    let report = ask(&world, &task).outcome("failed");
    assert_ne!(report.error()["kind"], "denied", "{report:?}");
    assert_eq!(knock.join().unwrap()[..2], [0x16, 0x03], "the beginning of TLS");
}
