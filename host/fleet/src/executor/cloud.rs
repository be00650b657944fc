use super::{Ending, agent, local, run::Run};
use crate::{
    Moment, Step,
    world::{Lookup, Outside, RemoteEnding, RemoteRun, RemoteWork, Violation},
};
use cyrus_core::Clock as _;
use cyrus_executor::{
    BranchSource, ErrorKind, Event, ExecutionError, Outcome, Progress, RemoteBranch, WorkProduct,
};
use std::{collections::BTreeMap, time::Duration};

/// How often a run is looked at.
const POLL: Duration = Duration::from_mins(2);

/// Failures of the service itself: nothing is ordered.
const AT_THE_DOOR: [ErrorKind; 4] = [
    ErrorKind::Unavailable,
    ErrorKind::RateLimited,
    ErrorKind::Unauthorized,
    ErrorKind::QuotaExhausted,
];

/// Has the work done in the cloud. A run is ordered once for each key, whatever happens between: the intent is saved,
/// runs are looked up by the key, and only then one is ordered. Where they cannot be looked up, an order that may have
/// been sent is not sent again.
pub(crate) async fn execute(run: &Run) -> Result<Outcome, ExecutionError> {
    let key = run.request.idempotency_key.clone();
    if let Ending::Fails(kind, retry_after) = &run.script.ending
        && AT_THE_DOOR.contains(kind)
        && !is_ordered(run, &key)
    {
        let mut error = run.error(kind.clone(), "as the script says");
        error.retry_after = *retry_after;
        return Err(error);
    }
    let intent = format!("creating {key}");
    if !is_followed(run, &key) {
        if !can_look(run) && run.request.resume.as_ref() == Some(&intent) {
            let mut error = run.error(uncertain(), "runs cannot be looked for");
            error.checkpoint = Some(intent);
            return Err(error);
        }
        let was_overtaken = run.checkpoint(intent).await?;
        let name = order(run, &key, was_overtaken).await;
        run.checkpoint(format!("run {name}")).await?;
    }
    let ended = wait(run, &key).await;
    run.world.outside().tell(&key);
    // The work is done: what the host says of its price changes nothing any more.
    run.note(run.script.turns, ended.work.cost).await?;
    finish(run, &ended)
}

/// What is said where nobody can know whether a run was ordered.
fn uncertain() -> ErrorKind {
    ErrorKind::Other("uncertain".to_owned())
}

fn can_look(run: &Run) -> bool {
    run.world.outside().lookup == Lookup::Always
}

/// Whether it goes on with a run that it can name.
fn is_followed(run: &Run, key: &str) -> bool {
    let named = run.request.resume.as_deref().and_then(|token| token.strip_prefix("run "));
    let about_key = named.and_then(|name| name.rsplit_once('#')).is_some_and(|(of, _)| of == key);
    about_key && is_ordered(run, key)
}

/// Whether there is a run to go on with.
fn is_ordered(run: &Run, key: &str) -> bool {
    run.world.outside().runs.get(key).and_then(|runs| runs.last()).is_some_and(|last| {
        let now = run.world.clock().elapsed();
        !last.is_over(now) || is_untold(run, last)
    })
}

/// Whether a run that is over is the one this execution is about, and not the one before.
fn is_untold(run: &Run, last: &RemoteRun) -> bool {
    let named = run.request.resume.as_deref();
    let about_it = named == Some(&format!("run {}", last.name()));
    let about_key = named == Some(&format!("creating {}", last.key));
    let is_new = !last.told || last.work.ending == RemoteEnding::Branch;
    (about_it || about_key) && is_new && last.cancelled.is_none()
}

/// The run with this key: the one there is, or a new one.
async fn order(run: &Run, key: &str, was_overtaken: bool) -> String {
    if can_look(run) && is_ordered(run, key) {
        let outside = run.world.outside();
        let last = outside.runs.get(key).and_then(|runs| runs.last());
        return last.map(RemoteRun::name).unwrap_or_default();
    }
    run.process.pass(Moment::Before, Step::CloudCreate).await;
    let name = {
        let now = run.world.clock().elapsed();
        let mut outside = run.world.outside();
        outside.effects += 1;
        let work = outside.remote_work(run);
        let runs = outside.runs.entry(key.to_owned()).or_default();
        let twice = runs.last().is_some_and(|last| !last.is_over(now));
        let takes = (work.ending != RemoteEnding::Never).then_some(work.takes);
        let ordered = RemoteRun {
            key: key.to_owned(),
            number: u32::try_from(runs.len()).unwrap_or(u32::MAX) + 1,
            session: run.attempt.session.clone(),
            task: run.attempt.task.clone(),
            ends: takes.map(|takes| now + takes),
            work,
            cancelled: None,
            told: false,
            branch: None,
        };
        let name = ordered.name();
        let start = ordered.work.base.clone();
        // One that is late is a stray: nobody will ever ask for it, and nobody could call its order back.
        let late = run.process.is_overtaken();
        if !late || runs.is_empty() {
            runs.push(ordered);
        }
        outside.note_late(Step::CloudCreate, &run.process, was_overtaken);
        let has_start = outside.repositories.values().any(|git| git.is_at_origin(&start));
        if !has_start && !late {
            outside.violated(Violation::NotAtOrigin { run: name.clone(), start });
        }
        if twice && !late {
            outside.violated(Violation::CloudRunTwice(key.to_owned()));
        }
        name
    };
    run.process.pass(Moment::After, Step::CloudCreate).await;
    name
}

