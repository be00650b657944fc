//! A Markdown text as its lines: headings, list items, code and the rest. Enough of Markdown for issues, read in
//! one pass, so that no text is slow.

use cyrus_core::form;
use std::{borrow::Cow, ops::Range};

/// What a list of acceptance criteria stands under.
const ACCEPTANCE: &[&str] = &[
    "a/c",
    "ac",
    "acceptance",
    "acceptance checklist",
    "acceptance conditions",
    "acceptance criteria",
    "acceptance criterion",
    "acceptance requirements",
    "acceptance tests",
    "acs",
    "completion criteria",
    "criteria for done",
    "criteria for success",
    "definition of done",
    "dod",
    "done criteria",
    "done when",
    "exit criteria",
    "how to test",
    "how to verify",
    "quality gate",
    "quality gates",
    "success criteria",
    "success metrics",
    "validation criteria",
    "verification",
    "verification criteria",
    "verification requirements",
    // As issues in other languages have it.
    "abnahmekriterien",
    "akzeptanzkriterien",
    "definition der fertigstellung",
    "critères d'acceptation",
    "critères d’acceptation",
    "définition de terminé",
    "criterios de aceptación",
    "definición de terminado",
    "critérios de aceitação",
    "critérios de aceite",
    "definição de pronto",
    "criteri di accettazione",
    "acceptatiecriteria",
    "kryteria akceptacji",
    "критерии приемки",
    "критерии приёмки",
    "критерии готовности",
    "受け入れ基準",
    "受け入れ条件",
    "受入基準",
    "受入条件",
    "完了条件",
    "完了の定義",
    "验收标准",
    "验收条件",
    "完成标准",
    "驗收標準",
    "인수 조건",
    "완료 조건",
    "kabul kriterleri",
];

/// The longest line that may be a title of a list, in bytes.
const TITLE_BYTES: usize = 80;

/// One line that is not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Where in the text it is, its end mark included.
    pub(crate) at: Range<usize>,
    /// How far in it begins, in columns; a tab goes to the next multiple of four.
    pub(crate) indent: usize,
    /// What it is.
    pub(crate) what: What<'a>,
    /// Whether it is among the acceptance criteria.
    pub(crate) acceptance: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What<'a> {
    Heading(&'a str),
    Item {
        /// The state of its box, when it has one.
        checked: Option<bool>,
        text: &'a str,
    },
    /// The title of the lines after it: `Done when:`, `**Notes**`.
    Label,
    Text(&'a str),
    /// Code or a comment: nothing in it is meant for Cyrus.
    Aside,
}

impl<'a> Line<'a> {
    /// What it says; nothing of code.
    pub(crate) fn said(&self) -> Option<&'a str> {
        match self.what {
            What::Heading(text) | What::Item { text, .. } | What::Text(text) => Some(text),
            What::Label | What::Aside => None,
        }
    }
}

/// A text with blanks in the place of its comments, each byte of them one, so that places stay what they are. Comments
/// in code are code.
pub(crate) fn without_comments(text: &str) -> Cow<'_, str> {
    if !text.contains("<!--") {
        return Cow::Borrowed(text);
    }
    let mut kept = text.to_owned().into_bytes();
    let (mut at, mut fence) = (0, None::<(char, usize)>);
    while at < text.len() {
        let line = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
        let bare = text[at..line].trim();
        let mark = ['`', '~'].into_iter().find(|mark| run(bare, *mark) >= 3);
        match (fence, mark) {
            (Some((open, length)), _) => {
                let ends = run(bare, open) >= length && bare.chars().all(|c| c == open);
                fence = fence.filter(|_| !ends);
                at = line;
                continue;
            }
            (None, Some(mark)) if !bare[run(bare, mark)..].contains('`') => {
                fence = Some((mark, run(bare, mark)));
                at = line;
                continue;
            }
            _ => {}
        }
        let Some(start) = comment_in(&text[at..line]).map(|found| at + found) else {
            at = line;
            continue;
        };
        let end = text[start..].find("-->").map_or(text.len(), |end| start + end + 3);
        kept[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
    Cow::Owned(String::from_utf8(kept).unwrap_or_else(|_| text.to_owned()))
}

/// Where a comment begins in a line, code spans apart.
fn comment_in(line: &str) -> Option<usize> {
    let mut code = None;
    for (at, c) in line.char_indices() {
        match c {
            '`' => code = if code.is_some() { None } else { line[at + 1..].find('`').map(|_| at) },
            '<' if code.is_none() && line[at..].starts_with("<!--") => return Some(at),
            _ => {}
        }
    }
    None
}

/// The lines of a text that are not blank.
pub(crate) fn outline(text: &str) -> Outline<'_> {
    Outline {
        text,
        next: 0,
        aside: None,
        list: false,
        criteria: Criteria::No,
        closed: [true; JIRA.len()],
    }
}

