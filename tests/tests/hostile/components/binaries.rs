//! Files that are no component, or one that costs more to read than it looks. Each is refused before anything of it
//! runs, and the plugin is named.

use super::{
    HOSTILE,
    attack::{case, setup, still_works},
    harness::PATIENCE,
    raw,
};
use crate::case::Case;
use cyrus_runtime::LoadError;

const GROUP: &str = "binaries";

/// What refuses a file.
#[derive(Clone, Copy, Debug)]
enum By {
    /// It is no valid component, or costs too much to compile.
    Compile,
    /// It does not keep to the contract.
    Contract,
    /// One of both.
    Either,
}

/// A file: its name, what refuses it, and what makes it.
type File = (&'static str, By, fn() -> Vec<u8>);

/// Files that are something else, or not what they say.
fn forgeries() -> Vec<File> {
    use By::{Compile, Contract, Either};
    vec![
        ("nothing", Compile, Vec::new),
        ("text", Compile, || b"(component)".to_vec()),
        ("a_module", Compile, || raw::module(&[])),
        ("an_empty_component", Contract, || raw::component(&[])),
        ("another_version_of_the_format", Compile, || b"\0asm\x0d\0\x02\0".to_vec()),
        ("native_code", Compile, native),
        ("a_shell_script", Compile, || b"#!/bin/sh\ntouch /tmp/pwned\n".to_vec()),
        ("half_a_component", Compile, || HOSTILE[..HOSTILE.len() / 2].to_vec()),
        ("a_component_without_its_last_byte", Compile, || HOSTILE[..HOSTILE.len() - 1].to_vec()),
        ("a_component_and_more", Compile, || [HOSTILE, b"more"].concat()),
        ("two_components", Compile, || [HOSTILE, HOSTILE].concat()),
        ("a_later_contract", Contract, || built_against("0.2.0")),
        ("a_contract_of_another_major_version", Contract, || built_against("1.0.0")),
        ("a_contract_that_is_no_version", Either, || built_against("0.1.x")),
        ("a_contract_of_a_later_patch", Contract, || built_against("0.1.9")),
        ("an_interface_that_does_not_exist", Either, unknown_interface),
    ]
}

/// Files that cost more to read, or to run, than they look.
fn bombs() -> Vec<File> {
    use By::{Compile, Contract, Either};
    vec![
        ("a_section_past_the_end", Compile, || {
            raw::component(&[[&[1][..], &raw::number(1 << 31)].concat()])
        }),
        ("a_length_without_end", Compile, || raw::component(&[vec![1; 1], vec![0xff; 64]])),
        ("a_count_of_four_thousand_million", Compile, || {
            raw::component(&[raw::section(7, &raw::number(0xffff_ffff))])
        }),
        ("components_nested_deeply", Either, || raw::nested(2_000)),
        ("a_million_types", Either, || {
            let count = 1_000_000;
            raw::component(&[raw::section(7, &raw::list(count, &[0x73].repeat(count)))])
        }),
        ("a_million_types_of_functions", Either, || {
            let count = 1_000_000;
            raw::around(&raw::module(&[raw::section(
                1,
                &raw::list(count, &[0x60, 0, 0].repeat(count)),
            )]))
        }),
        ("a_million_functions_without_a_body", Either, || {
            let kinds = raw::section(1, &raw::list(1, &[0x60, 0, 0]));
            let declared = raw::section(3, &raw::list(1_000_000, &vec![0; 1_000_000]));
            raw::around(&raw::module(&[kinds, declared]))
        }),
        ("two_million_functions", Either, || {
            raw::around(&raw::functions(&vec![raw::body(&[]); 2_000_000], &[]))
        }),
        ("locals_without_end", Either, || {
            let locals =
                [&raw::list(1, &[&raw::number(0xffff_ffff)[..], &[0x7f]].concat())[..], &[0x0b]]
                    .concat();
            raw::around(&raw::functions(&[locals], &[]))
        }),
        ("blocks_nested_deeply", Either, || {
            let depth = 1_000_000;
            let code = [[0x02, 0x40].repeat(depth), [0x0b].repeat(depth)].concat();
            raw::around(&raw::functions(&[raw::body(&code)], &[]))
        }),
        ("a_memory_of_all_there_is", Either, || {
            let memory = raw::section(5, &raw::list(1, &[&[0][..], &raw::number(65536)].concat()));
            raw::around(&raw::module(&[memory]))
        }),
        ("a_memory_of_sixty_four_bits", Either, || {
            let memory =
                raw::section(5, &raw::list(1, &[&[4][..], &raw::number(1 << 48)].concat()));
            raw::around(&raw::module(&[memory]))
        }),
        ("a_thousand_memories", Either, || {
            raw::around(&raw::module(&[raw::section(5, &raw::list(1000, &[0, 1].repeat(1000)))]))
        }),
        ("a_table_of_four_thousand_million", Either, || {
            let table = [&[0x70, 0][..], &raw::number(0xffff_ffff)].concat();
            raw::around(&raw::module(&[raw::section(4, &raw::list(1, &table))]))
        }),
        ("data_outside_of_the_memory", Either, || {
            let memory = raw::section(5, &raw::list(1, &[0, 1]));
            let data =
                [&[0, 0x41][..], &raw::number(0x3fff_ffff), &[0x0b], &raw::name(b"x")].concat();
            raw::around(&raw::module(&[memory, raw::section(11, &raw::list(1, &data))]))
        }),
        ("a_start_that_spins", Either, || {
            let start = raw::section(8, &raw::number(0));
            let spin = raw::body(&[0x03, 0x40, 0x0c, 0, 0x0b]);
            raw::around(&raw::functions(&[spin], &[start]))
        }),
        ("a_start_that_traps", Either, || {
            let start = raw::section(8, &raw::number(0));
            raw::around(&raw::functions(&[raw::body(&[0])], &[start]))
        }),
        ("a_hundred_thousand_instances", Either, || {
            raw::component(&[raw::section(1, &raw::module(&[])), raw::instances(100_000)])
        }),
        ("an_instance_of_what_is_not_there", Compile, || raw::component(&[raw::instances(1)])),
        ("a_name_that_is_no_text", Either, || {
            let import = [&[0][..], &raw::name(b"\xff\xfe"), &[1, 0x40]].concat();
            raw::component(&[raw::section(10, &raw::list(1, &import))])
        }),
        ("a_name_of_a_megabyte", Either, || {
            let import = [&[0][..], &raw::name(&vec![b'a'; 1 << 20]), &[3, 0]].concat();
            raw::component(&[raw::section(10, &raw::list(1, &import))])
        }),
        ("the_same_export_twice", Compile, || {
            let export = [&raw::name(b"run")[..], &[0, 0]].concat();
            let exports = raw::section(7, &raw::list(2, &export.repeat(2)));
            let code = raw::section(10, &raw::list(1, &[2, 0, 0x0b]));
            let head = [
                raw::section(1, &raw::list(1, &[0x60, 0, 0])),
                raw::section(3, &raw::list(1, &[0])),
            ];
            raw::around(&raw::module(&[&head[..], &[exports, code]].concat()))
        }),
        ("custom_sections_only", Contract, || {
            let custom = raw::section(0, &[&raw::name(b"x")[..], &vec![0; 1 << 20]].concat());
            raw::component(&[custom.repeat(16)])
        }),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = [forgeries(), bombs()]
        .into_iter()
        .flatten()
        .map(|(name, by, bytes)| case(GROUP, name, format!("{by:?}"), move || refused(bytes(), by)))
        .collect();
    cases.push(case(GROUP, "mutations_of_a_component", "validation", mutations));
    cases
}

async fn refused(bytes: Vec<u8>, by: By) {
    let load = setup().component(&bytes);
    let loaded = tokio::time::timeout(PATIENCE, load.load()).await.expect("it is refused in time");
    let error = loaded.expect_err("it is loaded");
    let fits = match &error {
        LoadError::Compile { .. } => matches!(by, By::Compile | By::Either),
        LoadError::Contract { .. } => matches!(by, By::Contract | By::Either),
        _ => false,
    };
    assert!(fits, "{error}");
    assert!(error.to_string().contains("probe"), "the plugin is not named: {error}");
    assert!(error.to_string().len() < 8192, "a message of {} bytes", error.to_string().len());
    still_works(&setup().build().await).await;
}

/// A file as the engine's own cache has it: native code.
fn native() -> Vec<u8> {
    let program = std::env::current_exe().unwrap();
    let mut bytes = std::fs::read(program).unwrap();
    bytes.truncate(1 << 20);
    bytes
}

/// The component, with each name of the contract's version in it replaced.
fn built_against(version: &str) -> Vec<u8> {
    replace(
        b"cyrus:executor/task-executor@0.1.0",
        &format!("cyrus:executor/task-executor@{version}"),
    )
}

fn unknown_interface() -> Vec<u8> {
    replace(b"cyrus:executor/context@0.1.0", "cyrus:executor/kontext@0.1.0")
}

fn replace(what: &[u8], with: &str) -> Vec<u8> {
    assert_eq!(what.len(), with.len(), "lengths are written in the file");
    let mut bytes = HOSTILE.to_vec();
    let places: Vec<_> =
        bytes.windows(what.len()).enumerate().filter(|(_, w)| *w == what).map(|(i, _)| i).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + what.len()].copy_from_slice(with.as_bytes());
    }
    bytes
}

/// Small components with a byte changed, and the head of a large one: read or refused, and never more.
async fn mutations() {
    let start = raw::section(8, &raw::number(0));
    let small = raw::around(&raw::functions(&[raw::body(&[0x41, 0, 0x1a])], &[start]));
    let runtime = setup();
    for place in 8..small.len() {
        for change in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut bytes = small.clone();
            bytes[place] = change;
            let loaded = setup().component(&bytes).load().await;
            assert!(loaded.is_err(), "byte {place} as {change:#x} makes an executor");
        }
    }
    still_works(&runtime.build().await).await;
}
