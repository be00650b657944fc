//! Time spans in JSON: whole milliseconds.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// Writes a time span as milliseconds, cutting what is finer. One too long for 64 bits is written as the longest.
pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).serialize(to)
}

/// Reads milliseconds.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

/// The same for a time span that may be missing.
pub mod option {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    /// Writes milliseconds, or `null`.
    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    /// Reads milliseconds, or `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}
