use super::{json::Json, teller::Teller, terminal::Terminal};
use crate::{
    args::Format,
    queue::{EventQueue, QueueEnd, event_queue},
};
use cyrus_core::{Observer, SessionEvent};
use futures::executor::block_on;
use std::thread::JoinHandle;

/// Writes events from a thread of its own. A reader that is slower loses events of executions, and is told how many;
/// it never slows the work down. What marks a session's course is never lost.
pub(crate) struct Telling {
    queue: Option<EventQueue>,
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
        let (queue, end) = event_queue();
        let writer = std::thread::spawn(move || write(end, teller));
        Self { queue: Some(queue), writer: Some(writer) }
    }
}

fn write(mut end: QueueEnd, mut teller: impl Teller) {
    while let Some(batch) = block_on(end.next()) {
        batch.events.into_iter().for_each(|event| teller.tell(event));
        if batch.lost > 0 {
            let message = format!("{} events were not shown: the reader is too slow", batch.lost);
            teller.tell(SessionEvent::Warning { message });
        }
    }
}

impl Observer for Telling {
    fn on_event(&self, event: SessionEvent) {
        if let Some(queue) = &self.queue {
            queue.put(event);
        }
    }
}

impl Drop for Telling {
    /// Everything told is written before this returns.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex, mpsc::Receiver};

    struct Gated(Receiver<()>, Arc<Mutex<Vec<SessionEvent>>>);

    impl Teller for Gated {
        fn tell(&mut self, event: SessionEvent) {
            let _ = self.0.recv();
            self.1.lock().unwrap().push(event);
        }
    }

    #[test]
    fn a_slow_reader_loses_chatter_and_nothing_else() {
        const SAID: usize = 200;
        let (gate, closed) = std::sync::mpsc::channel();
        let told = Arc::new(Mutex::new(vec![]));
        let telling = Telling::to(Gated(closed, Arc::clone(&told)));
        let chatter = SessionEvent::ExecutionEvent {
            execution: "e".into(),
            event: cyrus_executor::Event::Message("x".repeat(256 << 10)),
        };
        for _ in 0..SAID {
            telling.on_event(chatter.clone());
        }
        telling.on_event(SessionEvent::Warning { message: "last".into() });
        drop(gate);
        drop(telling);
        let told = told.lock().unwrap();
        let warnings: Vec<_> = told
            .iter()
            .filter_map(|event| match event {
                SessionEvent::Warning { message } => Some(message.as_str()),
                _ => None,
            })
            .collect();
        assert!(warnings.contains(&"last"), "{warnings:?}");
        assert!(warnings.iter().any(|warning| warning.ends_with("the reader is too slow")));
        assert!(told.len() < SAID / 2, "{}", told.len());
    }
}
