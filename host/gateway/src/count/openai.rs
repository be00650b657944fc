//! OpenAI's Responses and Chat Completions: usage is said once, at the end.

use super::{
    Reading,
    number::{Count, Length},
};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default, rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    response: Option<Whole>,
    #[serde(default)]
    delta: Length,
    #[serde(default)]
    item: Option<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default, rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Length,
    #[serde(default)]
    refusal: Length,
    #[serde(default)]
    reasoning_content: Length,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
}

#[derive(Deserialize)]
struct ToolCall {
    #[serde(default)]
    function: Length,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    output: Option<Length>,
    #[serde(default)]
    choices: Option<Length>,
}

/// Responses say input and output, Chat Completions prompt and completion.
#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    input_tokens_details: Option<Details>,
    #[serde(default)]
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Count,
    #[serde(default)]
    cache_write_tokens: Count,
}

pub(super) fn event_of_responses(data: &[u8], reading: &mut Reading) {
    if data.is_empty() || data == b"[DONE]" {
        return;
    }
    let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
        reading.is_malformed |= memchr::memmem::find(data, b"\"usage\"").is_some();
        return;
    };
    match event.kind.as_ref() {
        "response.completed" | "response.incomplete" | "response.failed" => {
            if let Some(usage) = event.response.and_then(|response| response.usage) {
                usage.apply(reading);
            }
        }
        "response.output_item.done"
            if event.item.as_ref().is_some_and(|item| item.kind == "web_search_call") =>
        {
            let searches = &mut reading.reported.searches;
            *searches = searches.saturating_add(1);
        }
        kind if kind.strip_suffix(".delta").is_some() => {
            reading.visible = reading.visible.saturating_add(event.delta.0);
        }
        _ => {}
    }
}

pub(super) fn chunk_of_chat(data: &[u8], reading: &mut Reading) {
    if data.is_empty() || data == b"[DONE]" {
        return;
    }
    let Ok(chunk) = serde_json::from_slice::<Chunk>(data) else {
        reading.is_malformed |= memchr::memmem::find(data, b"\"usage\"").is_some();
        return;
    };
    for Choice { delta } in chunk.choices {
        let calls: u64 = delta.tool_calls.iter().map(|call| call.function.0).sum();
        let more = delta.content.0 + delta.refusal.0 + delta.reasoning_content.0 + calls;
        reading.visible = reading.visible.saturating_add(more);
    }
    if let Some(usage) = chunk.usage {
        usage.apply(reading);
    }
}

pub(super) fn whole(body: &[u8], reading: &mut Reading) {
    match serde_json::from_slice::<Whole>(body) {
        Ok(Whole { usage: Some(usage), .. }) => usage.apply(reading),
        Ok(Whole { output, choices, .. }) => {
            reading.visible = output.or(choices).map_or(0, |length| length.0);
        }
        Err(_) => reading.visible = body.len() as u64,
    }
}

impl Usage {
    fn apply(self, reading: &mut Reading) {
        (reading.knows_prompt, reading.is_final) = (true, true);
        let input = match self.input_tokens {
            Count::Missing => self.prompt_tokens,
            given => given,
        };
        let output = match self.output_tokens {
            Count::Missing => self.completion_tokens,
            given => given,
        };
        reading.is_malformed |= input == Count::Missing || output == Count::Missing;
        let (input, output) = (input.or_zero(reading), output.or_zero(reading));
        let (mut cached, mut written) = (0, 0);
        if let Some(details) = self.input_tokens_details.or(self.prompt_tokens_details) {
            cached = details.cached_tokens.or_zero(reading);
            written = details.cache_write_tokens.or_zero(reading);
        }
        // What was read from a cache is part of the input here.
        reading.is_malformed |= cached.saturating_add(written) > input;
        let tokens = &mut reading.reported;
        tokens.output = output;
        tokens.cache_read = cached.min(input);
        tokens.cache_write = written.min(input - tokens.cache_read);
        tokens.input = input - tokens.cache_read - tokens.cache_write;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokens;
    use serde_json::{Value, json};

    fn responses(events: &[Value]) -> Reading {
        let mut reading = Reading::default();
        for value in events {
            event_of_responses(value.to_string().as_bytes(), &mut reading);
        }
        reading
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write the value out")]
    fn completed(usage: Value) -> Value {
        json!({"type": "response.completed", "response": {"id": "r", "output": [], "usage": usage}})
    }

    #[test]
    fn responses_say_it_at_their_end() {
        let reading = responses(&[
            json!({"type": "response.created", "response": {"usage": null}}),
            json!({"type": "response.output_text.delta", "delta": "hello"}),
            json!({"type": "response.output_item.done", "item": {"type": "web_search_call"}}),
            completed(json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60},
                "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 120})),
        ]);
        let expected =
            Tokens { input: 40, cache_read: 60, output: 20, searches: 1, ..Tokens::default() };
        assert_eq!(reading.so_far(9), expected);
        assert!(!reading.is_estimate());
    }

    #[test]
    fn chat_says_it_when_it_is_asked_to() {
        let mut reading = Reading::default();
        for chunk in [
            json!({"choices": [{"delta": {"role": "assistant", "content": "abc"}}], "usage": null}),
            json!({"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]}),
        ] {
            chunk_of_chat(chunk.to_string().as_bytes(), &mut reading);
        }
        assert_eq!((reading.so_far(9).input, reading.so_far(9).output), (9, 2));
        assert!(reading.is_estimate());
        let last = json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6,
            "prompt_tokens_details": {"cached_tokens": 2}}});
        chunk_of_chat(last.to_string().as_bytes(), &mut reading);
        chunk_of_chat(b"[DONE]", &mut reading);
        let tokens = reading.so_far(9);
        assert_eq!((tokens.input, tokens.cache_read, tokens.output), (3, 2, 6));
        assert!(!reading.is_estimate());
    }

    #[test]
    fn what_no_count_can_be_is_not_believed() {
        for usage in [
            json!({"input_tokens": -1, "output_tokens": 2}),
            json!({"input_tokens": 1, "output_tokens": u64::MAX}),
            json!({"input_tokens": 1}),
            json!({}),
            json!({"input_tokens": 1, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 2}}),
        ] {
            let reading = responses(&[completed(usage.clone())]);
            assert!(reading.is_malformed, "{usage}");
            assert!(reading.so_far(50).prompt() >= 50, "{usage}");
        }
    }
}
