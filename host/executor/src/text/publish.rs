//! Forms for what is published: commit messages and descriptions of pull requests.

use super::Line;

/// The longest title and the longest code within a line, in characters.
const LONGEST_TITLE: usize = 200;

/// The longest block, in characters: forges take descriptions of 65536.
const LONGEST_BLOCK: usize = 40_000;

/// The title of a commit or a pull request that says this: one line of at most 200 characters, in which nothing
/// refers to a person, a team, an issue or a pull request. A forge acts on such references (`fixes #12` closes, `@name`
/// notifies; trackers take keys such as `OPS-1` and commands such as `#close`), and who wrote the text has not the right
/// to that. A blank is put into each: `fixes # 12`. In what may be a tracker's key the dash becomes one that looks the
/// same and that no tracker takes for one: `OPS‑1`, and `UTF‑8` as well.
///
/// It is no trailer either: git takes trailers from the last paragraph, and what follows a title is another.
pub fn subject(text: &str) -> String {
    let line = String::from(Line::excerpt(text, LONGEST_TITLE));
    let line = if line.is_empty() { "(no title)".to_owned() } else { line };
    let mut apart = String::with_capacity(line.len());
    for (at, c) in line.char_indices() {
        let (before, rest) = (&line[..at], &line[at + c.len_utf8()..]);
        apart.push(if c == '-' && is_in_a_key(before, rest) { NO_KEYS_DASH } else { c });
        let after = rest.chars().next();
        if after.is_some_and(|after| refers(before, c, after))
            || is_of_a_commit(before, c, rest)
            || skips_checks(c, rest)
        {
            apart.push(' ');
        }
    }
    apart
}

