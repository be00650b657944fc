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

    /// The tree without a file, in repositories of this one's kind: git knows it without its being there.
    pub(crate) fn empty_tree_like(&self) -> Self {
        const SHA1: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        const SHA256: &str = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";
        Self(if self.0.len() == SHA1.len() { SHA1 } else { SHA256 }.to_owned())
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
