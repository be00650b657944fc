//! The checkpoint: from where a later execution goes on.

use crate::session::{NotASession, SessionId};
use std::{fmt, str::FromStr};

/// The most of an earlier session's account that is kept, in bytes.
const MAX_DONE: usize = 2 * 1024;
/// The word after the id of a session that cannot be continued.
const BROKEN: &str = "broken";

/// A session, what was done in it, and whether it can be continued. As text: the session's id, ` broken` where it
/// cannot be continued, and in further lines what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The session.
    pub(crate) session: SessionId,
    /// The work goes on in another session.
    pub(crate) broken: bool,
    /// What was done in it, as it says itself. Empty where that is not known.
    pub(crate) done: String,
}

impl Checkpoint {
    /// A session that can be continued.
    pub(crate) fn of(session: SessionId) -> Self {
        Self { session, broken: false, done: String::new() }
    }

    /// The same, with what was done.
    #[must_use]
    pub(crate) fn done(mut self, done: &str) -> Self {
        let done = done.trim();
        done[..done.floor_char_boundary(MAX_DONE)].trim_end().clone_into(&mut self.done);
        self
    }

    /// The same, of a session that cannot be continued.
    #[must_use]
    pub(crate) fn broken(mut self, broken: bool) -> Self {
        self.broken = broken;
        self
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.session)?;
        if self.broken {
            write!(f, " {BROKEN}")?;
        }
        if !self.done.is_empty() {
            write!(f, "\n{}", self.done)?;
        }
        Ok(())
    }
}

impl FromStr for Checkpoint {
    type Err = NotASession;
    fn from_str(text: &str) -> Result<Self, NotASession> {
        let (line, done) = text.split_once('\n').unwrap_or((text, ""));
        let (id, broken) = match line.strip_suffix(BROKEN).and_then(|id| id.strip_suffix(' ')) {
            Some(id) => (id, true),
            None => (line, false),
        };
        Ok(Self::of(id.parse()?).broken(broken).done(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_as_it_was_written() {
        let session = SessionId::of_execution("e");
        let plain = Checkpoint::of(session.clone());
        assert_eq!(plain.to_string(), session.as_str());
        for checkpoint in [
            plain.clone(),
            plain.clone().done("Wrote a.\n\nb is left."),
            plain.clone().broken(true),
            plain.clone().broken(true).done("Wrote a."),
        ] {
            assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
        }
        let long = plain.done(&"é".repeat(MAX_DONE));
        assert!(long.done.len() <= MAX_DONE);
        for bad in ["", "broken", " broken", "latest broken", "run-42 --settings evil"] {
            assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
        }
    }
}
