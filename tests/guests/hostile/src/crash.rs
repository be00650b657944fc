//! Ends that no plugin should come to, and work without end.

use crate::{
    bindings::{cyrus::executor::types::Event, wasi::http::types::Fields, wit_future, wit_stream},
    guest::{Done, done},
};
use std::hint::black_box;
use wit_bindgen::spawn_local;

/// Crashes, if the word is the name of a crash.
pub(crate) fn now(word: &str) {
    match word {
        "spin" => loop {
            black_box(());
        },
        "panic" => panic!("on purpose"),
        "deep" => drop(black_box(deep(0))),
        "memory" => drop(memory(1 << 12)),
        _ => {}
    }
}

#[expect(unconditional_recursion, reason = "this is what it is for")]
fn deep(depth: u64) -> u64 {
    black_box(deep(black_box(depth) + 1)) + 1
}

/// Takes so many MiB.
pub(crate) fn memory(mib: usize) -> Done {
    let all: Vec<_> = (0..mib).map(|_| vec![1u8; 1 << 20]).collect();
    done(black_box(all).len().to_string())
}

/// Takes handles and never gives them back.
pub(crate) fn handles(kind: &str, count: usize) -> Done {
    for _ in 0..count {
        match kind {
            "fields" => std::mem::forget(Fields::new()),
            "streams" => std::mem::forget(wit_stream::new::<Event>()),
            _ => std::mem::forget(wit_future::new::<Result<Option<Fields>, _>>(|| Ok(None))),
        }
    }
    done(format!("{count} {kind}"))
}

/// Starts tasks that never end.
pub(crate) fn tasks(count: usize) -> Done {
    for _ in 0..count {
        spawn_local(std::future::pending());
    }
    done("started")
}
