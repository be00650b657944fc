//! What would be done with an issue: the plan, who would have each task and why, what that is expected to cost and how
//! long it takes at least.

use crate::{
    commands::{IntendedCommand, When},
    output::{add_line, table},
};
use cyrus_core::{Analysis, Excluded, Issue, Plan, PlannedTask, Receipt, Strategy, TrackRecord};
use cyrus_executor::{Line, MicroUsd, TaskId};
use cyrus_orchestrator::{
    Circuits, Planning, Site, Situation, Spent, analyse, critical_path, mermaid, plan, select,
};
use std::{collections::BTreeMap, time::Duration};

/// How long a task is taken to last, where nothing is known: only relations between them matter.
const TASK: Duration = Duration::from_mins(10);

/// What would be done.
#[derive(Debug)]
pub(crate) struct Preview {
    pub(crate) analysis: Analysis,
    pub(crate) plan: Plan,
    /// The start that the issue chose.
    pub(crate) start: Option<String>,
    /// Whether an executor would be asked for the plan first; then `plan` holds that task.
    pub(crate) asks_for_plan: bool,
    /// What the issue asks for and does not get.
    pub(crate) warnings: Vec<String>,
    /// Who would have each task, in the plan's order.
    pub(crate) receipts: Vec<Receipt>,
    /// What all of it is expected to cost.
    pub(crate) expected_cost: MicroUsd,
    /// The tasks that decide how long it takes.
    pub(crate) critical_path: Vec<TaskId>,
}

/// What somebody asked for on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) kind: Option<cyrus_executor::TaskKind>,
    pub(crate) executor: Option<String>,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) plan: Option<Plan>,
    /// The most that it may cost.
    pub(crate) max_cost: Option<MicroUsd>,
}

/// What happened here before.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// How executions went.
    pub(crate) history: Vec<TrackRecord>,
    /// What is spent under caps, by the executors' names.
    pub(crate) spent: BTreeMap<String, Spent>,
}

impl Preview {
    /// What would be done with this issue here.
    pub(crate) fn of(issue: &Issue, asked: &Asked, site: &Site, past: &Past) -> Self {
        let mut analysis = analyse(issue, &site.analysis);
        if let Some(kind) = &asked.kind {
            analysis.kind = kind.clone();
            "asked for".clone_into(&mut analysis.because);
        }
        let (mut plan, asks_for_plan) =
            match plan(issue, &analysis, asked.plan.as_ref(), &site.planning) {
                Planning::Ready(plan) => (plan, false),
                Planning::Ask { task, .. } => (planning(task), true),
            };
        let (strategy, refused) = site.strategy(asked.strategy, analysis.tags.strategy);
        let mut warnings: Vec<_> = refused.into_iter().collect();
        if asked.plan.is_none() {
            warnings.extend(plan.tasks.iter_mut().filter_map(|task| site.heed(task)));
        }
        let chosen = plan.tasks.iter().map(|task| {
            let mut task = task.clone();
            task.executor = task.executor.or_else(|| asked.executor.clone());
            receipt(&task, site, (issue, asked.max_cost), strategy, past)
        });
        let receipts: Vec<_> = chosen.collect();
        let (critical_path, _) = critical_path(&plan, |_| TASK);
        let expected_cost = receipts.iter().filter_map(Receipt::cost).sum();
        Self {
            analysis,
            plan,
            start: None,
            asks_for_plan,
            warnings,
            receipts,
            expected_cost,
            critical_path,
        }
    }

    /// Why nothing of it can be begun, when that is so.
    pub(crate) fn impossible(&self) -> Option<String> {
        // A session waits for money.
        let waits = |receipt: &Receipt| {
            let excluded = receipt.considered.iter().filter_map(|line| line.excluded.as_ref());
            excluded.into_iter().any(|why| matches!(why, Excluded::OverBudget { .. }))
        };
        let is_without_executor =
            self.receipts.iter().all(|receipt| receipt.chosen.is_none() && !waits(receipt));
        let receipt = self.receipts.first().filter(|_| is_without_executor)?;
        let lines: Vec<_> = receipt
            .considered
            .iter()
            .filter_map(|line| Some(format!("  {}: {}", line.executor, line.excluded.as_ref()?)))
            .collect();
        Some(format!(
            "no executor can take this with strategy {}:\n{}\n`cyrus doctor` says what is missing",
            receipt.strategy,
            lines.join("\n")
        ))
    }

    /// The graph, as Mermaid has it.
    pub(crate) fn graph(&self) -> String {
        mermaid(&self.plan, |task| {
            let place = self.plan.tasks.iter().position(|one| one.id() == task.id());
            let receipt = place.and_then(|place| self.receipts.get(place));
            let who = receipt.and_then(|one| one.chosen.as_deref()).unwrap_or("nobody");
            format!("{}: {} ({who})", task.id(), task.task.title)
        })
    }

