//! Set-up and tear-down of a clone, as upstream Cyrus has them, but for where the scripts come from: the operator,
//! and the base commit. A script that an executor wrote is never run, whatever is in the clone.
//!
//! | script | from | when | time |
//! |---|---|---|---|
//! | the operator's set-up | the configuration | a clone is new, or a tree for checks | 5 minutes |
//! | `cyrus-setup.sh` | the base commit | after that | 5 minutes |
//! | what lock files say is one ([`crate::detect`]) | the base commit | when there is neither, and [`WorkspaceSettings::detects_setup`] says so | 5 minutes each |
//! | `cyrus-teardown.sh` | the base commit | before the clone is removed | 2 minutes |
//! | the operator's tear-down | the configuration | after that | 2 minutes |
//!
//! They run in the sandbox at the top of the clone, with bash where there is one, with the environment of the checks,
//! a home and a `TMPDIR` of their own, and `LINEAR_ISSUE_ID`, `LINEAR_ISSUE_IDENTIFIER` and `LINEAR_ISSUE_TITLE` (the tear-down: only the
//! identifier). `$0` is the script's place in the clone. A failure does not stop the task unless
//! [`WorkspaceSettings::setup_must_succeed`] says so; what was printed is kept with the state of the clone.

use crate::{
    confined::{Confined, Directories, Order},
    detect::{Detected, setup},
    failures::missing,
    git::Git,
    listing,
    object::ObjectId,
    plain,
    repository::Main,
    settings::WorkspaceSettings,
    trial::TRIAL,
};
use cyrus_core::{CommandOrigin, Issue, WorkspaceError, WorkspaceSpec};
use cyrus_executor::Line;
use cyrus_sandbox::{AbsolutePath, Exit, Finished};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{ffi::OsString, fmt::Write as _, fs, os::unix::ffi::OsStringExt, time::Duration};

const SETUP: &str = "cyrus-setup.sh";
const TEARDOWN: &str = "cyrus-teardown.sh";

/// The longest script, in bytes: it is passed as one argument, and Linux takes 128 KiB.
const MAX_SCRIPT: usize = 120 << 10;

/// The clone that is set up or torn down, or the tree of a check that is set up.
pub(crate) struct Stage<'a> {
    pub(crate) git: &'a Git,
    pub(crate) settings: &'a WorkspaceSettings,
    pub(crate) main: &'a Main,
    pub(crate) spec: &'a WorkspaceSpec,
    pub(crate) base: &'a ObjectId,
    pub(crate) place: Directories,
}

/// One script or command of a set-up.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    name: String,
    args: Vec<OsString>,
    /// Whether the work does not begin when it fails.
    must_succeed: bool,
}

impl Step {
    /// A command that lock files and manifests ask for.
    fn of(Detected { command, file }: Detected) -> Self {
        Self {
            name: format!("`{command}` (for {file})"),
            args: vec!["-c".into(), command.into()],
            // The operator did not ask for it, and the work may do without.
            must_succeed: false,
        }
    }
}

/// How a set-up ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetUp {
    /// A line for each script, and what one that failed printed.
    pub(crate) said: String,
    /// Of the first script that failed.
    pub(crate) failure: Option<SetUpFailure>,
}

/// How a script of a set-up failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUpFailure {
    /// The script and its end, in words.
    pub what: String,
    /// What it printed.
    pub cause: String,
}

