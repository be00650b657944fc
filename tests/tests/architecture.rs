//! The invariants of docs/architecture.md, held against the sources and the crate graph.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The Rust files under a directory of the repository, with what stands in them before their tests.
fn sources(under: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root().join(under), &mut files);
    assert!(!files.is_empty(), "{under} holds no sources");
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            (name, code)
        })
        .collect()
}

fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn host_sources() -> Vec<(String, String)> {
    let crates = fs::read_dir(root().join("host")).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<_> = crates
        .filter(|path| path.join("src").is_dir())
        .flat_map(|path| sources(&format!("host/{}/src", path.file_name().unwrap().display())))
        .collect();
    // Fuzz targets are no part of the program.
    let is_part = |name: &str| {
        let Some(directory) = name.strip_suffix("/fuzz.rs") else { return true };
        let above = [format!("{directory}/lib.rs"), format!("{directory}/mod.rs")];
        let text = &all.iter().find(|(name, _)| above.contains(name)).expect("its module").1;
        !text.contains("#[cfg(test)]\nmod fuzz;")
    };
    all.iter().filter(|(name, _)| is_part(name)).cloned().collect()
}

/// The files that have a line of code with this in it, comments apart.
fn naming(files: &[(String, String)], what: &str) -> BTreeSet<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let names = |text: &str| text.lines().filter(code).any(|line| line.contains(what));
    files.iter().filter(|(_, text)| names(text)).map(|(name, _)| name.clone()).collect()
}

/// The `[dependencies]` of every crate of the workspace: those that are part of it in the running program.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut manifests = Vec::new();
    for parent in ["host", "plugins", "sdk"] {
        for entry in fs::read_dir(root().join(parent)).unwrap() {
            let manifest = entry.unwrap().path().join("Cargo.toml");
            manifests.extend(manifest.exists().then_some(manifest));
        }
    }
    let read = |path: PathBuf| {
        let manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let own = manifest.get("dependencies").and_then(toml::Value::as_table);
        (name, own.into_iter().flatten().map(|(name, _)| name.clone()).collect())
    };
    manifests.into_iter().map(read).collect()
}

fn ours(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().filter(|name| name.starts_with("cyrus-")).map(String::as_str).collect()
}

#[test]
fn the_orchestrator_knows_the_domain_and_the_port_and_nothing_else() {
    let graph = dependencies();
    let orchestrator = &graph["cyrus-orchestrator"];
    assert_eq!(ours(orchestrator), BTreeSet::from(["cyrus-core", "cyrus-executor"]));
    for foreign in ["wasmtime", "reqwest", "http", "sqlx", "url"] {
        assert!(!orchestrator.contains(foreign), "{foreign}");
    }
    let files = sources("host/orchestrator/src");
    for word in ["claude", "codegen", "Linear", "wasm", "\"git", "SystemTime::now", "Instant::now"]
    {
        assert_eq!(naming(&files, word), BTreeSet::new(), "{word}");
    }
}

#[test]
fn the_domain_and_the_port_do_no_input_or_output() {
    let graph = dependencies();
    assert_eq!(ours(&graph["cyrus-executor"]), BTreeSet::new());
    assert_eq!(ours(&graph["cyrus-core"]), BTreeSet::from(["cyrus-executor"]));
    let files = [sources("host/executor/src"), sources("host/core/src")].concat();
    for word in ["std::fs", "std::net", "std::process", "tokio::fs", "tokio::net", "std::env"] {
        assert_eq!(naming(&files, word), BTreeSet::new(), "{word}");
    }
}

#[test]
fn the_plugin_host_knows_executions_and_not_sessions() {
    let graph = dependencies();
    for part in ["cyrus-runtime", "cyrus-plugin", "cyrus-sandbox"] {
        assert!(!graph[part].contains("cyrus-core"), "{part}");
        assert!(!graph[part].contains("cyrus-orchestrator"), "{part}");
    }
}

#[test]
fn only_the_runtime_names_the_engine() {
    let graph = dependencies();
    let users: Vec<_> = graph
        .iter()
        .filter(|(_, uses)| uses.iter().any(|name| name.starts_with("wasmtime")))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(users, ["cyrus-runtime"]);
}

#[test]
fn plugins_depend_on_the_sdk_and_never_on_the_host() {
    let graph = dependencies();
    assert_eq!(ours(&graph["cyrus-sdk"]), BTreeSet::new());
    for plugin in ["cyrus-plugin-claude", "cyrus-plugin-codegen"] {
        assert_eq!(ours(&graph[plugin]), BTreeSet::from(["cyrus-sdk"]), "{plugin}");
    }
}

#[test]
fn only_the_egress_names_an_http_client() {
    let users = naming(&sources("host/runtime/src"), "reqwest");
    assert!(!users.is_empty());
    assert!(users.iter().all(|file| file.contains("/egress")), "{users:?}");
}

