//! Set-up and tear-down of a clone, as upstream Cyrus has them, but for where the scripts come from: the operator,
//! and the base commit. A script that an executor wrote is never run, whatever is in the clone.
//!
//! | script | from | when | time |
//! |---|---|---|---|
//! | the operator's set-up | the configuration | a clone is new | 5 minutes |
//! | `cyrus-setup.sh` | the base commit | after that | 5 minutes |
//! | `cyrus-teardown.sh` | the base commit | before the clone is removed | 2 minutes |
//! | the operator's tear-down | the configuration | after that | 2 minutes |
//!
//! They run in the sandbox at the top of the clone, with bash where there is one, with the environment of the checks,
//! a home and a `TMPDIR` of their own, and `LINEAR_ISSUE_ID`, `LINEAR_ISSUE_IDENTIFIER` and `LINEAR_ISSUE_TITLE` (the tear-down: only the
//! identifier). `$0` is the script's place in the clone. A failure does not stop the task unless
//! [`WorkspaceSettings::setup_must_succeed`] says so; what was printed is kept with the state of the clone.

use crate::{
    confined::{Confined, Order, Place},
    error::io,
    layout::TaskDir,
    object::ObjectId,
    repository::Main,
    settings::WorkspaceSettings,
};
use cyrus_core::{Issue, WorkspaceError, WorkspaceSpec};
use cyrus_executor::Line;
use cyrus_sandbox::{AbsolutePath, Exit, Finished};
use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, time::Duration};

const SETUP: &str = "cyrus-setup.sh";
const TEARDOWN: &str = "cyrus-teardown.sh";

/// The longest script, in bytes: it is passed as one argument, and Linux takes 128 KiB.
const MAX_SCRIPT: usize = 120 << 10;

/// The clone that is set up or torn down.
pub(crate) struct Stage<'a> {
    pub(crate) settings: &'a WorkspaceSettings,
    pub(crate) main: &'a Main,
    pub(crate) spec: &'a WorkspaceSpec,
    pub(crate) base: &'a ObjectId,
    pub(crate) task: &'a TaskDir,
}

impl Stage<'_> {
    /// Runs the set-up, unless it was run in this clone before.
    pub(crate) async fn set_up(&self) -> Result<(), WorkspaceError> {
        let marker = self.task.set_up();
        if marker.exists() {
            return Ok(());
        }
        let variables = self.variables(&["ID", "IDENTIFIER", "TITLE"]).await;
        let time = self.settings.setup_time;
        let global = self.settings.global_setup.as_ref().map(operators);
        let own = self.script(SETUP).await?.map(|args| (SETUP.to_owned(), args));
        let mut said = String::new();
        for (name, args) in global.into_iter().chain(own) {
            said += &self.outcome(self.order(name, args, &variables, time)).await?;
        }
        fs::write(&marker, said).map_err(io("cannot write", &marker))
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
        let place = self.task.workspace().join(name);
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

    /// What the marker says of a script: a failure is told and gone on from, unless it must not be.
    async fn outcome(&self, order: Order) -> Result<String, WorkspaceError> {
        let name = order.name.clone();
        match self.run(order).await {
            Ok(()) => Ok(format!("{name}: done\n")),
            Err(error) if self.settings.setup_must_succeed => Err(error),
            Err(error) => {
                let WorkspaceSpec { session, task, .. } = self.spec;
                tracing::warn!(%session, %task, %error, "the task goes on without its set-up");
                Ok(format!("{error}\n"))
            }
        }
    }

    async fn run(&self, order: Order) -> Result<(), WorkspaceError> {
        let (name, time) = (order.name.clone(), order.time);
        let place = Place::new(self.task.workspace(), &self.task.setup_dir());
        let ended = self.confined().run(&place, order).await?;
        if ended.success() {
            return Ok(());
        }
        let said = ended.stdout.text().trim().to_owned();
        let cause = if said.is_empty() { "it printed nothing".to_owned() } else { said };
        let what = format!("{name} {} in {}", end(&ended, time), place.root.display());
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
