//! Secrets in files of which only the purpose is known: a login, a configuration with a token in it.
//!
//! A value counts as a secret by its name, or, where that says nothing, by looking like one. What is plainly something
//! else stays: a path, an address, a date, a word, an id. Otherwise an agent's own protocol would not survive.

use super::form;
use serde_json::Value;
use zeroize::Zeroizing;

/// The shortest value that is taken for a secret where only its look says so, in bytes.
const SHORTEST: usize = 8;

/// The shortest that is taken for one by its name.
const SHORTEST_NAMED: usize = 6;

/// The longest word that is taken for one and not for a secret.
const LONGEST_WORD: usize = 15;

/// How absolute paths begin. What begins with a slash otherwise may be a token in base64.
const ROOTS: [&str; 22] = [
    "Applications",
    "Library",
    "Users",
    "Volumes",
    "bin",
    "data",
    "dev",
    "etc",
    "home",
    "lib",
    "media",
    "mnt",
    "nix",
    "opt",
    "private",
    "proc",
    "root",
    "run",
    "srv",
    "tmp",
    "usr",
    "var",
];

/// There is more that may be secret than is looked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooManySecrets {
    /// In one file.
    #[error(
        "it holds more than {MOST} values that may be secrets, or more than {} KiB of them: the most that are kept from a plugin", MOST_BYTES / 1024
    )]
    OfFile,
    /// In one execution.
    #[error("more than {most} values that may be secrets were there one after the other: the most that are kept from a plugin", most = super::MOST)]
    OfExecution,
}

/// The most values that are taken from one file.
const MOST: usize = 1024;

/// The most of them together, in bytes. What is looked for is sorted again when one comes.
const MOST_BYTES: usize = 64 << 10;

/// Parts of names of what is secret.
const SECRET_NAMES: [&str; 13] = [
    "token",
    "secret",
    "passw",
    "passphrase",
    "pwd",
    "key",
    "credential",
    "auth",
    "bearer",
    "cookie",
    "private",
    "signature",
    "jwt",
];

/// How names end of what is not, where they do not say that it is.
const ORDINARY_NAMES: [&str; 32] = [
    "id",
    "uuid",
    "name",
    "user",
    "login",
    "email",
    "account",
    "organization",
    "model",
    "type",
    "kind",
    "version",
    "scope",
    "scopes",
    "plan",
    "tier",
    "url",
    "uri",
    "host",
    "hostname",
    "endpoint",
    "region",
    "path",
    "file",
    "dir",
    "directory",
    "theme",
    "language",
    "locale",
    "title",
    "description",
    "machine",
];

/// How tokens of well-known services begin.
const MARKS: [&str; 16] = [
    "sk-",
    "pk_",
    "sk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
];

/// The secrets in a file's bytes: of JSON, of lines like `name = value` or `name: value`, of a netrc, of a key file, or
/// the whole of it.
pub(crate) fn secrets_in(bytes: &[u8]) -> Result<Vec<Zeroizing<String>>, TooManySecrets> {
    let mut found = Found::default();
    let text = String::from_utf8_lossy(bytes);
    let mut documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let is_json = !text.trim().is_empty()
        && documents.all(|document| document.map(|json| found.json("", &json)).is_ok());
    if is_json {
        // Of a key that is there twice the parser gives the last.
        found.strings(&text);
    } else {
        // No JSON, or only half of it: a file that is being written.
        found.lines(&text);
    }
    let bytes: usize = found.all.iter().map(|value| value.len()).sum();
    let is_too_much = found.all.len() > MOST || bytes > MOST_BYTES;
    if is_too_much { Err(TooManySecrets::OfFile) } else { Ok(found.all) }
}

/// The parts of a value that are secret by their place in it: user and password of an address and the values of its
/// parameters, and what stands behind a scheme's word.
pub(crate) fn secret_parts(value: &str) -> Vec<Zeroizing<String>> {
    let mut found = Found::default();
    found.parts(value);
    found.all
}

