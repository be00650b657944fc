use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The rule that ranks executors for a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Strategy {
    /// Local executors only.
    #[default]
    LocalOnly,
    /// Cloud executors; local ones when none of them can.
    CloudOnly,
    /// By what the task needs.
    HybridSmart,
    /// Orchestration local, everything else in the cloud.
    HybridParallel,
    /// Least expected cost for a validated result.
    CostOptimized,
}

/// A strategy that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a strategy; there are local-only, cloud-only, hybrid-smart, hybrid-parallel and cost-optimized"
)]
pub struct UnknownStrategy(pub String);

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::LocalOnly,
        Self::CloudOnly,
        Self::HybridSmart,
        Self::HybridParallel,
        Self::CostOptimized,
    ];

    /// The name in configuration and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LocalOnly => "local-only",
            Self::CloudOnly => "cloud-only",
            Self::HybridSmart => "hybrid-smart",
            Self::HybridParallel => "hybrid-parallel",
            Self::CostOptimized => "cost-optimized",
        }
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;
    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        let named = Self::ALL.into_iter().find(|strategy| strategy.as_str() == text);
        named.ok_or_else(|| UnknownStrategy(text.to_owned()))
    }
}

impl TryFrom<String> for Strategy {
    type Error = UnknownStrategy;
    fn try_from(text: String) -> Result<Self, UnknownStrategy> {
        text.parse()
    }
}

impl From<Strategy> for String {
    fn from(strategy: Strategy) -> Self {
        strategy.as_str().to_owned()
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_an_unknown_one_lists_them() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.as_str().parse(), Ok(strategy));
        }
        let said = "hybrid".parse::<Strategy>().unwrap_err().to_string();
        assert!(Strategy::ALL.iter().all(|strategy| said.contains(strategy.as_str())), "{said}");
    }
}
