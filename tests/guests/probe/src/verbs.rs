//! What the verbs do.

use crate::{
    bindings::{
        cyrus::executor::{
            context::{Answer, Choice, Question, QuestionKind},
            log,
            types::{
                ErrorKind, Event, ExecutionError, Outcome, Progress, RemoteBranch, Suspension,
                WorkProduct,
            },
        },
        wasi::clocks::monotonic_clock::wait_for,
    },
    files, flood,
    guest::{Done, Work, be_deaf, done, error, usage},
    hostile, http, process,
};

const HOUR: u64 = 3_600_000_000_000;

pub(crate) async fn perform(mut work: Work) -> Done {
    let words = std::mem::take(&mut work.words);
    let rest: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    if !["events", "flood"].contains(&words[0].as_str()) {
        let begun = Progress { message: "begun".to_owned(), fraction: None };
        let _ = work.events.write_all(vec![Event::Progress(begun)]).await;
    }
    match words[0].as_str() {
        "echo" => echo(work, &rest).await,
        "context" => context(&work),
        "timer" => timer().await,
        "deaf" => {
            be_deaf();
            timer().await
        }
        "get" => done(http::get(&rest).await?),
        "get-many" => done(http::get_many(rest[0], number(rest[1])).await),
        "post" => done(http::post(rest[0], number(rest[1])).await?),
        "run" => done(process::run(rest[0], &rest[1..]).await?),
        "run-backwards-late" => done(process::run_backwards_late(rest[0], &rest[1..]).await?),
        "run-backwards" => done(process::run_backwards(rest[0], &rest[1..]).await?),
        "run-many" => done(process::run_many(rest[0], number(rest[1]), &rest[2..])),
        "feed" => done(process::feed(rest[0], rest[1]).await?),
        "signal" => done(process::signal(rest[0], &rest[1..]).await?),
        "leave" => process::leave(rest[0], &rest[1..]).await,
        "wait" => done(process::wait_only(rest[0], &rest[1..]).await?),
        "files" => match work.context.workspace() {
            Some(workspace) => done(workspace.path),
            None => Err(error(ErrorKind::Failed, "there are no files to work on")),
        },
        "read" => done(std::fs::read_to_string(rest[0]).unwrap_or_else(|e| format!("error: {e}"))),
        "write" => done(
            std::fs::write(rest[0], rest[1])
                .map_or_else(|e| format!("error: {e}"), |()| "written".into()),
        ),
        "fs" => done(files::perform(&rest)),
        "fs-all" => {
            let each = rest.split(|word| *word == ";;");
            done(each.map(files::perform).collect::<Vec<_>>().join("\n"))
        }
        "surroundings" => done(surroundings()),
        "checkpoint" => {
            let saved = work.context.checkpoint(rest[0]).await;
            done(format!("{saved:?}"))
        }
        "spend" => done(format!("{:?}", work.context.spend(usage()).await)),
        "ask" => ask(work, &rest).await,
        "ask-other" => ask_other(work, rest[0]).await,
        "ask-large" => {
            let question = question("large", "tool", &"x".repeat(number(rest[0]) << 10));
            done(format!("{:?}", work.context.ask(&question).await))
        }
        "suspend" => suspend(work, number(rest[0]), rest.get(1).copied()).await,
        "fail" => Err(error(kind(rest[0]), rest[1..].join(" "))),
        "branch" => branch(rest[0], rest.get(1).copied()),
        "log" => {
            for line in 0..number(rest[0]) {
                log::log(log::Level::Info, &format!("line {line} {}", rest[1..].join(" ")));
            }
            done("logged")
        }
        "events" => events(work, number(rest[0]), number(rest[1])).await,
        "flood" => flood::of(work, rest[0]).await,
        other => hostile::perform(work, other, &rest).await,
    }
}

/// What `probe` does.
pub(crate) async fn look(words: Vec<String>) -> Result<String, ExecutionError> {
    let rest: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    match words[0].as_str() {
        "run" => process::run(rest[0], &rest[1..]).await,
        "get" => http::get(&rest).await,
        "timer" => {
            wait_for(HOUR).await;
            Ok("late".to_owned())
        }
        _ => Ok("well".to_owned()),
    }
}

pub(crate) fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

async fn timer() -> Done {
    wait_for(HOUR).await;
    done("an hour later")
}

async fn echo(mut work: Work, rest: &[&str]) -> Done {
    let text = rest.join(" ");
    let _ = work.events.write_all(vec![Event::Message(text.clone())]).await;
    done(text)
}

