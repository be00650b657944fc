//! Which boxes of a text are tasks. An issue form has boxes by which its reporter confirms or picks something; those
//! are context, and the plan says so.

use super::outline::{What, is_like_box, outline};
use cyrus_core::form::{self, Section};
use cyrus_executor::text::is_issue_key;
use std::collections::BTreeMap;

/// The most titles that a note names.
const MAX_TITLES: usize = 5;

/// The most lists that are kept for a note.
const MAX_LISTS: usize = 50;

/// The boxes of a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Boxes {
    /// Those that are tasks, by where their lines begin, and whether each is checked.
    pub(crate) work: BTreeMap<usize, bool>,
    /// The lists that are not, by their titles, and why.
    context: Vec<(String, Because)>,
    /// Items beside them that look like boxes, and are none.
    alike: Vec<String>,
}

/// Why boxes are no tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Because {
    Statements,
    Choices,
    NotNow,
    Steps,
    References,
    Form,
}

impl Because {
    fn as_str(self) -> &'static str {
        match self {
            Self::Statements => "what the reporter confirms",
            Self::Choices => "what the reporter picked",
            Self::NotNow => "not part of this issue",
            Self::Steps => "steps to see the problem or the result",
            Self::References => "references to other issues",
            Self::Form => "fields of a form",
        }
    }
}

/// The boxes under one title.
#[derive(Default)]
struct List<'a> {
    title: &'a str,
    /// The line right before the first.
    intro: &'a str,
    items: Vec<Item<'a>>,
}

struct Item<'a> {
    at: usize,
    indent: usize,
    checked: bool,
    text: &'a str,
}

/// Reads the boxes of a text, which has no comments any more.
pub(crate) fn read(body: &str) -> Boxes {
    let mut lists = vec![List::default()];
    let (mut headings, mut form_headings) = (0, 0);
    let mut intro = "";
    let (mut alike, mut under) = (Vec::new(), None);
    for line in outline(body) {
        match line.what {
            What::Heading(title) => {
                headings += 1;
                form_headings += usize::from(form::is_form_heading(title, 2));
                lists.push(List { title, ..List::default() });
            }
            What::Label if line.indent == 0 => {
                let title = body[line.at.clone()].trim();
                lists.push(List { title, ..List::default() });
            }
            What::Text(text) if line.indent == 0 => {
                let last =
                    lists.last().filter(|list| !list.items.is_empty()).map(|list| list.title);
                lists.extend(last.map(|title| List { title, ..List::default() }));
                intro = text;
                continue;
            }
            What::Item { checked: Some(checked), text } if !line.acceptance => {
                under = Some(line.indent);
                let item = Item { at: line.at.start, indent: line.indent, checked, text };
                if let Some(list) = lists.last_mut() {
                    list.intro = if list.items.is_empty() { intro } else { list.intro };
                    list.items.push(item);
                }
            }
            // What stands under an item with a box is part of it.
            What::Item { checked: None, text }
                if !line.acceptance
                    && is_like_box(text)
                    && under.is_none_or(|indent| line.indent <= indent) =>
            {
                alike.push(super::cut(text, 60));
            }
            _ => {}
        }
        intro = "";
    }
    let is_form = form_headings >= 2 && form_headings * 2 >= headings;
    let mut boxes = Boxes::default();
    for list in lists.into_iter().filter(|list| !list.items.is_empty()) {
        boxes.take(&list, is_form);
    }
    if !boxes.work.is_empty() {
        boxes.alike = alike;
    }
    boxes
}

