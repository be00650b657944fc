use super::*;

fn found(text: &str) -> Vec<String> {
    secrets_in(text.as_bytes()).unwrap().into_iter().map(|secret| secret.to_string()).collect()
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
}

#[test]
fn a_file_with_too_many_is_refused_and_not_read_in_part() {
    let many = |count| {
        let lines: Vec<_> = (0..count).map(|n| format!("token{n} = abcdefgh{n}\n")).collect();
        lines.concat()
    };
    assert_eq!(found(&many(MOST)).len(), MOST);
    assert_eq!(secrets_in(many(MOST + 1).as_bytes()), Err(TooManySecrets::OfFile));
}

#[test]
fn a_secret_is_found_in_every_place_that_a_file_may_have_it() {
    let ordinary = r#""see ticket no. 12 please", "#.repeat(200);
    for (text, secret) in [
        ("https://ada:glsec-AAAA1111bbbb2222@git.example.com\n", "glsec-AAAA1111bbbb2222"),
        ("https://ada:gl%2Fsec-1111bbbb2222@git.example.com\n", "gl/sec-1111bbbb2222"),
        ("https://glpat1111bbbb2222@git.example.com\n", "glpat1111bbbb2222"),
        ("[remote]\n url = https://ada:glsec-AAAA1111@h.example/x\n", "glsec-AAAA1111"),
        ("db.example:5432:app:ada:Hunter2-pgpass-9999\n", "Hunter2-pgpass-9999"),
        ("*:*:*:ada:Hunter2:pgpass\n", "Hunter2:pgpass"),
        (r#"{"password":"/b64+Slash+Token/9f8e7d6c5b4a"}"#, "/b64+Slash+Token/9f8e7d6c5b4a"),
        (r#"{"value":"/b64Slash/9f8e7d6c5b4a"}"#, "/b64Slash/9f8e7d6c5b4a"),
        (r#"{"token":"tok-DUP1-0123456789","token":"tok-DUP2-0123456789"}"#, "tok-DUP1-0123456789"),
        (
            r#"{"auths":{"r.example":{"auth":"YWRhOkRvY2tlci1QYXNzLTEyMzQ1Ng=="}}}"#,
            "Docker-Pass-123456",
        ),
        ("proxy-header: Basic YWRhOkRvY2tlci1QYXNzLTEyMzQ1Ng==\n", "Docker-Pass-123456"),
        (&format!(r#"{{"a":[{ordinary}1],"token":"after-ordinary-1"}}"#), "after-ordinary-1"),
    ] {
        assert!(found(text).iter().any(|one| one == secret), "{secret}: {:?}", found(text));
    }
    let bytes = secrets_in(b"\xff\xfe\ntoken=abcdefgh\n").unwrap();
    assert!(bytes.iter().any(|one| one.as_str() == "abcdefgh"));
}
