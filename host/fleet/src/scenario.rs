use crate::{Process, SimExecutor, Spawner, Temper, World};
use cyrus_core::{Billing, Issue, Plan, Session, SessionId, Strategy};
use cyrus_executor::{ExecutorInfo, Limits, MicroUsd, Placement, StopMode, TaskExecutor};
use cyrus_orchestrator::{
    AnalysisRules, AttemptPolicy, BudgetPolicy, Candidate, Deadlines, Delivery, Member,
    PlanSettings, RequestTemplate, Scheduling, Scrutiny, SelectionPolicy, Site,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// An executor of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSpec {
    /// Its name.
    pub name: String,
    /// Where it works.
    pub placement: Placement,
    /// Whether what it reports counts.
    pub billing: Billing,
    /// What one execution is expected to cost.
    pub price: Option<MicroUsd>,
    /// What it may cost in a day.
    pub max_per_day: Option<MicroUsd>,
    /// What it is like.
    pub temper: Temper,
}

/// A session of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// When it comes, after the beginning.
    pub after: Duration,
    /// Its id.
    pub id: SessionId,
    /// The repository's number.
    pub repository: usize,
    /// What is to be done.
    pub issue: Issue,
    /// The plan, when it is given.
    pub plan: Option<Plan>,
    /// When somebody stops it, after it came, and how. It is resumed afterwards.
    pub stop: Option<(Duration, StopMode)>,
}

/// Everything that decides what happens in a simulated fleet.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What every chance follows from.
    pub seed: u64,
    /// Who can work.
    pub members: Vec<MemberSpec>,
    /// What is to be done.
    pub arrivals: Vec<Arrival>,
    /// How many repositories there are.
    pub repositories: usize,
    /// Files in each repository: the fewer, the more often two tasks change the same.
    pub files: u32,
    /// Whether the repositories have checks.
    pub checked: bool,
    /// How many executions at once.
    pub scheduling: Scheduling,
    /// What may be spent, and what is done when it is.
    pub budget: BudgetPolicy,
    /// Who has a task.
    pub selection: SelectionPolicy,
    /// How often a task is tried.
    pub attempts: AttemptPolicy,
    /// How long executions may take.
    pub deadlines: Deadlines,
    /// What becomes of results.
    pub delivery: Delivery,
    /// The executor that reviews results.
    pub review: Option<String>,
    /// What one execution may use.
    pub limits: Limits,
    /// How often somebody resumes a session that waits for a person.
    pub resumes: u32,
    /// How long things outside take.
    pub pace: crate::Pace,
    /// Whether runs in the cloud can be looked for.
    pub lookup: crate::Lookup,
    /// The points at which the process of that moment is killed, counted from 1 over the whole run.
    pub kills: Vec<u64>,
}

impl Scenario {
    /// One local executor that does well whatever it is given, no caps, and nothing to do yet.
    pub fn calm(seed: u64) -> Self {
        Self {
            seed,
            members: vec![MemberSpec::new("local", Placement::Local)],
            arrivals: Vec::new(),
            repositories: 1,
            files: 64,
            checked: true,
            scheduling: Scheduling::default(),
            budget: BudgetPolicy::default(),
            selection: SelectionPolicy::default(),
            attempts: AttemptPolicy::default(),
            deadlines: Deadlines {
                total: Some(Duration::from_hours(4)),
                silence: Some(Duration::from_mins(15)),
            },
            delivery: Delivery::default(),
            review: None,
            limits: Limits::default(),
            resumes: 0,
            pace: crate::Pace::default(),
            lookup: crate::Lookup::default(),
            kills: Vec::new(),
        }
    }

    /// The same with another strategy.
    #[must_use]
    pub fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.selection.strategy = strategy;
        self
    }

    /// The path of a repository.
    pub fn repository(number: usize) -> PathBuf {
        format!("/repositories/{number}").into()
    }

    /// The world that it happens in.
    pub fn world(&self, clock: &crate::SimClock) -> World {
        let world = World::new(clock.clone(), self.seed, self.pace);
        let checks: &[&str] = if self.checked { &["make check"] } else { &[] };
        for number in 0..self.repositories {
            world.add_repository(&Self::repository(number), self.files, checks);
        }
        world.set_scheduling(&self.scheduling);
        world.set_lookup(self.lookup);
        world
    }

    /// A session as it is taken in now. `None`: its repository is not of this world.
    pub fn session(&self, world: &World, arrival: &Arrival) -> Option<Session> {
        let branch = arrival.id.branch();
        let base = world.base(&Self::repository(arrival.repository), &branch)?;
        Some(Session {
            id: arrival.id.clone(),
            issue: arrival.issue.clone(),
            base,
            kind: None,
            executor: None,
            strategy: None,
            plan: arrival.plan.clone(),
            model: None,
            limits: self.limits,
            branch,
            created: cyrus_core::Clock::now(world.clock()),
        })
    }

    /// What holds for the sessions of a process.
    pub fn site(&self, world: &World, process: &Process, spawner: &Spawner) -> Site {
        let member = |spec: &MemberSpec| spec.member(world, process, spawner);
        Site {
            members: self.members.iter().map(member).collect(),
            selection: self.selection.clone(),
            attempts: self.attempts,
            budget: self.budget.clone(),
            analysis: AnalysisRules::default(),
            planning: PlanSettings::default(),
            deadlines: self.deadlines,
            scrutiny: Scrutiny { review: self.review.clone(), timeout: Duration::from_mins(10) },
            delivery: self.delivery,
            template: Box::new(|_| RequestTemplate::default()),
        }
    }
}

impl MemberSpec {
    /// An executor that does well whatever it is given.
    pub fn new(name: &str, placement: Placement) -> Self {
        Self {
            name: name.to_owned(),
            placement,
            billing: Billing::Metered,
            price: None,
            max_per_day: None,
            temper: Temper::default(),
        }
    }

    fn member(&self, world: &World, process: &Process, spawner: &Spawner) -> Member {
        let behaviour = Arc::new(self.temper.clone());
        let executor =
            SimExecutor::new(&self.name, self.placement, world, process, spawner, behaviour);
        let info: ExecutorInfo = executor.info().clone();
        let candidate = Candidate {
            info,
            kinds: Vec::new(),
            billing: self.billing,
            price: self.price,
            isolated: false,
            max_per_day: self.max_per_day,
            ready: Ok(()),
        };
        Member { candidate, executor: Some(Arc::new(executor)) }
    }
}

impl Arrival {
    /// A session that comes at the beginning and goes on by itself to its end.
    pub fn new(id: SessionId, issue: Issue, plan: Option<Plan>) -> Self {
        Self { after: Duration::ZERO, id, repository: 0, issue, plan, stop: None }
    }
}