#[test]
fn only_the_sandbox_launches_programs() {
    for word in ["process::Command", "Command::new(\"", "Command::new(&", "posix_spawn"] {
        let users = naming(&host_sources(), word);
        assert!(users.iter().all(|file| file.starts_with("host/sandbox/")), "{word}: {users:?}");
    }
}

#[test]
fn nothing_ambient_is_handed_to_a_component() {
    for word in ["inherit_env", "inherit_network", "inherit_stdio"] {
        assert_eq!(naming(&host_sources(), word), BTreeSet::new(), "{word}");
    }
}

#[test]
fn native_code_is_loaded_in_one_place_and_compiled_in_a_child() {
    let only = |word: &str, file: &str| {
        assert_eq!(naming(&host_sources(), word), BTreeSet::from([file.to_owned()]), "{word}");
    };
    only("Component::deserialize", "host/runtime/src/compile/native.rs");
    only("precompile_component", "host/runtime/src/compile/child.rs");
    for word in ["Component::from_binary", "Component::new(", "Module::new(", "Module::deserialize"]
    {
        assert_eq!(naming(&host_sources(), word), BTreeSet::new(), "{word}");
    }
}

/// Whatever prints past the writers would print text from outside as it is.
#[test]
fn only_the_writers_print() {
    const WRITERS: [&str; 3] = [
        "host/cli/src/output/log.rs",
        "host/cli/src/output/print.rs",
        "host/cli/src/output/terminal.rs",
    ];
    let mut files = host_sources();
    // The stand-in for `claude` is another program: what it prints is read by a plugin.
    files.retain(|(name, _)| !name.starts_with("host/simulate/src/claude/"));
    // The child that compiles answers the host in JSON; its standard output is the host's pipe.
    files.retain(|(name, _)| name != "host/runtime/src/compile/child.rs");
    for word in [
        "println!",
        "eprintln!",
        "print!(",
        "dbg!(",
        "stdout()",
        "stderr()",
        "io::stdout",
        "io::stderr",
        ".println(",
        "/dev/tty",
        "/dev/std",
        "tracing_subscriber",
        "set_hook",
    ] {
        let users = naming(&files, word);
        let stray: Vec<_> = users
            .iter()
            .filter(|file| !WRITERS.contains(&file.as_str()))
            .filter(|file| !(word == "set_hook" && *file == "host/cli/src/lib.rs"))
            .filter(|file| !(word.starts_with("std") && is_of_a_child(&files, file, word)))
            .collect();
        assert!(stray.is_empty(), "{word} in {stray:?}: use the writers of host/cli/src/output/");
    }
}

/// Whether every use of a word in a file is a child process's pipe, and not this process's own.
fn is_of_a_child(files: &[(String, String)], file: &str, word: &str) -> bool {
    let (_, text) = files.iter().find(|(name, _)| name == file).unwrap();
    text.match_indices(word).all(|(at, _)| text[..at].ends_with("take_"))
}

/// Serialised text may hold anything: it is printed by the functions for JSON, which know what to escape.
#[test]
fn lines_are_made_in_one_place() {
    let files = host_sources();
    let writing = naming(&files, "struct Line(String)");
    assert_eq!(writing, BTreeSet::from(["host/executor/src/text/line.rs".to_owned()]));
    // Its field is private, and this is the only constructor.
    let (_, line) =
        files.iter().find(|(name, _)| name == "host/executor/src/text/line.rs").unwrap();
    assert_eq!(line.matches("Self(").count(), 1, "every line goes through the escaper");
}

