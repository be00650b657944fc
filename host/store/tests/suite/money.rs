//! Money is set aside once, settled once, and never more than a cap.

use crate::{home::Home, values::*};
use cyrus_core::{CapKind, Caps, Change, Day, Heading, Reservation, SessionStore as _, StoreError};
use cyrus_executor::MicroUsd;
use cyrus_store::Store;

async fn spent(store: &Store, session: &str) -> [cyrus_core::Spending; 4] {
    store.spending(&headings(session)).await.unwrap().try_into().unwrap()
}

pub(crate) async fn reserves_and_settles_once(home: &Home) {
    let store = home.store().await;
    let lease = store.open(&session("aaaa", 1)).await.unwrap();
    let reserve = |id: &str, amount| Change::Reserve(reservation("aaaa", id, amount));
    let settle = |id: &str, settlement| Change::Settle(id.into(), settlement);
    store.commit(&lease, vec![reserve("x1", 5), reserve("x2", 7)]).await.unwrap();
    assert_eq!(spent(&store, "aaaa").await, [spending(12, 0, 0); 4]);
    for _ in 0..2 {
        // A second one changes nothing.
        let changes = vec![settle("x1", reported(6)), settle("x2", estimated(3))];
        store.commit(&lease, changes).await.unwrap();
        assert_eq!(spent(&store, "aaaa").await, [spending(0, 6, 3); 4]);
    }
    let error = store.commit(&lease, vec![reserve("x1", 1)]).await.unwrap_err().to_string();
    assert!(error.contains("x1 is settled"), "{error}");

    // Asked for in their order, whatever that is, and as often as one likes.
    let (day, none) = (Heading::Day(Day(7)), Heading::Day(Day(-1)));
    let asked = [none.clone(), day.clone(), none, day];
    let (none, day) = (spending(0, 0, 0), spending(0, 6, 3));
    assert_eq!(store.spending(&asked).await.unwrap(), [none, day, none, day]);
    let many: Vec<_> = (0..1000).map(|number| Heading::Day(Day(number))).collect();
    let found = store.spending(&many).await.unwrap();
    assert_eq!((found.len(), found[7], found[999]), (1000, day, none));
}

pub(crate) async fn replaces_a_reservation_if_the_difference_fits(home: &Home) {
    let store = home.store().await;
    let lease = store.open(&session("aaaa", 1)).await.unwrap();
    let capped = |amount, cap| Reservation {
        caps: Caps { day: Some(MicroUsd(cap)), ..Caps::default() },
        ..reservation("aaaa", "x1", amount)
    };
    let reserve =
        async |reservation| store.commit(&lease, vec![Change::Reserve(reservation)]).await;
    reserve(capped(6, 10)).await.unwrap();
    reserve(capped(10, 10)).await.unwrap();
    assert_eq!(spent(&store, "aaaa").await, [spending(10, 0, 0); 4]);
    let over = reserve(capped(11, 10)).await.unwrap_err();
    assert!(matches!(over, StoreError::OverCap { cap: CapKind::Day, .. }), "{over}");
    // Less fits even where the cap was lowered since.
    reserve(capped(8, 1)).await.unwrap();
    assert_eq!(spent(&store, "aaaa").await, [spending(8, 0, 0); 4]);

    // It belongs to the day it was made on.
    reserve(Reservation { day: Day(8), ..capped(4, 4) }).await.unwrap();
    let before = [spending(4, 0, 0), spending(4, 0, 0), spending(0, 0, 0), spending(0, 0, 0)];
    assert_eq!(spent(&store, "aaaa").await, before);
    store.commit(&lease, vec![Change::Settle("x1".into(), reported(3))]).await.unwrap();
    let days = [Heading::Day(Day(7)), Heading::Day(Day(8))];
    assert_eq!(store.spending(&days).await.unwrap(), [spending(0, 0, 0), spending(0, 3, 0)]);
}

