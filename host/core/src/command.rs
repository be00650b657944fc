use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a command comes from: whose word it is that it is run.
///
/// It is part of every command that may be launched, so that the place that launches it can refuse it, see
/// [`CommandPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandOrigin {
    /// The operator's configuration.
    #[serde(rename = "configured")]
    Operator,
    /// Worked out from a file of the base commit, which is named.
    #[serde(rename = "detected")]
    Base(String),
    /// The plan file that the operator gave.
    PlanFile,
    /// The text of an issue: its acceptance criteria, an item of its checklist, a sub-issue.
    #[serde(alias = "acceptance")]
    Issue,
    /// What an executor answered, or a record that does not say where the command comes from.
    #[default]
    Agent,
}

impl CommandOrigin {
    /// Whether a result that passes the command can become validated by it. A command that comes with the work can
    /// show that the result is wrong, not that it is right.
    pub fn can_validate(&self) -> bool {
        match self {
            Self::Operator | Self::Base(_) | Self::PlanFile => true,
            Self::Issue | Self::Agent => false,
        }
    }
}

impl fmt::Display for CommandOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("configured"),
            Self::Base(file) => write!(f, "detected from {file} of the base commit"),
            Self::PlanFile => f.write_str("the plan file"),
            Self::Issue => f.write_str("the issue"),
            Self::Agent => f.write_str("an executor's answer"),
        }
    }
}

/// A command that a plan names, with its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Recorded")]
pub struct PlannedCommand {
    /// The command, for `sh -c`.
    pub command: String,
    /// Where it comes from.
    #[serde(rename = "source")]
    pub origin: CommandOrigin,
}

/// A command as it is recorded: up to 0.1 without its origin, which is then taken to be the least trusted one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    Bare(String),
    WithOrigin {
        command: String,
        #[serde(default)]
        source: CommandOrigin,
    },
}

impl From<Recorded> for PlannedCommand {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Bare(command) => Self { command, origin: CommandOrigin::default() },
            Recorded::WithOrigin { command, source } => Self { command, origin: source },
        }
    }
}

/// Which origins a command may have to be run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandPolicy {
    /// Whether commands of issues are run (`validation.acceptance`).
    pub issue: bool,
}

impl CommandPolicy {
    /// Why a command of this origin is not run; `None` when it is.
    pub fn refusal(self, origin: &CommandOrigin) -> Option<&'static str> {
        match origin {
            CommandOrigin::Operator | CommandOrigin::Base(_) | CommandOrigin::PlanFile => None,
            CommandOrigin::Issue if self.issue => None,
            CommandOrigin::Issue => Some("it comes from the issue; validation.acceptance is off"),
            CommandOrigin::Agent => {
                Some("it comes from an executor, or its origin was not recorded")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_a_table() {
        let base = CommandOrigin::Base("Makefile".into());
        for (origin, runs, runs_opted_in, validates) in [
            (CommandOrigin::Operator, true, true, true),
            (base, true, true, true),
            (CommandOrigin::PlanFile, true, true, true),
            (CommandOrigin::Issue, false, true, false),
            (CommandOrigin::Agent, false, false, false),
        ] {
            let runs_with = |issue| CommandPolicy { issue }.refusal(&origin).is_none();
            let seen = (runs_with(false), runs_with(true), origin.can_validate());
            assert_eq!(seen, (runs, runs_opted_in, validates), "{origin}");
        }
        assert!(!CommandPolicy::default().issue, "an issue's commands are refused by default");
    }

    #[test]
    fn a_command_without_a_recorded_origin_is_trusted_least() {
        for (text, origin) in [
            (r#""make""#, CommandOrigin::Agent),
            (r#"{"command": "make"}"#, CommandOrigin::Agent),
            (r#"{"command": "make", "source": "acceptance"}"#, CommandOrigin::Issue),
            (r#"{"command": "make", "source": "plan-file"}"#, CommandOrigin::PlanFile),
            (
                r#"{"command": "make", "source": {"detected": "Makefile"}}"#,
                CommandOrigin::Base("Makefile".into()),
            ),
        ] {
            let read: PlannedCommand = serde_json::from_str(text).unwrap();
            assert_eq!(read, PlannedCommand { command: "make".into(), origin }, "{text}");
            let written = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<PlannedCommand>(&written).unwrap(), read);
        }
    }
}
