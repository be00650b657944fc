//! What a program may make of a file of the user's: the same file with other tokens in it.
//!
//! A login that a program renewed has to come back, and the program may be an agent's. So what comes back is held
//! against what is there: JSON stays JSON with the same keys, a text keeps its lines and their names, and what says
//! whose login it is, and where it is good for, stays as it is. Of files that are known, nothing but the tokens may
//! change. A token that is no JWT does not say whose it is: such a one can be another account's.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::HomeFile;

/// In which way a file is not what the user's is, with other tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Departure {
    /// It is of another format.
    Format,
    /// It has other keys or lines.
    Keys,
    /// What says whose login it is, or where it is good for, is another.
    Account,
    /// Something else than a token changed in a file that is known.
    Setting,
    /// The user's own is a program, and none may replace it.
    Program,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "it is of another format now",
            Self::Keys => "it has other keys or lines now",
            Self::Account => "it is for another account or another place now",
            Self::Setting => "more than its tokens changed",
            Self::Program => "yours is a program",
        })
    }
}

/// Files of which is known what a renewal changes, by the keys from the top. They may also be new.
const KNOWN: [(&str, &str, &[&[&str]]); 2] = [
    (
        ".claude/.credentials.json",
        "claudeAiOauth",
        &[
            &["claudeAiOauth", "accessToken"],
            &["claudeAiOauth", "refreshToken"],
            &["claudeAiOauth", "expiresAt"],
            &["claudeAiOauth", "refreshTokenExpiresAt"],
            &["claudeAiOauth", "scopes"],
            &["claudeAiOauth", "subscriptionType"],
            &["claudeAiOauth", "rateLimitTier"],
        ],
    ),
    (
        ".codex/auth.json",
        "tokens",
        &[
            &["tokens", "id_token"],
            &["tokens", "access_token"],
            &["tokens", "refresh_token"],
            &["last_refresh"],
        ],
    ),
];

/// Checks what a program made of a file.
pub(super) fn check(file: &HomeFile, user: &[u8], program: &[u8]) -> Result<(), Departure> {
    let json = |bytes: &[u8]| serde_json::from_slice::<Unambiguous>(bytes).map(|json| json.0);
    let is_structure = |value: &Value| value.is_object() || value.is_array();
    match (json(user), json(program)) {
        (Ok(user), program) if is_structure(&user) => {
            let program = program.map_err(|_| Departure::Format)?;
            let known = KNOWN.iter().find(|(name, key, _)| {
                file.as_path().as_os_str() == *name && user.get(key).is_some()
            });
            match known {
                Some((_, _, tokens)) => known_json(&user, &program, &mut Vec::new(), tokens),
                None => any_json(&user, &program, true),
            }
        }
        (_, Ok(program)) if is_structure(&program) => Err(Departure::Format),
        _ => match (std::str::from_utf8(user), std::str::from_utf8(program)) {
            (Ok(user), Ok(program)) => text(user, program),
            _ => Err(Departure::Format),
        },
    }
}

/// A file that is known: everything stays but its tokens, and those are the same account's.
fn known_json<'a>(
    user: &'a Value,
    program: &'a Value,
    at: &mut Vec<&'a str>,
    tokens: &[&[&str]],
) -> Result<(), Departure> {
    if tokens.contains(&at.as_slice()) {
        return any_json(user, program, false);
    }
    let (Value::Object(old), Value::Object(new)) = (user, program) else {
        return if user == program { Ok(()) } else { Err(Departure::Setting) };
    };
    for (key, value) in old {
        let now = new.get(key).ok_or(Departure::Keys)?;
        at.push(key);
        known_json(value, now, at, tokens)?;
        at.pop();
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        at.push(key);
        if !tokens.contains(&at.as_slice()) {
            return Err(Departure::Keys);
        }
        at.pop();
    }
    Ok(())
}

/// Any other: at the top the same keys, of the same types; everywhere the same account and the same places.
fn any_json(user: &Value, program: &Value, top: bool) -> Result<(), Departure> {
    match (user, program) {
        (Value::Object(old), Value::Object(new)) => {
            if top && !old.keys().eq(new.keys()) {
                return Err(Departure::Keys);
            }
            for key in old.keys().chain(new.keys()) {
                match (old.get(key), new.get(key)) {
                    (old, new) if is_identity(key) && old != new => return Err(Departure::Account),
                    (Some(old), Some(new)) => any_json(old, new, false)?,
                    // What is new can be good for another place, too.
                    (None, Some(new)) => no_place(new)?,
                    _ => {}
                }
            }
            Ok(())
        }
        (Value::Array(old), Value::Array(new)) => {
            old.iter().zip(new).try_for_each(|(old, new)| any_json(old, new, false))?;
            new.iter().skip(old.len()).try_for_each(no_place)
        }
        (Value::String(old), Value::String(new)) => value(old, new),
        _ if std::mem::discriminant(user) == std::mem::discriminant(program) => Ok(()),
        _ => Err(Departure::Format),
    }
}

fn no_place(new: &Value) -> Result<(), Departure> {
    match new {
        Value::String(text) if is_place(text) => Err(Departure::Account),
        Value::Array(all) => all.iter().try_for_each(no_place),
        Value::Object(all) => all.values().try_for_each(no_place),
        _ => Ok(()),
    }
}

/// One value: a place stays, and a JWT stays the same subject's.
fn value(old: &str, new: &str) -> Result<(), Departure> {
    if old == new {
        return Ok(());
    }
    if is_place(old) || is_place(new) {
        return Err(Departure::Account);
    }
    match (claims(old), claims(new)) {
        (None, None) => Ok(()),
        (Some(old), Some(new)) => same_claims(&old, &new),
        _ => Err(Departure::Account),
    }
}

/// Whether this says where a token is sent, or what is run: an address, a path.
fn is_place(text: &str) -> bool {
    text.contains("://") || text.starts_with(['/', '~', '!', '.'])
}

/// Whether the value of this key says whose login it is, or where it is good for.
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

/// A text: the same lines with the same names, of which values that are no place may change.
fn text(user: &str, program: &str) -> Result<(), Departure> {
    let hidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if program.contains(hidden) && !user.contains(hidden) {
        return Err(Departure::Format);
    }
    if user.lines().count() != program.lines().count() {
        return Err(Departure::Keys);
    }
    user.lines().zip(program.lines()).try_for_each(|(old, new)| line(old, new))
}

fn line(old: &str, new: &str) -> Result<(), Departure> {
    if let Some(at) = old.find(['=', ':']) {
        let (name, rest) = old.split_at(at + 1);
        let rest_now = new.strip_prefix(name).ok_or(Departure::Keys)?;
        if rest != rest_now && is_identity(name) {
            return Err(Departure::Account);
        }
        return value(unquoted(rest), unquoted(rest_now));
    }
    let (old, new): (Vec<_>, Vec<_>) =
        (old.split_whitespace().collect(), new.split_whitespace().collect());
    if old.len() != new.len() {
        return Err(Departure::Keys);
    }
    // Names and values in turn, as in `machine HOST login NAME password TOKEN`; or a token alone.
    for (at, (was, now)) in old.iter().zip(&new).enumerate() {
        let is_name = at % 2 == 0 && at + 1 < old.len();
        let is_of_identity = at % 2 == 1 && is_identity(old[at - 1]);
        if (is_name || is_of_identity) && was != now {
            return Err(Departure::Account);
        }
        value(was, now)?;
    }
    Ok(())
}

fn unquoted(value: &str) -> &str {
    value.trim().trim_matches(['"', '\''])
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
