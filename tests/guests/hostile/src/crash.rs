//! Ends that no plugin should come to, and work without end.

use crate::{
    bindings::{cyrus::executor::types::Event, wasi::http::types::Fields, wit_future, wit_stream},
    guest::{Done, Work, done},
};
use futures::FutureExt as _;
use std::{cell::RefCell, hint::black_box};
use wit_bindgen::spawn_local;

thread_local! {
    /// What an execution holds on to beyond its outcome.
    static KEPT: RefCell<Option<Work>> = const { RefCell::new(None) };
}

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

/// Computes for ever when it is dropped.
struct SpinsWhenDropped;

impl Drop for SpinsWhenDropped {
    fn drop(&mut self) {
        now("spin");
    }
}

/// Keeps an execution's context and events open beyond its outcome.
pub(crate) fn keep(work: Work) {
    KEPT.set(Some(work));
}

/// Crashes, or computes for ever, when the outcome is known.
pub(crate) async fn afterwards(word: &str) {
    let event = || Event::Message("x".repeat(64));
    match word {
        "drop" => drop(SpinsWhenDropped),
        "task" => spawn_local(async { now("spin") }),
        // In the middle of a write that the host has not taken.
        "cancel" => {
            let write = async {
                let _spins = SpinsWhenDropped;
                let mut work = KEPT.take().expect("it was kept");
                let _ = work.send((0..100_000).map(|_| event()).collect()).await;
            };
            drop(write.now_or_never());
        }
        "events" => {
            let mut work = KEPT.take().expect("it was kept");
            while work.send(vec![event()]).await.is_ok() {}
        }
        "block" => std::thread::sleep(std::time::Duration::from_secs(3600)),
        word => {
            drop(KEPT.take());
            now(word);
        }
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
