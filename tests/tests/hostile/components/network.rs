//! Attacks on the way out.

use super::{
    attack::{case, hex, setup, still_works},
    echo,
    server::Server,
};
use crate::case::Case;
use cyrus_executor::ErrorKind;

const GROUP: &str = "network";
const TOKEN: &str = "tok-0123456789-of-the-operator";

/// Other spellings of where the server is, and addresses that are nobody's to name. `PORT` is the server's.
const SPELLINGS: &[(&str, &str)] = &[
    ("loopback_by_name", "http://localhost:PORT/"),
    ("loopback_by_name_with_a_dot", "http://localhost.:PORT/"),
    ("loopback_in_capitals", "http://LOCALHOST:PORT/"),
    ("loopback", "http://127.0.0.1:PORT/"),
    ("loopback_with_a_dot", "http://127.0.0.1.:PORT/"),
    ("another_loopback", "http://127.0.0.2:PORT/"),
    ("a_whole_number", "http://2130706433:PORT/"),
    ("hexadecimal", "http://0x7f000001:PORT/"),
    ("hexadecimal_parts", "http://0x7f.1:PORT/"),
    ("octal", "http://0177.0.0.1:PORT/"),
    ("octal_with_zeroes", "http://00000177.0.0.1:PORT/"),
    ("two_parts", "http://127.1:PORT/"),
    ("no_address", "http://0.0.0.0:PORT/"),
    ("zero", "http://0:PORT/"),
    ("six", "http://[::1]:PORT/"),
    ("six_unspecified", "http://[::]:PORT/"),
    ("four_in_six", "http://[::ffff:127.0.0.1]:PORT/"),
    ("four_in_six_in_hexadecimal", "http://[::ffff:7f00:1]:PORT/"),
    ("four_compatible", "http://[::127.0.0.1]:PORT/"),
    ("nat64", "http://[64:ff9b::7f00:1]:PORT/"),
    ("six_to_four", "http://[2002:7f00:1::]:PORT/"),
    ("teredo", "http://[2001:0:7f00:1::]:PORT/"),
    ("with_a_zone", "http://[fe80::1%25lo]:PORT/"),
    ("fullwidth_digits", "http://１２７.０.０.１:PORT/"),
    ("a_percent_sign", "http://127.0.0.%31:PORT/"),
    ("an_ideographic_dot", "http://127。0。0。1:PORT/"),
    ("a_user", "http://user@127.0.0.1:PORT/"),
    ("a_granted_user", "http://10.255.255.1@127.0.0.1:PORT/"),
    ("a_granted_user_with_a_port", "http://10.255.255.1:80@127.0.0.1:PORT/"),
    ("a_backslash", "http://127.0.0.1:PORT\\@10.255.255.1/"),
    ("a_fragment", "http://127.0.0.1:PORT#@10.255.255.1/"),
    ("a_query", "http://127.0.0.1:PORT?@10.255.255.1/"),
    ("metadata", "http://169.254.169.254/latest/meta-data/"),
    ("metadata_by_name", "http://metadata.google.internal/"),
    ("metadata_in_six", "http://[fd00:ec2::254]/"),
    ("a_private_address", "http://10.0.0.1/"),
    ("another_private_address", "http://192.168.0.1/"),
    ("a_third_private_address", "http://172.16.0.1/"),
    ("carrier_grade", "http://100.64.0.1/"),
    ("broadcast", "http://255.255.255.255/"),
    ("multicast", "http://224.0.0.1/"),
    ("no_port", "http://10.255.255.1:0/"),
    ("another_port", "http://10.255.255.1:22/"),
    ("a_port_that_is_none", "http://10.255.255.1:99999/"),
    ("another_scheme", "https://10.255.255.1/"),
    ("a_file", "file:///etc/passwd"),
    ("gopher", "gopher://127.0.0.1:PORT/"),
    ("a_socket", "unix:///var/run/docker.sock"),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, url) in SPELLINGS {
        cases.push(case(GROUP, format!("spelled_{name}"), "the grant", move || spelled(url)));
    }
    for header in [
        "authorization",
        "Authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "X-API-Key",
    ] {
        let name = format!("credentials_in_{}", header.replace('-', "_"));
        let name =
            if header.starts_with(char::is_uppercase) { name + "_in_capitals" } else { name };
        cases.push(case(GROUP, name, "the guest's own credentials are refused", move || {
            refused(format!("get URL/echo {header} mine"), vec!["denied", "Forbidden"])
        }));
    }
    for header in [
        "host",
        "connection",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "te",
        "http2-settings",
        "proxy-connection",
    ] {
        let name = format!("header_{}", header.replace('-', "_"));
        cases.push(case(GROUP, name, "forbidden headers", move || not_sent(header)));
    }
    let limited = [
        ("a_thousand_requests_at_once", "get-many URL/hang 1000", "ConnectionLimitReached"),
        ("a_body_over_the_limit", "upload URL/length 1025", "HttpRequestBodySize"),
        ("a_body_without_end", "upload-endless URL/length", "HttpRequestBodySize"),
        ("an_answer_over_the_limit", "get URL/large/9000", "HttpResponseBodySize"),
        ("headers_over_the_limit", "get URL/many-headers", "HttpResponseHeaderSectionSize"),
        ("headers_of_its_own_over_the_limit", "headers 100000 100", "SizeExceeded"),
        ("a_header_over_the_limit", "headers 1 100000", "SizeExceeded"),
        ("a_line_break_in_a_header", "header x-a a<CRLF>x-b:b", "InvalidSyntax"),
        ("a_nul_in_a_header", "header x-a a<NUL>b", "InvalidSyntax"),
        ("a_line_break_in_a_path", "get URL/<CRLF>x:y", "no URL"),
        ("a_tunnel", "connect URL/", "denied"),
        ("a_trace", "method TRACE URL/echo", "denied"),
        ("a_method_of_another_protocol", "method PROPFIND URL/echo", "denied"),
        ("a_method_in_small_letters", "method get URL/echo", "denied"),
        ("the_preface_of_http_2", "method PRI URL/echo", "denied"),
        ("an_address_as_a_path", "path URL http://10.0.0.1/", "no URL"),
        ("a_host_and_port_as_a_path", "path URL 10.0.0.1:443", "no URL"),
        ("a_host_behind_a_user_as_a_path", "path URL @10.0.0.1/", "no URL"),
        ("a_star_as_a_path", "path URL *", "no URL"),
        ("an_answer_that_switches_protocols", "get URL/switch", "HttpUpgradeFailed"),
    ];
    for (name, prompt, by) in limited {
        cases.push(case(GROUP, name, by, move || refused(prompt.to_owned(), vec![by])));
    }
    cases.push(case(GROUP, "a_redirect", "redirects are not followed", redirect));
    for (name, answer) in echo::ANSWERS {
        let name = format!("its_secret_back_{name}");
        cases.push(case(GROUP, name, "redaction", move || secret_back(*answer)));
    }
    cases.push(case(GROUP, "another_audience", "the secret's audience", other_audience));
    cases.push(case(GROUP, "sockets_of_its_own", "nothing ambient", sockets));
    cases
}

