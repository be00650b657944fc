//! Layers that an operator takes away, to try what holds without them.

use std::str::FromStr;

/// Layers of the sandbox that programs do not get although the system has them: a way to try how programs, and
/// Cyrus, fare on systems that have less. A profile `strict` is not met without them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Namespaces of all kinds: of users, files, processes, the network.
    pub namespaces: bool,
    /// Landlock.
    pub landlock: bool,
}

/// A word that is no layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no layer of the sandbox: write \"namespaces\", \"landlock\", or both with a comma between them"
)]
pub struct UnknownLayer(pub String);

impl FromStr for Withheld {
    type Err = UnknownLayer;

    fn from_str(text: &str) -> Result<Self, UnknownLayer> {
        let mut withheld = Self::default();
        for word in text.split(',').map(str::trim) {
            match word {
                "namespaces" => withheld.namespaces = true,
                "landlock" => withheld.landlock = true,
                _ => return Err(UnknownLayer(word.to_owned())),
            }
        }
        Ok(withheld)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_words_with_commas_between_them() {
        let withheld = |namespaces, landlock| Withheld { namespaces, landlock };
        assert_eq!("namespaces".parse(), Ok(withheld(true, false)));
        assert_eq!("landlock, namespaces".parse(), Ok(withheld(true, true)));
        for wrong in ["", "Landlock", "namespaces,", "namespaces landlock", "files"] {
            assert!(wrong.parse::<Withheld>().is_err(), "{wrong}");
        }
    }
}
