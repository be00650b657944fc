//! Every grant that the documents show, and a component that wants more than it. The manifest requests all that the
//! attacks need, so that what stops them is the grant as it is documented.

use super::attack::{case, setup, still_works, workspace};
use super::harness::request;
use crate::case::Case;
use cyrus_executor::{ErrorKind, Outcome};
use serde_json::{Map, Value, json};
use std::{fmt::Write as _, fs, path::Path};

const GROUP: &str = "samples";
const TOKEN: &str = "tok-0123456789-of-the-operator";

/// Flags by which programs write elsewhere, read other configuration or start other programs.
const FLAGS: [&str; 8] = [
    "-c=core.pager=id",
    "-p",
    "--output=/tmp/elsewhere",
    "--exec-path=/tmp",
    "--ext-diff",
    "--git-dir=/tmp",
    "--no-index",
    "--help",
];

/// The least number of samples: one that is no longer found is noticed.
const LEAST: usize = 4;

pub(crate) fn cases() -> Vec<Case> {
    let samples = samples();
    let found = samples.len();
    let mut cases: Vec<_> = samples
        .into_iter()
        .map(|(name, grants)| case(GROUP, name, "the grant", move || attack(grants)))
        .collect();
    let check = move || assert!(found >= LEAST, "{found} samples were found");
    cases.push(Case::new("components", GROUP, "there_are_samples", "the documents", check));
    cases
}

/// The grants in the documents' blocks of JSON, each with a name by its place.
fn samples() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = vec![root.join("README.md")];
    files.extend(fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let plugins = fs::read_dir(root.join("plugins")).unwrap();
    files.extend(plugins.map(|entry| entry.unwrap().path().join("README.md")));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    let mut found = Vec::new();
    for file in files {
        // A plugin's directory may have no README.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let place = file.strip_prefix(root).unwrap().with_extension("");
        let place = place.display().to_string().to_lowercase().replace(['/', '-'], "_");
        for block in text.split("```json\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let Ok(config) = serde_json::from_str::<Value>(block) else { continue };
            let executors = config["executors"].as_object().cloned().unwrap_or_default();
            for (executor, entry) in executors {
                if let Some(grants) = entry.get("grants") {
                    let name =
                        format!("of_{}_in_{place}_{}", executor.replace('-', "_"), found.len());
                    found.push((name, grants.clone()));
                }
            }
        }
    }
    found
}

fn keys(grants: &Value, of: &str) -> Map<String, Value> {
    grants[of].as_object().cloned().unwrap_or_default()
}

/// Requests in a manifest for the programs and secrets of a sample, with more arguments than it grants.
fn requests(grants: &Value) -> (String, String) {
    let (mut programs, mut secrets) = (String::new(), String::new());
    for (name, process) in keys(grants, "process") {
        let granted = keys(&process["args"], "flags");
        let flags = granted.keys().map(String::as_str);
        let wanted = FLAGS.iter().map(|flag| flag.split('=').next().unwrap());
        let flags: std::collections::BTreeSet<_> = flags.chain(wanted).collect();
        let flags: Vec<_> = flags.iter().map(|flag| format!("{flag:?} = \"any\"")).collect();
        let program = process["program"].as_str().unwrap_or(&name);
        let _written = writeln!(
            programs,
            "{name} = {{ program = {program:?}, args = {{ positionals = [\"any\", \"any\", \"any\"], flags = {{ {} }} }} }}",
            flags.join(", ")
        );
    }
    for (handle, _) in keys(grants, "secrets") {
        let _written = writeln!(
            secrets,
            "[[requests.secrets]]\nhandle = {handle:?}\naudience = [\"https://api.example.com\"]\ninject = {{ header = \"x-{handle}\" }}\n"
        );
    }
    (programs, secrets)
}

