use super::{
    issue::issue,
    narrator::{Narrator, seconds},
    speed_up::SpeedUp,
    stage::Stage,
    watch::Watch,
};
use crate::{
    app::{App, Opening},
    args::Format,
    exit::Exit,
    interrupt::Interrupts,
    output::{Telling, add_line, print, print_all, print_json, say, summary, table},
    site::site,
    work::{Work, follow},
};
use anyhow::Result;
use cyrus_core::{
    Issue, Session, SessionEvent, SessionId, SessionOutcome, SessionReport, TaskReport,
    Workspaces as _,
};
use cyrus_executor::{Limits, Line, TaskId};
use cyrus_plugin::Purpose;
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Plays the issue as its owner would: look at the tests, have it worked on, take the result in. Answers how the
/// command ends, and the session.
pub(super) async fn play(
    stage: &Stage,
    open: &Opening,
    format: Format,
) -> Result<(Exit, SessionId)> {
    let app = Opening { home: Some(stage.home()), ..open.clone() }.app()?;
    let interrupts = Interrupts::listen()?;
    let say = |text: &str| {
        if format == Format::Text {
            print(&Line::new(text));
        }
    };
    let show = |printed: &str| {
        if format == Format::Text {
            print_all(&Line::block("  ", "  ", printed));
            say!("");
        }
    };
    say(
        "A repository was made, with a bare one as its remote. Its tests, before anything is done:",
    );
    let (_, printed) = stage.test().await?;
    show(&printed);
    PLANNED.lines().for_each(say);
    say("");
    let (report, speed_up) = work(&app, stage, format, &interrupts).await?;
    let id = report.session.clone();
    if format == Format::Text {
        say("");
        print_all(&ended(&report, speed_up.as_ref()));
        say("");
    } else {
        finish(report.clone(), speed_up.as_ref())?;
    }
    if report.outcome != SessionOutcome::Validated {
        return Ok((Exit::of_session(report.outcome, interrupts.came()), id));
    }
    stage.accept(report.branch.as_deref().unwrap_or_default()).await?;
    say("Its branch is merged into main and pushed, as its owner would. The tests now:");
    let (passed, printed) = stage.test().await?;
    show(&printed);
    Ok((if passed { Exit::Done } else { Exit::NotDone }, id))
}

const PLANNED: &str = "\
The issue \"Bring out Words 2.0\" has a checklist, which becomes this plan. The strategy is hybrid-smart: claude works
on this machine (the program is a stand-in), codegen in the cloud (simulated on 127.0.0.1).
";

/// Works on the issue. Answers what came of it, and what it came to that tasks were worked on at once.
async fn work(
    app: &App,
    stage: &Stage,
    format: Format,
    interrupts: &Interrupts,
) -> Result<(SessionReport, Option<SpeedUp>)> {
    let id = SessionId::generate(SystemTime::now());
    let workspaces = app.workspaces(&stage.repository(), None)?;
    let base = workspaces.base(&stage.repository(), &id.branch()).await?;
    let session = Session {
        branch: id.branch(),
        id,
        issue: Issue::from_markdown(&issue())?,
        base,
        kind: None,
        executor: None,
        strategy: None,
        plan: None,
        model: None,
        limits: Limits { deadline: Some(Duration::from_mins(5)), ..Limits::default() },
        created: SystemTime::now(),
    };
    let site = site(app, &session.base.path, None, Purpose::Work).await?;
    let telling = match format {
        Format::Json => Telling::new(format),
        Format::Text => Telling::to(Narrator::new()),
    };
    let watch = Arc::new(Watch::new(telling));
    let work = Work::Start(Box::new(session), Box::new(site));
    let report = follow(app, work, Arc::clone(&watch) as _, interrupts).await?;
    let seen = watch.end();
    let whole = Duration::from_millis(report.duration_ms);
    let speed_up = seen.plan.and_then(|plan| SpeedUp::of(&plan, &seen.times, whole));
    Ok((report, speed_up))
}

/// The last lines for machines.
fn finish(report: SessionReport, speed_up: Option<&SpeedUp>) -> Result<()> {
    if let Some(speed_up) = speed_up {
        let mut line = serde_json::to_value(speed_up)?;
        if let Value::Object(fields) = &mut line {
            fields.insert("type".to_owned(), json!("speed-up"));
        }
        print_json(&line)?;
    }
    print_json(&SessionEvent::SessionFinished(Box::new(report)))?;
    Ok(())
}

