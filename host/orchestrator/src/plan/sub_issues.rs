//! The plan in an issue's sub-issues.

use super::{
    PlanSettings,
    id::Names,
    parts,
    prompt::{self, Part},
    validate::PlanProblem,
};
use crate::analyse::{Facts, MAX_TEXT_BYTES, acceptance, head, outline::without_comments, tags};
use cyrus_core::{Analysis, Issue, PlannedTask, SubIssue};
use cyrus_executor::{Task, TaskId, TaskKind};
use std::collections::BTreeMap;

/// Tasks, and what is to be said about them.
type Noted = (Vec<PlannedTask>, Option<String>);

/// The tasks of the sub-issues that are not done, and what is to be said about them. `None` when there are none.
pub(super) fn tasks(
    issue: &Issue,
    analysis: &Analysis,
    settings: &PlanSettings,
) -> Option<Result<Noted, PlanProblem>> {
    let open: Vec<_> = issue.sub_issues.iter().filter(|sub| !sub.done).collect();
    if open.is_empty() {
        return None;
    }
    let max = settings.limits.max_tasks;
    if open.len() > max {
        return Some(Err(PlanProblem::TooManyTasks { count: open.len(), max }));
    }
    let mut names = Names::default();
    let mut ids: BTreeMap<&str, (TaskId, &SubIssue)> = BTreeMap::new();
    let parts: Vec<_> = open.iter().map(|sub| (names.give(&sub.identifier), *sub)).collect();
    for (id, sub) in &parts {
        ids.entry(sub.identifier.as_str()).or_insert((id.clone(), sub));
    }
    let context = prompt::context(issue, open.len());
    let mut outside = Vec::new();
    let mut tasks = Vec::new();
    for (id, sub) in &parts {
        let siblings = sub.blocked_by.iter().filter_map(|name| ids.get(name.as_str()));
        let before: Vec<_> = siblings.collect();
        let known = |name: &&String| issue.sub_issues.iter().any(|sub| sub.identifier == **name);
        outside.extend(
            sub.blocked_by
                .iter()
                .filter(|name| !known(name))
                .map(|name| format!("{} is blocked by {name}", sub.identifier)),
        );
        let mut task = task(id, sub, &before, &context, analysis, settings);
        task.after = before.iter().map(|(id, _)| id.clone()).collect();
        tasks.push(task);
    }
    let note = (!outside.is_empty()).then(|| {
        format!("{}, which is not part of this issue and was not waited for", outside.join(", "))
    });
    Some(Ok((tasks, note)))
}

fn task(
    id: &TaskId,
    sub: &SubIssue,
    before: &[&(TaskId, &SubIssue)],
    context: &str,
    analysis: &Analysis,
    settings: &PlanSettings,
) -> PlannedTask {
    let body = head(&sub.body, MAX_TEXT_BYTES);
    let title = match tags::strip(&sub.title) {
        bare if bare.is_empty() => sub.identifier.clone(),
        bare => bare,
    };
    let part = Part {
        title: &format!("{}: {title}", sub.identifier),
        details: body,
        after: before.iter().map(|(_, sub)| sub.title.as_str()).collect(),
        gathers: false,
    };
    let prompt = prompt::of_part(&part, context);
    let facts = Facts::of_sub_issue(sub);
    let visible = without_comments(body);
    let own = tags::read(&sub.title, &visible).tags;
    let task = Task { id: id.clone(), kind: TaskKind::BUILDER, title, prompt };
    let mut task = parts::task(task, facts, analysis.needs, analysis, settings);
    task.executor = own.agent.or(task.executor);
    task.model = own.model.or(task.model);
    task.acceptance = acceptance::commands(&acceptance::read(&visible));
    task
}
