//! What may stand before an issue's text: front matter between lines of `---`, or lines such as `Title: …` and
//! `Labels: …`, as `gh issue view` prints them.

use crate::Urgency;

/// What was read there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) title: Option<String>,
    pub(super) labels: Vec<String>,
    pub(super) identifier: Option<String>,
    pub(super) urgency: Option<Urgency>,
    pub(super) blocked_by: Vec<String>,
    /// Lines with a key that is none of an issue's; they stay in the body.
    pub(super) others: Vec<&'a str>,
}

/// Keys that trackers and templates write, and that say nothing of the work.
const IGNORED: &[&str] = &[
    "about",
    "assignee",
    "assignees",
    "author",
    "cc",
    "closed",
    "comments",
    "created",
    "created_at",
    "createdat",
    "cycle",
    "date",
    "due",
    "due_date",
    "estimate",
    "fix version/s",
    "iid",
    "milestone",
    "name",
    "node_id",
    "project",
    "projects",
    "reporter",
    "resolution",
    "sprint",
    "state",
    "status",
    "subscribers",
    "team",
    "type",
    "updated",
    "updated_at",
    "updatedat",
    "url",
];

/// The header of a text, and the text after it.
pub(super) fn read(text: &str) -> (Header<'_>, &str) {
    front_matter(text).or_else(|| field_lines(text)).unwrap_or_else(|| (Header::default(), text))
}

/// Front matter: between two lines of `---`, nothing but keys, what belongs to them, and comments.
fn front_matter(text: &str) -> Option<(Header<'_>, &str)> {
    let (first, mut rest) = text.split_once('\n')?;
    if first.trim_end() != "---" {
        return None;
    }
    let mut lines = Vec::new();
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if matches!(line.trim_end(), "---" | "...") {
            return Some((header(&lines), after));
        }
        let belongs = line.trim().is_empty() || line.starts_with([' ', '\t', '-', '#']);
        if after.is_empty() || !(belongs && !line.starts_with("# ") || field(line).is_some()) {
            return None;
        }
        lines.push(line);
        rest = after;
    }
}

/// Lines with fields, of which the first is the title, up to a blank line or `--`.
fn field_lines(text: &str) -> Option<(Header<'_>, &str)> {
    let (key, title) = field(text.lines().next()?)?;
    if !matches!(key.as_str(), "title" | "summary" | "subject") || title.is_empty() {
        return None;
    }
    let (mut lines, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if line.trim_end() == "--" {
            rest = after;
            break;
        }
        let known = field(line).is_some_and(|(key, _)| is_known(&key));
        if !known {
            break;
        }
        lines.push(line);
        rest = after;
    }
    Some((header(&lines), rest))
}

fn is_known(key: &str) -> bool {
    let own = [
        "title",
        "summary",
        "subject",
        "label",
        "labels",
        "tags",
        "priority",
        "urgency",
        "id",
        "identifier",
        "key",
        "number",
        "blocked_by",
    ];
    own.contains(&key) || IGNORED.contains(&key)
}

/// `key: value`, the key in small letters.
fn field(line: &str) -> Option<(String, &str)> {
    let (key, value) = line.split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || " _-/".contains(c);
    let apart = value.is_empty() || value.starts_with([' ', '\t', '\r']);
    let named = (1..=30).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(plain);
    (named && apart).then(|| (key.to_ascii_lowercase(), value.trim()))
}

/// What these lines say. A line that is farther in, or an item, belongs to the key before it.
fn header<'a>(lines: &[&'a str]) -> Header<'a> {
    let mut header = Header::default();
    let mut at = 0;
    while at < lines.len() {
        let start = at;
        at += 1;
        let Some((key, value)) = field(lines[start]) else { continue };
        let belongs = |line: &&&str| line.starts_with([' ', '\t', '-']) || line.trim().is_empty();
        let more = lines[at..].iter().take_while(belongs).count();
        let below = &lines[at..at + more];
        at += more;
        let values = || values(value, below);
        let first = || values().into_iter().next();
        match key.as_str() {
            "title" | "summary" | "subject" => {
                header.title = header.title.take().or_else(|| text(value, below));
            }
            "label" | "labels" | "tags" => header.labels.extend(values()),
            "priority" | "urgency" => header.urgency = first().and_then(|word| urgency(&word)),
            "id" | "identifier" | "key" => {
                header.identifier = first().filter(|id| is_identifier(id));
            }
            "blocked_by" | "blocked-by" | "depends_on" => header.blocked_by.extend(values()),
            ignored if IGNORED.contains(&ignored) => {}
            _ => header.others.extend(&lines[start..at]),
        }
    }
    header
}

/// One text: on the line, or folded below it. A template's beginning of one, `[BUG] `, is none.
fn text(value: &str, below: &[&str]) -> Option<String> {
    let folded = value.is_empty() || value.starts_with(['>', '|']);
    let text = if folded {
        below
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    } else {
        unquoted(value)
    };
    let bare = text.trim().trim_start_matches(['#', ' ']).trim().to_owned();
    let after =
        bare.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(_, after)| after);
    let is_prefix = bare.ends_with(':')
        || after.is_some_and(|after| after.trim_matches([':', ' ', '-']).is_empty());
    (!bare.is_empty() && !is_prefix).then_some(bare)
}

/// Several values: `a, b`, `[a, "b"]`, or items below.
fn values(value: &str, below: &[&str]) -> Vec<String> {
    let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
    let items = below.iter().filter_map(|line| line.trim().strip_prefix('-'));
    let all = inner.split(',').chain(items).map(unquoted);
    all.filter(|value| !value.is_empty()).take(100).collect()
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\''].iter().find_map(|mark| value.strip_prefix(*mark)?.strip_suffix(*mark));
    inner.unwrap_or(value).trim().to_owned()
}

fn urgency(word: &str) -> Option<Urgency> {
    match word.to_ascii_lowercase().as_str() {
        "urgent" | "critical" | "blocker" | "highest" | "p0" => Some(Urgency::Urgent),
        "high" | "p1" => Some(Urgency::High),
        "medium" | "normal" | "p2" => Some(Urgency::Normal),
        "low" | "lowest" | "p3" | "p4" => Some(Urgency::Low),
        _ => None,
    }
}

/// Whether a text is a tracker's name of an issue: `CYR-12`.
fn is_identifier(text: &str) -> bool {
    text.split_once('-').is_some_and(|(team, number)| {
        let team = (1..=10).contains(&team.len())
            && team.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        team && (1..=9).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
    })
}
