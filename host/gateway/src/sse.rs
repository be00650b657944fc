//! A stream of events, cut into events while its bytes pass.

use std::ops::ControlFlow;

/// The largest event whose data is looked at, in bytes. A larger one passes, and is not counted.
const EVENT_BYTES: usize = 8 << 20;

/// Cuts a stream of server-sent events into events. It holds at most one event's data.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own of the scanner")]
pub(crate) struct Events {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// There is such a line, whether or not it is kept.
    is_in_line: bool,
    /// The data of the event so far.
    data: Vec<u8>,
    /// The line, or the event, is longer than what is looked at.
    is_too_long: bool,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    /// Everything so far is whole events.
    is_between: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            line: Vec::new(),
            is_in_line: false,
            data: Vec::new(),
            is_too_long: false,
            after_return: false,
            is_between: true,
        }
    }
}

impl Events {
    /// Whether everything so far is whole events: here something else may be said.
    pub(crate) fn is_between(&self) -> bool {
        self.is_between
    }

    /// Looks at the next bytes. `each` gets the data of every event that ends in them; when it breaks, the number of bytes
    /// up to the end of that event is returned.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Option<usize> {
        let mut at = 0;
        if self.after_return && bytes.first() == Some(&b'\n') {
            at = 1;
        }
        if !bytes.is_empty() {
            self.after_return = false;
        }
        while let Some(length) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) {
            let end = at + length;
            let piece = &bytes[at..end];
            at = end + 1;
            if bytes[end] == b'\r' {
                match bytes.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
            if self.end_line(piece, &mut each).is_break() {
                return Some(at);
            }
        }
        let rest = &bytes[at..];
        if !rest.is_empty() {
            self.is_between = false;
            self.keep(rest);
        }
        None
    }

    /// Keeps a piece of a line whose end has not come.
    fn keep(&mut self, piece: &[u8]) {
        self.is_in_line = true;
        if self.line.len() + piece.len() > EVENT_BYTES {
            self.is_too_long = true;
            self.line = Vec::new();
        } else if !self.is_too_long {
            self.line.extend_from_slice(piece);
        }
    }

    fn end_line(
        &mut self,
        piece: &[u8],
        each: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !self.is_in_line {
            if piece.is_empty() {
                return self.end_event(each);
            }
            self.is_between = false;
            Self::take(&mut self.data, &mut self.is_too_long, piece);
            return ControlFlow::Continue(());
        }
        self.keep(piece);
        self.is_in_line = false;
        let mut line = std::mem::take(&mut self.line);
        if !self.is_too_long {
            Self::take(&mut self.data, &mut self.is_too_long, &line);
        }
        // Its room is used again, unless it is a lot.
        if line.capacity() <= 64 * 1024 {
            line.clear();
            self.line = line;
        }
        ControlFlow::Continue(())
    }

    fn take(data: &mut Vec<u8>, is_too_long: &mut bool, line: &[u8]) {
        let Some(value) = line.strip_prefix(b"data:") else { return };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if data.len() + value.len() > EVENT_BYTES {
            *is_too_long = true;
            return;
        }
        if !data.is_empty() {
            data.push(b'\n');
        }
        data.extend_from_slice(value);
    }

    fn end_event(&mut self, each: &mut impl FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
        let flow = if self.is_too_long || self.data.is_empty() {
            // Also an event without data may be the last one.
            each(b"")
        } else {
            each(&self.data)
        };
        self.is_between = true;
        self.is_too_long = false;
        if self.data.capacity() > 64 * 1024 {
            self.data = Vec::new();
        }
        self.data.clear();
        flow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(events: &mut Events, bytes: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        let broke = events.feed(bytes, |data| {
            if !data.is_empty() {
                seen.push(String::from_utf8_lossy(data).into_owned());
            }
            ControlFlow::Continue(())
        });
        assert_eq!(broke, None);
        seen
    }

    const STREAM: &str = "event: a\ndata: one\n\n: comment\n\ndata:two\ndata: lines\r\n\r\nid: 7\rdata: {\"x\"}\r\rdata: open";

    #[test]
    fn events_are_found_however_their_lines_end() {
        let mut events = Events::default();
        assert_eq!(split(&mut events, STREAM.as_bytes()), ["one", "two\nlines", "{\"x\"}"]);
        assert!(!events.is_between());
        assert_eq!(split(&mut events, b"ed\n\n"), ["opened"]);
        assert!(events.is_between());
    }

    #[test]
    fn the_end_of_an_event_is_where_it_can_be_cut() {
        let bytes = b"data: 1\n\ndata: 2\r\n\r\ndata: 3\n\n";
        let mut events = Events::default();
        let cut = events.feed(bytes, |data| {
            if data == b"2" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(cut, Some(20));
        assert!(events.is_between());
    }

    #[test]
    fn a_gigantic_line_is_not_kept() {
        let mut events = Events::default();
        let piece = vec![b'x'; 1 << 20];
        assert_eq!(split(&mut events, b"data: "), [""; 0]);
        for _ in 0..20 {
            assert_eq!(split(&mut events, &piece), [""; 0]);
            assert!(events.line.capacity() <= 2 * EVENT_BYTES);
        }
        assert_eq!(split(&mut events, b"\n\ndata: next\n\n"), ["next"]);
        let line = [b"data: ", piece.as_slice(), b"\n"].concat();
        for _ in 0..20 {
            assert_eq!(split(&mut events, &line), [""; 0]);
            assert!(events.data.capacity() <= 2 * EVENT_BYTES);
        }
        assert_eq!(split(&mut events, b"\ndata: next\n\n"), ["next"]);
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_are_the_same_events(cuts in prop::collection::vec(0..STREAM.len(), 0..20)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut events = Events::default();
            let seen: Vec<_> = cuts
                .windows(2)
                .flat_map(|pair| split(&mut events, &STREAM.as_bytes()[pair[0]..pair[1]]))
                .collect();
            prop_assert_eq!(seen, ["one", "two\nlines", "{\"x\"}"]);
        }
    }
}