/// What a component tries that was granted this: prompts that must be refused.
fn prompts(grants: &Value) -> Vec<String> {
    let mut prompts = vec![
        "get https://evil.example/".to_owned(),
        "get http://127.0.0.1:9/".to_owned(),
        "get http://169.254.169.254/latest/meta-data/".to_owned(),
        "spawn sh -c id".to_owned(),
        "spawn echo x".to_owned(),
    ];
    for host in grants["http"].as_array().into_iter().flatten() {
        let host = host.as_str().unwrap_or_default().trim_start_matches("https://");
        let host = host.replace("*.", "a.");
        prompts.extend([
            format!("get http://{host}/"),
            format!("get https://{host}:8443/"),
            format!("get https://{host}.evil.example/"),
            format!("get https://evil{host}/"),
            format!("get https://{host}@evil.example/"),
            format!("get https://evil.example/{host}"),
            format!("method CONNECT https://{host}/"),
            format!("get https://{host}/ authorization mine"),
        ]);
    }
    for (name, process) in keys(grants, "process") {
        let positionals = process["args"]["positionals"].as_array().cloned().unwrap_or_default();
        let words = positionals.iter().filter_map(|words| words[0].as_str());
        let words: Vec<_> = words.collect();
        let plain = words.join(" ");
        prompts.extend(FLAGS.iter().map(|flag| format!("spawn {name} {plain} {flag}")));
        prompts.push(format!("spawn {name} {plain} more"));
        prompts.push(format!("spawn {name} -- {plain}"));
        prompts.push(format!("spawn {name} not-{plain}"));
        prompts.push(format!("spawn ../{name} {plain}"));
    }
    prompts
}

/// What a component does to files that it may not do with this access.
fn on_files(access: Option<&str>) -> &'static [&'static str] {
    match access {
        Some("read-write") => &["read /workspace/../secret", "write /workspace/.git/config"],
        Some("read-only") => &[
            "write /workspace/file",
            "append /workspace/file",
            "create /workspace/new",
            "mkdir /workspace/new",
            "unlink /workspace/file",
            "rename /workspace/file /workspace/other",
            "hardlink /workspace/file /workspace/other",
            "truncate /workspace/file",
            "read /workspace/.git/config",
            "read /workspace/relative",
        ],
        _ => &["read /workspace/file", "list /workspace", "create /workspace/new", "list /"],
    }
}

async fn attack(mut grants: Value) {
    let (programs, secrets) = requests(&grants);
    for (handle, _) in keys(&grants, "secrets") {
        grants["secrets"][handle] = json!({ "value": TOKEN });
    }
    let tested = setup().grants(&grants.to_string()).manifest(|manifest| {
        let heading = "[requests.process]\n";
        format!("{}\n{secrets}", manifest.replace(heading, &format!("{heading}{programs}")))
    });
    let tested = tested.build().await;
    for prompt in prompts(&grants) {
        let error = tested.failure(&prompt).await;
        let no_address = ["UriInvalid", "no URL"].iter().any(|no| error.message.contains(no));
        assert!(error.kind == ErrorKind::Denied || no_address, "{prompt}: {error}");
        assert!(!error.message.contains(TOKEN), "{prompt}: {error}");
    }
    let directory = tempfile::tempdir().unwrap();
    for prompt in on_files(grants["workspace"].as_str()) {
        let mut request = request(prompt);
        request.workspace = Some(workspace(&directory.path().join(prompt.replace('/', "_"))));
        match tested.outcome(request).await {
            Ok(Outcome::Completed(result)) => {
                assert!(result.summary.starts_with("error: "), "{prompt}: {}", result.summary);
            }
            other => panic!("{prompt}: {other:?}"),
        }
    }
    if grants.get("ask").is_none() {
        assert_eq!(tested.summary("questions 3 10").await, "0 allowed");
    }
    let told = tested.summary("surroundings").await;
    assert!(told.starts_with("variables=0 arguments=0 tcp=Err("), "{told}");
    still_works(&tested).await;
}
