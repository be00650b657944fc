//! Floods and bombs in the stream of events.

use crate::{
    bindings::cyrus::executor::types::{
        Cost, CostSource, ErrorKind, Event, ExecutionError, Link, OtherEvent, PlanStep, Progress,
        StepState, ToolResult, ToolUse, Usage, Warning,
    },
    guest::{Done, Work, done, error, usage},
    text,
    verbs::number,
};

/// Events of one call.
const BATCH: usize = 256;

/// An event of a kind with this text in each of its fields.
fn event(kind: &str, text: &str) -> Result<Event, ExecutionError> {
    let text = || text.to_owned();
    Ok(match kind {
        "message" => Event::Message(text()),
        "thought" => Event::Thought(text()),
        "tool-use" => Event::ToolUse(ToolUse { id: text(), tool: text(), input: text() }),
        "tool-result" => {
            Event::ToolResult(ToolResult { id: text(), is_error: true, output: text() })
        }
        "plan" => {
            let step = PlanStep { text: text(), state: StepState::Pending };
            Event::Plan(vec![step; 100])
        }
        "usage" => Event::Usage(usage()),
        "link" => Event::Link(Link { kind: text(), title: text(), url: text() }),
        "progress" => Event::Progress(Progress { message: text(), fraction: Some(f32::NAN) }),
        "warning" => Event::Warning(Warning { code: text(), message: text() }),
        "other" => Event::Other(OtherEvent { kind: text(), payload: text() }),
        _ => return Err(error(ErrorKind::InvalidRequest, format!("no such event: {kind}"))),
    })
}

/// The kinds of events.
const KINDS: [&str; 10] = [
    "message",
    "thought",
    "tool-use",
    "tool-result",
    "plan",
    "usage",
    "link",
    "progress",
    "warning",
    "other",
];

/// `KIND COUNT SIZE`: so many events of a kind, each text of so many bytes. A count of 0 has no end.
pub(crate) async fn flood(mut work: Work, rest: &[&str]) -> Done {
    let (kind, count, size) = (rest[0], number(rest[1]), number(rest[2]));
    let one = event(kind, &"x".repeat(size))?;
    // What one call may carry is a limit of its own, and another attack.
    let batch = (3 << 20) / (size.max(1) * 400);
    let batch = batch.clamp(1, BATCH);
    let mut sent = 0;
    while count == 0 || sent < count {
        work.send(vec![one.clone(); batch]).await?;
        sent += batch;
    }
    done(format!("sent {sent}"))
}

/// One event of each kind, with this in each of its fields.
pub(crate) async fn each(mut work: Work, text: &str) -> Done {
    for kind in KINDS {
        work.send(vec![event(kind, text)?]).await?;
    }
    done("sent")
}

/// `SHAPE SIZE`: JSON that costs more than it looks, as a tool's input and as a payload.
pub(crate) async fn json(mut work: Work, rest: &[&str]) -> Done {
    let json = text::json(rest[0], number(rest[1]));
    work.send(vec![
        Event::ToolUse(ToolUse { id: "i".into(), tool: "t".into(), input: json.clone() }),
        Event::Other(OtherEvent { kind: "k".into(), payload: json }),
    ])
    .await?;
    done("sent")
}

/// `BYTES`: a plan with a step for each byte.
pub(crate) async fn steps(mut work: Work, count: usize) -> Done {
    let step = PlanStep { text: String::new(), state: StepState::Completed };
    work.send(vec![Event::Plan(vec![step; count])]).await?;
    done("sent")
}

/// Usage that nothing can have used, and that goes back.
pub(crate) fn impossible() -> Usage {
    let all = Some(u64::MAX);
    Usage {
        input_tokens: all,
        output_tokens: all,
        cache_read_tokens: all,
        cache_write_tokens: all,
        turns: Some(u32::MAX),
        cost: Some(Cost { amount: u64::MAX, source: CostSource::Reported }),
    }
}

/// Reports impossible usage, then nothing used at all.
pub(crate) async fn lie_about_usage(mut work: Work) -> Done {
    work.send(vec![Event::Usage(impossible()), Event::Usage(usage())]).await?;
    done("used nothing")
}

/// Ends the stream, and keeps working.
pub(crate) async fn close(work: Work) -> Done {
    let Work { context, events, .. } = work;
    drop(events);
    let saved = context.checkpoint("after the end of events").await;
    done(format!("closed, {saved:?}"))
}

/// Sends events of random kinds and contents, the same for the same seed.
pub(crate) async fn random(mut work: Work, rest: &[&str]) -> Done {
    let (mut seed, count) = (number(rest[0]) as u64, number(rest[1]));
    let mut next = move || {
        // SplitMix64.
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    for _ in 0..count {
        let kind = KINDS[usize::try_from(next() % 10).expect("below ten")];
        let length = next() % [4, 64, 5000][usize::try_from(next() % 3).expect("below three")];
        let text: String = (0..length)
            .map(|_| {
                let any = u32::try_from(next() % 0x11_0000).expect("a scalar value");
                let plain = u32::try_from(next() % 0xa0).expect("small");
                let picked = if next() % 4 == 0 { any } else { plain };
                char::from_u32(picked).unwrap_or('"')
            })
            .collect();
        let wrapped = match next() % 3 {
            0 => format!("{{\"k\":{}}}", serde_json::Value::from(text)),
            1 => "[".repeat(usize::try_from(next() % 300).expect("small")) + &text,
            _ => text,
        };
        work.send(vec![event(kind, &wrapped)?]).await?;
    }
    done("sent")
}
