use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A program that the host launched for an execution, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchedProgram {
    /// The name of the grant that it was launched by.
    pub grant: String,
    /// Its file, behind all links.
    pub file: PathBuf,
    /// The SHA-256 of what was in it, in hexadecimal digits.
    pub sha256: String,
    /// Whether something else was in it when this process launched it before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed: bool,
    /// What its sandbox lacked, by the names of the rows of `cyrus doctor`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sandbox_lacked: Vec<String>,
}
