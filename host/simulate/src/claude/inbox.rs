//! What reaches the program from outside while it works: lines on standard input, and signals.

use std::io::BufRead as _;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One thing from outside.
#[derive(Debug)]
pub(super) enum Event {
    /// A user's message: its `message`.
    User(Value),
    /// The host asks for something: id and request.
    ControlRequest(String, Value),
    /// The host's answer to a question of ours: its `response`.
    ControlResponse(Value),
    /// Standard input has ended. It comes once.
    End,
    /// A line that is no message.
    Garbage(String),
    /// SIGINT.
    Interrupt,
    /// A signal that ends the program, with the exit code that follows from it.
    Terminate(u8),
}

/// Everything from outside, in order of arrival.
#[derive(Debug)]
pub(super) struct Inbox {
    events: UnboundedReceiver<Event>,
    /// Keeps the channel open when standard input has ended and no signal can come.
    _sender: UnboundedSender<Event>,
}

impl Inbox {
    /// Begins to listen for signals and, when `lines` is asked for, to read standard input.
    pub(super) fn open(lines: bool) -> std::io::Result<Self> {
        let (sender, events) = unbounded_channel();
        on_signal(SignalKind::interrupt(), &sender, || Event::Interrupt)?;
        on_signal(SignalKind::terminate(), &sender, || Event::Terminate(143))?;
        on_signal(SignalKind::hangup(), &sender, || Event::Terminate(129))?;
        if lines {
            let sender = sender.clone();
            // A thread of its own: a read of standard input cannot be given up.
            std::thread::Builder::new().name("stdin".into()).spawn(move || read_lines(&sender))?;
        }
        Ok(Self { events, _sender: sender })
    }

    /// Waits for the next event. Can be dropped at any time without losing one.
    pub(super) async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

fn on_signal(
    kind: SignalKind,
    sender: &UnboundedSender<Event>,
    event: impl Fn() -> Event + Send + 'static,
) -> std::io::Result<()> {
    let (mut signals, sender) = (signal(kind)?, sender.clone());
    tokio::spawn(
        async move { while signals.recv().await.is_some() && sender.send(event()).is_ok() {} },
    );
    Ok(())
}

fn read_lines(sender: &UnboundedSender<Event>) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        if !line.trim().is_empty() && sender.send(event(line)).is_err() {
            return;
        }
    }
    // When nobody listens any more, nobody needs to know.
    let _ = sender.send(Event::End);
}

fn event(line: String) -> Event {
    let Ok(mut value) = serde_json::from_str::<Value>(&line) else { return Event::Garbage(line) };
    match value["type"].as_str() {
        Some("user") => Event::User(value["message"].take()),
        Some("control_request") => {
            let id = value["request_id"].as_str().unwrap_or_default().to_owned();
            Event::ControlRequest(id, value["request"].take())
        }
        Some("control_response") => Event::ControlResponse(value["response"].take()),
        _ => Event::Garbage(line),
    }
}