/// Whether a value of this name is a secret.
pub(crate) fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_lowercase();
    let value = value.trim();
    if MARKS.iter().any(|mark| value.starts_with(mark)) {
        return value.len() >= SHORTEST;
    }
    if password_of(value).is_some() {
        return true;
    }
    let is_named = SECRET_NAMES.iter().any(|secret| name.contains(secret));
    if is_place(value) && !(is_named && !is_ordinary(&name) && value.starts_with('/')) {
        return false;
    }
    if is_named {
        return value.len() >= SHORTEST_NAMED && !is_switch(value);
    }
    value.len() >= SHORTEST && !is_ordinary(&name) && !is_number_or_date(value) && !is_word(value)
}

fn is_ordinary(name: &str) -> bool {
    let last = name.rsplit(['_', '-', '.', ' ']).next().unwrap_or(name);
    ORDINARY_NAMES.contains(&last)
        || ["id", "type", "url", "name", "email", "path", "tier", "model"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// A path, or an address without a user, a password or parameters.
fn is_place(value: &str) -> bool {
    let root = value.strip_prefix('/').and_then(|rest| rest.split('/').next());
    let is_absolute = root.is_some_and(|root| root.is_empty() || ROOTS.contains(&root));
    let path = is_absolute || ["./", "../", "~/"].iter().any(|start| value.starts_with(start));
    let address = value.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(' '));
    (path && !value.contains(' ')) || (address && !value.contains(['@', '?', '#']))
}

/// The password in an address.
fn password_of(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let password = user.split_once(':').map_or(user, |(_, password)| password);
    (password.len() >= SHORTEST_NAMED).then_some(password)
}

fn is_switch(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "true" | "false" | "enabled" | "disabled" | "default")
}

fn is_number_or_date(value: &str) -> bool {
    value.len() <= 40 && value.chars().all(|c| c.is_ascii_digit() || "-+:.,TZ ".contains(c))
}

fn is_word(value: &str) -> bool {
    let of_words =
        |c: char| c.is_alphabetic() || matches!(c, ' ' | '-' | '_' | '.' | ':' | ',' | '/');
    let email =
        value.contains('@') && value.contains('.') && !value.contains(' ') && value.len() <= 64;
    (value.chars().count() <= LONGEST_WORD && value.chars().all(of_words)) || email
}

#[derive(Default)]
struct Found {
    /// At most one more than [`MOST`].
    all: Vec<Zeroizing<String>>,
}

impl Found {
    fn take(&mut self, value: &str) {
        let known = self.all.iter().any(|known| known.as_str() == value);
        if self.all.len() <= MOST && !known {
            self.all.push(Zeroizing::new(value.to_owned()));
        }
    }

    fn take_long(&mut self, value: &str) {
        if value.len() >= SHORTEST_NAMED {
            self.take(value);
        }
    }

