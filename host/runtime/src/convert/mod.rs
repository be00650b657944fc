//! Between the contract's types and the host's. What comes from a component is bounded and redacted on the way.

mod asked;
mod event;
mod json;
mod outcome;

pub(crate) use asked::{answer, finding, question, repository, task};
pub(crate) use event::{event, size as event_size};
pub(crate) use outcome::{Incoming, checkpoint_size, descriptor, health, outcome_size};

use crate::{bindings::types, bound, redact::Redactor};
use cyrus_executor::{Cost, CostSource, Link, MicroUsd, Usage};
use serde_json::Value;
use std::time::Duration;

/// A duration as the contract counts it.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// JSON text as a value that takes no more than one event may.
fn json(text: String, redactor: &Redactor) -> Value {
    json::value(text, bound::EVENT_BYTES, redactor)
}

/// A wait that a component asks for, as far as it makes sense.
fn wait(asked: u64) -> Duration {
    Duration::from_millis(asked).min(bound::LONGEST_WAIT)
}

/// What was used.
pub(crate) fn usage(usage: types::Usage) -> Usage {
    let cost = usage.cost.map(|cost| Cost {
        amount: MicroUsd(cost.amount),
        source: match cost.source {
            types::CostSource::Reported => CostSource::Reported,
            types::CostSource::Estimated => CostSource::Estimated,
        },
    });
    Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        turns: usage.turns,
        cost,
        claimed: None,
    }
}

fn link(link: types::Link, clean: impl Fn(String) -> String) -> Link {
    Link { kind: clean(link.kind), title: clean(link.title), url: clean(link.url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_has_the_host_wait_for_a_week_at_most() {
        const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;
        for (asked, waits) in [
            (0, 0),
            (1, 1),
            (60_000, 60_000),
            (WEEK - 1, WEEK - 1),
            (WEEK, WEEK),
            (WEEK + 1, WEEK),
            (1 << 53, WEEK),
            (u64::MAX, WEEK),
        ] {
            assert_eq!(wait(asked), Duration::from_millis(waits), "{asked} ms");
        }
    }
}
