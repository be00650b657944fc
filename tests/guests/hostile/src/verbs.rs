//! Which attack a verb is.

use crate::{
    bindings::{
        cyrus::executor::types::{ErrorKind, Event, Progress},
        wasi::clocks::monotonic_clock::wait_for,
    },
    crash, events, files,
    guest::{Done, OnStop, Work, done, error, on_stop},
    http, outcome, process, session, text,
};

const HOUR: u64 = 3_600_000_000_000;

pub(crate) async fn perform(mut work: Work) -> Done {
    let words = std::mem::take(&mut work.words);
    let rest: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let begun = Progress { message: "begun".to_owned(), fraction: None };
    work.send(vec![Event::Progress(begun)]).await?;
    match words[0].as_str() {
        "echo" => done(rest.join(" ")),
        "now" => {
            crash::now(rest[0]);
            done("survived")
        }
        "after" => {
            crash::keep(work);
            done("before the crash")
        }
        "memory" => crash::memory(number(rest[0])),
        "handles" => crash::handles(rest[0], number(rest[1])),
        "tasks" => crash::tasks(number(rest[0])),
        "block" => {
            std::thread::sleep(std::time::Duration::from_secs(3600));
            done("an hour later")
        }
        "wait" => {
            wait_for(HOUR).await;
            done("an hour later")
        }
        "never" => std::future::pending().await,
        "keep" => {
            std::mem::forget(work);
            done("kept")
        }
        "on-stop" => {
            on_stop(match rest[0] {
                "wait" => OnStop::Wait,
                "spin" => OnStop::Spin,
                "trap" => OnStop::Trap,
                "afterwards" => OnStop::SpinAfterwards,
                _ => OnStop::Lie,
            });
            wait_for(HOUR).await;
            done("an hour later")
        }
        "flood" => events::flood(work, &rest).await,
        "each-huge" => events::each(work, &"x".repeat(number(rest[0]) << 10)).await,
        "each-escapes" => events::each(work, text::ESCAPES).await,
        "json" => events::json(work, &rest).await,
        "steps" => events::steps(work, number(rest[0])).await,
        "random" => events::random(work, &rest).await,
        "close-events" => events::close(work).await,
        "usage-lie" => events::lie_about_usage(work).await,
        "unread-checkpoints" => session::unread_checkpoints(work, &rest).await,
        "unread-questions" => session::unread_questions(work, &rest).await,
        "long-questions" => session::long_questions(work, &rest).await,
        "long-request" => crate::http::long_request(number(rest[0])),
        "large-checkpoint" => session::large_checkpoint(work, number(rest[0])).await,
        "checkpoints" => session::checkpoints(work, &rest).await,
        "checkpoints-at-once" => session::checkpoints_at_once(work, number(rest[0])).await,
        "spend" => session::spend(work).await,
        "same-question" => session::same_question(work, rest[0]).await,
        "questions" => session::questions(work, &rest).await,
        "terminal-question" => session::terminal_question(work).await,
        "log-flood" => session::log_flood(&rest),
        "log-forgery" => session::log_forgery(),
        verb => other(work, verb, &rest).await,
    }
}

async fn other(work: Work, verb: &str, rest: &[&str]) -> Done {
    if let Some(done) = outcome::lie(&work, verb, rest).or_else(|| files::attempt(verb, rest)) {
        return done;
    }
    if let Some(done) = http::attempt(verb, rest).await {
        return done;
    }
    if let Some(done) = process::attempt(verb, rest).await {
        return done;
    }
    Err(error(ErrorKind::InvalidRequest, format!("no such attack: {verb}")))
}

pub(crate) fn number(word: &str) -> usize {
    word.parse().expect("a number")
}
