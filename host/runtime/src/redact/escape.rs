//! Reads text of which any character may stand escaped: the ways in which JSON, URLs, HTML, shells and programming
//! languages write one, also one inside the other.
//!
//! Text is ambiguous: `\n` is a line end or the letter after a backslash. So a reader returns *every* reading.

/// How deep escapes are read inside escapes: `%255C` is three.
const DEEPEST: u8 = 8;

/// The longest name of an HTML entity that is known.
const LONGEST_NAME: usize = 8;

/// The most digits that a number in HTML or in braces has, with zeros before it.
const MOST_DIGITS: u8 = 12;

/// The names that HTML has for ASCII characters.
const ENTITIES: [(&[u8], u8); 44] = [
    (b"Tab", b'\t'),
    (b"NewLine", b'\n'),
    (b"excl", b'!'),
    (b"quot", b'"'),
    (b"QUOT", b'"'),
    (b"num", b'#'),
    (b"dollar", b'$'),
    (b"percnt", b'%'),
    (b"amp", b'&'),
    (b"AMP", b'&'),
    (b"apos", b'\''),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"ast", b'*'),
    (b"midast", b'*'),
    (b"plus", b'+'),
    (b"comma", b','),
    (b"period", b'.'),
    (b"sol", b'/'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"lt", b'<'),
    (b"LT", b'<'),
    (b"equals", b'='),
    (b"gt", b'>'),
    (b"GT", b'>'),
    (b"quest", b'?'),
    (b"commat", b'@'),
    (b"lsqb", b'['),
    (b"lbrack", b'['),
    (b"bsol", b'\\'),
    (b"rsqb", b']'),
    (b"rbrack", b']'),
    (b"Hat", b'^'),
    (b"lowbar", b'_'),
    (b"UnderBar", b'_'),
    (b"grave", b'`'),
    (b"lcub", b'{'),
    (b"lbrace", b'{'),
    (b"verbar", b'|'),
    (b"vert", b'|'),
    (b"VertLine", b'|'),
    (b"rcub", b'}'),
    (b"rbrace", b'}'),
];

/// A character that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Byte(u8),
    /// One above ASCII, which an escape named by its number.
    Char(char),
}

impl Unit {
    /// The character with this number; a byte where that is ASCII.
    fn numbered(number: u32) -> Option<Self> {
        match u8::try_from(number) {
            Ok(byte) if byte.is_ascii() => Some(Self::Byte(byte)),
            _ => char::from_u32(number).map(Self::Char),
        }
    }

    /// The first byte of the character.
    pub(super) fn first_byte(self) -> u8 {
        match self {
            Self::Byte(byte) => byte,
            Self::Char(c) => c.encode_utf8(&mut [0; 4]).as_bytes()[0],
        }
    }
}

/// Where in an escape the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Reading {
    place: Place,
    depth: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    /// In none.
    Outside,
    /// After backslashes: as many as there are belong to the character after them.
    Backslash,
    /// In a number of so many more digits.
    Digits { base: u32, left: u8, value: u32 },
    /// In a number that may end after each digit, of so many more: of an octal escape, or one of CSS.
    Short { base: u32, left: u8, value: u32 },
    /// In a number in braces.
    Braces { value: u32, digits: u8 },
    /// In the number of a numeric entity, which HTML also ends where its digits do.
    Number { base: u32, value: u32, digits: u8 },
    /// After `%`, or the `=` of quoted-printable.
    Percent,
    /// After `&`.
    Entity,
    /// After `&#`.
    NumericEntity,
    /// In an entity's name.
    Name { name: [u8; LONGEST_NAME], len: u8 },
    /// After `\u` (four digits, or a number in braces).
    Unicode,
}

/// What a byte may have been.
pub(super) enum Read {
    /// The end of a character.
    Unit(Unit),
    /// A part of an escape.
    Within(Reading),
}

/// Whether this byte may begin an escape.
pub(super) const fn is_opener(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&' | b'=')
}

impl Reading {
    /// Between two characters.
    pub(super) const OUTSIDE: Self = Self { place: Place::Outside, depth: 0 };

