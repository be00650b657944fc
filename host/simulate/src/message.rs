//! A turn of the model as a message of the Messages API, whole or as its stream of events.

use serde_json::{Value, json};

use crate::conversation::{Turn, Usage};

/// How many bytes of text or JSON a delta carries.
const DELTA_BYTES: usize = 24;

/// What the model says next in a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// The model that was asked.
    pub(crate) model: &'a str,
    /// How often it has answered before in this session: ids are counted by it.
    pub(crate) answers: usize,
    /// What it says.
    pub(crate) turn: &'a Turn,
}

fn usage(usage: Usage, output_tokens: u64) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "output_tokens": output_tokens,
    })
}

impl Message<'_> {
    /// The message with the content and the end still open, as a stream begins.
    pub(crate) fn envelope(&self) -> Value {
        json!({
            "id": format!("msg_sim_{:04}", self.answers + 1),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage(self.turn.usage, 1),
        })
    }

    /// The id of a tool use, by its place among the turn's tools.
    pub(crate) fn tool_use_id(&self, index: usize) -> String {
        format!("toolu_sim_{:04}_{index}", self.answers + 1)
    }

    /// The content: the text, then the tools.
    pub(crate) fn blocks(&self) -> Vec<Value> {
        let text = self.turn.text.iter().map(|text| json!({"type": "text", "text": text}));
        let tools = self.turn.tools.iter().enumerate().map(|(index, tool)| {
            json!({"type": "tool_use", "id": self.tool_use_id(index), "name": tool.name, "input": tool.input})
        });
        text.chain(tools).collect()
    }

    /// The whole message, as it is answered without a stream.
    pub(crate) fn whole(&self) -> Value {
        let mut message = self.envelope();
        message["content"] = self.blocks().into();
        message["stop_reason"] = self.turn.stop_reason().into();
        message["usage"] = usage(self.turn.usage, self.turn.usage.output_tokens);
        message
    }

    /// The events of the stream, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = vec![json!({"type": "message_start", "message": self.envelope()})];
        for (index, mut block) in self.blocks().into_iter().enumerate() {
            let deltas: Vec<Value> = if block["type"] == "text" {
                let text = std::mem::replace(&mut block["text"], "".into());
                let texts = pieces(text.as_str().unwrap_or_default());
                texts.into_iter().map(|text| json!({"type": "text_delta", "text": text})).collect()
            } else {
                let input = std::mem::replace(&mut block["input"], json!({})).to_string();
                // The service begins with an empty piece of JSON.
                let parts = std::iter::once("").chain(pieces(&input));
                parts
                    .map(|part| json!({"type": "input_json_delta", "partial_json": part}))
                    .collect()
            };
            events.push(
                json!({"type": "content_block_start", "index": index, "content_block": block}),
            );
            if index == 0 {
                events.push(json!({"type": "ping"}));
            }
            let delta =
                |delta| json!({"type": "content_block_delta", "index": index, "delta": delta});
            events.extend(deltas.into_iter().map(delta));
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
        let end = json!({"stop_reason": self.turn.stop_reason(), "stop_sequence": null});
        let written = json!({"output_tokens": self.turn.usage.output_tokens});
        events.push(json!({"type": "message_delta", "delta": end, "usage": written}));
        events.push(json!({"type": "message_stop"}));
        events
    }
}

/// A text in pieces of about `DELTA_BYTES`, cut between characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end =
            (DELTA_BYTES..rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_between_characters_and_join_again() {
        for text in
            ["", "short", "ü".repeat(40).as_str(), "a long text that does not fit into one delta"]
        {
            let cut = pieces(text);
            assert_eq!(cut.concat(), text);
            assert!(cut.iter().all(|piece| piece.len() <= DELTA_BYTES + 3));
        }
    }

    #[test]
    fn the_stream_says_what_the_message_says() {
        let input =
            json!({"file_path": "/w/a.txt", "content": "long enough for more than one delta"});
        let turn = Turn { text: Some("I will write it.".into()), ..Turn::tool("Write", input) };
        let message = Message { model: "m", answers: 2, turn: &turn };
        let whole = message.whole();
        let mut blocks: Vec<Value> = Vec::new();
        let mut json = String::new();
        for event in message.events() {
            match event["type"].as_str().unwrap() {
                "content_block_start" => blocks.push(event["content_block"].clone()),
                "content_block_delta" if event["delta"]["type"] == "text_delta" => {
                    let block = blocks.last_mut().unwrap();
                    let text = block["text"].as_str().unwrap().to_owned()
                        + event["delta"]["text"].as_str().unwrap();
                    block["text"] = text.into();
                }
                "content_block_delta" => json += event["delta"]["partial_json"].as_str().unwrap(),
                "message_delta" => assert_eq!(event["delta"]["stop_reason"], whole["stop_reason"]),
                _ => {}
            }
        }
        blocks[1]["input"] = serde_json::from_str(&json).unwrap();
        assert_eq!(Value::from(blocks), whole["content"]);
        assert_eq!(whole["content"][1]["id"], "toolu_sim_0003_0");
    }
}
