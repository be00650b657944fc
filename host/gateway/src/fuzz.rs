//! Fuzz targets: what reads a model's stream, and a request to it.

use crate::{facts::Facts, format::Format, route::Route, sse::Events};
use cyrus_fuzz::fuzz;
use std::ops::ControlFlow;

fn events(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
    let (mut events, mut found) = (Events::default(), Vec::new());
    for piece in pieces {
        let broke = events.feed(piece, |data| {
            found.push(data.to_vec());
            ControlFlow::Continue(())
        });
        assert_eq!(broke, None);
    }
    (found, events.is_between())
}

/// However a stream is cut, the same events are in it, and none is longer than the stream.
#[test]
fn a_stream_is_the_same_events_however_it_is_cut() {
    let examples: [&[u8]; 3] = [
        b"event: message_start\ndata: {\"type\":\"message_start\"}\n\nevent: ping\r\ndata: {}\r\n\r\n",
        b"data: a\rdata:b\r\r: comment\n\nid: 1\ndata\n\ndata: [DONE]\n\n",
        b"\xef\xbb\xbfdata: x\n\ndata: cut",
    ];
    fuzz(&examples, |bytes| {
        let whole = events(&[bytes]);
        let bytewise: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(events(&bytewise), whole);
        let (first, second) = bytes.split_at(bytes.len() / 2);
        assert_eq!(events(&[first, second]), whole);
        assert!(whole.0.iter().map(Vec::len).sum::<usize>() <= bytes.len());
    });
}

#[test]
fn a_request_is_refused_or_its_costs_are_bounded_from_below() {
    let examples: [&[u8]; 3] = [
        br#"{"model":"claude-opus-4-8","max_tokens":1024,"stream":true,"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"web_search"}]}"#,
        br#"{"model":"gpt-5","input":"hi","max_output_tokens":18446744073709551615,"previous_response_id":"x","tools":[]}"#,
        br#"{"model":"gpt-5","messages":[],"n":4,"max_completion_tokens":7,"service_tier":"priority"}"#,
    ];
    let kinds = [
        (Format::Anthropic, Route::Messages),
        (Format::OpenAi, Route::Responses),
        (Format::OpenAi, Route::Chat),
    ];
    fuzz(&examples, |bytes| {
        for (format, route) in kinds {
            if let Ok(facts) = Facts::read(format, route, bytes) {
                assert!(!facts.model.is_empty() && facts.model.len() <= bytes.len());
            }
        }
    });
}
