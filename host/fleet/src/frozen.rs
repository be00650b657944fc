use crate::{
    Arrival, CrashPlan, Deadlock, MemoryProcess, MemoryStore, Point, Process, Scenario, SimClock,
    Simulation, Spawner, Step, Violation, World,
    fleet::{Crew, Visit, Worked},
};
use cyrus_core::{
    Clock as _, SessionEvent, SessionId, SessionReport, SessionState, SessionStore as _, StoreError,
};
use futures::future::{Either, select};
use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// When a frozen process goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thaw {
    /// This long after others have taken over, at the latest when they are done.
    After(Duration),
    /// When others are done.
    AtTheEnd,
}

/// What came of a session whose process was frozen and taken for dead.
#[derive(Debug)]
pub struct Overtaken {
    /// Where it was frozen.
    pub at: Point,
    /// The report of whoever took the session over; `None` when there was nothing to take over.
    pub taken: Option<SessionReport>,
    /// What the first process came to.
    pub late: Result<SessionReport, StoreError>,
    /// What the first process told after it was thawed.
    pub told: Vec<SessionEvent>,
    /// What was under way when it was frozen, and done afterwards.
    pub under_way: Vec<Step>,
    /// What must not have happened.
    pub violations: Vec<Violation>,
}

/// Lets the first session of a scenario happen in a process that is frozen at this point, counted from 1. Its lease
/// runs out, another process on another machine takes the session over, and the first goes on where it was.
///
/// `None`: the session ends before it comes to that point.
pub fn run_frozen(
    scenario: &Scenario,
    point: u64,
    thaw: Thaw,
) -> Result<Option<Overtaken>, Deadlock> {
    let mut simulation = Simulation::default();
    let world = scenario.world(simulation.clock());
    let [arrival, ..] = &scenario.arrivals[..] else { return Ok(None) };
    let store = MemoryStore::new(Arc::new(simulation.clock().clone()));
    let scene = Scene {
        scenario: Arc::new(scenario.clone()),
        arrival: arrival.clone(),
        world: world.clone(),
        spawner: simulation.spawner(),
        store,
    };
    let Some(mut overtaken) = simulation.run(scene.play(point, thaw))? else { return Ok(None) };
    overtaken.violations = world.violations();
    overtaken.violations.extend(world.audit(&arrival.id, false));
    overtaken.under_way = world.late();
    Ok(Some(overtaken))
}

struct Scene {
    scenario: Arc<Scenario>,
    arrival: Arrival,
    world: World,
    spawner: Spawner,
    store: MemoryStore,
}

impl Scene {
    async fn play(self, point: u64, thaw: Thaw) -> Option<Overtaken> {
        let clock = self.world.clock().clone();
        let plan = CrashPlan::freezing(point);
        let told = Arc::new(Mutex::new(Vec::new()));
        let handle = self.store.process_on("first");
        let first = self.crew(&plan, handle.clone(), &told);
        let process = first.process.clone();
        drop(self.spawner.spawn(
            &process,
            "the lease",
            keep(handle, clock.clone(), process.clone()),
        ));
        let mut late = self.work(&first);
        let at = loop {
            if let Some(at) = plan.frozen() {
                break at;
            }
            if matches!(late.try_recv(), Ok(Some(_)) | Err(_)) {
                return None;
            }
            clock.sleep(Duration::from_secs(1)).await;
        };
        clock.sleep(self.store.process_on("heir").lease_time()).await;
        let heir_told = Arc::default();
        let heir = self.crew(&CrashPlan::default(), self.store.process_on("heir"), &heir_told);
        let mut taken = None;
        told.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if self.is_running().await {
            let working = self.work(&heir);
            process.overtake();
            let working = async { working.await.ok()?.ok() };
            taken = match thaw {
                Thaw::AtTheEnd => working.await,
                Thaw::After(time) => match select(pin!(working), pin!(clock.sleep(time))).await {
                    Either::Left((taken, _)) => taken,
                    Either::Right(((), working)) => {
                        process.thaw();
                        working.await
                    }
                },
            };
        }
        process.thaw();
        let late = late.await.ok()?;
        // What it left is swept by whoever comes next.
        drop(heir.sweep().await);
        let told = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
        Some(Overtaken { at, taken, late, told, under_way: Vec::new(), violations: Vec::new() })
    }

    fn crew(
        &self,
        plan: &CrashPlan,
        store: MemoryProcess,
        told: &Arc<Mutex<Vec<SessionEvent>>>,
    ) -> Crew {
        let told = Arc::clone(told);
        let observer = move |event: SessionEvent| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        };
        let (store, observer) = (Arc::new(store), Arc::new(observer));
        Crew::new(&self.scenario, &self.world, &self.spawner, plan, store, observer)
    }

    fn work(&self, crew: &Crew) -> futures::channel::oneshot::Receiver<Worked> {
        let visit = Visit {
            scenario: Arc::clone(&self.scenario),
            arrival: self.arrival.clone(),
            at: Duration::ZERO,
        };
        self.spawner.spawn(&crew.process, self.arrival.id.as_str(), visit.work(crew.clone()))
    }

    async fn is_running(&self) -> bool {
        let id: &SessionId = &self.arrival.id;
        let snapshot = self.store.process_on("heir").snapshot(id).await;
        snapshot.is_ok_and(|snapshot| snapshot.state == SessionState::Running)
    }
}

/// Keeps a process's leases, until it has lost one.
async fn keep(handle: MemoryProcess, clock: SimClock, process: Process) {
    while process.is_alive() && handle.renew().await.is_ok_and(|lost| lost.is_empty()) {
        clock.sleep(handle.lease_time() / 3).await;
    }
}