/// Looks at the run until it is over.
async fn wait(run: &Run, key: &str) -> RemoteRun {
    loop {
        let now = run.world.clock().elapsed();
        let last = {
            let mut outside = run.world.outside();
            outside.harvest(key, now, run);
            outside.runs.get(key).and_then(|runs| runs.last()).cloned()
        };
        match last {
            Some(last) if last.is_over(now) => return last,
            Some(RemoteRun { ends: Some(ends), .. }) => {
                run.world.clock().sleep(POLL.min(ends.saturating_sub(now))).await;
                let message = "still at work".to_owned();
                let progress = Event::Progress(Progress { message, fraction: None });
                run.events.send(vec![progress]).await;
            }
            Some(_) | None => std::future::pending().await,
        }
    }
}

fn finish(run: &Run, ended: &RemoteRun) -> Result<Outcome, ExecutionError> {
    let failed = |kind| Err(run.error(kind, "the run failed"));
    match (&ended.work.ending, &ended.branch) {
        _ if ended.cancelled.is_some() => failed(ErrorKind::Cancelled),
        (RemoteEnding::Failure(kind), _) => failed(kind.clone()),
        (RemoteEnding::Branch, Some((name, commit))) => {
            let (name, commit) = (name.clone(), Some(commit.clone()));
            let product =
                WorkProduct::Branch(RemoteBranch { source: BranchSource::Origin, name, commit });
            Ok(Outcome::Completed(local::result(run, product)))
        }
        (RemoteEnding::Answer, _) if run.request.output_schema.is_some() => {
            Ok(Outcome::Completed(local::answer(run)))
        }
        (RemoteEnding::Answer, _) => {
            Ok(Outcome::Completed(local::result(run, WorkProduct::Nothing)))
        }
        (RemoteEnding::Branch | RemoteEnding::Never, _) => failed(ErrorKind::Failed),
    }
}

impl Outside {
    /// What the cloud is to do, from the script.
    fn remote_work(&self, run: &Run) -> RemoteWork {
        let script = &run.script;
        let repository = run.request.repository.as_ref();
        let named = run.request.resume.as_deref().and_then(|token| token.strip_prefix("run "));
        let mut all = self.runs.values().flatten();
        let before = all.find(|before| named == Some(&before.name()));
        let base = match before.and_then(|before| before.branch.as_ref()) {
            // What validation found is mended where it was found.
            Some((_, commit)) if !run.request.findings.is_empty() => commit.clone(),
            _ => repository.map(|r| r.base_commit.clone()).unwrap_or_default(),
        };
        let tree = self.repositories.values().find_map(|git| git.find(&base));
        let edits = tree.map(|found| agent::work(&found.tree, &run.attempt, script));
        let limit = run.request.limits.max_cost.filter(|_| script.honours);
        let too_dear = limit.filter(|limit| script.total() > *limit);
        let ending = match &script.ending {
            _ if too_dear.is_some() => RemoteEnding::Failure(ErrorKind::BudgetExceeded),
            Ending::Completes if run.request.output_schema.is_some() => RemoteEnding::Answer,
            Ending::Completes => RemoteEnding::Branch,
            Ending::Answers => RemoteEnding::Answer,
            Ending::Fails(kind, _) => RemoteEnding::Failure(kind.clone()),
            Ending::Traps => RemoteEnding::Failure(ErrorKind::Failed),
            Ending::Hangs => RemoteEnding::Never,
        };
        RemoteWork {
            takes: script.length(),
            cost: too_dear.unwrap_or(script.total()),
            ending,
            base,
            edits: edits.unwrap_or_default(),
        }
    }

    /// Takes note that somebody is told how the last run with this key ended.
    fn tell(&mut self, key: &str) {
        let last = self.runs.get_mut(key).and_then(|runs| runs.last_mut());
        if let Some(last) = last {
            last.told = true;
        }
    }

    /// Puts the work of the last run with this key on a branch, once it is over.
    fn harvest(&mut self, key: &str, now: Duration, run: &Run) {
        let Some(last) = self.runs.get_mut(key).and_then(|runs| runs.last_mut()) else { return };
        let is_due = last.is_over(now) && last.cancelled.is_none() && last.branch.is_none();
        if !is_due || last.work.ending != RemoteEnding::Branch {
            return;
        }
        let (base, edits) = (last.work.base.clone(), last.work.edits.clone());
        let git = self.repositories.values_mut().find(|git| git.find(&base).is_some());
        let Some((git, parent)) = git.and_then(|git| git.known(&base).map(|id| (git, id))) else {
            return;
        };
        let mut tree: BTreeMap<_, _> =
            git.find(&base).map(|commit| (*commit.tree).clone()).unwrap_or_default();
        tree.extend(edits);
        let commit = git.commit(&[parent], tree, &last.name());
        let branch = format!("cloud/{}/{}/{}", last.session, last.task, run.attempt.number);
        git.origin.insert(branch.clone(), commit.clone());
        last.branch = Some((branch, commit.to_string()));
    }
}
