//! A session's log.

use crate::{home::Home, values::*};
use cyrus_core::{LogLine, SessionEvent, SessionStore as _};
use cyrus_executor::Event;

pub(crate) async fn keeps_lines_in_order_whoever_writes(home: &Home) {
    const EACH: usize = 10;
    let stores = [home.shared().await, home.shared().await];
    let id = stores[0].open(&session("aaaa", 1)).await.unwrap().session;
    stores[0].log(&id, vec![]).await.unwrap();
    assert_eq!(stores[1].log_lines(&id, 0, 9).await.unwrap(), []);
    let writers = stores.clone().map(|store| {
        let id = id.clone();
        tokio::spawn(async move {
            for batch in 0..EACH {
                store.log(&id, vec![line(batch * 2), line(batch * 2 + 1)]).await.unwrap();
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    let lines = stores[1].log_lines(&id, 0, usize::MAX).await.unwrap();
    let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (1..=4 * EACH as u64).collect::<Vec<_>>());
    for pair in lines.chunks(2) {
        let is_pair = (0..EACH).any(|batch| {
            (&pair[0].event, &pair[1].event) == (&line(batch * 2), &line(batch * 2 + 1))
        });
        assert!(is_pair, "a batch stays together: {pair:?}");
    }
    let page = stores[0].log_lines(&id, 5, 3).await.unwrap();
    assert_eq!(page, lines[5..8]);

    home.spoil("UPDATE log SET event = '{' WHERE number = 6").await;
    assert_eq!(stores[0].log_lines(&id, 5, 3).await.unwrap(), lines[6..8]);
}

pub(crate) async fn keeps_the_newest_lines(home: &Home) {
    const KEPT: usize = 20_000;
    let store = home.store().await;
    let id = store.open(&session("aaaa", 1)).await.unwrap().session;
    let other = store.open(&session("bbbb", 1)).await.unwrap().session;
    store.log(&other, vec![line(1)]).await.unwrap();
    let all: Vec<_> = (1..=KEPT + 25).map(line).collect();
    let (most, rest) = all.split_at(KEPT + 5);
    for events in [most, rest] {
        store.log(&id, events.to_vec()).await.unwrap();
    }
    let kept = store.log_lines(&id, 0, usize::MAX).await.unwrap();
    assert_eq!(kept.len(), KEPT);
    let at = |place: usize| (kept[place].number, kept[place].event.clone());
    assert_eq!(at(0), (26, line(26)));
    assert_eq!(at(KEPT - 1), (KEPT as u64 + 25, line(KEPT + 25)));
    assert!(kept.iter().all(|line| line.at.is_some()), "each line has its time");
    assert_eq!(store.log_lines(&other, 0, 9).await.unwrap().len(), 1);
}

pub(crate) async fn keeps_the_course_of_a_session_when_it_is_full(home: &Home) {
    const MIB: usize = 1 << 20;
    const FITS: usize = 64;
    let said = || SessionEvent::ExecutionEvent {
        execution: "e".into(),
        event: Event::Message("x".repeat(MIB)),
    };
    let store = home.store().await;
    let id = store.open(&session("aaaa", 1)).await.unwrap().session;
    for _ in 0..FITS + 6 {
        store.log(&id, vec![said()]).await.unwrap();
    }
    store.log(&id, vec![line(1), said(), line(2)]).await.unwrap();
    let mut lines = Vec::new();
    loop {
        let after = lines.last().map_or(0, |line: &LogLine| line.number);
        let page = store.log_lines(&id, after, 1000).await.unwrap();
        assert!(page.len() <= 5, "a page of long lines is short");
        if page.is_empty() {
            break;
        }
        lines.extend(page);
    }
    let chatter = |line: &&LogLine| matches!(line.event, SessionEvent::ExecutionEvent { .. });
    assert_eq!(lines.iter().filter(chatter).count(), FITS);
    let rest: Vec<_> = lines.iter().filter(|line| !chatter(line)).map(|line| &line.event).collect();
    let [SessionEvent::Warning { message }, first, SessionEvent::Warning { message: more }, last] =
        rest[..]
    else {
        panic!("{rest:?}")
    };
    assert_eq!((first, last), (&line(1), &line(2)));
    assert!(message.starts_with("6 events") && more.starts_with("1 events"), "{message} {more}");
}
