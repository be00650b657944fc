//! Numbers that others say.

use super::Reading;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// More tokens than any request has.
const MOST: u64 = 1_000_000_000;

/// A count of tokens, or something that is none where one belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Count {
    /// It is not there, or null.
    #[default]
    Missing,
    /// This many.
    Is(u64),
    /// It is no count: negative, a fraction, text, or more than there can be.
    Bad,
}

impl Count {
    /// Puts the count where it belongs.
    pub(super) fn set(self, to: &mut u64, reading_is_malformed: &mut bool) {
        match self {
            Self::Missing => {}
            Self::Is(count) => *to = count,
            Self::Bad => *reading_is_malformed = true,
        }
    }

    /// The count, or none.
    pub(super) fn or_zero(self, reading: &mut Reading) -> u64 {
        let mut count = 0;
        self.set(&mut count, &mut reading.is_malformed);
        count
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl<'de> Visitor<'de> for Number {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of tokens")
            }
            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count::Missing)
            }
            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(if count <= MOST { Count::Is(count) } else { Count::Bad })
            }
            fn visit_i64<E>(self, count: i64) -> Result<Count, E> {
                Ok(u64::try_from(count).map_or(Count::Bad, |count| {
                    if count <= MOST { Count::Is(count) } else { Count::Bad }
                }))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Count, E> {
                Ok(Count::Bad)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
                Ok(Count::Bad)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Count, E> {
                Ok(Count::Bad)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Count::Bad)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Count::Bad)
            }
        }
        from.deserialize_any(Number)
    }
}

/// The length of a text, without the text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Length(pub(super) u64);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Length;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Length, E> {
                Ok(Length(text.len() as u64))
            }
            fn visit_unit<E>(self) -> Result<Length, E> {
                Ok(Length(0))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Length, E> {
                Ok(Length(0))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Length, E> {
                Ok(Length(0))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Length, E> {
                Ok(Length(0))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Length, E> {
                Ok(Length(0))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Length, A::Error> {
                let mut sum = 0_u64;
                while let Some(Length(length)) = seq.next_element()? {
                    sum = sum.saturating_add(length);
                }
                Ok(Length(sum))
            }
            // Whatever else is there: the lengths of all its texts.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Length, A::Error> {
                let mut sum = 0_u64;
                while let Some((_, Length(length))) = map.next_entry::<IgnoredAny, Length>()? {
                    sum = sum.saturating_add(length);
                }
                Ok(Length(sum))
            }
        }
        from.deserialize_any(Text)
    }
}
