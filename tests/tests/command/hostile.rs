//! An agent that turns on its host: what it leaves in its clone is data to the host, and never runs there.

use crate::fixtures::{GREETER, MENDED, bash, turns, write};
use cyrus_tests::{World, world};
use serde_json::json;
use std::fs;

/// Leaves traps for whoever uses git in this directory next. Each names itself in `$ran` when it springs.
const TRAPS: &str = r#"
git_dir=$(git rev-parse --absolute-git-dir)
mkdir -p "$git_dir/hooks" "$git_dir/info"
for hook in applypatch-msg pre-commit prepare-commit-msg commit-msg post-commit post-checkout post-merge pre-push \
  post-index-change reference-transaction update pre-receive post-receive push-to-checkout pre-auto-gc; do
  printf '#!/bin/sh\ntouch "%s/hook"\n' "$ran" >"$git_dir/hooks/$hook"
  chmod +x "$git_dir/hooks/$hook"
done
trap_config() {
  cat <<CONFIG
[core]
  hooksPath = $git_dir/hooks
  fsmonitor = touch $ran/fsmonitor; true
  sshCommand = touch $ran/ssh; false
  pager = touch $ran/pager; cat
  editor = touch $ran/editor; true
[filter "trap"]
  clean = touch $ran/clean; cat
  smudge = touch $ran/smudge; cat
  required = true
[diff]
  external = touch $ran/diff; true
[diff "trap"]
  textconv = touch $ran/textconv; cat
[merge "trap"]
  driver = touch $ran/merge; true
[uploadpack]
  packObjectsHook = touch $ran/pack; git pack-objects
[credential]
  helper = !touch $ran/credential
[protocol "ext"]
  allow = always
[user]
  name = Somebody Else
  email = else@example.invalid
CONFIG
}
trap_config >>"$git_dir/config"
trap_config >"$HOME/.gitconfig"
echo '* filter=trap diff=trap merge=trap' >.gitattributes
cp .gitattributes "$git_dir/info/attributes"
"#;

