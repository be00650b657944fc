use super::*;
use proptest::prelude::*;
use serde_json::json;

const KEY: &str = "sk-live/SECRET+abc~1";

fn redactor() -> Redactor {
    Redactor::new(
        ["s3cret-key", "s3cret-key-long", "abc", KEY].map(|s| Zeroizing::new(s.to_owned())),
    )
}

fn bits(bytes: &[u8], width: u8, alphabet: &[u8]) -> String {
    let all: Vec<bool> =
        bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1 == 1)).collect();
    let value = |chunk: &[bool]| {
        let padded = (0..usize::from(width)).map(|i| chunk.get(i).copied().unwrap_or(false));
        padded.fold(0, |value, bit| value << 1 | usize::from(bit))
    };
    all.chunks(usize::from(width)).map(|chunk| char::from(alphabet[value(chunk)])).collect()
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const BASE32HEX: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

fn folded(text: &str, every: usize, fold: &str) -> String {
    let lines = text.as_bytes().chunks(every).map(|line| str::from_utf8(line).unwrap());
    lines.collect::<Vec<_>>().join(fold)
}

/// As `hexdump` shows it, without the characters beside.
fn dump(text: &str) -> String {
    let line = |(at, bytes): (usize, &[u8])| {
        let bytes: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        format!("{:08x}  {}\n", at * 16, bytes.join(" "))
    };
    text.as_bytes().chunks(16).enumerate().map(line).collect()
}

/// A text in one encoding.
fn encoded(text: &str, encoding: u8) -> String {
    let each = |form: fn(u8) -> String| text.bytes().map(form).collect::<Vec<_>>().concat();
    let base64 = || bits(text.as_bytes(), 6, BASE64);
    match encoding {
        0 => text.to_owned(),
        1 => base64(),
        2 => base64().replace('+', "-").replace('/', "_"),
        3 => base64().replace('+', "%2B").replace('/', "%2F"),
        4 => base64().replace('/', r"\/"),
        5 => base64()
            .as_bytes()
            .chunks(4)
            .map(|l| str::from_utf8(l).unwrap())
            .collect::<Vec<_>>()
            .join("\r\n"),
        6 => bits(text.as_bytes(), 5, BASE32),
        7 => bits(text.as_bytes(), 5, BASE32).to_lowercase(),
        8 => each(|b| format!("{b:02x}")),
        9 => each(|b| format!("{b:02X}:")),
        10 => each(|b| format!("%{b:02X}")),
        11 => each(|b| format!("%25{b:02x}")),
        12 => each(|b| format!(r"\u{b:04x}")),
        13 => each(|b| format!(r"\\u{b:04X}")),
        14 => each(|b| format!(r"\x{b:02x}")),
        15 => each(|b| format!("&#{b};")),
        16 => each(|b| format!("&#x{b:x};")),
        17 => each(|b| format!(r"\{}", char::from(b))),
        18 => text.replace('/', r"\/"),
        19 => text.to_uppercase(),
        20 => each(|b| format!(r"\{b:03o}")),
        21 => folded(&base64(), 20, "\n        "),
        22 => folded(&base64(), 4, " "),
        23 => folded(&bits(text.as_bytes(), 5, BASE32), 4, "-"),
        24 => bits(text.as_bytes(), 5, BASE32HEX),
        25 => each(|b| format!("0x{b:02x}, ")),
        26 => each(|b| format!("{b:02x},")),
        27 => dump(text),
        28 => each(|b| format!(r"\U{b:08x}")),
        29 => each(|b| format!(r"\x{{{b:x}}}")),
        30 => each(|b| format!(r"\{b:06x}")),
        31 => each(|b| format!(r"\{b:x} ")),
        32 => each(|b| format!(r"\{b:o}")),
        33 => each(|b| format!("&#{b} ")),
        34 => each(|b| format!("&#{b:010};")),
        35 => (0..5).fold(text.to_owned(), |text, _| json!(text).to_string()),
        36 => (0..5).fold(encoded(text, 10), |text, _| text.replace('%', "%25")),
        37 => encoded(&encoded(text, 1), 1),
        38 => encoded(&json!(text).to_string(), 1),
        39 => bits(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), 6, BASE64),
        40 => bits(&text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>(), 6, BASE64),
        41 => folded(text, 7, " \t "),
        42 => each(|b| format!("{}\0", char::from(b))),
        _ => encoded(&base64(), 12),
    }
}

const ENCODINGS: u8 = 44;

#[test]
fn texts_and_json_lose_their_secrets() {
    let text = |text: &str| redactor().text(text.to_owned());
    assert_eq!(text("x s3cret-key-long y s3cret-key"), "x [secret] y [secret]");
    assert_eq!(text("abc"), "abc", "too short to be told from other text");
    let value = json!({"k s3cret-key": ["s3cret-key", 1], "o": {"v": "s3cret-key"}});
    let clean = json!({"k [secret]": ["[secret]", 1], "o": {"v": "[secret]"}});
    assert_eq!(redactor().json(value), clean);
    let digits = Redactor::new([Zeroizing::new("12345678".to_owned())]);
    assert_eq!(digits.json(json!([12_345_678, 1_234_567])), json!(["[secret]", 1_234_567]));
}

