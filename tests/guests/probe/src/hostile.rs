//! What no plugin should do.

use crate::{
    bindings::{
        cyrus::executor::types::{ErrorKind, Event},
        wasi::http::types::Fields,
    },
    guest::{Done, Work, done, error},
    verbs::number,
};
use std::hint::black_box;

pub(crate) async fn perform(mut work: Work, verb: &str, rest: &[&str]) -> Done {
    match verb {
        "spin" => loop {
            black_box(());
        },
        "block" => {
            std::thread::sleep(std::time::Duration::from_secs(3600));
            done("an hour later")
        }
        "panic" => panic!("on purpose"),
        "deep" => done(deep(0).to_string()),
        "grab-memory" => {
            let all: Vec<_> = (0..number(rest[0])).map(|_| vec![1u8; 1 << 20]).collect();
            done(black_box(all).len().to_string())
        }
        "leak-handles" => {
            for _ in 0..number(rest[0]) {
                std::mem::forget(Fields::new());
            }
            done("leaked")
        }
        "many-headers" => {
            let headers = Fields::new();
            for i in 0..number(rest[0]) {
                if let Err(refused) = headers.append(&format!("x-{i}"), &[b'v'; 100]) {
                    return Err(error(ErrorKind::Failed, format!("at {i}: {refused:?}")));
                }
            }
            done("appended")
        }
        "large-outcome" => done("x".repeat(number(rest[0]) << 10)),
        "large-event" => {
            let event = Event::Message("x".repeat(number(rest[0]) << 10));
            let _ = work.events.write_all(vec![event]).await;
            done("sent")
        }
        "large-checkpoint" => {
            let saved = work.context.checkpoint(&"x".repeat(number(rest[0]) << 10)).await;
            done(format!("{saved:?}"))
        }
        "never-answer" => std::future::pending().await,
        "keep-everything" => {
            std::mem::forget(work);
            done("kept")
        }
        "escape" => {
            let _ = work.events.write_all(vec![Event::Message("\x1b[2Jhello".to_owned())]).await;
            Err(error(ErrorKind::Failed, format!("\x1b]0;title\x07{}", "long ".repeat(2000))))
        }
        other => Err(error(ErrorKind::InvalidRequest, format!("no such verb: {other}"))),
    }
}

#[expect(unconditional_recursion, reason = "this is what it is for")]
fn deep(depth: u64) -> u64 {
    black_box(deep(black_box(depth) + 1)) + 1
}