impl Boxes {
    /// Why boxes are no tasks, and what is like a box and none, for the plan's note; `None` when there is neither.
    pub(crate) fn note(&self) -> Option<String> {
        let context = self.context.iter().map(|(title, because)| {
            let title = if title.is_empty() {
                "the boxes without a title".to_owned()
            } else {
                format!("\"{title}\"")
            };
            format!("{title} ({})", because.as_str())
        });
        let alike = self.alike.iter().map(|text| format!("\"{text}\""));
        let parts = [
            ("boxes that are context and no tasks: ", listed(context)),
            (
                "looks like an item of the checklist and is not counted (write `- [ ] …`): ",
                listed(alike),
            ),
        ];
        let parts = parts.into_iter().filter_map(|(what, all)| Some(format!("{what}{}", all?)));
        let parts: Vec<_> = parts.collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn leave(&mut self, title: String, because: Because) {
        let entry = (title, because);
        if self.context.len() < MAX_LISTS && !self.context.contains(&entry) {
            self.context.push(entry);
        }
    }

    fn take(&mut self, list: &List<'_>, is_form: bool) {
        let title = || super::cut(list.title.trim_matches(['*', '_', ':', ' ']), 60);
        if let Some(because) = judge(list, is_form) {
            self.leave(title(), because);
            return;
        }
        // What stands under a statement is part of it.
        let mut under: Option<usize> = None;
        for item in &list.items {
            if is_reference(item.text) {
                self.leave(title(), Because::References);
                continue;
            }
            if under.is_some_and(|indent| item.indent > indent) {
                continue;
            }
            under = (form::is_statement(item.text) && !form::is_imperative(item.text))
                .then_some(item.indent);
            if under.is_some() {
                self.leave(title(), Because::Statements);
            } else {
                self.work.insert(item.at, item.checked);
            }
        }
    }
}

/// The first few of these, and how many more there are.
fn listed(all: impl Iterator<Item = String>) -> Option<String> {
    let mut all: Vec<_> = all.collect();
    let more = all.len().saturating_sub(MAX_TITLES);
    all.truncate(MAX_TITLES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!all.is_empty()).then(|| format!("{}{more}", all.join(", ")))
}

/// Why none of these boxes is a task; `None` when they read as work.
fn judge(list: &List<'_>, is_form: bool) -> Option<Because> {
    let items = || list.items.iter().map(|item| item.text);
    let most =
        |is: fn(&str) -> bool| items().filter(|text| is(text)).count() * 2 >= list.items.len();
    let all_say_what_to_do = items().all(form::is_imperative);
    let section = match (form::section(list.title), form::section(list.intro)) {
        (Section::Open, intro @ (Section::Statements | Section::NotNow)) => intro,
        (section, _) => section,
    };
    match section {
        Section::Statements => return Some(Because::Statements),
        Section::NotNow => return Some(Because::NotNow),
        Section::Steps => return Some(Because::Steps),
        Section::Choices if !all_say_what_to_do => return Some(Because::Choices),
        _ => {}
    }
    if items().all(is_reference) {
        return Some(Because::References);
    }
    if section == Section::Work || all_say_what_to_do {
        return None;
    }
    if most(form::is_statement) {
        return Some(Because::Statements);
    }
    if most(form::is_choice) {
        return Some(Because::Choices);
    }
    let none_says_what_to_do = !items().any(form::is_imperative);
    if none_says_what_to_do && (is_form || form::may_be_statements(list.title)) {
        return Some(if is_form { Because::Form } else { Because::Statements });
    }
    None
}

/// Whether an item is nothing but the number, the address or a link of another issue.
fn is_reference(text: &str) -> bool {
    let text = text.trim().trim_end_matches(['.', ',']);
    // `[ENG-12](https://…)` is what its address is.
    let text = match text.strip_prefix('[').and_then(|text| text.split_once("](")) {
        Some((shown, address)) if is_issue_key(shown) || is_reference(shown) => {
            address.strip_suffix(')').unwrap_or(address)
        }
        _ => text,
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let address = text.starts_with("https://") && !text.contains(char::is_whitespace);
    let named = text
        .rsplit_once('#')
        .is_some_and(|(before, after)| number(after) && !before.contains(char::is_whitespace));
    address || named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_only_refers_is_no_task_wherever_it_stands() {
        for (text, count) in [
            ("#12", 0),
            ("owner/repo#12.", 0),
            ("https://example.com/issues/12", 0),
            ("[ENG-12](https://linear.app/a/issue/ENG-12)", 0),
            ("[#12](https://example.com/issues/12)", 0),
            ("[https://example.com/12](https://example.com/12)", 0),
            ("Mend what #12 says", 1),
            ("[Write the guide](https://example.com/guide)", 1),
            ("# 12", 1),
            ("Close #12 and #13", 1),
        ] {
            for (before, others) in [("", 0), ("- [ ] Add the flag\n", 1)] {
                let boxes = read(&format!("## Tasks\n{before}- [ ] {text}\n"));
                assert_eq!(boxes.work.len(), count + others, "{before}{text}");
                let refers = boxes.note().is_some_and(|note| note.contains("references to other"));
                assert_eq!(refers, count == 0, "{before}{text}: {:?}", boxes.note());
            }
        }
    }
}
