//! Finds secrets in bytes that come in pieces.
//!
//! What is given on when must not depend on the secrets: who sees that a byte is held back because it may begin one
//! learns the secret byte by byte. So the same number of bytes is always held back, up to where no secret goes on.

use super::{
    MARK,
    escape::{Read, Reading},
    known::{Known, Match},
};
use std::{mem, ops::Range, sync::Arc};

/// The longest that a secret, or a part of a long one, may be as it is spelled, in bytes: so many are held back.
pub(super) const HELD: usize = 2048;

/// From this number on, candidates that would find the same are looked for.
const MANY: usize = 24;

/// A place from which on everything was a secret's so far.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    start: u64,
    reading: Reading,
    /// `None`: still in its first character.
    of: Option<Match>,
}

/// Where a secret is.
struct Found {
    range: Range<u64>,
    /// Its beginning was given on, as a mark.
    is_marked: bool,
}

/// Reads bytes, and gives them on without secrets.
pub(super) struct Scanner {
    known: Arc<Known>,
    /// Bytes that are not given on yet; the first is at `given`.
    held: Vec<u8>,
    given: u64,
    /// The last two bytes before `given`, the later one first.
    last: [u8; 2],
    candidates: Vec<Candidate>,
    /// The candidates before this byte: kept for its space.
    before: Vec<Candidate>,
    /// How many candidates there may be until those that are alike are looked for.
    many: usize,
    /// Where secrets are, in order, apart from each other.
    found: Vec<Found>,
    /// No secret goes on over this place.
    boundary: u64,
}

impl Scanner {
    pub(super) fn new(known: Arc<Known>) -> Self {
        Self {
            known,
            held: Vec::new(),
            given: 0,
            last: [0; 2],
            candidates: Vec::new(),
            before: Vec::new(),
            many: MANY,
            found: Vec::new(),
            boundary: 0,
        }
    }

    /// Knows more from here on. What is held back is looked through again.
    pub(super) fn learn(&mut self, known: &Arc<Known>) {
        if Arc::ptr_eq(&self.known, known) {
            return;
        }
        self.known = Arc::clone(known);
        self.candidates.clear();
        let held = mem::take(&mut self.held);
        self.read(&held);
    }

    /// Takes the next piece.
    pub(super) fn read(&mut self, piece: &[u8]) {
        let begin = self.held.len();
        self.held.extend_from_slice(piece);
        if self.known.secrets.is_empty() {
            self.end();
            return;
        }
        let mut index = begin;
        while index < self.held.len() {
            if self.candidates.is_empty() {
                index += self.known.dull(&self.held[index..]);
            }
            if let Some(byte) = self.held.get(index).copied() {
                self.take(byte, self.given + index as u64);
                if byte == b'\n' && self.is_boundary(index) {
                    self.candidates.clear();
                }
                index += 1;
            }
        }
        let last = (begin..self.held.len()).rev().find(|index| self.is_boundary(*index));
        if let Some(last) = last {
            self.boundary = self.given + last as u64 + 1;
        }
    }

    /// No more comes: what is not whole is no secret.
    pub(super) fn end(&mut self) {
        self.candidates.clear();
        self.boundary = self.given + self.held.len() as u64;
    }

    /// Whether there is a secret in what is not given on yet.
    pub(super) fn has_found(&self) -> bool {
        !self.found.is_empty()
    }

    #[cfg(test)]
    pub(super) fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// Whether a line ends here that is empty, or ends with what no encoding has before a fold.
    fn is_boundary(&self, index: usize) -> bool {
        let before = |back: usize| match index.checked_sub(back) {
            Some(index) => self.held[index],
            None => self.last[back - index - 1],
        };
        let end = if before(1) == b'\r' { before(2) } else { before(1) };
        let closes = matches!(
            end,
            b'\n' | b'{' | b'}' | b'[' | b']' | b'(' | b')' | b'<' | b'>' | b'!' | b'?'
        );
        self.held[index] == b'\n' && closes
    }

    fn take(&mut self, byte: u8, at: u64) {
        mem::swap(&mut self.candidates, &mut self.before);
        let next = &mut self.candidates;
        next.clear();
        let fresh = Candidate { start: at, reading: Reading::OUTSIDE, of: None };
        let oldest = (at + 1).saturating_sub(HELD as u64);
        let mut found: Option<u64> = None;
        let known = &self.known;
        for candidate in self.before.drain(..).filter(|c| c.start >= oldest).chain([fresh]) {
            let mut complete = false;
            candidate.reading.take(byte, &mut |read| match read {
                Read::Within(reading) => next.push(Candidate { reading, ..candidate }),
                Read::Unit(unit) => {
                    complete |= known.advance(candidate.of, unit, &mut |of| {
                        let (reading, of) = (Reading::OUTSIDE, Some(of));
                        next.push(Candidate { reading, of, ..candidate });
                    });
                }
            });
            if complete {
                found = Some(found.map_or(candidate.start, |least| least.min(candidate.start)));
            }
        }
        if next.len() > self.many {
            next.sort_unstable_by_key(|c| (c.of, c.reading, c.start));
            next.dedup_by_key(|c| (c.of, c.reading));
            self.many = MANY.max(2 * next.len());
        }
        if let Some(start) = found {
            self.cover(start..at + 1);
        }
    }

    /// A secret is here; one that overlaps another is one with it, also where that one's beginning was given on.
    fn cover(&mut self, mut range: Range<u64>) {
        let mut is_marked = range.start < self.given;
        range.start = range.start.max(self.given);
        while let Some(last) = self.found.pop_if(|last| last.range.end > range.start) {
            range.start = range.start.min(last.range.start);
            is_marked |= last.is_marked;
        }
        self.found.push(Found { range, is_marked });
    }

    /// Adds to `out` what no more bytes can change.
    pub(super) fn give(&mut self, out: &mut Vec<u8>) {
        let end = self.given + self.held.len() as u64;
        let mut settled = end.saturating_sub(HELD as u64).max(self.boundary).max(self.given);
        let mut from = self.given;
        let whole = self.found.partition_point(|found| found.range.start < settled);
        for found in self.found.drain(..whole) {
            out.extend_from_slice(part(&self.held, self.given, from..found.range.start));
            if !found.is_marked {
                out.extend_from_slice(MARK.as_bytes());
            }
            from = found.range.end;
            settled = settled.max(from);
        }
        out.extend_from_slice(part(&self.held, self.given, from..settled));
        for byte in &self.held[..offset(self.given, settled)] {
            self.last = [*byte, self.last[0]];
        }
        self.held.drain(..offset(self.given, settled));
        self.given = settled;
    }
}

fn part(held: &[u8], first: u64, range: Range<u64>) -> &[u8] {
    &held[offset(first, range.start)..offset(first, range.end)]
}

fn offset(first: u64, at: u64) -> usize {
    usize::try_from(at - first).expect("what is held is in memory")
}

/// All of it at once. `None`: there is no secret in it.
pub(super) fn whole(known: &Arc<Known>, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut scanner = Scanner::new(Arc::clone(known));
    scanner.read(bytes);
    scanner.end();
    scanner.has_found().then(|| {
        let mut out = Vec::with_capacity(bytes.len());
        scanner.give(&mut out);
        out
    })
}

/// The beginning of it, without what more bytes could change: what comes after it was not looked at.
pub(super) fn beginning(known: &Arc<Known>, bytes: &[u8]) -> Vec<u8> {
    let mut scanner = Scanner::new(Arc::clone(known));
    scanner.read(bytes);
    let mut out = Vec::with_capacity(bytes.len());
    scanner.give(&mut out);
    out
}
