use super::Priors;
use cyrus_core::{Complexity, PlannedTask, Strategy};
use cyrus_executor::{Placement, TaskKind};
use serde::{Deserialize, Serialize};

/// One of the operator's own rules: tasks like this go to these executors. An empty list is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelectionRule {
    /// Its place in the configuration, from 1.
    pub number: usize,
    /// The task's kind is one of these.
    pub kinds: Vec<String>,
    /// The issue has one of these labels, however it is written.
    pub labels: Vec<String>,
    /// The repository is one of these, as the configuration names it.
    pub repositories: Vec<String>,
    /// There is this much to it.
    pub complexity: Vec<Complexity>,
    /// Who may have the task, best first; whoever the strategy would take, when it names nobody.
    pub executors: Vec<String>,
}

impl SelectionRule {
    /// Whether it is about this task.
    fn applies(&self, task: &PlannedTask, policy: &SelectionPolicy) -> bool {
        let any = |wanted: &[String], is: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|word| is(word))
        };
        let labelled = |word: &str| policy.labels.iter().any(|label| same_word(label, word));
        any(&self.kinds, &|word| same_word(word, task.kind().as_str()))
            && any(&self.labels, &labelled)
            && any(&self.repositories, &|word| word == policy.repository)
            && (self.complexity.is_empty() || self.complexity.contains(&task.complexity))
    }

    /// Where it puts this executor, from 0; `None` when it does not name it.
    pub(super) fn place(&self, executor: &str) -> Option<usize> {
        if self.executors.is_empty() {
            return Some(0);
        }
        self.executors.iter().position(|named| named == executor)
    }
}

/// Labels and kinds are compared as people write them.
fn same_word(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Who has a task that no executor in the cloud can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudFallback {
    /// A local one.
    #[default]
    Local,
    /// Nobody: it waits.
    None,
}

/// How executors are ranked for the tasks of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectionPolicy {
    /// The strategy.
    pub strategy: Strategy,
    /// The operator's own rules, in the order of the configuration. The first that applies to a task goes before the
    /// strategy's order: only whom it names may have the task.
    pub rules: Vec<SelectionRule>,
    /// Who has a task that no executor in the cloud can have.
    pub fallback: CloudFallback,
    /// Whether a task that no local executor can have may go to the cloud.
    pub local_to_cloud: bool,
    /// The repository, as the configuration names it.
    pub repository: String,
    /// The labels.
    pub labels: Vec<String>,
    /// What is assumed of an executor before anything was seen of it.
    pub priors: Priors,
}

impl SelectionPolicy {
    /// The rule that decides about this task.
    pub(super) fn rule_for(&self, task: &PlannedTask) -> Option<&SelectionRule> {
        self.rules.iter().find(|rule| rule.applies(task, self))
    }

    /// The placements that a task may go to by the operator's own rules, whatever the strategy's row for it says.
    /// Where the strategy knows one placement only, a rule does not add the other.
    pub(super) fn reach(&self, row: &Row) -> Vec<Placement> {
        match self.strategy {
            Strategy::LocalOnly | Strategy::CloudOnly => self.chain(row),
            _ => vec![Placement::Local, Placement::Cloud],
        }
    }

    /// The placements that this row uses, in order.
    pub(super) fn chain(&self, row: &Row) -> Vec<Placement> {
        match row.wants {
            Wants::Local if self.local_to_cloud => vec![Placement::Local, Placement::Cloud],
            Wants::Local => vec![Placement::Local],
            Wants::Cloud if self.fallback == CloudFallback::Local => {
                vec![Placement::Cloud, Placement::Local]
            }
            Wants::Cloud => vec![Placement::Cloud],
            Wants::Cheapest => vec![Placement::Local, Placement::Cloud],
        }
    }
}

/// What a row of the strategy table wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Local,
    Cloud,
    Cheapest,
}

/// One row of the strategy table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    strategy: Strategy,
    when: fn(&PlannedTask) -> bool,
    pub(super) wants: Wants,
    pub(super) because: &'static str,
}

const fn row(
    strategy: Strategy,
    when: fn(&PlannedTask) -> bool,
    wants: Wants,
    because: &'static str,
) -> Row {
    Row { strategy, when, wants, because }
}

fn always(_: &PlannedTask) -> bool {
    true
}

fn orchestrates(task: &PlannedTask) -> bool {
    *task.kind() == TaskKind::ORCHESTRATOR
}

/// The strategy table. The first row of the strategy whose condition holds decides; the last of each always holds.
const ROWS: &[Row] = {
    use Strategy::{CloudOnly, CostOptimized, HybridParallel, HybridSmart, LocalOnly};
    use Wants::{Cheapest, Cloud, Local};
    &[
        row(LocalOnly, always, Local, "local executors only"),
        row(CloudOnly, always, Cloud, "executors in the cloud only"),
        row(HybridSmart, |task| task.needs.local_context, Local, "needs local context"),
        row(
            HybridSmart,
            |task| task.needs.isolation || task.needs.parallelism,
            Cloud,
            "needs isolation or parallelism",
        ),
        row(HybridSmart, orchestrates, Local, "orchestrates"),
        row(HybridSmart, |task| task.complexity == Complexity::Low, Local, "complexity is low"),
        row(
            HybridSmart,
            |task| matches!(task.kind(), k if *k == TaskKind::BUILDER || *k == TaskKind::DEBUGGER),
            Cloud,
            "builder or debugger",
        ),
        row(HybridSmart, always, Local, "nothing about it asks for the cloud"),
        row(HybridParallel, orchestrates, Local, "orchestrates"),
        row(HybridParallel, always, Cloud, "all but orchestration goes to the cloud"),
        row(CostOptimized, always, Cheapest, "least expected cost for a validated result"),
    ]
};

/// The row that decides for this task.
pub(super) fn row_for(strategy: Strategy, task: &PlannedTask) -> &'static Row {
    let decides = |row: &&Row| row.strategy == strategy && (row.when)(task);
    ROWS.iter().find(decides).unwrap_or(&ROWS[0])
}
