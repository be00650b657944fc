//! A fuzz target: the head of a request to the proxy.

use crate::request::{Request, parse};
use cyrus_fuzz::fuzz;

#[test]
fn a_head_is_refused_or_names_one_host() {
    let examples: [&[u8]; 6] = [
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n",
        b"CONNECT [::ffff:127.0.0.1]:443 HTTP/1.1\r\n\r\n",
        b"GET http://example.com:8080/a?b HTTP/1.1\r\nhost: other\r\nconnection: x\r\naccept: */*\r\n\r\n",
        b"HEAD http://example.com/ HTTP/1.0\r\ncontent-length: 0\r\n\r\n",
        b"GET http://user@example.com@169.254.169.254/ HTTP/1.1\r\n\r\n",
        b"CONNECT 0x7f.1:22 HTTP/1.1\r\n\r\n",
    ];
    fuzz(&examples, |bytes| match parse(bytes) {
        Ok(Request::Connect(to)) => {
            let target = bytes.split(|b| *b == b' ').nth(1).expect("a target");
            let target = String::from_utf8(target.to_vec()).expect("plain");
            let (host, port) = target.rsplit_once(':').expect("a port");
            assert_eq!(port.parse(), Ok(to.port), "{target}");
            // A name is the name that was written, and an address one of four decimal numbers or in brackets.
            let named = host.trim_end_matches('.').eq_ignore_ascii_case(&to.host.to_string());
            assert!(named || host.starts_with('['), "{target} is taken for {to}");
        }
        Ok(Request::Forward(to, head)) => {
            let head = String::from_utf8_lossy(&head);
            let lines: Vec<_> = head.split("\r\n").collect();
            assert!(head.ends_with("\r\n\r\n") && !head.contains('\0'), "{head:?}");
            let hosts = lines.iter().filter(|line| line.to_ascii_lowercase().starts_with("host:"));
            assert_eq!(hosts.count(), 1, "{head:?} for {to}");
            assert_eq!(lines.iter().filter(|line| line.is_empty()).count(), 2, "{head:?}");
        }
        Err(refused) => assert!(!refused.why.is_empty()),
    });
}
