//! The states in which agents leave their clones: in the sandbox, as a user has it, each gives its change and no more.

use crate::fixtures::{bash, turns};
use cyrus_tests::world;
use serde_json::json;
use std::{fs, path::PathBuf};

/// What the repository has, what the agent does, and the files of which the result is.
type Row = (&'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);

const PLAIN: &[(&str, &str)] = &[("a", "1\n"), ("Makefile", "test:\n\t@echo ok\n")];

#[test]
fn each_state_of_a_clone_gives_the_agents_change_and_no_more() {
    const MAKE: (&str, &str) = ("Makefile", "test:\n\t@echo ok\n");
    let rows: &[Row] = &[
        // Attributes that convert.
        (&[(".gitattributes", "* text=auto\n"), ("a", "1\n"), MAKE], "echo 2 > a", &["a"]),
        (&[(".gitattributes", "* text eol=crlf\n"), ("a", "1\n"), MAKE], "echo 2 > a", &["a"]),
        (
            &[(".gitattributes", "id ident\n"), ("id", "$Id$\n"), ("a", "1\n"), MAKE],
            "echo 2 > a",
            &["a"],
        ),
        (
            &[(".gitattributes", "w working-tree-encoding=UTF-16LE eol=lf\n"), ("a", "1\n"), MAKE],
            "printf 'x\\0\\n\\0' > w; echo 2 > a",
            &["a", "w"],
        ),
        // The same objects in the clone and in what the host makes of its files.
        (PLAIN, "echo 2 > a; git stash -q; git stash apply -q", &["a"]),
        (
            PLAIN,
            "echo 2 > a; git commit -qam x; git branch backup; git reset -q --mixed HEAD~1",
            &["a"],
        ),
        (
            PLAIN,
            "git worktree add -q .claude/worktrees/x -b x; cd .claude/worktrees/x; echo 2 > a; git commit -qam x; cd ../../..; echo 2 > a",
            &["a"],
        ),
        (
            PLAIN,
            "git switch -qc side; echo 2 > a; git commit -qam x; git switch -q -; git merge -q --squash side",
            &["a"],
        ),
        // A working tree of an agent's agent that was committed with all else; pipes where git reads in each directory.
        (
            PLAIN,
            "git worktree add -q .claude/worktrees/x -b x; echo 2 > a; git add -A; git commit -qm x",
            &["a"],
        ),
        (PLAIN, "echo 2 > a; mkfifo .gitignore; mkdir d; mkfifo d/.gitattributes", &["a"]),
        (PLAIN, "echo 2 > a; rm Makefile; mkfifo Makefile", &["Makefile", "a"]),
        // Files that their owner may not read are work all the same.
        (PLAIN, "echo 2 > a; chmod 0 a", &["a"]),
        (PLAIN, "echo 2 > a; mkdir -p s/t; echo x > s/t/x; chmod 0 s/t s", &["a", "s/t/x"]),
        (PLAIN, "echo 2 > a; mkdir d; echo x > d/f; chmod 0 d/f; chmod 555 d", &["a", "d/f"]),
        (
            PLAIN,
            "echo 2 > a; mkdir -p env/bin; ln -s /usr/bin/python3 env/bin/python; echo > env/pyvenv.cfg",
            &["a"],
        ),
    ];
    for (files, script, expected) in rows {
        let model = turns(json!([bash(script), { "text": "Done." }]));
        let world = world!().repository(files).stand_in(model);
        let report =
            world.run(["run", "--json", "Change it"]).code(0).report().outcome("validated");
        let repository = world.repo();
        let changed = repository.git(["diff", "--name-only", "HEAD", report.branch()]);
        assert_eq!(changed.lines().collect::<Vec<_>>(), *expected, "{script}");
        let packs = fs::read_dir(repository.path().join(".git/objects/pack")).unwrap();
        let packs: Vec<_> = packs.map(|entry| entry.unwrap().path()).collect();
        let is_whole = |path: &PathBuf| path.with_extension("idx").exists();
        assert!(packs.iter().all(is_whole), "{packs:?}");
    }
}

#[test]
fn what_is_in_no_result_is_named() {
    let files: &[(&str, &str)] = &[
        (".gitignore", ".env*\n"),
        (".gitmodules", "[submodule \"m\"]\n\tpath = sub\n\turl = ../m\n"),
        ("a", "1\n"),
        ("Makefile", "test:\n\t@echo ok\n"),
    ];
    for (script, named) in [
        ("echo KEY= > .env.example", "git ignores them: .env.example"),
        ("mkdir -p sub; echo x > sub/x", "they lie in submodules"),
        (
            "git init -q inner; echo x > inner/x",
            "repositories of their own, or may not be read: inner/",
        ),
    ] {
        let model = turns(json!([bash(&format!("echo 2 > a; {script}")), { "text": "Done." }]));
        let world = world!().repository(files).stand_in(model);
        let ended = world.run(["run", "--json", "Change it"]);
        assert!(ended.stdout.contains(named), "{named} is not in {ended}");
    }
}

/// The proxy refuses a name that no rule has before it looks it up.
#[test]
fn the_hosts_that_a_check_was_refused_are_in_its_output() {
    let check = "import urllib.request as r; r.urlopen('https://refused.example')";
    let files: &[(&str, &str)] = &[("a", "1\n"), ("check.py", check)];
    let model = turns(json!([bash("echo 2 > a"), { "text": "Done." }]));
    let world = world!().repository(files).stand_in(model).config(json!({
        "validation": { "commands": ["python3 check.py"] },
    }));
    let report = world.run(["run", "--json", "Change it"]).code(1).report();
    let output = report["validation"]["checks"][0]["output"].as_str().expect("text");
    // At the end, which is what is shown of a long output, with the key that lists the hosts.
    let end =
        output.rsplit_once("(hosts that were not reached meanwhile:").map(|(_, end)| end.trim());
    let end = end.unwrap_or_else(|| panic!("{output}"));
    assert!(end.starts_with("https://refused.example: "), "{output}");
    assert!(end.contains("network.checks in config.json") && end.ends_with(')'), "{output}");
}

/// What a result asks for is installed with what checks may reach: its scripts are the agent's.
#[test]
fn what_a_result_asks_for_is_installed_with_what_checks_reach() {
    let setup = "grep -q new requirements.txt || exit 0\n\
                 python3 -c \"import urllib.request as r; r.urlopen('https://refused.example')\"\n";
    let files: &[(&str, &str)] = &[("requirements.txt", "old\n"), ("cyrus-setup.sh", setup)];
    let model = turns(json!([bash("echo new > requirements.txt"), { "text": "Done." }]));
    let world = world!().repository(files).stand_in(model).config(json!({
        "validation": { "commands": ["true"] },
        "network": { "setup": ["https://refused.example"], "checks": ["https://other.example"] },
    }));
    let report = world.run(["run", "--json", "Change it"]).code(1).report();
    assert_eq!(report["outcome"], "unverified", "{report:?}");
    let output = report["validation"]["checks"][0]["output"].as_str().expect("text");
    assert!(output.contains("network.checks") && !output.contains("network.setup"), "{output}");
}

/// No filter of the user's is run on what an agent left.
#[test]
fn what_was_to_be_encrypted_is_not_committed_in_the_open() {
    let files: &[(&str, &str)] = &[
        (".gitattributes", "secrets/** filter=git-crypt\n*.txt filter=neat\n"),
        ("secrets/k", "ciphertext\n"),
        ("Makefile", "test:\n\t@echo ok\n"),
    ];
    let model = turns(
        json!([bash("echo open > secrets/k; git add .; git commit -qm x; git checkout -q HEAD~ secrets/k; echo x > a.txt"), { "text": "Done." }]),
    );
    let world = world!()
        .repository(files)
        .stand_in(model)
        .config(json!({ "attempts": { "most": 1, "retries": 0 } }));
    let report = world.run(["run", "--json", "Change it"]).code(1).report();
    assert_eq!(report["validation"]["findings"][0]["code"], "unfiltered", "{report:?}");
    assert_eq!(report["validation"]["findings"][0]["path"], "secrets/k", "{report:?}");
}
