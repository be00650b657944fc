//! Outcomes that lie, and outcomes that are bombs.

use crate::{
    bindings::cyrus::executor::types::{
        Denial, ErrorKind, Link, Outcome, RemoteBranch, Suspension, WorkProduct,
    },
    events::impossible,
    guest::{Done, Work, error, result, usage},
    text,
    verbs::number,
};

pub(crate) fn lie(work: &Work, verb: &str, rest: &[&str]) -> Option<Done> {
    Some(match verb {
        "outcome-summary" => Ok(Outcome::Completed(result("x".repeat(number(rest[0]) << 10)))),
        "outcome-lists" => lists(rest[0], number(rest[1])),
        "outcome-json" => {
            let json = text::json(rest[0], number(rest[1]));
            let mut result = result("done");
            result.extensions = vec![("k".to_owned(), json.clone())];
            result.structured = Some(json);
            Ok(Outcome::Completed(result))
        }
        "outcome-text" => everywhere(text::ESCAPES),
        "outcome-usage" => {
            let mut result = result("used everything");
            result.usage = impossible();
            Ok(Outcome::Completed(result))
        }
        "outcome-checkpoint" => {
            let mut result = result("done");
            result.checkpoint = Some("x".repeat(number(rest[0]) << 10));
            Ok(Outcome::Completed(result))
        }
        "branch" => {
            let mut result = result("pushed");
            let remote = (rest[0] != "-").then(|| rest[0].replace('_', " "));
            let commit = rest.get(2).map(|commit| (*commit).to_owned());
            result.product =
                WorkProduct::Branch(RemoteBranch { remote, name: rest[1].to_owned(), commit });
            Ok(Outcome::Completed(result))
        }
        "workspace" => {
            let mut result = result("it is in the workspace");
            result.product = WorkProduct::Workspace;
            Ok(Outcome::Completed(result))
        }
        "retry-after" => {
            let mut error = error(ErrorKind::RateLimited, "later");
            error.retry_after = Some(number(rest[0]) as u64);
            Err(error)
        }
        "retry-never" => {
            let mut error = error(ErrorKind::RateLimited, "never");
            error.retry_after = Some(u64::MAX);
            error.usage = Some(impossible());
            Err(error)
        }
        "sleep-forever" => Ok(suspended(u64::MAX, "1".to_owned())),
        // Suspends itself again and again, and is due at once.
        "suspend-flood" => Ok(suspended(0, "again".to_owned())),
        "suspend-large" => Ok(suspended(0, "x".repeat(number(rest[0]) << 10))),
        "other-kind" => {
            Err(error(ErrorKind::Other(text::ESCAPES.repeat(1000)), text::ESCAPES.repeat(1000)))
        }
        "claim-cancelled" => Err(error(ErrorKind::Cancelled, "the operator asked")),
        "settings" => Ok(Outcome::Completed(result(work.context.settings()))),
        _ => return None,
    })
}

fn suspended(wake_after: u64, checkpoint: String) -> Outcome {
    Outcome::Suspended(Suspension { checkpoint, wake_after, usage: usage() })
}

/// Long lists of nothing: what they cost is not in their texts.
fn lists(which: &str, count: usize) -> Done {
    let mut result = result("done");
    let nothing = String::new;
    match which {
        "links" => {
            let link = Link { kind: nothing(), title: nothing(), url: nothing() };
            result.links = vec![link; count];
        }
        "denials" => {
            let denial = Denial { tool: nothing(), input: nothing(), reason: nothing() };
            result.denials = vec![denial; count];
        }
        _ => result.extensions = vec![(nothing(), nothing()); count],
    }
    Ok(Outcome::Completed(result))
}

/// A text in each field of an outcome.
fn everywhere(text: &str) -> Done {
    let text = || text.to_owned();
    let mut result = result(text());
    result.links = vec![Link { kind: text(), title: text(), url: text() }];
    result.denials = vec![Denial { tool: text(), input: text(), reason: text() }];
    result.extensions = vec![(text(), text())];
    result.structured = Some(text());
    Ok(Outcome::Completed(result))
}
