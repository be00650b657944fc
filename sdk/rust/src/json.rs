//! JSON as programs write it.

use std::borrow::Cow;

/// What is written in place of half a character.
const REPLACEMENT: &str = r"\ufffd";

/// The same JSON with whole characters only: an escape that is half of one (`\ud83d` without the other half) becomes
/// `\ufffd`.
///
/// JavaScript and Python write such halves where a text was cut in the middle of a character outside of the first
/// plane. No text of Rust can hold one, so a parser refuses all of the JSON for it.
pub fn whole_characters(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    if !bytes.windows(3).any(|window| matches!(window, [b'\\', b'u', b'd' | b'D'])) {
        return Cow::Borrowed(json);
    }
    let mut whole = String::with_capacity(json.len());
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        let escape = at + found;
        at = match (unit(bytes, escape), unit(bytes, escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => escape + 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(&json[kept..escape]);
                whole.push_str(REPLACEMENT);
                kept = escape + 6;
                kept
            }
            (Some(_), _) => escape + 6,
            // An escape of one character, which may be a backslash itself, or the end of what is no JSON.
            (None, _) => (escape + 2).min(bytes.len()),
        };
    }
    whole.push_str(&json[kept..]);
    Cow::Owned(whole)
}

/// The number of an escape `\uXXXX` that begins here.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn half_a_character_costs_that_character_and_not_the_line() {
        for (json, expected) in [
            (r#""ab\ud83d""#, "ab\u{fffd}"),
            (r#""\uDE00x""#, "\u{fffd}x"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\\ud83d\n""#, "\\ud83d\n"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""ü\ud83dü""#, "ü\u{fffd}ü"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
        ] {
            let read: Value = serde_json::from_str(&whole_characters(json)).unwrap();
            assert_eq!(read, json!(expected), "{json}");
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for text in
            ["", "\\", r"\ud8", r#"{"a": "\ud83d"#, r"\ud83d\", "\\ud8\u{fc}0\u{fc}", r"\ü\ud800"]
        {
            assert!(serde_json::from_str::<Value>(&whole_characters(text)).is_err(), "{text}");
        }
    }
}
