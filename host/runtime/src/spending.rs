//! What an execution spends, where the model gateway counts it: its count stands over the plugin's word.

use crate::run::Run;
use cyrus_executor::{HostError, MicroUsd, SpendVerdict, Usage};
use cyrus_gateway::Account;
use std::{sync::Arc, time::Duration};

/// By how much the cost of a response under way grows before the host hears of it: a cent.
const STEP: MicroUsd = MicroUsd(10_000);

/// How long a component whose program gets no more answers may take to say so.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// The account of a run: with what the request allows; of `describe` and `probe` with nothing.
pub(crate) fn account(run_is_an_execution: bool, most: Option<MicroUsd>) -> Arc<Account> {
    Account::new(if run_is_an_execution { most } else { Some(MicroUsd::ZERO) })
}

impl Run {
    /// What was used: what the gateway counted, where it counted something, and else what the plugin says.
    pub(crate) fn counted(&self, claimed: Usage) -> Usage {
        let counted = self.account.as_ref().and_then(|account| account.tally().usage());
        let Some(counted) = counted else { return claimed };
        let amount = counted.cost.map(|cost| cost.amount);
        Usage {
            turns: claimed.turns.or(counted.turns),
            claimed: claimed.cost.filter(|cost| Some(cost.amount) != amount),
            ..counted
        }
    }

    /// What the gateway counted. `None`: it counted nothing.
    pub(crate) fn counted_alone(&self) -> Option<Usage> {
        let account = self.account.as_ref()?;
        account.tally().usage().map(|_| self.counted(Usage::default()))
    }

    /// Why the gateway lets nothing more be spent, when that is so.
    pub(crate) fn over_budget(&self) -> Option<String> {
        self.account.as_ref().filter(|_| self.request.is_some())?.why_spent()
    }

    /// Waits until the gateway lets nothing more be spent, and the component has had its time to say so.
    pub(crate) async fn overspent(&self) {
        match &self.account {
            Some(account) if self.request.is_some() => {
                account.until_spent().await;
                tokio::time::sleep(GRACE).await;
            }
            _ => std::future::pending().await,
        }
    }
}

/// Reports what the gateway counts to the host while the execution runs, and closes the account when the host says so.
pub(crate) fn report(run: &Run) {
    let Some(account) = &run.account else { return };
    let (mut changes, host) = (account.watch(), Arc::clone(&run.host));
    // The task ends with the account, and does not keep it.
    let account = Arc::downgrade(account);
    tokio::spawn(async move {
        let mut last = changes.borrow().clone();
        while changes.changed().await.is_ok() {
            let tally = changes.borrow_and_update().clone();
            let is_settled = tally.tokens != last.tokens;
            if !is_settled && tally.cost < last.cost + STEP {
                continue;
            }
            let Some(usage) = tally.usage() else { continue };
            last = tally;
            let why = match host.spend(usage).await {
                Ok(SpendVerdict::GoOn) => continue,
                Ok(SpendVerdict::Stop) => "the money that was set aside is spent".to_owned(),
                Err(HostError::Stopped) => "the execution is being stopped".to_owned(),
                Err(error) => error.to_string(),
            };
            if let Some(account) = account.upgrade() {
                account.close(why);
            }
        }
    });
}
