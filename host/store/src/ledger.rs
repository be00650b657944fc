//! Money: set aside before, settled after, and never more than a cap, whoever asks at the same time.
//!
//! A total is kept for each heading that a cap can be on. Adding to it and looking at the cap is one statement, which
//! the database does for one transaction after the other. Where a transaction changes several totals it takes them in
//! the order of [`Heading`], so that no two wait for each other: the task's first, the day's, which everybody wants,
//! last.

use crate::{Store, error::Fault, row};
use cyrus_core::{
    CapKind, Change, Day, Heading, Reservation, SessionId, Settlement, Spending, StoreError,
};
use cyrus_executor::{CostSource, MicroUsd, TaskId};
use sqlx::{AnyConnection, AssertSqlSafe, Row, any::AnyRow, query::Query};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Headings asked for in one statement.
const AT_ONCE: usize = 200;

/// What an execution's money counts to.
#[derive(Clone, Debug)]
struct Account {
    session: SessionId,
    task: TaskId,
    executor: String,
    day: Day,
}

/// A reservation, as the store has it.
#[derive(Clone, Debug)]
struct Reserved {
    account: Account,
    amount: i64,
    settled: bool,
}

/// What is added to a total. Nothing of it is ever negative but what is no longer reserved.
#[derive(Clone, Copy, Debug, Default)]
struct Addition {
    reserved: i64,
    reported: i64,
    estimated: i64,
}

impl Account {
    fn of(reservation: &Reservation) -> Self {
        let Reservation { session, task, executor, day, .. } = reservation.clone();
        Self { session, task, executor, day }
    }

    /// In the order in which they are taken.
    fn headings(&self) -> [(CapKind, Heading); 4] {
        [
            (CapKind::Task, Heading::Task(self.session.clone(), self.task.clone())),
            (CapKind::Session, Heading::Session(self.session.clone())),
            (CapKind::Executor, Heading::Executor(self.executor.clone(), self.day)),
            (CapKind::Day, Heading::Day(self.day)),
        ]
    }
}

/// A heading, for a column. What others choose comes last, so that no two are the same.
fn column(heading: &Heading) -> String {
    match heading {
        Heading::Task(session, task) => format!("task/{session}/{task}"),
        Heading::Session(session) => format!("session/{session}"),
        Heading::Executor(executor, day) => format!("executor/{}/{executor}", day.0),
        Heading::Day(day) => format!("day/{}", day.0),
    }
}

/// Takes all totals that these changes will change, when they are more than those of one reservation: those are taken
/// in order anyway.
pub(crate) async fn prepare(
    connection: &mut AnyConnection,
    session: &SessionId,
    changes: &[Change],
) -> Result<(), Fault> {
    let is_money = |change: &&Change| matches!(change, Change::Reserve(_) | Change::Settle(..));
    if changes.iter().filter(is_money).count() < 2 {
        return Ok(());
    }
    let mut headings = BTreeSet::new();
    for change in changes {
        let execution = match change {
            Change::Reserve(reservation) => {
                headings.extend(Account::of(reservation).headings().map(|(_, heading)| heading));
                &reservation.execution
            }
            Change::Settle(execution, _) => execution,
            _ => continue,
        };
        if let Some(reserved) = find(connection, session, execution).await? {
            headings.extend(reserved.account.headings().map(|(_, heading)| heading));
        }
    }
    for heading in &headings {
        add(connection, heading, Addition::default(), None).await?;
    }
    Ok(())
}

pub(crate) async fn reserve(
    connection: &mut AnyConnection,
    reservation: &Reservation,
) -> Result<(), Fault> {
    let Reservation { execution, session, caps, .. } = reservation;
    let before = find(connection, session, execution).await?;
    if before.as_ref().is_some_and(|before| before.settled) {
        let cause =
            format!("execution {execution} is settled; nothing more can be set aside for it");
        return Err(Fault::Storage(cause));
    }
    let amount = row::amount(reservation.amount);
    let account = Account::of(reservation);
    // What is taken back and what is added, and the cap on that, under each heading.
    let mut moves = BTreeMap::<Heading, (i64, Option<(CapKind, i64)>)>::new();
    for (_, heading) in before.iter().flat_map(|before| before.account.headings()) {
        let taken_back = before.as_ref().map_or(0, |before| before.amount);
        moves.insert(heading, (-taken_back, None));
    }
    for (kind, heading) in account.headings() {
        let cap = match kind {
            CapKind::Task => caps.task,
            CapKind::Session => caps.session,
            CapKind::Executor => caps.executor,
            CapKind::Day => caps.day,
        };
        let known = moves.contains_key(&heading);
        let (difference, capped) = moves.entry(heading).or_default();
        *difference += amount;
        // What becomes less always fits, whatever the cap has become since.
        let counts = !known || *difference > 0;
        *capped = cap.filter(|_| counts).map(|cap| (kind, row::number(cap.0)));
    }
    for (heading, (difference, cap)) in moves {
        let addition = Addition { reserved: difference, ..Addition::default() };
        let fits = add(connection, &heading, addition, cap.map(|(_, cap)| cap)).await?;
        if let (false, Some((cap, _))) = (fits, cap) {
            return Err(StoreError::OverCap { cap, amount: reservation.amount }.into());
        }
    }
    write(connection, execution, &Reserved { account, amount, settled: false }).await
}

