//! A session on a plan, and the orchestrator that works on it.

use crate::instant::{Calls, InstantRepository, Worker, base};
use cyrus_core::{
    Billing, Issue, Observer, Plan, PlanSource, PlannedTask, Session, SessionId, SessionOutcome,
    SessionStore, SystemClock,
};
use cyrus_executor::{Limits, Task, TaskExecutor, TaskId, TaskKind};
use cyrus_orchestrator::{
    AnalysisRules, AttemptPolicy, BudgetPolicy, Candidate, Deadlines, Delivery, Member,
    Orchestrator, PlanLimits, PlanSettings, Ports, RequestTemplate, Scheduling, Scrutiny,
    SelectionPolicy, Site, stop_switch,
};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// A session's plan and what is worked with.
pub(crate) struct Scene {
    /// Tasks in all.
    pub(crate) tasks: usize,
    /// Each task comes after the one this far before it: so many can be worked on at once.
    pub(crate) lanes: usize,
    /// Executions at once.
    pub(crate) caps: usize,
    /// How long an execution takes.
    pub(crate) takes: Duration,
}

impl Scene {
    /// The task that has to be merged before this one may begin, both counted from 0.
    pub(crate) fn before(&self, task: usize) -> Option<usize> {
        task.checked_sub(self.lanes)
    }

    /// Works on the plan to its end on this store. Answers how long that took.
    pub(crate) async fn play(
        &self,
        store: Arc<dyn SessionStore>,
        calls: Calls,
        observer: Arc<dyn Observer>,
    ) -> Duration {
        let repository = Arc::new(InstantRepository::default());
        let orchestrator = Orchestrator::new(ports(store, repository), self.scheduling());
        let (site, session) = (site(Worker::new(self.takes, calls)), self.session());
        let (_switch, stop) = stop_switch();
        let begun = Instant::now();
        let report = orchestrator.start(&session, &site, observer, stop).await;
        let taken = begun.elapsed();
        let report = report.expect("a store that works");
        assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
        assert_eq!(report.executions.len(), self.tasks);
        taken
    }

    fn scheduling(&self) -> Scheduling {
        let caps = self.caps;
        Scheduling {
            total: caps,
            per_session: caps,
            per_repository: caps,
            local: caps,
            ..Scheduling::default()
        }
    }

    fn session(&self) -> Session {
        let id: SessionId = "measured".parse().expect("an id");
        let branch = id.branch();
        let tasks = (0..self.tasks).map(|number| self.task(number)).collect();
        Session {
            issue: Issue::from_markdown("Do all of it").expect("an issue"),
            base: base(&branch),
            kind: None,
            executor: None,
            strategy: None,
            plan: Some(Plan { source: PlanSource::File, note: None, tasks }),
            model: None,
            limits: Limits::default(),
            created: SystemTime::now(),
            id,
            branch,
        }
    }

    fn task(&self, number: usize) -> PlannedTask {
        let task = Task {
            id: TaskId::numbered(number),
            kind: TaskKind::BUILDER,
            title: format!("Part {number}"),
            prompt: format!("Do part {number} of it, and nothing else."),
        };
        let after = self.before(number).map(TaskId::numbered).into_iter().collect();
        PlannedTask { after, ..PlannedTask::new(task) }
    }
}

/// What is worked with, besides executors.
pub(crate) fn ports(store: Arc<dyn SessionStore>, repository: Arc<InstantRepository>) -> Ports {
    Ports {
        store,
        workspaces: Arc::clone(&repository) as _,
        integration: Arc::clone(&repository) as _,
        forge: None,
        validator: repository,
        clock: Arc::new(SystemClock::default()),
    }
}

/// A place where this executor does everything.
pub(crate) fn site(executor: impl TaskExecutor + 'static) -> Site {
    let candidate = Candidate {
        info: executor.info().clone(),
        kinds: Vec::new(),
        billing: Billing::Metered,
        price: None,
        isolated: false,
        max_per_day: None,
        ready: Ok(()),
    };
    // As large as they come here.
    let limits =
        PlanLimits { max_tasks: usize::MAX, max_depth: usize::MAX, ..PlanLimits::default() };
    Site {
        members: vec![Member { candidate, executor: Some(Arc::new(executor)) }],
        selection: SelectionPolicy::default(),
        attempts: AttemptPolicy::default(),
        budget: BudgetPolicy::default(),
        analysis: AnalysisRules::default(),
        planning: PlanSettings { limits, ..PlanSettings::default() },
        deadlines: Deadlines {
            total: Some(Duration::from_hours(4)),
            silence: Some(Duration::from_mins(15)),
        },
        scrutiny: Scrutiny::default(),
        delivery: Delivery::default(),
        template: Box::new(|_| RequestTemplate::default()),
    }
}