    /// Takes a byte, and gives every reading of it to `found`. None is given: the text is none of what is read.
    pub(super) fn take(self, byte: u8, found: &mut impl FnMut(Read)) {
        let at = |place: Place| Read::Within(Self { place, depth: self.depth });
        match self.place {
            Place::Outside => self.unit(Unit::Byte(byte), found),
            Place::Backslash => self.after_backslash(byte, found),
            Place::Unicode if byte == b'{' => found(at(Place::Braces { value: 0, digits: 0 })),
            Place::Unicode => self.digit(byte, 16, 4, 0, found),
            // `%u0041`, which some still write.
            Place::Percent if byte == b'u' => found(at(Place::Unicode)),
            // A line that quoted-printable broke.
            Place::Percent if matches!(byte, b'\r' | b'\n') => found(Read::Unit(Unit::Byte(byte))),
            Place::Percent => self.digit(byte, 16, 2, 0, found),
            Place::Digits { base, left, value } => self.digit(byte, base, left, value, found),
            Place::Short { base, left, value } => self.short(byte, base, left, value, found),
            Place::Braces { value, .. } if byte == b'}' => self.number(value, found),
            Place::Braces { value, digits } => {
                if let Some(value) = (digits < MOST_DIGITS).then(|| more(byte, 16, value)).flatten()
                {
                    found(at(Place::Braces { value, digits: digits + 1 }));
                }
            }
            Place::Entity if byte == b'#' => found(at(Place::NumericEntity)),
            Place::Entity => self.name(byte, [0; LONGEST_NAME], 0, found),
            Place::Name { name, len } => self.name(byte, name, len, found),
            Place::NumericEntity if matches!(byte, b'x' | b'X') => {
                found(at(Place::Number { base: 16, value: 0, digits: 0 }));
            }
            Place::NumericEntity => self.entity_digit(byte, 10, 0, 0, found),
            Place::Number { digits: 1.., value, .. } if byte == b';' => self.number(value, found),
            Place::Number { base, value, digits } => {
                self.entity_digit(byte, base, value, digits, found);
            }
        }
    }

    /// A character has ended, which may in turn be the beginning of an escape.
    fn unit(self, unit: Unit, found: &mut impl FnMut(Read)) {
        found(Read::Unit(unit));
        let Unit::Byte(byte) = unit else { return };
        let place = match byte {
            b'\\' => Place::Backslash,
            b'%' | b'=' => Place::Percent,
            b'&' => Place::Entity,
            // A space in a form.
            b'+' if self.place == Place::Outside => {
                found(Read::Unit(Unit::Byte(b' ')));
                return;
            }
            _ => return,
        };
        if self.depth < DEEPEST {
            found(Read::Within(Self { place, depth: self.depth + 1 }));
        }
    }

    fn after_backslash(self, byte: u8, found: &mut impl FnMut(Read)) {
        let at = |place: Place| Read::Within(Self { place, depth: self.depth });
        // Itself: `\/`, `\"`, and what no language escapes but is read so all the same.
        found(Read::Unit(Unit::Byte(byte)));
        match byte {
            b'\\' => found(at(Place::Backslash)),
            b'u' | b'U' => {
                found(at(Place::Unicode));
                if byte == b'U' {
                    found(at(Place::Digits { base: 16, left: 8, value: 0 }));
                }
            }
            b'x' => {
                found(at(Place::Digits { base: 16, left: 2, value: 0 }));
                found(at(Place::Unicode));
            }
            b'n' => found(Read::Unit(Unit::Byte(b'\n'))),
            b'r' => found(Read::Unit(Unit::Byte(b'\r'))),
            b't' => found(Read::Unit(Unit::Byte(b'\t'))),
            _ => {}
        }
        self.short(byte, 8, 3, 0, found);
        self.short(byte, 16, 6, 0, found);
    }

    /// A digit of a number that may end with it.
    fn short(self, byte: u8, base: u32, left: u8, value: u32, found: &mut impl FnMut(Read)) {
        let Some(value) = more(byte, base, value) else { return };
        // No character of a secret has a smaller number: with one digit it would be any letter after a backslash.
        if value >= u32::from(b' ') {
            self.number(value, found);
        }
        if left > 1 {
            let place = Place::Short { base, left: left - 1, value };
            found(Read::Within(Self { place, depth: self.depth }));
        }
    }

    /// A digit of a numeric entity, which may be without the `;` at its end.
    fn entity_digit(
        self,
        byte: u8,
        base: u32,
        value: u32,
        digits: u8,
        found: &mut impl FnMut(Read),
    ) {
        let Some(value) = (digits < MOST_DIGITS).then(|| more(byte, base, value)).flatten() else {
            return;
        };
        if value >= u32::from(b' ') {
            self.number(value, found);
        }
        let place = Place::Number { base, value, digits: digits + 1 };
        found(Read::Within(Self { place, depth: self.depth }));
    }

