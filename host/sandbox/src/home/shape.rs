//! What a program may make of a file of the user's: the same JSON with other tokens in it.
//!
//! A login that a program renewed has to come back, and the program may be an agent's. So what comes back is listed
//! here, and nothing else does: only JSON, only values of keys that hold tokens and their dates, and only values that
//! are of a token's or a date's form. A command, a path or an address is of neither form, and where one is a token by
//! its form it stands at a key that no program runs. Everything else of the file is what it was. Other formats never
//! come back: how their values are read differs from program to program.
//!
//! A token that is a JWT stays the same account's. One that is none does not say whose it is: it can be another
//! account's.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::HomeFile;

/// In which way a file is not what the user's is, with other tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Departure {
    /// It is no JSON object, or the user's is none: no other format comes back.
    Format,
    /// It has other keys.
    Keys,
    /// A token of it is another account's.
    Account,
    /// Something else than a token or its date changed.
    Setting,
    /// What is in a token's or a date's place is none.
    Token,
    /// The user's own is a program, and none may replace it.
    Program,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "only JSON is taken over",
            Self::Keys => "it has other keys now",
            Self::Account => "it is for another account now",
            Self::Setting => "more than its tokens changed",
            Self::Token => "what is in a token's place now is no token",
            Self::Program => "yours is a program",
        })
    }
}

/// What the value of a key is, where it may change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Token,
    /// A number, or a date in digits.
    Date,
    /// A word, or a list of words: what a service calls the token's scopes or its plan.
    Words,
}

/// Keys whose values may change in any file, by their letters and digits in lower case.
const TOKENS: [&str; 10] = [
    "token",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "oauthtoken",
    "authtoken",
    "bearertoken",
    "sessiontoken",
    "apitoken",
    "csrftoken",
];
const DATES: [&str; 14] = [
    "expires",
    "expiresat",
    "expireson",
    "expiresin",
    "expiry",
    "expirydate",
    "expiration",
    "expirationtime",
    "refreshtokenexpiresat",
    "tokenexpiry",
    "issuedat",
    "obtainedat",
    "lastrefresh",
    "refreshedat",
];

/// What may be at a place of a JSON file, which is given by its keys from the top.
type Place = (&'static [&'static str], Kind);

/// Files of which is known what else a renewal changes or adds, by the keys from the top.
const KNOWN: [(&str, &[Place]); 2] = [
    (
        ".claude/.credentials.json",
        &[
            (&["claudeAiOauth", "accessToken"], Kind::Token),
            (&["claudeAiOauth", "refreshToken"], Kind::Token),
            (&["claudeAiOauth", "expiresAt"], Kind::Date),
            (&["claudeAiOauth", "refreshTokenExpiresAt"], Kind::Date),
            (&["claudeAiOauth", "scopes"], Kind::Words),
            (&["claudeAiOauth", "subscriptionType"], Kind::Words),
            (&["claudeAiOauth", "rateLimitTier"], Kind::Words),
        ],
    ),
    (
        ".codex/auth.json",
        &[
            (&["tokens", "id_token"], Kind::Token),
            (&["tokens", "access_token"], Kind::Token),
            (&["tokens", "refresh_token"], Kind::Token),
            (&["last_refresh"], Kind::Date),
        ],
    ),
];

/// Checks what a program made of a file.
pub(super) fn check(file: &HomeFile, user: &[u8], program: &[u8]) -> Result<(), Departure> {
    let json = |bytes: &[u8]| {
        let read = serde_json::from_slice::<Unambiguous>(bytes).ok();
        read.map(|json| json.0).filter(Value::is_object).ok_or(Departure::Format)
    };
    let known = KNOWN.iter().find(|(name, _)| file.as_path().as_os_str() == *name);
    let known = known.map_or(&[][..], |(_, keys)| keys);
    Walk { known, at: Vec::new() }.compare(&json(user)?, &json(program)?)
}

/// Compares two files, from the top.
struct Walk<'a> {
    known: &'a [(&'a [&'a str], Kind)],
    at: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn compare(&mut self, user: &'a Value, program: &'a Value) -> Result<(), Departure> {
        match (user, program) {
            _ if user == program => Ok(()),
            (Value::Object(old), Value::Object(new)) => {
                for (key, value) in old {
                    let now = new.get(key).ok_or(Departure::Keys)?;
                    self.below(key, |walk| walk.compare(value, now))?;
                }
                let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
                added
                    .into_iter()
                    .try_for_each(|(key, value)| self.below(key, |walk| walk.added(value)))
            }
            (Value::Array(old), Value::Array(new))
                if self.kind().is_none() && old.len() == new.len() =>
            {
                // An item has no key of its own, and a value among them is no token's.
                let mut items = old.iter().zip(new);
                items.try_for_each(|(old, new)| self.below("", |walk| walk.compare(old, new)))
            }
            _ => match self.kind() {
                Some(kind) => changed(kind, user, program),
                None => Err(Departure::Setting),
            },
        }
    }

    /// A key that the user's file has not got.
    fn added(&self, value: &Value) -> Result<(), Departure> {
        let known = self.known.iter().find(|(keys, _)| *keys == self.at.as_slice());
        let (_, kind) = known.ok_or(Departure::Keys)?;
        if is_of(*kind, value) { Ok(()) } else { Err(Departure::Token) }
    }

    fn below<T>(&mut self, key: &'a str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.at.push(key);
        let result = work(self);
        self.at.pop();
        result
    }

    /// What the value here is, where it may change.
    fn kind(&self) -> Option<Kind> {
        if let Some((_, kind)) = self.known.iter().find(|(keys, _)| *keys == self.at.as_slice()) {
            return Some(*kind);
        }
        let key = self.at.last()?;
        // Letters of other alphabets are no part of a key that is known.
        let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let letters = key.chars().filter(char::is_ascii_alphanumeric);
        let key: String = letters.map(|c| c.to_ascii_lowercase()).collect();
        let is_in = |keys: &[&str]| plain && keys.contains(&key.as_str());
        if is_in(&TOKENS) { Some(Kind::Token) } else { is_in(&DATES).then_some(Kind::Date) }
    }
}

