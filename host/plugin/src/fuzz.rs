//! Fuzz targets: manifests, host patterns, grants and arguments.

use crate::{Destination, Grants, HostPattern, Manifest, ProcessGrant};
use cyrus_fuzz::{fuzz, fuzz_text};

const MANIFEST: &[u8] = br#"
name = "probe"
version = "1.2.3"
contract = "0.1"
component = "probe.wasm"
placement = "local"
description = "Does what its task says."

[requests]
http = ["*", "https://*.example.com", "http://10.0.0.1:8080"]
workspace = "read-write"
ask = true

[requests.process.git]
program = "git"
args = { positionals = [["log"]], flags = { "--oneline" = "none", "--max-count" = { value = "any", repeat = true } } }

[[requests.secrets]]
handle = "key"
audience = ["https://api.example.com"]
inject = { header = "authorization", prefix = "Bearer " }
optional = true
"#;

#[test]
fn a_manifest_is_refused_or_keeps_its_rules() {
    fuzz(&[MANIFEST], |bytes| {
        let Ok(manifest) = Manifest::parse(bytes) else { return };
        let component = &manifest.component;
        assert!(!component.is_empty() && !component.contains(['/', '\\', '\0']), "{component:?}");
        assert!(!component.starts_with('.'), "{component:?}");
        let secrets = &manifest.requests.secrets;
        assert!(secrets.iter().all(|secret| !secret.audience.is_empty()));
        for (i, secret) in secrets.iter().enumerate() {
            assert!(secrets[..i].iter().all(|earlier| earlier.handle != secret.handle));
        }
    });
}

#[test]
fn a_host_pattern_means_what_it_says() {
    let examples = [
        "https://api.example.com",
        "*.example.com",
        "http://10.0.0.1:8080",
        "[::1]:443",
        "https://[::ffff:127.0.0.1]",
        "localhost",
        "2130706433",
        "0x7f.1",
        "xn--bcher-kva.example",
        "b\u{fc}cher.example",
        "a.b.:65535",
    ];
    fuzz_text(&examples, |text| {
        let Ok(pattern) = text.parse::<HostPattern>() else { return };
        let written = pattern.to_string();
        let again: HostPattern = written.parse().unwrap_or_else(|e| panic!("{written}: {e}"));
        assert_eq!(again, pattern, "what is written is what is meant");
        assert!(
            pattern.covers(&pattern) && !written.contains(['@', '?', '#', '\\', ' ']),
            "{written}"
        );
        // It is reached by its own name, and by no other host.
        let Ok(url) = url::Url::parse(&written.replace("*.", "below.")) else { return };
        let to = Destination::of(&url).expect("no user information");
        assert!(pattern.matches(&to), "{written} does not mean {to}");
        for other in ["https://elsewhere.invalid", "http://169.254.169.254", "https://127.0.0.1"] {
            let other = Destination::of(&url::Url::parse(other).unwrap()).unwrap();
            let spelled = pattern.address().is_some() || written.contains("elsewhere.invalid");
            assert!(spelled || !pattern.matches(&other), "{written} means {other}");
        }
    });
}

#[test]
fn grants_are_refused_or_read_back_as_they_are() {
    let examples = [
        r#"{"http": ["https://*.example.com"], "workspace": "read-write", "ask": true, "digest": null}"#,
        r#"{"secrets": {"key": {"env": "K", "audience": ["https://a.example"]}, "b": "x", "c": {"command": ["a", "b"]}}}"#,
        r#"{"process": {"sh": {"program": "sh", "args": {"flags": {"-c": "any"}}, "env": {"A": {"file": "/x"}}, "homeFiles": [".x"]}}}"#,
    ];
    fuzz_text(&examples, |text| {
        let Ok(grants) = serde_json::from_str::<Grants>(text) else { return };
        let written = serde_json::to_string(&grants).unwrap();
        let again: Grants =
            serde_json::from_str(&written).unwrap_or_else(|e| panic!("{written}: {e}"));
        assert_eq!(serde_json::to_string(&again).unwrap(), written);
    });
}

/// Whatever stands in an argument, it is passed as what was granted or not at all.
#[test]
fn arguments_pass_only_as_they_are_granted() {
    let granted: ProcessGrant = serde_json::from_str(
        r#"{"program": "x", "args": {"flags": {"--a": "none", "--b": ["yes"]}, "positionals": [["log"]]}}"#,
    )
    .unwrap();
    fuzz_text(&["log\0--a\0--b=yes", "--b\0yes\0log", "--\0log", "-a\0-b"], |text| {
        let args: Vec<String> = text.split('\0').map(str::to_owned).collect();
        if granted.args.read(&args).is_ok() {
            let known = ["--a", "--b", "--b=yes", "yes", "log"];
            assert!(args.iter().all(|arg| known.contains(&arg.as_str())), "{args:?}");
            assert!(args.iter().filter(|arg| *arg == "log").count() <= 1, "{args:?}");
        }
    });
}