/// A server that is granted, and never has what the attack is after.
async fn spelled(url: &'static str) {
    let server = Server::start().await;
    let grants = r#"{"http": ["http://10.255.255.1", "https://*.example.invalid"]}"#;
    let tested = setup().grants(grants).build().await;
    let url = url.replace("PORT", &server.port.to_string());
    let error = tested.failure(&format!("get {url}")).await;
    // What is no address at all does not come to policy.
    let no_address = ["is no URL", "HttpRequestUriInvalid", "HttpProtocolError"];
    let denied = error.kind == ErrorKind::Denied
        || no_address.iter().any(|problem| error.message.contains(problem));
    assert!(denied, "{url}: {error}");
    assert_eq!(server.seen(), Vec::<String>::new(), "{url} reaches the server");
    still_works(&tested).await;
}

/// An attack on a server that is granted.
async fn refused(prompt: String, by: Vec<&'static str>) {
    let server = Server::start().await;
    let tested = setup().grants(&server.grant()).build().await;
    let prompt = prompt.replace("URL", &server.url(""));
    let many = prompt.starts_with("get-many");
    let told = if many {
        // The server never answers: what is not refused is dropped with the execution.
        let mut request = super::harness::request(&prompt);
        request.limits.deadline = Some(std::time::Duration::from_secs(2));
        tested.outcome(request).await.unwrap_err().to_string()
    } else {
        match tested.run(&prompt).await {
            Ok(result) => panic!("{}", result.summary),
            Err(error) => error.to_string(),
        }
    };
    if many {
        assert!(server.seen().len() <= 8, "{} requests at once", server.seen().len());
    } else {
        assert!(by.iter().any(|by| told.contains(by)), "{told}");
        assert!(server.seen().iter().all(|head| !head.contains("mine")), "it is sent: {told}");
    }
    still_works(&tested).await;
}

/// A header that is the host's to send is refused, or left out.
async fn not_sent(header: &'static str) {
    let server = Server::start().await;
    let tested = setup().grants(&server.grant()).build().await;
    let sent = tested.run(&format!("get {} {header} mine", server.url("/echo"))).await;
    assert!(server.seen().iter().all(|head| !head.contains("mine")), "it is sent: {sent:?}");
    still_works(&tested).await;
}

async fn redirect() {
    let server = Server::start().await;
    let tested = setup().grants(&server.grant()).build().await;
    let told = tested.summary(&format!("get {}", server.url("/redirect"))).await;
    assert!(told.starts_with("302\n"), "{told}");
    assert_eq!(server.seen().len(), 1, "it is followed");
}

fn with_secret(url: &str) -> String {
    format!(
        r#"{{"http": ["{url}", "http://127.0.0.1:1"],
             "secrets": {{"key": {{"value": "{TOKEN}", "audience": ["{url}"]}}}}}}"#
    )
}

/// What the component holds is told in hexadecimal: nothing recognises the secret in it on its way out.
async fn secret_back(answer: echo::Answer) {
    let server = echo::Echo::start(answer).await;
    let tested = setup().grants(&with_secret(&server.url(""))).build().await;
    let told = match tested.run(&format!("get {}", server.url("/"))).await {
        Ok(result) => result.summary,
        Err(error) => error.message,
    };
    assert!(server.saw(TOKEN), "the secret is sent");
    for form in echo::forms(TOKEN) {
        assert!(!told.contains(&hex(&form)), "the component holds {form}: {told}");
    }
}

async fn other_audience() {
    let (server, other) = (Server::start().await, Server::start().await);
    let mut grants: serde_json::Value =
        serde_json::from_str(&with_secret(&server.url(""))).unwrap();
    grants["http"] = serde_json::json!([server.url(""), other.url("")]);
    let tested = setup().grants(&grants.to_string()).build().await;
    tested.summary(&format!("get {}", other.url("/echo"))).await;
    assert!(!other.seen()[0].contains(TOKEN), "it is sent to another");
}

async fn sockets() {
    let grants = r#"{"workspace": "read-write", "ask": true}"#;
    let tested = setup().grants(grants).build().await;
    let told = tested.summary("surroundings").await;
    assert!(told.contains("variables=0"), "{told}");
    for what in ["tcp", "listen", "udp", "names"] {
        assert!(told.contains(&format!("{what}=Err(")), "{what}: {told}");
    }
}
