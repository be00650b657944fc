//! One change of an input.

use proptest::{
    prelude::{Arbitrary, BoxedStrategy, Just, Strategy as _, any, prop_oneof},
    sample::Index,
};

/// Values at the ends of what numbers can be.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1e999",
    "-0",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "NaN",
    "null",
];

/// Text that means something to somebody.
const TOKENS: &[&str] = &[
    "\0",
    "\r\n",
    "\n",
    "\u{1b}[",
    "\u{9b}",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
    "../",
    "/",
    "//",
    "\\",
    "%00",
    "%2e%2e",
    "@",
    ":",
    "::",
    "*",
    "*.",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "`",
    "```",
    "<!--",
    "-->",
    "- [ ] ",
    "&a ",
    "*a",
    "--",
    "\u{130}",
    "\u{e9}",
    "\u{ff0e}",
    "xn--",
    "[::ffff:127.0.0.1]",
    ".git",
    "GIT~1",
    "\\u0000",
    "\\ud800",
];

/// One change.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    /// A bit is turned.
    Flip(Index, u8),
    /// A byte is replaced.
    Set(Index, u8),
    /// A piece is taken out.
    Remove(Index, u8),
    /// A piece is repeated.
    Repeat { at: Index, length: u8, times: u8 },
    /// Text that means something is put in.
    Insert(Index, Index),
    /// A number takes the place of what is there.
    Number(Index, u8, Index),
    /// A piece of another example is put in.
    Splice { at: Index, from: Index, start: Index, length: u8 },
    /// The end is cut off.
    Truncate(Index),
    /// It is doubled as often.
    Double(u8),
}

impl Arbitrary for Mutation {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let index = any::<Index>;
        prop_oneof![
            2 => (index(), 0_u8..8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            2 => (index(), any::<u8>()).prop_map(|(at, byte)| Self::Set(at, byte)),
            2 => (index(), any::<u8>()).prop_map(|(at, length)| Self::Remove(at, length)),
            2 => (index(), any::<u8>(), any::<u8>())
                .prop_map(|(at, length, times)| Self::Repeat { at, length, times }),
            4 => (index(), index()).prop_map(|(at, token)| Self::Insert(at, token)),
            2 => (index(), 0_u8..12, index()).prop_map(|(at, over, number)| Self::Number(at, over, number)),
            3 => (index(), index(), index(), any::<u8>())
                .prop_map(|(at, from, start, length)| Self::Splice { at, from, start, length }),
            1 => index().prop_map(Self::Truncate),
            1 => (1_u8..5).prop_map(Self::Double),
            1 => Just(Self::Double(0)),
        ]
        .boxed()
    }
}

impl Mutation {
    pub(crate) fn apply(&self, input: &mut Vec<u8>, examples: &[&[u8]]) {
        let place = |at: &Index, input: &[u8]| at.index(input.len() + 1);
        match self {
            Self::Flip(at, bit) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] ^= 1 << bit;
            }
            Self::Set(at, byte) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] = *byte;
            }
            Self::Flip(..) | Self::Set(..) => {}
            Self::Remove(at, length) => {
                let at = place(at, input);
                let end = input.len().min(at + usize::from(*length));
                input.drain(at..end);
            }
            Self::Repeat { at, length, times } => {
                let at = place(at, input);
                let end = input.len().min(at + usize::from(*length));
                let piece = input[at..end].repeat(usize::from(*times));
                input.splice(at..at, piece);
            }
            Self::Insert(at, token) => {
                let at = place(at, input);
                input.splice(at..at, token.get::<&str>(TOKENS).bytes());
            }
            Self::Number(at, over, number) => {
                let at = place(at, input);
                let end = input.len().min(at + usize::from(*over));
                input.splice(at..end, number.get::<&str>(NUMBERS).bytes());
            }
            Self::Splice { at, from, start, length } => {
                let other = from.get::<&[u8]>(examples);
                let start = start.index(other.len() + 1);
                let end = other.len().min(start + usize::from(*length));
                let at = place(at, input);
                input.splice(at..at, other[start..end].iter().copied());
            }
            Self::Truncate(at) => input.truncate(place(at, input)),
            Self::Double(times) => {
                for _ in 0..*times {
                    if input.len() < super::LONGEST {
                        input.extend_from_within(..);
                    }
                }
            }
        }
    }
}
