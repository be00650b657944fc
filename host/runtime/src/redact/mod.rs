//! Takes secrets out of bytes, texts and JSON: as they are and in the encodings that carry bytes as text.
//!
//! Found are: the secret itself, in any case, also with white space or zero bytes between its characters; with any of
//! its characters escaped as in JSON, URLs, HTML, CSS, quoted-printable, shells and programming languages, up to eight
//! deep; in base64, base32 and hexadecimal, whatever stands before and after it, folded, indented or grouped; in any
//! of these what was in base64, escaped as JSON, or UTF-16 before. All of that in a stream of bytes, however it is cut,
//! where it takes no more than 2 KiB for each 32 bytes of the secret.

mod escape;
mod form;
mod found;
mod known;
mod scan;

use bytes::Bytes;
use known::Known;
use scan::{HELD, Scanner};
use serde_json::Value;
use std::{
    borrow::Cow,
    sync::{Arc, PoisonError, RwLock},
};
use zeroize::Zeroizing;

pub(crate) use found::{TooManySecrets, is_secret, secret_parts, secrets_in};

/// Shorter secrets are not looked for: they would be found everywhere.
const SHORTEST: usize = 6;

/// More are not looked for: only a program that writes its login all the time has so many.
const MOST: usize = 4096;

/// What stands where a secret stood.
const MARK: &str = "[secret]";

/// Knows the secrets of one executor. Cheap to clone; all clones and their streams learn together.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Arc<RwLock<Arc<Known>>>);

impl Redactor {
    /// Of these secrets, those that are long enough to be told from other text.
    pub(crate) fn new(secrets: impl IntoIterator<Item = Zeroizing<String>>) -> Self {
        let redactor = Self::default();
        if let Err(error) = redactor.learn(secrets) {
            tracing::warn!("those that come last are not looked for: {error}");
        }
        redactor
    }

    /// Looks for these too from now on, in streams that were begun before as well: a login that was renewed. Gives how
    /// many bytes were sorted for that: none where all were known.
    ///
    /// Fails where some are not looked for.
    pub(crate) fn learn(
        &self,
        secrets: impl IntoIterator<Item = Zeroizing<String>>,
    ) -> Result<usize, TooManySecrets> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut all = known.secrets.clone();
        for secret in secrets {
            if secret.len() >= SHORTEST && !all.contains(&secret) {
                all.push(secret);
            }
        }
        let is_too_much = all.len() > MOST;
        all.truncate(MOST);
        let mut sorted = 0;
        if all.len() > known.secrets.len() {
            sorted = all.iter().map(|secret| secret.len()).sum();
            *known = Arc::new(Known::new(all));
        }
        if is_too_much { Err(TooManySecrets::OfExecution) } else { Ok(sorted) }
    }

    /// Another that knows the same, and learns by itself from here on: what one execution's programs hold is no secret of
    /// the others'.
    pub(crate) fn fork(&self) -> Self {
        Self(Arc::new(RwLock::new(self.known())))
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.known().secrets.is_empty()
    }

    /// The bytes without secrets.
    pub(crate) fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        scan::whole(&self.known(), bytes).map_or(Cow::Borrowed(bytes), Cow::Owned)
    }

    /// Whether there is a secret in these bytes.
    pub(crate) fn finds_in(&self, bytes: &[u8]) -> bool {
        matches!(self.bytes(bytes), Cow::Owned(_))
    }

    /// The text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => text,
            // A secret is text, but of a long one the end may be missing in the middle of a character.
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The beginning of the text without secrets, at most so many bytes and a little more, and whether that is all of
    /// it. The rest is not looked at: it may be long.
    pub(crate) fn beginning(&self, text: String, most: usize) -> (String, bool) {
        let looked_at = most.saturating_add(HELD);
        if text.len() <= looked_at {
            return (self.text(text), true);
        }
        let beginning = &text.as_bytes()[..text.floor_char_boundary(looked_at)];
        let clean = scan::beginning(&self.known(), beginning);
        (String::from_utf8_lossy(&clean).into_owned(), false)
    }

    /// The JSON value without secrets: in keys, in texts, and in numbers, which then are texts.
    pub(crate) fn json(&self, value: Value) -> Value {
        if self.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| (self.text(key), self.json(value))).collect()
            }
            Value::Number(number) => match self.bytes(number.to_string().as_bytes()) {
                Cow::Borrowed(_) => Value::Number(number),
                Cow::Owned(_) => Value::String(MARK.to_owned()),
            },
            other => other,
        }
    }

    /// Takes secrets out of a stream of bytes, also where they are split between pieces.
    pub(crate) fn stream(&self) -> RedactedStream {
        RedactedStream { redactor: self.clone(), scanner: Scanner::new(self.known()) }
    }
}

/// See [`Redactor::stream`].
pub(crate) struct RedactedStream {
    redactor: Redactor,
    scanner: Scanner,
}

impl RedactedStream {
    /// Takes the next piece, and gives what can be passed on. How much that is follows from the bytes alone, and not from
    /// the secrets, except where one is in them.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Bytes {
        self.scanner.learn(&self.redactor.known());
        self.scanner.read(piece);
        self.given()
    }

    /// What was held back, once no more comes.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.scanner.end();
        self.given()
    }

    fn given(&mut self) -> Bytes {
        let mut out = Vec::new();
        self.scanner.give(&mut out);
        out.into()
    }
}

#[cfg(test)]
mod tests;
