use crate::{
    Result,
    contract::{
        Event, ExecutionError, ExecutionResult, Level, Outcome, Question, Signal, StopResult,
        Suspension, Usage,
    },
    http::Request,
};
use std::time::Duration;

/// What an executor did to a [`TestHost`](super::TestHost), in order.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What it emitted.
    pub events: Vec<Event>,
    /// What it saved.
    pub checkpoints: Vec<String>,
    /// What it told of its use.
    pub spends: Vec<Usage>,
    /// What it asked.
    pub questions: Vec<Question>,
    /// What it sent.
    pub requests: Vec<Request>,
    /// What it launched.
    pub launches: Vec<Launch>,
    /// What it logged.
    pub logs: Vec<(Level, String)>,
}

/// A program that was launched, and what was done to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The grant's name.
    pub grant: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What was written to it, line by line; a last line without an end is missing.
    pub lines: Vec<String>,
    /// Whether its standard input was closed.
    pub input_closed: bool,
    /// What was sent to it.
    pub signals: Vec<Signal>,
}

/// How an execution against a [`TestHost`](super::TestHost) went.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub outcome: Result<Outcome>,
    /// What `stop` answered, if there was one.
    pub stopped: Option<StopResult>,
    /// How long it took on the simulated clock.
    pub elapsed: Duration,
    /// What it did.
    pub record: Record,
}

impl Run {
    /// The result of an execution that has to have completed.
    ///
    /// # Panics
    /// It did not.
    pub fn completed(&self) -> &ExecutionResult {
        match &self.outcome {
            Ok(Outcome::Completed(result)) => result,
            other => panic!("not completed: {other:?}"),
        }
    }

    /// The suspension of an execution that has to have been suspended.
    ///
    /// # Panics
    /// It was not.
    pub fn suspended(&self) -> &Suspension {
        match &self.outcome {
            Ok(Outcome::Suspended(suspension)) => suspension,
            other => panic!("not suspended: {other:?}"),
        }
    }

    /// The error of an execution that has to have failed.
    ///
    /// # Panics
    /// It did not.
    pub fn error(&self) -> &ExecutionError {
        match &self.outcome {
            Err(error) => error,
            other => panic!("not failed: {other:?}"),
        }
    }
}
