//! Takes secrets out of bytes, texts and JSON: as they are and in the encodings that carry bytes as text.
//!
//! Found are: the secret itself, in any case; with any of its characters escaped as in JSON, URLs, HTML, shells and
//! programming languages, also doubly; in base64 and base32, whatever stands before and after it, with line breaks,
//! with either alphabet; in hexadecimal, with separators. All of that in a stream of bytes, however it is cut.

mod escape;
mod form;
mod found;
mod scan;

use bytes::Bytes;
use escape::{Read, Reading, Unit};
use form::{FORMS, Form};
use scan::Scanner;
use serde_json::Value;
use std::{
    borrow::Cow,
    sync::{Arc, PoisonError, RwLock},
};
use zeroize::Zeroizing;

pub(crate) use found::{is_secret, secrets_in};

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
        redactor.learn(secrets);
        redactor
    }

    /// Looks for these too from now on, in streams that were begun before as well: a login that was renewed.
    pub(crate) fn learn(&self, secrets: impl IntoIterator<Item = Zeroizing<String>>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut all = known.secrets.clone();
        for secret in secrets {
            if secret.len() >= SHORTEST && !all.contains(&secret) {
                all.push(secret);
            }
        }
        if all.len() > MOST {
            tracing::warn!("more than {MOST} secrets: those that came last are not looked for");
            all.truncate(MOST);
        }
        if all.len() > known.secrets.len() {
            *known = Arc::new(Known::new(all));
        }
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
    /// Takes the next piece, and gives what can be passed on: not what may be the beginning of a secret.
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

/// Secrets, and how they begin. New ones are added at the end.
struct Known {
    secrets: Vec<Zeroizing<String>>,
    /// By the first byte: what may begin with it, unescaped.
    first: Vec<Vec<(usize, Form)>>,
    /// Bytes that something may begin with.
    starts: [bool; 256],
    /// One bit for each two bytes that something may begin with.
    pairs: Vec<u64>,
}

impl Default for Known {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Known {
    fn new(secrets: Vec<Zeroizing<String>>) -> Self {
        let first = vec![Vec::new(); 256];
        let mut known = Self { secrets, first, starts: [false; 256], pairs: vec![0; 1024] };
        if known.secrets.is_empty() {
            return known;
        }
        for index in 0..known.secrets.len() {
            for form in FORMS {
                known.add(index, form);
            }
        }
        for opener in (0..=u8::MAX).filter(|byte| escape::is_opener(*byte)) {
            known.add_opener(opener);
        }
        known
    }

    fn add(&mut self, index: usize, form: Form) {
        let secret = self.secrets[index].as_bytes();
        let second: Vec<u8> = (0..=u8::MAX)
            .filter(|byte| {
                let unit = Unit::Byte(*byte);
                form.accepts(secret, 1, unit) > 0
                    || form.is_filling(unit)
                    || escape::is_opener(*byte)
            })
            .collect();
        let first: Vec<u8> = form.spellings(secret, 0).collect();
        for first in first {
            self.first[usize::from(first)].push((index, form));
            for second in &second {
                self.add_pair(first, *second);
            }
        }
    }

    /// An escape has to be one, or of something that begins a secret.
    fn add_opener(&mut self, opener: u8) {
        let mut readings = Vec::new();
        Reading::OUTSIDE.take(opener, &mut |read| {
            if let Read::Within(reading) = read {
                readings.push(reading);
            }
        });
        for second in 0..=u8::MAX {
            let mut is_interesting = false;
            for reading in &readings {
                reading.take(second, &mut |read| {
                    is_interesting |= match read {
                        Read::Within(_) => true,
                        Read::Unit(unit) => self.beginning_with(unit).next().is_some(),
                    };
                });
            }
            if is_interesting {
                self.add_pair(opener, second);
            }
        }
    }

    fn add_pair(&mut self, first: u8, second: u8) {
        self.starts[usize::from(first)] = true;
        let bit = pair(first, second);
        self.pairs[bit / 64] |= 1 << (bit % 64);
    }

    fn secret(&self, index: usize) -> &[u8] {
        self.secrets[index].as_bytes()
    }

    /// The forms of secrets that may begin with this character.
    fn beginning_with(&self, unit: Unit) -> impl Iterator<Item = (usize, Form)> {
        let mut space = [0; 4];
        let byte = match unit {
            Unit::Byte(byte) => byte,
            Unit::Char(c) => c.encode_utf8(&mut space).as_bytes()[0],
        };
        self.first[usize::from(byte)].iter().copied()
    }

    /// How many of these bytes come before the first that something may begin with.
    fn dull(&self, bytes: &[u8]) -> usize {
        let may_begin = |two: &[u8]| {
            let bit = pair(two[0], two[1]);
            self.pairs[bit / 64] & (1 << (bit % 64)) != 0
        };
        let of_two = bytes.windows(2).position(may_begin);
        of_two.unwrap_or_else(|| match bytes.last() {
            Some(last) if self.starts[usize::from(*last)] => bytes.len() - 1,
            _ => bytes.len(),
        })
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[cfg(test)]
mod tests;
