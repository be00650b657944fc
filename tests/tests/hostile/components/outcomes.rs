//! Outcomes that are bombs, and outcomes that lie.

use super::attack::{Attack, Outcomes, Stop};
use crate::case::Case;
use cyrus_executor::{ErrorKind, Outcome};
use std::time::Duration;

const GROUP: &str = "outcomes";

fn attack(name: &str, prompt: &str, stop: Stop) -> Attack {
    Attack::new(GROUP, name, prompt, stop)
}

pub(crate) fn cases() -> Vec<Case> {
    use Stop::{Deadline, Ignored, Limit, Refused, Stopped};
    const OUTCOME: Stop = Limit(&["outcome", "call-bytes"]);
    let small = r#"{"outcomeKib": 64, "stopGraceSeconds": 0}"#;
    let attacks = [
        attack("a_huge_summary", "outcome-summary 65", OUTCOME).limits(small),
        attack("larger_than_a_call", "outcome-summary 8192", OUTCOME),
        attack("a_hundred_thousand_links", "outcome-lists links 100000", OUTCOME).limits(small),
        attack("a_hundred_thousand_denials", "outcome-lists denials 100000", OUTCOME).limits(small),
        attack("a_hundred_thousand_extensions", "outcome-lists extensions 100000", OUTCOME)
            .limits(small),
        attack("deep_json", "outcome-json deep 30000", Ignored).limits(small).check(is_text),
        attack("wide_json", "outcome-json wide 60000", OUTCOME).limits(small),
        attack("empty_objects", "outcome-json empty 60000", OUTCOME).limits(small),
        attack("escapes_in_each_field", "outcome-text", Ignored).check(no_control),
        attack("escapes_in_an_error", "other-kind", Refused("FORGED")).check(error_is_bounded),
        attack("a_huge_checkpoint", "outcome-checkpoint 3000", OUTCOME).check(no_checkpoint),
        attack("a_checkpoint_longer_than_a_saved_one", "outcome-checkpoint 65", OUTCOME)
            .check(no_checkpoint),
        attack("a_checkpoint_longer_than_a_saved_one_of_a_suspension", "suspend-large 65", OUTCOME),
        attack("a_huge_checkpoint_of_a_suspension", "suspend-large 3000", OUTCOME),
        attack("asleep_for_ever_past_its_deadline", "sleep-forever", Deadline)
            .deadline(Duration::from_millis(50)),
        attack("asleep_for_ever_against_a_stop", "sleep-forever", Stopped),
        attack("suspended_again_and_again_past_its_deadline", "suspend-flood", Deadline)
            .deadline(Duration::from_millis(300)),
        attack("suspended_again_and_again_against_a_stop", "suspend-flood", Stopped),
        attack("a_stop_that_nobody_asked_for", "claim-cancelled", Refused("operator"))
            .check(not_by_the_host),
    ];
    attacks.into_iter().map(Attack::case).collect()
}

fn is_text(outcomes: &Outcomes) {
    let Ok(Outcome::Completed(result)) = &outcomes.outcome else { panic!("it completed") };
    assert!(result.structured.as_ref().is_some_and(serde_json::Value::is_string));
}

/// JSON is data: what prints it escapes it. Everything else is text.
fn no_control(outcomes: &Outcomes) {
    let texts = match &outcomes.outcome {
        Ok(Outcome::Completed(result)) => {
            let links = result.links.iter().flat_map(|l| [&l.kind, &l.title, &l.url]);
            let denials = result.denials.iter().flat_map(|d| [&d.tool, &d.reason]);
            let extensions = result.extensions.iter().map(|(name, _)| name);
            links.chain(denials).chain(extensions).chain([&result.summary]).cloned().collect()
        }
        Ok(Outcome::Suspended(_)) => Vec::new(),
        Err(error) => vec![error.message.clone(), error.kind.to_string()],
    };
    assert!(!texts.is_empty());
    for text in texts {
        let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!text.contains(obeyed), "{text:?}");
    }
}

fn error_is_bounded(outcomes: &Outcomes) {
    let error = outcomes.error();
    assert!(error.message.len() <= 16 << 10, "{}", error.message.len());
    let ErrorKind::Other(code) = &error.kind else { panic!("{error:?}") };
    assert!(code.len() <= 1024, "{}", code.len());
    no_control(outcomes);
}

fn no_checkpoint(outcomes: &Outcomes) {
    assert_eq!(outcomes.error().checkpoint, None);
}

/// It may say that it was cancelled; that the host did it is not for it to say.
fn not_by_the_host(outcomes: &Outcomes) {
    assert_eq!(outcomes.error().host, None);
}
