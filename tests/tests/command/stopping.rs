//! Stopping, being killed, and going on afterwards. Whatever happens, no process is left.

use crate::fixtures::{MENDED, bash, greeter, mending, turns, write};
use cyrus_tests::{Held, Signal, Started, World, world};
use serde_json::{Value, json};
use std::fs;

/// A world whose `claude` is in the middle of a command when this returns, and the run it is in.
fn in_a_command() -> (World, Held, Started) {
    let world = greeter(world!(), json!({}));
    let held = Held::make(&world.path(""));
    let world = world.shared(&[held.path()]);
    let world = world.stand_in(turns(json!([
        bash(&held.command()),
        write("new.sh", "true\n"),
        bash(&format!("printf '%s' '{MENDED}' >greet.sh")),
        { "text": "Done in spite of it." },
    ])));
    let run = world.start(["run", "--json", "Greet"]);
    held.wait();
    (world, held, run)
}

fn resume(world: &World, session: &str) -> Value {
    let ended = world.run(["session", "resume", session, "--json"]).code(0);
    assert_eq!(ended.lines()[0]["resumed"], true);
    let report = ended.report().outcome("validated");
    assert_eq!(report.session(), session);
    assert_eq!(world.repo().file(report.branch(), "greet.sh"), MENDED.trim());
    report.clone()
}

#[test]
fn an_interrupt_leaves_nothing_running_and_the_session_goes_on_later() {
    let (world, held, run) = in_a_command();
    run.signal(Signal::SIGINT);
    let report = run.end().code(130).report().outcome("paused");
    held.wait_released();
    assert_eq!(report.error()["kind"], "cancelled");
    assert_eq!(report.execution()["cost"]["amount"], 5_800, "what it cost so far");
    assert_eq!(world.sessions()[0]["state"], "paused");

    let resumed = resume(&world, report.session());
    let executions = resumed["executions"].as_array().unwrap();
    assert_eq!(executions.len(), 2);
    let conversation = |of: usize| executions[of]["checkpoint"].as_str().unwrap().lines().next();
    assert_eq!(conversation(0), conversation(1), "the same conversation");
    assert_eq!(world.sessions()[0]["state"], "validated");
}

#[test]
fn a_system_that_shuts_down_and_a_lost_terminal_are_interrupts_too() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let (world, held, run) = in_a_command();
        run.signal(signal);
        let report = run.end().code(130).report().outcome("paused");
        held.wait_released();
        resume(&world, report.session());
    }
}

/// That is what `nohup` is for.
#[test]
fn a_terminal_that_it_was_started_without_is_not_missed() {
    let world = greeter(world!(), json!({}));
    let held = Held::make(&world.path(""));
    let world = world.shared(&[held.path()]);
    let world = world.stand_in(turns(json!([bash(&held.command()), { "text": "Done." }])));
    let mut run = world.start_by(("nohup", &[]), ["run", "--json", "Greet"]);
    held.wait();
    run.signal(Signal::SIGHUP);
    let began = run.wait_for("session", |line| line["type"] == "session-started");
    let session = began["session"].as_str().unwrap();
    assert_eq!(world.sessions()[0]["state"], "running");
    let _ = world.run(["session", "rm", session, "--force"]).code(2).complains("being worked on");
    run.signal(Signal::SIGTERM);
    let _ = run.end().code(130).report().outcome("paused");
    held.wait_released();
}

/// A disk that is not mounted, or a directory that was moved: it may come back.
#[test]
fn a_session_whose_repository_is_away_stays_as_it_is() {
    let (world, held, run) = in_a_command();
    run.signal(Signal::SIGINT);
    let report = run.end().code(130).report().outcome("paused");
    held.wait_released();
    let (there, away) = (world.path("repository"), world.path("away"));
    fs::rename(&there, &away).unwrap();
    for command in [&["session", "resume"][..], &["session", "recheck"], &["session", "retry"]] {
        let ended = world.run([command, &[report.session()]].concat()).code(2);
        let _ = ended.complains(if command[1] == "resume" { "stays as it is" } else { "session" });
        assert_eq!(world.sessions()[0]["state"], "paused", "{command:?}");
    }
    fs::rename(&away, &there).unwrap();
    resume(&world, report.session());
}

#[test]
fn killed_it_leaves_nothing_running_and_the_session_is_taken_up() {
    let (world, held, mut run) = in_a_command();
    let began = run.wait_for("session", |line| line["type"] == "session-started");
    let session = began["session"].as_str().unwrap();
    let listed = world.sessions();
    assert_eq!((&listed[0]["id"], &listed[0]["state"]), (&json!(session), &json!("running")));
    let _ = world
        .run(["session", "resume", session])
        .code(2)
        .complains("is being worked on by process");

    run.signal(Signal::SIGKILL);
    held.wait_released();
    let _ = run.end();
    let resumed = resume(&world, session);
    let first = &resumed["executions"][0];
    assert_eq!(
        (&first["outcome"], &first["error"]["kind"]),
        (&json!("failed"), &json!("cancelled"))
    );
}

