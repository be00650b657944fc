use crate::{CrashPlan, Process, SimClock};
use futures::{
    channel::oneshot,
    future::{BoxFuture, FutureExt as _},
};
use std::{
    collections::{BTreeSet, VecDeque},
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// The future that a simulation is run for, among its tasks.
const MAIN: usize = usize::MAX;

/// Everything waits for something that will not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadlock: no timer is left and these still wait: {}", .waiting.join(", "))]
pub struct Deadlock {
    /// What was spawned and has not ended.
    pub waiting: Vec<String>,
}

/// A task that was spawned and is not yet among the slots.
struct Spawned {
    owner: u64,
    what: String,
    future: BoxFuture<'static, ()>,
}

/// What wakers, processes and spawners tell the simulation.
#[derive(Default)]
pub(crate) struct Queue {
    told: Mutex<Told>,
    processes: AtomicU64,
}

#[derive(Default)]
struct Told {
    ready: VecDeque<usize>,
    spawned: Vec<Spawned>,
    killed: Vec<u64>,
    /// Processes of which nothing is polled for now.
    frozen: BTreeSet<u64>,
    thawed: Vec<u64>,
}

impl Queue {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn killed(&self, process: u64) {
        self.told().killed.push(process);
    }

    pub(crate) fn frozen(&self, process: u64) {
        self.told().frozen.insert(process);
    }

    pub(crate) fn thawed(&self, process: u64) {
        let mut told = self.told();
        told.frozen.remove(&process);
        told.thawed.push(process);
    }
}

/// Wakes one task. It is in the queue once, however often it is woken.
struct Notice {
    slot: usize,
    queued: AtomicBool,
    queue: Arc<Queue>,
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.queue.told().ready.push_back(self.slot);
        }
    }
}

struct Slot {
    owner: u64,
    what: String,
    future: BoxFuture<'static, ()>,
    notice: Arc<Notice>,
    waker: Waker,
}

/// Runs futures on one thread, in an order that follows from nothing but what they do; when all of them wait it lets
/// time pass.
#[derive(Default)]
pub struct Simulation {
    clock: SimClock,
    queue: Arc<Queue>,
    /// A place is not used again, so that a late wake never reaches another task.
    slots: Vec<Option<Slot>>,
}

/// Starts tasks and processes in a simulation.
#[derive(Clone)]
pub struct Spawner(Arc<Queue>);

impl Spawner {
    /// A new process that dies where this plan says.
    pub fn process(&self, plan: &CrashPlan) -> Process {
        let number = self.0.processes.fetch_add(1, Ordering::Relaxed) + 1;
        Process::new(number, plan.clone(), Arc::clone(&self.0))
    }

    /// Runs a future in a process. What comes back is its result, or `Canceled` when the process was killed.
    pub fn spawn<T: Send + 'static>(
        &self,
        process: &Process,
        what: impl Into<String>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (tx, rx) = oneshot::channel();
        if process.is_alive() {
            // Whoever asked may have lost interest.
            let future = future.map(|result| drop(tx.send(result))).boxed();
            let spawned = Spawned { owner: process.number(), what: what.into(), future };
            self.0.told().spawned.push(spawned);
        }
        rx
    }
}

impl Simulation {
    /// Its clock.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Starts tasks in it.
    pub fn spawner(&self) -> Spawner {
        Spawner(Arc::clone(&self.queue))
    }

    /// Runs until this future is done. Others that were spawned are kept for the next run.
    pub fn run<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Deadlock> {
        let mut main = pin!(future);
        let notice = self.notice(MAIN);
        let waker = Waker::from(Arc::clone(&notice));
        notice.wake_by_ref();
        loop {
            self.take_in();
            let ready = self.queue.told().ready.pop_front();
            match ready {
                Some(MAIN) => {
                    notice.queued.store(false, Ordering::Relaxed);
                    let polled = main.as_mut().poll(&mut Context::from_waker(&waker));
                    if let Poll::Ready(result) = polled {
                        return Ok(result);
                    }
                }
                Some(slot) => self.poll(slot),
                None if self.clock.advance() => {}
                None => return Err(Deadlock { waiting: self.waiting() }),
            }
        }
    }

    fn notice(&self, slot: usize) -> Arc<Notice> {
        let queue = Arc::clone(&self.queue);
        Arc::new(Notice { slot, queued: AtomicBool::new(false), queue })
    }

    /// Does what was told since the last poll: the tasks of killed processes are dropped, new ones are taken in.
    fn take_in(&mut self) {
        let (spawned, killed, thawed) = {
            let Told { spawned, killed, thawed, .. } = &mut *self.queue.told();
            (std::mem::take(spawned), std::mem::take(killed), std::mem::take(thawed))
        };
        for Spawned { owner, what, future } in spawned {
            let notice = self.notice(self.slots.len());
            let waker = Waker::from(Arc::clone(&notice));
            notice.wake_by_ref();
            self.slots.push(Some(Slot { owner, what, future, notice, waker }));
        }
        if !killed.is_empty() {
            let of_the_dead = |slot: &Slot| killed.contains(&slot.owner);
            for slot in &mut self.slots {
                drop(slot.take_if(|slot| of_the_dead(slot)));
            }
        }
        if !thawed.is_empty() {
            // What woke them meanwhile is not known any more: each looks for itself.
            let of_the_thawed = |slot: &&Slot| thawed.contains(&slot.owner);
            let slots = self.slots.iter().flatten().filter(of_the_thawed);
            slots.for_each(|slot| slot.notice.wake_by_ref());
        }
    }