    /// All of it, for people.
    pub(crate) fn text(&self, issue: &Issue, commands: &[IntendedCommand]) -> Vec<Line> {
        let Analysis { kind, because, complexity, .. } = &self.analysis;
        let mut lines = Vec::new();
        add_line!(lines, "  issue     {}", issue.title);
        add_line!(lines, "  kind      {kind} ({because}), complexity {complexity}");
        if let Some(start) = &self.start {
            add_line!(lines, "  start     {start}");
        }
        if let Some(note) = &self.plan.note {
            add_line!(lines, "  plan      {note}");
        }
        if self.asks_for_plan {
            add_line!(lines, "  plan      an executor is asked for it first");
        }
        for warning in &self.warnings {
            add_line!(lines, "  warning   {warning}");
        }
        for command in commands {
            add_line!(lines, "{}", command_line(command));
        }
        let is_proof = |command: &IntendedCommand| {
            let is_check = matches!(command.when, When::Check | When::Acceptance);
            is_check && command.refused.is_none() && command.origin.can_validate()
        };
        if !commands.iter().any(is_proof) {
            add_line!(lines, "  check     none: the result would be unverified");
        }
        let path: Vec<_> = self.critical_path.iter().map(TaskId::as_str).collect();
        add_line!(lines, "  cost      about {}", self.expected_cost);
        add_line!(lines, "  longest   {}", path.join(" → "));
        add_line!(lines, "tasks:");
        let rows: Vec<_> = self.plan.tasks.iter().zip(&self.receipts).map(row).collect();
        lines.extend(table(&rows));
        add_line!(lines, "considered:");
        let mut rows = Vec::new();
        for (task, receipt) in self.plan.tasks.iter().zip(&self.receipts) {
            let because = receipt.because.clone();
            rows.push(vec!["  ".into(), task.id().to_string(), String::new(), because]);
            rows.extend(receipt.considered.iter().map(|line| {
                let chosen = receipt.chosen.as_ref() == Some(&line.executor);
                let mark = if chosen { " *" } else { "  " };
                let why = line.standing.as_ref().map(ToString::to_string);
                let why = why.or_else(|| line.excluded.as_ref().map(ToString::to_string));
                vec![mark.into(), String::new(), line.executor.clone(), why.unwrap_or_default()]
            }));
        }
        lines.extend(table(&rows));
        lines
    }
}

/// What is shown while the plan itself is what has to be made.
fn planning(task: PlannedTask) -> Plan {
    Plan { source: cyrus_core::PlanSource::PlanningTask, note: None, tasks: vec![task] }
}

fn receipt(
    task: &PlannedTask,
    site: &Site,
    (issue, max_cost): (&Issue, Option<MicroUsd>),
    strategy: Strategy,
    Past { history, spent }: &Past,
) -> Receipt {
    let budget = site.budget_of(max_cost);
    let mut policy = site.selection_under(&budget);
    policy.labels.clone_from(&issue.labels);
    policy.strategy = strategy;
    let candidates: Vec<_> = site.members.iter().map(|member| member.candidate.clone()).collect();
    let situation = Situation {
        only_here: !task.after.is_empty() && !site.delivery.share,
        tried: &[],
        health: &Circuits::default(),
        now: Duration::ZERO,
        room: &|candidate, amount| {
            let spent = spent.get(&candidate.info.name).copied().unwrap_or_default();
            budget.room(candidate, &spent, amount)
        },
        cheaper_than: None,
        history,
    };
    select(task, &policy, &candidates, &situation)
}

/// A command, where it comes from, and whether it is run.
fn command_line(intended: &IntendedCommand) -> String {
    let IntendedCommand { when, task, command, origin, refused } = intended;
    let task = task.as_ref().map(|task| format!("task {task}, ")).unwrap_or_default();
    let refused = refused.map(|why| format!("; not run: {why}")).unwrap_or_default();
    format!("  {:<9} `{command}` ({task}{origin}{refused})", when.as_str())
}

fn row((task, receipt): (&PlannedTask, &Receipt)) -> Vec<String> {
    let after: Vec<_> = task.after.iter().map(TaskId::as_str).collect();
    let after =
        if after.is_empty() { String::new() } else { format!("after {}", after.join(", ")) };
    let cost = receipt.cost().map(|cost| format!("about {cost}")).unwrap_or_default();
    vec![
        "  ".to_owned(),
        task.id().to_string(),
        task.kind().to_string(),
        receipt.chosen.clone().unwrap_or_else(|| "nobody".to_owned()),
        cost,
        task.task.title.clone(),
        after,
    ]
}
