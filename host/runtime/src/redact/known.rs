//! The secrets, sorted so that all of them are looked for at once.

use super::{
    escape::{self, Read, Reading, Unit},
    form::{FORMS, Form, base64},
};
use std::{cmp::Ordering, iter};
use zeroize::Zeroizing;

/// A longer secret is looked for in parts of this length, in bytes. A part is found whole or not at all, so what becomes
/// of a text that has some of a secret in it does not say how much of it is right.
const PART: usize = 32;

/// By how much parts overlap, so that in every encoding nothing is left between two of them.
const OVERLAP: usize = 4;

/// The most that an encoding may have between two of its characters, in characters: the offset of a line of a dump.
const MOST_FILLING: u8 = 24;

/// What is looked for.
struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    /// Not only in encodings.
    plain: bool,
}

/// Needles that what was read may be the beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Match {
    form: usize,
    /// Where they are in what is sorted by this form.
    from: usize,
    to: usize,
    /// How many of their units were read.
    units: usize,
    /// Characters between, since the last unit.
    filling: u8,
    beside: Beside,
}

/// What of hexadecimal is read that is not part of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    Nothing,
    /// The zero of `0x`.
    Zero,
    /// A new line, which may begin with an offset.
    Line,
}

/// Secrets, and how they begin.
pub(super) struct Known {
    pub(super) secrets: Vec<Zeroizing<String>>,
    needles: Vec<Needle>,
    /// For each form the needles, sorted by their units.
    sorted: Vec<Vec<usize>>,
    /// By the first byte: what may begin with it, unescaped, and whether that is all of one.
    first: Vec<Vec<(Match, bool)>>,
    /// Bytes that something may begin with.
    starts: [bool; 256],
    /// One bit for each two bytes that something may begin with.
    pairs: Vec<u64>,
}

impl Default for Known {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Known {
    pub(super) fn new(secrets: Vec<Zeroizing<String>>) -> Self {
        let mut known = Self {
            needles: needles(&secrets),
            secrets,
            sorted: Vec::new(),
            first: vec![Vec::new(); 256],
            starts: [false; 256],
            pairs: vec![0; 1024],
        };
        if known.secrets.is_empty() {
            return known;
        }
        for (index, form) in FORMS.into_iter().enumerate() {
            known.sorted.push(sorted(&known.needles, form));
            known.add(index, form);
        }
        for opener in (0..=u8::MAX).filter(|byte| escape::is_opener(*byte)) {
            known.add_opener(opener);
        }
        known
    }

    fn add(&mut self, index: usize, form: Form) {
        let all = Match {
            form: index,
            from: 0,
            to: self.sorted[index].len(),
            units: 0,
            filling: 0,
            beside: Beside::Nothing,
        };
        for first in 0..=u8::MAX {
            let Some((begun, complete)) = self.step(all, first) else { continue };
            self.first[usize::from(first)].push((begun, complete));
            let mut seconds = [false; 256];
            for needle in &self.sorted[index][begun.from..begun.to] {
                if let Some(unit) = form.unit(&self.needles[*needle].bytes, 1) {
                    seconds[usize::from(unit)] = true;
                }
            }
            for second in 0..=u8::MAX {
                let continues = form.value(second).is_some_and(|value| seconds[usize::from(value)]);
                if continues || form.is_filling(second) || escape::is_opener(second) {
                    self.add_pair(first, second);
                }
            }
        }
    }

    /// An escape has to be one, or of something that begins a secret.
    fn add_opener(&mut self, opener: u8) {
        let mut readings = Vec::new();
        Reading::OUTSIDE.take(opener, &mut |read| {
            if let Read::Within(reading) = read {
                readings.push(reading);
            }
        });
        for second in 0..=u8::MAX {
            let mut is_interesting = false;
            for reading in &readings {
                reading.take(second, &mut |read| {
                    is_interesting |= match read {
                        Read::Within(_) => true,
                        Read::Unit(unit) => !self.first[usize::from(unit.first_byte())].is_empty(),
                    };
                });
            }
            if is_interesting {
                self.add_pair(opener, second);
            }
        }
    }

    fn add_pair(&mut self, first: u8, second: u8) {
        self.starts[usize::from(first)] = true;
        let bit = pair(first, second);
        self.pairs[bit / 64] |= 1 << (bit % 64);
    }

    /// How many of these bytes come before the first that something may begin with.
    pub(super) fn dull(&self, bytes: &[u8]) -> usize {
        let may_begin = |two: &[u8]| {
            let bit = pair(two[0], two[1]);
            self.pairs[bit / 64] & (1 << (bit % 64)) != 0
        };
        let of_two = bytes.windows(2).position(may_begin);
        of_two.unwrap_or_else(|| match bytes.last() {
            Some(last) if self.starts[usize::from(*last)] => bytes.len() - 1,
            _ => bytes.len(),
        })
    }

    /// What a match becomes with this character, and what it may have been besides. Whether a needle ends here.
    pub(super) fn advance(
        &self,
        so_far: Option<Match>,
        unit: Unit,
        next: &mut impl FnMut(Match),
    ) -> bool {
        let Some(so_far) = so_far else { return self.begin(unit, next) };
        let taken = match unit {
            Unit::Byte(byte) => {
                if let Some(beside) = beside(so_far, byte) {
                    next(beside);
                }
                self.step(so_far, byte)
            }
            Unit::Char(c) => self.step_all(so_far, c),
        };
        if let Some((taken, complete)) = taken {
            if taken.from < taken.to {
                next(taken);
            }
            return complete;
        }
        if let Unit::Byte(byte) = unit
            && let Some(filled) = filled(so_far, byte)
        {
            next(filled);
        }
        false
    }

