//! Branches that a plugin says are its result: where they are, and what they hold.

use super::deposit::{Expect, GREETER, holds, surroundings};
use crate::{
    case::Case,
    components::{HOSTILE, MANIFEST, install, is_plain},
};
use cyrus_tests::{World, world};
use serde_json::json;
use std::{
    io::Write as _,
    net::TcpListener,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

const GROUP: &str = "pushed";

/// Where a result is claimed to be. `PORT` is a server that counts who comes, `DIR` the world's directory.
const REMOTES: &[(&str, &str)] = &[
    ("at_loopback", "https://127.0.0.1:PORT/x"),
    ("at_loopback_by_name", "https://localhost:PORT/x"),
    ("at_loopback_in_the_clear", "http://127.0.0.1:PORT/x"),
    ("at_loopback_as_a_number", "https://2130706433:PORT/x"),
    ("at_loopback_in_six", "https://[::ffff:127.0.0.1]:PORT/x"),
    ("with_a_user", "https://user:password@127.0.0.1:PORT/x"),
    ("behind_a_granted_user", "https://github.com@127.0.0.1:PORT/x"),
    ("by_ssh", "ssh://git@127.0.0.1:PORT/x"),
    ("by_ssh_in_short", "git@127.0.0.1:x"),
    ("by_ssh_with_a_scheme_of_git", "git+ssh://127.0.0.1:PORT/x"),
    ("by_ssh_that_is_an_option", "ssh://-oProxyCommand=touch_DIR/ran/ssh/x"),
    ("by_git", "git://127.0.0.1:PORT/x"),
    ("by_ftp", "ftp://127.0.0.1:PORT/x"),
    ("by_a_helper", "ext::touch_DIR/ran/ext"),
    ("by_a_helper_with_slashes", "ext://touch_DIR/ran/ext"),
    ("by_a_helper_of_a_descriptor", "fd::0"),
    ("as_an_option", "--upload-pack=touch_DIR/ran/option"),
    ("in_a_directory", "DIR/private"),
    ("in_a_directory_by_scheme", "file://DIR/private"),
    ("in_a_directory_by_dots", "../private"),
    ("in_the_repository_itself", "DIR/repository"),
    ("at_a_metadata_service", "https://169.254.169.254/x"),
    ("by_a_name_of_the_configuration", "origin"),
    ("nowhere", "_"),
];

/// What a claimed branch is called.
const NAMES: &[(&str, &str)] = &[
    ("named_as_an_option", "--upload-pack=touch_x"),
    ("named_as_a_refspec", "main:refs/heads/main"),
    ("named_as_a_forced_refspec", "+main"),
    ("named_as_a_pattern", "*"),
    ("named_as_a_path_up", "../main"),
    ("named_as_a_reference_of_the_host", "refs/cyrus/x/t1"),
    ("named_as_a_lock", "main.lock"),
    ("named_with_a_control_character", "ma\u{1b}in"),
    ("named_as_a_commit", "HEAD~1"),
    ("named_as_a_reflog", "main@{1}"),
];

pub(crate) fn cases() -> Vec<Case> {
    let by = "the remote's own grant; origin alone without one";
    let mut cases = Vec::new();
    for (name, remote) in REMOTES {
        cases.push(of(name, by, move || claimed(&format!("branch {remote} main"))));
    }
    for (name, branch) in NAMES {
        let by = "a branch's name is checked";
        cases.push(of(name, by, move || claimed(&format!("branch - {branch}"))));
    }
    for (name, script) in HOLDS {
        cases.push(of(name, "a pushed branch is held to what a clone is", move || held(script)));
    }
    cases
}

fn of(name: &str, by: &str, attack: impl FnOnce() + Send + 'static) -> Case {
    Case::new("repositories", GROUP, name, by, attack)
}

/// What a pushed branch holds: made in a clone of the origin, pushed as `evil`.
const HOLDS: &[(&str, &str)] = &[
    ("with_a_link_outside", "ln -s /etc/passwd link; commit"),
    (
        "with_links_through_each_other",
        "mkdir -p a/b; ln -s ../.. a/b/top; ln -s a/b/top/../etc/passwd notes; commit",
    ),
    (
        "with_a_git_directory",
        "b=$(echo x | blob); t=$(printf '100644 blob %s\tconfig\n' \"$b\" | git mktree); commit_tree \"$(printf '040000 tree %s\t.git\n' \"$t\" | git mktree)\"",
    ),
    (
        "with_a_submodule_that_is_an_option",
        "printf '[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=x\n' >.gitmodules; commit",
    ),
    (
        "with_a_tree_of_ten_thousand_million_files",
        "b=$(echo x | blob); line() { for i in 0 1 2 3 4 5 6 7 8 9; do printf \"$1 %s\t$i\n\" \"$2\"; done; }; t=$(line '100644 blob' \"$b\" | git mktree); for level in 1 2 3 4 5 6 7 8 9; do t=$(line '040000 tree' \"$t\" | git mktree); done; commit_tree \"$t\"",
    ),
    (
        "with_a_file_of_a_gigabyte",
        "b=$(head -c 1073741824 /dev/zero | git hash-object -w --stdin); commit_tree \"$(printf '100644 blob %s\tzeroes\n' \"$b\" | git mktree)\"",
    ),
    (
        "with_a_history_of_its_own",
        "git checkout --quiet --orphan other; git add --all; git commit --quiet -m other; git branch -f evil; git checkout --quiet evil",
    ),
];

const SHARED: &str = r#"
set -u
commit() { git add --all && git commit --quiet --message work; }
commit_tree() { git update-ref "$(git symbolic-ref HEAD)" "$(git commit-tree "$1" -p HEAD -m work)"; }
blob() { git hash-object -w --stdin; }
git config user.name x; git config user.email x@x; git checkout --quiet -b evil; echo '# changed' >>greet.sh
"#;

/// A world whose plugin may not use the network, with an origin, and a repository that is nobody's to take.
fn pushing() -> World {
    let world = surroundings(world!().repository(GREETER));
    let _origin = world.repo().publish(&world.path("origin.git"));
    shell(
        &world,
        "git init --quiet --initial-branch=main private && cd private && git config user.name x && git config user.email x@x && cp ../outside/secret secret && git add --all && git commit --quiet -m private",
    );
    install(&world, MANIFEST, HOSTILE);
    world.config(json!({
        "executors": { "hostile": { "grants": { "workspace": "read-write" } } },
        "maximum": { "http": [], "process": false },
    }))
}

fn shell(world: &World, script: &str) {
    let mut child = Command::new("sh")
        .args(["-s"])
        .current_dir(world.path(""))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "the attack cannot be set up: {script}");
}

