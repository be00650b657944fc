//! Who waits and who runs, as plain data.

use super::{Claim, Scheduling};
use cyrus_core::{SessionId, Urgency};
use cyrus_executor::Placement;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    path::PathBuf,
};

/// Somebody who is served.
#[derive(Debug)]
pub(super) struct Ticket<W> {
    pub(super) claim: Claim,
    pub(super) waiter: W,
}

/// What decides, besides the session's own cap, whether a claim may be served: the same for all claims in a lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Lane {
    cloud: bool,
    executor: String,
    repository: PathBuf,
}

/// A session's place in a lane: lower is served first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    urgency: Urgency,
    running: usize,
    /// Since when it waits for its turn: since its first ticket here came, or since it was served last.
    since: u64,
    arrival: u64,
    session: SessionId,
}

#[derive(Debug)]
struct Waiting<W> {
    urgency: Urgency,
    tickets: VecDeque<(u64, Ticket<W>)>,
}

/// Claims that wait, and counts of those that were served.
///
/// Claims of one session in one lane are served in the order they came, so that only the first of them stands in
/// the lane: serving costs the logarithm of the sessions that wait, times the lanes there are.
#[derive(Debug)]
pub(super) struct Queue<W> {
    /// Counts who came and who was served.
    moments: u64,
    lanes: BTreeMap<Lane, BTreeSet<Place>>,
    waiting: HashMap<(Lane, SessionId), Waiting<W>>,
    /// The lanes a session waits in: its places there change with the number of its slots.
    of_session: HashMap<SessionId, BTreeSet<Lane>>,
    /// When sessions that wait were served last.
    served: HashMap<SessionId, u64>,
    running: Running,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self {
            moments: 0,
            lanes: BTreeMap::new(),
            waiting: HashMap::new(),
            of_session: HashMap::new(),
            served: HashMap::new(),
            running: Running::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Running {
    total: usize,
    local: usize,
    cloud: usize,
    sessions: HashMap<SessionId, usize>,
    repositories: HashMap<PathBuf, usize>,
    executors: HashMap<String, usize>,
}

impl<W> Queue<W> {
    pub(super) fn push(&mut self, claim: Claim, waiter: W) {
        self.moments += 1;
        let (arrival, session) = (self.moments, claim.session.clone());
        let lane = Lane::of(&claim);
        let key = (lane.clone(), session.clone());
        let urgency = claim.urgency;
        let ticket = (arrival, Ticket { claim, waiter });
        let waiting = self
            .waiting
            .entry(key)
            .or_insert_with(|| Waiting { urgency, tickets: VecDeque::new() });
        waiting.tickets.push_back(ticket);
        if waiting.tickets.len() == 1 {
            let place = Place {
                urgency,
                running: self.running.of(&session),
                since: arrival,
                arrival,
                session,
            };
            self.of_session.entry(place.session.clone()).or_default().insert(lane.clone());
            self.lanes.entry(lane).or_default().insert(place);
        }
    }

    /// Serves the next, if somebody may be served.
    pub(super) fn next(&mut self, caps: &Scheduling) -> Option<Ticket<W>> {
        if self.running.total >= caps.total {
            return None;
        }
        let open = self.lanes.iter().filter(|(lane, _)| self.running.has_room(lane, caps));
        let firsts = open.filter_map(|(lane, places)| {
            let within = |place: &&Place| place.running < caps.per_session;
            Some((places.iter().find(within)?, lane))
        });
        let (place, lane) = firsts.min_by_key(|(place, _)| *place)?;
        let (place, lane) = (place.clone(), lane.clone());
        let ticket = self.take(&lane, &place)?;
        self.moments += 1;
        let now = self.moments;
        self.recount(&ticket.claim, Some(now), Running::add);
        Some(ticket)
    }

    pub(super) fn release(&mut self, claim: &Claim) {
        self.recount(claim, None, Running::remove);
    }

    /// Takes the first ticket of a place, and puts the session's next one there.
    fn take(&mut self, lane: &Lane, place: &Place) -> Option<Ticket<W>> {
        let key = (lane.clone(), place.session.clone());
        let places = self.lanes.get_mut(lane)?;
        places.remove(place);
        let waiting = self.waiting.get_mut(&key)?;
        let (_, ticket) = waiting.tickets.pop_front()?;
        if let Some((arrival, _)) = waiting.tickets.front() {
            let served = self.served.get(&place.session).copied().unwrap_or_default();
            places.insert(Place {
                since: served.max(*arrival),
                arrival: *arrival,
                ..place.clone()
            });
            return Some(ticket);
        }
        if places.is_empty() {
            self.lanes.remove(lane);
        }
        self.waiting.remove(&key);
        if let Some(lanes) = self.of_session.get_mut(&place.session) {
            lanes.remove(lane);
            if lanes.is_empty() {
                self.of_session.remove(&place.session);
                self.served.remove(&place.session);
            }
        }
        Some(ticket)
    }

    /// Changes how many slots a claim's session has, and when it was served, and moves it to its new places.
    fn recount(&mut self, claim: &Claim, now: Option<u64>, change: fn(&mut Running, &Claim)) {
        let session = &claim.session;
        let before = (self.running.of(session), self.served_last(session));
        change(&mut self.running, claim);
        if let Some(now) = now.filter(|_| self.of_session.contains_key(session)) {
            self.served.insert(session.clone(), now);
        }
        let after = (self.running.of(session), self.served_last(session));
        for lane in self.of_session.get(session).into_iter().flatten() {
            let Some(waiting) = self.waiting.get(&(lane.clone(), session.clone())) else {
                continue;
            };
            let (Some((arrival, _)), Some(places)) =
                (waiting.tickets.front(), self.lanes.get_mut(lane))
            else {
                continue;
            };
            let mut place = Place {
                urgency: waiting.urgency,
                running: before.0,
                since: before.1.max(*arrival),
                arrival: *arrival,
                session: session.clone(),
            };
            places.remove(&place);
            (place.running, place.since) = (after.0, after.1.max(*arrival));
            places.insert(place);
        }
    }

    /// When a session that waits was served last.
    fn served_last(&self, session: &SessionId) -> u64 {
        self.served.get(session).copied().unwrap_or_default()
    }
}

impl Lane {
    fn of(claim: &Claim) -> Self {
        Self {
            cloud: claim.placement == Placement::Cloud,
            executor: claim.executor.clone(),
            repository: claim.repository.clone(),
        }
    }
}

impl Running {
    fn of(&self, session: &SessionId) -> usize {
        self.sessions.get(session).copied().unwrap_or(0)
    }

    fn has_room(&self, lane: &Lane, caps: &Scheduling) -> bool {
        let (placed, most) =
            if lane.cloud { (self.cloud, caps.cloud) } else { (self.local, caps.local) };
        let executor = self.executors.get(&lane.executor).copied().unwrap_or(0);
        let repository = self.repositories.get(&lane.repository).copied().unwrap_or(0);
        placed < most
            && caps.per_executor.get(&lane.executor).is_none_or(|most| executor < *most)
            && repository < caps.per_repository
    }

    fn add(&mut self, claim: &Claim) {
        self.total += 1;
        *self.placed(claim.placement) += 1;
        *self.sessions.entry(claim.session.clone()).or_default() += 1;
        *self.repositories.entry(claim.repository.clone()).or_default() += 1;
        *self.executors.entry(claim.executor.clone()).or_default() += 1;
    }

    fn remove(&mut self, claim: &Claim) {
        self.total -= 1;
        *self.placed(claim.placement) -= 1;
        lower(&mut self.sessions, &claim.session);
        lower(&mut self.repositories, &claim.repository);
        lower(&mut self.executors, &claim.executor);
    }

    fn placed(&mut self, placement: Placement) -> &mut usize {
        match placement {
            Placement::Local => &mut self.local,
            Placement::Cloud => &mut self.cloud,
        }
    }
}

fn lower<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(session: &str, executor: &str, urgency: Urgency) -> Claim {
        Claim {
            session: format!("session-{session}").parse().unwrap(),
            repository: PathBuf::from("/r"),
            executor: executor.to_owned(),
            placement: if executor == "far" { Placement::Cloud } else { Placement::Local },
            urgency,
        }
    }

    fn caps(total: usize) -> Scheduling {
        Scheduling {
            total,
            per_session: 9,
            per_repository: 9,
            local: 9,
            cloud: 9,
            per_executor: BTreeMap::new(),
        }
    }

    fn served(queue: &mut Queue<&'static str>, caps: &Scheduling) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.next(caps)).map(|ticket| ticket.waiter).collect()
    }

    #[test]
    fn sessions_take_turns_also_where_none_ever_has_more_than_another() {
        let mut queue = Queue::default();
        for (waiter, session) in
            [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")]
        {
            queue.push(claim(session, "near", Urgency::Normal), waiter);
        }
        let mut order = Vec::new();
        while let Some(ticket) = queue.next(&caps(1)) {
            order.push(ticket.waiter);
            queue.release(&ticket.claim);
        }
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(queue.served.is_empty());
    }

    #[test]
    fn what_is_urgent_comes_first_then_who_has_least_then_who_came_first() {
        let mut queue = Queue::default();
        for (waiter, session, urgency) in [
            ("a1", "a", Urgency::Normal),
            ("a2", "a", Urgency::Normal),
            ("b1", "b", Urgency::Normal),
            ("c1", "c", Urgency::Low),
            ("d1", "d", Urgency::Urgent),
            ("b2", "b", Urgency::Normal),
        ] {
            queue.push(claim(session, "near", urgency), waiter);
        }
        assert_eq!(served(&mut queue, &caps(9)), ["d1", "a1", "b1", "a2", "b2", "c1"]);
    }

    #[test]
    fn every_cap_is_kept_and_a_full_one_holds_up_nobody_else() {
        let pushed = || {
            let mut queue = Queue::default();
            for (waiter, session, executor) in
                [("a1", "a", "near"), ("a2", "a", "near"), ("a3", "a", "far"), ("b1", "b", "far")]
            {
                queue.push(claim(session, executor, Urgency::Normal), waiter);
            }
            queue
        };
        let of = |caps: Scheduling| served(&mut pushed(), &caps);
        assert_eq!(of(caps(2)), ["a1", "b1"]);
        assert_eq!(of(Scheduling { per_session: 1, ..caps(9) }), ["a1", "b1"]);
        assert_eq!(of(Scheduling { local: 1, ..caps(9) }), ["a1", "b1", "a3"]);
        assert_eq!(of(Scheduling { cloud: 1, ..caps(9) }), ["a1", "b1", "a2"]);
        assert_eq!(of(Scheduling { per_repository: 3, ..caps(9) }), ["a1", "b1", "a2"]);
        let per_executor = BTreeMap::from([("far".to_owned(), 1)]);
        assert_eq!(of(Scheduling { per_executor, ..caps(9) }), ["a1", "b1", "a2"]);
    }

    proptest! {
        #[test]
        fn everybody_is_served_once_and_no_cap_is_ever_passed(
            claims in prop::collection::vec((0_u8..4, 0_u8..2, 0_u8..3), 0..60),
            total in 1_usize..5, session in 1_usize..4, local in 1_usize..4, cloud in 1_usize..4,
        ) {
            let caps = Scheduling { per_session: session, local, cloud, ..caps(total) };
            let mut queue = Queue::default();
            for (number, (who, executor, urgency)) in claims.iter().enumerate() {
                let urgency = [Urgency::Urgent, Urgency::Normal, Urgency::Low][usize::from(*urgency)];
                let executor = ["near", "far"][usize::from(*executor)];
                queue.push(claim(&who.to_string(), executor, urgency), number);
            }
            let (mut running, mut seen) = (VecDeque::new(), BTreeSet::new());
            loop {
                while let Some(ticket) = queue.next(&caps) {
                    prop_assert!(seen.insert(ticket.waiter));
                    running.push_back(ticket.claim);
                }
                let with = |keep: &dyn Fn(&&Claim) -> bool| running.iter().filter(keep).count();
                prop_assert!(running.len() <= total);
                prop_assert!(with(&|c| c.placement == Placement::Local) <= local);
                prop_assert!(with(&|c| c.placement == Placement::Cloud) <= cloud);
                for claim in &running {
                    prop_assert!(with(&|c| c.session == claim.session) <= session);
                }
                match running.pop_front() {
                    Some(claim) => queue.release(&claim),
                    None => break,
                }
            }
            prop_assert_eq!(seen.len(), claims.len());
            prop_assert!(queue.lanes.is_empty() && queue.waiting.is_empty() && queue.of_session.is_empty());
        }
    }
}