    fn poll(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else { return };
        slot.notice.queued.store(false, Ordering::Relaxed);
        if self.queue.told().frozen.contains(&slot.owner) {
            return;
        }
        let polled = slot.future.as_mut().poll(&mut Context::from_waker(&slot.waker));
        if polled.is_ready() {
            self.slots[index] = None;
        }
    }

    fn waiting(&self) -> Vec<String> {
        self.slots.iter().flatten().map(|slot| slot.what.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moment, Point, Step};
    use cyrus_core::Clock as _;
    use std::time::Duration;

    #[test]
    fn time_passes_only_when_everything_waits() {
        let mut simulation = Simulation::default();
        let (clock, spawner) = (simulation.clock().clone(), simulation.spawner());
        let process = spawner.process(&CrashPlan::default());
        let tasks: Vec<_> = (1..=3_u64)
            .map(|n| {
                let clock = clock.clone();
                spawner.spawn(&process, "sleeper", async move {
                    clock.sleep(Duration::from_secs(10 * n)).await;
                    clock.elapsed().as_secs()
                })
            })
            .collect();
        let woke = simulation.run(futures::future::join_all(tasks)).unwrap();
        assert_eq!(woke, [Ok(10), Ok(20), Ok(30)]);
    }

    #[test]
    fn a_deadlock_names_who_waits() {
        let mut simulation = Simulation::default();
        let spawner = simulation.spawner();
        let process = spawner.process(&CrashPlan::default());
        let stuck = spawner.spawn(&process, "the stuck one", std::future::pending::<()>());
        let deadlock = simulation.run(stuck).unwrap_err();
        assert_eq!(deadlock.waiting, ["the stuck one"]);
    }

    #[test]
    fn a_frozen_process_goes_on_where_it_was_once_it_is_thawed() {
        let mut simulation = Simulation::default();
        let (clock, spawner) = (simulation.clock().clone(), simulation.spawner());
        let plan = CrashPlan::freezing(2);
        let process = spawner.process(&plan);
        let bystander = spawner.spawn(&process, "bystander", {
            let clock = clock.clone();
            async move {
                clock.sleep(Duration::from_secs(1)).await;
                clock.elapsed().as_secs()
            }
        });
        let victim = spawner.spawn(&process, "victim", {
            let (process, clock) = (process.clone(), clock.clone());
            async move {
                process.step(Step::Merge, || ()).await;
                clock.elapsed().as_secs()
            }
        });
        let ended = simulation.run(async {
            clock.sleep(Duration::from_mins(1)).await;
            assert!(process.is_frozen() && process.is_alive());
            process.thaw();
            (bystander.await, victim.await)
        });
        assert_eq!(ended, Ok((Ok(60), Ok(60))));
        assert_eq!(plan.frozen(), Some(Point { moment: Moment::After, step: Step::Merge }));
    }

    #[test]
    fn a_killed_process_runs_no_more_and_what_it_held_is_dropped() {
        struct Held(Arc<AtomicBool>);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let mut simulation = Simulation::default();
        let (clock, spawner) = (simulation.clock().clone(), simulation.spawner());
        let plan = CrashPlan::at([3]);
        let (process, other) = (spawner.process(&plan), spawner.process(&plan));
        let (dropped, acted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let bystander = {
            let held = Held(Arc::clone(&dropped));
            let sleep = clock.sleep(Duration::from_secs(1));
            spawner.spawn(&process, "bystander", async move {
                sleep.await;
                drop(held);
            })
        };
        let victim = {
            let (process, acted) = (process.clone(), Arc::clone(&acted));
            spawner.spawn(&process.clone(), "victim", async move {
                process.step(Step::Clone, || ()).await;
                process.step(Step::Merge, || acted.store(true, Ordering::Relaxed)).await;
            })
        };
        let survivor = spawner.spawn(&other, "survivor", clock.sleep(Duration::from_secs(2)));
        let ended = simulation.run(async { (victim.await, bystander.await, survivor.await) });
        assert_eq!(ended, Ok((Err(oneshot::Canceled), Err(oneshot::Canceled), Ok(()))));
        assert!(dropped.load(Ordering::Relaxed) && !acted.load(Ordering::Relaxed));
        assert!(!process.is_alive() && other.is_alive());
        assert_eq!(plan.kills(), [Point { moment: Moment::Before, step: Step::Merge }]);
        assert_eq!(plan.passed(), 3);
    }
}
