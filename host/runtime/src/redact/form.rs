//! The forms that a secret is found in: as it is, and in the encodings that carry bytes as text.

use super::escape::Unit;

/// A form is found by this many units of it. A longer secret is then covered for as long as it continues, so that
/// nearly all of one is not passed on because its end is missing.
const ENOUGH: usize = 64;

/// Line ends and separators in a row that an encoding may have between two of its characters.
pub(super) const MOST_FILLING: u8 = 4;

/// One form of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Form {
    /// As it is, in upper or lower case: names of headers lose theirs.
    Plain,
    /// Cut into characters of so many bits each. The encoded data may have had something before the secret, so the
    /// first character that holds nothing else begins at bit `skip` of it.
    Bits { width: u8, skip: u8 },
}

/// Hexadecimal, base32 and base64, each with all places at which a secret may begin in them.
pub(super) const FORMS: [Form; 10] = [
    Form::Plain,
    Form::Bits { width: 4, skip: 0 },
    Form::Bits { width: 5, skip: 0 },
    Form::Bits { width: 5, skip: 1 },
    Form::Bits { width: 5, skip: 2 },
    Form::Bits { width: 5, skip: 3 },
    Form::Bits { width: 5, skip: 4 },
    Form::Bits { width: 6, skip: 0 },
    Form::Bits { width: 6, skip: 2 },
    Form::Bits { width: 6, skip: 4 },
];

impl Form {
    /// The number of units that this form of the secret has.
    pub(super) fn units(self, secret: &[u8]) -> usize {
        match self {
            Self::Plain => secret.len(),
            Self::Bits { width, skip } => {
                (secret.len() * 8 - usize::from(skip)) / usize::from(width)
            }
        }
    }

    /// How many of them have to be there.
    pub(super) fn enough(self, secret: &[u8]) -> usize {
        self.units(secret).min(ENOUGH)
    }

    /// How many units of this form `unit` is at `at`. Zero: it is not what comes there.
    pub(super) fn accepts(self, secret: &[u8], at: usize, unit: Unit) -> usize {
        match (self, unit) {
            (Self::Plain, Unit::Byte(byte)) => {
                secret.get(at).is_some_and(|own| own.eq_ignore_ascii_case(&byte)).into()
            }
            (Self::Plain, Unit::Char(c)) => {
                let mut space = [0; 4];
                let bytes = c.encode_utf8(&mut space).as_bytes();
                let rest = secret.get(at..).unwrap_or_default();
                if rest.starts_with(bytes) { bytes.len() } else { 0 }
            }
            (Self::Bits { width, skip }, Unit::Byte(byte)) => {
                let wanted = bits(secret, usize::from(skip) + at * usize::from(width), width);
                (wanted.is_some() && wanted == value(byte, width)).into()
            }
            (Self::Bits { .. }, Unit::Char(_)) => 0,
        }
    }

    /// Whether an encoding may have this between two of its characters.
    pub(super) fn is_filling(self, unit: Unit) -> bool {
        match (self, unit) {
            (Self::Bits { width: 4, .. }, Unit::Byte(byte)) => {
                matches!(byte, b':' | b'-' | b' ' | b'\r' | b'\n')
            }
            (Self::Bits { .. }, Unit::Byte(byte)) => matches!(byte, b'\r' | b'\n'),
            _ => false,
        }
    }

    /// The bytes that the unit at `at` may be written as, unescaped.
    pub(super) fn spellings(self, secret: &[u8], at: usize) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |byte| self.accepts(secret, at, Unit::Byte(*byte)) > 0)
    }
}

/// `width` bits of the secret from bit `from` on.
fn bits(secret: &[u8], from: usize, width: u8) -> Option<u8> {
    let width = usize::from(width);
    if from + width > secret.len() * 8 {
        return None;
    }
    let byte = |index: usize| u16::from(secret.get(index).copied().unwrap_or_default());
    let two = byte(from / 8) << 8 | byte(from / 8 + 1);
    let low = two >> (16 - from % 8 - width) & ((1 << width) - 1);
    u8::try_from(low).ok()
}

/// What a character stands for in hexadecimal, base32 or base64, each in all its alphabets.
fn value(byte: u8, width: u8) -> Option<u8> {
    match (width, byte) {
        (4, _) => u8::try_from(char::from(byte).to_digit(16)?).ok(),
        (5, b'a'..=b'z') => Some(byte - b'a'),
        (5 | 6, b'A'..=b'Z') => Some(byte - b'A'),
        (5, b'2'..=b'7') => Some(byte - b'2' + 26),
        (6, b'a'..=b'z') => Some(byte - b'a' + 26),
        (6, b'0'..=b'9') => Some(byte - b'0' + 52),
        (6, b'+' | b'-') => Some(62),
        (6, b'/' | b'_') => Some(63),
        _ => None,
    }
}
