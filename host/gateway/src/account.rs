//! The money of one execution, as it is spent.

use crate::Tokens;
use cyrus_executor::{Cost, CostSource, MicroUsd, Usage};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Models without a price whose names are kept.
const NAMES: usize = 8;

/// What was used so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tokens of all requests that have ended.
    pub tokens: Tokens,
    /// What they cost, and what those under way have cost so far.
    pub cost: MicroUsd,
    /// Requests that were sent to the service.
    pub requests: u32,
    /// Some of it was worked out from what passed, because the service did not say.
    pub is_estimate: bool,
    /// Models that were charged as the dearest there is, because their prices are not known.
    pub unpriced: BTreeSet<String>,
}

impl Tally {
    /// The same as the port's usage. `None`: no request was sent.
    pub fn usage(&self) -> Option<Usage> {
        let source = if self.is_estimate || !self.unpriced.is_empty() {
            CostSource::Estimated
        } else {
            CostSource::Gateway
        };
        let cost = Cost { amount: self.cost, source };
        (self.requests > 0).then(|| Usage { cost: Some(cost), ..self.tokens.usage(self.requests) })
    }
}

/// The money of one execution: what there is of it, and what its requests take.
///
/// A request holds the most that it can cost while it is under way. One that does not fit beside the others waits for
/// them; the last one alone may hold more than is left, and is ended in the middle when what it has used is more than
/// there is. So what is spent beyond the limit is at most what one request writes unseen.
#[derive(Debug)]
pub struct Account {
    limit: Option<MicroUsd>,
    state: Mutex<State>,
    tally: watch::Sender<Tally>,
    spent: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    ended: Tally,
    under_way: HashMap<u64, UnderWay>,
    next: u64,
    why_spent: Option<String>,
}

/// A request's share.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    /// The most that it can cost.
    most: MicroUsd,
    /// What it has cost so far.
    so_far: MicroUsd,
}

/// What a request wants to spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// What its prompt costs, about.
    pub(crate) prompt: MicroUsd,
    /// The most that it can cost.
    pub(crate) most: MicroUsd,
    /// Whether it can be ended in the middle.
    pub(crate) can_be_cut: bool,
}

/// Nothing more may be spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spent(pub(crate) String);

impl Account {
    /// An account with this much on it; without a limit it only counts.
    pub fn new(limit: Option<MicroUsd>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            state: Mutex::default(),
            tally: watch::Sender::new(Tally::default()),
            spent: CancellationToken::new(),
        })
    }

    /// What was used so far.
    pub fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// What was used, each time that it changes.
    pub fn watch(&self) -> watch::Receiver<Tally> {
        self.tally.subscribe()
    }

    /// Ends all spending: requests under way are ended in the middle, and no other is taken.
    pub fn close(&self, why: impl Into<String>) {
        self.state().why_spent.get_or_insert_with(|| why.into());
        self.spent.cancel();
    }

    /// Why nothing more may be spent, when that is so.
    pub fn why_spent(&self) -> Option<String> {
        self.state().why_spent.clone()
    }

    /// Waits until nothing more may be spent.
    pub async fn until_spent(&self) {
        self.spent.cancelled().await;
    }

    /// Cancelled when nothing more may be spent.
    pub(crate) fn spent(&self) -> CancellationToken {
        self.spent.clone()
    }

    /// Lets a request begin, when there is money for it.
    pub(crate) async fn admit(self: &Arc<Self>, ask: Ask) -> Result<Hold, Spent> {
        let mut changes = self.tally.subscribe();
        loop {
            match self.try_admit(ask) {
                Admission::Yes(hold) => return Ok(hold),
                Admission::Never(why) => {
                    self.close(why.clone());
                    return Err(Spent(why));
                }
                Admission::Later => {}
            }
            // The sender is in `self`: this fails never.
            let _changed = changes.changed().await;
        }
    }

    fn try_admit(self: &Arc<Self>, ask: Ask) -> Admission {
        let mut state = self.state();
        if let Some(why) = &state.why_spent {
            return Admission::Never(why.clone());
        }
        if let Some(limit) = self.limit {
            let held: MicroUsd = state.under_way.values().map(|one| one.most.max(one.so_far)).sum();
            let used = state.used();
            let alone = state.under_way.is_empty();
            let at_once = state.ended.cost + held + ask.most <= limit;
            if used + ask.prompt > limit || used >= limit {
                let is_first = used == MicroUsd::ZERO && state.ended.requests == 0;
                let why =
                    if is_first { over_at_first(ask.prompt, limit) } else { over(used, limit) };
                return Admission::Never(why);
            }
            if !(at_once || alone && ask.can_be_cut) {
                return if alone {
                    Admission::Never(over_at_once(used, ask.most, limit))
                } else {
                    Admission::Later
                };
            }
        }
        let id = state.next;
        state.next += 1;
        state.under_way.insert(id, UnderWay { most: ask.most, so_far: MicroUsd::ZERO });
        state.ended.requests = state.ended.requests.saturating_add(1);
        self.publish(&state);
        Admission::Yes(Hold { account: Arc::clone(self), id })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before the lock is let go of, also when its holder panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, state: &State) {
        let tally = Tally { cost: state.used(), ..state.ended.clone() };
        self.tally.send_if_modified(|now| {
            let changed = *now != tally;
            *now = tally;
            changed
        });
    }

    /// Closes the account when more was used than there is.
    fn check(&self, state: MutexGuard<'_, State>) {
        self.publish(&state);
        let used = state.used();
        drop(state);
        if let Some(limit) = self.limit.filter(|limit| used > *limit) {
            self.close(over(used, limit));
        }
    }
}

