//! Makes a plan: the issue's tasks and their dependencies. `docs/analysis.md` says it for users.
//!
//! # Layout
//!
//! * [`plan`] and [`from_answer`]: where a plan comes from.
//! * [`validate`]: whether it can be followed.
//! * [`parse_file`]: a plan that a user wrote.
//! * [`critical_path`], [`mermaid`], [`dot`]: what is shown of it.

mod ask;
mod checklist;
mod file;
mod graph;
mod id;
mod parts;
mod prompt;
mod sub_issues;
mod validate;

pub use file::{PlanFileError, parse_file};
pub use graph::{critical_path, dot, mermaid};
pub use validate::{PlanLimits, PlanProblem, validate};

use crate::analyse::{
    AnalysisRules, MAX_TEXT_BYTES, acceptance, boxes, cut, head, outline::without_comments,
};
use cyrus_core::{Analysis, Issue, Plan, PlanSource, PlannedTask};
use cyrus_executor::{Task, TaskId, TaskKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{borrow::Cow, str::FromStr};

/// The longest note, in characters.
const NOTE_CHARS: usize = 1_000;

/// When an executor is asked for a plan, where the issue itself has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanningMode {
    /// Never: the issue is one task.
    Never,
    /// For an orchestrator's work.
    #[default]
    Auto,
    /// For every issue.
    Always,
}

/// A planning mode that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way of planning; there are never, auto and always")]
pub struct UnknownPlanningMode(pub String);

impl FromStr for PlanningMode {
    type Err = UnknownPlanningMode;
    fn from_str(text: &str) -> Result<Self, UnknownPlanningMode> {
        match text {
            "never" => Ok(Self::Never),
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            _ => Err(UnknownPlanningMode(text.to_owned())),
        }
    }
}

/// How plans are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanSettings {
    /// How large a plan may be.
    pub limits: PlanLimits,
    /// When an executor is asked for one.
    pub planning: PlanningMode,
    /// What the parts of an issue are judged by.
    pub rules: AnalysisRules,
}

/// A plan, or who has to be asked for it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once for each session and taken apart at once")]
pub enum Planning {
    /// The plan: validated, each task behind those it comes after.
    Ready(Plan),
    /// An executor has to be asked; [`from_answer`] makes the plan of what it answers.
    Ask {
        /// The task to give it. It is not part of the plan.
        task: PlannedTask,
        /// What its answer has to look like.
        schema: Value,
    },
}

/// The plan for an issue. The first of these that there is: the plan that is given, the sub-issues, the checklist, a
/// planning task where the settings say so; else the issue is one task. What there is and cannot be followed
/// becomes one task too, and the plan's note says why.
pub fn plan(
    issue: &Issue,
    analysis: &Analysis,
    given: Option<&Plan>,
    settings: &PlanSettings,
) -> Planning {
    let issue = &*read(issue);
    if let Some(given) = given {
        return Planning::Ready(checked(
            issue,
            analysis,
            &tagged(given, analysis),
            "plan file",
            settings,
        ));
    }
    let body = without_comments(&issue.body);
    let boxes = boxes::read(&body);
    let found = sub_issues::tasks(issue, analysis, settings)
        .map(|tasks| (PlanSource::SubIssues, "sub-issues", tasks))
        .or_else(|| {
            let tasks = checklist::tasks(issue, &body, &boxes, analysis, settings)?;
            Some((PlanSource::Checklist, "checklist", tasks.map(|tasks| (tasks, boxes.note()))))
        });
    if let Some((source, name, tasks)) = found {
        let plan = tasks.map(|(tasks, note)| Plan { source, note, tasks });
        return Planning::Ready(match plan {
            Ok(plan) => checked(issue, analysis, &plan, name, settings),
            Err(problem) => single(issue, analysis, Some(refused(name, &problem))),
        });
    }
    let asks = match settings.planning {
        PlanningMode::Never => false,
        PlanningMode::Auto => analysis.kind == TaskKind::ORCHESTRATOR,
        PlanningMode::Always => true,
    };
    if asks {
        let (task, schema) = ask::task(issue, analysis, settings);
        Planning::Ask { task, schema }
    } else {
        Planning::Ready(single(issue, analysis, boxes.note()))
    }
}

/// The plan in what a planning task answered. Where there is none, or none that can be followed, the issue is one
/// task, and the plan's note says why.
pub fn from_answer(
    issue: &Issue,
    analysis: &Analysis,
    structured: Option<&Value>,
    settings: &PlanSettings,
) -> Plan {
    let issue = &*read(issue);
    let source = PlanSource::PlanningTask;
    let plan = ask::answered(issue, analysis, structured, settings)
        .map(|tasks| Plan { source, note: None, tasks })
        .and_then(|plan| Ok(validate(&plan, &settings.limits)?));
    plan.unwrap_or_else(|error| single(issue, analysis, Some(error.to_string())))
}

/// The issue with as much of its body as is read.
fn read(issue: &Issue) -> Cow<'_, Issue> {
    let body = head(&issue.body, MAX_TEXT_BYTES);
    if body.len() == issue.body.len() {
        Cow::Borrowed(issue)
    } else {
        Cow::Owned(Issue { body: body.to_owned(), ..issue.clone() })
    }
}

/// The plan, in order, or one task when it cannot be followed.
fn checked(
    issue: &Issue,
    analysis: &Analysis,
    plan: &Plan,
    name: &str,
    settings: &PlanSettings,
) -> Plan {
    validate(plan, &settings.limits)
        .unwrap_or_else(|problem| single(issue, analysis, Some(refused(name, &problem))))
}

fn refused(name: &str, problem: &PlanProblem) -> String {
    format!("the {name} cannot be followed, so the issue is one task: {problem}")
}

/// A plan whose tasks are the issue's tags' where they do not say something themselves.
fn tagged(plan: &Plan, analysis: &Analysis) -> Plan {
    let mut plan = plan.clone();
    for task in &mut plan.tasks {
        task.executor = task.executor.take().or_else(|| analysis.tags.agent.clone());
        task.model = task.model.take().or_else(|| analysis.tags.model.clone());
    }
    plan
}

/// The issue as one task.
fn single(issue: &Issue, analysis: &Analysis, note: Option<String>) -> Plan {
    let mut task = PlannedTask::new(Task {
        id: TaskId::numbered(1),
        kind: analysis.kind.clone(),
        title: issue.title.clone(),
        prompt: prompt::of_whole(issue),
    });
    task.complexity = analysis.complexity;
    task.needs = analysis.needs;
    task.executor.clone_from(&analysis.tags.agent);
    task.model.clone_from(&analysis.tags.model);
    task.acceptance = acceptance::commands(&analysis.acceptance);
    let note = note.map(|note| cut(&note, NOTE_CHARS));
    Plan { source: PlanSource::Single, note, tasks: vec![task] }
}

#[cfg(test)]
mod shapes;
#[cfg(test)]
mod test_plan;
#[cfg(test)]
mod tests;
