//! Fuzz targets: a component's bytes, what it says in an event, and streams with a secret in them.

use crate::{
    bindings::types as wit, bound, contract, convert, engine::new_engine, plugin::new_linker,
    redact::Redactor,
};
use cyrus_executor::{Event, JSON_VALUE_BYTES, json_size};
use cyrus_fuzz::{fuzz, fuzz_text};
use cyrus_plugin::Manifest;
use wasmtime::component::Component;
use zeroize::Zeroizing;

const MANIFEST: &[u8] = br#"
name = "probe"
version = "1.2.3"
contract = "0.1"
component = "probe.wasm"
placement = "local"
description = "Does what its task says."
"#;

const SECRET: &str = "s3cret-key/of+a-person";

/// A component with these sections.
fn component(sections: &[&[u8]]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0", sections.concat().as_slice()].concat()
}

/// A section of a component; `content` is short.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id, u8::try_from(content.len()).unwrap()], content].concat()
}

fn name(name: &str) -> Vec<u8> {
    [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat()
}

/// Small components that hold something of most sections.
fn components() -> Vec<Vec<u8>> {
    // An instance with no exports, exported under the executor's name.
    let empty = section(5, &[1, 1, 0]);
    let export = |as_name: &str| section(11, &[&[1, 0][..], &name(as_name), &[5, 0, 0]].concat());
    // An instance type without exports, and an import of it.
    let instance_type = section(7, &[1, 0x42, 0]);
    let import = |of: &str| section(10, &[&[1, 0][..], &name(of), &[5, 0]].concat());
    // A module with a memory, and a function that never ends.
    let module = [
        b"\0asm\x01\0\0\0".as_slice(),
        b"\x01\x04\x01\x60\0\0",
        b"\x03\x02\x01\0",
        b"\x05\x03\x01\0\x01",
        b"\x0a\x09\x01\x07\0\x03\x40\x0c\0\x0b\x0b",
    ]
    .concat();
    vec![
        component(&[]),
        component(&[&section(1, &module), &section(2, &[1, 0, 0, 0])]),
        component(&[&empty, &export("cyrus:executor/task-executor@0.1.0")]),
        component(&[
            &instance_type,
            &import("cyrus:executor/context@0.1.0"),
            &export("cyrus:executor/task-executor@0.1.0"),
        ]),
        component(&[&instance_type, &import("wasi:io/poll@0.2.0"), &section(4, &component(&[]))]),
        component(&[&section(0, &[&name("component-name")[..], &[0, 2, 1, b'x']].concat())]),
    ]
}

/// Whatever the bytes are, they are refused with a bounded reason, or are a component that is an executor or is said
/// to be none. Nothing of it is run.
#[test]
fn fuzz_a_component_is_refused_or_keeps_to_the_contract() {
    let engine = new_engine().unwrap();
    let linker = new_linker(&engine).unwrap();
    let manifest = Manifest::parse(MANIFEST).unwrap();
    let examples = components();
    let whole = |bytes: &[u8]| Component::new(&engine, bytes);
    for (at, example) in examples.iter().enumerate() {
        whole(example).unwrap_or_else(|error| panic!("example {at}: {error:#}"));
    }
    let examples: Vec<&[u8]> = examples.iter().map(Vec::as_slice).collect();
    fuzz(&examples, |bytes| match whole(bytes) {
        Err(error) => {
            let said = bound::text(format!("{error:#}"), bound::MESSAGE_BYTES);
            assert!(!said.is_empty() && said.len() <= 3 * bound::MESSAGE_BYTES);
        }
        Ok(component) => {
            let kept = contract::check(&manifest, &component, &engine).is_ok();
            let executor = component
                .component_type()
                .exports(&engine)
                .any(|(name, _)| name.starts_with("cyrus:executor/task-executor@0.1."));
            assert!(!kept || executor, "what exports no executor was taken for one");
            let _refused_or_linked = linker.instantiate_pre(&component);
        }
    });
}

#[test]
fn fuzz_an_event_is_bounded_and_holds_no_secret() {
    let examples = [
        r#"{"command": "ls", "list": [1, 2.5e3, null, true, {"a": "\u0000\ud800"}]}"#,
        r#"[[[[{"a":[[]]}]]]]"#,
        "not json",
        "\"s3cret-key/of+a-person\"",
    ];
    let redactor = Redactor::new([Zeroizing::new(SECRET.to_owned())]);
    fuzz_text(&examples, |text| {
        let said = wit::OtherEvent { kind: text.to_owned(), payload: text.to_owned() };
        let Event::Other(kept) = convert::event(wit::Event::Other(said), &redactor) else {
            panic!("another event")
        };
        assert!(
            kept.kind.len() <= 3 * bound::MESSAGE_BYTES && !kept.kind.contains(SECRET),
            "{kept:?}"
        );
        assert!(json_size(&kept.payload) <= bound::EVENT_BYTES + JSON_VALUE_BYTES);
        assert!(!kept.payload.to_string().contains(SECRET), "{kept:?}");
    });
}

/// However a stream is cut, the same is passed on, and never the secret.
#[test]
fn fuzz_a_secret_is_taken_out_however_the_stream_is_cut() {
    let redactor = Redactor::new([Zeroizing::new(SECRET.to_owned())]);
    let examples: [&[u8]; 6] = [
        b"x s3cret-key/of+a-person y s3cret-key/of+a-pe",
        b"czNjcmV0LWtleS9vZithLXBlcnNvbg== and s3cret-key%2Fof%2Ba-person",
        b"\\u0073\\u0033cret-key\\/of+a-person &#115;3cret-key/of+a-person",
        b"7333637265742d6b65792f6f662b612d706572736f6e",
        b"s\n3\nc\nr\ne\nt\n-\nk\ne\ny\n/\no\nf\n+\na\n-\np\ne\nr\ns\no\nn\n",
        b"\xff\xfes\x003\0c\0r\0e\0t\0-\0k\0e\0y\0/\0o\0f\0+\0a\0-\0p\0e\0r\0s\0o\0n\0",
    ];
    let through = |pieces: &[&[u8]]| {
        let mut stream = redactor.stream();
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
        out.extend_from_slice(&stream.finish());
        out
    };
    fuzz(&examples, |bytes| {
        let whole = through(&[bytes]);
        assert_eq!(through(&bytes.chunks(1).collect::<Vec<_>>()), whole);
        let (first, second) = bytes.split_at(bytes.len() / 3);
        assert_eq!(through(&[first, second]), whole);
        assert_eq!(*redactor.bytes(bytes), *whole);
        assert!(!whole.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    });
}
