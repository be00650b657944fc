mod explain;

use crate::{
    app::App,
    args::{ExecutorCommand, JsonArgs},
    exit::Exit,
    output::{print_all, print_json_pretty, table},
};
use anyhow::Result;
use cyrus_executor::{Descriptor, ExecutionError, ExecutorInfo, Health, Line, TaskExecutor};
use cyrus_plugin::Purpose;
use futures::future::join_all;
use serde::Serialize;
use std::{collections::BTreeSet, path::Path};

/// The longest state that is shown in a table, in characters.
const STATE: usize = 400;

/// `cyrus executor …`
pub(crate) async fn executor(app: &App, command: ExecutorCommand) -> Result<Exit> {
    match command {
        ExecutorCommand::List { json: JsonArgs { json }, no_probe } => {
            list(app, json, !no_probe).await
        }
        ExecutorCommand::Explain { name, json: JsonArgs { json } } => {
            explain::explain(app, &name, json)
        }
    }
}

/// What there is to know of an executor.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Whether a strategy may choose it: it is configured.
    pub(crate) enabled: bool,
    #[serde(flatten)]
    pub(crate) info: Option<ExecutorInfo>,
    pub(crate) descriptor: Option<Descriptor>,
    pub(crate) health: Option<Health>,
    pub(crate) error: Option<String>,
}

impl Listed {
    fn new(name: &str, enabled: bool) -> Self {
        let name = name.to_owned();
        Self { name, enabled, info: None, descriptor: None, health: None, error: None }
    }

    /// What its probe said, in a line.
    pub(crate) fn state(&self) -> String {
        match (&self.error, &self.health) {
            (Some(error), _) => error.clone(),
            (None, Some(health)) => format!("ready: {}", health.summary),
            (None, None) => "not asked".to_owned(),
        }
    }
}

/// Every executor that is configured, and every plugin that could be one by its own name.
pub(crate) async fn survey(app: &App, probe: bool) -> Vec<Listed> {
    let here = Path::new(".");
    let configured = app.repository(here).executors();
    let enabled: BTreeSet<_> = configured.iter().map(|config| config.name.clone()).collect();
    let plugins: BTreeSet<_> = app.discovery().plugins.keys().cloned().collect();
    let all = enabled.union(&plugins).map(|name| look(app, name, enabled.contains(name), probe));
    join_all(all).await
}

async fn look(app: &App, name: &str, enabled: bool, probe: bool) -> Listed {
    let mut listed = Listed::new(name, enabled);
    match app.executor(name, Path::new("."), Purpose::Inspect).await {
        Ok(executor) => {
            listed.info = Some(executor.info().clone());
            if let Err(error) = ask(executor.as_ref(), probe, &mut listed).await {
                listed.error = Some(error.to_string());
            }
        }
        Err(error) => listed.error = Some(format!("{error:#}")),
    }
    listed
}

async fn ask(
    executor: &dyn TaskExecutor,
    probe: bool,
    listed: &mut Listed,
) -> Result<(), ExecutionError> {
    listed.descriptor = Some(executor.describe().await?);
    if probe {
        listed.health = Some(executor.probe().await?);
    }
    Ok(())
}

async fn list(app: &App, json: bool, probe: bool) -> Result<Exit> {
    let all = survey(app, probe).await;
    if json {
        print_json_pretty(&all)?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![["EXECUTOR", "PLACEMENT", "PLUGIN", "STATE"].map(str::to_owned).to_vec()];
    for listed in &all {
        let of_info = |read: fn(&ExecutorInfo) -> String| listed.info.as_ref().map(read);
        rows.push(vec![
            listed.name.clone(),
            of_info(|info| info.placement.to_string()).unwrap_or_else(|| "-".to_owned()),
            of_info(|info| format!("{} {}", info.plugin, info.version))
                .unwrap_or_else(|| "-".to_owned()),
            Line::excerpt(listed.state(), STATE).into(),
        ]);
    }
    print_all(&table(&rows));
    Ok(Exit::Done)
}
