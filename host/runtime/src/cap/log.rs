//! `log`: a bounded number of bounded lines.

use crate::{bindings::log as wit, bound, run::Run, state::State};
use std::sync::atomic::{AtomicU32, Ordering};
use wasmtime::Result;

/// How much a line of log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For the plugin's author.
    Debug,
    /// For the operator.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}

/// A line that a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLog {
    /// The executor's name.
    pub executor: String,
    /// The execution's id; `-` outside of one.
    pub execution: String,
    /// How much it matters.
    pub level: LogLevel,
    /// The line: at most 4 KiB, without secrets and control characters.
    pub message: String,
}

/// How many lines are left.
pub(crate) struct LogBudget(AtomicU32);

impl LogBudget {
    pub(crate) fn new(lines: u32) -> Self {
        Self(AtomicU32::new(lines))
    }

    /// Takes a line. `None`: there is none; `Some(0)`: that was the last.
    pub(crate) fn take(&self) -> Option<u32> {
        let less = |left: u32| left.checked_sub(1);
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.ok().map(|left| left - 1)
    }
}

fn write(run: &Run, level: LogLevel, message: String) {
    let (executor, execution) = (&run.executor.config.name, run.id());
    match level {
        LogLevel::Trace => tracing::trace!(target: "plugin", %executor, execution, "{message}"),
        LogLevel::Debug => tracing::debug!(target: "plugin", %executor, execution, "{message}"),
        LogLevel::Info => tracing::info!(target: "plugin", %executor, execution, "{message}"),
        LogLevel::Warn => tracing::warn!(target: "plugin", %executor, execution, "{message}"),
        LogLevel::Error => tracing::error!(target: "plugin", %executor, execution, "{message}"),
    }
    if let Some(sink) = &run.executor.runtime.log_sink {
        let (executor, execution) = (executor.clone(), execution.to_owned());
        sink(PluginLog { executor, execution, level, message });
    }
}

impl wit::Host for State {
    fn log(&mut self, level: wit::Level, message: String) -> Result<()> {
        let Some(left) = self.run.log.take() else { return Ok(()) };
        let level = match level {
            wit::Level::Trace => LogLevel::Trace,
            wit::Level::Debug => LogLevel::Debug,
            wit::Level::Info => LogLevel::Info,
            wit::Level::Warn => LogLevel::Warn,
            wit::Level::Error => LogLevel::Error,
        };
        let message = bound::redacted(message, bound::MESSAGE_BYTES, &self.run.redactor);
        write(&self.run, level, message);
        if left == 0 {
            let most = self.run.executor.config.limits.log_lines;
            let last = format!("the plugin logged {most} lines; nothing more of it is kept");
            write(&self.run, LogLevel::Warn, last);
        }
        Ok(())
    }
}