pub(crate) struct Outline<'a> {
    text: &'a str,
    next: usize,
    aside: Option<Aside>,
    /// Whether a list is open: what is far in belongs to it, and is no code.
    list: bool,
    criteria: Criteria,
    /// Which of [`JIRA`] may still be closed in the rest of the text.
    closed: [bool; JIRA.len()],
}

#[derive(Clone, Copy)]
enum Aside {
    Comment,
    Fence {
        mark: char,
        length: usize,
    },
    /// By its place in [`JIRA`].
    Jira(usize),
    /// A letter that is answered: all of the rest.
    Letter,
}

/// What mail programs write between dashes above the letter that is answered or passed on.
const LETTERS: [&str; 12] = [
    "forwarded message",
    "mensagem original",
    "mensaje original",
    "message d'origine",
    "message d’origine",
    "message original",
    "messaggio originale",
    "oorspronkelijk bericht",
    "original appointment",
    "original message",
    "ursprüngliche nachricht",
    "weitergeleitete nachricht",
];

/// What Jira has code between, without its brackets.
const JIRA: [&str; 2] = ["code", "noformat"];

/// Whether the lines are acceptance criteria, and what ends them.
#[derive(Clone, Copy)]
enum Criteria {
    No,
    /// A heading of this level or above.
    Heading(usize),
    /// A line that is less far in, or as far and after the list.
    Label {
        listed: bool,
        indent: usize,
    },
    /// A line that is no further in.
    Item(usize),
}

impl<'a> Iterator for Outline<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        while self.next < self.text.len() {
            let start = self.next;
            let rest = &self.text[start..];
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            self.next = start + length;
            let raw = &rest[..length];
            if raw.trim().is_empty() {
                continue;
            }
            let indent = indent(raw);
            let what = self.what(raw.trim(), indent);
            let acceptance = self.acceptance(raw.trim(), indent, what);
            return Some(Line { at: start..self.next, indent, what, acceptance });
        }
        None
    }
}

/// Whether the letter that is answered stands below this line.
fn begins_letter(line: &str) -> bool {
    let is_mark = |c: char| matches!(c, '-' | '_') || c.is_whitespace();
    let name = line.trim_matches(is_mark);
    run(line, '-') >= 4 && line.ends_with("--") && LETTERS.contains(&name.to_lowercase().as_str())
}