fn context(work: &Work) -> Done {
    let context = &work.context;
    let limits = context.limits();
    let text = format!(
        "id={} key={} attempt={} settings={} repository={:?} workspace={:?} attachments={:?} model={:?} \
         prompt={:?} allowed={:?} disallowed={:?} mcp={:?} schema={:?} cost={:?} turns={:?} resume={:?} \
         findings={:?} extension={:?}/{:?}",
        context.execution_id(),
        context.idempotency_key(),
        context.attempt(),
        context.settings(),
        context.repository(),
        context.workspace(),
        context.attachments(),
        context.model(),
        context.system_prompt(),
        context.allowed_tools(),
        context.disallowed_tools(),
        context.mcp_servers(),
        context.output_schema(),
        limits.max_cost,
        limits.max_turns,
        context.resume(),
        context.findings(),
        context.extension("known"),
        context.extension("unknown"),
    );
    done(text)
}

fn surroundings() -> String {
    let variables = std::env::vars().count();
    let arguments = std::env::args().count();
    let socket = std::net::TcpStream::connect("127.0.0.1:9").map_err(|e| e.kind());
    let root: Vec<_> = ["/", "/etc/passwd", "/workspace", "/tmp"]
        .into_iter()
        .filter(|path| std::fs::metadata(path).is_ok())
        .collect();
    format!("variables={variables} arguments={arguments} socket={socket:?} files={root:?}")
}

async fn ask(work: Work, rest: &[&str]) -> Done {
    let deadline = rest.get(2).map(|ms| number(ms) as u64);
    let question = Question { deadline, ..question(rest[0], rest[1], "{}") };
    let first = work.context.ask(&question).await;
    if matches!(first, Answer::Cancelled) {
        return done("cancelled");
    }
    let again = work.context.ask(&question).await;
    done(format!("{first:?} then {again:?}"))
}

fn question(id: &str, subject: &str, input: &str) -> Question {
    Question {
        id: id.to_owned(),
        kind: QuestionKind::ToolPermission,
        subject: subject.to_owned(),
        input: input.to_owned(),
        choices: Vec::new(),
        deadline: None,
    }
}

/// Puts a harmless question, and then others under its id: which of them the host answers as it did the first.
async fn ask_other(work: Work, id: &str) -> Done {
    let first = question(id, "Read", "{\"path\":\"a\"}");
    let harmless = work.context.ask(&first).await;
    let choice = Choice { id: "allow".to_owned(), label: "Allow".to_owned() };
    let others = [
        Question { subject: "Bash".to_owned(), ..first.clone() },
        Question { input: "{\"command\":\"rm -rf /\"}".to_owned(), ..first.clone() },
        Question { kind: QuestionKind::UserQuestion, ..first.clone() },
        Question { choices: vec![choice], ..first.clone() },
        Question { subject: "Read\u{0}".to_owned(), input: String::new(), ..first.clone() },
    ];
    let mut said = vec![format!("{harmless:?}")];
    for other in &others {
        said.push(format!("{:?}", work.context.ask(other).await));
    }
    said.push(format!("{:?}", work.context.ask(&first).await));
    done(said.join("\n"))
}

/// Suspends itself so many times, then does what the last word says, if there is one.
async fn suspend(work: Work, times: usize, then: Option<&str>) -> Done {
    let been = work.context.resume().map_or(0, |token| number(&token));
    if been < times {
        let wake_after = if then == Some("long") { 3_600_000 } else { 1 };
        let checkpoint = (been + 1).to_string();
        return Ok(Outcome::Suspended(Suspension { checkpoint, wake_after, usage: usage() }));
    }
    if then.is_some() {
        wait_for(HOUR).await;
    }
    done(format!("resumed {been} times"))
}

async fn events(mut work: Work, count: usize, size: usize) -> Done {
    let mut left = count;
    while left > 0 {
        let batch = left.min(256);
        let events = (0..batch).map(|_| Event::Message("x".repeat(size))).collect();
        if !work.events.write_all(events).await.is_empty() {
            return done("nobody reads");
        }
        left -= batch;
    }
    done(format!("sent {count}"))
}

fn kind(word: &str) -> ErrorKind {
    match word {
        "unavailable" => ErrorKind::Unavailable,
        "unauthorized" => ErrorKind::Unauthorized,
        "failed" => ErrorKind::Failed,
        other => ErrorKind::Other(other.to_owned()),
    }
}

/// Says that the result is on a branch, of a remote where one is named.
fn branch(name: &str, remote: Option<&str>) -> Done {
    let (name, remote) = (name.to_owned(), remote.map(str::to_owned));
    match done("pushed")? {
        Outcome::Completed(mut result) => {
            result.product = WorkProduct::Branch(RemoteBranch { remote, name, commit: None });
            Ok(Outcome::Completed(result))
        }
        other => Ok(other),
    }
}
