use crate::{
    Arrival, CrashPlan, Deadlock, MemoryStore, Point, Process, Scenario, SimClock, Simulation,
    Spawner, Violation, WatchedStore, World,
};
use cyrus_core::{
    Clock as _, Observer, Session, SessionEvent, SessionId, SessionOutcome, SessionReport,
    SessionState, SessionStore, Snapshot, StoreError,
};
use cyrus_executor::StopMode;
use cyrus_orchestrator::{Orchestrator, Ports, Site, stop_switch};
use futures::future::{Either, select};
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The store that a fleet's processes share.
pub trait Stores {
    /// A new process's handle.
    fn handle(&self) -> Arc<dyn SessionStore>;

    /// The process with the newest handle was killed.
    fn kill(&self);
}

/// A [`MemoryStore`] as a fleet uses it.
pub struct MemoryStores {
    store: MemoryStore,
    newest: Mutex<Option<crate::MemoryProcess>>,
}

impl MemoryStores {
    /// An empty one with this clock.
    pub fn new(clock: &SimClock) -> Self {
        Self { store: MemoryStore::new(Arc::new(clock.clone())), newest: Mutex::default() }
    }
}

impl Stores for MemoryStores {
    fn handle(&self) -> Arc<dyn SessionStore> {
        let process = self.store.process();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Some(process.clone());
        Arc::new(process)
    }

    fn kill(&self) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = &*newest {
            process.kill();
        }
    }
}

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The last report of every session.
    pub reports: BTreeMap<SessionId, SessionReport>,
    /// How much simulated time passed.
    pub elapsed: Duration,
    /// What must not have happened.
    pub violations: Vec<Violation>,
    /// How many points a process could have been killed at.
    pub points: u64,
    /// Where processes were killed.
    pub kills: Vec<Point>,
    /// How many things were done outside the store.
    pub effects: u64,
    /// How many runs were ordered in the cloud with each key.
    pub orders: BTreeMap<String, usize>,
}

/// What one run of one session by one process came to.
pub(crate) type Worked = Result<SessionReport, StoreError>;

/// Lets a scenario happen on a store in memory.
pub fn run(scenario: &Scenario) -> Result<Ended, Deadlock> {
    let simulation = Simulation::default();
    let stores = MemoryStores::new(simulation.clock());
    run_on(scenario, simulation, &stores, Arc::new(|_: SessionEvent| {}))
}

/// Lets a scenario happen on these stores, which have to know the simulation's time. The observer hears of every
/// session.
pub fn run_on(
    scenario: &Scenario,
    mut simulation: Simulation,
    stores: &dyn Stores,
    observer: Arc<dyn Observer>,
) -> Result<Ended, Deadlock> {
    let world = scenario.world(simulation.clock());
    let plan = CrashPlan::at(scenario.kills.iter().copied());
    let spawner = simulation.spawner();
    let begun = simulation.clock().elapsed();
    let scenario = Arc::new(scenario.clone());
    let fleet = Fleet {
        scenario: Arc::clone(&scenario),
        world: world.clone(),
        spawner,
        plan: plan.clone(),
        stores,
        observer,
    };
    let reports = simulation.run(fleet.go())?;
    let mut violations = world.violations();
    for arrival in &scenario.arrivals {
        violations.extend(world.audit(&arrival.id, arrival.stop.is_some()));
    }
    Ok(Ended {
        reports,
        elapsed: simulation.clock().elapsed().saturating_sub(begun),
        violations,
        points: plan.passed(),
        kills: plan.kills(),
        effects: world.effects(),
        orders: world.orders(),
    })
}

struct Fleet<'a> {
    scenario: Arc<Scenario>,
    world: World,
    spawner: Spawner,
    plan: CrashPlan,
    stores: &'a dyn Stores,
    observer: Arc<dyn Observer>,
}

/// A process with its orchestrator.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) process: Process,
    pub(crate) orchestrator: Arc<Orchestrator>,
    site: Arc<Site>,
    world: World,
    observer: Arc<dyn Observer>,
}

impl Fleet<'_> {
    /// Starts process after process until one ends by itself.
    async fn go(self) -> BTreeMap<SessionId, SessionReport> {
        let begun = self.world.clock().elapsed();
        loop {
            let crew = self.crew();
            let sweep = crew.clone().sweep();
            let sweep = self.spawner.spawn(&crew.process, "the sweep", sweep);
            let sessions = self.scenario.arrivals.iter().map(|arrival| {
                let at = begun + arrival.after;
                let visit =
                    Visit { scenario: Arc::clone(&self.scenario), arrival: arrival.clone(), at };
                let work = visit.work(crew.clone());
                self.spawner.spawn(&crew.process, arrival.id.as_str(), work)
            });
            let worked = futures::future::join_all(sessions).await;
            let swept = sweep.await;
            let worked: Result<Vec<_>, _> = worked.into_iter().collect();
            if let (Ok(worked), Ok(Ok(()))) = (worked, swept) {
                return self.told(worked);
            }
            crew.process.kill();
            self.stores.kill();
        }
    }

    /// The reports of sessions that ended; that one ended with an error is told too.
    fn told(&self, worked: Vec<Worked>) -> BTreeMap<SessionId, SessionReport> {
        let mut reports = BTreeMap::new();
        for (arrival, worked) in self.scenario.arrivals.iter().zip(worked) {
            match worked {
                Ok(report) => drop(reports.insert(arrival.id.clone(), report)),
                Err(error) => self.world.violated(Violation::Broken {
                    session: arrival.id.clone(),
                    error: error.to_string(),
                }),
            }
        }
        reports
    }

    fn crew(&self) -> Crew {
        let Self { scenario, world, spawner, plan, stores, observer } = self;
        Crew::new(scenario, world, spawner, plan, stores.handle(), Arc::clone(observer))
    }
}