    fn parts(&mut self, value: &str) {
        for word in
            value.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ','))
        {
            let Some((_, rest)) = word.split_once("://") else { continue };
            let (authority, parameters) =
                rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            if let Some((user, _)) = authority.rsplit_once('@') {
                for part in user.splitn(2, ':').chain([user]) {
                    self.take_long(part);
                    self.take_long(&percent_decoded(part));
                }
            }
            for parameter in parameters.split(['?', '#', '&']).skip(1) {
                let value = parameter.split_once('=').map_or(parameter, |(_, value)| value);
                self.take_long(value);
                self.take_long(&percent_decoded(value));
            }
        }
        let words: Vec<_> = value.split_whitespace().collect();
        for pair in words.windows(2) {
            let scheme = pair[0].to_lowercase();
            let scheme = scheme.trim_start_matches(|c: char| !c.is_alphabetic());
            if matches!(scheme, "bearer" | "basic" | "token" | "apikey" | "key" | "digest") {
                self.take_long(unquoted(pair[1]));
                self.decoded(unquoted(pair[1]));
            }
        }
    }

    /// What a value holds in base64, as text: a user and a password.
    fn decoded(&mut self, value: &str) {
        let Some(text) = from_base64(value) else { return };
        if let Some((_, password)) = text.split_once(':') {
            self.take_long(password);
        }
        self.take_long(&text);
    }

    /// Every text between quotes, with the name before it.
    fn strings(&mut self, text: &str) {
        let (mut name, mut rest) = (String::new(), text);
        while let Some(begin) = rest.find('"') {
            let Some(end) = end_of_string(&rest[begin + 1..]) else { return };
            let (quoted, next) = rest[begin..].split_at(end + 2);
            let string: String = serde_json::from_str(quoted).unwrap_or_default();
            rest = next;
            if rest.trim_start().starts_with(':') {
                name = string;
            } else {
                self.value(&name, &string);
            }
        }
    }

    fn value(&mut self, name: &str, value: &str) {
        let value = value.trim();
        // What is printed of it may be a part: a scheme's word left out, or the password of an address.
        self.parts(value);
        if !is_secret(name, value) {
            return;
        }
        self.take(value);
        self.decoded(value);
        if value.contains('\n') {
            value
                .lines()
                .map(str::trim)
                .filter(|line| is_secret("", line))
                .for_each(|line| self.take(line));
        }
    }

    fn json(&mut self, name: &str, json: &Value) {
        match json {
            Value::String(text) => self.value(name, text),
            Value::Array(items) => items.iter().for_each(|item| self.json(name, item)),
            Value::Object(map) => map.iter().for_each(|(key, value)| self.json(key, value)),
            Value::Number(number) => self.value(name, &number.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn lines(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            if line.is_empty()
                || line.starts_with('#')
                || line.starts_with(';')
                || line.starts_with("// ")
            {
                continue;
            }
            self.netrc(line);
            self.parts(line);
            self.pgpass(line);
            // Either may be part of the name or of the value.
            let parts = ['=', ':'].map(|separator| line.split_once(separator));
            let parts = parts.into_iter().flatten().filter(|(name, _)| is_name(name));
            let mut alone = true;
            for (name, value) in parts {
                alone = false;
                let name = name.trim().trim_start_matches("export ");
                self.value(name.trim_matches(['"', '\'', '-', ' ']), unquoted(value));
            }
            // A token alone, or a line of a key.
            if alone && !line.contains(' ') {
                self.value("", unquoted(line));
            }
        }
    }

    /// `host:port:database:user:password`.
    fn pgpass(&mut self, line: &str) {
        let fields: Vec<_> = line.splitn(5, ':').collect();
        if let [_, port, _, _, password] = fields.as_slice()
            && (*port == "*" || port.chars().all(|c| c.is_ascii_digit()))
        {
            self.take_long(password);
            self.take_long(&password.replace(r"\:", ":").replace(r"\\", r"\"));
        }
    }

    /// `machine HOST login NAME password SECRET`, on one line or several.
    fn netrc(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            if matches!(pair[0], "password" | "account") {
                self.value("password", unquoted(pair[1]));
            }
        }
    }
}

/// Where the text ends that begins behind a quote.
fn end_of_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, next @ ..] = rest {
        let digits =
            next.get(..2).filter(|_| *first == b'%').and_then(|two| str::from_utf8(two).ok());
        let number = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(number.unwrap_or(*first));
        rest = if number.is_some() { &next[2..] } else { next };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text that this is in base64, where it is one.
fn from_base64(value: &str) -> Option<String> {
    let digits = value.trim_end_matches('=');
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for byte in digits.bytes() {
        let value = form::usual(6, 0).value(byte).filter(|_| byte != b',')?;
        (bits, held) = (bits << 6 | u32::from(value), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
        bits &= (1 << held) - 1;
    }
    let text = String::from_utf8(bytes).ok()?;
    (text.len() >= SHORTEST_NAMED && !text.contains(char::is_control)).then_some(text)
}

fn is_name(text: &str) -> bool {
    let text = text.trim().trim_start_matches("export ");
    !text.is_empty()
        && text.len() <= 128
        && !text.trim_matches(['"', '\'']).contains(['"', '\'', '{', '}', '<', '>'])
}

fn unquoted(text: &str) -> &str {
    let text = text.trim().trim_end_matches([',', ';']);
    let quoted =
        ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    quoted.unwrap_or(text)
}

#[cfg(test)]
mod tests;