impl<'a> Outline<'a> {
    fn what(&mut self, line: &'a str, indent: usize) -> What<'a> {
        match self.aside {
            Some(Aside::Comment) => {
                self.aside = if line.contains("-->") { None } else { self.aside };
                return What::Aside;
            }
            Some(Aside::Fence { mark, length }) => {
                let ends = run(line, mark) >= length && line.chars().all(|c| c == mark);
                self.aside = if ends { None } else { self.aside };
                return What::Aside;
            }
            Some(Aside::Jira(at)) => {
                self.aside = self.aside.filter(|_| !closes_jira(line, JIRA[at]));
                return What::Aside;
            }
            Some(Aside::Letter) => return What::Aside,
            None => {}
        }
        if begins_letter(line) {
            self.aside = Some(Aside::Letter);
            return What::Aside;
        }
        if let Some(is_first) = self.opens_jira(line)
            && is_first
        {
            return What::Aside;
        }
        if let Some(comment) = line.strip_prefix("<!--") {
            self.aside = (!comment.contains("-->")).then_some(Aside::Comment);
            return What::Aside;
        }
        for mark in ['`', '~'] {
            let length = run(line, mark);
            if length >= 3 && !line[length..].contains('`') {
                self.aside = Some(Aside::Fence { mark, length });
                return What::Aside;
            }
        }
        if indent >= 4 && !self.list || form::is_no_answer(line) {
            return What::Aside;
        }
        let what = plain(line);
        match what {
            What::Item { .. } => self.list = true,
            _ if indent == 0 => self.list = false,
            _ => {}
        }
        what
    }

    /// Opens a block of Jira's that this line begins or ends with, and says which: `Some(true)` where it begins with it.
    /// One that is never closed is no block, so that a mention hides nothing.
    fn opens_jira(&mut self, line: &str) -> Option<bool> {
        for (at, name) in JIRA.iter().enumerate() {
            let (marks, last) = jira_marks(line, name);
            let begins =
                line.starts_with(&format!("{{{name}}}")) || line.starts_with(&format!("{{{name}:"));
            let ends =
                last.is_some_and(|(start, end)| end == line.len() && !line[..start].ends_with('`'));
            if marks == 0 || !(begins || ends) {
                continue;
            }
            if marks % 2 == 0 {
                if begins && ends {
                    return Some(true);
                }
                continue;
            }
            let rest = &self.text[self.next..];
            self.closed[at] = self.closed[at] && rest.lines().any(|line| closes_jira(line, name));
            if self.closed[at] {
                self.aside = Some(Aside::Jira(at));
                return Some(begins);
            }
        }
        None
    }

    /// Whether this line is a criterion; keeps account of where the criteria begin and end.
    fn acceptance(&mut self, line: &str, indent: usize, what: What<'_>) -> bool {
        if what == What::Aside {
            return !matches!(self.criteria, Criteria::No);
        }
        let titled = is_acceptance(line);
        let item = matches!(what, What::Item { .. });
        let next = match (what, self.criteria) {
            (What::Heading(_), before) => {
                let level = run(line, '#');
                match before {
                    _ if titled => Criteria::Heading(level),
                    Criteria::Heading(above) if level > above => before,
                    _ => Criteria::No,
                }
            }
            (What::Label, _) if titled => Criteria::Label { listed: false, indent },
            (What::Label, before @ Criteria::Heading(_)) => before,
            (What::Label, _) => Criteria::No,
            (What::Item { checked: None, text }, Criteria::No) if is_acceptance(text) => {
                Criteria::Item(indent)
            }
            (_, Criteria::Item(above)) if indent <= above => Criteria::No,
            (_, Criteria::Label { indent: above, .. }) if indent < above => Criteria::No,
            (_, Criteria::Label { indent, .. }) if item => Criteria::Label { listed: true, indent },
            (_, Criteria::Label { listed: true, indent: above }) if indent <= above => Criteria::No,
            (_, before) => before,
        };
        let begins =
            titled && !item || matches!((self.criteria, next), (Criteria::No, Criteria::Item(_)));
        self.criteria = next;
        !matches!(next, Criteria::No) && !begins && !matches!(what, What::Heading(_))
    }
}

/// The columns of white space that a line begins with.
fn indent(line: &str) -> usize {
    let mut columns = 0;
    for c in line.chars() {
        match c {
            ' ' => columns += 1,
            '\t' => columns = columns / 4 * 4 + 4,
            _ => break,
        }
    }
    columns
}

/// How often a mark is repeated at the beginning.
fn run(line: &str, mark: char) -> usize {
    line.chars().take_while(|c| *c == mark).count()
}

/// How many marks of a block of Jira's a line has, and where the last one is.
fn jira_marks(line: &str, name: &str) -> (usize, Option<(usize, usize)>) {
    let (mut count, mut last, mut from) = (0, None, 0);
    let open = format!("{{{name}");
    while let Some(start) = line[from..].find(&open).map(|at| from + at) {
        from = start + open.len();
        let rest = &line[from..];
        let end = rest.find('}').filter(|_| rest.starts_with(['}', ':']));
        if let Some(end) = end {
            (count, last) = (count + 1, Some((start, from + end + 1)));
            from += end + 1;
        }
    }
    (count, last)
}

/// Whether a line ends a block of Jira's.
fn closes_jira(line: &str, name: &str) -> bool {
    let mark = format!("{{{name}}}");
    let line = line.trim();
    line.starts_with(&mark) || line.ends_with(&mark)
}

/// What a line is that is no code.
fn plain(line: &str) -> What<'_> {
    let level = run(line, '#');
    if (1..=6).contains(&level) && line[level..].starts_with([' ', '\t']) {
        return What::Heading(line[level..].trim().trim_end_matches('#').trim_end());
    }
    if let Some((checked, text)) = bare_box(without_drawn_bullet(line)) {
        return What::Item { checked: Some(checked), text };
    }
    if let Some(text) = bullet(line) {
        let (checked, text) = match bare_box(text).or_else(|| sloppy_box(text)) {
            Some((checked, text)) => (Some(checked), text),
            None => (None, text),
        };
        return What::Item { checked, text };
    }
    let bold = line.len() > 4 && ["**", "__"].iter().any(|m| bold(line, m));
    let titles = bold || line.ends_with(':') || line.ends_with(":**") || is_acceptance(line);
    if line.len() <= TITLE_BYTES && titles { What::Label } else { What::Text(line) }
}

