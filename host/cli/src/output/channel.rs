use super::{json::Json, teller::Teller, terminal::Terminal};
use crate::args::Format;
use cyrus_core::{Observer, SessionEvent};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

/// Events that may wait to be written. A reader that is slower loses events of executions, and is told how many;
/// it never slows the work down. What marks a session's course is never lost.
const WAITING: usize = 4096;

/// Writes events from a thread of its own.
pub(crate) struct Telling {
    tx: Option<SyncSender<SessionEvent>>,
    lost: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
}

impl Telling {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::to(Json),
            Format::Text => Self::to(Terminal::default()),
        }
    }

    /// Has this one write.
    pub(crate) fn to(teller: impl Teller) -> Self {
        let (tx, rx) = sync_channel(WAITING);
        let writer = std::thread::spawn(move || write(&rx, teller));
        Self { tx: Some(tx), lost: Arc::default(), writer: Some(writer) }
    }
}

fn write(rx: &Receiver<SessionEvent>, mut teller: impl Teller) {
    while let Ok(event) = rx.recv() {
        teller.tell(event);
    }
}

impl Observer for Telling {
    fn on_event(&self, event: SessionEvent) {
        let Some(tx) = &self.tx else { return };
        if matches!(event, SessionEvent::ExecutionEvent { .. }) {
            if let Err(TrySendError::Full(_)) = tx.try_send(event) {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let message = format!("{lost} events were not shown: the reader is too slow");
            let _ = tx.send(SessionEvent::Warning { message });
        }
        let _ = tx.send(event);
    }
}

impl Drop for Telling {
    /// Everything told is written before this returns.
    fn drop(&mut self) {
        self.tx = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Gated(Receiver<()>, Arc<Mutex<Vec<SessionEvent>>>);

    impl Teller for Gated {
        fn tell(&mut self, event: SessionEvent) {
            let _ = self.0.recv();
            self.1.lock().unwrap().push(event);
        }
    }

    #[test]
    fn a_slow_reader_loses_chatter_and_nothing_else() {
        let (gate, closed) = std::sync::mpsc::channel();
        let told = Arc::new(Mutex::new(vec![]));
        let telling = Telling::to(Gated(closed, Arc::clone(&told)));
        let chatter = SessionEvent::ExecutionEvent {
            execution: "e".into(),
            event: cyrus_executor::Event::Message("…".into()),
        };
        for _ in 0..WAITING * 2 {
            telling.on_event(chatter.clone());
        }
        drop(gate);
        telling.on_event(SessionEvent::Warning { message: "last".into() });
        drop(telling);
        let told = told.lock().unwrap();
        let warnings: Vec<_> = told
            .iter()
            .filter_map(|event| match event {
                SessionEvent::Warning { message } => Some(message.as_str()),
                _ => None,
            })
            .collect();
        assert!(warnings[0].ends_with("the reader is too slow"), "{warnings:?}");
        assert_eq!(warnings[1], "last");
        assert!(told.len() <= WAITING + 4);
    }
}