/// The message of a commit that another program made and that is published as the user's: its lines, each without what
/// steers a terminal, in which nothing refers to a person, an issue or a pull request, tells a tracker or a forge what to
/// do, or signs. A tracker's key alone stays, as do co-authors: they close and approve nothing.
pub fn message(text: &str) -> String {
    let text = apart_over_lines(text.trim_end());
    let mut last = String::new();
    let lines = text.lines().map(|line| {
        let line = String::from(Line::new(line.trim_end()));
        let is_quoted = is_signed(&line) || is_order(&line);
        let mut apart = if is_quoted { "> ".to_owned() } else { String::new() };
        // Where a message is one line for a tracker, its word may stand at the end of the line before.
        let word = line.split_whitespace().next_back().unwrap_or_default().to_owned();
        let above = std::mem::replace(&mut last, word);
        let acting = Acting::in_line(&above, &line);
        let mut has_key = false;
        for (at, c) in line.char_indices() {
            let (before, rest) = (&line[..at], &line[at + c.len_utf8()..]);
            let is_key = c == '-' && is_in_a_key(before, rest);
            has_key |= is_key;
            let closes = is_key && acting.is_on_key(before);
            apart.push(if closes { NO_KEYS_DASH } else { c });
            let is_reference = |after: char| match c {
                // `#include` is none; behind a key it is a command.
                '#' => after.is_ascii_digit() || has_key && after.is_alphabetic(),
                '@' | '!' | '/' => refers(before, c, after),
                // A task of Phabricator, where something is done to it.
                'T' => refers(before, c, after) && acting.is_before(at),
                _ => false,
            };
            if rest.chars().next().is_some_and(is_reference)
                || is_of_a_commit(before, c, rest)
                || skips_checks(c, rest)
            {
                apart.push(' ');
            }
        }
        apart
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The most of a word in brackets that is looked at where it goes over lines, in bytes.
const LONGEST_WORD: usize = 80;

/// The text with a blank in each word in brackets that has a forge leave checks out and that goes over lines: forges
/// join the lines of a title.
fn apart_over_lines(text: &str) -> String {
    let mut apart = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        apart.push(c);
        if c != '[' {
            continue;
        }
        let rest = &text[at + 1..];
        let near = &rest[..rest.floor_char_boundary(LONGEST_WORD)];
        let is_over_lines = near.split(']').next().is_some_and(|inside| inside.contains('\n'));
        if is_over_lines && skips_checks(c, near) {
            apart.push(' ');
        }
    }
    apart
}

/// Whether a line is an order to a forge, as `/tag v1` is to GitLab.
fn is_order(line: &str) -> bool {
    let Some(rest) = line.trim_start().strip_prefix('/') else { return false };
    let word = rest.split_whitespace().next().unwrap_or_default();
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// What trailers are called by which a person answers for a change, or has checks left out.
const SIGNATURES: [&str; 9] = [
    "acked-by",
    "approved-by",
    "change-id",
    "reported-by",
    "reviewed-by",
    "signed-off-by",
    "skip-checks",
    "suggested-by",
    "tested-by",
];

/// Whether a line is such a trailer.
fn is_signed(line: &str) -> bool {
    let name = line.split([':', '=']).next().filter(|name| name.len() < line.len());
    name.is_some_and(|name| SIGNATURES.contains(&name.trim().to_ascii_lowercase().as_str()))
}

/// What is written like a key and is none.
const TERMS: [&str; 20] = [
    "aes", "ansi", "arm", "ascii", "base", "cve", "cwe", "es", "http", "ieee", "iso", "md", "pep",
    "rfc", "rsa", "sha", "tls", "ucs", "utf", "x86",
];

/// Words by which trackers do something to the keys behind them, but for their endings.
const ACTIONS: [&str; 6] = ["clos", "complet", "finish", "fix", "implement", "resolv"];

/// Whether trackers do something by this word.
fn is_action(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let ending = ACTIONS.iter().find_map(|begins| word.strip_prefix(begins));
    ending.is_some_and(|ending| ["", "e", "es", "s", "ed", "d", "ing"].contains(&ending))
}

/// The words of a text.
fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// Where in a line the words are by which trackers do something. A line is read once, however many keys are in it: who
/// wrote it may want the host to be busy.
struct Acting<'a> {
    /// The last word of the line before.
    above: &'a str,
    /// Where the first of them ends.
    first: Option<usize>,
}

impl<'a> Acting<'a> {
    fn in_line(above: &'a str, line: &str) -> Self {
        let mut end = 0;
        let first = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).find_map(|part| {
            let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let start = end;
            end += part.len();
            is_action(word).then_some(start + word.len())
        });
        Self { above, first }
    }

    /// Whether one of them is in the line before this byte.
    fn is_before(&self, at: usize) -> bool {
        self.first.is_some_and(|end| end <= at)
    }

    /// Whether the key whose letters end with this beginning of the line is `GH-12`, or one behind such a word: somewhere
    /// in the line to `OPS-1`, just before it to `ops-1`, which may be a word like others.
    fn is_on_key(&self, before: &str) -> bool {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let team = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let (lower, text) = (team.to_ascii_lowercase(), &before[..before.len() - team.len()]);
        if lower == "gh" {
            return true;
        }
        // In an address the key is a part of a word.
        if text.ends_with(is_part) && !last_word(text).contains("://")
            || TERMS.contains(&lower.as_str())
        {
            return false;
        }
        let acts_above = || words(self.above).any(is_action);
        if team.chars().any(|c| c.is_ascii_lowercase()) {
            words(text).next_back().map_or_else(acts_above, is_action)
        } else {
            self.is_before(text.len()) || acts_above()
        }
    }
}

/// The longest word that is looked at from its end, in bytes.
const LONGEST_ADDRESS: usize = 512;

/// The last word of a text, or its end.
fn last_word(text: &str) -> &str {
    let from = text.ceil_char_boundary(text.len().saturating_sub(LONGEST_ADDRESS));
    text[from..].rsplit(char::is_whitespace).next().unwrap_or_default()
}

/// Whether this is the sign in `owner/repository@0123abc`.
fn is_of_a_commit(before: &str, c: char, rest: &str) -> bool {
    c == '@'
        && rest.bytes().take(7).filter(u8::is_ascii_hexdigit).count() == 7
        && last_word(before).contains('/')
}

/// Whether a word in brackets, or stars, begins here that has a forge leave checks out: `[skip ci]`, `***NO_CI***`.
fn skips_checks(c: char, rest: &str) -> bool {
    if !"[*".contains(c) {
        return false;
    }
    let text = rest[..rest.floor_char_boundary(LONGEST_WORD)].to_ascii_lowercase();
    match c {
        '[' => text.split(']').next().is_some_and(|inside| {
            let words: Vec<_> = inside.split(|c: char| !c.is_ascii_alphanumeric()).collect();
            inside.len() < text.len()
                && (inside == "no ci" || words.len() > 1 && words.contains(&"skip"))
        }),
        '*' => text.starts_with("no_ci"),
        _ => false,
    }
}

/// What stands before the number in an address of something at a forge or a tracker.
const KINDS: [&str; 11] = [
    "/issue",
    "/issues",
    "/pull",
    "/pulls",
    "/discussions",
    "/merge_requests",
    "/work_items",
    "/epics",
    "/browse",
    "/commit",
    "/milestones",
];

/// What GitLab refers to in brackets.
const WORDS: [&str; 8] = [
    "epic",
    "feature_flag",
    "issue",
    "iteration",
    "merge_request",
    "snippet",
    "vulnerability",
    "work_item",
];

/// U+2011, a hyphen at which no line breaks.
const NO_KEYS_DASH: char = '\u{2011}';

/// Whether the dash between these makes them a tracker's key: letters and digits before it, and a number behind.
fn is_in_a_key(before: &str, rest: &str) -> bool {
    let team = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
    before[team.len()..].contains(char::is_alphabetic) && rest.starts_with(char::is_numeric)
}

/// Whether a reference begins with `c` between these: `@name`, `#12`, `#close`, `&3`, `…/issues/12`.
fn refers(before: &str, c: char, after: char) -> bool {
    // What stands before the sign in an address of mail; a letter of another script begins no word to a forge.
    let word = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let ends = |with: &str| {
        let start = before.len().checked_sub(with.len()).and_then(|at| before.get(at..));
        start.is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    match c {
        // A person, a team; a label of GitLab.
        '@' | '~' => !word && (after.is_alphanumeric() || after == '_' || after == '-'),
        // `[issue:12]` of GitLab.
        ':' => {
            let kind = before.rsplit('[').next().filter(|kind| kind.len() < before.len());
            kind.is_some_and(|kind| WORDS.contains(&kind)) && after.is_alphanumeric()
        }
        // `T123` of Phabricator.
        'T' => !word && after.is_ascii_digit(),
        // An issue, also behind a repository's name, or a command to a tracker.
        '#' => after.is_alphanumeric(),
        // A merge request, an epic, a snippet and a milestone of GitLab.
        '!' | '&' | '$' | '%' => after.is_ascii_digit(),
        '/' => after.is_ascii_digit() && KINDS.iter().any(|kind| ends(kind)),
        _ => false,
    }
}

/// Whether this is how trackers call an issue, as in `CYR-12`: letters and digits, a dash, a number. Such a key may
/// be published as it is, for the tracker to find.
pub fn is_issue_key(text: &str) -> bool {
    let Some((team, number)) = text.split_once('-') else { return false };
    let team = (1..=16).contains(&team.len())
        && team.starts_with(|c: char| c.is_ascii_alphabetic())
        && team.chars().all(|c| c.is_ascii_alphanumeric());
    let number = (1..=10).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    // A forge takes it for a reference of its own.
    team && number && !text[..2].eq_ignore_ascii_case("gh")
}

/// A text as Markdown code within a line: shown as it is, on one line of at most 200 characters, and neither
/// formatted nor acted on.
pub fn code_span(text: &str) -> String {
    let line = String::from(Line::excerpt(text, LONGEST_TITLE));
    let fence = "`".repeat(longest_run(&line, '`') + 1);
    let line = if line.is_empty() { " ".to_owned() } else { line };
    // The blanks are not part of it, and keep its own backticks from the fence.
    format!("{fence} {line} {fence}")
}

/// A text as a block of Markdown code: shown as it is, and neither formatted nor acted on. It ends with a line end;
/// of a long text it has the beginning.
pub fn code_block(text: &str) -> String {
    let cut = text.char_indices().nth(LONGEST_BLOCK).map(|(at, _)| at);
    let text = &text[..cut.unwrap_or(text.len())];
    let fence = "`".repeat((longest_run(text, '`') + 1).max(3));
    let mut block = format!("{fence}text\n");
    for line in Line::block("", "", text) {
        block.extend([line.as_str(), "\n"]);
    }
    block.push_str(if cut.is_some() { "…\n" } else { "" });
    block + &fence + "\n"
}

/// The most times that `c` follows itself.
fn longest_run(text: &str, c: char) -> usize {
    text.split(|other| other != c).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_title_refers_to_nothing() {
        for (text, title) in [
            ("Fixes #12: tabs", "Fixes # 12: tabs"),
            ("closes a/b#3 and GH-4", "closes a/b# 3 and GH‑4"),
            ("SEC-7 #close #time 2w #comment x", "SEC‑7 # close # time 2w # comment x"),
            ("closes sec-7, a&3, $4, %5 and ~bug", "closes sec‑7, a& 3, $ 4, % 5 and ~ bug"),
            ("see /-/work_items/9 and /browse/OPS-1", "see /-/work_items/ 9 and /browse/OPS‑1"),
            ("a-b, 3-4, -5 and x - 6", "a-b, 3-4, -5 and x - 6"),
            ("ask @team/core or me@example.com", "ask @ team/core or me@example.com"),
            ("fix https://github.com/a/b/issues/7", "fix https://github.com/a/b/issues/ 7"),
            ("x\n\nSigned-off-by: Mallory <m@x>", "x Signed-off-by: Mallory <m@x>"),
            ("Closes [issue:12] and [work_item:3]", "Closes [issue: 12] and [work_item: 3]"),
            ("[scope:module] and a:1", "[scope:module] and a:1"),
            ("ask @_bob, 修正@octocat, é@ada", "ask @ _bob, 修正@ octocat, é@ ada"),
            (
                "Add x [skip ci] [no ci] and a/b@0123abc",
                "Add x [ skip ci] [ no ci] and a/b@ 0123abc",
            ),
            ("Fixes T123 with UT8 and T-shirts", "Fixes T 123 with UT8 and T-shirts"),
            ("C# and #[derive] and UTF-8!", "C# and #[derive] and UTF‑8!"),
            ("\u{1b}[2J", r"\u{1b}[2J"),
            (" \n", "(no title)"),
        ] {
            assert_eq!(subject(text), title);
        }
    }

    #[test]
    fn a_message_keeps_its_lines_and_refers_to_nothing() {
        for (text, expected) in [
            ("Add x\n\n#include <a> in UTF-8\n\nCo-Authored-By: C <c@x.y>\n", None),
            ("Fixes #12\n\nThanks @octocat", Some("Fixes # 12\n\nThanks @ octocat")),
            ("see https://github.com/a/b/pull/7", Some("see https://github.com/a/b/pull/ 7")),
            ("Closes GH-7 and gh-8", Some("Closes GH‑7 and gh‑8")),
            ("see a/b@0123abc, a@b.c", Some("see a/b@ 0123abc, a@b.c")),
            ("OPS-1: add x", None),
            ("fixes OPS-1", Some("fixes OPS‑1")),
            ("Fixed: OPS-1, A1-2 and closes ops-3", Some("Fixed: OPS‑1, A1‑2 and closes ops‑3")),
            ("Fix off-by-1 in UTF-8, SHA-256, python-3 and x86-64", None),
            ("Fixture OPS-1 [skipped] [skip] endpoint-2", None),
            ("OPS-1 #close #time 2h", Some("OPS-1 # close # time 2h")),
            ("x\n\nSigned-off-by: O <o@x>", Some("x\n\n> Signed-off-by: O <o@x>")),
            ("x\n\nreviewed-By = B", Some("x\n\n> reviewed-By = B")),
            ("Add x [skip ci]", Some("Add x [ skip ci]")),
            ("[CI-Skip] x ***NO_CI***", Some("[ CI-Skip] x *** NO_CI***")),
            ("Skip [a] and [skipper", None),
            ("[skip\nci] x", Some("[ skip\nci] x")),
            ("fixes\nOPS-1", Some("fixes\nOPS‑1")),
            (
                "x\n\n/tag v9.9.9 now\n/usr/bin/x is used",
                Some("x\n\n> /tag v9.9.9 now\n/usr/bin/x is used"),
            ),
            (
                "Closes https://linear.app/a/issue/OPS-1/x",
                Some("Closes https://linear.app/a/issue/OPS‑1/x"),
            ),
            ("see https://linear.app/a/issue/OPS-1", None),
            ("finishes [sc-123], Fixes T12; T12", Some("finishes [sc‑123], Fixes T 12; T 12")),
            ("T12 is a type", None),
            ("a \u{1b}[2J\r\nb\u{202e}", Some("a \\u{1b}[2J\nb\\u{202e}")),
            ("", None),
        ] {
            assert_eq!(message(text), expected.unwrap_or(text.trim_end()), "{text:?}");
        }
    }

    /// What is looked at for one sign is near it, or was found when the line was begun.
    #[test]
    fn a_long_line_is_held_to_the_same() {
        let long = "a ".repeat(2000);
        for (text, expected) in [
            (format!("fixes {long}OPS-1"), format!("fixes {long}OPS‑1")),
            (format!("{long}OPS-1 fixes"), format!("{long}OPS-1 fixes")),
            (format!("{long}fixes\nOPS-1"), format!("{long}fixes\nOPS‑1")),
            (format!("{long}[skip ci]"), format!("{long}[ skip ci]")),
            (format!("{long}a/b@0123abc"), format!("{long}a/b@ 0123abc")),
            (format!("resolves {long}T12"), format!("resolves {long}T 12")),
            (format!("{long}T12"), format!("{long}T12")),
        ] {
            assert_eq!(message(&text), expected);
        }
    }

    #[test]
    fn keys_of_trackers_are_known() {
        for key in ["CYR-12", "a1-1"] {
            assert!(is_issue_key(key), "{key}");
        }
        for other in
            ["", "CYR", "CYR-", "-1", "GH-12", "CYR-1\n", "CYR-1 x", "1A-2", "É-1", "CYR-1-2"]
        {
            assert!(!is_issue_key(other), "{other:?}");
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(code_span("a `b` ``c``"), "``` a `b` ``c`` ```");
        assert_eq!(code_span(""), "`   `");
        let block = code_block("<img src=x>\n````\n@team fixes #1\n");
        assert_eq!(block, "`````text\n<img src=x>\n````\n@team fixes #1\n`````\n");
    }

    proptest! {
        #[test]
        fn a_block_ends_where_it_should(text in "[`~ \n\ta<@#\u{1b}]{0,60}") {
            let block = code_block(&text);
            let fence = block.split_once("text\n").unwrap().0;
            let lines: Vec<_> = block.lines().skip(1).collect();
            let closing = |line: &&&str| {
                let line = line.trim();
                line.starts_with(fence) && line.chars().all(|c| c == '`')
            };
            prop_assert_eq!(lines.iter().filter(closing).count(), 1, "{}", block);
            prop_assert_eq!(lines.last().copied(), Some(fence));
        }

        #[test]
        fn a_title_is_one_line_that_nobody_is_named_in(text in "[@#! \na-z0-9/-]{0,40}") {
            let title = subject(&text);
            prop_assert!(!title.contains('\n'));
            for pair in title.as_bytes().windows(2) {
                prop_assert!(!(pair[0] == b'#' && pair[1].is_ascii_digit()), "{}", title);
            }
        }
    }
}
