//! Finds out what an issue is: the kind of work, how much there is to it, what it asks of the place it is done in,
//! what the result has to fulfil, and what has to be done before. `docs/analysis.md` says it for users.
//!
//! The rules are data and are tried in their order; reading is one pass over a text that is cut at
//! [`MAX_TEXT_BYTES`], whatever is in it.

pub(crate) mod acceptance;
mod blockers;
pub(crate) mod boxes;
pub(crate) mod facts;
pub(crate) mod outline;
pub(crate) mod rules;
mod tables;
pub(crate) mod tags;

pub use facts::Facts;
pub use rules::{AnalysisRules, Need, Rule, When};

use cyrus_core::{Analysis, Complexity, Issue, Needs, Urgency};
use cyrus_executor::TaskKind;
use std::collections::BTreeSet;

/// How much of a body is read, in bytes. What is behind it is not looked at, and that is said.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The most blockers that are kept.
pub(crate) const MAX_BLOCKERS: usize = 64;

/// The most problems that are told.
const MAX_PROBLEMS: usize = 20;

/// What an issue is, by these rules. What somebody wrote into it for Cyrus itself is in the tags, and wins where
/// they say something.
pub fn analyse(issue: &Issue, rules: &AnalysisRules) -> Analysis {
    let whole = issue.body.len() <= MAX_TEXT_BYTES;
    let visible = outline::without_comments(head(&issue.body, MAX_TEXT_BYTES));
    let read;
    let issue = if whole && visible == issue.body {
        issue
    } else {
        read = Issue { body: visible.into_owned(), ..issue.clone() };
        &read
    };
    let body = &issue.body;
    let mut facts = Facts::of_issue(issue);
    let (kind, because) = kind(rules, &facts, &TaskKind::BUILDER);
    facts.kind = Some(kind.clone());
    let mut tagged = tags::read(&issue.title, body);
    for sub in issue.sub_issues.iter().filter(|sub| !sub.done) {
        let problems = tags::read(&sub.title, &outline::without_comments(&sub.body)).of_part();
        let named = problems.iter().map(|problem| format!("{}: {problem}", sub.identifier));
        tagged.problems.extend(named);
    }
    if !whole {
        tagged.problems.push(format!(
            "the issue is longer than {} KiB: what is behind that was not read",
            MAX_TEXT_BYTES >> 10
        ));
    }
    tagged.problems.truncate(MAX_PROBLEMS);
    let urgency = issue.urgency.or_else(|| Some(rules::first(&rules.urgencies, &facts)?.0));
    Analysis {
        kind,
        because,
        complexity: complexity(rules, &facts),
        needs: needs(rules, &facts),
        urgency: urgency.unwrap_or(Urgency::Normal),
        acceptance: acceptance::read(body),
        blockers: blockers(issue, body),
        tags: tagged.tags,
        problems: tagged.problems,
    }
}

/// The kind of work, and why.
pub(crate) fn kind(rules: &AnalysisRules, facts: &Facts, default: &TaskKind) -> (TaskKind, String) {
    rules::first(&rules.kinds, facts)
        .unwrap_or_else(|| (default.clone(), format!("default: no rule applies, so {default}")))
}

pub(crate) fn complexity(rules: &AnalysisRules, facts: &Facts) -> Complexity {
    rules::first(&rules.complexities, facts).map_or(Complexity::Medium, |(found, _)| found)
}

pub(crate) fn needs(rules: &AnalysisRules, facts: &Facts) -> Needs {
    let mut needs = Needs::default();
    for rule in rules.needs.iter().filter(|rule| rule.when.found(facts).is_some()) {
        match rule.then {
            Need::LocalContext => needs.local_context = true,
            Need::Isolation => needs.isolation = true,
            Need::Parallelism => needs.parallelism = true,
        }
    }
    needs
}

/// The issues that have to be done before, each once; neither the issue itself nor its parts.
fn blockers(issue: &Issue, body: &str) -> Vec<String> {
    let own = issue.sub_issues.iter().map(|sub| sub.identifier.as_str());
    let mut seen: BTreeSet<&str> = own.chain(issue.identifier.as_deref()).collect();
    let read = blockers::read(body);
    let named = issue.blocked_by.iter().chain(&read);
    let new = named.filter(|name| seen.insert(name.as_str()));
    new.take(MAX_BLOCKERS).cloned().collect()
}

/// The beginning of a text, at most so many bytes.
pub(crate) fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The beginning of a text, at most so many characters, with a mark where something is missing.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    if text.char_indices().nth(chars).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars - 1).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests;
