//! What a child that compiles answers: one value of JSON on its standard output.

use super::child;
use cyrus_plugin::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// The native code is in the file, whose digest this is.
    Compiled {
        /// Of the file.
        digest: Digest,
    },
    /// It will not be compiled by another try either.
    Refused(Refusal),
    /// The child could not do its work, or had not its share of the machine. Another try may do better.
    Failed(String),
}

/// Why a component is not compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Refusal {
    /// It is no component, or none that this engine takes.
    Invalid(String),
    /// It takes too much memory.
    Memory,
    /// It takes too long.
    Time,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(problem) => write!(f, "not a component that can be compiled: {problem}"),
            Self::Memory => {
                let most = child::MEMORY_BYTES >> 20;
                write!(
                    f,
                    "to compile its component takes more than {most} MiB of memory, the most that is allowed"
                )
            }
            Self::Time => {
                let most = child::TIME.as_secs();
                write!(
                    f,
                    "to compile its component takes longer than {most} s, the most that is allowed"
                )
            }
        }
    }
}
