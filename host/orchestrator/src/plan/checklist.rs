//! The plan in an issue's checklist. `docs/analysis.md` says what counts.

use super::{
    PlanSettings, parts,
    prompt::{self, Part},
    validate::PlanProblem,
};
use crate::analyse::{
    Facts, acceptance,
    boxes::Boxes,
    cut,
    outline::{What, outline},
    tags,
};
use cyrus_core::{Analysis, Issue, Needs, PlannedTask, Tags};
use cyrus_executor::{Task, TaskId, TaskKind};
use std::{collections::BTreeSet, ops::Range};

/// What comes before the numbers of other items.
const PHRASES: &[&str] = &["after", "depends on", "blocked by"];

/// The longest title of a task, in characters.
const TITLE_CHARS: usize = 200;

/// One item with a box, in the order of the text; the first is number 1. Of a checked one nothing else is known.
#[derive(Default)]
struct Item {
    checked: bool,
    /// Without tags and without the items it comes after.
    title: String,
    tags: Tags,
    /// What stands under it, that is no item with a box.
    details: String,
    /// The numbers it comes after.
    after: BTreeSet<usize>,
}

/// Where an item is in the text.
struct Found<'a> {
    checked: bool,
    text: &'a str,
    line: Range<usize>,
    details: Range<usize>,
    /// The item with a box that it stands under, by its place.
    parent: Option<usize>,
}

/// The tasks of the checklist: one for each of these boxes of the issue that is not checked, whose body is `body`
/// without comments. `None` when there is no such item.
pub(super) fn tasks(
    issue: &Issue,
    body: &str,
    boxes: &Boxes,
    analysis: &Analysis,
    settings: &PlanSettings,
) -> Option<Result<Vec<PlannedTask>, PlanProblem>> {
    let found = find(body, boxes);
    let open = found.iter().filter(|item| !item.checked).count();
    if open == 0 {
        return None;
    }
    let max = settings.limits.max_tasks;
    if open > max || found.len() > max.saturating_mul(20) {
        let count = open.max(found.len() / 20);
        return Some(Err(PlanProblem::TooManyTasks { count, max }));
    }
    let outside = Facts::of_text(&issue.title, &outside(body, &found), &issue.labels);
    let mut list = Checklist {
        items: found.iter().map(|item| read(item, found.len(), body)).collect(),
        children: vec![Vec::new(); found.len()],
        shared: crate::analyse::needs(&settings.rules, &outside),
        context: prompt::context(issue, open),
    };
    list.inherit(&found);
    for at in (0..found.len()).filter(|at| !found[*at].checked) {
        let mut above = std::iter::successors(found[at].parent, |parent| found[*parent].parent);
        if let Some(parent) = above.find(|parent| !found[*parent].checked) {
            list.children[parent].push(at);
        }
    }
    let places = (0..found.len()).filter(|at| !found[*at].checked);
    Some(places.map(|at| list.task(at, analysis, settings)).collect())
}

/// The items, and what all of their tasks have in common.
struct Checklist {
    items: Vec<Item>,
    /// The places of the items under each that are not checked, with none between that is open.
    children: Vec<Vec<usize>>,
    shared: Needs,
    context: String,
}

