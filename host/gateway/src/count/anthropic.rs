//! Anthropic's Messages: `message_start` has the prompt's tokens, `message_delta` what all of it came to.

use super::{
    Reading,
    number::{Count, Length},
};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    delta: Option<Length>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    cache_creation_input_tokens: Count,
    #[serde(default)]
    cache_creation: Option<CacheCreation>,
    #[serde(default)]
    server_tool_use: Option<ServerToolUse>,
    /// What each step of the service's own used: the counts above leave some of them out.
    #[serde(default)]
    iterations: Option<Vec<Iteration>>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the words of the service")]
struct Iteration {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    cache_creation_input_tokens: Count,
}

#[derive(Deserialize)]
struct CacheCreation {
    #[serde(default)]
    ephemeral_1h_input_tokens: Count,
}

#[derive(Deserialize)]
struct ServerToolUse {
    #[serde(default)]
    web_search_requests: Count,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    content: Option<Length>,
}

/// The words of `type` and of ids are in the length of a delta; they are about this much.
const DELTA_OVERHEAD: u64 = 12;

pub(super) fn event(data: &[u8], reading: &mut Reading) {
    if data.is_empty() {
        return;
    }
    let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
        reading.is_malformed |= memchr::memmem::find(data, b"\"usage\"").is_some();
        return;
    };
    match event.kind.as_ref() {
        "message_start" => {
            if let Some(usage) = event.message.and_then(|message| message.usage) {
                reading.knows_prompt = true;
                usage.apply(reading);
            }
        }
        "message_delta" => {
            if let Some(usage) = event.usage {
                reading.is_final = true;
                usage.apply(reading);
            }
        }
        "content_block_delta" => {
            let length = event.delta.map_or(0, |delta| delta.0.saturating_sub(DELTA_OVERHEAD));
            reading.visible = reading.visible.saturating_add(length);
        }
        _ => {}
    }
}

pub(super) fn whole(body: &[u8], reading: &mut Reading) {
    match serde_json::from_slice::<Whole>(body) {
        Ok(Whole { usage: Some(usage), .. }) => {
            (reading.knows_prompt, reading.is_final) = (true, true);
            usage.apply(reading);
        }
        Ok(Whole { content, .. }) => reading.visible = content.map_or(0, |content| content.0),
        Err(_) => reading.visible = body.len() as u64,
    }
}

