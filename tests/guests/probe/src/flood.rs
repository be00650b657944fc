//! Events without end, of each kind.

use crate::{
    bindings::cyrus::executor::types::{
        Cost, CostSource, ErrorKind, Event, Link, OtherEvent, PlanStep, Progress, StepState,
        ToolResult, ToolUse, Usage, Warning,
    },
    guest::{Done, Work, done, error},
};

/// Sends events of this kind, one write after the other, for as long as anyone takes them. Its first is of it too.
pub(crate) async fn of(mut work: Work, kind: &str) -> Done {
    for number in 0.. {
        let Some(event) = event(kind, number) else {
            return Err(error(ErrorKind::InvalidRequest, format!("no such event: {kind}")));
        };
        if !work.events.write_all(vec![event]).await.is_empty() {
            return done("nobody reads");
        }
    }
    done("a very long time has passed")
}

fn event(kind: &str, number: u64) -> Option<Event> {
    let text = || format!("{number:x}");
    Some(match kind {
        "message" => Event::Message(text()),
        "empty" => Event::Message(String::new()),
        "large" => Event::Message("x".repeat(1 << 20)),
        "thought" => Event::Thought(text()),
        "tool-use" => {
            Event::ToolUse(ToolUse { id: text(), tool: "Read".to_owned(), input: "{}".to_owned() })
        }
        "tool-result" => {
            Event::ToolResult(ToolResult { id: text(), is_error: false, output: text() })
        }
        "plan" => {
            let step = || PlanStep { text: String::new(), state: StepState::Pending };
            Event::Plan((0..30_000).map(|_| step()).collect())
        }
        "usage" => {
            let amount = number + 1;
            let cost = Some(Cost { amount, source: CostSource::Reported });
            Event::Usage(Usage { cost, input_tokens: Some(amount), ..nothing_used() })
        }
        "link" => Event::Link(Link { kind: "run".to_owned(), title: String::new(), url: text() }),
        "progress" => Event::Progress(Progress { message: text(), fraction: None }),
        "warning" => Event::Warning(Warning { code: "w".to_owned(), message: text() }),
        "arrays" => other(format!("[{}[]]", "[],".repeat(300_000))),
        "objects" => other(format!("[{}{{}}]", "{\"a\":0},".repeat(100_000))),
        "deep" => other("[".repeat(500_000)),
        _ => return None,
    })
}

fn other(payload: String) -> Event {
    Event::Other(OtherEvent { kind: "tree".to_owned(), payload })
}

fn nothing_used() -> Usage {
    Usage {
        input_tokens: None,
        output_tokens: None,
        cache_read_tokens: None,
        cache_write_tokens: None,
        turns: None,
        cost: None,
    }
}
