use crate::RepositoryConfig;
use serde::{Deserialize, Serialize};

/// Whether an executor is asked for a plan when the issue has none: no plan file, no sub-issues, no checklist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Planning {
    /// The issue is then one task.
    Never,
    /// When there is much to it.
    #[default]
    Auto,
    /// For every such issue.
    Always,
}

impl RepositoryConfig<'_> {
    /// Whether an executor is asked for a plan when the issue has none.
    pub fn planning(&self) -> Planning {
        self.find(|section| section.planning.as_ref()).copied().unwrap_or_default()
    }
}
