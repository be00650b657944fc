//! The title and the body in a text: as GitHub, GitLab, Linear and Jira export issues, as people save templates, and
//! as they write on a command line.

use super::{Issue, IssueError, form, header, html};

/// The longest title taken from a text, in characters.
pub(super) const TITLE_CHARS: usize = 120;

/// Commands to a tracker that may stand alone on a line.
const QUICK_ACTIONS: &[&str] = &[
    "/assign",
    "/cc",
    "/close",
    "/due",
    "/epic",
    "/estimate",
    "/label",
    "/labels",
    "/milestone",
    "/priority",
    "/relate",
    "/severity",
    "/unassign",
    "/weight",
];

/// Reads an issue; [`Issue::from_markdown`] says how.
pub(super) fn read(text: &str) -> Result<Issue, IssueError> {
    let text = without_blank_lines(text.trim_start_matches('\u{feff}'));
    if let Some(text) = html::as_markdown(text.trim()) {
        return read_markdown(&text);
    }
    let issue = read_markdown(text);
    // Elements alone are no title: what is in them may be.
    if issue.is_err() { read_markdown(&html::converted(text)) } else { issue }
}

fn read_markdown(text: &str) -> Result<Issue, IssueError> {
    let (header, rest) = header::read(text.trim_start());
    // Without a header the first line is the text's, with its indentation.
    let text = without_blank_lines(if rest.len() == text.trim_start().len() { text } else { rest });
    let found = find(text);
    let (title, body) = match (header.title, found) {
        (Some(title), found) => {
            // The same title may stand over the body again.
            let repeated = found.filter(|found| found.text == title);
            (title, repeated.map_or(text, |found| found.body))
        }
        (None, Some(found)) => {
            let title = shortened(&found.text);
            let whole = found.whole || title != found.text;
            (title, if whole { text } else { found.body })
        }
        (None, None) => return Err(IssueError::Empty),
    };
    let kept = header.others.join("\n");
    let parts: Vec<_> = [kept.trim(), without_blank_lines(body)]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    Ok(Issue {
        identifier: header.identifier,
        title,
        body: parts.join("\n\n"),
        labels: header.labels,
        urgency: header.urgency,
        sub_issues: Vec::new(),
        blocked_by: header.blocked_by,
    })
}

/// A text without the blanks around it, but for the indentation of its first line: a list may be indented as a whole.
fn without_blank_lines(text: &str) -> &str {
    let text = text.trim_end();
    let start = text.len() - text.trim_start().len();
    &text[text[..start].rfind('\n').map_or(0, |end| end + 1)..]
}

/// A title that was found.
struct Found<'a> {
    text: String,
    /// What comes after it.
    body: &'a str,
    /// Whether the title belongs to the text itself, so that the body is all of it.
    whole: bool,
}

impl Found<'_> {
    fn in_text(text: String) -> Self {
        Self { text, body: "", whole: true }
    }
}

/// The first line that reads as a title. What no reader sees, what asks a reporter for something and what only
/// decorates is passed over.
fn find(text: &str) -> Option<Found<'_>> {
    let (mut rest, mut fallback, mut passed) = (text, None, false);
    let mut fence: Option<String> = None;
    let is_form = is_form(text);
    while let Some(visible) = after_comments(rest) {
        let (raw, after) = visible.split_once('\n').unwrap_or((visible, ""));
        let line = raw.trim();
        rest = after;
        if let Some(mark) = &fence {
            let ends = line.starts_with(mark.as_str());
            fallback = fallback.or_else(|| (!ends && !line.is_empty()).then(|| line.to_owned()));
            fence = fence.filter(|_| !ends);
            continue;
        }
        if let Some(mark) =
            ["```", "~~~", "{code", "{noformat"].iter().find(|mark| line.starts_with(**mark))
        {
            (fence, passed) = (Some((*mark).to_owned()), true);
            continue;
        }
        if is_decoration(line) {
            passed = true;
            continue;
        }
        if !passed && let Some((subject, after)) = letter(visible) {
            return Some(Found { text: unmarked(subject), body: after, whole: false });
        }
        if form::is_greeting(line) {
            fallback = fallback.or_else(|| Some(unmarked(line)));
            passed = true;
            continue;
        }
        let (level, said) = heading(line, after);
        let bare = unmarked(said);
        if bare.is_empty() {
            continue;
        }
        if level.is_some() || is_label(line) {
            let asks = form::is_form_heading(&bare, if is_form { level.unwrap_or(2) } else { 1 });
            if asks {
                fallback = fallback.or(Some(bare));
                passed = true;
                continue;
            }
            return Some(Found { text: bare, body: after_underline(after), whole: passed });
        }
        if let Some(item) = item(line) {
            if form::is_statement(&item) || item.is_empty() {
                fallback = fallback.or(Some(item).filter(|item| !item.is_empty()));
                passed = true;
                continue;
            }
            return Some(Found::in_text(item));
        }
        return Some(Found { text: bare, body: after_underline(after), whole: passed });
    }
    fallback.map(Found::in_text)
}