/// A `claude` that listens to nobody.
fn deaf(stop_grace: u32) -> (World, Held, Started) {
    let world = greeter(world!(), json!({}));
    let held = Held::make(&world.path(""));
    let world = world.shared(&[held.path()]);
    let healthy =
        "case $1 in --version) echo 2.1.330; exit;; auth) echo '{\"loggedIn\":true}'; exit;; esac";
    world.install("claude", &format!("{healthy}\ntrap '' INT TERM HUP\n{}", held.command()));
    let limits = json!({ "stopGraceSeconds": stop_grace });
    let world = world.config(json!({ "executors": { "claude": { "limits": limits } } }));
    let run = world.start(["run", "--json", "Greet"]);
    held.wait();
    (world, held, run)
}

#[test]
fn a_program_that_does_not_listen_is_killed() {
    let (_world, held, run) = deaf(1);
    run.signal(Signal::SIGINT);
    let report = run.end().code(130).report().outcome("paused");
    assert_eq!(report.error()["kind"], "cancelled");
    held.wait_released();
}

#[test]
fn the_second_interrupt_ends_it_at_once() {
    let (world, held, mut run) = deaf(600);
    run.signal(Signal::SIGINT);
    run.wait_for_words("once more to end at once");
    run.signal(Signal::SIGINT);
    let ended = run.end().code(130);
    assert!(ended.lines().iter().all(|line| line["type"] != "session-finished"), "{ended}");
    held.wait_released();
    assert_eq!(world.sessions()[0]["state"], "running", "it was cut off, and can be taken up");
}

#[test]
fn an_interrupt_before_the_work_has_begun_leaves_nothing_running_either() {
    let world = greeter(world!(), json!({}));
    let held = Held::make(&world.path(""));
    let world = world.shared(&[held.path()]);
    world.install("claude", &held.command());
    let run = world.start(["run", "--json", "Greet"]);
    held.wait();
    run.signal(Signal::SIGINT);
    held.wait_released();
    assert_eq!(run.end().stdout, "", "nothing was begun");
    assert!(world.sessions().is_empty());
}

/// Of a trial nothing is kept, so there is nothing to go on with.
#[test]
fn an_interrupt_ends_a_trial_and_all_that_it_runs() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let world = greeter(world!(), json!({}));
        let held = Held::make(&world.path(""));
        let check = held.command();
        let world =
            world.shared(&[held.path()]).config(json!({ "validation": { "commands": [check] } }));
        let run = world.start(["init"]);
        held.wait();
        run.signal(signal);
        held.wait_released();
        let _ = run.end().code(130);
        assert!(world.sessions().is_empty());
    }
}

#[test]
fn what_is_over_is_not_gone_on_with() {
    let world = greeter(world!(), turns(json!([{ "text": "Nothing to do." }])));
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    let _ = world.run(["session", "resume", report.session()]).code(2).complains("rejected");
    let _ =
        world.run(["session", "resume", "no-such-session"]).code(2).complains("no-such-session");
    let _ = world.run(["session", "resume", "../../etc"]).code(2).complains("cyrus session list");
}

#[test]
fn another_process_can_have_it_stopped_and_look_at_it() {
    let (world, held, mut run) = in_a_command();
    let began = run.wait_for("session", |line| line["type"] == "session-started");
    let session = began["session"].as_str().unwrap();
    let _ = world.run(["session", "stop", session]).code(0).prints("is paused");
    held.wait_released();
    let _ = run.end().code(1).report().outcome("paused");
    let shown = world.run(["session", "show", session, "--json"]).code(0).json();
    assert_eq!((&shown["state"], &shown["held"]), (&json!("paused"), &json!(false)));
    assert_eq!(shown["tasks"][0]["state"], json!({ "state": "active" }));
    let _ = world.run(["session", "stop", session]).code(2).complains("it is paused");

    resume(&world, session);
    let log = world.run(["logs", session, "t1", "--json"]).code(0);
    let kinds: Vec<_> = log.lines().iter().map(|line| line["type"].clone()).collect();
    for kind in ["executor-chosen", "execution-event", "execution-finished", "task-merged"] {
        assert!(kinds.contains(&json!(kind)), "{kind} in {kinds:?}");
    }
    let _ = world.run(["logs", session]).code(0).prints("t1: passed its checks");
    let _ = world.run(["logs", session, "t9"]).code(2).complains("has no task t9");
    let _ = world.run(["session", "show", session]).code(0).prints("Validated");
}

#[test]
fn what_was_cut_off_is_taken_up_without_being_named() {
    let (world, held, mut run) = in_a_command();
    let began = run.wait_for("session", |line| line["type"] == "session-started");
    let session = began["session"].as_str().unwrap().to_owned();
    run.signal(Signal::SIGKILL);
    held.wait_released();
    let _ = run.end();
    let listed = world.sessions();
    assert_eq!((&listed[0]["state"], &listed[0]["held"]), (&json!("running"), &json!(false)));
    let report = world.run(["session", "resume", "--all", "--json"]).code(0).report();
    assert_eq!(report.outcome("validated").session(), session);
    let nothing = world.run(["session", "resume", "--all", "--json"]).code(0);
    assert_eq!(nothing.stdout, "");
}

