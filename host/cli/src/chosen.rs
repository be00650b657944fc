//! Which executor has a task.

use crate::{app::App, exit::usage};
use anyhow::Result;
use cyrus_core::Strategy;
use cyrus_executor::{Health, TaskExecutor, TaskKind};
use cyrus_orchestrator::{Candidate, Ranked, rank};
use serde::Serialize;
use std::{collections::HashMap, path::Path, sync::Arc};

/// Who has the task, and who was considered.
pub(crate) struct Chosen {
    pub(crate) executor: Arc<dyn TaskExecutor>,
    pub(crate) receipt: Vec<Considered>,
}

/// One line of the receipt.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Considered {
    pub(crate) executor: String,
    pub(crate) chosen: bool,
    /// Why it is in, or out.
    pub(crate) why: String,
    /// What its probe saw, if it came to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<Health>,
}

impl Considered {
    fn out(executor: &str, why: &impl ToString) -> Self {
        Self { executor: executor.to_owned(), chosen: false, why: why.to_string(), health: None }
    }
}

/// The executor that was asked for by name. It is not probed: how it fails is for the execution to say.
pub(crate) async fn by_name(app: &App, name: &str, repository: &Path) -> Result<Chosen> {
    let executor = app.executor(name, repository).await?;
    let why = "asked for by name".to_owned();
    let line = Considered { executor: name.to_owned(), chosen: true, why, health: None };
    Ok(Chosen { executor, receipt: vec![line] })
}

/// The first executor in the strategy's rank that can work right now.
pub(crate) async fn by_strategy(
    app: &App,
    strategy: Strategy,
    kind: &TaskKind,
    repository: &Path,
) -> Result<Chosen> {
    let (candidates, ready, mut receipt) = candidates(app, repository).await;
    let mut chosen = None;
    for Ranked { executor: name, eligible, reason } in rank(strategy, kind, &candidates) {
        let executor = &ready[&name];
        if !eligible {
            receipt.push(Considered::out(&name, &reason));
        } else if chosen.is_some() {
            receipt.push(Considered::out(&name, &format!("{reason}; not needed")));
        } else {
            match executor.probe().await {
                Err(error) => receipt.push(Considered::out(&name, &format!("{reason}; {error}"))),
                Ok(health) => {
                    let why = format!("{reason}; {}", health.summary);
                    receipt.push(Considered {
                        executor: name,
                        chosen: true,
                        why,
                        health: Some(health),
                    });
                    chosen = Some(Arc::clone(executor));
                }
            }
        }
    }
    match chosen {
        Some(executor) => Ok(Chosen { executor, receipt }),
        None => Err(usage(nobody(strategy, &receipt))),
    }
}

type Ready = HashMap<String, Arc<dyn TaskExecutor>>;

/// Every executor that is configured for this repository; those that cannot be made are in the receipt.
async fn candidates(app: &App, repository: &Path) -> (Vec<Candidate>, Ready, Vec<Considered>) {
    let (mut candidates, mut ready, mut receipt) = (vec![], Ready::new(), vec![]);
    for config in app.repository(repository).executors() {
        let made = match app.executor(&config.name, repository).await {
            Ok(executor) => {
                executor.describe().await.map(|said| (executor, said)).map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        match made {
            Ok((executor, said)) => {
                candidates.push(Candidate { info: executor.info().clone(), kinds: said.kinds });
                ready.insert(config.name, executor);
            }
            Err(error) => receipt.push(Considered::out(&config.name, &format!("{error:#}"))),
        }
    }
    (candidates, ready, receipt)
}

fn nobody(strategy: Strategy, receipt: &[Considered]) -> String {
    let line = |line: &Considered| format!("  {}: {}", line.executor, line.why);
    let lines: Vec<_> = receipt.iter().map(line).collect();
    format!(
        "no executor can take this with strategy {strategy}:\n{}\n`cyrus doctor` says what is missing",
        lines.join("\n")
    )
}