fn bold(line: &str, mark: &str) -> bool {
    let inner = line.strip_prefix(mark).and_then(|line| line.strip_suffix(mark));
    inner.is_some_and(|inner| !inner.contains(mark))
}

/// What follows the mark of a list item.
fn bullet(line: &str) -> Option<&str> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let mark = match (digits, line.as_bytes().get(digits)?) {
        (0, b'-' | b'*' | b'+') => 1,
        (1..=9, b'.' | b')') => digits + 1,
        _ => return None,
    };
    let rest = &line[mark..];
    let apart = rest.starts_with([' ', '\t', '\u{a0}'])
        || boxed(rest).or_else(|| sloppy_box(rest)).is_some();
    apart.then(|| rest.trim_start())
}

/// The box of an item, and what follows it.
fn boxed(text: &str) -> Option<(bool, &str)> {
    let inner = text.strip_prefix(['[', '［'])?;
    let mark = inner.chars().next()?;
    let checked = match mark {
        ' ' | '\u{a0}' | '\u{3000}' => false,
        // Besides what is done, what was given up, as GitLab and others write it.
        'x' | 'X' | '✓' | '✔' | '-' | '~' => true,
        _ => return None,
    };
    let rest = inner[mark.len_utf8()..].strip_prefix([']', '］'])?;
    let said = rest.trim_start();
    (rest.starts_with([' ', '\t', '\u{a0}', '\u{3000}']) && !said.is_empty())
        .then(|| (checked || is_struck_out(said), said))
}

/// The box of an item that is not written as Markdown has it: `[] a`, `[ ]a`, `[x]a`. A link is none.
fn sloppy_box(text: &str) -> Option<(bool, &str)> {
    if let Some(rest) = text.strip_prefix("[]") {
        let said = rest.trim_start();
        let is_box = said.len() < rest.len() || said.starts_with(char::is_alphanumeric);
        return (is_box && !said.is_empty()).then(|| (is_struck_out(said), said));
    }
    let marks = [("[ ]", false), ("[x]", true), ("[X]", true)];
    let (checked, said) =
        marks.iter().find_map(|(mark, checked)| Some((*checked, text.strip_prefix(mark)?)))?;
    let is_box = said.starts_with(|c: char| c.is_alphanumeric() || "`*_~".contains(c));
    is_box.then(|| (checked || is_struck_out(said), said))
}

/// A line without the bullet that another program draws: `• [ ] a`, `– [ ] a`.
fn without_drawn_bullet(line: &str) -> &str {
    const BULLETS: [char; 8] = ['•', '‣', '◦', '▪', '●', '–', '—', '·'];
    let bare = line.strip_prefix(BULLETS).map(str::trim_start);
    bare.filter(|bare| boxed(bare).is_some()).unwrap_or(line)
}

/// Whether an item without a box begins with what a reader may take for one: `( ) a`, `[_] a`, `□ a`.
pub(crate) fn is_like_box(text: &str) -> bool {
    let pairs = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')];
    let in_brackets = pairs.iter().any(|(open, close)| {
        let inner = text.strip_prefix(*open).and_then(|rest| rest.split_once(*close));
        inner.is_some_and(|(inner, said)| {
            let inner = inner.trim();
            let mark =
                inner.is_empty() || ["x", "X", "o", "_", ".", "*", "✓", "✔"].contains(&inner);
            mark && !said.trim().is_empty() && !said.starts_with(['(', '[', ':'])
        })
    });
    in_brackets || text.starts_with(['□', '◻', '⬜', '▢', '○', '◯', '❏', '❑'])
}

