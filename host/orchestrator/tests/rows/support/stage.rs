//! The world, its rules, and the processes that work in it.

use super::{Hand, Told, session_id};
use cyrus_core::{
    Heading, Issue, Observer, Plan, PlanSource, PlannedTask, Session, SessionReport, SessionStore,
    Spending, StoreError,
};
use cyrus_executor::Limits;
use cyrus_fleet::{
    CrashPlan, MemoryProcess, MemoryStore, Pace, Simulation, Violation, WatchedStore, World,
};
use cyrus_orchestrator::{
    AnalysisRules, AttemptPolicy, BudgetPolicy, Deadlines, Delivery, Orchestrator, PlanSettings,
    Ports, RequestTemplate, Scheduling, Scrutiny, SelectionPolicy, Site, StopSignal, stop_switch,
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

const REPOSITORY: &str = "/repository";

/// A world in which nothing takes time but work, its rules, and who works in it.
pub(crate) struct Stage {
    pub(crate) simulation: Simulation,
    pub(crate) world: World,
    pub(crate) store: MemoryStore,
    pub(crate) told: Told,
    pub(crate) hands: Vec<Hand>,
    pub(crate) scheduling: Scheduling,
    pub(crate) selection: SelectionPolicy,
    pub(crate) attempts: AttemptPolicy,
    pub(crate) budget: BudgetPolicy,
    pub(crate) deadlines: Deadlines,
    pub(crate) delivery: Delivery,
    pub(crate) scrutiny: Scrutiny,
}

/// A process with its orchestrator, by the rules that held when it began.
pub(crate) struct Crew {
    pub(crate) handle: MemoryProcess,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) site: Site,
    told: Told,
}

impl Stage {
    /// These executors, a repository of many files with a check, and nothing configured.
    pub(crate) fn new(hands: &[&Hand]) -> Self {
        Self::with_files(hands, 1_024)
    }

    /// The same with so many files: the fewer, the more often two tasks change the same.
    pub(crate) fn with_files(hands: &[&Hand], files: u32) -> Self {
        let none = Duration::ZERO;
        Self::of(hands, files, Pace { clone: none, git: none, check: none, network: none })
    }

    /// The same where other things than work take time too.
    pub(crate) fn paced(hands: &[&Hand], pace: Pace) -> Self {
        Self::of(hands, 16, pace)
    }

    fn of(hands: &[&Hand], files: u32, pace: Pace) -> Self {
        let simulation = Simulation::default();
        let world = World::new(simulation.clock().clone(), 1, pace);
        world.add_repository(Path::new(REPOSITORY), files, &["make check"]);
        Self {
            store: MemoryStore::new(Arc::new(simulation.clock().clone())),
            told: Told::new(simulation.clock()),
            hands: hands.iter().map(|hand| (*hand).clone()).collect(),
            scheduling: Scheduling { local: 64, cloud: 64, ..Scheduling::default() },
            selection: SelectionPolicy::default(),
            attempts: AttemptPolicy::default(),
            budget: BudgetPolicy::default(),
            deadlines: Deadlines::default(),
            delivery: Delivery::default(),
            scrutiny: Scrutiny::default(),
            simulation,
            world,
        }
    }

    /// A new process.
    pub(crate) fn crew(&self) -> Crew {
        let spawner = self.simulation.spawner();
        let process = spawner.process(&CrashPlan::default());
        let (ports, handle) = (self.world.ports(&process), self.store.process());
        let store = WatchedStore::new(Arc::new(handle.clone()), ports.clone());
        let ports = Ports {
            store: Arc::new(store),
            workspaces: Arc::new(ports.workspaces()),
            integration: Arc::new(ports.integration()),
            forge: Some(Arc::new(ports.forge())),
            validator: Arc::new(ports.validator()),
            clock: Arc::new(self.world.clock().clone()),
        };
        let orchestrator = Orchestrator::new(ports, self.scheduling.clone());
        let members = self.hands.iter().map(|hand| hand.member(&self.world, &process, &spawner));
        let site = Site {
            members: members.collect(),
            selection: self.selection.clone(),
            attempts: self.attempts,
            budget: self.budget.clone(),
            analysis: AnalysisRules::default(),
            planning: PlanSettings::default(),
            deadlines: self.deadlines,
            scrutiny: self.scrutiny.clone(),
            delivery: self.delivery,
            template: Box::new(|_| RequestTemplate::default()),
        };
        Crew { handle, orchestrator, site, told: self.told.clone() }
    }

    /// A session on this issue.
    pub(crate) fn session(&self, name: &str, issue: Issue) -> Session {
        let id = session_id(name);
        let base = self.world.base(Path::new(REPOSITORY), &id.branch()).unwrap();
        Session {
            branch: base.repository.work_branch.clone(),
            id,
            issue,
            base,
            kind: None,
            executor: None,
            strategy: None,
            plan: None,
            model: None,
            limits: Limits::default(),
            created: SystemTime::UNIX_EPOCH,
        }
    }

    /// A session with this plan.
    pub(crate) fn planned(&self, name: &str, tasks: Vec<PlannedTask>) -> Session {
        let plan = Plan { source: PlanSource::File, note: None, tasks };
        Session { plan: Some(plan), ..self.session(name, super::issue("Do all of it")) }
    }

    /// Runs this to its end.
    pub(crate) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.simulation.run(future).unwrap()
    }

    /// Works on this session in a process of its own.
    pub(crate) fn work(&mut self, session: &Session) -> SessionReport {
        let crew = self.crew();
        self.run(crew.start(session))
    }

    /// Works on an issue that is one builder's task.
    pub(crate) fn fix(&mut self) -> SessionReport {
        let session = self.session("aaaa", super::issue("Fix the widget"));
        self.work(&session)
    }

    /// Goes on with a session in a new process.
    pub(crate) fn resume(&mut self, session: &str) -> SessionReport {
        let crew = self.crew();
        self.run(crew.resume(session))
    }

    /// What is spent and set aside for a session.
    pub(crate) fn spent_on(&self, session: &str) -> Spending {
        self.store.total(&Heading::Session(session_id(session)))
    }

    pub(crate) fn who(&self) -> Vec<String> {
        self.told.who()
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.world.violations()
    }
}

impl Crew {
    /// Works on a session from its beginning.
    pub(crate) async fn start(&self, session: &Session) -> SessionReport {
        let (_switch, signal) = stop_switch();
        self.start_until(session, signal).await.unwrap()
    }

    /// Works on a session until somebody stops it.
    pub(crate) async fn start_until(
        &self,
        session: &Session,
        stop: StopSignal,
    ) -> Result<SessionReport, StoreError> {
        self.start_watched(session, Arc::new(self.told.clone()), stop).await
    }

    pub(crate) async fn start_watched(
        &self,
        session: &Session,
        observer: Arc<dyn Observer>,
        stop: StopSignal,
    ) -> Result<SessionReport, StoreError> {
        self.orchestrator.start(session, &self.site, observer, stop).await
    }

    /// Goes on with a session that somebody left.
    pub(crate) async fn resume(&self, session: &str) -> SessionReport {
        let (_switch, signal) = stop_switch();
        let store = &self.orchestrator.ports().store;
        let (lease, snapshot) = store.take(&session_id(session)).await.unwrap();
        let observer = Arc::new(self.told.clone());
        self.orchestrator.resume(lease, snapshot, &self.site, observer, signal).await.unwrap()
    }

    /// How executions went so far.
    pub(crate) async fn track(&self) -> Vec<cyrus_core::TrackRecord> {
        self.handle.track_records(Path::new(REPOSITORY)).await.unwrap()
    }
}