impl Stage<'_> {
    /// What a set-up would run, in its order.
    pub(crate) async fn steps(&self) -> Result<Vec<Step>, WorkspaceError> {
        let must_succeed = self.settings.setup_must_succeed;
        let step = |(name, args)| Step { name, args, must_succeed };
        let global = self.settings.global_setup.as_ref().map(operators);
        let own = self.script(SETUP).await?.map(|args| (SETUP.to_owned(), args));
        let given: Vec<_> = global.into_iter().chain(own).map(step).collect();
        if !given.is_empty() {
            return Ok(given);
        }
        let found = detected(self.git, self.settings, self.main, self.base).await?;
        Ok(found.into_iter().map(Step::of).collect())
    }

    /// What installs what a result asks for, in the place of the set-up's own: the same scripts, of the operator and of
    /// the base commit, else what its lock files and manifests say. A failure stops nothing.
    pub(crate) async fn steps_for(&self, result: &ObjectId) -> Result<Vec<Step>, WorkspaceError> {
        let is_given = self.settings.global_setup.is_some() || self.script(SETUP).await?.is_some();
        let steps = if is_given {
            self.steps().await?
        } else {
            let found = detected(self.git, self.settings, self.main, result).await?;
            found.into_iter().map(Step::of).collect()
        };
        Ok(steps.into_iter().map(|step| Step { must_succeed: false, ..step }).collect())
    }

    /// Tells set-ups apart: another digest is another set-up, or another text of a script of the operator's.
    pub(crate) fn digest(&self, steps: &[Step]) -> String {
        let mut hash = Sha256::new_with_prefix(format!("{steps:?}"));
        if let Some(script) = &self.settings.global_setup {
            // One that cannot be read fails when it is run.
            hash.update(fs::read(script.as_path()).unwrap_or_default());
        }
        plain::hexadecimal(&hash.finalize())
    }

    /// Runs the set-up.
    pub(crate) async fn set_up(&self, steps: Vec<Step>) -> Result<SetUp, WorkspaceError> {
        let variables = self.variables(&["ID", "IDENTIFIER", "TITLE"]).await;
        let time = self.settings.setup_time;
        let mut all = SetUp::default();
        for Step { name, args, must_succeed } in steps {
            let order = self.order(name, args, &variables, time);
            self.outcome(order, must_succeed, &mut all).await?;
        }
        Ok(all)
    }

    /// Runs the tear-down. That it fails is logged and no more: the clone goes all the same.
    pub(crate) async fn tear_down(&self) -> Result<(), WorkspaceError> {
        let variables = self.variables(&["IDENTIFIER"]).await;
        let time = self.settings.teardown_time;
        let own = self.script(TEARDOWN).await?.map(|args| (TEARDOWN.to_owned(), args));
        let global = self.settings.global_teardown.as_ref().map(operators);
        for (name, args) in own.into_iter().chain(global) {
            if let Err(error) = self.run(self.order(name, args, &variables, time)).await {
                let WorkspaceSpec { session, task, .. } = self.spec;
                tracing::warn!(%session, %task, %error, "the clone goes without its tear-down");
            }
        }
        Ok(())
    }

    /// The arguments that have a shell run a script of the base commit, when it has one.
    async fn script(&self, name: &str) -> Result<Option<Vec<OsString>>, WorkspaceError> {
        let Some(content) = self.main.file(self.base, name).await? else { return Ok(None) };
        if content.len() > MAX_SCRIPT || content.contains(&0) {
            let said =
                format!("{name} is no script of at most {} KiB; it is not run", MAX_SCRIPT >> 10);
            tracing::warn!(session = %self.spec.session, "{said}");
            return Ok(None);
        }
        // Nothing of the clone is read. A script may look for where it is.
        let place = self.place.seen_root().join(name);
        Ok(Some(vec!["-c".into(), OsString::from_vec(content), place.into()]))
    }

    fn order(
        &self,
        name: String,
        args: Vec<OsString>,
        variables: &[(OsString, OsString)],
        time: Duration,
    ) -> Order {
        let program = self.confined().script_shell();
        Order { name, program, args, variables: variables.to_vec(), time }
    }

    fn confined(&self) -> Confined {
        let WorkspaceSettings { launcher, environment, .. } = self.settings;
        Confined::new(launcher.clone(), environment.clone())
    }

    /// Runs a script and notes how it ended: a failure stops nothing, unless the settings say so.
    async fn outcome(
        &self,
        order: Order,
        must_succeed: bool,
        all: &mut SetUp,
    ) -> Result<(), WorkspaceError> {
        let name = order.name.clone();
        match self.run(order).await {
            Ok(()) => {
                let _ = writeln!(all.said, "{name}: done");
                Ok(())
            }
            Err(WorkspaceError::Io { what, cause }) if must_succeed => {
                // Resumed, the session has the same script again.
                let what = if name == SETUP {
                    format!(
                        "{what} (it is that of the commit that the session starts from: where the script is wrong, commit the mend and run the issue anew)"
                    )
                } else {
                    what
                };
                Err(WorkspaceError::SetUp { what, cause })
            }
            Err(error) if must_succeed => Err(error),
            Err(error) => {
                let WorkspaceSpec { session, task, .. } = self.spec;
                let said = error.to_string();
                let first = said.lines().next().unwrap_or_default();
                // What a trial finds is its answer.
                if task.as_str() != TRIAL {
                    tracing::warn!(%session, %task, "the work goes on without its set-up: {first}");
                }
                let _ = writeln!(all.said, "{said}");
                all.failure.get_or_insert_with(|| match error {
                    WorkspaceError::Io { what, cause } => SetUpFailure { what, cause },
                    _ => SetUpFailure { what: said, cause: String::new() },
                });
                Ok(())
            }
        }
    }

    async fn run(&self, order: Order) -> Result<(), WorkspaceError> {
        let (name, time) = (order.name.clone(), order.time);
        let WorkspaceSettings { global_setup, global_teardown, .. } = self.settings;
        let scripts = [global_setup, global_teardown].into_iter().flatten().cloned();
        let place = &self
            .place
            .clone()
            .reading(self.main.object_directories())
            .reading(scripts.map(Into::into));
        let ran = self.confined().run(place, order).await?;
        let ended = &ran.ended;
        if ended.success() {
            return Ok(());
        }
        let said = ran.printed();
        let cause = if said.is_empty() { "it printed nothing".to_owned() } else { said };
        let lacks = missing(&cause).map_or_else(String::new, |lacks| format!("; it lacks {lacks}"));
        let what = format!("{name} {} in {}{lacks}", end(ended, time), place.root.display());
        Err(WorkspaceError::Io { what, cause })
    }

    /// The variables that upstream's scripts have, with these endings.
    async fn variables(&self, endings: &[&str]) -> Vec<(OsString, OsString)> {
        let issue = match &self.settings.issues {
            Some(issues) => issues.of(&self.spec.session).await,
            None => None,
        };
        let Some(Issue { identifier, title, .. }) = issue else { return Vec::new() };
        let value = |ending: &str| match ending {
            "TITLE" => Some(&title),
            // Linear takes the identifier wherever it takes an id.
            _ => identifier.as_ref(),
        };
        let variable = |ending: &&str| {
            // One line: a script may well print it, or write it to a file of lines.
            let value = String::from(Line::new(value(ending)?));
            Some((format!("LINEAR_ISSUE_{ending}").into(), value.into()))
        };
        endings.iter().filter_map(variable).collect()
    }
}