/// Whether all of a text is struck out: it was given up.
fn is_struck_out(text: &str) -> bool {
    [("~~", "~~"), ("<s>", "</s>"), ("<del>", "</del>"), ("<strike>", "</strike>")].iter().any(
        |(open, close)| {
            let inner = text
                .trim()
                .strip_prefix(open)
                .and_then(|text| text.trim_end_matches('.').strip_suffix(close));
            inner.is_some_and(|inner| !inner.contains(open))
        },
    )
}

/// A box that begins a line without the mark of a list, as it is in plain texts.
fn bare_box(line: &str) -> Option<(bool, &str)> {
    let drawn = [('☐', false), ('☑', true), ('☒', true)];
    let drawn = drawn
        .iter()
        .find_map(|(mark, checked)| Some((*checked, line.strip_prefix(*mark)?.trim_start())));
    drawn.or_else(|| boxed(line)).filter(|(_, text)| !text.is_empty())
}

/// Whether a line is the title of acceptance criteria.
fn is_acceptance(line: &str) -> bool {
    if line.len() > TITLE_BYTES {
        return false;
    }
    let decoration = |c: char| !c.is_alphanumeric();
    // `Acceptance criteria (AC)`, `DoD items`.
    let title = line.trim_end_matches(|c: char| c.is_whitespace() || ":*_".contains(c));
    let title = match title.strip_suffix(')').and_then(|title| title.rsplit_once('(')) {
        Some((before, _)) if !before.trim_matches(decoration).is_empty() => before,
        _ => title,
    };
    let title = title.trim_matches(decoration).to_lowercase();
    let title =
        title.strip_suffix(" items").or_else(|| title.strip_suffix(" list")).unwrap_or(&title);
    ACCEPTANCE.contains(&title)
}

