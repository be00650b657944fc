//! What a session is worked on with, and what it is about.

use crate::instant::{InstantRepository, base};
use cyrus_core::{
    Billing, Issue, Plan, PlanSource, PlannedTask, Session, SessionId, SessionStore, SystemClock,
};
use cyrus_executor::{Limits, Task, TaskExecutor, TaskId, TaskKind};
use cyrus_orchestrator::{
    AnalysisRules, AttemptPolicy, BudgetPolicy, Candidate, Deadlines, Delivery, Member, PlanLimits,
    PlanSettings, Ports, RequestTemplate, Scrutiny, SelectionPolicy, Site,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A session of this name on an issue, with the plan that is made of it or with these tasks.
pub(crate) fn session(name: &str, issue: &str, tasks: Option<Vec<PlannedTask>>) -> Session {
    let id: SessionId = name.parse().expect("an id");
    let branch = id.branch();
    Session {
        issue: Issue::from_markdown(issue).expect("an issue"),
        base: base(&branch),
        kind: None,
        executor: None,
        strategy: None,
        plan: tasks.map(|tasks| Plan { source: PlanSource::File, note: None, tasks }),
        model: None,
        limits: Limits::default(),
        created: SystemTime::now(),
        id,
        branch,
    }
}

/// A builder's task that comes after none.
pub(crate) fn task(id: TaskId, prompt: String) -> PlannedTask {
    let title = format!("Part {id}");
    PlannedTask::new(Task { id, kind: TaskKind::BUILDER, title, prompt })
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