#[test]
fn a_secret_is_found_however_the_stream_is_cut() {
    let whole = b"start s3cret-key-lon, s3cret-key-long end s3cret-ke";
    for size in 1..=whole.len() {
        let mut stream = redactor().stream();
        let mut out = Vec::new();
        for piece in whole.chunks(size) {
            out.extend_from_slice(&stream.push(piece));
        }
        out.extend_from_slice(&stream.finish());
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, "start [secret]-lon, [secret] end s3cret-ke", "{size}");
    }
}

/// Each encoding, and whatever stands before the secret in it, in whole and byte by byte.
#[test]
fn a_secret_is_found_in_every_encoding() {
    let known = redactor();
    for encoding in 0..ENCODINGS {
        for before in 0..6 {
            let text = format!(
                "<{}>",
                encoded(&format!("{}{KEY}::", &"user:"[..before.min(5)]), encoding)
            );
            let clean = known.bytes(text.as_bytes());
            let clean = str::from_utf8(&clean).unwrap();
            assert!(clean.contains(MARK), "{encoding}: {text} became {clean}");
            // At most what the bits of one character hold besides it is left of its first and last character.
            let left = clean.len() - MARK.len();
            let own = encoded(&format!("{}::", &"user:"[..before.min(5)]), encoding).len() + 8;
            assert!(left <= own, "{encoding}: {text} became {clean}");

            let mut stream = known.stream();
            let mut pieces: Vec<_> = text.bytes().map(|b| stream.push(&[b])).collect();
            pieces.push(stream.finish());
            assert_eq!(str::from_utf8(&pieces.concat()).unwrap(), clean, "{encoding}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_hide_nothing() {
    let clean = |bytes: &[u8]| redactor().bytes(bytes).into_owned();
    assert_eq!(clean(b"caf\xe9 Bearer s3cret-key\xff"), b"caf\xe9 Bearer [secret]\xff");
}

#[test]
fn characters_beyond_ascii_are_found_by_their_number_too() {
    let known = Redactor::new([Zeroizing::new("Zürich-42".to_owned())]);
    for text in
        ["Zürich-42", r"Z\u00fcrich-42", "Z%C3%BCrich-42", "Z&#252;rich-42", r"Z\xc3\xbcrich-42"]
    {
        assert_eq!(known.text(text.to_owned()), MARK, "{text}");
    }
}

#[test]
fn escapes_before_a_secret_go_with_it_so_that_json_stays_json() {
    for text in
        [r#""\ns3cret-key""#, r#""a\\s3cret-key""#, r#""s3cret-key\n""#, r#""\"s3cret-key\"""#]
    {
        let clean = redactor().text(text.to_owned());
        let read: Value = serde_json::from_str(&clean).unwrap_or_else(|e| panic!("{clean}: {e}"));
        assert!(read.as_str().unwrap().contains(MARK), "{clean}");
    }
}

#[test]
fn secrets_that_overlap_leave_nothing_of_either() {
    let known = Redactor::new(["abcdefgh", "fghijklm"].map(|s| Zeroizing::new(s.to_owned())));
    assert_eq!(known.text("xabcdefghijklmx".to_owned()), "x[secret]x");
    assert_eq!(known.text("abcdefghabcdefgh".to_owned()), "[secret][secret]");
}

#[test]
fn most_of_a_long_secret_is_enough() {
    let long: String = (0..2000u32).map(|i| char::from(b'a' + (i * i % 23) as u8)).collect();
    let known = Redactor::new([Zeroizing::new(long.clone())]);
    let left = known.text(format!("<{}>", &long[..1000]));
    assert!(left.starts_with("<[secret]") && left.len() < MARK.len() + 32, "{left}");
    assert_eq!(known.text(long.clone()), MARK);
    assert_eq!(known.text(long[..31].to_owned()), long[..31]);
}

#[test]
fn what_is_learned_counts_for_streams_under_way() {
    let known = redactor();
    let mut stream = known.stream();
    assert_eq!(stream.push(b"renewed-token!\ns3cret-"), b"renewed-token!\n"[..]);
    known.learn([Zeroizing::new("renewed-token".to_owned())]).unwrap();
    let rest = [stream.push(b"key renewed-token"), stream.finish()].concat();
    assert_eq!(str::from_utf8(&rest).unwrap(), "[secret] [secret]");
}

#[test]
fn nothing_to_hide_holds_nothing_back() {
    let mut stream = Redactor::default().stream();
    assert_eq!(stream.push(br"abc\"), br"abc\"[..]);
    assert!(stream.finish().is_empty());
}

#[test]
fn what_is_held_back_is_bounded() {
    let known = redactor();
    for text in
        [r"\".repeat(100_000), "%25".repeat(50_000), "s3cret-ke".repeat(10_000), "&#0".repeat(9000)]
    {
        let mut stream = known.stream();
        let mut given = 0;
        for piece in text.as_bytes().chunks(97) {
            given += stream.push(piece).len();
        }
        assert!(text.len() - given <= HELD, "{}", &text[..8]);
        given += stream.finish().len();
        assert_eq!(given, text.len());
    }
}

/// A stream as who receives it sees it: how much there is after each piece.
fn sizes(secret: &str, bytes: &[u8], cuts: &[usize]) -> Vec<usize> {
    let mut stream = Redactor::new([Zeroizing::new(secret.to_owned())]).stream();
    let (mut rest, mut sizes) = (bytes, Vec::new());
    for cut in cuts.iter().cycle() {
        let (piece, next) = rest.split_at((*cut).min(rest.len()));
        sizes.push(stream.push(piece).len());
        rest = next;
        if rest.is_empty() {
            break;
        }
    }
    sizes.push(stream.finish().len());
    sizes
}

#[test]
fn lines_of_protocols_are_passed_on_at_once() {
    for line in ["{\"a\": 1}\n", "data: {}\n\n", "data: x\r\n\r\n", "[1]\r\n", "<a>\n"] {
        let mut stream = redactor().stream();
        assert_eq!(stream.push(line.as_bytes()), line.as_bytes(), "{line:?}");
        let (begin, end) = line.split_at(line.len() - 1);
        assert!(stream.push(begin.as_bytes()).len() < line.len());
        stream.push(end.as_bytes());
        assert!(stream.finish().is_empty(), "{line:?}");
    }
}

#[test]
fn a_text_is_cut_before_it_is_looked_through_and_not_within_a_secret() {
    for before in 0..40 {
        let text = format!("{}{KEY}{}", "x".repeat(before), "\\".repeat(4 << 20));
        let (clean, is_all) = redactor().beginning(text, 20);
        assert!(!is_all && clean.len() < 20 + HELD);
        assert!(!clean.contains("SECRET"), "{clean}");
        assert_eq!(clean.contains(MARK), before < 20, "{clean}");
    }
}

#[test]
fn many_secrets_that_begin_alike_cost_no_more_than_one() {
    let many = (0..500).map(|n| Zeroizing::new(format!("sssssssssssss{n:05}")));
    let known = Redactor::new(many);
    let mut scanner = Scanner::new(known.known());
    scanner.read("s".repeat(1000).as_bytes());
    assert!(scanner.candidates() < 200, "{} candidates", scanner.candidates());
}

#[test]
fn lines_and_parts_of_a_secret_are_secrets() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nVJTUt9Us8cKjMzEfYyjiWA4R4\n-----END KEY-----";
    let known = Redactor::new([Zeroizing::new(key.to_owned())]);
    for text in
        ["VJTUt9Us8cKjMzEfYyjiWA4R4", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7", key]
    {
        assert_eq!(known.text(text.to_owned()), MARK, "{text}");
    }
    assert_eq!(known.text(key.replace('\n', "\\n")), MARK);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two secrets of which neither is in the stream, one of them nearly: nothing tells one from the other.
    #[test]
    fn what_is_passed_on_when_says_nothing_of_the_secret(
        pieces in prop::collection::vec((0..20usize, 0..ENCODINGS, "[ -~\n]{0,30}"), 1..60),
        cuts in prop::collection::vec(1..300usize, 1..20),
    ) {
        let near = |(length, encoding, other): &(usize, u8, String)| {
            let part = &KEY[..(*length).min(KEY.len() - 2)];
            format!("{}!{other}", encoded(part, *encoding))
        };
        let text: String = pieces.iter().map(near).collect();
        let other = "Zq9~another-key-of-theirs";
        let known = Redactor::new([KEY, other].map(|one| Zeroizing::new(one.to_owned())));
        prop_assume!(!known.finds_in(text.as_bytes()));
        let bytes = text.as_bytes();
        prop_assert_eq!(sizes(KEY, bytes, &cuts), sizes(other, bytes, &cuts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn text_without_a_secret_is_left_as_it_is(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(redactor().bytes(&bytes).into_owned(), bytes);
    }

    #[test]
    fn every_secret_goes_from_every_place(
        secret in "[ -~]{6,20}", before in "[ -~]{0,9}", after in "[ -~]{0,9}",
        encoding in 0..ENCODINGS, cut in 1usize..40,
    ) {
        let known = Redactor::new([Zeroizing::new(secret.clone())]);
        let text = encoded(&format!("{before}{secret}{after}"), encoding);
        let mut stream = known.stream();
        let mut out: Vec<_> = text.as_bytes().chunks(cut).flat_map(|piece| stream.push(piece)).collect();
        out.extend(stream.finish());
        prop_assert!(str::from_utf8(&out).unwrap().contains(MARK), "{} in {}", secret, text);
        prop_assert_eq!(known.bytes(text.as_bytes()).into_owned(), out);
    }
}