impl Checklist {
    /// What an item waits for, those under it wait for too, unless it is one of them.
    fn inherit(&mut self, found: &[Found<'_>]) {
        let mut last: Vec<usize> = (0..found.len()).collect();
        for at in (0..found.len()).rev() {
            if let Some(parent) = found[at].parent {
                last[parent] = last[parent].max(last[at]);
            }
        }
        for (at, item) in found.iter().enumerate() {
            let Some(parent) = item.parent else { continue };
            let under = parent + 2..=last[parent] + 1;
            let above = &self.items[parent].after;
            let more: Vec<_> = above.iter().copied().filter(|n| !under.contains(n)).collect();
            self.items[at].after.extend(more);
        }
    }

    /// The places that the item at this place comes after and that are not done: those it names and those under it.
    fn before(&self, at: usize) -> Result<BTreeSet<usize>, PlanProblem> {
        let item = &self.items[at];
        if let Some(number) = item.after.iter().find(|number| **number > self.items.len()) {
            let after = format!("number {number} of the list");
            return Err(PlanProblem::UnknownDependency { task: id(at), after });
        }
        let named = item.after.iter().map(|number| number - 1);
        let open = named.filter(|place| !self.items[*place].checked);
        Ok(open.chain(self.children[at].iter().copied()).collect())
    }

    fn task(
        &self,
        at: usize,
        analysis: &Analysis,
        settings: &PlanSettings,
    ) -> Result<PlannedTask, PlanProblem> {
        let item = &self.items[at];
        let before = self.before(at)?;
        let gathers = !self.children[at].is_empty();
        let part = Part {
            title: &item.title,
            details: &item.details,
            after: before.iter().map(|place| self.items[*place].title.as_str()).collect(),
            gathers,
        };
        let task = Task {
            id: id(at),
            kind: TaskKind::BUILDER,
            title: cut(&item.title, TITLE_CHARS),
            prompt: prompt::of_part(&part, &self.context),
        };
        let facts = Facts::of_text(&item.title, &item.details, &[]);
        let mut task = parts::task(task, facts, self.shared, analysis, settings);
        if gathers {
            task.task.kind = TaskKind::ORCHESTRATOR;
        }
        task.after = before.into_iter().map(id).collect();
        task.acceptance = acceptance::commands(&acceptance::read(&item.details));
        task.executor = item.tags.agent.clone().or(task.executor);
        task.model = item.tags.model.clone().or(task.model);
        Ok(task)
    }
}

/// The task of the item at this place: `t1` is the first item of the text, checked or not.
fn id(at: usize) -> TaskId {
    TaskId::numbered(at + 1)
}

/// The items with a box that is a task's.
fn find<'a>(body: &'a str, known: &Boxes) -> Vec<Found<'a>> {
    let mut found: Vec<Found<'_>> = Vec::new();
    // The list items that are open here, with the item with a box that each is or stands under.
    let mut above: Vec<(usize, Option<usize>)> = Vec::new();
    let mut last: Option<(usize, usize)> = None;
    for line in outline(body) {
        let boxed = match line.what {
            What::Item { checked: Some(checked), text }
                if known.work.contains_key(&line.at.start) =>
            {
                Some((checked, text))
            }
            _ => None,
        };
        if let Some((place, indent)) = last {
            if boxed.is_some() || line.indent <= indent {
                last = None;
            } else {
                found[place].details.end = line.at.end;
            }
        }
        if line.what == What::Aside {
            continue;
        }
        while above.last().is_some_and(|(indent, _)| *indent >= line.indent) {
            above.pop();
        }
        let parent = above.last().and_then(|(_, place)| *place);
        if let Some((checked, text)) = boxed {
            last = Some((found.len(), line.indent));
            above.push((line.indent, Some(found.len())));
            let details = line.at.end..line.at.end;
            found.push(Found { checked, text, line: line.at, details, parent });
        } else if matches!(line.what, What::Item { .. }) {
            above.push((line.indent, parent));
        }
    }
    found
}

fn read(item: &Found<'_>, items: usize, body: &str) -> Item {
    if item.checked {
        return Item { checked: true, ..Item::default() };
    }
    let details = dedent(&body[item.details.clone()]);
    let bare = tags::strip(item.text);
    let (title, mut after) = dependencies(&bare, items);
    for line in outline(&details).filter(|line| !line.acceptance) {
        after.extend(line.said().into_iter().flat_map(|said| dependencies(said, items).1));
    }
    Item {
        checked: false,
        title: if title.is_empty() { bare } else { title },
        tags: tags::of_part(item.text, &details),
        details,
        after,
    }
}

