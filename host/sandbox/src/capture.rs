//! A program's output, kept within bounds.

use std::borrow::Cow;
use std::collections::VecDeque;

/// The beginning and the end of an output, and how much between them was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Captured {
    /// Takes more output in, keeping at most `head` bytes of its beginning and `tail` of its end.
    pub(crate) fn push(&mut self, mut bytes: &[u8], head: usize, tail: usize) {
        let room = head.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        let skipped = bytes.len().saturating_sub(tail);
        bytes = &bytes[skipped..];
        let overflow = (self.tail.len() + bytes.len()).saturating_sub(tail);
        self.tail.drain(..overflow);
        self.tail.extend(bytes);
        self.dropped += (skipped + overflow) as u64;
    }

    /// How many bytes of the middle were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// All that was written, or what is left of it: the beginning directly followed by the end.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.extend(&self.tail);
        bytes
    }

    /// The same, without a copy of what was kept.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        bytes.extend(&self.tail);
        bytes
    }

    /// As text, with a line that says how much is missing where something is. Bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        let (first, second) = self.tail.as_slices();
        let tail: Cow<'_, [u8]> =
            if second.is_empty() { first.into() } else { [first, second].concat().into() };
        if self.dropped == 0 {
            // A character may lie across the border.
            return String::from_utf8_lossy(&[&*self.head, &tail].concat()).into_owned();
        }
        format!(
            "{}\n[… {} bytes left out …]\n{}",
            String::from_utf8_lossy(&self.head),
            self.dropped,
            String::from_utf8_lossy(&tail)
        )
    }
}

/// Cuts an output into lines for somebody who watches.
#[derive(Default)]
pub(crate) struct LineSplitter(Vec<u8>);

impl LineSplitter {
    /// A longer line is handed out in pieces of this many bytes.
    const LONGEST: usize = 8 * 1024;

    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            for piece in piece.chunks(Self::LONGEST) {
                if self.0.len() + piece.len() > Self::LONGEST {
                    self.finish(&mut line);
                }
                self.0.extend_from_slice(piece);
            }
            if self.0.last() == Some(&b'\n') {
                self.0.pop();
                line(&String::from_utf8_lossy(&self.0));
                self.0.clear();
            }
        }
    }

    /// Hands out what has no end of line.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.0.is_empty() {
            line(&String::from_utf8_lossy(&self.0));
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_output_is_whole_and_long_output_says_what_is_missing() {
        let mut captured = Captured::default();
        captured.push("ä—".as_bytes(), 1, 10);
        assert_eq!(captured.text(), "ä—");
        captured.push(b"0123456789", 1, 10);
        assert_eq!(captured.dropped(), 4);
        assert!(captured.text().ends_with("[… 4 bytes left out …]\n0123456789"));
    }

    proptest! {
        #[test]
        fn what_is_kept_and_what_is_dropped_add_up(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..10),
            head in 0_usize..30,
            tail in 0_usize..30,
        ) {
            let mut captured = Captured::default();
            for chunk in &chunks {
                captured.push(chunk, head, tail);
            }
            let all = chunks.concat();
            let kept = captured.bytes();
            prop_assert_eq!(kept.len() as u64 + captured.dropped(), all.len() as u64);
            prop_assert_eq!(kept.len(), all.len().min(head + tail));
            let front = head.min(all.len());
            prop_assert_eq!(&kept[..front], &all[..front]);
            prop_assert_eq!(&kept[front..], &all[all.len() - (kept.len() - front)..]);
        }

        #[test]
        fn lines_do_not_depend_on_how_they_arrive(
            lines in prop::collection::vec("[a-z]{0,12}", 0..8),
            size in 1_usize..9,
        ) {
            let text = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
            let mut seen = Vec::new();
            let mut splitter = LineSplitter::default();
            for chunk in text.as_bytes().chunks(size) {
                splitter.push(chunk, |line| seen.push(line.to_owned()));
            }
            splitter.finish(|line| seen.push(line.to_owned()));
            prop_assert_eq!(seen, lines);
        }
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let mut sizes = Vec::new();
        let mut splitter = LineSplitter::default();
        let long = vec![b'x'; LineSplitter::LONGEST * 2 + 5];
        splitter.push(&long, |line| sizes.push(line.len()));
        splitter.finish(|line| sizes.push(line.len()));
        assert_eq!(sizes, [LineSplitter::LONGEST, LineSplitter::LONGEST, 5]);
    }
}