/// The subject of a letter that a text is, and what comes after the lines above the letter itself.
fn letter(text: &str) -> Option<(&str, &str)> {
    const LINES: [&str; 12] = [
        "an", "betreff", "cc", "date", "datum", "from", "gesendet", "reply-to", "sent", "subject",
        "to", "von",
    ];
    let (mut rest, mut subject, mut others) = (text, None, 0);
    while let Some((name, value)) = rest.lines().next().and_then(|line| line.split_once(':')) {
        let name = name.trim().to_lowercase();
        if !LINES.contains(&name.as_str()) {
            break;
        }
        match name.as_str() {
            "subject" | "betreff" => subject = Some(value.trim()).filter(|text| !text.is_empty()),
            _ => others += 1,
        }
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
    }
    Some((subject.filter(|_| others > 0)?, rest))
}

/// Whether a text has several headings that ask a reporter for something: one alone may well be a title.
fn is_form(text: &str) -> bool {
    let asks = |line: &&str| {
        let (level, said) = heading(line.trim(), "");
        level.is_some_and(|level| form::is_form_heading(&unmarked(said), level))
    };
    text.lines().filter(asks).nth(1).is_some()
}

/// The text from its first character that is neither white space nor in a comment.
fn after_comments(text: &str) -> Option<&str> {
    let mut text = text.trim_start();
    while let Some(comment) = text.strip_prefix("<!--") {
        // One that is not closed hides all the rest, as browsers have it.
        text = comment.split_once("-->")?.1.trim_start();
    }
    (!text.is_empty()).then_some(text)
}

/// Whether a line is no text: a rule, an image, a tag, an empty answer, a command to a tracker.
fn is_decoration(line: &str) -> bool {
    let rule = line.len() >= 3 && line.chars().all(|c| "-*_=~ ".contains(c));
    let image = (line.starts_with("![") || line.starts_with("[![")) && line.ends_with(')');
    let tag = line.starts_with('<')
        && line.ends_with('>')
        && !line.starts_with("<http")
        && title_tag(line).is_none();
    let action = line.split_whitespace().next().is_some_and(|word| QUICK_ACTIONS.contains(&word));
    let table = line.starts_with('|') && line.ends_with('|') && line.len() > 1;
    rule || image || tag || action || table || form::is_no_answer(line)
}

/// The level of a heading and what it says; the line itself where it is none.
fn heading<'a>(line: &'a str, after: &str) -> (Option<usize>, &'a str) {
    if let Some(title) = title_tag(line) {
        return (Some(1), title);
    }
    let level = line.chars().take_while(|c| *c == '#').count();
    // `#include` and `#42` are no headings; `#Title`, as some write it, is one where only a capital is behind it.
    let behind = line[level..].chars().next();
    let is_marked = level > 1 || behind.is_none_or(|c| c.is_whitespace() || c.is_uppercase());
    if (1..=6).contains(&level) && is_marked {
        return (Some(level), line[level..].trim().trim_end_matches('#').trim_end());
    }
    // Jira's `h2. Title`.
    let jira = line.strip_prefix('h').and_then(|line| line.split_once(". "));
    if let Some((level, said)) = jira.and_then(|(level, said)| Some((level.parse().ok()?, said)))
        && (1..=6).contains(&level)
    {
        return (Some(level), said);
    }
    match underline(after) {
        Some('=') => (Some(1), line),
        Some(_) => (Some(2), line),
        None => (None, line),
    }
}

/// `<title>…</title>`, as Linear puts it in what it copies for agents.
fn title_tag(line: &str) -> Option<&str> {
    line.strip_prefix("<title>")?.strip_suffix("</title>").map(str::trim)
}

/// The mark of the underline that a text begins with.
fn underline(text: &str) -> Option<char> {
    let line = text.lines().next()?.trim();
    let mark = line.chars().next().filter(|c| "=-".contains(*c))?;
    (line.len() >= 3 && line.chars().all(|c| c == mark)).then_some(mark)
}

fn after_underline(text: &str) -> &str {
    match underline(text) {
        Some(_) => text.split_once('\n').map_or("", |(_, rest)| rest),
        None => text,
    }
}