/// What follows the title of acceptance criteria on the same line: `Done when the tests pass`.
pub(crate) fn after_acceptance_title(line: &str) -> Option<&str> {
    ACCEPTANCE.iter().find_map(|title| {
        let begins = line.get(..title.len())?.eq_ignore_ascii_case(title);
        let rest = &line[title.len()..];
        let parted = rest.starts_with(':') || *title == "done when" && rest.starts_with(' ');
        let rest = rest.trim_start_matches([':', ' ']);
        (begins && parted && !rest.is_empty()).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(&str, bool)> {
        outline(text).filter_map(|line| Some((line.said()?, line.acceptance))).collect()
    }

    #[test]
    fn code_and_comments_say_nothing() {
        let text = "a\n```md\n- [ ] b\n~~~\n```\n<!-- c\n- [ ] d -->\n~~~~\n~~~\n~~~~\n\n    - [ ] e\nf\n```x``` g";
        assert_eq!(said(text), [("a", false), ("f", false), ("```x``` g", false)]);
        assert_eq!(said("a\n```\nb\n"), [("a", false)]);
    }

    #[test]
    fn code_of_jiras_says_nothing_and_a_mention_hides_nothing() {
        for (text, left) in [
            ("a\n{code}\n- [ ] b\n{code}\nc", vec!["a", "c"]),
            ("{code:java|title=x}\n- [ ] b\n  {code}\nc", vec!["c"]),
            ("{noformat}\n{code}\n- [ ] b\n{noformat}\n- [ ] c", vec!["c"]),
            ("a {code}\n- [ ] b\n{code}\nc", vec!["a {code}", "c"]),
            ("{code}b{code}\n- [ ] c", vec!["c"]),
            ("{code} is a macro\n- [ ] c", vec!["{code} is a macro", "c"]),
            ("use `{code}`\n- [ ] b\nuse `{code}`", vec!["use `{code}`", "b", "use `{code}`"]),
            ("{codes}\n- [ ] c\n{codes}", vec!["{codes}", "c", "{codes}"]),
        ] {
            let found: Vec<_> = said(text).into_iter().map(|(text, _)| text).collect();
            assert_eq!(found, left, "{text}");
        }
    }

    #[test]
    fn what_is_like_a_box_is_seen() {
        for text in ["( ) a", "(x) a", "[_] a", "[  ] a", "{ } a", "□ a"] {
            assert!(is_like_box(text), "{text}");
        }
        for text in ["(see b)", "[x](y)", "[link] a", "a ( ) b", "()", "{a} b"] {
            assert!(!is_like_box(text), "{text}");
        }
    }

    #[test]
    fn comments_become_blanks_and_code_stays() {
        for (text, expected) in [
            ("a <!-- b --> c", "a            c"),
            ("a <!-- é\n- [ ] b --> c", "a        \n            c"),
            ("`<!--` a", "`<!--` a"),
            ("```\n<!-- a -->\n```", "```\n<!-- a -->\n```"),
            ("a <!-- b\n- [ ] c", "a       \n       "),
        ] {
            assert_eq!(without_comments(text), expected);
            assert_eq!(without_comments(text).len(), text.len());
        }
    }

    #[test]
    fn items_have_boxes_or_not() {
        for (line, checked, text) in [
            ("- [ ] a", Some(false), "a"),
            ("* [x] a b", Some(true), "a b"),
            ("12. [X]  a", Some(true), "a"),
            ("3) a", None, "a"),
            ("- [ ]", None, "[ ]"),
            ("- [-] a", Some(true), "a"),
            ("- [~] a", Some(true), "a"),
            ("- [ ] ~~a~~", Some(true), "~~a~~"),
            ("- [ ] a ~~b~~", Some(false), "a ~~b~~"),
            ("-[ ] a", Some(false), "a"),
            ("☐ a", Some(false), "a"),
            ("• [ ] a", Some(false), "a"),
            ("– [x] a", Some(true), "a"),
            ("- ［\u{3000}］ a", Some(false), "a"),
            ("-\u{a0}[ ] a", Some(false), "a"),
            ("[ ] a", Some(false), "a"),
            ("+ [link](x)", None, "[link](x)"),
            ("- [] a", Some(false), "a"),
            ("-[] a", Some(false), "a"),
            ("- [ ]Add", Some(false), "Add"),
            ("-[ ]`a`", Some(false), "`a`"),
            ("* [x]Add", Some(true), "Add"),
            ("- [x](y)", None, "[x](y)"),
            ("- [](y)", None, "[](y)"),
            ("- [x][1]", None, "[x][1]"),
            ("* ( ) a", None, "( ) a"),
        ] {
            assert_eq!(plain(line), What::Item { checked, text }, "{line}");
        }
        for text in
            ["-a", "-[x](y)", "[] a", "1234567890. a", "#tag", "**a** b **c**", "2.5 is much"]
        {
            assert_eq!(plain(text), What::Text(text));
        }
    }

    #[test]
    fn acceptance_begins_and_ends_where_a_reader_sees_it() {
        for (text, criteria) in [
            ("## Acceptance Criteria\n- a\n### More\n- b\n## Notes\n- c", vec!["a", "b"]),
            ("Done when:\n- a\n  - b\nno\n- c", vec!["a", "b"]),
            ("**Acceptance criteria:**\n\n1. a\n**Notes**\n- c", vec!["a"]),
            ("- Done when:\n  - a\n- b", vec!["a"]),
            ("# ✅ Definition of done\nall is well\n# Else\nb", vec!["all is well"]),
            ("## Acceptance Criteria (AC)\n- a", vec!["a"]),
            ("## Definition of Done (DoD):\n- a", vec!["a"]),
            ("## AC:\n- a", vec!["a"]),
            ("**DoD items**\n- a", vec!["a"]),
            ("## A/C\n- a", vec!["a"]),
            ("## Critères d’acceptation\n- a", vec!["a"]),
            ("## 受け入れ条件\n- a", vec!["a"]),
            ("## (AC)\n- a", vec!["a"]),
            ("## Acme (AC)\n- a", vec![]),
            ("## Accuracy\n- a", vec![]),
            ("we accept criteria\n- a", vec![]),
        ] {
            let found: Vec<_> =
                said(text).into_iter().filter_map(|(t, is)| is.then_some(t)).collect();
            assert_eq!(found, criteria, "{text}");
        }
        assert_eq!(after_acceptance_title("Done when `x` passes"), Some("`x` passes"));
        assert_eq!(after_acceptance_title("Acceptance criteria are good"), None);
    }

    #[test]
    fn a_tab_goes_to_the_next_stop() {
        assert_eq!([indent("\ta"), indent("  \ta"), indent("   a"), indent("\t\ta")], [4, 4, 3, 8]);
    }
}