pub(crate) async fn settle(
    connection: &mut AnyConnection,
    session: &SessionId,
    execution: &str,
    settlement: &Settlement,
) -> Result<(), Fault> {
    let reserved = match find(connection, session, execution).await? {
        Some(reserved) if reserved.settled => return Ok(()),
        Some(reserved) => reserved,
        None => unreserved(connection, session, execution).await?,
    };
    let mut addition = Addition { reserved: -reserved.amount, ..Addition::default() };
    match settlement.source {
        CostSource::Reported | CostSource::Gateway => {
            addition.reported = row::amount(settlement.amount);
        }
        CostSource::Estimated => addition.estimated = row::amount(settlement.amount),
    }
    for (_, heading) in reserved.account.headings() {
        add(connection, &heading, addition, None).await?;
    }
    write(connection, execution, &Reserved { settled: true, ..reserved }).await
}

/// Adds to a total, unless that would bring it over the cap; answers whether it did.
async fn add(
    connection: &mut AnyConnection,
    heading: &Heading,
    addition: Addition,
    cap: Option<i64>,
) -> Result<bool, Fault> {
    if cap.is_some_and(|cap| addition.reserved > cap) {
        return Ok(false);
    }
    let added = sqlx::query(
        "INSERT INTO totals (heading, reserved, reported, estimated) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (heading) DO UPDATE SET reserved = totals.reserved + excluded.reserved, \
         reported = totals.reported + excluded.reported, estimated = totals.estimated + excluded.estimated \
         WHERE $5 IS NULL OR totals.reserved + totals.reported + totals.estimated + excluded.reserved <= $5",
    )
    .bind(column(heading))
    .bind(addition.reserved)
    .bind(addition.reported)
    .bind(addition.estimated)
    .bind(cap)
    .execute(connection)
    .await?;
    Ok(added.rows_affected() == 1)
}

async fn find(
    connection: &mut AnyConnection,
    session: &SessionId,
    execution: &str,
) -> Result<Option<Reserved>, Fault> {
    let row = sqlx::query(
        "SELECT session, task, executor, day, amount, settled FROM reservations WHERE execution = $1",
    )
    .bind(execution)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<&str, _>("session")? != session.as_str() {
        return Err(StoreError::UnknownExecution(execution.to_owned()).into());
    }
    let account = account(&row, session, execution, Day(row.try_get("day")?))?;
    let settled = row.try_get::<i64, _>("settled")? != 0;
    Ok(Some(Reserved { account, amount: row.try_get("amount")?, settled }))
}

/// The account of an execution that nothing was set aside for. Its day is the one it began on, in UTC, as the
/// operator's is not written down.
async fn unreserved(
    connection: &mut AnyConnection,
    session: &SessionId,
    execution: &str,
) -> Result<Reserved, Fault> {
    const NANOS_PER_DAY: i64 = 86_400 * 1_000_000_000;
    let row = sqlx::query(
        "SELECT task, executor, started FROM executions WHERE id = $1 AND session = $2",
    )
    .bind(execution)
    .bind(session.as_str())
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| StoreError::UnknownExecution(execution.to_owned()))?;
    let day = Day(row.try_get::<i64, _>("started")?.div_euclid(NANOS_PER_DAY));
    Ok(Reserved { account: account(&row, session, execution, day)?, amount: 0, settled: false })
}

fn account(row: &AnyRow, session: &SessionId, execution: &str, day: Day) -> Result<Account, Fault> {
    let task: &str = row.try_get("task")?;
    let name = || format!("reservation of {execution}");
    let task = task.parse().map_err(|cause| row::senseless(&name(), "task", &cause))?;
    Ok(Account { session: session.clone(), task, executor: row.try_get("executor")?, day })
}

async fn write(
    connection: &mut AnyConnection,
    execution: &str,
    reserved: &Reserved,
) -> Result<(), Fault> {
    let Reserved { account, amount, settled } = reserved;
    sqlx::query(
        "INSERT INTO reservations (execution, session, task, executor, day, amount, settled) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (execution) DO UPDATE SET task = excluded.task, \
         executor = excluded.executor, day = excluded.day, amount = excluded.amount, settled = excluded.settled",
    )
    .bind(execution)
    .bind(account.session.as_str())
    .bind(account.task.as_str())
    .bind(&account.executor)
    .bind(account.day.0)
    .bind(*amount)
    .bind(i64::from(*settled))
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn spending(store: &Store, headings: &[Heading]) -> Result<Vec<Spending>, Fault> {
    let columns: Vec<_> = headings.iter().map(column).collect();
    let mut found = HashMap::new();
    for some in columns.chunks(AT_ONCE) {
        let places: Vec<_> = (1..=some.len()).map(|number| format!("${number}")).collect();
        let sql = format!(
            "SELECT heading, reserved, reported, estimated FROM totals WHERE heading IN ({})",
            places.join(", ")
        );
        // Nothing but numbered places was put into it. There are many such statements: none is worth keeping.
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let query = some.iter().fold(query, Query::bind);
        for row in query.fetch_all(&store.reader).await? {
            let money = |column| Ok::<MicroUsd, Fault>(row::money(row.try_get(column)?));
            let spending = Spending {
                reserved: money("reserved")?,
                reported: money("reported")?,
                estimated: money("estimated")?,
            };
            found.insert(row.try_get::<String, _>("heading")?, spending);
        }
    }
    Ok(columns.iter().map(|heading| found.get(heading).copied().unwrap_or_default()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_taken_in_one_order_and_have_each_a_name_of_their_own() {
        let account = |session: &str, executor: &str| Account {
            session: session.parse().unwrap(),
            task: "t1".parse().unwrap(),
            executor: executor.into(),
            day: Day(7),
        };
        let headings = account("aaaa", "claude").headings().map(|(_, heading)| heading);
        assert!(headings.is_sorted());
        let names: BTreeSet<_> = [account("aaaa", "claude"), account("bbbb", "7/claude")]
            .iter()
            .flat_map(|account| account.headings().map(|(_, heading)| column(&heading)))
            .collect();
        assert_eq!(names.len(), 7, "only the day is shared: {names:?}");
    }
}
