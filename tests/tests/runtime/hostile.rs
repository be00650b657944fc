//! Components that misbehave, and ones that do not fit. The host carries on.

use crate::harness::{MANIFEST, PROBE, Setup, Tested};
use cyrus_executor::{ErrorKind, Event, ExecutionError, HostVerdict};
use cyrus_plugin::{Digest, DigestMismatch, PluginDigest};
use cyrus_runtime::{ExecutorError, LoadError};

fn limit(error: &ExecutionError) -> &str {
    match error.host.as_deref() {
        Some(HostVerdict::Limit { plugin, digest, export, which }) => {
            assert_eq!((plugin.as_str(), export.as_str()), ("probe", "execute-streaming"));
            assert_eq!(*digest, PluginDigest::of(MANIFEST.as_bytes(), PROBE).to_string());
            which
        }
        other => panic!("{other:?}: {error}"),
    }
}

async fn still_works(tested: &Tested) {
    assert_eq!(tested.summary("echo fine").await, "fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_names_plugin_digest_export_and_reason() {
    let tested = Setup::new().build().await;
    let error = tested.failure("panic").await;
    let Some(HostVerdict::Trap { plugin, digest, export }) = error.host.as_deref() else {
        panic!("{error:?}")
    };
    assert_eq!((plugin.as_str(), export.as_str()), ("probe", "execute-streaming"));
    assert_eq!(error.kind, ErrorKind::Failed);
    for part in [plugin, digest, export, "on purpose"] {
        assert!(error.message.contains(part), "{part} in {}", error.message);
    }
    assert!(error.message.len() <= 4096);
    still_works(&tested).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_recursion_is_a_trap() {
    let tested = Setup::new().build().await;
    let error = tested.failure("deep").await;
    assert!(matches!(error.host.as_deref(), Some(HostVerdict::Trap { .. })), "{error:?}");
    assert!(error.message.contains("stack"), "{error}");
    still_works(&tested).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_limited() {
    let tested = Setup::new().limits(r#"{"memoryMib": 16}"#).build().await;
    assert_eq!(tested.summary("grab-memory 8").await, "8");
    let error = tested.failure("grab-memory 32").await;
    assert_eq!(limit(&error), "memory");
    assert!(error.message.contains("16 MiB"), "{error}");
    still_works(&tested).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_limited() {
    let tested = Setup::new().limits(r#"{"tableElements": 1}"#).build().await;
    assert_eq!(limit(&tested.failure("echo x").await), "table-elements");
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_are_limited() {
    let tested = Setup::new().build().await;
    assert_eq!(tested.summary("leak-handles 500").await, "leaked");
    assert_eq!(limit(&tested.failure("leak-handles 5000").await), "handles");
    still_works(&tested).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_limited() {
    let tested = Setup::new().build().await;
    let error = tested.failure("many-headers 100000").await;
    assert!(error.message.contains("SizeExceeded"), "{error}");
    still_works(&tested).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_call_carries_is_limited() {
    let tested = Setup::new().build().await;
    assert_eq!(tested.summary("large-event 1024").await, "sent");
    assert_eq!(limit(&tested.failure("large-event 8192").await), "call-bytes");
    still_works(&tested).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_and_events_are_limited() {
    let limits = r#"{"outcomeKib": 64, "eventsMib": 1}"#;
    let tested = Setup::new().limits(limits).build().await;
    assert_eq!(limit(&tested.failure("large-outcome 65").await), "outcome");
    assert_eq!(tested.summary("events 700 1024").await, "sent 700");
    assert_eq!(limit(&tested.failure("events 2000 1024").await), "events");
    still_works(&tested).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_cut_and_do_not_command_a_terminal() {
    let tested = Setup::new().build().await;
    let mut execution = tested.under_way("escape").await;
    let first = execution.events.recv().await;
    assert_eq!(first, Some(Event::Message("\u{fffd}[2Jhello".to_owned())));
    let error = execution.outcome.await.unwrap_err();
    assert!(error.message.starts_with("\u{fffd}]0;title\u{fffd}long "), "{error}");
    assert!(error.message.len() <= 4100 && error.message.ends_with("(cut)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_component_reports_stands_where_the_host_knows_no_better() {
    let tested = Setup::new().build().await;
    for (word, kind) in [
        ("unavailable", ErrorKind::Unavailable),
        ("unauthorized", ErrorKind::Unauthorized),
        ("strange", ErrorKind::Other("strange".to_owned())),
    ] {
        let error = tested.failure(&format!("fail {word} so it is")).await;
        assert_eq!((error.kind, error.message.as_str(), error.host), (kind, "so it is", None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_keeps_its_context_ends_all_the_same() {
    let tested = Setup::new().build().await;
    assert_eq!(tested.summary("keep-everything").await, "kept");
}

async fn load_error(setup: Setup) -> LoadError {
    setup.load().await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_not_loaded() {
    let error = load_error(Setup::new().component(b"not wasm")).await;
    assert!(matches!(error, LoadError::Compile { .. }), "{error}");
    let module = [b'\0', b'a', b's', b'm', 1, 0, 0, 0];
    let error = load_error(Setup::new().component(&module)).await;
    assert!(matches!(error, LoadError::Compile { .. }), "{error}");
    let empty = [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0];
    let error = load_error(Setup::new().component(&empty)).await.to_string();
    assert!(error.contains("does not export cyrus:executor/task-executor"), "{error}");
}

/// A module of one function, which takes far more to be compiled than to be written.
fn bomb(megabytes: usize) -> Vec<u8> {
    fn number(mut value: usize, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push((value & 0x7f).to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        out.push(value.to_le_bytes()[0]);
    }
    fn section(id: u8, content: &[u8], out: &mut Vec<u8>) {
        out.push(id);
        number(content.len(), out);
        out.extend_from_slice(content);
    }
    const TARGETS: usize = 65_000;
    // block; local.get 0; br_table of so many targets, each the block itself; end
    let mut unit = vec![0x02, 0x40, 0x20, 0, 0x0e];
    number(TARGETS, &mut unit);
    unit.resize(unit.len() + TARGETS + 1, 0);
    unit.push(0x0b);
    let code = unit.repeat((megabytes << 20) / unit.len());
    let body = [&[0][..], &code, &[0x20, 0, 0x0b]].concat();
    let mut bodies = vec![1];
    number(body.len(), &mut bodies);
    bodies.extend_from_slice(&body);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f], &mut module);
    section(3, &[1, 0], &mut module);
    section(10, &bodies, &mut module);
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    section(1, &module, &mut component);
    component
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_takes_too_much_to_compile_is_refused_once_and_for_all() {
    let cache = tempfile::tempdir().unwrap();
    let bomb = bomb(7);
    let load = async |compiler: Option<&str>| {
        let setup = Setup::new().component(&bomb).cache(cache.path());
        let setup = compiler.map_or(setup.clone(), |compiler| setup.compiler(compiler));
        load_error(setup).await.to_string()
    };
    let first = load(None).await;
    for part in ["plugin probe (sha256:", "448 MiB", "the most that is allowed"] {
        assert!(first.contains(part), "{first}");
    }
    // It is remembered: nothing is compiled, and nothing could be.
    assert_eq!(load(Some("/bin/false")).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_that_fails_is_not_held_against_the_component() {
    let cache = tempfile::tempdir().unwrap();
    let setup = Setup::new().cache(cache.path());
    let error = load_error(setup.clone().compiler("/bin/false")).await;
    assert!(matches!(error, LoadError::Host { .. }), "{error}");
    still_works(&setup.build().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_code_that_is_not_what_was_compiled_is_not_loaded() {
    let cache = tempfile::tempdir().unwrap();
    let setup = Setup::new().cache(cache.path());
    still_works(&setup.clone().build().await).await;
    let files = std::fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path());
    let native = files.filter(|file| file.extension().is_some_and(|e| e == "native"));
    let native = native.collect::<Vec<_>>().pop().unwrap();
    let mut code = std::fs::read(&native).unwrap();
    let middle = code.len() / 2;
    code[middle] ^= 1;
    std::fs::write(&native, code).unwrap();
    // It would have to be compiled again, and cannot be.
    let error = load_error(setup.clone().compiler("/bin/false")).await;
    assert!(matches!(error, LoadError::Host { .. }), "{error}");
    still_works(&setup.build().await).await;
}

/// The same component, as if it had been built against another version.
fn built_against(version: &str) -> Vec<u8> {
    let name = b"cyrus:executor/task-executor@0.1.0";
    let other = format!("cyrus:executor/task-executor@{version}");
    assert_eq!(name.len(), other.len(), "lengths are written in the file");
    let mut bytes = PROBE.to_vec();
    let places: Vec<_> =
        bytes.windows(name.len()).enumerate().filter(|(_, w)| w == name).map(|(i, _)| i).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + name.len()].copy_from_slice(other.as_bytes());
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn another_contract_is_named_with_ours() {
    let asks = |manifest: &str| manifest.replace("contract = \"0.1\"", "contract = \"0.2\"");
    let error = load_error(Setup::new().manifest(asks)).await.to_string();
    assert!(error.contains("0.2.0") && error.contains("0.1.0"), "{error}");
    for version in ["0.2.0", "1.0.0"] {
        let error = load_error(Setup::new().component(&built_against(version))).await.to_string();
        assert!(error.contains(version) && error.contains("this host speaks 0.1.0"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_bound_to_another_plugin_do_not_hold() {
    let bound = |digest: String| Setup::new().grants(&format!(r#"{{"digest": "{digest}"}}"#));
    let manifest = MANIFEST.as_bytes();
    let own = PluginDigest::of(manifest, PROBE).to_string();
    still_works(&bound(own.clone()).build().await).await;
    for (digest, component_only) in [
        (PluginDigest::of(manifest, b"other").to_string(), false),
        (PluginDigest::of(b"other", PROBE).to_string(), false),
        (Digest::of(PROBE).to_string(), true),
    ] {
        let error = bound(digest).try_build().await.unwrap_err();
        let ExecutorError::Digest(mismatch) = &error else { panic!("{error}") };
        let named = matches!(mismatch, DigestMismatch::ComponentOnly { .. });
        assert_eq!(named, component_only, "{error}");
        assert!(error.to_string().contains(&own), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_found_out_before_anything_runs() {
    let needs = |manifest: &str| manifest.replace("optional = true", "");
    let error = Setup::new().manifest(needs).try_build().await.unwrap_err().to_string();
    assert!(error.contains("executors.tested.grants.secrets: add \"key\""), "{error}");
    let grants = r#"{"secrets": {"key": {"env": "CYRUS_TEST_NOT_SET"}}}"#;
    let error = Setup::new().grants(grants).try_build().await.unwrap_err().to_string();
    assert!(error.contains("secrets.key") && error.contains("CYRUS_TEST_NOT_SET"), "{error}");
}
