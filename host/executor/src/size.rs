//! What values that come from outside take of the host's memory: the measure by which queues and limits count.

use crate::{Event, Link, PlanStep};
use serde_json::Value;

/// What an event takes before anything that is in it: its place in queues, its name, its line in a log.
pub const EVENT_BYTES: usize = 256;

/// What a plan's step takes besides its text.
const STEP_BYTES: usize = 64;

/// What one value of JSON takes in a tree, its texts apart.
pub const JSON_VALUE_BYTES: usize = 128;

/// What an object takes with its first entry: room for eleven is made at once.
pub const JSON_OBJECT_BYTES: usize = 672;

impl Event {
    /// About how many bytes of the host's memory the event takes; never fewer than [`EVENT_BYTES`].
    pub fn size(&self) -> usize {
        let content = match self {
            Self::Message(text) | Self::Thought(text) => text.len(),
            Self::ToolUse(call) => call.id.len() + call.tool.len() + json_size(&call.input),
            Self::ToolResult(result) => result.id.len() + result.output.len(),
            Self::Plan(steps) => steps.iter().map(PlanStep::size).sum(),
            Self::Usage(_) => 0,
            Self::Link(link) => link.size(),
            Self::Progress(progress) => progress.message.len(),
            Self::Warning(warning) => warning.code.len() + warning.message.len(),
            Self::Other(other) => other.kind.len() + json_size(&other.payload),
        };
        EVENT_BYTES + content
    }
}

impl PlanStep {
    /// About how many bytes of the host's memory the step takes.
    pub fn size(&self) -> usize {
        STEP_BYTES + self.text.len()
    }
}

impl Link {
    /// How long the link's texts are, in bytes.
    pub fn size(&self) -> usize {
        self.kind.len() + self.title.len() + self.url.len()
    }
}

/// About how many bytes of the host's memory a value takes as a tree.
pub fn json_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => JSON_VALUE_BYTES,
        Value::String(text) => JSON_VALUE_BYTES + text.len(),
        Value::Array(items) => JSON_VALUE_BYTES + items.iter().map(json_size).sum::<usize>(),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| key.len() + json_size(value));
            JSON_OBJECT_BYTES + entries.sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepState;
    use serde_json::json;

    #[test]
    fn an_event_without_content_is_not_free() {
        let steps = vec![PlanStep { text: String::new(), state: StepState::Pending }; 1000];
        assert_eq!(Event::Thought(String::new()).size(), EVENT_BYTES);
        assert!(Event::Plan(steps).size() > 1000 * STEP_BYTES);
    }

    #[test]
    fn a_tree_counts_what_it_takes_and_not_what_its_text_is_long() {
        let arrays = json!(vec![Vec::<u8>::new(); 1000]);
        assert!(json_size(&arrays) >= 1000 * size_of::<Value>());
        let objects = json!(vec![json!({"a": 0}); 1000]);
        assert!(json_size(&objects) >= 1000 * JSON_OBJECT_BYTES);
    }
}