enum Admission {
    Yes(Hold),
    Later,
    Never(String),
}

fn over(used: MicroUsd, limit: MicroUsd) -> String {
    format!("the budget of this execution is spent: {used} of {limit}")
}

fn over_at_first(prompt: MicroUsd, limit: MicroUsd) -> String {
    format!(
        "the first request costs {prompt} or more, and the caps (`budget.maxCostPerTask`, \
         `budget.maxCostPerSession`, `budget.maxCostPerDay`, --max-cost) leave {limit}"
    )
}

fn over_at_once(used: MicroUsd, most: MicroUsd, limit: MicroUsd) -> String {
    format!(
        "the budget of this execution does not cover the request: {used} of {limit} are used, and a request that is \
         not a stream can cost {most}"
    )
}

impl State {
    fn used(&self) -> MicroUsd {
        self.ended.cost + self.under_way.values().map(|one| one.so_far).sum()
    }
}

/// A request's place in the account, until it is settled.
#[derive(Debug)]
pub(crate) struct Hold {
    account: Arc<Account>,
    id: u64,
}

/// What a request came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settlement {
    pub(crate) tokens: Tokens,
    pub(crate) cost: MicroUsd,
    pub(crate) is_estimate: bool,
    /// The model, when its price is a guess.
    pub(crate) unpriced: Option<String>,
}

impl Hold {
    /// Notes what the request has cost so far.
    pub(crate) fn note(&self, so_far: MicroUsd) {
        let mut state = self.account.state();
        if let Some(one) = state.under_way.get_mut(&self.id)
            && one.so_far != so_far
        {
            one.so_far = so_far;
            self.account.check(state);
        }
    }

    /// Whether nothing more may be spent.
    pub(crate) fn is_spent(&self) -> bool {
        self.account.spent.is_cancelled()
    }

    /// Why nothing more may be spent.
    pub(crate) fn why_spent(&self) -> String {
        self.account.why_spent().unwrap_or_default()
    }

    /// Ends the request's place, with what it came to. The service did not take a request without a settlement.
    pub(crate) fn settle(self, settlement: Option<Settlement>) {
        let mut state = self.account.state();
        state.under_way.remove(&self.id);
        match settlement {
            None => state.ended.requests = state.ended.requests.saturating_sub(1),
            Some(Settlement { tokens, cost, is_estimate, unpriced }) => {
                state.ended.tokens += tokens;
                state.ended.cost = state.ended.cost + cost;
                state.ended.is_estimate |= is_estimate;
                if state.ended.unpriced.len() < NAMES {
                    state.ended.unpriced.extend(unpriced);
                }
            }
        }
        self.account.check(state);
    }
}

