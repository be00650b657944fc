//! Lines that are longer than a terminal is wide, broken here and not by the terminal: what a terminal breaks goes on in
//! its first column, where it looks like a line of Cyrus's own.

use cyrus_executor::Line;
use unicode_width::UnicodeWidthChar as _;

/// What a part of a line that goes on begins with. No line of Cyrus's own does.
const GOES_ON: &str = "      \u{21b3} ";

/// The columns that [`GOES_ON`] takes.
const INDENT: usize = 8;

/// The parts of a line, each of at most `width` columns. A terminal that is too narrow for it is not served.
pub(super) fn wrapped(line: &Line, width: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut taken, width) = (0, width.max(2 * INDENT));
    for c in line.as_str().chars() {
        let columns = c.width().unwrap_or(1);
        if taken + columns > width {
            parts.push(GOES_ON.to_owned());
            taken = INDENT;
        }
        taken += columns;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_goes_on_does_not_look_like_another() {
        let line = Line::new(format!("  failed: {}Validated", " ".repeat(10)));
        assert_eq!(wrapped(&line, 20), ["  failed:           ", "      ↳ Validated"]);
        assert_eq!(wrapped(&line, 80), [line.as_str()]);
        assert_eq!(wrapped(&Line::new(""), 80), [""]);
        // Characters that take two columns, or none.
        let wide = Line::new("漢".repeat(11));
        assert_eq!(wrapped(&wide, 20), ["漢".repeat(10), "      ↳ 漢".to_owned()]);
        let marked = Line::new("e\u{301}".repeat(20));
        assert_eq!(wrapped(&marked, 20).len(), 1);
        assert!(wrapped(&Line::new("x".repeat(90)), 0).len() > 5);
    }
}
