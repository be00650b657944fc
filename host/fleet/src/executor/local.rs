use super::{Ending, agent, run::Run};
use cyrus_core::Clock as _;
use cyrus_executor::{
    ErrorKind, Event, ExecutionError, ExecutionResult, HostVerdict, MicroUsd, Outcome, WorkProduct,
};
use serde_json::json;

/// Does the work on this machine: in turns, each of them paid for and saved, in the clone it is given.
pub(crate) async fn execute(run: &Run) -> Result<Outcome, ExecutionError> {
    let script = &run.script;
    let (resumed, mut done) = resumed(run);
    let mut cost = MicroUsd(script.cost.0 * u64::from(resumed));
    while done < script.turns {
        let next = cost + script.cost;
        let limit = run.request.limits.max_cost.filter(|_| script.honours);
        if limit.is_some_and(|limit| next > limit) {
            return Err(run.error(ErrorKind::BudgetExceeded, "the next turn would cost too much"));
        }
        run.world.clock().sleep(script.turn).await;
        done += 1;
        cost = next;
        run.events.send(vec![Event::Message(format!("turn {done}"))]).await;
        run.spend(done, cost).await?;
        run.checkpoint(format!("{}@{done}", run.request.execution_id)).await?;
    }
    end(run).await
}

/// The turns that were done and paid for in this same execution, and those that need not be done again.
fn resumed(run: &Run) -> (u32, u32) {
    let token = run.request.resume.as_deref().and_then(|token| token.rsplit_once('@'));
    let Some((execution, turns)) = token.filter(|_| run.request.findings.is_empty()) else {
        return (0, 0);
    };
    let turns = turns.parse().unwrap_or(0).min(run.script.turns.saturating_sub(1));
    (if execution == run.request.execution_id { turns } else { 0 }, turns)
}

async fn end(run: &Run) -> Result<Outcome, ExecutionError> {
    match &run.script.ending {
        Ending::Completes if run.request.output_schema.is_some() => {
            Ok(Outcome::Completed(answer(run)))
        }
        Ending::Completes => {
            write(run);
            Ok(Outcome::Completed(result(run, WorkProduct::Workspace)))
        }
        Ending::Answers => Ok(Outcome::Completed(result(run, WorkProduct::Nothing))),
        Ending::Fails(kind, retry_after) => {
            let mut error = run.error(kind.clone(), "as the script says");
            error.retry_after = *retry_after;
            Err(error)
        }
        Ending::Traps => {
            let verdict = HostVerdict::Trap {
                plugin: run.attempt.executor.clone(),
                digest: "sha256:0".to_owned(),
                export: "execute-streaming".to_owned(),
            };
            Err(run.error(ErrorKind::Failed, "the component trapped").by_host(verdict))
        }
        Ending::Hangs => std::future::pending().await,
    }
}

/// The answer of one who is asked to judge: mostly that it is well.
pub(crate) fn answer(run: &Run) -> ExecutionResult {
    let approved = run.attempt.random().chance(800);
    let structured = Some(json!({ "approved": approved, "findings": [] }));
    ExecutionResult { structured, ..result(run, WorkProduct::Nothing) }
}

pub(crate) fn result(run: &Run, product: WorkProduct) -> ExecutionResult {
    ExecutionResult {
        summary: format!("{} did {}", run.attempt.executor, run.attempt.task),
        product,
        usage: run.usage(),
        checkpoint: run.checkpoint_now(),
        ..ExecutionResult::default()
    }
}

/// Changes files in the clone. One that was taken away meanwhile is nobody's to change.
fn write(run: &Run) {
    let Some(workspace) = &run.request.workspace else { return };
    let mut outside = run.world.outside();
    let Some(clone) = outside.clones.get(&workspace.root) else { return };
    let git = outside.repositories.get(&clone.spec.base.path);
    let Some(head) = git.and_then(|git| git.find(&clone.head)) else { return };
    let mut tree = (*head.tree).clone();
    tree.extend(clone.edits.iter().map(|(path, content)| (path.clone(), *content)));
    let edits = agent::work(&tree, &run.attempt, &run.script);
    if let Some(clone) = outside.clones.get_mut(&workspace.root) {
        clone.edits.extend(edits);
    }
}