pub(crate) async fn names_the_cap_and_changes_nothing(home: &Home) {
    let store = home.store().await;
    let lease = store.open(&session("aaaa", 1)).await.unwrap();
    let first = vec![
        Change::Reserve(reservation("aaaa", "x1", 5)),
        Change::Settle("x1".into(), reported(5)),
    ];
    store.commit(&lease, first).await.unwrap();
    let cap = Some(MicroUsd(9));
    let cases = [
        (CapKind::Task, Caps { task: cap, ..Caps::default() }),
        (CapKind::Session, Caps { session: cap, ..Caps::default() }),
        (CapKind::Executor, Caps { executor: cap, ..Caps::default() }),
        (CapKind::Day, Caps { day: cap, ..Caps::default() }),
    ];
    for (expected, caps) in cases {
        let over = Reservation { caps, ..reservation("aaaa", "x2", 5) };
        let changes = vec![
            Change::Begin(Box::new(execution("x2", "aaaa", 1))),
            Change::Reserve(reservation("aaaa", "x3", 1)),
            Change::Reserve(over.clone()),
        ];
        let error = store.commit(&lease, changes).await.unwrap_err();
        let named = matches!(error, StoreError::OverCap { cap, amount } if cap == expected && amount == MicroUsd(5));
        assert!(named, "{error}");
        assert_eq!(spent(&store, "aaaa").await, [spending(0, 5, 0); 4]);

        let fits = Reservation { amount: MicroUsd(4), ..over };
        store.commit(&lease, vec![Change::Reserve(fits.clone())]).await.unwrap();
        let nothing = Reservation { amount: MicroUsd::ZERO, ..fits };
        store.commit(&lease, vec![Change::Reserve(nothing)]).await.unwrap();
    }
    assert_eq!(store.snapshot(&lease.session).await.unwrap().executions, []);
}

pub(crate) async fn counts_what_nothing_was_set_aside_for(home: &Home) {
    let store = home.store().await;
    let lease = store.open(&session("aaaa", 1)).await.unwrap();
    let begin = Change::Begin(Box::new(execution("x1", "aaaa", 1)));
    for changes in [
        vec![begin],
        vec![Change::Settle("x1".into(), estimated(4))],
        vec![Change::Settle("x1".into(), estimated(4))],
    ] {
        store.commit(&lease, changes).await.unwrap();
    }
    // 2026-01-01, when it began.
    let day = Day(20_454);
    let headings = [
        Heading::Session(lease.session),
        Heading::Executor("claude".into(), day),
        Heading::Day(day),
    ];
    assert_eq!(store.spending(&headings).await.unwrap(), [spending(0, 0, 4); 3]);
}

pub(crate) async fn never_passes_a_cap_however_many_ask_at_once(home: &Home) {
    const ASK: u64 = 64;
    const ROOM: u64 = 10;
    let each = 100;
    let mut waiting = Vec::new();
    for number in 0..ASK {
        let (store, name) = (home.shared().await, format!("session-{number}"));
        let lease = store.open(&session(&name, number)).await.unwrap();
        waiting.push((store, name, lease));
    }
    let tries: Vec<_> = waiting
        .into_iter()
        .map(|(store, name, lease)| {
            tokio::spawn(async move {
                // The last dollar but one cent: ten fit, and nearly an eleventh.
                let cap = MicroUsd(ROOM * each + each - 1);
                let id = format!("x-{name}");
                let reservation = Reservation {
                    caps: Caps { day: Some(cap), ..Caps::default() },
                    ..reservation(&name, &id, each)
                };
                let begin = Change::Begin(Box::new(execution(&id, &name, 1)));
                let reserved =
                    store.commit(&lease, vec![begin, Change::Reserve(reservation)]).await;
                let total = store.spending(&[Heading::Day(Day(7))]).await.unwrap()[0].total();
                assert!(total <= cap);
                match reserved {
                    Ok(()) => true,
                    Err(StoreError::OverCap { cap: CapKind::Day, .. }) => false,
                    Err(other) => panic!("{other}"),
                }
            })
        })
        .collect();
    let mut fit = 0;
    for attempt in tries {
        fit += u64::from(attempt.await.unwrap());
    }
    assert_eq!(fit, ROOM);
    let store = home.store().await;
    let [total] = store.spending(&[Heading::Day(Day(7))]).await.unwrap()[..] else { panic!() };
    assert_eq!(total, spending(ROOM * each, 0, 0));
}

pub(crate) async fn waits_for_nobody_for_ever(home: &Home) {
    const ROUNDS: u64 = 10;
    // Two that change the same totals in opposite orders, again and again.
    let orders = [["claude", "codegen"], ["codegen", "claude"]];
    let mut writers = Vec::new();
    for (number, order) in (0..).zip(orders) {
        let (store, name) = (home.shared().await, format!("session-{number}"));
        let lease = store.open(&session(&name, number)).await.unwrap();
        writers.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                let id = |executor: &str| format!("{name}-{executor}-{round}");
                let reserve = order.map(|executor| {
                    let reservation = reservation(&name, &id(executor), 5);
                    Change::Reserve(Reservation { executor: executor.into(), ..reservation })
                });
                store.commit(&lease, reserve.into()).await.unwrap();
                let settle = order.map(|executor| Change::Settle(id(executor), reported(1)));
                store.commit(&lease, settle.into()).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let day = home.store().await.spending(&[Heading::Day(Day(7))]).await.unwrap()[0];
    assert_eq!(day, spending(0, 4 * ROUNDS, 0));
}