    fn begin(&self, unit: Unit, next: &mut impl FnMut(Match)) -> bool {
        let mut is_complete = false;
        let mut take = |found: Option<(Match, bool)>| {
            let Some((begun, complete)) = found else { return };
            is_complete |= complete;
            if begun.from < begun.to {
                next(begun);
            }
        };
        match unit {
            Unit::Byte(byte) => {
                self.first[usize::from(byte)].iter().for_each(|begun| take(Some(*begun)));
            }
            Unit::Char(c) => {
                let all = self.sorted.first().map_or(0, Vec::len);
                let (form, units, filling, beside) = (0, 0, 0, Beside::Nothing);
                take(self.step_all(Match { form, from: 0, to: all, units, filling, beside }, c));
            }
        }
        is_complete
    }

    /// The character's bytes, which only an unencoded secret has.
    fn step_all(&self, so_far: Match, c: char) -> Option<(Match, bool)> {
        let mut space = [0; 4];
        let bytes = c.encode_utf8(&mut space).as_bytes();
        if FORMS[so_far.form] != Form::Plain {
            return None;
        }
        bytes.iter().try_fold((so_far, false), |(so_far, _), byte| self.step(so_far, *byte))
    }

    /// Those of the match that have this character next, and whether it is the last of one.
    fn step(&self, so_far: Match, byte: u8) -> Option<(Match, bool)> {
        if so_far.beside == Beside::Zero {
            return None;
        }
        let form = FORMS[so_far.form];
        let value = Some(form.value(byte)?);
        let list = &self.sorted[so_far.form];
        let unit = |needle: &usize, at| form.unit(&self.needles[*needle].bytes, at);
        let among = &list[so_far.from..so_far.to];
        let from = so_far.from + among.partition_point(|n| unit(n, so_far.units) < value);
        let same = list[from..so_far.to].partition_point(|n| unit(n, so_far.units) == value);
        let units = so_far.units + 1;
        let whole = list[from..from + same].partition_point(|n| unit(n, units).is_none());
        let (to, filling, beside) = (from + same, 0, Beside::Nothing);
        let taken = Match { from: from + whole, to, units, filling, beside, ..so_far };
        (same > 0).then_some((taken, whole > 0))
    }
}

/// What a digit or the `x` of `0x` may be that is not part of a number.
fn beside(so_far: Match, byte: u8) -> Option<Match> {
    let filling = so_far.filling + 1;
    if !FORMS[so_far.form].is_hexadecimal()
        || !so_far.units.is_multiple_of(2)
        || filling > MOST_FILLING
    {
        return None;
    }
    let beside = match (so_far.beside, byte) {
        (Beside::Zero, b'x' | b'X') => Beside::Nothing,
        (Beside::Line, _) if byte.is_ascii_hexdigit() => Beside::Line,
        (Beside::Nothing, b'0') => Beside::Zero,
        _ => return None,
    };
    Some(Match { filling, beside, ..so_far })
}

fn filled(so_far: Match, byte: u8) -> Option<Match> {
    let form = FORMS[so_far.form];
    let filling = so_far.filling + 1;
    let fills = form.is_filling(byte) && filling <= MOST_FILLING && so_far.beside != Beside::Zero;
    let beside =
        if byte == b'\n' && form.is_hexadecimal() { Beside::Line } else { Beside::Nothing };
    fills.then_some(Match { filling, beside, ..so_far })
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// The needles that have this form, sorted by its units.
fn sorted(needles: &[Needle], form: Form) -> Vec<usize> {
    let has_it = |index: &usize| form != Form::Plain || needles[*index].plain;
    let mut all: Vec<_> = (0..needles.len()).filter(has_it).collect();
    let compare = |one: &usize, other: &usize| -> Ordering {
        let units = |index: &usize| {
            let bytes = &needles[*index].bytes;
            (0..).map_while(move |at| form.unit(bytes, at))
        };
        units(one).cmp(units(other))
    };
    all.sort_by(compare);
    all
}

/// What is looked for of these secrets: each and each of its lines, in parts, also as what is encoded may have them.
fn needles(secrets: &[Zeroizing<String>]) -> Vec<Needle> {
    let mut all = Vec::new();
    for secret in secrets {
        let whole = iter::once(secret.as_str());
        let lines = secret.lines().map(str::trim).filter(|line| line.len() < secret.len());
        for text in whole.chain(lines).filter(|text| text.len() >= super::SHORTEST) {
            for part in parts(text.as_bytes()) {
                add_needles(part, &mut all);
            }
        }
    }
    all
}

fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = bytes.len().saturating_sub(PART);
    let starts = (0..last).step_by(PART - OVERLAP).chain([last]);
    starts.map(|start| &bytes[start..bytes.len().min(start + PART)])
}

fn add_needles(part: &[u8], all: &mut Vec<Needle>) {
    let mut add = |bytes: Vec<u8>, plain| all.push(Needle { bytes: Zeroizing::new(bytes), plain });
    add(part.to_vec(), true);
    for skip in [0, 2, 4] {
        add(base64(part, skip), false);
    }
    if let Ok(text) = str::from_utf8(part) {
        let escaped = serde_json::Value::from(text).to_string();
        let escaped = &escaped.as_bytes()[1..escaped.len() - 1];
        if escaped != part {
            add(escaped.to_vec(), false);
        }
        // In both orders of bytes, without the half that is the same for all.
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        add(wide[..wide.len() - 1].to_vec(), false);
    }
}
