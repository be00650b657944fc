use super::{
    files::{FAREWELL, GREETING},
    stage::Stage,
};
use crate::{
    app::{App, Opening},
    args::Format,
    exit::Exit,
    interrupt::Interrupts,
    output::{Telling, summary},
    site::site,
    work::{Work, follow},
};
use anyhow::Result;
use cyrus_core::{Issue, Session, SessionId, SessionOutcome, SessionReport, Workspaces as _};
use cyrus_executor::{Limits, TaskKind};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Plays the two issues, one after the other, as their owner would: look at the tests, have an issue worked on,
/// take the result in.
pub(super) async fn play(stage: &Stage, open: &Opening, format: Format) -> Result<Exit> {
    let app = Opening { home: Some(stage.home()), ..open.clone() }.app()?;
    let interrupts = Interrupts::listen()?;
    let say = |text: &str| {
        if format == Format::Text {
            println!("{text}");
        }
    };
    say(
        "A repository was made, with a bare one as its remote. Its tests, before anything is done:",
    );
    let (_, printed) = stage.test().await?;
    say(&indented(&printed));

    say("The first issue goes to Claude Code, on this machine (the program is a stand-in):");
    let first =
        work(&app, stage, GREETING, TaskKind::DEBUGGER, "claude", format, &interrupts).await?;
    if first.outcome != SessionOutcome::Validated {
        return Ok(Exit::of_session(first.outcome, interrupts.came()));
    }
    say(
        "Its branch is merged and pushed, as its owner would. The second goes to Codegen, in the cloud (simulated on 127.0.0.1):",
    );
    stage.accept(first.branch.as_deref().unwrap_or_default()).await?;
    let second =
        work(&app, stage, FAREWELL, TaskKind::BUILDER, "codegen", format, &interrupts).await?;
    if second.outcome != SessionOutcome::Validated {
        return Ok(Exit::of_session(second.outcome, interrupts.came()));
    }
    stage.accept(second.branch.as_deref().unwrap_or_default()).await?;
    say("Merged too. The tests now:");
    let (passed, printed) = stage.test().await?;
    say(&indented(&printed));
    Ok(if passed { Exit::Done } else { Exit::NotDone })
}

async fn work(
    app: &App,
    stage: &Stage,
    issue: &str,
    kind: TaskKind,
    executor: &str,
    format: Format,
    interrupts: &Interrupts,
) -> Result<SessionReport> {
    let id = SessionId::generate(SystemTime::now());
    let base =
        app.workspaces(&stage.repository(), None)?.base(&stage.repository(), &id.branch()).await?;
    let session = Session {
        branch: id.branch(),
        id,
        issue: Issue::from_markdown(issue)?,
        base,
        kind: Some(kind),
        executor: Some(executor.to_owned()),
        strategy: None,
        plan: None,
        model: None,
        limits: Limits { deadline: Some(Duration::from_mins(5)), ..Limits::default() },
        created: SystemTime::now(),
    };
    let site = site(app, &session.base.path, Some(executor)).await?;
    let telling = Arc::new(Telling::new(format));
    let work = Work::Start(Box::new(session), Box::new(site));
    let report = follow(app, work, Arc::clone(&telling) as _, interrupts).await?;
    drop(telling);
    if format == Format::Text {
        println!("{}", indented(&summary(&report)));
    }
    Ok(report)
}

/// What was real, what was not, and where to look.
pub(super) fn epilogue(kept: Option<&Path>) {
    println!(
        "\
Real: both executors (WebAssembly components in their sandbox), the clones, the commits, the branch that the
cloud pushed, the checks, the store. Simulated: the `claude` program, its model, and the Codegen service; so the
money was not spent either."
    );
    match kept {
        Some(path) => println!(
            "\
Everything is in {path}: the repository in greeter, its remote in origin.git, Cyrus's home in cyrus-home.
  git -C {path}/greeter log --stat
  cyrus --cyrus-home {path}/cyrus-home session list",
            path = path.display()
        ),
        None => println!("It was removed again; `cyrus demo --keep` leaves it there to look at."),
    }
    println!(
        "For real work: `cyrus doctor`, then `cyrus run \"what is to be done\"` in a repository."
    );
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n") + "\n"
}
