//! Which characters are printed as they are.

use std::fmt;

/// How many combining marks may follow each other. Longer stacks are drawn over the lines around them.
const MOST_MARKS: u32 = 4;

/// What is written for a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// The character itself.
    Plain,
    /// The character itself, which is drawn over the one before it.
    Mark,
    /// A space: some other blank of the same width or none.
    Space,
    /// Nothing: it only chooses between two pictures of the character before it.
    Nothing,
    /// Its number, as in `\u{1b}`, or a short form as in `\n`.
    Escaped,
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and everything that changes the order of other
/// characters or is not seen (bidirectional controls, zero-width and tag characters, fillers) are escaped. So is what
/// the standard library does not know to be printable: private use and unassigned.
fn written(c: char) -> Written {
    match c {
        ' '..='~' => Written::Plain,
        '\u{fe00}'..='\u{fe0f}' => Written::Nothing,
        c if ends_line(c) || is_unseen(c) => Written::Escaped,
        c if c.is_whitespace() && !c.is_control() => Written::Space,
        c if !is_printable(c) => Written::Escaped,
        c if c.escape_debug().nth(1).is_some() => Written::Mark,
        _ => Written::Plain,
    }
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Invisible, although they are letters, marks or symbols.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
    ) || matches!(
        c,
        '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Behind another character, [`str::escape_debug`] leaves exactly the printable ones as they are.
fn is_printable(c: char) -> bool {
    let mut pair = [b'x'; 5];
    let length = c.encode_utf8(&mut pair[1..]).len();
    let pair = std::str::from_utf8(&pair[..=length]);
    pair.is_ok_and(|pair| pair.escape_debug().nth(1) == Some(c))
}

/// Whether a character is printed as it is.
pub(super) fn is_plain(c: char) -> bool {
    matches!(written(c), Written::Plain | Written::Mark)
}

/// Collects what is written to it, escaped and on one line, up to a number of characters.
pub(super) struct Escaper {
    text: String,
    left: usize,
    marks: u32,
    /// Whether blanks of every kind, line ends included, become one space.
    folds: bool,
}

impl Escaper {
    pub(super) fn new(most: usize, folds: bool) -> Self {
        Self { text: String::new(), left: most, marks: 0, folds }
    }

    /// What was collected. It ends in `…` when there was more.
    pub(super) fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }

    fn push(&mut self, c: char) -> fmt::Result {
        let blank = self.folds && c.is_whitespace();
        if blank && (self.text.is_empty() || self.text.ends_with(' ')) {
            return Ok(());
        }
        let written = if blank { Written::Space } else { written(c) };
        self.marks = if written == Written::Mark { self.marks + 1 } else { 0 };
        match written {
            Written::Nothing => Ok(()),
            Written::Space => self.put([' ']),
            Written::Mark if self.marks > MOST_MARKS => self.put(c.escape_unicode()),
            Written::Plain | Written::Mark => self.put([c]),
            Written::Escaped => self.put(c.escape_default()),
        }
    }

    /// Writes all of it, or says that there is no room.
    fn put(&mut self, characters: impl IntoIterator<Item = char, IntoIter: Clone>) -> fmt::Result {
        let characters = characters.into_iter();
        let Some(left) = self.left.checked_sub(characters.clone().count()) else {
            self.left = 0;
            self.text.push('…');
            return Err(fmt::Error);
        };
        self.left = left;
        self.text.extend(characters);
        Ok(())
    }
}

impl fmt::Write for Escaper {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.push(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_text_of_every_language_is_plain() {
        for text in
            ["Größe", "日本語", "עברית", "العربية", "हिन्दी", "e\u{301}", "→ … ✓ 🎉", "a\\b\"c'"]
        {
            let strange: Vec<_> = text.chars().filter(|c| !is_plain(*c)).collect();
            assert!(strange.is_empty(), "{text}: {strange:?}");
        }
    }

    #[test]
    fn what_is_obeyed_or_not_seen_is_escaped() {
        let controls = ('\0'..='\x1f').chain('\x7f'..='\u{9f}');
        let bidirectional = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
        let marks = ['\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}', '\u{ad}'];
        let unseen = ('\u{200b}'..='\u{200d}').chain('\u{2060}'..='\u{206f}').chain(['\u{feff}']);
        let tags = ('\u{e0000}'..='\u{e007f}').chain([
            '\u{3164}',
            '\u{ffa0}',
            '\u{2800}',
            '\u{34f}',
            '\u{16fe4}',
            '\u{1bca0}',
        ]);
        let others = ['\u{fff9}', '\u{1d173}', '\u{e000}', '\u{10ffff}', '\u{180e}'];
        let all =
            controls.chain(bidirectional).chain(marks).chain(unseen).chain(tags).chain(others);
        for c in all {
            assert_eq!(written(c), Written::Escaped, "{c:?}");
        }
        for blank in ['\u{a0}', '\u{2003}', '\u{3000}', '\u{205f}'] {
            assert_eq!(written(blank), Written::Space, "{blank:?}");
        }
        assert_eq!(written('\u{fe0f}'), Written::Nothing);
    }
}
