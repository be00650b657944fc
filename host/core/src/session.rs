use crate::{Base, Issue, Plan, SessionOutcome, Strategy};
use cyrus_executor::{Limits, TaskKind};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::SystemTime};
use uuid::Uuid;

/// Names a session: short enough to type, sorted by age, safe as a path, a branch and an argument. It is 4 to 64
/// characters of `[a-z0-9-]`, beginning and ending with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// Why a text is no session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a session id; `cyrus session list` shows those there are")]
pub struct InvalidSessionId(pub String);

impl SessionId {
    /// A new one: 48 bits of milliseconds and 40 random bits, in Crockford's base 32.
    pub fn generate(now: SystemTime) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        let random = Uuid::now_v7().as_u128() & ((1 << 40) - 1);
        let value = (millis & ((1 << 48) - 1)) << 40 | random;
        let digit = |place: u32| char::from(DIGITS[(value >> (place * 5) & 31) as usize]);
        Self((0..18).rev().map(digit).collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch a session's result is on when the issue names none.
    pub fn branch(&self) -> String {
        format!("cyrus/{}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;
    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let ends_well = !text.starts_with('-') && !text.ends_with('-');
        let good = (4..=64).contains(&text.len()) && text.bytes().all(plain) && ends_well;
        good.then(|| Self(text.to_owned())).ok_or_else(|| InvalidSessionId(text.to_owned()))
    }
}

impl TryFrom<String> for SessionId {
    type Error = InvalidSessionId;
    fn try_from(text: String) -> Result<Self, InvalidSessionId> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "outcome")]
pub enum SessionState {
    /// Being worked on, or cut off while it was.
    Running,
    /// Set aside; it can be resumed.
    Paused,
    /// Over.
    Finished(SessionOutcome),
}

impl SessionState {
    /// Where a session stands that ended like this.
    pub fn of(outcome: SessionOutcome) -> Self {
        match outcome {
            SessionOutcome::Paused => Self::Paused,
            outcome => Self::Finished(outcome),
        }
    }
}

/// One issue being worked on, from intake to report: what is needed to go on with it after a crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// What is to be done.
    pub issue: Issue,
    /// The repository it is done in, and the commit it starts from.
    pub base: Base,
    /// The kind somebody asked for; `None` leaves it to the analysis.
    #[serde(default)]
    pub kind: Option<TaskKind>,
    /// The executor somebody asked for, by its name in the configuration.
    #[serde(default)]
    pub executor: Option<String>,
    /// The strategy somebody asked for; `None` leaves it to the issue and the configuration.
    #[serde(default)]
    pub strategy: Option<Strategy>,
    /// The plan somebody gave, already read.
    #[serde(default)]
    pub plan: Option<Plan>,
    /// Model to use; `None` is the executor's default.
    pub model: Option<String>,
    /// What each execution may use.
    pub limits: Limits,
    /// The branch the result goes to.
    pub branch: String,
    /// When it was taken in.
    pub created: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn refuses_what_could_escape_a_path_or_look_like_an_option() {
        for bad in ["", "abc", "-rf-x", "abc-", "a/b/c/d", "..ab", "ABCD", &"a".repeat(65)] {
            assert_eq!(bad.parse::<SessionId>(), Err(InvalidSessionId(bad.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn a_new_id_reads_back_and_sorts_by_age(millis in 0_u64..(1 << 47)) {
            let at = |ms| SessionId::generate(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
            let id = at(millis);
            prop_assert_eq!(id.as_str().parse::<SessionId>(), Ok(id.clone()));
            prop_assert!(id < at(millis + 1));
        }
    }
}