/// One session of a scenario, as one process works on it.
pub(crate) struct Visit {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) arrival: Arrival,
    /// When it comes.
    pub(crate) at: Duration,
}

impl Visit {
    /// Works on the session until it is over, or waits for a person and nobody resumes it any more.
    pub(crate) async fn work(self, crew: Crew) -> Worked {
        let clock = crew.world.clock();
        clock.sleep(self.at.saturating_sub(clock.elapsed())).await;
        let mut stop = self.arrival.stop;
        let mut resumes = self.scenario.resumes;
        let mut is_first = true;
        loop {
            let stops = stop.take();
            let report = match self.waits(&crew).await {
                Some(report) if is_first => report,
                _ => self.once(&crew, stops).await?,
            };
            is_first = false;
            if report.outcome != SessionOutcome::Paused || !(stops.is_some() || resumes > 0) {
                return Ok(report);
            }
            if stops.is_none() {
                resumes -= 1;
                crew.world.mend();
            }
        }
    }

    /// What a session was left with that waits for a person.
    async fn waits(&self, crew: &Crew) -> Option<SessionReport> {
        let snapshot = crew.orchestrator.ports().store.snapshot(&self.arrival.id).await.ok()?;
        snapshot.report.filter(|_| snapshot.state == SessionState::Paused)
    }

    /// Starts the session or goes on with it, as the store has it, and stops it when it is time.
    async fn once(&self, crew: &Crew, stop: Option<(Duration, StopMode)>) -> Worked {
        let Crew { orchestrator, site, world, .. } = crew;
        let id = &self.arrival.id;
        let (switch, signal) = stop_switch();
        let observer = Arc::clone(&crew.observer);
        let store = &orchestrator.ports().store;
        let work = async {
            match store.snapshot(id).await {
                Err(StoreError::UnknownSession(_)) => {
                    let session = self.session(world)?;
                    orchestrator.start(&session, site, observer, signal).await
                }
                Err(error) => Err(error),
                Ok(Snapshot { state: SessionState::Finished(_), report: Some(report), .. }) => {
                    Ok(report)
                }
                Ok(_) => {
                    let (lease, snapshot) = store.take(id).await?;
                    orchestrator.resume(lease, snapshot, site, observer, signal).await
                }
            }
        };
        let stopping = async {
            if let Some((after, mode)) = stop {
                world.clock().sleep(after).await;
                switch.stop(mode);
            }
            std::future::pending().await
        };
        match select(pin!(work), pin!(stopping)).await {
            Either::Left((worked, _)) | Either::Right((worked, _)) => worked,
        }
    }

    fn session(&self, world: &World) -> Result<Session, StoreError> {
        let session = self.scenario.session(world, &self.arrival);
        session.ok_or_else(|| StoreError::UnknownSession(self.arrival.id.clone()))
    }
}

impl Crew {
    /// A new process of a scenario, with its handle on the store.
    pub(crate) fn new(
        scenario: &Scenario,
        world: &World,
        spawner: &Spawner,
        plan: &CrashPlan,
        store: Arc<dyn SessionStore>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let process = spawner.process(plan);
        let ports = world.ports(&process);
        let store = WatchedStore::new(store, ports.clone());
        let ports = Ports {
            store: Arc::new(store),
            workspaces: Arc::new(ports.workspaces()),
            integration: Arc::new(ports.integration()),
            forge: Some(Arc::new(ports.forge())),
            validator: Arc::new(ports.validator()),
            clock: Arc::new(world.clock().clone()),
        };
        let orchestrator = Arc::new(Orchestrator::new(ports, scenario.scheduling.clone()));
        let site = Arc::new(scenario.site(world, &process, spawner));
        Self { process, orchestrator, site, world: world.clone(), observer }
    }

    /// Removes what a process before left behind of sessions that are over.
    pub(crate) async fn sweep(self) -> Result<(), StoreError> {
        let ports = self.orchestrator.ports();
        for id in ports.workspaces.present().await.unwrap_or_default() {
            let snapshot = ports.store.snapshot(&id).await?;
            let over = matches!(
                snapshot.state,
                SessionState::Finished(SessionOutcome::Validated | SessionOutcome::Unverified)
            );
            if over {
                // What stays is found by whoever looks at how the session was left.
                drop(ports.workspaces.clear(&snapshot.session.base, &id).await);
            }
        }
        Ok(())
    }
}
