//! The tools of real repositories, in a sandbox of the profile `standard` with what it allows by default: each prepares a
//! small project from its public registry in a set-up, and runs its test in a check.

use cyrus_tests::{World, lanes, world};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    net::{SocketAddr, ToSocketAddrs as _},
    path::Path,
};

/// A project of one kind.
struct Project {
    files: &'static [(&'static str, &'static str)],
    set_up: &'static str,
    check: &'static str,
}

const NPM: Project = Project {
    files: &[
        ("package.json", r#"{"name":"x","version":"1.0.0","dependencies":{"is-number":"7.0.0"}}"#),
        ("test.js", "if (!require('is-number')(5)) process.exit(1)\n"),
        (".gitignore", "node_modules\npackage-lock.json\n"),
    ],
    set_up: "npm install --no-audit --no-fund",
    check: "node test.js && npm ls is-number",
};

const PIP: Project = Project {
    files: &[
        (
            "test_six.py",
            "import six\n\n\ndef test_six(tmp_path):\n    assert six.PY3 and tmp_path.is_dir()\n",
        ),
        (".gitignore", "venv\n__pycache__\n.pytest_cache\n"),
    ],
    set_up: "python3 -m venv venv && venv/bin/pip install --quiet six==1.16.0 pytest==8.3.4",
    check: "venv/bin/python -m pytest -q",
};

const CARGO: Project = Project {
    files: &[
        (
            "Cargo.toml",
            "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"1\"\n[workspace]\n",
        ),
        (
            "src/lib.rs",
            "#[test]\nfn writes() {\n    assert_eq!(itoa::Buffer::new().format(7), \"7\");\n}\n",
        ),
        (".gitignore", "target\nCargo.lock\n"),
    ],
    set_up: "cargo fetch",
    check: "cargo test --quiet",
};

const GO: Project = Project {
    files: &[
        ("go.mod", "module example.com/x\n\ngo 1.19\n"),
        ("x.go", "package x\n\nfunc Two() int { return 2 }\n"),
        (
            "x_test.go",
            "package x\n\nimport \"testing\"\n\nfunc TestTwo(t *testing.T) {\n\tif Two() != 2 {\n\t\tt.Fatal()\n\t}\n}\n",
        ),
    ],
    set_up: "go vet ./...",
    check: "go test ./...",
};

/// What set-up and checks reach by default, and where the names of registries lead to on this machine: that may be a
/// mirror in a private network, which is reached only where its address is written.
fn registries() -> Value {
    const NAMES: [&str; 5] = [
        "registry.npmjs.org",
        "index.crates.io",
        "static.crates.io",
        "pypi.org",
        "files.pythonhosted.org",
    ];
    let found = NAMES.iter().filter_map(|name| (*name, 443).to_socket_addrs().ok()).flatten();
    let private = found.filter(SocketAddr::is_ipv4).map(|at| format!("https://{}", at.ip()));
    let all: BTreeSet<String> = private.chain(["registries".to_owned()]).collect();
    json!(all)
}

impl Project {
    /// A world with this project, whose agent adds a file, and the user's own settings of certificates.
    fn world(&self) -> World {
        let script = format!("#!/bin/sh\nset -e\n{}\n", self.set_up);
        let files = [self.files, &[("cyrus-setup.sh", script.as_str())]].concat();
        let certificates = ["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"];
        let homes = ["RUSTUP_HOME", "CARGO_HOME", "PYENV_ROOT"];
        let home = std::env::var("HOME").expect("a home");
        let reached = registries();
        let world = world!().repository(&files).config(json!({
            "validation": { "commands": [self.check] },
            "network": { "setup": reached, "checks": reached },
            "attempts": { "most": 1, "retries": 0, "rounds": 0 },
        }));
        let set = certificates.iter().chain(&homes);
        let world = set.fold(world, |world, name| match std::env::var(name) {
            Ok(value) => world.variable(name, value),
            Err(_) => world,
        });
        // Where version managers have their files unless a variable says otherwise.
        let world =
            [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo"), ("PYENV_ROOT", ".pyenv")]
                .into_iter()
                .filter(|(name, _)| std::env::var_os(name).is_none())
                .map(|(name, below)| (name, Path::new(&home).join(below)))
                .filter(|(_, directory)| directory.is_dir())
                .fold(world, |world, (name, directory)| world.variable(name, directory));
        world.stand_in(json!({ "conversations": [{ "turns": [
            { "tools": [{ "name": "Write", "input": {
                "file_path": "{cwd}/added.txt", "content": "added\n",
            } }] },
            { "text": "Done." },
        ] }] }))
    }

    #[track_caller]
    fn works(&self) {
        let world = self.world();
        let report = world.run(["run", "--json", "Add a file"]).code(0).report();
        let report = report.outcome("validated");
        let changed = world.repo().git(["diff", "--name-only", "main", report.branch()]);
        assert_eq!(changed.trim(), "added.txt", "nothing else is in the result");
        let check: &Value = &report["validation"]["checks"][0];
        assert_eq!(check["passed"], true, "{check:#}");
    }
}

#[test]
fn npm_installs_and_node_runs() {
    if !lanes::left_out("npm") {
        NPM.works();
    }
}

#[test]
fn pip_installs_and_pytest_runs() {
    if !lanes::left_out("pip") {
        PIP.works();
    }
}

#[test]
fn cargo_fetches_builds_and_tests() {
    if !lanes::left_out("cargo") {
        CARGO.works();
    }
}

#[test]
fn go_builds_and_tests() {
    if !lanes::left_out("go") {
        GO.works();
    }
}
