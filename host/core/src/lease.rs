use crate::SessionId;
use serde::{Deserialize, Serialize};

/// The right to work on a session. Whoever takes a session over gets a higher token, and from then on everything that
/// is written under a lower one is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The session.
    pub session: SessionId,
    /// The fencing token: goes up each time somebody takes hold of the session.
    pub token: u64,
}
