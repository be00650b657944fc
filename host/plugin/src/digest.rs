use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, fmt::Write as _, str::FromStr};

/// A SHA-256, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// The identity of a plugin: one SHA-256 over its manifest and its component, as [`Digest`] writes it.
///
/// It covers `cyrus plugin 1` with a line end, then the manifest and then the component, each as its length in
/// bytes (64 bits, most significant first) and its bytes. So a change of either file changes it, and no byte can
/// move from one file to the other without changing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PluginDigest(Digest);

/// Separates this digest from every other use of SHA-256.
const PLUGIN_DOMAIN: &[u8] = b"cyrus plugin 1\n";

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a digest: write sha256: and 64 hexadecimal digits")]
pub struct ParseDigestError(pub String);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl PluginDigest {
    /// The digest of a plugin with this manifest and this component.
    pub fn of(manifest: &[u8], component: &[u8]) -> Self {
        let mut hash = Sha256::new_with_prefix(PLUGIN_DOMAIN);
        for part in [manifest, component] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(Digest(hash.finalize().into()))
    }

    /// Whether `other`, which was computed over something else, has the same text.
    pub fn reads_like(self, other: Digest) -> bool {
        self.0 == other
    }
}

impl fmt::Display for PluginDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PluginDigest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseDigestError(text.to_owned());
        let hex = text.strip_prefix("sha256:").ok_or_else(refuse)?;
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        let mut digest = [0; 32];
        if pairs.len() != digest.len() || !rest.is_empty() {
            return Err(refuse());
        }
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            let [high, low] = pair.map(|c| (c as char).to_digit(16));
            let value = high.zip(low).map(|(high, low)| high * 16 + low);
            *byte = value.and_then(|value| value.try_into().ok()).ok_or_else(refuse)?;
        }
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        let mut text = Self::with_capacity(71);
        let _infallible = write!(text, "{digest}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_sha256_that_other_tools_print() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(format!("{:?}", Digest::of(b"")), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(b"")));
        assert_eq!(empty.to_uppercase().replace("SHA256", "sha256").parse(), Ok(Digest::of(b"")));
    }

    #[test]
    fn a_plugins_digest_covers_both_files_and_where_one_ends() {
        // Computed with: printf 'cyrus plugin 1\n' + 8 bytes of length + "ab" + 8 bytes of length + "c", sha256sum.
        let known = "sha256:da419eb16dcd9713a0456b99d87f81d51b46243150948d881495e1a60372324f";
        assert_eq!(PluginDigest::of(b"ab", b"c").to_string(), known);
        for (manifest, component) in
            [(&b"a"[..], &b"bc"[..]), (b"abc", b""), (b"", b"abc"), (b"c", b"ab")]
        {
            assert_ne!(PluginDigest::of(manifest, component), PluginDigest::of(b"ab", b"c"));
        }
        assert!(!PluginDigest::of(b"", b"c").reads_like(Digest::of(b"c")));
    }

    #[test]
    fn refuses_other_texts() {
        for bad in
            ["", "sha256:", "sha256:00", &"0".repeat(64), &format!("sha256:{}é", "0".repeat(62))]
        {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
