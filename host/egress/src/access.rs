use std::{fmt, time::Duration};

/// What became of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was connected, and ended by either side.
    Connected,
    /// It was connected, and cut at a limit, which is named.
    Cut(&'static str),
    /// The rules refuse the destination, or its addresses.
    Refused(String),
    /// The request is none that the proxy serves.
    Malformed(&'static str),
    /// The destination cannot be reached.
    Failed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Cut(limit) => write!(f, "cut: {limit}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Malformed(why) => write!(f, "malformed: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// The record of one connection through a proxy, made when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whose proxy it was: an execution, a check, a fetch.
    pub client: String,
    /// The destination, as scheme, host and port. `None`: the request named none.
    pub destination: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// Bytes from the program to the host.
    pub sent: u64,
    /// Bytes from the host to the program.
    pub received: u64,
    /// How long it lasted.
    pub lasted: Duration,
}
