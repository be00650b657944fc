use crate::{RepositoryConfig, reader::At};
use cyrus_core::Billing;
use cyrus_executor::{MicroUsd, TaskKind};

/// On which terms an executor is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whether the money that it reports counts.
    pub billing: Billing,
    /// The most that its work may cost in a day.
    pub max_per_day: Option<MicroUsd>,
    /// What one execution is expected to cost, where nothing better is known.
    pub expected: Option<MicroUsd>,
    /// How many executions it may have at once; at least 1. `None` is no cap of its own.
    pub max_at_once: Option<u32>,
    /// The kinds of task it is used for, never empty; `None` is what it says itself.
    pub kinds: Option<Vec<TaskKind>>,
}

/// What one place says of the terms.
#[derive(Clone, Debug, Default)]
pub(crate) struct TermsEntry {
    billing: Option<Billing>,
    max_per_day: Option<MicroUsd>,
    expected: Option<MicroUsd>,
    max_at_once: Option<u32>,
    kinds: Option<Vec<TaskKind>>,
}

impl TermsEntry {
    pub(crate) fn read(at: &At<'_>) -> Self {
        let kinds = at.get("kinds").some_texts();
        Self {
            billing: at.get("billing").read(),
            max_per_day: at.get("maxCostPerDay").money(),
            expected: at.get("expectedCost").money(),
            max_at_once: at.get("maxAtOnce").number(),
            kinds: kinds.map(|kinds| kinds.iter().map(|kind| TaskKind::new(kind)).collect()),
        }
    }

    /// What says more, over this.
    pub(crate) fn overlaid(self, over: &Self) -> Self {
        Self {
            billing: over.billing.or(self.billing),
            max_per_day: over.max_per_day.or(self.max_per_day),
            expected: over.expected.or(self.expected),
            max_at_once: over.max_at_once.or(self.max_at_once),
            kinds: over.kinds.clone().or(self.kinds),
        }
    }

    fn build(self) -> Terms {
        let Self { billing, max_per_day, expected, max_at_once, kinds } = self;
        Terms { billing: billing.unwrap_or_default(), max_per_day, expected, max_at_once, kinds }
    }
}

impl RepositoryConfig<'_> {
    /// On which terms the executor of this name is used. One that nothing is said of is metered and has no bounds of
    /// its own.
    pub fn executor_terms(&self, name: &str) -> Terms {
        self.entry(name).terms.build()
    }
}
