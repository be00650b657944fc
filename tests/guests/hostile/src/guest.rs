//! The exports. `describe` and `probe` attack as the settings say, `stop` as the prompt said.

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
    crash, text, verbs,
};
use futures::{FutureExt as _, channel::oneshot, select_biased};
use std::cell::{Cell, RefCell};
use wit_bindgen::{FutureReader, StreamReader, StreamWriter, spawn_local, yield_async};

pub(crate) type Done = Result<Outcome, ExecutionError>;

/// What `stop` does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnStop {
    /// Ends the work, as the contract asks.
    End,
    /// Never returns, and waits.
    Wait,
    /// Never returns, and computes.
    Spin,
    /// Traps.
    Trap,
    /// Says that it has stopped, while the work continues.
    Lie,
    /// Ends the work, and computes for ever beside its answer.
    SpinAfterwards,
}

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
    static STOP: RefCell<Option<oneshot::Sender<StopMode>>> = const { RefCell::new(None) };
    static ON_STOP: Cell<OnStop> = const { Cell::new(OnStop::End) };
}

pub(crate) struct Hostile;

/// What a verb works with.
pub(crate) struct Work {
    pub(crate) words: Vec<String>,
    pub(crate) context: ExecutionContext,
    pub(crate) events: StreamWriter<Event>,
}

impl Work {
    /// Sends events. Fails when the host does not take them.
    pub(crate) async fn send(&mut self, events: Vec<Event>) -> Result<(), ExecutionError> {
        if self.events.write_all(events).await.is_empty() {
            Ok(())
        } else {
            Err(error(ErrorKind::Failed, "the host takes no events"))
        }
    }
}

pub(crate) fn on_stop(what: OnStop) {
    ON_STOP.set(what);
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

pub(crate) fn result(summary: impl Into<String>) -> ExecutionResult {
    ExecutionResult {
        summary: summary.into(),
        structured: None,
        product: WorkProduct::Nothing,
        links: Vec::new(),
        usage: usage(),
        denials: Vec::new(),
        checkpoint: None,
        extensions: Vec::new(),
    }
}

pub(crate) fn done(summary: impl Into<String>) -> Done {
    Ok(Outcome::Completed(result(summary)))
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
        _ = stop.fuse() => Err(error(ErrorKind::Cancelled, "stopped")),
    }
}

/// The attack that the settings name for an export: `{"describe": "spin"}`.
fn attack_on(export: &str, settings: &str) -> String {
    let settings: serde_json::Value = serde_json::from_str(settings).unwrap_or_default();
    settings[export].as_str().unwrap_or_default().to_owned()
}

impl Guest for Hostile {
    fn describe(settings: String) -> Result<Descriptor, ExecutionError> {
        let attack = attack_on("describe", &settings);
        crash::now(&attack);
        let (name, many) = match attack.as_str() {
            "escapes" => (text::ESCAPES.to_owned(), 0),
            "huge" => ("x".repeat(1 << 20), 0),
            "many" => ("Hostile".to_owned(), 200_000),
            _ => ("Hostile".to_owned(), 0),
        };
        Ok(Descriptor {
            description: name.clone(),
            version: name.clone(),
            name,
            kinds: vec!["k".to_owned(); many],
            features: vec!["resume".to_owned(); many.max(1)],
            settings_schema: (attack == "deep").then(|| "[".repeat(1 << 20)),
        })
    }

    async fn probe(settings: String) -> Result<Health, ExecutionError> {
        let attack = attack_on("probe", &settings);
        crash::now(&attack);
        if attack == "later" {
            spawn_local(async { crash::now("spin") });
        }
        let many = if attack == "many" { 20_000 } else { 1 };
        let told = if attack == "escapes" { text::ESCAPES } else { "well" };
        if attack == "huge" {
            return Err(error(ErrorKind::Failed, "x".repeat(1 << 20)));
        }
        Ok(Health {
            summary: told.to_owned(),
            version: Some(told.to_owned()),
            details: vec![(told.to_owned(), told.to_owned()); many],
        })
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
        let words: Vec<_> = task.prompt.split_whitespace().map(str::to_owned).collect();
        if words[0] == "before" {
            crash::now(&words[1]);
        }
        let (sender, stop) = oneshot::channel();
        STOP.set(Some(sender));
        RUNNING.set(true);
        let after = words[0] == "after";
        let crash = words.get(1).cloned().unwrap_or_default();
        spawn_local(async move {
            let result = interruptible(Work { words, context, events }, stop).await;
            RUNNING.set(false);
            let write = outcome.write(result);
            if after && crash == "unawaited" {
                let _ = write.now_or_never();
                crash::now("spin");
            } else {
                let _ = write.await;
            }
            if after {
                crash::afterwards(&crash).await;
            }
        });
        (stream, future)
    }

    fn is_running() -> bool {
        RUNNING.get()
    }

    async fn stop(mode: StopMode) -> StopResult {
        match ON_STOP.get() {
            OnStop::End | OnStop::SpinAfterwards => {}
            OnStop::Wait => std::future::pending().await,
            OnStop::Spin => crash::now("spin"),
            OnStop::Trap => crash::now("panic"),
            OnStop::Lie => return StopResult::Stopped,
        }
        if let Some(stop) = STOP.take() {
            let _ = stop.send(mode);
        }
        while RUNNING.get() {
            yield_async().await;
        }
        if ON_STOP.get() == OnStop::SpinAfterwards {
            spawn_local(async { crash::now("spin") });
        }
        StopResult::Stopped
    }
}