/// What opens a connection to another machine, or has a program open one: the word it is found by, the files that
/// may, and why. A new place belongs into `cyrus-egress`, or behind its proxy.
const CONNECTIONS: [(&[&str], &[&str], &str); 11] = [
    (
        &["TcpStream::connect", "TcpSocket", "lookup_host"],
        &["host/egress/src/forward.rs", "host/egress/src/resolve.rs"],
        "the addresses were checked there; a loopback port that the operator granted by its number",
    ),
    (
        &["reqwest"],
        &["host/runtime/src/egress/client.rs", "host/runtime/src/egress/model.rs"],
        "a client of one destination, bound to checked addresses; the gateway's requests, sent by such a client",
    ),
    (
        &["SystemResolver", "dyn Resolver"],
        &[
            "host/cli/src/way_out.rs",
            "host/egress/src/lib.rs",
            "host/egress/src/operator.rs",
            "host/egress/src/proxy.rs",
            "host/egress/src/resolve.rs",
            "host/runtime/src/egress/mod.rs",
            "host/runtime/src/egress/model.rs",
            "host/workspace/src/granted.rs",
        ],
        "from a name to addresses that were checked: the proxies of sandboxes and of git, a component's request, the gateway's",
    ),
    (
        &["OperatorDestination::of"],
        &["host/runtime/src/egress/model.rs"],
        "what the operator wrote may be in a private network: the service of a model, and nothing else",
    ),
    (
        &["BaseUrl::parse"],
        &["host/runtime/src/cap/model.rs"],
        "the variable of a granted program, whose value the operator sets",
    ),
    (
        &[
            "ToSocketAddrs",
            "to_socket_addrs",
            "UdpSocket",
            "UnixStream::connect",
            "UnixDatagram",
            "hyper::client",
            "hyper_util::client",
            "TcpStream::connect_timeout",
            "ureq::",
            "hickory",
            "socket::connect",
            "net::connect",
        ],
        &[],
        "nothing needs them",
    ),
    (
        &["AnyPoolOptions::new", "PgPool", "PgConnection", "SqlitePool"],
        &["host/store/src/postgres.rs", "host/store/src/sqlite.rs"],
        "the store: a file, or the database whose address the operator configured",
    ),
    (
        // The one way to give git another protocol than that of local files.
        &[".network("],
        &["host/workspace/src/push.rs", "host/workspace/src/scratch.rs"],
        "`origin`, as the operator configured it; and a granted remote, through the proxy",
    ),
    (
        &["[\"fetch\"", "[\"push\"", "[\"ls-remote\"", "[\"clone\"", "[\"pull\"", "\"fetch-pack\""],
        &[
            "host/cli/src/demo/stage.rs",
            "host/fleet/src/world/integration.rs",
            "host/fleet/src/world/workspaces.rs",
            "host/simulate/src/codegen/push.rs",
            "host/workspace/src/push.rs",
            "host/workspace/src/scratch.rs",
        ],
        "git between directories of this machine, or the places of `.network(`; the demo, the simulator and the fleet have repositories of their own",
    ),
    (
        &["find_program(\"gh\""],
        &["host/cli/src/app/services.rs"],
        "`gh`, with the operator's login, for pull requests on `origin`",
    ),
    (
        &["GrantedRemote::judged"],
        &["host/plugin/src/policy.rs"],
        "only policy grants a remote, and git fetches from no other",
    ),
];

#[test]
fn every_place_that_opens_a_connection_is_known() {
    let files = host_sources();
    for (words, places, why) in CONNECTIONS {
        let found: BTreeSet<_> = words.iter().flat_map(|word| naming(&files, word)).collect();
        let known: BTreeSet<_> = places.iter().map(ToString::to_string).collect();
        assert_eq!(found, known, "{words:?} ({why})");
    }
}

/// The rows of the tables of a document that have a column `tested in`: what is promised, and what stands in that column.
fn promises(document: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut is_in_table = false;
    for line in document.lines() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            is_in_table &= line.starts_with("|-");
            continue;
        };
        let (first, rest) = row.split_once(" | ").expect("two columns");
        let (_, last) = rest.rsplit_once(" | ").unwrap_or(("", rest));
        if last == "tested in" {
            is_in_table = true;
        } else if is_in_table {
            rows.push((first.to_owned(), last.to_owned()));
        }
    }
    rows
}

/// Whether a file has a test of this name: a function that is one, or a case of the corpus.
fn has_test(file: &str, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(root().join(file)) else { return false };
    if file.starts_with("tests/tests/hostile/") {
        return text.contains(&format!("\"{name}\""));
    }
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    // The lanes' tests are functions that a macro makes a test of for each version.
    let lane = "tests/tests/lane_claude/main.rs";
    if file.starts_with("tests/tests/lane_claude/") {
        let listed = fs::read_to_string(root().join(lane)).unwrap();
        return listed.contains(&format!("{name},"));
    }
    let above: Vec<_> = text[..at].lines().rev().take(4).collect();
    above.iter().any(|line| line.contains("test]") || line.contains("tokio::test("))
        && !above.iter().any(|line| line.contains("ignore"))
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let document = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let promises = promises(&document);
    assert!(promises.len() >= 31, "{} rows were read", promises.len());
    for (promise, tested) in promises {
        // In backquotes: files, each with the tests in it.
        let quoted: Vec<_> = tested.split('`').skip(1).step_by(2).collect();
        let is_file = |word: &str| Path::new(word).extension().is_some_and(|kind| kind == "rs");
        assert!(quoted.first().is_some_and(|word| is_file(word)), "{promise}: {tested:?}");
        let mut named = 0;
        let mut file = "";
        for pair in quoted.windows(2) {
            let [one, next] = pair else { unreachable!() };
            file = if is_file(one) { one } else { file };
            assert!(!(is_file(one) && is_file(next)), "{promise}: no test of {one} is named");
            if !is_file(next) {
                named += 1;
                assert!(has_test(file, next), "{promise}: {file} has no test {next}");
            }
        }
        assert!(named > 0 && !is_file(quoted[quoted.len() - 1]), "{promise}: {tested:?}");
    }
}
