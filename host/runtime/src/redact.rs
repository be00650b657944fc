//! Takes secrets out of everything that a component has a hand in.

use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Shorter secrets are not looked for: they would be found everywhere.
const SHORTEST: usize = 6;

/// What stands where a secret stood.
const MARK: &str = "[secret]";

/// Knows the secrets of one executor. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Arc<[Zeroizing<String>]>);

impl Redactor {
    /// Of these secrets, those that are long enough to be told from other text.
    pub(crate) fn new(secrets: impl IntoIterator<Item = Zeroizing<String>>) -> Self {
        let mut known: Vec<_> =
            secrets.into_iter().filter(|secret| secret.len() >= SHORTEST).collect();
        // A secret that contains another goes first, or its rest would stay.
        known.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.dedup();
        Self(known.into())
    }

    /// The text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        let mut text = text;
        for secret in self.0.iter() {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MARK);
            }
        }
        text
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON value without secrets, in keys and in texts.
    pub(crate) fn json(&self, value: serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        if self.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| (self.text(key), self.json(value))).collect()
            }
            other => other,
        }
    }

    /// Takes secrets out of a stream of bytes, also where they are split between two pieces.
    pub(crate) fn stream(&self) -> RedactedStream {
        let longest = self.0.first().map_or(0, |secret| secret.len());
        RedactedStream { redactor: self.clone(), held: BytesMut::new(), longest }
    }

    fn bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut found = false;
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let secret = self.0.iter().find(|secret| rest.starts_with(secret.as_bytes()));
            if let Some(secret) = secret {
                found = true;
                out.extend_from_slice(MARK.as_bytes());
                rest = &rest[secret.len()..];
            } else {
                out.push(rest[0]);
                rest = &rest[1..];
            }
        }
        found.then_some(out)
    }
}

/// See [`Redactor::stream`].
pub(crate) struct RedactedStream {
    redactor: Redactor,
    held: BytesMut,
    longest: usize,
}

impl RedactedStream {
    /// Takes the next piece, and gives what can be passed on: not what may be the beginning of a secret.
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        if self.longest == 0 {
            return piece;
        }
        self.held.extend_from_slice(&piece);
        if let Some(redacted) = self.redactor.bytes(&self.held) {
            self.held = BytesMut::from(redacted.as_slice());
        }
        let keep = self.possible_beginning();
        self.held.split_to(self.held.len() - keep).freeze()
    }

    /// What was held back, once no more comes.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    /// How many of the last bytes could be the beginning of a secret.
    fn possible_beginning(&self) -> usize {
        let most = self.held.len().min(self.longest - 1);
        let begins = |len: &usize| {
            let tail = &self.held[self.held.len() - len..];
            self.redactor.0.iter().any(|secret| secret.as_bytes().starts_with(tail))
        };
        (1..=most).rev().find(begins).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redactor() -> Redactor {
        Redactor::new(
            ["s3cret-key", "s3cret-key-long", "abc"].map(|s| Zeroizing::new(s.to_owned())),
        )
    }

    #[test]
    fn texts_and_json_lose_their_secrets() {
        let text = |text: &str| redactor().text(text.to_owned());
        assert_eq!(text("x s3cret-key-long y s3cret-key"), "x [secret] y [secret]");
        assert_eq!(text("abc"), "abc", "too short to be told from other text");
        let value = json!({"k s3cret-key": ["s3cret-key", 1], "o": {"v": "s3cret-key"}});
        let clean = json!({"k [secret]": ["[secret]", 1], "o": {"v": "[secret]"}});
        assert_eq!(redactor().json(value), clean);
    }

    #[test]
    fn a_secret_is_found_however_the_stream_is_cut() {
        let whole = b"start s3cret-key-lon, s3cret-key-long end s3cret-ke";
        for size in 1..=whole.len() {
            let mut stream = redactor().stream();
            let mut out = Vec::new();
            for piece in whole.chunks(size) {
                out.extend_from_slice(&stream.push(Bytes::copy_from_slice(piece)));
            }
            out.extend_from_slice(&stream.finish());
            let out = String::from_utf8(out).unwrap();
            assert!(!out.contains("s3cret-key"), "{size}: {out}");
            assert!(out.starts_with("start ") && out.ends_with(" end s3cret-ke"), "{size}: {out}");
        }
    }

    #[test]
    fn nothing_to_hide_holds_nothing_back() {
        let mut stream = Redactor::default().stream();
        assert_eq!(stream.push(Bytes::from_static(b"abc")), Bytes::from_static(b"abc"));
        assert!(stream.finish().is_empty());
    }
}
