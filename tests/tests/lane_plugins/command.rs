use crate::{echo, language::Language};
use cyrus_tests::world;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Through the command, as an operator meets it: not there, put in, listed, probed, picked by its name.
pub(crate) fn it_is_there_once_it_is_put_in(language: Language) {
    let Some(built) = language.plugin() else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(echo::load(built));
    let name = language.name();
    let mut world = world!()
        .repository(&[("README.md", "A repository.\n")])
        .config(json!({ "validation": { "commands": ["grep -q echo ECHO.md"] } }));
    assert!(find(world.run(["plugin", "list", "--json"]).code(0).json(), name).is_none());
    let _ = world
        .run(["run", "--executor", name, "echo this"])
        .code(2)
        .complains(&format!("there is no executor {name:?}"));

    put(built, &world.home().join("plugins").join(name));

    let listed = find(world.run(["plugin", "list", "--json"]).code(0).json(), name);
    let listed = listed.expect("it is listed");
    assert_eq!((&listed["version"], &listed["error"]), (&json!("0.1.0"), &Value::Null));
    let probed = find(world.run(["executor", "list", "--json"]).code(0).json(), name);
    let probed = probed.expect("it is an executor by its own name");
    assert_eq!((&probed["health"]["version"], &probed["error"]), (&json!("0.1.0"), &Value::Null));

    // Nothing is granted by installing: it runs, and cannot write.
    let run = ["run", "--json", "--executor", name, "echo this"];
    let without = world.run(run).code(1).report().outcome("rejected");
    assert_eq!(without.execution()["product"]["kind"], "nothing");

    world.configure(json!({ "executors": { name: { "grants": { "workspace": "read-write" } } } }));
    let report = world.run(run).code(0).report().outcome("validated");
    assert_eq!(report.execution()["executor"], name);
    assert_eq!(world.repo().file(report.branch(), "ECHO.md"), "echo this");
}

/// The entry of this name.
fn find(list: Value, name: &str) -> Option<Value> {
    let Value::Array(entries) = list else { panic!("not a list: {list}") };
    entries.into_iter().find(|entry| entry["name"] == name)
}

fn put(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}