impl Usage {
    /// Counts are of the whole response so far: each replaces the last.
    fn apply(self, reading: &mut Reading) {
        let bad = &mut reading.is_malformed;
        let tokens = &mut reading.reported;
        self.input_tokens.set(&mut tokens.input, bad);
        self.output_tokens.set(&mut tokens.output, bad);
        self.cache_read_input_tokens.set(&mut tokens.cache_read, bad);
        let mut written = tokens.cache_write.saturating_add(tokens.cache_write_hour);
        self.cache_creation_input_tokens.set(&mut written, bad);
        if let Some(creation) = self.cache_creation {
            creation.ephemeral_1h_input_tokens.set(&mut tokens.cache_write_hour, bad);
        }
        tokens.cache_write_hour = tokens.cache_write_hour.min(written);
        tokens.cache_write = written - tokens.cache_write_hour;
        if let Some(tools) = self.server_tool_use {
            tools.web_search_requests.set(&mut tokens.searches, bad);
        }
        let (mut read, mut written, mut cached, mut kept) = (0_u64, 0_u64, 0_u64, 0_u64);
        for step in self.iterations.into_iter().flatten() {
            for (count, sum) in [
                (step.input_tokens, &mut read),
                (step.output_tokens, &mut written),
                (step.cache_read_input_tokens, &mut cached),
                (step.cache_creation_input_tokens, &mut kept),
            ] {
                *sum = sum.saturating_add(count.or_zero(reading));
            }
        }
        let tokens = &mut reading.reported;
        tokens.input = tokens.input.max(read);
        tokens.output = tokens.output.max(written);
        tokens.cache_read = tokens.cache_read.max(cached);
        tokens.cache_write = tokens.cache_write.max(kept.saturating_sub(tokens.cache_write_hour));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokens;
    use serde_json::{Value, json};

    fn read(events: &[Value]) -> Reading {
        let mut reading = Reading::default();
        for value in events {
            event(value.to_string().as_bytes(), &mut reading);
        }
        reading
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write the value out")]
    fn start(usage: Value) -> Value {
        json!({"type": "message_start", "message": {"id": "m", "usage": usage}})
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write the value out")]
    fn end(usage: Value) -> Value {
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    }

    #[test]
    fn the_last_counts_hold() {
        let reading = read(&[
            start(
                json!({"input_tokens": 10, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 5,
                "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
                "output_tokens": 1, "service_tier": "standard"}),
            ),
            json!({"type": "ping"}),
            end(json!({"output_tokens": 50, "server_tool_use": {"web_search_requests": 2}})),
            json!({"type": "message_stop"}),
        ]);
        let expected = Tokens {
            input: 10,
            cache_read: 7,
            cache_write: 2,
            cache_write_hour: 3,
            output: 50,
            searches: 2,
        };
        assert_eq!(reading.so_far(999), expected);
        assert!(!reading.is_estimate());
    }

    #[test]
    fn steps_that_the_sum_leaves_out_are_counted() {
        let reading = read(&[end(
            json!({"input_tokens": 23_000, "output_tokens": 1_000, "iterations": [
                {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
                {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000, "cache_read_input_tokens": 7},
            ]}),
        )]);
        let tokens = reading.so_far(0);
        assert_eq!((tokens.input, tokens.output, tokens.cache_read), (203_000, 4_500, 7));
        let none = read(&[end(json!({"input_tokens": 5, "output_tokens": 1, "iterations": null}))]);
        assert_eq!(none.so_far(0).input, 5);
    }

    #[test]
    fn a_response_that_was_cut_is_what_passed_of_it() {
        let text = "x".repeat(300);
        let reading = read(&[
            start(json!({"input_tokens": 10, "output_tokens": 1})),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        ]);
        let so_far = reading.so_far(999);
        assert_eq!(so_far.input, 10);
        assert!((100..104).contains(&so_far.output), "{so_far:?}");
        assert!(reading.is_estimate());
        let nothing = Reading::default().so_far(999);
        assert_eq!((nothing.input, nothing.output), (999, 0));
    }

    #[test]
    fn what_no_count_can_be_is_not_believed() {
        for bad in [
            json!(-5),
            json!(1.5),
            json!("12"),
            json!(u64::MAX),
            json!(2_000_000_000_u64),
            json!([1]),
            json!({"a": 1}),
            json!(true),
        ] {
            let reading =
                read(&[start(json!({"input_tokens": bad})), end(json!({"output_tokens": bad}))]);
            assert!(reading.is_malformed && reading.is_estimate(), "{bad}");
            assert_eq!(reading.so_far(77).input, 77, "{bad}");
        }
        let mut reading = Reading::default();
        event(
            br#"{"type": "message_delta", "usage": {"output_tokens": 18446744073709551616}}"#,
            &mut reading,
        );
        assert!(reading.is_malformed);
        let null = read(&[end(json!({"output_tokens": 3, "input_tokens": null}))]);
        assert!(!null.is_malformed);
    }

    #[test]
    fn a_message_that_is_no_stream_is_counted() {
        let mut reading = Reading::default();
        whole(br#"{"content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": 3, "output_tokens": 4}}"#, &mut reading);
        assert_eq!((reading.so_far(9).input, reading.so_far(9).output), (3, 4));
        assert!(!reading.is_estimate());
        let mut reading = Reading::default();
        whole(b"<html>", &mut reading);
        assert!(reading.is_estimate());
    }
}
