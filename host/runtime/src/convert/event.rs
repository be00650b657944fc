//! Events.

use super::{json, link, usage};
use crate::{
    bindings::types as wit,
    bound::{self, EVENT_BYTES, EVENT_TEXT_BYTES, MESSAGE_BYTES},
    redact::Redactor,
};
use cyrus_executor::{
    Event, OtherEvent, PlanStep, Progress, StepState, ToolResult, ToolUse, Warning,
};

/// An event as the host keeps it.
pub(crate) fn event(event: wit::Event, redactor: &Redactor) -> Event {
    let clean = |text: String, most| bound::redacted(text, most, redactor);
    let long = |text| clean(text, EVENT_TEXT_BYTES);
    let short = |text| clean(text, MESSAGE_BYTES);
    match event {
        wit::Event::Message(text) => Event::Message(long(text)),
        wit::Event::Thought(text) => Event::Thought(long(text)),
        wit::Event::ToolUse(call) => Event::ToolUse(ToolUse {
            id: short(call.id),
            tool: short(call.tool),
            input: json(call.input, redactor),
        }),
        wit::Event::ToolResult(result) => Event::ToolResult(ToolResult {
            id: short(result.id),
            is_error: result.is_error,
            output: long(result.output),
        }),
        wit::Event::Plan(steps) => Event::Plan(plan(steps, short)),
        wit::Event::Usage(used) => Event::Usage(usage(used)),
        wit::Event::Link(shown) => Event::Link(link(shown, short)),
        wit::Event::Progress(progress) => Event::Progress(Progress {
            message: short(progress.message),
            fraction: progress.fraction.filter(|f| (0.0..=1.0).contains(f)),
        }),
        wit::Event::Warning(warning) => {
            Event::Warning(Warning { code: short(warning.code), message: short(warning.message) })
        }
        wit::Event::Other(other) => Event::Other(OtherEvent {
            kind: short(other.kind),
            payload: json(other.payload, redactor),
        }),
    }
}

/// As many steps as one event may hold, and a last one that counts those that are left out.
fn plan(steps: Vec<wit::PlanStep>, clean: impl Fn(String) -> String + Copy) -> Vec<PlanStep> {
    let all = steps.len();
    let mut size = 0;
    let fits = |step: &PlanStep| {
        size += step.size();
        size <= EVENT_BYTES
    };
    let steps = steps.into_iter().map(|s| step(s, clean));
    let mut kept: Vec<_> = steps.take_while(fits).collect();
    if kept.len() < all {
        let text = format!("… ({} more steps)", all - kept.len());
        kept.push(PlanStep { text, state: StepState::Pending });
    }
    kept
}

fn step(step: wit::PlanStep, clean: impl Fn(String) -> String) -> PlanStep {
    PlanStep {
        text: clean(step.text),
        state: match step.state {
            wit::StepState::Pending => StepState::Pending,
            wit::StepState::InProgress => StepState::InProgress,
            wit::StepState::Completed => StepState::Completed,
        },
    }
}

/// How much text an event came with, in bytes.
pub(crate) fn size(event: &wit::Event) -> usize {
    match event {
        wit::Event::Message(text) | wit::Event::Thought(text) => text.len(),
        wit::Event::ToolUse(call) => call.id.len() + call.tool.len() + call.input.len(),
        wit::Event::ToolResult(result) => result.id.len() + result.output.len(),
        wit::Event::Plan(steps) => steps.iter().map(|step| step.text.len()).sum(),
        wit::Event::Usage(_) => 0,
        wit::Event::Link(link) => link.kind.len() + link.title.len() + link.url.len(),
        wit::Event::Progress(progress) => progress.message.len(),
        wit::Event::Warning(warning) => warning.code.len() + warning.message.len(),
        wit::Event::Other(other) => other.kind.len() + other.payload.len(),
    }
}
