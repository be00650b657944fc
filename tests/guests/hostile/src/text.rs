//! Texts that command a terminal, forge a line or hide what they are.

/// C0, C1, a line of our own, and text that shows itself backwards.
pub(crate) const ESCAPES: &str = "\u{1b}]0;FORGED\u{7}\u{1b}[2J\u{9b}31m\r\u{8}\u{7f}\nvalidated: FORGED\n\u{202e}desrever\
     \u{2066}\u{2028}validated: FORGED\u{2029}\u{200b}\u{e0041}";

/// JSON of many shapes that cost more than they look.
pub(crate) fn json(shape: &str, size: usize) -> String {
    match shape {
        "deep" => "[".repeat(size),
        "closed" => "[".repeat(size / 2) + &"]".repeat(size / 2),
        "objects" => "{\"a\":".repeat(size / 5),
        "wide" => format!("[{}0]", "0,".repeat(size / 2)),
        "empty" => format!("[{}{{}}]", "{},".repeat(size / 3)),
        "keys" => {
            let keys: String = (0..size / 12).map(|i| format!("\"{i:06}\":0,")).collect();
            format!("{{{keys}\"z\":0}}")
        }
        "number" => "9".repeat(size),
        "string" => format!("\"{}\"", "\\u0000".repeat(size / 6)),
        other => other.to_owned(),
    }
}
