//! How much of the sandbox a program gets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much of the sandbox a program gets, and what happens where the system cannot give all of it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The program only has its process namespace. It reads and writes what its user can.
    Off,
    /// Every layer that the system offers. Layers that are missing are named in the
    /// [`Confinement`](crate::Confinement).
    #[default]
    Standard,
    /// Every layer. A program does not start when one is missing.
    Strict,
}

/// A word that is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no sandbox profile: write \"strict\", \"standard\" or \"off\"")]
pub struct UnknownProfile(pub String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        match text {
            "strict" => Ok(Self::Strict),
            "standard" => Ok(Self::Standard),
            "off" => Ok(Self::Off),
            _ => Err(UnknownProfile(text.to_owned())),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
            Self::Off => "off",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_reads_as_it_is_written() {
        for profile in [Profile::Off, Profile::Standard, Profile::Strict] {
            assert_eq!(profile.to_string().parse(), Ok(profile));
            assert_eq!(serde_json::to_value(profile).unwrap(), profile.to_string());
        }
        assert_eq!("Strict".parse::<Profile>(), Err(UnknownProfile("Strict".into())));
        assert_eq!(Profile::default(), Profile::Standard);
    }
}