#[test]
fn a_login_that_was_renewed_before_a_kill_comes_back_with_the_next_run() {
    let world = greeter(world!(), json!({}));
    let login = world.user().join(".claude/.credentials.json");
    fs::create_dir_all(login.parent().unwrap()).unwrap();
    fs::write(&login, r#"{"token":"old"}"#).unwrap();
    let held = Held::make(&world.path(""));
    let world = world.shared(&[held.path()]);
    let renew = r#"printf '{"token":"new"}' >"$HOME/.claude/.credentials.json""#;
    let world = world.stand_in(turns(json!([bash(&format!("{renew}; {}", held.command()))])));
    let run = world.start(["run", "--json", "Greet"]);
    held.wait();
    run.signal(Signal::SIGKILL);
    held.wait_released();
    let _ = run.end();
    assert_eq!(fs::read_to_string(&login).unwrap(), r#"{"token":"old"}"#);
    let world = world.stand_in(mending());
    let _ = world.run(["run", "--json", "Greet whoever is named"]).code(0);
    assert_eq!(fs::read_to_string(&login).unwrap(), r#"{"token":"new"}"#);
}

/// What a program leaves beside its home for the next run to find is not what comes back.
#[test]
fn a_program_whose_host_is_killed_does_not_choose_what_comes_back() {
    let world = greeter(world!(), json!({}));
    let login = world.user().join(".claude/.credentials.json");
    fs::create_dir_all(login.parent().unwrap()).unwrap();
    fs::write(&login, r#"{"token":"old","account":"me"}"#).unwrap();
    fs::write(world.user().join(".bashrc"), "mine").unwrap();
    let held = Held::make(&world.path(""));
    let world = world.shared(&[held.path()]);
    let plant = r#"
cd "$HOME"; mkdir -p .cyrus .ssh
for file in .bashrc .ssh/authorized_keys .cyrus/config.json; do echo theirs >"$file"; done
printf '{"token":"new","account":"them"}' >.claude/.credentials.json
for place in . .. ../..; do
  echo '[".bashrc",".ssh/authorized_keys",".cyrus/config.json"]' >"$place/files.json" || true
done"#;
    let world = world.stand_in(turns(json!([bash(&format!("{plant}; {}", held.command()))])));
    let run = world.start(["run", "--json", "Greet"]);
    held.wait();
    run.signal(Signal::SIGKILL);
    held.wait_released();
    let _ = run.end();
    let before = fs::read_to_string(world.home().join("config.json")).unwrap();
    let world = world.stand_in(mending());
    let ended = world.run(["run", "--json", "Greet whoever is named"]).code(0);
    assert_eq!(fs::read_to_string(world.user().join(".bashrc")).unwrap(), "mine", "{ended}");
    assert!(!world.user().join(".ssh").exists());
    assert_eq!(fs::read_to_string(world.home().join("config.json")).unwrap(), before);
    let kept = fs::read_to_string(&login).unwrap();
    assert_eq!(kept, r#"{"token":"old","account":"me"}"#, "of another account");
}

#[test]
fn one_task_can_be_cancelled_and_the_others_go_on() {
    let world = greeter(world!(), json!({}));
    let held = Held::make(&world.path(""));
    let world = world.shared(&[held.path()]);
    let part = |title: &str, turns: Value| json!({ "when": format!("{title}\n\nThis is one part"), "turns": turns });
    let mend = bash(&format!("printf '%s' '{MENDED}' >greet.sh"));
    let done = json!([mend, { "text": "Done." }]);
    let world = world.stand_in(json!({ "conversations": [
        part("Never end", json!([bash(&held.command())])),
        part("Greet whoever is named", done),
    ] }));
    let issue = world.path("issue.md");
    fs::write(&issue, "# Two parts\n\n- [ ] Greet whoever is named\n- [ ] Never end\n").unwrap();
    let mut run = world.start(["run", "--json", "--issue", issue.to_str().unwrap()]);
    let began = run.wait_for("session", |line| line["type"] == "session-started");
    let session = began["session"].as_str().unwrap();
    held.wait();
    let _ = world.run(["session", "stop", session, "t9"]).code(2).complains("has no task t9");
    let _ = world.run(["session", "stop", session, "t2"]).code(0).prints("is cancelled");
    held.wait_released();
    let report = run.end().code(1).report().outcome("failed");
    let states: Vec<_> =
        report["tasks"].as_array().unwrap().iter().map(|task| task["state"].clone()).collect();
    assert_eq!(states, [json!("done"), json!("cancelled")]);
    assert_eq!(world.repo().file(report.branch(), "greet.sh"), MENDED.trim());
    let _ = world.run(["session", "stop", session, "t1"]).code(2).complains("is over");
}
