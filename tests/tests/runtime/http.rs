//! The way out: only where it is granted, with secrets that the component never sees.

use crate::{
    harness::{Setup, Tested},
    server::Server,
};
use cyrus_executor::ErrorKind;
use cyrus_plugin::{ExecutorConfig, HostMaximum, Policy};
use std::sync::Arc;

const TOKEN: &str = "tok-0123456789";

async fn granted(server: &Server) -> Tested {
    Setup::new().grants(&server.grant()).build().await
}

/// An executor whose requests to the server get the token.
async fn with_secret(server: &Server) -> Tested {
    let url = server.url("");
    let grants = format!(
        r#"{{"http": ["{url}", "http://127.0.0.1:1"],
             "secrets": {{"key": {{"value": "{TOKEN}", "audience": ["{url}"]}}}}}}"#
    );
    Setup::new().grants(&grants).build().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reaches_what_is_granted() {
    let server = Server::start().await;
    let tested = granted(&server).await;
    let told = tested.summary(&format!("get {} x-own value", server.url("/echo"))).await;
    assert!(told.starts_with("200\n") && told.contains("x-own: value"), "{told}");
    let host = format!("host: 127.0.0.1:{}", server.port);
    assert!(told.contains(&host), "{told}");
    let posted = tested.summary(&format!("post {} 100000", server.url("/length"))).await;
    assert!(posted.ends_with("\n\n100000"), "{posted}");
    assert!(server.seen()[1].contains("content-length: 100000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_denied_with_the_line_that_would_allow_it() {
    let server = Server::start().await;
    let denied = async |tested: &Tested, url: &str, line: &str| {
        let error = tested.failure(&format!("get {url}")).await;
        assert_eq!(error.kind, ErrorKind::Denied, "{url}: {error}");
        assert!(error.message.contains(line), "{url}: {}", error.message);
    };
    let nothing = Setup::new().build().await;
    let url = server.url("/echo");
    let line = format!("executors.tested.grants.http: add \"{}\"", server.url(""));
    denied(&nothing, &url, &line).await;

    let tested = granted(&server).await;
    let other = format!("http://localhost:{}/echo", server.port);
    denied(&tested, &other, "grants.http: add \"http://localhost").await;
    denied(&tested, "https://example.com/", "grants.http: add \"https://example.com\"").await;
    denied(&tested, &format!("https://127.0.0.1:{}/", server.port), "add \"https://127.0.0.1")
        .await;
    assert!(server.seen().is_empty());
}

/// A name that is granted and leads here is not reached: the address is not granted.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_a_private_address_is_denied() {
    let server = Server::start().await;
    let grants = format!(r#"{{"http": ["http://localhost:{}"]}}"#, server.port);
    let tested = Setup::new().grants(&grants).build().await;
    let error = tested.failure(&format!("get http://localhost:{}/echo", server.port)).await;
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("private address"), "{error}");
    assert!(server.seen().is_empty());
}

/// However an address is spelled, it is the same address.
#[tokio::test(flavor = "multi_thread")]
async fn spelling_an_address_differently_opens_nothing() {
    let server = Server::start().await;
    let tested = Setup::new().grants(r#"{"http": ["http://10.255.255.1"]}"#).build().await;
    let port = server.port;
    for host in
        ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"]
    {
        let error = tested.failure(&format!("get http://{host}:{port}/echo")).await;
        assert_eq!(error.kind, ErrorKind::Denied, "{host}: {error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed() {
    let server = Server::start().await;
    let told = granted(&server).await.summary(&format!("get {}", server.url("/redirect"))).await;
    assert!(told.starts_with("302\n") && told.contains("location: /echo"), "{told}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_its_audience_and_never_the_component() {
    let server = Server::start().await;
    let tested = with_secret(&server).await;
    let told = tested.summary(&format!("get {}", server.url("/echo"))).await;
    assert!(server.seen()[0].contains(&format!("authorization: bearer {TOKEN}")), "it was sent");
    assert!(!told.contains(TOKEN), "{told}");
    assert_eq!(told.matches("[secret]").count(), 2, "in a header and in the body: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_nobody_else() {
    let (server, other) = (Server::start().await, Server::start().await);
    let grants = format!(
        r#"{{"http": ["{}", "{}"],
             "secrets": {{"key": {{"value": "{TOKEN}", "audience": ["{}"]}}}}}}"#,
        server.url(""),
        other.url(""),
        server.url("")
    );
    let tested = Setup::new().grants(&grants).build().await;
    tested.summary(&format!("get {}", other.url("/echo"))).await;
    assert!(!other.seen()[0].contains("authorization"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_brings_no_credentials_of_its_own() {
    let server = Server::start().await;
    let tested = with_secret(&server).await;
    for header in ["authorization", "Authorization", "cookie", "x-api-key"] {
        let error = tested.failure(&format!("get {} {header} own", server.url("/echo"))).await;
        assert_eq!(error.kind, ErrorKind::Denied, "{header}");
        assert!(error.message.contains(&header.to_lowercase()), "{error}");
    }
    for header in ["host", "transfer-encoding", "connection"] {
        let error = tested.failure(&format!("get {} {header} own", server.url("/echo"))).await;
        assert!(error.message.contains("Forbidden"), "{header}: {error}");
    }
    // Not to a host that gets no secret either.
    let own = format!("get {} authorization own", server.url("/echo"));
    assert_eq!(granted(&server).await.failure(&own).await.kind, ErrorKind::Denied);
    assert!(server.seen().is_empty());
}

/// However a service sends the secret back.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_comes_back_in_no_form() {
    let server = Server::start().await;
    let tested = with_secret(&server).await;
    for (how, shows) in [
        ("latin", "[secret]"),
        ("chunks", "authorization: bearer [secret]"),
        ("trailer", "authorization: bearer [secret]"),
        ("percent", "[secret]"),
        ("name", "200\n"),
    ] {
        let url = server.url(&format!("/hidden/{how}"));
        let told = tested.summary(&format!("get {url} range bytes=0-3")).await;
        assert!(told.contains(shows) && !told.contains(TOKEN), "{how}: {told}");
        assert!(!server.seen().last().unwrap().contains("range"), "a part hides the rest");
    }
    for how in ["twice", "list", "transfer"] {
        let url = server.url(&format!("/hidden/{how}"));
        let error = tested.failure(&format!("get {url}")).await;
        assert!(error.message.contains("HttpResponseContentCoding"), "{how}: {error}");
    }
}

/// An answer that cannot be searched for the secret is not passed on.
#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_answer_is_refused_where_a_secret_was_sent() {
    let server = Server::start().await;
    let packed = format!("get {} accept-encoding gzip", server.url("/packed"));
    let error = with_secret(&server).await.failure(&packed).await;
    assert!(error.message.contains("HttpResponseContentCoding"), "{error}");
    assert!(server.seen()[0].contains("accept-encoding: identity"));
    let told = granted(&server).await.summary(&packed).await;
    assert!(told.contains("not really"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_anything_that_comes_out_is_taken_out() {
    let server = Server::start().await;
    let tested = with_secret(&server).await;
    let error = tested.failure(&format!("fail failed it is {TOKEN}")).await;
    assert_eq!(error.message, "it is [secret]");
    assert_eq!(tested.summary(&format!("echo it is {TOKEN}")).await, "it is [secret]");
    tested.summary(&format!("log 1 it is {TOKEN}")).await;
    assert_eq!(tested.logged()[0].message, "line 0 it is [secret]");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_are_limited() {
    let server = Server::start().await;
    let limits = r#"{"requestKib": 1, "responseKib": 1, "concurrentRequests": 2}"#;
    let tested = Setup::new().grants(&server.grant()).limits(limits).build().await;
    let error = tested.failure(&format!("post {} 1025", server.url("/length"))).await;
    assert!(error.message.contains("HttpRequestBodySize"), "{error}");
    let error = tested.failure(&format!("get {}", server.url("/large/2"))).await;
    assert!(error.message.contains("HttpResponseBodySize"), "{error}");
    let error = tested.failure(&format!("get {}", server.url("/many-headers"))).await;
    assert!(error.message.contains("HttpResponseHeaderSectionSize"), "{error}");
    let many = tested.summary(&format!("get-many {} 5", server.url("/echo"))).await;
    assert!(many.starts_with("2 answered") && many.contains("ConnectionLimitReached"), "{many}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_names() {
    let server = Server::start().await;
    let tested = with_secret(&server).await;
    let error = tested.failure(&format!("get {}", server.url("/cut"))).await;
    assert!(error.message.contains("after 5 bytes"), "{error}");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let error = tested.failure("get http://127.0.0.1:1/").await;
    assert!(error.message.contains("ConnectionRefused"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_a_grant_away_holds_at_once() {
    let server = Server::start().await;
    let tested = granted(&server).await;
    let prompt = format!("get {}", server.url("/echo"));
    tested.summary(&prompt).await;
    let manifest = Arc::clone(tested.plugin.manifest());
    let nothing = ExecutorConfig::new("tested", "probe");
    tested.executor.policy().replace(Policy::new(manifest, &nothing, HostMaximum::default()));
    assert_eq!(tested.failure(&prompt).await.kind, ErrorKind::Denied);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_maximum_stands_over_the_grant() {
    let server = Server::start().await;
    let maximum = HostMaximum { http: Some(Vec::new()), ..HostMaximum::default() };
    let tested = Setup::new().grants(&server.grant()).maximum(maximum).build().await;
    let error = tested.failure(&format!("get {}", server.url("/echo"))).await;
    assert!(error.message.contains("maximum.http in config.json"), "{error}");
}