/// What it came to, for people.
fn ended(report: &SessionReport, speed_up: Option<&SpeedUp>) -> Vec<Line> {
    let Some(speed_up) = speed_up.filter(|_| report.outcome == SessionOutcome::Validated) else {
        return summary(report);
    };
    let checks = report.validation.iter().flat_map(|validation| &validation.checks);
    let checks: Vec<_> = checks.map(|check| format!("`{}`", check.check.command)).collect();
    let mut lines = Vec::new();
    add_line!(lines, "Validated: everything merged passes {}.", checks.join(", "));
    if let (Some(branch), Some(diff)) = (&report.branch, &report.diff) {
        add_line!(
            lines,
            "  branch        {branch} ({} files, +{} -{})",
            diff.files,
            diff.insertions,
            diff.deletions
        );
    }
    let cost = &report.cost;
    add_line!(lines, "  cost          {} reported, {} estimated", cost.reported, cost.estimated);
    lines.extend(times(report, speed_up));
    lines
}

/// How long each task took and how long all of them, at once and one at a time.
fn times(report: &SessionReport, speed_up: &SpeedUp) -> Vec<Line> {
    let rows = speed_up.tasks.iter().map(|task| {
        let title = report.tasks.iter().find(|known| known.id == task.task);
        let title = title.map(|known| known.title.clone()).unwrap_or_default();
        vec![
            "   ".to_owned(),
            task.task.to_string(),
            seconds(task.time),
            who(report, &task.task),
            title,
        ]
    });
    let path: Vec<_> = speed_up.critical_path.iter().map(TaskId::as_str).collect();
    let SpeedUp { sum, longest, session, times_as_fast, possible, reached, .. } = speed_up;
    let (sum, longest, session) = (seconds(*sum), seconds(*longest), seconds(*session));
    let mut lines = Vec::new();
    add_line!(lines, "  one at a time {sum}, which is the time of all tasks together:");
    lines.extend(table(&rows.collect::<Vec<_>>()));
    add_line!(lines, "  longest path  {longest}, which is {}", path.join(" → "));
    add_line!(
        lines,
        "  at once       {session}: {times_as_fast:.1} times as fast. The plan allows {possible:.1}, so that is {reached:.2} of what is possible."
    );
    lines
}

/// Who worked on a task and on its conflict, in the order of their attempts.
fn who(report: &SessionReport, task: &TaskId) -> String {
    let conflict = format!("{task}.merge");
    let of_task = |known: &&TaskReport| known.id == *task || known.id.as_str() == conflict;
    let all =
        report.tasks.iter().filter(of_task).flat_map(|known| {
            report.executions.iter().filter(|execution| execution.task == known.id)
        });
    let mut names: Vec<(&str, usize)> = Vec::new();
    for execution in all {
        match names.last_mut() {
            Some((last, times)) if *last == execution.executor => *times += 1,
            _ => names.push((&execution.executor, 1)),
        }
    }
    let shown = |(name, times): (&str, usize)| match times {
        1 => name.to_owned(),
        times => format!("{name} ×{times}"),
    };
    names.into_iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// What was real, what was not, and where to look.
pub(super) fn epilogue(kept: Option<&Path>, session: &SessionId) {
    REAL.lines().for_each(|line| say!("{line}"));
    match kept {
        Some(path) => {
            let path = path.display();
            say!(
                "Everything is in {path}: the repository in words, its remote in origin.git, Cyrus's home in cyrus-home."
            );
            say!("  git -C {path}/words log --graph --oneline");
            say!("  cyrus --cyrus-home {path}/cyrus-home session show {session}");
        }
        None => say!("It was removed again; `cyrus demo --keep` leaves it there to look at."),
    }
    say!("For real work: `cyrus doctor`, then `cyrus run \"what is to be done\"` in a repository.");
}

const REAL: &str = "\
Real: the orchestrator, both executors (WebAssembly components in their sandbox), the clones, the commits, the
branches that the cloud pushed, the merges, the checks, the store. Simulated: the `claude` program, its model, and
the Codegen service; so the money was not spent either. That it runs out of tokens, that a first result is wrong and
that two tasks change the same line was arranged.";
