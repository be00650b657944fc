//! The forms that a secret is found in: as it is, and in the encodings that carry bytes as text.

/// One form of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is, in upper or lower case: names of headers lose theirs.
    Plain,
    /// Cut into characters of so many bits each. The encoded data may have had something before the secret, so the
    /// first character that holds nothing else begins at bit `skip` of it.
    Bits { width: u8, skip: u8, alphabet: Alphabet },
}

/// Which characters stand for bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    Usual,
    /// That of base32hex: the digits, then the letters.
    Extended,
}

pub(super) const fn usual(width: u8, skip: u8) -> Form {
    Form::Bits { width, skip, alphabet: Alphabet::Usual }
}

const fn extended(skip: u8) -> Form {
    Form::Bits { width: 5, skip, alphabet: Alphabet::Extended }
}

/// Hexadecimal, base32 and base64, each with all places at which a secret may begin in them.
pub(super) const FORMS: [Form; 15] = [
    Form::Plain,
    usual(4, 0),
    usual(5, 0),
    usual(5, 1),
    usual(5, 2),
    usual(5, 3),
    usual(5, 4),
    extended(0),
    extended(1),
    extended(2),
    extended(3),
    extended(4),
    usual(6, 0),
    usual(6, 2),
    usual(6, 4),
];

impl Form {
    /// The unit of this form of the secret at `at`. `None`: there are no more.
    pub(super) fn unit(self, secret: &[u8], at: usize) -> Option<u8> {
        match self {
            Self::Plain => secret.get(at).map(u8::to_ascii_lowercase),
            Self::Bits { width, skip, .. } => {
                bits(secret, usize::from(skip) + at * usize::from(width), width)
            }
        }
    }

    /// What unit a character stands for.
    pub(super) fn value(self, byte: u8) -> Option<u8> {
        match self {
            Self::Plain => Some(byte.to_ascii_lowercase()),
            Self::Bits { alphabet: Alphabet::Extended, .. } => {
                u8::try_from(char::from(byte).to_digit(32)?).ok()
            }
            Self::Bits { width, .. } => value(byte, width),
        }
    }

    pub(super) fn is_hexadecimal(self) -> bool {
        matches!(self, Self::Bits { width: 4, .. })
    }

    /// Whether there may be this between two characters: a fold, an indent, a separator, or the other half of a
    /// character of two bytes.
    pub(super) fn is_filling(self, byte: u8) -> bool {
        let is_space = matches!(byte, b'\r' | b'\n' | b' ' | b'\t');
        match self {
            Self::Plain => is_space || byte == 0,
            Self::Bits { width: 4, .. } => is_space || matches!(byte, b':' | b'-' | b',' | b';'),
            Self::Bits { width: 5, .. } => is_space || byte == b'-',
            Self::Bits { .. } => is_space,
        }
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

/// What a character stands for in hexadecimal, base32 or base64, each in all its usual alphabets.
fn value(byte: u8, width: u8) -> Option<u8> {
    match (width, byte) {
        (4, _) => u8::try_from(char::from(byte).to_digit(16)?).ok(),
        (5, b'a'..=b'z') => Some(byte - b'a'),
        (5 | 6, b'A'..=b'Z') => Some(byte - b'A'),
        (5, b'2'..=b'7') => Some(byte - b'2' + 26),
        (6, b'a'..=b'z') => Some(byte - b'a' + 26),
        (6, b'0'..=b'9') => Some(byte - b'0' + 52),
        (6, b'+' | b'-') => Some(62),
        (6, b'/' | b'_' | b',') => Some(63),
        _ => None,
    }
}

/// The secret as characters of base64, for what was encoded twice: from bit `skip` on, without the last bits.
pub(super) fn base64(secret: &[u8], skip: u8) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let form = usual(6, skip);
    let values = (0..).map_while(|at| form.unit(secret, at));
    values.map(|value| ALPHABET[usize::from(value)]).collect()
}
