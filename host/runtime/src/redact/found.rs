//! Secrets in files of which only the purpose is known: a login, a configuration with a token in it.
//!
//! A value counts as a secret by its name, or, where that says nothing, by looking like one. What is plainly something
//! else stays: a path, an address, a date, a word, an id. Otherwise an agent's own protocol would not survive.

use serde_json::Value;
use zeroize::Zeroizing;

/// The shortest value that is taken for a secret where only its look says so, in bytes.
const SHORTEST: usize = 8;

/// The shortest that is taken for one by its name.
const SHORTEST_NAMED: usize = 6;

/// The longest word that is taken for one and not for a secret.
const LONGEST_WORD: usize = 15;

/// The most values that are taken from one file.
const MOST: usize = 128;

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
pub(crate) fn secrets_in(bytes: &[u8]) -> Vec<Zeroizing<String>> {
    let mut found = Found(Vec::new());
    if let Ok(text) = str::from_utf8(bytes) {
        let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        if !text.trim().is_empty()
            && documents.all(|document| document.map(|json| found.json("", &json)).is_ok())
        {
            return found.0;
        }
        // No JSON, or only half of it: a file that is being written.
        found.lines(text);
    }
    found.0
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
    if is_place(value) {
        return false;
    }
    if SECRET_NAMES.iter().any(|secret| name.contains(secret)) {
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
    let path = ["/", "./", "../", "~/"].iter().any(|start| value.starts_with(start));
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

struct Found(Vec<Zeroizing<String>>);

impl Found {
    fn take(&mut self, value: &str) {
        let known = self.0.iter().any(|known| known.as_str() == value);
        if self.0.len() < MOST && !known {
            self.0.push(Zeroizing::new(value.to_owned()));
        }
    }

    fn value(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if !is_secret(name, value) {
            return;
        }
        self.take(value);
        if let Some(password) = password_of(value) {
            self.take(password);
        }
        // What is printed of it may be a part: a scheme's word left out, or single lines.
        if let Some((scheme, rest)) = value.split_once(' ')
            && matches!(scheme.to_lowercase().as_str(), "bearer" | "basic" | "token")
        {
            self.take(rest.trim());
        }
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
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        secrets_in(text.as_bytes()).into_iter().map(|secret| secret.to_string()).collect()
    }

    #[test]
    fn a_login_is_known_by_its_tokens_and_not_by_the_rest() {
        let claude = r#"{"claudeAiOauth": {"accessToken": "sk-ant-oat01-abc", "refreshToken": "sk-ant-ort01-def",
            "expiresAt": 1748276587173, "scopes": ["user:inference", "user:profile"],
            "subscriptionType": "max", "rateLimitTier": "default_claude_max_20x"}}"#;
        assert_eq!(found(claude), ["sk-ant-oat01-abc", "sk-ant-ort01-def"]);
        let codex = r#"{"OPENAI_API_KEY": null, "tokens": {"id_token": "eyJhbGciOi.x.y", "access_token": "abcdefgh",
            "account_id": "0a1b2c3d-1111-2222-3333-444455556666"}, "last_refresh": "2026-01-01T00:00:00.1Z"}"#;
        assert_eq!(found(codex), ["abcdefgh", "eyJhbGciOi.x.y"]);
    }

    #[test]
    fn every_usual_format_is_read() {
        for (text, secret) in [
            (r#"{"a": {"b": ["deep-SECRET-value-1"]}}"#, "deep-SECRET-value-1"),
            ("{\"token\":\"one-token\"}\n{\"token\":\"one-token\"}\n", "one-token"),
            ("{\"half\": 1, \n  \"token\": \"half-written-1\",\n", "half-written-1"),
            ("API_TOKEN=abc123def456\n", "abc123def456"),
            ("export API_TOKEN=\"abc123def456\"\n", "abc123def456"),
            ("[default]\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG\n", "wJalrXUtnFEMI/K7MDENG"),
            ("[registry]\ntoken = \"cioAbC123456\" \n", "cioAbC123456"),
            ("github.com:\n    oauth_token: gho_16C7e42F292c69\n", "gho_16C7e42F292c69"),
            ("machine h.example login me password hunter22secret\n", "hunter22secret"),
            ("machine h\n  password hunter22secret\n", "hunter22secret"),
            ("//registry.npmjs.org/:_authToken=npm_abcDEF123456\n", "npm_abcDEF123456"),
            ("opaque-Token-0123456789\n", "opaque-Token-0123456789"),
            (
                "-----BEGIN X PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END X PRIVATE KEY-----\n",
                "MIIEvQIBADANBgkqhkiG9w0B",
            ),
            ("authorization: Bearer abcdefghij\n", "abcdefghij"),
            ("pin: 123456\npassword: 123456789\n", "123456789"),
            ("url = https://me:pass1word@h.example/\n", "https://me:pass1word@h.example/"),
        ] {
            assert!(
                found(text).iter().any(|one| one == secret),
                "{secret} in {text}: {:?}",
                found(text)
            );
        }
    }

    #[test]
    fn what_is_plainly_something_else_stays() {
        for text in [
            r#"{"model": "claude-opus-4-5-20251101", "theme": "solarized-dark-2", "sessionId": "0a1b2c3d-1111-2222"}"#,
            "[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n",
            "path = /usr/local/bin/tool-2\nhome: ~/x/y/z12345\n",
            "endpoint = https://api.example.com/v1\n",
            "updated: 2026-01-01T10:11:12.123Z\nport = 12345678\n",
            "# token = not-a-token-1\n",
            "auth = true\ntokens: disabled\n",
            "",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(secrets_in(b"\xff\xfe\x00token=abcdefgh"), Vec::new());
    }

    #[test]
    fn a_file_gives_only_so_many() {
        let many: Vec<_> = (0..1000).map(|n| format!("token{n} = abcdefgh{n}")).collect();
        assert_eq!(found(&many.join("\n")).len(), MOST);
    }
}
