//! The id of a Claude session, which is also the checkpoint.
//!
//! Claude Code takes the id that it is given. So the id is worked out and saved *before* the program is
//! started, and no tool can run that a restart would not know of.

use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// A session's id: a UUID in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionId(String);

/// A text that is no session id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of a Claude session: it has to be a UUID")]
pub(crate) struct NotASession(String);

impl SessionId {
    /// The session of an execution: always the same for the same one.
    pub(crate) fn of_execution(execution_id: &str) -> Self {
        let hash = Sha256::new().chain_update("cyrus claude session ").chain_update(execution_id);
        let bytes: [u8; 16] = hash.finalize()[..16].try_into().expect("a SHA-256 has 32 bytes");
        // RFC 9562: version 8 (made in a way of one's own), variant 10.
        let mut id = u128::from_be_bytes(bytes);
        id = id & !(0xf << 76) | 0x8 << 76;
        id = id & !(0x3 << 62) | 0x2 << 62;
        let hex = format!("{id:032x}");
        Self([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = NotASession;
    fn from_str(text: &str) -> Result<Self, NotASession> {
        let groups: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let hex = groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()));
        if lengths == [8, 4, 4, 4, 12] && hex {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NotASession(text.chars().take(64).collect()))
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the program is started with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// `--session-id`: it must not be there yet.
    Fresh,
    /// `--resume`: it must be there.
    Resume,
}

impl Start {
    /// Why it is started in this way after all, for people.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Fresh => "there is no such session here: it is begun",
            Self::Resume => "the session is here already: it is resumed",
        }
    }

    /// The other way to start, when what `claude` said shows that it did not begin because the session is not
    /// there, or is there already. Nothing was done then.
    pub(crate) fn instead(self, complaints: &str) -> Option<Self> {
        match self {
            Self::Resume if complaints.contains("No conversation found with session ID") => {
                Some(Self::Fresh)
            }
            Self::Fresh if complaints.contains("is already in use") => Some(Self::Resume),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_execution_is_a_uuid_and_always_the_same() {
        let id = SessionId::of_execution("exec-1");
        assert_eq!(id, SessionId::of_execution("exec-1"));
        assert_ne!(id, SessionId::of_execution("exec-2"));
        assert_eq!(id.as_str().parse::<SessionId>(), Ok(id.clone()));
        assert_eq!(&id.as_str()[14..15], "8");
        assert!(matches!(&id.as_str()[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn nothing_else_can_be_smuggled_into_an_argument() {
        let good = "7FEDCBDF-7188-471e-95de-1347b6ff33e6".parse::<SessionId>().unwrap();
        assert_eq!(good.as_str(), "7fedcbdf-7188-471e-95de-1347b6ff33e6");
        for bad in [
            "",
            "latest",
            "--settings",
            "7fedcbdf71884 71e95de1347b6ff33e6",
            "7fedcbdf-7188-471e-95de-1347b6ff33e6 ",
            "7fedcbdf-7188-471e-95de-1347b6ff33eg",
            "7fedcbdf-7188-471e-95de",
            "../../../etc/passwd",
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(NotASession(bad.to_owned())));
        }
    }

    #[test]
    fn a_session_that_is_not_there_is_begun_and_one_that_is_there_is_resumed() {
        let missing = "No conversation found with session ID: 0000";
        let taken = "Error: Session ID 0000 is already in use.";
        assert_eq!(Start::Resume.instead(missing), Some(Start::Fresh));
        assert_eq!(Start::Fresh.instead(taken), Some(Start::Resume));
        for (start, complaints) in
            [(Start::Fresh, missing), (Start::Resume, taken), (Start::Resume, "Killed")]
        {
            assert_eq!(start.instead(complaints), None);
        }
    }
}
