//! The exports: one execution at a time, which a stop interrupts wherever it waits.

use crate::{
    bindings::{
        cyrus::executor::{
            context::ExecutionContext,
            types::{
                Descriptor, ErrorKind, Event, ExecutionError, ExecutionResult, Health, Outcome,
                StopMode, StopResult, Task, Usage, WorkProduct,
            },
        },
        exports::cyrus::executor::task_executor::Guest,
        wit_future, wit_stream,
    },
    verbs,
};
use futures::{FutureExt as _, channel::oneshot, select_biased};
use std::cell::{Cell, RefCell};
use wit_bindgen::{FutureReader, StreamReader, StreamWriter, spawn_local, yield_async};

pub(crate) type Done = Result<Outcome, ExecutionError>;

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
    static STOP: RefCell<Option<oneshot::Sender<StopMode>>> = const { RefCell::new(None) };
    /// A component that does not listen to `stop`.
    static DEAF: Cell<bool> = const { Cell::new(false) };
}

pub(crate) struct Probe;

/// What a verb works with.
pub(crate) struct Work {
    pub(crate) words: Vec<String>,
    pub(crate) context: ExecutionContext,
    pub(crate) events: StreamWriter<Event>,
}

pub(crate) fn be_deaf() {
    DEAF.set(true);
}

pub(crate) fn usage() -> Usage {
    Usage {
        input_tokens: None,
        output_tokens: None,
        cache_read_tokens: None,
        cache_write_tokens: None,
        turns: Some(1),
        cost: None,
    }
}

pub(crate) fn done(summary: impl Into<String>) -> Done {
    Ok(Outcome::Completed(ExecutionResult {
        summary: summary.into(),
        structured: None,
        product: WorkProduct::Nothing,
        links: Vec::new(),
        usage: usage(),
        denials: Vec::new(),
        checkpoint: None,
        extensions: Vec::new(),
    }))
}

pub(crate) fn error(kind: ErrorKind, message: impl Into<String>) -> ExecutionError {
    ExecutionError {
        kind,
        message: message.into(),
        retry_after: None,
        usage: None,
        checkpoint: None,
        partial: None,
    }
}

async fn interruptible(work: Work, stop: oneshot::Receiver<StopMode>) -> Done {
    select_biased! {
        done = verbs::perform(work).boxed_local().fuse() => done,
        mode = stop.fuse() => match mode {
            Ok(StopMode::Detach) => Err(error(ErrorKind::Cancelled, "detached")),
            _ => Err(error(ErrorKind::Cancelled, "stopped")),
        },
    }
}

impl Guest for Probe {
    fn describe(settings: String) -> Result<Descriptor, ExecutionError> {
        if settings.contains("spin") {
            loop {
                std::hint::black_box(());
            }
        }
        Ok(Descriptor {
            name: "Probe".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: format!("settings: {settings}"),
            kinds: Vec::new(),
            features: vec!["resume".to_owned()],
            settings_schema: None,
        })
    }

    async fn probe(settings: String) -> Result<Health, ExecutionError> {
        let parsed: serde_json::Value = serde_json::from_str(&settings).unwrap_or_default();
        let words = parsed["probe"].as_str().unwrap_or("nothing").split(' ').map(str::to_owned);
        let summary = verbs::look(words.collect()).await?;
        Ok(Health { summary, version: None, details: Vec::new() })
    }

    async fn execute(_task: Task, _context: ExecutionContext) -> Done {
        Err(error(ErrorKind::Unsupported, "the host always streams"))
    }

    async fn execute_streaming(
        task: Task,
        context: ExecutionContext,
    ) -> (StreamReader<Event>, FutureReader<Done>) {
        let (events, stream) = wit_stream::new();
        let (outcome, future) = wit_future::new(|| done("dropped"));
        let words: Vec<_> = task.prompt.split(' ').map(str::to_owned).collect();
        if words[0] == "spin-before-it-begins" {
            loop {
                std::hint::black_box(());
            }
        }
        let (sender, stop) = oneshot::channel();
        STOP.set(Some(sender));
        RUNNING.set(true);
        spawn_local(async move {
            let result = interruptible(Work { words, context, events }, stop).await;
            RUNNING.set(false);
            let _ = outcome.write(result).await;
        });
        (stream, future)
    }

    fn is_running() -> bool {
        RUNNING.get()
    }

    async fn stop(mode: StopMode) -> StopResult {
        if !RUNNING.get() {
            return StopResult::AlreadyFinished;
        }
        if DEAF.get() {
            std::future::pending::<()>().await;
        }
        if let Some(stop) = STOP.take() {
            let _ = stop.send(mode);
        }
        while RUNNING.get() {
            yield_async().await;
        }
        match mode {
            StopMode::Cancel => StopResult::Stopped,
            StopMode::Detach => StopResult::StillRunningRemotely,
        }
    }
}