    fn digit(self, byte: u8, base: u32, left: u8, value: u32, found: &mut impl FnMut(Read)) {
        match more(byte, base, value) {
            None => {}
            Some(value) if left == 1 => self.number(value, found),
            Some(value) => {
                let place = Place::Digits { base, left: left - 1, value };
                found(Read::Within(Self { place, depth: self.depth }));
            }
        }
    }

    /// A number that is a byte, or a character.
    fn number(self, number: u32, found: &mut impl FnMut(Read)) {
        if let Some(unit) = Unit::numbered(number) {
            self.unit(unit, found);
        }
        if let Ok(byte @ 0x80..) = u8::try_from(number) {
            found(Read::Unit(Unit::Byte(byte)));
        }
    }

    fn name(self, byte: u8, mut name: [u8; LONGEST_NAME], len: u8, found: &mut impl FnMut(Read)) {
        if byte == b';' {
            let known = &name[..usize::from(len)];
            if let Some((_, byte)) = ENTITIES.iter().find(|(name, _)| *name == known) {
                self.unit(Unit::Byte(*byte), found);
            }
        } else if byte.is_ascii_alphabetic() && usize::from(len) < LONGEST_NAME {
            name[usize::from(len)] = byte;
            let place = Place::Name { name, len: len + 1 };
            found(Read::Within(Self { place, depth: self.depth }));
            // Those that HTML also reads without the `;`.
            let known = name[..=usize::from(len)].to_ascii_lowercase();
            if let b"amp" | b"lt" | b"gt" | b"quot" = known.as_slice()
                && let Some((_, byte)) = ENTITIES.iter().find(|(name, _)| *name == known)
            {
                self.unit(Unit::Byte(*byte), found);
            }
        }
    }
}

/// A number with one more digit.
fn more(byte: u8, base: u32, value: u32) -> Option<u32> {
    let digit = char::from(byte).to_digit(base)?;
    value.checked_mul(base)?.checked_add(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this text has a reading as this one character.
    fn reads_as(text: &str, wanted: Unit) -> bool {
        let mut readings = vec![Reading::OUTSIDE];
        let bytes = text.as_bytes();
        for (index, byte) in bytes.iter().enumerate() {
            let mut next = Vec::new();
            let mut is_it = false;
            for reading in readings {
                reading.take(*byte, &mut |read| match read {
                    Read::Within(reading) => next.push(reading),
                    Read::Unit(unit) => is_it |= unit == wanted,
                });
            }
            if index + 1 == bytes.len() {
                return is_it;
            }
            readings = next;
        }
        false
    }

    #[test]
    fn a_character_is_read_in_each_of_its_spellings() {
        for text in [
            "A",
            r"\A",
            r"\\A",
            r"\\\\\\\\\\\\\\\\\\\\A",
            r"\U00000041",
            r"\x{41}",
            r"\x{0041}",
            r"\41",
            r"\000041",
            "&#65",
            "&#x41",
            "&#000000000065;",
            "%2525252541",
            r"\u0041",
            r"\\u0041",
            r"\u{41}",
            r"\x41",
            r"\101",
            "%41",
            "%2541",
            "%252541",
            "%u0041",
            r"%5Cu0041",
            r"%5cx41",
            r"\u005cu0041",
            "&#65;",
            "&#x41;",
            "&#X41;",
            "&#0065;",
            "&amp;#65;",
            "=41",
            r"\u002541",
        ] {
            assert!(reads_as(text, Unit::Byte(b'A')), "{text}");
        }
        for (text, byte) in [
            (r"\/", b'/'),
            ("%2f", b'/'),
            (r"\n", b'\n'),
            (r"\n", b'n'),
            ("&lt;", b'<'),
            ("&quot;", b'"'),
            ("&quot", b'"'),
            ("&period;", b'.'),
            ("&NewLine;", b'\n'),
            (r"\55", b'-'),
            (r"\2f", b'/'),
            ("=\n", b'\n'),
            ("+", b' '),
            ("+", b'+'),
            ("%C3", 0xc3),
        ] {
            assert!(reads_as(text, Unit::Byte(byte)), "{text}");
        }
        assert!(reads_as(r"\u00e9", Unit::Char('é')) && reads_as("&#233;", Unit::Char('é')));
    }

    #[test]
    fn what_is_no_escape_is_read_as_nothing_else() {
        for text in [
            "%4",
            "%zz",
            r"\u004",
            r"\u00zz",
            "&#;",
            "&#x110000;",
            "&nope;",
            "&#6",
            r"\x4",
            r"\x{41",
        ] {
            assert!(!reads_as(text, Unit::Byte(b'A')), "{text}");
        }
    }
}
