use super::git::Content;
use cyrus_core::SessionId;
use cyrus_executor::{ErrorKind, MicroUsd, TaskId};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Whether the cloud can be asked for the run that was ordered with a key. Who cannot ask cannot know whether an order
/// that was cut off was carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// At any time.
    #[default]
    Always,
    /// Not until somebody has looked into it who then resumes the session.
    OnceMended,
    /// Never.
    Never,
}

/// How a run in the cloud ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RemoteEnding {
    /// With its work on a branch.
    Branch,
    /// With an answer in words.
    Answer,
    /// In failure.
    Failure(ErrorKind),
    /// Never, unless it is cancelled.
    Never,
}

/// What is ordered of the cloud.
#[derive(Clone, Debug)]
pub(crate) struct RemoteWork {
    /// How long it takes, from when it is ordered.
    pub(crate) takes: Duration,
    /// What it costs when it has ended.
    pub(crate) cost: MicroUsd,
    /// How it ends.
    pub(crate) ending: RemoteEnding,
    /// The commit it works from.
    pub(crate) base: String,
    /// The files it changes.
    pub(crate) edits: BTreeMap<Arc<str>, Content>,
}

/// A run in the cloud. It goes on whatever becomes of whoever ordered it.
#[derive(Clone, Debug)]
pub(crate) struct RemoteRun {
    /// The key it was ordered with.
    pub(crate) key: String,
    /// Counts the runs that were ordered with the same key, from 1.
    pub(crate) number: u32,
    /// The session it was ordered for.
    pub(crate) session: SessionId,
    /// The task.
    pub(crate) task: TaskId,
    /// When it is over, as time since the beginning; `None` is never.
    pub(crate) ends: Option<Duration>,
    /// What was ordered.
    pub(crate) work: RemoteWork,
    /// When it was cancelled.
    pub(crate) cancelled: Option<Duration>,
    /// Whether somebody was told how it ended.
    pub(crate) told: bool,
    /// The branch its work is on, and its commit, once it has ended so.
    pub(crate) branch: Option<(String, String)>,
}

impl RemoteRun {
    /// Whether nothing more will happen to it.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        self.cancelled.is_some() || self.ends.is_some_and(|ends| ends <= now)
    }

    /// What names it in a checkpoint.
    pub(crate) fn name(&self) -> String {
        format!("{}#{}", self.key, self.number)
    }
}