/// Whether a line is the title of the lines after it: `Description:`, `**Description**`.
fn is_label(line: &str) -> bool {
    let bold = ["**", "__"]
        .iter()
        .any(|mark| line.len() > 4 && line.starts_with(mark) && line.ends_with(mark));
    bold || line.ends_with(':') || line.ends_with(":**") || line.ends_with(":*")
}

/// What a list item says.
fn item(line: &str) -> Option<String> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let boxes = ["[ ]", "[x]", "[X]", "[-]", "[~]"];
    let is_box = |text: &str| boxes.iter().any(|mark| text.starts_with(mark));
    let text = match (digits, line[digits..].chars().next()?) {
        (0, '-' | '*' | '+' | '☐' | '•') => line[line.chars().next()?.len_utf8()..].to_owned(),
        (1..=9, '.' | ')') => line[digits + 1..].to_owned(),
        (0, '[') if is_box(line) => format!(" {line}"),
        _ => return None,
    };
    let said = text.trim_start();
    if said.len() == text.len() && !is_box(said) {
        return None;
    }
    let said = if is_box(said) { said[3..].trim_start() } else { said };
    Some(unmarked(said))
}

/// A title without the marks that make it bold, quoted or struck out.
fn unmarked(said: &str) -> String {
    let mut text = said.trim().trim_start_matches(['>', ' ']).trim();
    for mark in ["**", "__", "~~", "*", "_"] {
        let inner = text.strip_prefix(mark).and_then(|text| text.strip_suffix(mark));
        text =
            inner.filter(|inner| !inner.contains(mark) && !inner.is_empty()).unwrap_or(text).trim();
    }
    without_comments(text).trim().to_owned()
}

/// A line without comments in it.
fn without_comments(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some((before, comment)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    kept + rest
}

/// A title that is not too long: the first sentence, else the beginning.
fn shortened(title: &str) -> String {
    if title.chars().count() <= TITLE_CHARS {
        return title.to_owned();
    }
    let sentence = title.match_indices(". ").map(|(at, _)| &title[..at]);
    let whole = |sentence: &&str| (20..TITLE_CHARS).contains(&sentence.chars().count());
    if let Some(sentence) =
        sentence.take_while(|sentence| sentence.len() < TITLE_CHARS * 4).find(whole)
    {
        return sentence.to_owned();
    }
    let cut: String = title.chars().take(TITLE_CHARS - 1).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_about_its_subject() {
        let letter =
            "From: Bob <bob@x.org>\nTo: all\nSubject: The export is empty\n\nHi,\n\nsee it.\n";
        let issue = read(letter).unwrap();
        assert_eq!(issue.title, "The export is empty");
        assert!(issue.body.starts_with("Hi,"), "{}", issue.body);
        for (text, title) in [
            ("Hello team,\n\nThe export is empty.\n", "The export is empty."),
            ("Hi!", "Hi!"),
            ("Subject: x", "x"),
            ("To: do\nFrom: scratch\n", "To: do"),
        ] {
            assert_eq!(read(text).unwrap().title, title);
        }
    }

    #[test]
    fn a_number_sign_before_a_word_is_part_of_the_title() {
        for (text, title) in [
            ("#include <math.h> is missing", "#include <math.h> is missing"),
            ("#fff is not parsed", "#fff is not parsed"),
            ("#!/bin/bash is wrong", "#!/bin/bash is wrong"),
            ("#42: the parser drops tabs", "#42: the parser drops tabs"),
            ("# Keep tabs", "Keep tabs"),
            ("#Keep tabs", "Keep tabs"),
            ("##keep tabs", "keep tabs"),
            ("#######seven", "#######seven"),
        ] {
            let issue = read(text).unwrap();
            assert_eq!(issue.title, title);
        }
    }

    /// A list that is indented as a whole is one of siblings, wherever it stands.
    #[test]
    fn the_first_line_of_a_body_keeps_its_indentation() {
        let list = "  - [ ] one\n  - [ ] two";
        for text in [
            format!("Do it\n\n{list}\n"),
            format!("Do it\n\n \n{list}\n\n"),
            format!("---\ntitle: Do it\n---\n\n{list}\n"),
            format!("Title: Do it\n\n{list}\n"),
            format!("# Do it\n{list}"),
        ] {
            let issue = read(&text).unwrap();
            assert_eq!((issue.title.as_str(), issue.body.as_str()), ("Do it", list), "{text}");
        }
        assert_eq!(read(&format!("\n{list}\n")).unwrap().body, list);
    }
}
