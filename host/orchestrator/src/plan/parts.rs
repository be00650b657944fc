//! What all parts of an issue have in common, whoever named them.

use super::PlanSettings;
use crate::analyse::{self, Facts};
use cyrus_core::{Analysis, Needs, PlannedTask};
use cyrus_executor::{Task, TaskKind};

/// The task of a part, judged by its own words. Where those do not say what kind of work it is, it is the issue's,
/// but a part does not coordinate. What the tags say counts for all.
pub(super) fn task(
    task: Task,
    mut facts: Facts,
    shared: Needs,
    analysis: &Analysis,
    settings: &PlanSettings,
) -> PlannedTask {
    let default = match &analysis.kind {
        kind if *kind == TaskKind::ORCHESTRATOR => TaskKind::BUILDER,
        kind => kind.clone(),
    };
    let (kind, _) = analyse::kind(&settings.rules, &facts, &default);
    facts.kind = Some(kind.clone());
    let own = analyse::needs(&settings.rules, &facts);
    let mut planned = PlannedTask::new(Task { kind, ..task });
    planned.complexity = analyse::complexity(&settings.rules, &facts);
    planned.needs = Needs {
        local_context: own.local_context || shared.local_context,
        isolation: own.isolation || shared.isolation,
        parallelism: own.parallelism || shared.parallelism,
    };
    planned.executor.clone_from(&analysis.tags.agent);
    planned.model.clone_from(&analysis.tags.model);
    planned
}