/// A result on a remote that was not granted is not fetched, and nothing comes of it.
fn claimed(prompt: &str) {
    let world = pushing();
    let (port, visits) = visited();
    let directory = world.path("").display().to_string();
    let prompt =
        prompt.replace("PORT", &port.to_string()).replace("DIR", directory.trim_end_matches('/'));
    let before = world.repo().state_without_sessions();
    let ended = world.run(["run", "--json", "--executor", "hostile", "--kind", "builder", &prompt]);
    is_plain(&ended);
    Expect::NotTaken.check(&ended.report());
    holds(&world, &before);
    assert_eq!(visits.load(Ordering::SeqCst), 0, "the host goes where the plugin says");
}

/// A server that counts who connects, until the process ends.
fn visited() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visits);
    thread::spawn(move || {
        for _connection in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, visits)
}

fn held(script: &str) {
    let world = pushing();
    shell(
        &world,
        &format!(
            "git clone --quiet origin.git agent && cd agent && {{ {SHARED}\n{script}; }} && git push --quiet origin evil"
        ),
    );
    let before = world.repo().state_without_sessions();
    let ended =
        world.run(["run", "--json", "--executor", "hostile", "--kind", "builder", "branch - evil"]);
    is_plain(&ended);
    Expect::NotTaken.check(&ended.report());
    holds(&world, &before);
}
