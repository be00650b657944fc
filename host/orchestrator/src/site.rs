use crate::{
    AnalysisRules, AttemptPolicy, BudgetPolicy, Candidate, PlanSettings, SelectionPolicy,
    ToolPolicy,
};
use cyrus_core::{PlannedTask, Strategy};
use cyrus_executor::{MicroUsd, Placement, TaskExecutor, TaskKind};
use serde_json::Value;
use std::{fmt, sync::Arc, time::Duration};

/// An executor of a [`Site`].
#[derive(Clone)]
pub struct Member {
    /// What selection knows of it.
    pub candidate: Candidate,
    /// `None` when it could not be made: then [`Candidate::ready`] says why.
    pub executor: Option<Arc<dyn TaskExecutor>>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

/// What the operator has every execution of a kind of task given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestTemplate {
    /// To be added to the agent's own system prompt.
    pub system_prompt: Option<String>,
    /// Tools that need no question; `None` is the executor's default.
    pub allowed_tools: Option<Vec<String>>,
    /// Tools that must not be used.
    pub disallowed_tools: Vec<String>,
    /// MCP servers, as `{"mcpServers": {…}}`.
    pub mcp_servers: Option<Value>,
    /// What agents are answered.
    pub policy: ToolPolicy,
}

/// How long an execution may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// From its beginning, where the session says nothing else.
    pub total: Option<Duration>,
    /// Since its last event. Waiting for an answer to a question does not count.
    pub silence: Option<Duration>,
}

/// What becomes of a merged and validated result besides the session's branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The branch is pushed to the origin.
    pub push: bool,
    /// And a pull request opened for it.
    pub pull_request: bool,
    /// What tasks in the cloud build on is put on a branch of the origin for them. Else such tasks are done here.
    pub share: bool,
}

/// What results have to pass besides the repository's checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrutiny {
    /// The executor that reviews every result, by its name in the configuration.
    pub review: Option<String>,
    /// How long a command of a plan or an issue may take.
    pub timeout: Duration,
}

/// What holds for the sessions of one repository: who can work there, and by which rules.
pub struct Site {
    /// Everybody, in the configuration's order.
    pub members: Vec<Member>,
    /// Who has a task.
    pub selection: SelectionPolicy,
    /// What follows when an attempt fails.
    pub attempts: AttemptPolicy,
    /// What may be spent.
    pub budget: BudgetPolicy,
    /// What an issue is.
    pub analysis: AnalysisRules,
    /// How it is broken down.
    pub planning: PlanSettings,
    /// How long executions may take.
    pub deadlines: Deadlines,
    /// What results have to pass.
    pub scrutiny: Scrutiny,
    /// What becomes of them.
    pub delivery: Delivery,
    /// What an execution of this kind of task is given.
    pub template: Box<dyn Fn(&TaskKind) -> RequestTemplate + Send + Sync>,
}

impl Site {
    /// What a session may spend: what the operator says, and no more than was asked for on it.
    pub fn budget_of(&self, asked: Option<MicroUsd>) -> BudgetPolicy {
        let mut budget = self.budget.clone();
        budget.caps.session = [budget.caps.session, asked].into_iter().flatten().min();
        budget
    }

    /// How executors are ranked under a budget. What is only assumed of their cost must not keep an execution from
    /// fitting under a cap that nothing was spent of yet.
    pub fn selection_under(&self, budget: &BudgetPolicy) -> SelectionPolicy {
        let mut selection = self.selection.clone();
        if let Some(most) = [budget.caps.task, budget.caps.session].into_iter().flatten().min() {
            let priors = &mut selection.priors;
            priors.local_cost = priors.local_cost.min(most);
            priors.cloud_cost = priors.cloud_cost.min(most);
        }
        selection
    }

    /// The strategy: what was asked for by whoever began the session, else in the text, else what is
    /// configured; and why the issue does not get what it asks for, when that is so. With the work goes the source, and
    /// the text is somebody's: it sends nothing to the cloud where the operator keeps it here.
    pub fn strategy(
        &self,
        asked: Option<Strategy>,
        tagged: Option<Strategy>,
    ) -> (Strategy, Option<String>) {
        let configured = self.selection.strategy;
        let refused = tagged.filter(|wanted| *wanted != Strategy::LocalOnly && !self.may_leave());
        match (asked, refused) {
            (Some(asked), _) => (asked, None),
            (None, None) => (tagged.unwrap_or(configured), None),
            (None, Some(wanted)) => {
                let message = format!(
                    "the issue asks for strategy {wanted}, which may send the source to the cloud; the configuration has {configured}, and that stands"
                );
                (configured, Some(message))
            }
        }
    }

    /// Takes back an executor that an issue's text asks for and may not have: one in the cloud, where the operator
    /// keeps the source here, or one that is not there. Answers why.
    pub fn heed(&self, planned: &mut PlannedTask) -> Option<String> {
        let asked = self.member(planned.executor.as_deref()?);
        let in_cloud = |member: &Member| member.candidate.info.placement == Placement::Cloud;
        let why = match asked {
            None => "there is none of that name",
            Some(member) if in_cloud(member) && !self.may_leave() => {
                "that would send the source to the cloud, and the configuration keeps it here"
            }
            Some(_) => return None,
        };
        let name = planned.executor.take()?;
        Some(format!("the issue asks for executor {name}, and does not get it: {why}"))
    }

    fn may_leave(&self) -> bool {
        self.selection.strategy != Strategy::LocalOnly || self.selection.local_to_cloud
    }

    /// What selection knows of everybody.
    pub fn candidates(&self) -> Vec<Candidate> {
        self.members.iter().map(|member| member.candidate.clone()).collect()
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.candidate.info.name == name)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("members", &self.members).finish_non_exhaustive()
    }
}
