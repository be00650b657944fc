//! The task that makes a plan, and the plan in its answer.

use super::{
    PlanSettings,
    id::{self, Names},
    parts,
    prompt::{self, Part},
    validate::PlanProblem,
};
use crate::analyse::{Facts, cut};
use cyrus_core::{Analysis, Complexity, Issue, Needs, PlannedTask, TaskOrigin};
use cyrus_executor::{Task, TaskId, TaskKind};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most of an issue that the planning task is given, in bytes.
const ISSUE_BYTES: usize = 256 << 10;

/// The longest title of a task, in characters.
const TITLE_CHARS: usize = 200;

/// The task that makes a plan for this issue, and the schema that its answer has to follow.
pub(super) fn task(
    issue: &Issue,
    analysis: &Analysis,
    settings: &PlanSettings,
) -> (PlannedTask, Value) {
    let max = settings.limits.max_tasks;
    let prompt = format!(
        "Plan the work on the issue below; do not do it, and change no file.\n\n\
         Look at the repository first. Then answer with the tasks that the work consists of, at most {max}. \
         Each task is done by somebody else, in a copy of the repository of their own, who sees the issue and the \
         task's prompt and nothing of what you found out: say in the prompt what is to be done, where, and how \
         one sees that it is done. Tasks that do not need each other's result are done at the same time, so let \
         no two of those change the same place; where one needs another's result, name that one in `after`. \
         One task is enough where the work cannot be divided well.\n\n\
         The issue:\n\n{}\n",
        prompt::cut_text(&issue.text(), ISSUE_BYTES)
    );
    let title = format!("Plan: {}", issue.title);
    let mut task = PlannedTask::new(Task {
        id: id::planning(),
        kind: TaskKind::ORCHESTRATOR,
        title: cut(&title, TITLE_CHARS),
        prompt,
    });
    task.origin = TaskOrigin::Planning;
    task.needs = Needs { local_context: true, ..Needs::default() };
    task.executor.clone_from(&analysis.tags.agent);
    task.model.clone_from(&analysis.tags.model);
    (task, schema(max))
}

/// What an answer has to look like. It says nothing of commands and executors: what a result is checked with and
/// who does a task is not for an executor to say.
fn schema(max: usize) -> Value {
    let text = |what: &str| json!({ "type": "string", "description": what });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["tasks"],
        "properties": {
            "tasks": {
                "type": "array",
                "minItems": 1,
                "maxItems": max,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["id", "title", "prompt", "kind", "after", "complexity"],
                    "properties": {
                        "id": text("a short name: letters, digits and hyphens"),
                        "title": text("one line for people"),
                        "prompt": text("what is to be done, in full"),
                        "kind": { "type": "string", "enum": ["builder", "debugger", "scoper"] },
                        "after": {
                            "type": "array",
                            "items": { "type": "string" },
                            "description": "the ids of the tasks whose results this one needs"
                        },
                        "complexity": { "type": "string", "enum": ["low", "medium", "high"] }
                    }
                }
            }
        }
    })
}

#[derive(Deserialize)]
struct Answer {
    tasks: Vec<Answered>,
}

#[derive(Deserialize)]
struct Answered {
    id: String,
    #[serde(default)]
    title: String,
    prompt: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    after: Vec<String>,
    #[serde(default)]
    complexity: Option<Complexity>,
}

/// Why an answer is no plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the planning task ended without a plan")]
    Missing,
    #[error("the answer of the planning task does not follow its schema: {0}")]
    Shape(serde_json::Error),
    #[error("the plan of the planning task cannot be followed: {0}")]
    Problem(#[from] PlanProblem),
}

/// The tasks of an answer.
pub(super) fn answered(
    issue: &Issue,
    analysis: &Analysis,
    structured: Option<&Value>,
    settings: &PlanSettings,
) -> Result<Vec<PlannedTask>, AnswerError> {
    let value = structured.filter(|value| !value.is_null()).ok_or(AnswerError::Missing)?;
    let answer = Answer::deserialize(value).map_err(AnswerError::Shape)?;
    let (count, max) = (answer.tasks.len(), settings.limits.max_tasks);
    if count > max {
        return Err(PlanProblem::TooManyTasks { count, max }.into());
    }
    let mut names = Names::default();
    let mut ids: BTreeMap<&str, (TaskId, &str)> = BTreeMap::new();
    for task in &answer.tasks {
        let id = names.give(&task.id);
        if ids.insert(&task.id, (id.clone(), task.title())).is_some() {
            return Err(PlanProblem::Duplicate(id).into());
        }
    }
    let context = prompt::context(issue, count);
    let tasks = answer.tasks.iter().filter_map(|task| Some((&ids.get(task.id.as_str())?.0, task)));
    let tasks = tasks.map(|(id, task)| Ok(task.planned(id, &ids, &context, analysis, settings)?));
    tasks.collect()
}

impl Answered {
    fn title(&self) -> &str {
        let first = self.prompt.trim().lines().next().unwrap_or_default();
        if self.title.trim().is_empty() { first } else { self.title.trim() }
    }

    fn planned(
        &self,
        id: &TaskId,
        ids: &BTreeMap<&str, (TaskId, &str)>,
        context: &str,
        analysis: &Analysis,
        settings: &PlanSettings,
    ) -> Result<PlannedTask, PlanProblem> {
        if self.prompt.trim().is_empty() {
            return Err(PlanProblem::NoPrompt(id.clone()));
        }
        let before = self.after.iter().map(|name| {
            ids.get(name.as_str()).ok_or_else(|| PlanProblem::UnknownDependency {
                task: id.clone(),
                after: cut(name, TITLE_CHARS),
            })
        });
        let before = before.collect::<Result<Vec<_>, _>>()?;
        let part = Part {
            title: self.title(),
            details: &self.prompt,
            after: before.iter().map(|(_, title)| *title).collect(),
            gathers: false,
        };
        let task = Task {
            id: id.clone(),
            kind: TaskKind::BUILDER,
            title: cut(&self.title().replace('\n', " "), TITLE_CHARS),
            prompt: prompt::of_part(&part, context),
        };
        let facts = Facts::of_text(self.title(), &self.prompt, &[]);
        let mut planned = parts::task(task, facts, analysis.needs, analysis, settings);
        if let Some(kind) = self.kind.as_deref().filter(|kind| !kind.trim().is_empty()) {
            planned.task.kind = TaskKind::new(&cut(kind, 64));
        }
        planned.complexity = self.complexity.unwrap_or(planned.complexity);
        planned.after = before.iter().map(|(id, _)| id.clone()).collect();
        Ok(planned)
    }
}