/// Springs the traps once, which shows that they work, and sets them again. What would stop git is added after that.
const PROOF: &str = r#"
git status >/dev/null
git commit --quiet --allow-empty --message proof
git reset --quiet --soft HEAD~1
ls "$ran" >"$ran.proof"
rm -f "$ran"/*
printf '[commit]\n  gpgSign = true\n[gpg]\n  program = touch %s/gpg; false\n' "$ran" >>"$git_dir/config"
cp "$git_dir/config" "$HOME/.gitconfig"
"#;

/// A repository that says how it is checked, on a machine whose `make` says what it was asked for.
fn world_with_checks() -> World {
    let world = world!()
        .repository(&[GREETER, &[("Makefile", "check:\n\tsh test.sh\n")]].concat())
        .config(json!({ "validation": { "failingBase": "retry" } }));
    let made = world.path("made");
    let list = "cat GNUmakefile Makefile 2>/dev/null | tr '\\n\\t' '  '";
    let line = format!("echo \"$* of $({list})\" >>'{}'\nexec sh test.sh", made.display());
    world.install("make", &line);
    fs::create_dir(world.path("ran")).unwrap();
    // What is written outside of a clone has to be allowed.
    let outside = ["made", "ran.proof"].map(|name| world.path(name));
    for file in &outside {
        fs::write(file, "").unwrap();
    }
    let ran = world.path("ran");
    world.shared(&[&ran, &outside[0], &outside[1]])
}

fn sprung(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path("ran")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn set_traps(world: &World) -> String {
    format!("set -e\nran='{}'\n{TRAPS}{PROOF}", world.path("ran").display())
}

#[test]
fn nothing_that_an_agent_leaves_in_its_clone_runs_in_the_host() {
    let world = world_with_checks();
    let script = turns(json!([
        bash(&set_traps(&world)),
        { "tools": [{ "name": "Read", "input": { "file_path": "{cwd}/greet.sh" } }] },
        write("greet.sh", MENDED),
        { "text": "Done." },
    ]));
    let world = world.stand_in(script);
    let before = world.repo().state_without_sessions();
    // The attributes would have git write files otherwise.
    let ended = world.run(["run", "--json", "Greet"]).code(1);
    let report = ended.report().outcome("unverified");

    let proof = fs::read_to_string(world.path("ran.proof")).unwrap();
    for trap in ["hook", "fsmonitor"] {
        assert!(proof.lines().any(|sprung| sprung == trap), "the traps do not work: {proof}");
    }
    assert_eq!(sprung(&world), Vec::<String>::new());
    assert_eq!(world.repo().state_without_sessions(), before);
    let repository = world.repo();
    assert_eq!(repository.file(report.branch(), "greet.sh"), MENDED.trim(), "no filter changed it");
    let authors = repository.git(["log", "--format=%cn", &format!("main..{}", report.branch())]);
    assert!(!authors.contains("Somebody Else"), "the host commits under its own name: {authors}");
}

#[test]
fn an_agent_does_not_choose_what_it_is_checked_with() {
    let world = world_with_checks();
    let script = turns(json!([
        write("Cargo.toml", "[package]\nname = \"x\"\n"),
        write("package.json", "{\"scripts\": {\"test\": \"true\"}}"),
        write("GNUmakefile", "test:\n\ttrue\ncheck:\n\ttrue\n"),
        write(".cyrus/config.json", "{\"validation\": {\"commands\": [\"true\"]}}"),
        write("cyrus.json", "{\"validation\": {\"commands\": [\"true\"]}}"),
        { "text": "All checks pass." },
    ]));
    let world = world.stand_in(script);
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    let checks = report["validation"]["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1, "{checks:?}");
    assert_eq!(checks[0]["check"]["command"], "make check");
    assert_eq!(checks[0]["check"]["source"], json!({ "detected": "Makefile" }));
    let made = fs::read_to_string(world.path("made")).unwrap();
    let of_the_base = |line: &str| line.trim_end() == "check of check:  sh test.sh";
    assert!(made.lines().all(of_the_base), "the base's: {made}");
}

#[test]
fn an_agent_cannot_bring_a_check_where_there_was_none() {
    let world = world!().repository(GREETER);
    let script = turns(json!([write("Makefile", "test:\n\ttrue\n"), { "text": "Checked." }]));
    let world = world.stand_in(script);
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("unverified");
    assert_eq!(report["validation"]["checks"], json!([]));
}

#[test]
fn a_repository_inside_the_clone_is_not_entered() {
    let world = world_with_checks();
    let inside = "git init --quiet sub && cd sub && git config user.name x && git config user.email x@x \
                  && git commit --quiet --allow-empty --message x && cd .. \
                  && printf '[submodule \"sub\"]\\n path = sub\\n url = ext::touch %s/submodule\\n' \"$ran\" >.gitmodules \
                  && printf '[core]\\n fsmonitor = touch %s/inside\\n' \"$ran\" >>sub/.git/config";
    let plant = format!("ran='{}'\n{inside}", world.path("ran").display());
    let script = turns(json!([bash(&plant), { "text": "Done." }]));
    let world = world.stand_in(script);
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    assert_eq!(sprung(&world), Vec::<String>::new());
    let files =
        world.repo().git(["ls-tree", "-r", "--name-only", report["commit"].as_str().unwrap()]);
    assert_eq!(files, ".gitmodules\nMakefile\ngreet.sh\ntest.sh", "nor is it brought in");
}

/// No link leads out by its own words: one leads through the other.
#[test]
fn links_that_lead_out_together_are_not_validated() {
    let world = world_with_checks();
    let plant = "d=; up=; for i in 1 2 3 4 5 6 7 8 9; do d=${d}d/; up=../$up; done; mkdir -p \"$d\" \
                 && ln -s \"${up%/}\" \"${d}top\" && ln -s \"${d}top/${up}etc/passwd\" notes.txt";
    let script = turns(json!([
        bash(plant),
        { "tools": [{ "name": "Read", "input": { "file_path": "{cwd}/greet.sh" } }] },
        write("greet.sh", MENDED),
        { "text": "Done." },
    ]));
    let world = world.stand_in(script);
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    let findings = report["validation"]["findings"].as_array().unwrap();
    let found: Vec<_> = findings.iter().map(|found| (&found["code"], &found["path"])).collect();
    assert_eq!(found, [(&json!("outside-workspace"), &json!("notes.txt"))]);
}

#[test]
fn what_an_agent_says_does_not_steer_the_terminal() {
    let says = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[1;31mDone";
    let world = world!().repository(GREETER).stand_in(turns(json!([{ "text": says }])));
    let ended = world.run(["run", "--kind", "scoper", "Say something"]).code(1);
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'), "{ended}");
    let ended = world.run(["run", "--json", "--kind", "scoper", "Say something"]).code(1);
    assert!(!ended.stdout.contains('\u{1b}'), "JSON escapes it: {ended}");
}
