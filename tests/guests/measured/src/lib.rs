//! An executor that does what is measured and no more: events, requests, or nothing. Built on the SDK, so that what
//! is measured is what plugins cost.

use cyrus_sdk::{
    Context, Error, Executor, Result,
    contract::{Descriptor, Event, ExecutionResult, Outcome, Task, Usage, feature},
};
use serde_json::Value;
use std::time::Duration;

/// Nothing that is measured takes so long.
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The executor.
pub struct Measured;

impl Executor for Measured {
    type Settings = Value;

    fn describe(_: Value) -> Result<Descriptor> {
        let description = "Does what is measured: events COUNT BYTES, get URL, or suspend.";
        Ok(Descriptor::new("Measured", env!("CARGO_PKG_VERSION"), description)
            .features([feature::SUSPEND]))
    }

    async fn execute(task: Task, _: Value, context: Context) -> Result<Outcome> {
        let words: Vec<_> = task.prompt.split(' ').collect();
        match words[..] {
            ["events", count, bytes] => {
                let (count, bytes) = (number(count)?, number(bytes)?);
                for _ in 0..count {
                    context.emit(Event::message("x".repeat(bytes))).await;
                }
            }
            ["get", url] => {
                context.http(url).timeout(HOUR).get("").send().await?;
            }
            ["suspend"] => {
                context.emit(Event::message("suspended")).await;
                return Ok(Outcome::suspended("where it was", DAY, Usage::default()));
            }
            _ => return Err(Error::invalid_request(format!("not a measure: {:?}", task.prompt))),
        }
        Ok(ExecutionResult::new("done").into())
    }
}

fn number(word: &str) -> Result<usize> {
    word.parse().map_err(|_| Error::invalid_request(format!("not a number: {word:?}")))
}

cyrus_sdk::export!(Measured);
