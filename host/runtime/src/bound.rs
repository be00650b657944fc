//! Texts that come from a component: bounded, and without what a terminal would obey.

use crate::redact::Redactor;
use std::{borrow::Cow, time::Duration};

/// The most that is kept of an error's message or a line of log, in bytes.
pub(crate) const MESSAGE_BYTES: usize = 4 * 1024;

/// The most that is kept of one text in an event, in bytes.
pub(crate) const EVENT_TEXT_BYTES: usize = 256 * 1024;

/// The most that one event takes in memory, its texts and values together, in bytes.
pub(crate) const EVENT_BYTES: usize = EVENT_TEXT_BYTES;

/// The most entries that are kept of a list in what `describe` and `probe` return.
pub(crate) const LISTED: usize = 64;

/// The longest that a component may have the host wait, before a retry or until it is called again.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_hours(7 * 24);

/// The most that a checkpoint may be long, in bytes.
pub(crate) const CHECKPOINT_BYTES: usize = 64 * 1024;

/// The mark where a text was cut.
const CUT: &str = "… (cut)";

/// The text, cut to `most` bytes and with control characters made visible; line ends and tabs stay.
pub(crate) fn text(text: String, most: usize) -> String {
    let mut text = text;
    if text.len() > most {
        let mark = mark(most);
        text.truncate(text.floor_char_boundary(most - mark.len()));
        text.push_str(mark);
        // What is cut off is given back: a text is counted by its length, and may wait in a queue.
        text.shrink_to_fit();
    }
    match plain(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(plain) => plain,
    }
}

/// The text without secrets, and otherwise as [`text`] has it. It is cut before it is looked through, so that a long one
/// takes no longer than one that fits.
pub(crate) fn redacted(long: String, most: usize, redactor: &Redactor) -> String {
    let (beginning, is_all) = redactor.beginning(long, most);
    if is_all || beginning.len() > most {
        return text(beginning, most);
    }
    let (mark, mut kept) = (mark(most), beginning);
    kept.truncate(kept.floor_char_boundary(most - mark.len()));
    let room = kept.len();
    text(kept, room) + mark
}

/// The mark of a cut, where there is room for one.
fn mark(most: usize) -> &'static str {
    if most < CUT.len() { "" } else { CUT }
}

fn obeyed(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

fn plain(text: &str) -> Cow<'_, str> {
    // Most texts are clean, and bytes are quicker to look through: a control character is a byte below the
    // space, DEL, or begins with 0xC2.
    let suspicious = |b: u8| (b < 0x20 && b != b'\n' && b != b'\t') || b == 0x7f || b == 0xc2;
    if !text.bytes().any(suspicious) {
        return Cow::Borrowed(text);
    }
    let lines = text.replace("\r\n", "\n");
    if lines.contains(obeyed) {
        Cow::Owned(lines.replace(obeyed, "\u{fffd}"))
    } else {
        Cow::Owned(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(input: &str, most: usize) -> String {
        text(input.to_owned(), most)
    }

    #[test]
    fn short_texts_stay_as_they_are() {
        for plain in ["", "a\tb\n", "Größe 漢字 £"] {
            assert_eq!(bounded(plain, 100), plain);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let cut = bounded(&"漢".repeat(1000), 100);
        assert!(cut.len() <= 100 && cut.starts_with("漢") && cut.ends_with(CUT), "{cut}");
        assert!(cut.capacity() <= 200, "{} bytes are kept", cut.capacity());
    }

    #[test]
    fn a_long_text_is_cut_before_secrets_are_looked_for() {
        let redactor = Redactor::new(["s3cret-key".to_owned().into()]);
        let long = format!("{}{}", "s3cret-key ".repeat(300), "\\".repeat(4 << 20));
        let bounded = redacted(long, 4096, &redactor);
        assert!(bounded.len() <= 4096 && bounded.ends_with(CUT) && !bounded.contains("s3cret"));
        assert_eq!(redacted("a s3cret-key".to_owned(), 100, &redactor), "a [secret]");
    }

    #[test]
    fn a_terminal_is_not_commanded() {
        assert_eq!(
            bounded("a\x1b[2Jb\r\nc\rd\u{9b}e\x07", 100),
            "a\u{fffd}[2Jb\nc\u{fffd}d\u{fffd}e\u{fffd}"
        );
    }
}