/// A hold that is forgotten keeps no other request waiting.
impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.account.state();
        if let Some(one) = state.under_way.remove(&self.id) {
            state.ended.cost = state.ended.cost + one.so_far;
            state.ended.is_estimate = true;
            self.account.check(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use proptest::prelude::*;

    fn ask(prompt: u64, most: u64) -> Ask {
        Ask { prompt: MicroUsd(prompt), most: MicroUsd(most), can_be_cut: true }
    }

    #[expect(clippy::unnecessary_wraps, reason = "what `settle` takes")]
    fn came_to(cost: u64) -> Option<Settlement> {
        Some(Settlement { cost: MicroUsd(cost), ..Settlement::default() })
    }

    fn now(account: &Arc<Account>, ask: Ask) -> Option<Result<Hold, Spent>> {
        account.admit(ask).now_or_never()
    }

    #[test]
    fn a_request_that_does_not_fit_beside_others_waits_for_them() {
        let account = Account::new(Some(MicroUsd(100)));
        let first = now(&account, ask(5, 500)).expect("it is alone").unwrap();
        assert!(now(&account, ask(5, 10)).is_none(), "the first may take all there is");
        first.settle(came_to(20));
        let second = now(&account, ask(5, 40)).unwrap().unwrap();
        let third = now(&account, ask(5, 40)).unwrap().unwrap();
        assert!(now(&account, ask(5, 1)).is_none());
        drop((second, third));
        assert_eq!(account.tally().cost, MicroUsd(20));
    }

    #[test]
    fn what_is_used_beyond_the_limit_ends_every_request() {
        let account = Account::new(Some(MicroUsd(100)));
        let hold = now(&account, ask(5, 500)).unwrap().unwrap();
        hold.note(MicroUsd(100));
        assert!(!hold.is_spent());
        hold.note(MicroUsd(101));
        assert!(hold.is_spent());
        assert!(hold.why_spent().contains("$0.0001"), "{}", hold.why_spent());
        hold.settle(came_to(101));
        assert!(now(&account, ask(0, 0)).unwrap().is_err());
        assert_eq!(account.tally().cost, MicroUsd(101));
    }

    #[test]
    fn nothing_begins_when_nothing_is_left() {
        let none = Account::new(Some(MicroUsd::ZERO));
        assert!(now(&none, ask(0, 0)).unwrap().is_err());
        let little = Account::new(Some(MicroUsd(10)));
        assert!(now(&little, ask(11, 20)).unwrap().is_err());
        let why = little.why_spent().expect("the host hears of it");
        assert!(why.contains("the first request") && why.contains("maxCostPerTask"), "{why}");
    }

    #[test]
    fn what_cannot_be_cut_has_to_fit_as_a_whole() {
        let whole = |most| Ask { can_be_cut: false, ..ask(1, most) };
        let account = Account::new(Some(MicroUsd(100)));
        let hold = now(&account, whole(100)).unwrap().unwrap();
        assert!(now(&account, whole(100)).is_none(), "it may fit later");
        hold.settle(came_to(1));
        let refused = now(&account, whole(100)).unwrap().unwrap_err();
        assert!(refused.0.contains("not a stream"), "{refused:?}");
    }

    #[test]
    fn an_account_without_a_limit_only_counts() {
        let account = Account::new(None);
        let holds: Vec<_> =
            (0..10).map(|_| now(&account, ask(1 << 40, u64::MAX)).unwrap().unwrap()).collect();
        for hold in holds {
            hold.settle(came_to(1 << 40));
        }
        assert_eq!(account.tally().cost, MicroUsd(10 << 40));
        account.close("the host says so");
        assert_eq!(now(&account, ask(0, 0)).unwrap().unwrap_err().0, "the host says so");
    }

    #[test]
    fn what_the_service_did_not_take_is_not_counted() {
        let account = Account::new(None);
        now(&account, ask(1, 1)).unwrap().unwrap().settle(None);
        assert_eq!(account.tally().usage(), None);
        now(&account, ask(1, 1)).unwrap().unwrap().settle(came_to(3));
        let usage = account.tally().usage().unwrap();
        assert_eq!(usage.cost.unwrap().source, CostSource::Gateway);
        let guess = Settlement { unpriced: Some("new".to_owned()), ..Settlement::default() };
        now(&account, ask(1, 1)).unwrap().unwrap().settle(Some(guess));
        assert_eq!(account.tally().usage().unwrap().cost.unwrap().source, CostSource::Estimated);
    }

    proptest! {
        /// Whatever requests there are, in whatever order: what those that tell what they use cost beyond the limit
        /// is at most the last step of one of them.
        #[test]
        fn requests_at_once_pass_the_limit_by_one_step_at_most(
            limit in 1..1000_u64,
            requests in prop::collection::vec((0..50_u64, 1..400_u64, 1..40_u64), 1..40),
        ) {
            let account = Account::new(Some(MicroUsd(limit)));
            let mut waiting = requests.clone();
            let mut running: Vec<(Hold, u64, u64, u64)> = Vec::new();
            while !(waiting.is_empty() && running.is_empty()) {
                waiting.retain(|&(prompt, most, step)| {
                    let most = most.max(prompt);
                    match now(&account, ask(prompt, most)) {
                        Some(Ok(hold)) => {
                            running.push((hold, 0, most, step));
                            false
                        }
                        Some(Err(_)) => false,
                        None => true,
                    }
                });
                let mut still = Vec::new();
                for (hold, so_far, most, step) in running.drain(..) {
                    let next = (so_far + step).min(most);
                    if hold.is_spent() || so_far == most {
                        hold.settle(came_to(so_far));
                    } else {
                        hold.note(MicroUsd(next));
                        still.push((hold, next, most, step));
                    }
                }
                running = still;
            }
            prop_assert!(account.tally().cost.0 <= limit + 40, "{:?} of {limit}", account.tally());
        }
    }
}