/// What is left of a text without its items: what it says of all of them.
fn outside(body: &str, found: &[Found<'_>]) -> String {
    let mut rest = String::new();
    let mut from = 0;
    for item in found {
        rest.push_str(&body[from..item.line.start]);
        from = item.details.end;
    }
    rest.push_str(&body[from..]);
    rest
}

/// A text without the white space that all of its lines begin with.
fn dedent(text: &str) -> String {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let blank = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = lines().map(blank).min().unwrap_or(0);
    let bare: Vec<_> = text.lines().map(|line| line.get(common..).unwrap_or("")).collect();
    bare.join("\n")
}

/// An item's text without the clauses that name other items, and those items' numbers. `#7` always names one; a
/// bare number only when there is such an item and nothing else follows, because "after 2 tries" is no order.
fn dependencies(text: &str, items: usize) -> (String, BTreeSet<usize>) {
    let lower = text.to_ascii_lowercase();
    let mut numbers = BTreeSet::new();
    let mut kept = String::new();
    let mut from = 0;
    let mut at = 0;
    while let Some((start, end)) = next_phrase(&lower, at) {
        at = end;
        let Some((length, found)) = number_list(&text[end..], items) else { continue };
        numbers.extend(found);
        let open = text[from..start].trim_end().strip_suffix(['(', '[']);
        kept.push_str(open.unwrap_or(&text[from..start]));
        at = end + length;
        if open.is_some() && text[at..].starts_with([')', ']']) {
            at += 1;
        }
        from = at;
    }
    kept.push_str(&text[from..]);
    let words: Vec<_> = kept.split_whitespace().collect();
    let title = words.join(" ");
    (title.trim_end_matches([',', ';', ':', '-', '–', '—', ' ']).to_owned(), numbers)
}

/// Where the next of the phrases is that stands alone.
fn next_phrase(lower: &str, from: usize) -> Option<(usize, usize)> {
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    lower[from..].char_indices().map(|(at, _)| from + at).find_map(|start| {
        let phrase = PHRASES.iter().find(|phrase| lower[start..].starts_with(*phrase))?;
        let end = start + phrase.len();
        let alone = apart(lower[..start].chars().next_back()) && apart(lower[end..].chars().next());
        alone.then_some((start, end))
    })
}

/// The numbers a text begins with, `#2, #3 and #5-#7`, and how long that is. `None` when it does not.
fn number_list(text: &str, items: usize) -> Option<(usize, BTreeSet<usize>)> {
    let mut found = BTreeSet::new();
    let (mut rest, mut end) = (text.trim_start_matches([' ', ':']), 0);
    let (mut marked, mut previous) = (true, None);
    loop {
        let hash = rest.starts_with('#');
        let digits = rest[usize::from(hash)..].bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=6).contains(&digits) {
            break;
        }
        let length = usize::from(hash) + digits;
        let number: usize = rest[usize::from(hash)..length].parse().ok().filter(|n| *n > 0)?;
        marked &= hash;
        // A range that ends where there is no item is refused by its end.
        let first = previous.take().filter(|_| number <= items).unwrap_or(number);
        found.extend(first.min(number)..=number);
        rest = &rest[length..];
        end = text.len() - rest.len();
        let next = rest.trim_start();
        let next = match next.strip_prefix(['-', '–']) {
            Some(after) => {
                previous = Some(number);
                after
            }
            None => next.strip_prefix("and ").unwrap_or(next.trim_start_matches([',', '&'])),
        };
        let next = next.trim_start();
        rest = next.strip_prefix("and ").unwrap_or(next).trim_start();
    }
    let after = text[end..].trim_start();
    let whole = after.is_empty() || after.starts_with([')', ']', '.', ',', ';', ':']);
    let known = found.iter().all(|number| *number <= items);
    (!found.is_empty() && (marked || whole && known)).then_some((end, found))
}
