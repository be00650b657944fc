//! Every command that a session would launch besides its executors, or refuse to, each with its origin.

use cyrus_core::{Analysis, Check, CommandOrigin, CommandPolicy, Plan};
use cyrus_executor::TaskId;
use cyrus_workspace::Script;
use serde::Serialize;

/// When a command is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    /// In each new clone, and in the trees of checks.
    SetUp,
    /// On every result.
    Check,
    /// On the result of one task, or on the merged result.
    Acceptance,
    /// Before a clone is removed.
    TearDown,
}

impl When {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::Check | Self::Acceptance => "check",
            Self::TearDown => "tear-down",
        }
    }
}

/// One of the commands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IntendedCommand {
    pub(crate) when: When,
    /// The task whose result has to pass it; `None` for all of them, or for the merged result.
    pub(crate) task: Option<TaskId>,
    pub(crate) command: String,
    #[serde(rename = "source")]
    pub(crate) origin: CommandOrigin,
    /// Why it is not run.
    pub(crate) refused: Option<&'static str>,
}

/// What decides which commands there are.
pub(crate) struct Commands<'a> {
    pub(crate) scripts: &'a [Script],
    pub(crate) checks: &'a [Check],
    pub(crate) plan: &'a Plan,
    pub(crate) analysis: &'a Analysis,
    pub(crate) policy: CommandPolicy,
}

impl Commands<'_> {
    /// All of them, in the order in which they are launched.
    pub(crate) fn all(&self) -> Vec<IntendedCommand> {
        let of = |when, task: Option<&TaskId>, command: &str, origin: &CommandOrigin| {
            let refused = self.policy.refusal(origin);
            let (command, origin) = (command.to_owned(), origin.clone());
            IntendedCommand { when, task: task.cloned(), command, origin, refused }
        };
        let script = |is_set_up: bool, when| {
            let some = self.scripts.iter().filter(move |script| script.is_set_up == is_set_up);
            some.map(move |script| of(when, None, &script.command, &script.origin))
        };
        let checks = self.checks.iter().map(|c| of(When::Check, None, &c.command, &c.origin));
        let own = self.plan.tasks.iter().flat_map(|task| {
            let each = task.acceptance.iter();
            each.map(|c| of(When::Acceptance, Some(task.id()), &c.command, &c.origin))
        });
        // The one task of a plan has the issue's criteria for its own.
        let named = |command: &String| {
            let mut all = self.plan.tasks.iter().flat_map(|task| &task.acceptance);
            self.plan.tasks.len() == 1 && all.any(|known| known.command == *command)
        };
        let criteria = self.analysis.acceptance.iter().filter_map(|one| one.command.as_ref());
        let criteria = criteria.filter(|command| !named(command));
        let criteria =
            criteria.map(|command| of(When::Acceptance, None, command, &CommandOrigin::Issue));
        script(true, When::SetUp)
            .chain(checks)
            .chain(own)
            .chain(criteria)
            .chain(script(false, When::TearDown))
            .collect()
    }
}