/// A value that is another now: of the same kind as before, and a token of the same account.
fn changed(kind: Kind, old: &Value, new: &Value) -> Result<(), Departure> {
    if !(is_of(kind, old) && is_of(kind, new)) {
        return Err(Departure::Token);
    }
    match (kind, old, new) {
        (Kind::Token, Value::String(old), Value::String(new)) => {
            if new.contains('/') && !old.contains('/') {
                return Err(Departure::Token);
            }
            match (claims(old), claims(new)) {
                (None, None) => Ok(()),
                (Some(old), Some(new)) => same_claims(&old, &new),
                _ => Err(Departure::Account),
            }
        }
        (Kind::Words, ..) => Ok(()),
        _ if std::mem::discriminant(old) == std::mem::discriminant(new) => Ok(()),
        _ => Err(Departure::Token),
    }
}

fn is_of(kind: Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Token, Value::String(text)) => is_token(text),
        (Kind::Date, Value::String(text)) => is_date(text),
        (Kind::Token | Kind::Date, Value::Number(_)) | (Kind::Words, Value::Null) => true,
        (Kind::Words, Value::String(text)) => is_word(text),
        (Kind::Words, Value::Array(all)) => all.iter().all(|one| one.as_str().is_some_and(is_word)),
        _ => false,
    }
}

/// The longest token and the longest word, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;
const LONGEST_WORD: usize = 64;

/// Whether this has the form of a token: base64 of either alphabet, in parts with dots. It is no option, no path from
/// the root, from the home or from here, no address and nothing that a shell or a template reads.
fn is_token(text: &str) -> bool {
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+' | b'/' | b'=');
    let dots = |part: &str| part.bytes().all(|b| b == b'.');
    text.len() <= LONGEST_TOKEN
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(plain)
        && !(text.contains('/') && text.split('/').any(|part| !part.is_empty() && dots(part)))
        && !text.trim_end_matches('=').contains('=')
}

/// Whether this is a moment in digits, as in `2026-11-29T02:48:00.123Z`.
fn is_date(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b':' | b'.' | b'T' | b'Z');
    text.len() <= LONGEST_WORD
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(plain)
}

/// Whether this is one word, as in `user:inference`.
fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    text.len() <= LONGEST_WORD
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(plain)
}

/// Whether this claim says whose login it is, or where it is good for.
fn is_identity(key: &str) -> bool {
    const EXACTLY: [&str; 22] = [
        "id", "sub", "subject", "iss", "aud", "org", "user", "username", "login", "name", "host",
        "hostname", "machine", "domain", "region", "profile", "server", "endpoint", "url", "uri",
        "proxy", "command",
    ];
    const WITHIN: [&str; 16] = [
        "account",
        "organi",
        "tenant",
        "email",
        "uuid",
        "userid",
        "clientid",
        "issuer",
        "audience",
        "orgid",
        "teamid",
        "projectid",
        "workspaceid",
        "baseurl",
        "registry",
        "helper",
    ];
    let letters = key.chars().filter(char::is_ascii_alphanumeric);
    let key: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    EXACTLY.contains(&key.as_str()) || WITHIN.iter().any(|part| key.contains(part))
}

/// Everything that names somebody in the claims of two JWTs.
fn same_claims(old: &Value, new: &Value) -> Result<(), Departure> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Ok(()) };
    for key in old.keys().chain(new.keys()) {
        let (old, new) = (old.get(key), new.get(key));
        if is_identity(key) && old != new {
            return Err(Departure::Account);
        }
        if let (Some(old), Some(new)) = (old, new) {
            same_claims(old, new)?;
        }
    }
    Ok(())
}

/// The claims of a JWT; `None`: it is none.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let json = serde_json::from_slice::<Unambiguous>(&base64url(claims)?).ok()?;
    json.0.is_object().then_some(json.0)
}

fn base64url(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for c in text.trim_end_matches('=').bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// JSON in which no object has a key twice: which of them counts differs between those who read it.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unambiguous(value)) = all.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((key, Unambiguous(value))) = all.next_entry::<String, _>()? {
            if values.insert(key, value).is_some() {
                return Err(serde::de::Error::custom("a key is there twice"));
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests;