/// A script that clones are set up or torn down with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Whether it belongs to the set-up; else to the tear-down.
    pub is_set_up: bool,
    /// Whether it is a command that lock files and manifests ask for.
    pub is_detected: bool,
    /// The operator's script by its path, the repository's by its name, or the command.
    pub command: String,
    /// Where it comes from.
    pub origin: CommandOrigin,
}

/// The scripts for clones that start from this base, in the order in which they are run.
pub(crate) async fn scripts(
    git: &Git,
    settings: &WorkspaceSettings,
    main: &Main,
    base: &ObjectId,
) -> Result<Vec<Script>, WorkspaceError> {
    let operators = |is_set_up, script: &Option<AbsolutePath>| {
        let command = script.as_ref()?.to_string();
        Some(Script { is_set_up, is_detected: false, command, origin: CommandOrigin::Operator })
    };
    let mut all: Vec<_> = operators(true, &settings.global_setup).into_iter().collect();
    for (is_set_up, name) in [(true, SETUP), (false, TEARDOWN)] {
        if main.file(base, name).await?.is_some() {
            let origin = CommandOrigin::Base(name.to_owned());
            let command = name.to_owned();
            all.push(Script { is_set_up, is_detected: false, command, origin });
        }
    }
    if !all.iter().any(|script| script.is_set_up) {
        let found = detected(git, settings, main, base).await?.into_iter();
        all.extend(found.map(|Detected { command, file }| Script {
            is_set_up: true,
            is_detected: true,
            command,
            origin: CommandOrigin::Base(file),
        }));
    }
    all.extend(operators(false, &settings.global_teardown));
    Ok(all)
}

/// What the lock files and manifests of the base commit say is a set-up, where that is asked for. It counts only where
/// there is no other.
async fn detected(
    git: &Git,
    settings: &WorkspaceSettings,
    main: &Main,
    base: &ObjectId,
) -> Result<Vec<Detected>, WorkspaceError> {
    if !settings.detects_setup || settings.global_setup.is_some() {
        return Ok(Vec::new());
    }
    let listing = listing::read(git, main, base).await?;
    Ok(setup::set_up(&listing))
}

/// A script of the operator's: what it is called, and the arguments that have a shell run it.
fn operators(script: &AbsolutePath) -> (String, Vec<OsString>) {
    (script.to_string(), vec![script.as_path().into()])
}

/// How a script ended that failed, in words.
fn end(ended: &Finished, time: Duration) -> String {
    match ended.exit {
        _ if ended.timed_out => format!("took longer than {} s", time.as_secs()),
        Exit::Code(code) => format!("failed with exit code {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
    }
}
