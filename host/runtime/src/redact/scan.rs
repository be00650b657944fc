//! Finds secrets in bytes that come in pieces.

use super::{
    Known, MARK,
    escape::{Read, Reading, Unit},
    form::{Form, MOST_FILLING},
};
use std::{mem, ops::Range, sync::Arc};

/// From this number on, candidates that would find the same are looked for.
const MANY: usize = 64;

/// A place from which on everything was a secret's so far.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    start: u64,
    reading: Reading,
    /// `None`: still in its first character.
    of: Option<Of>,
}

/// What it is a candidate for, and how much of that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    secret: usize,
    form: Form,
    units: usize,
    /// Characters between, since the last unit.
    filling: u8,
}

/// Reads bytes, and gives them on without secrets.
pub(super) struct Scanner {
    known: Arc<Known>,
    /// Bytes that are not given on yet; the first is at `given`.
    held: Vec<u8>,
    given: u64,
    candidates: Vec<Candidate>,
    /// The candidates before this byte: kept for its space.
    before: Vec<Candidate>,
    /// Where secrets are, in order, apart from each other.
    found: Vec<Range<u64>>,
}

impl Scanner {
    pub(super) fn new(known: Arc<Known>) -> Self {
        Self {
            known,
            held: Vec::new(),
            given: 0,
            candidates: Vec::new(),
            before: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Knows more from here on. What was known keeps its place.
    pub(super) fn learn(&mut self, known: &Arc<Known>) {
        if !Arc::ptr_eq(&self.known, known) {
            self.known = Arc::clone(known);
        }
    }

    /// Takes the next piece.
    pub(super) fn read(&mut self, piece: &[u8]) {
        let begin = self.held.len();
        self.held.extend_from_slice(piece);
        let mut index = begin;
        while index < self.held.len() {
            if self.candidates.is_empty() {
                index += self.known.dull(&self.held[index..]);
            }
            if let Some(byte) = self.held.get(index) {
                self.take(*byte, self.given + index as u64);
                index += 1;
            }
        }
    }

    /// No more comes: what is not whole is no secret.
    pub(super) fn end(&mut self) {
        self.candidates.clear();
    }

    /// Whether there is a secret in what is not given on yet.
    pub(super) fn has_found(&self) -> bool {
        !self.found.is_empty()
    }

    fn take(&mut self, byte: u8, at: u64) {
        mem::swap(&mut self.candidates, &mut self.before);
        let next = &mut self.candidates;
        next.clear();
        let fresh = Candidate { start: at, reading: Reading::OUTSIDE, of: None };
        let mut found: Option<u64> = None;
        for candidate in self.before.drain(..).chain([fresh]) {
            let mut complete = false;
            candidate.reading.take(byte, &mut |read| match read {
                Read::Within(reading) => next.push(Candidate { reading, ..candidate }),
                Read::Unit(unit) => complete |= advance(&self.known, candidate, unit, next),
            });
            if complete {
                found = Some(found.map_or(candidate.start, |least| least.min(candidate.start)));
            }
        }
        if next.len() > MANY {
            next.sort_by_key(|candidate| (candidate.of, candidate.reading, candidate.start));
            next.dedup_by_key(|candidate| (candidate.of, candidate.reading));
        }
        if let Some(start) = found {
            self.cover(start..at + 1);
        }
    }

    /// A secret is here; one that overlaps another is one with it.
    fn cover(&mut self, mut range: Range<u64>) {
        while let Some(last) = self.found.pop_if(|last| last.end > range.start) {
            range.start = range.start.min(last.start);
        }
        self.found.push(range);
    }

    /// Adds to `out` what no more bytes can change.
    pub(super) fn give(&mut self, out: &mut Vec<u8>) {
        let end = self.given + self.held.len() as u64;
        let mut settled = self.candidates.iter().map(|c| c.start).min().unwrap_or(end);
        // A secret to which more may come is given on when it is whole.
        if let Some(open) = self.found.iter().find(|found| found.end > settled) {
            settled = settled.min(open.start);
        }
        let mut from = self.given;
        let whole = self.found.partition_point(|found| found.end <= settled);
        for found in self.found.drain(..whole) {
            out.extend_from_slice(part(&self.held, self.given, from..found.start));
            out.extend_from_slice(MARK.as_bytes());
            from = found.end;
        }
        out.extend_from_slice(part(&self.held, self.given, from..settled));
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

/// What a candidate becomes with this character. Whether a secret ends here.
fn advance(known: &Known, candidate: Candidate, unit: Unit, next: &mut Vec<Candidate>) -> bool {
    let mut complete = false;
    let mut accept = |of: Of| {
        let secret = known.secret(of.secret);
        let taken = of.form.accepts(secret, of.units, unit);
        if taken > 0 {
            let of = Of { units: of.units + taken, filling: 0, ..of };
            complete |= of.units >= of.form.enough(secret);
            if of.units < of.form.units(secret) {
                next.push(Candidate { reading: Reading::OUTSIDE, of: Some(of), ..candidate });
            }
        } else if of.units > 0 && of.filling < MOST_FILLING && of.form.is_filling(unit) {
            let of = Of { filling: of.filling + 1, ..of };
            next.push(Candidate { reading: Reading::OUTSIDE, of: Some(of), ..candidate });
        }
    };
    if let Some(of) = candidate.of {
        accept(of);
    } else {
        let first = known.beginning_with(unit);
        first.for_each(|(secret, form)| accept(Of { secret, form, units: 0, filling: 0 }));
    }
    complete
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
