use crate::plain;
use std::fmt;

/// The name of a git object, in full: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits. Whatever git or an
/// executor says is a commit becomes one of these before it is used in a command, a path or a ref.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId(String);

impl ObjectId {
    /// The name in this text, blanks around it apart.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (matches!(text.len(), 40 | 64) && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// The name of these bytes, as trees have it.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(plain::hexadecimal(bytes))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What git calls "no object" in repositories of this one's kind: a ref that must not exist has this value.
    pub(crate) fn none_like(&self) -> Self {
        Self("0".repeat(self.0.len()))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_names_are_names() {
        let good = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(ObjectId::parse(&format!(" {good}\n")).unwrap().as_str(), good);
        assert!(ObjectId::parse(&"a".repeat(64)).is_some());
        for bad in ["", "HEAD", "--all", &good[1..], &good.to_uppercase(), "../../etc/passwd"] {
            assert_eq!(ObjectId::parse(bad), None, "{bad}");
        }
    }
}
