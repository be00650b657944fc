use super::escape::{Escaper, is_plain};
use std::fmt::{self, Display, Write as _};

/// The longest line that is printed, in characters.
const LONGEST: usize = 8192;

/// The most lines of a block.
const MOST_LINES: usize = 2000;

/// One line, with nothing in it that a terminal or a reader of lines acts on. Whatever it is made from, it has no
/// control, bidirectional or invisible character, no line end of any kind, and a bounded length.
///
/// Making it again of itself changes nothing, so a line may contain another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// The line that says this. Line ends in it are written as `\n`.
    pub fn new(text: impl Display) -> Self {
        Self::written(text, LONGEST, false)
    }

    /// The beginning of a text, at most `most` characters, with runs of blanks and line ends folded to one space.
    pub fn excerpt(text: impl Display, most: usize) -> Self {
        Self::written(text, most, true)
    }

    /// The line that says this, cut to at most `most` characters.
    pub fn cut(text: impl Display, most: usize) -> Self {
        Self::written(text, most.min(LONGEST), false)
    }

    /// The lines of a text: the first behind `first`, all others behind `rest`. A gutter ends in `| ` by convention.
    /// An empty text has one line.
    pub fn block(first: &str, rest: &str, text: &str) -> Vec<Self> {
        let text = text.trim_end();
        let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let gutters = std::iter::once(first).chain(std::iter::repeat(rest));
        let shown = lines.by_ref().take(MOST_LINES).zip(gutters);
        let mut shown: Vec<_> = shown
            .map(|(line, gutter)| Self::new(format_args!("{gutter}{}", line.replace('\t', "    "))))
            .collect();
        let more = lines.count();
        if more > 0 {
            shown.push(Self::new(format_args!("{rest}… {more} more lines")));
        }
        shown
    }

    /// Whether a line may have this character in it.
    pub fn is_harmless(c: char) -> bool {
        is_plain(c)
    }

    fn written(text: impl Display, most: usize, folds: bool) -> Self {
        let mut line = Escaper::new(most, folds);
        // It fails when the line is full, which is no failure here.
        let _ = write!(line, "{text}");
        Self(line.finish())
    }

    /// The line, without its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_stays_readable() {
        for (text, line) in [
            ("plain `text` of \"all\" kinds\\", "plain `text` of \"all\" kinds\\"),
            ("\x1b]0;PWNED\x07\x1b[2J", r"\u{1b}]0;PWNED\u{7}\u{1b}[2J"),
            ("one\r\ntwo\n", r"one\r\ntwo\n"),
            ("bid\u{202e}i", r"bid\u{202e}i"),
            ("⚠\u{fe0f} wide\u{3000}blank  ", "⚠ wide blank"),
        ] {
            assert_eq!(Line::new(text).as_str(), line);
        }
        let stack = format!("a{}", "\u{301}".repeat(9));
        assert!(Line::new(&stack).as_str().ends_with(r"\u{301}"), "{}", Line::new(&stack));
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(Line::excerpt("\n \u{1b}[2Jdone\r\nmore", 100).as_str(), r"\u{1b}[2Jdone more");
        let long = Line::excerpt("é".repeat(500), 100);
        assert_eq!(long.as_str().chars().count(), 101);
        assert!(long.as_str().ends_with('…'));
    }

    #[test]
    fn a_block_has_a_gutter_on_every_line() {
        let block = Line::block("  why  | ", "       | ", "one\r\n\ttwo\n\u{2028}three\n\n");
        let block: Vec<_> = block.iter().map(Line::as_str).collect();
        assert_eq!(block, ["  why  | one", "       |     two", r"       | \u{2028}three"]);
        let many = Line::block("| ", "| ", &"x\n".repeat(MOST_LINES + 5));
        assert_eq!(many.len(), MOST_LINES + 1);
        assert_eq!(many[MOST_LINES].as_str(), "| … 5 more lines");
    }

    proptest! {
        #[test]
        fn whatever_it_is_made_of_it_is_one_harmless_line(text in any::<String>(), most in 0..50_usize) {
            for line in [Line::new(&text), Line::excerpt(&text, most)] {
                prop_assert!(line.as_str().chars().all(Line::is_harmless), "{line:?}");
                prop_assert_eq!(&Line::new(&line), &line);
            }
            prop_assert!(Line::excerpt(&text, most).as_str().chars().count() <= most + 1);
            for line in Line::block("a| ", "b| ", &text) {
                let gutter = line.as_str().get(..2);
                prop_assert!(matches!(gutter, Some("a|" | "b|")), "{line:?}");
            }
        }
    }
}
