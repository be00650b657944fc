//! The vocabulary of issue forms and templates: which headings ask the reporter for something, and which boxes are the
//! reporter's answers rather than work to be done.
//!
//! The lists are data: `form.txt`. A heading or an item that no list knows reads as work: a missed task is worse than
//! one too many, because the plan is shown before it runs.

use std::{collections::HashMap, sync::LazyLock};

/// The lists by their names, each in its order.
static LISTS: LazyLock<HashMap<&str, Vec<String>>> = LazyLock::new(|| {
    let (mut lists, mut name) = (HashMap::<&str, Vec<String>>::new(), "");
    for line in include_str!("form.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some(begins) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name = begins;
        } else if !line.is_empty() {
            let blank = line.strip_suffix('_').map(|line| format!("{line} "));
            lists.entry(name).or_default().push(blank.unwrap_or_else(|| line.to_owned()));
        }
    }
    lists
});

/// The list of this name.
fn list(name: &str) -> &'static [String] {
    LISTS.get(name).map(Vec::as_slice).unwrap_or_default()
}

/// Whether a list has this entry.
fn is_in(text: &str, name: &str) -> bool {
    list(name).iter().any(|entry| entry == text)
}

/// Whether a text has an entry of a list in it.
fn has(text: &str, name: &str) -> bool {
    list(name).iter().any(|entry| text.contains(entry.as_str()))
}

/// Whether a text begins with an entry of a list.
fn begins(text: &str, name: &str) -> bool {
    list(name).iter().any(|entry| text.starts_with(entry.as_str()))
}

/// What the heading above boxes says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// They are tasks: `Tasks`, `To do`.
    Work,
    /// The reporter confirms something: `Code of conduct`, `Before you report`.
    Statements,
    /// The reporter picks something: `Operating system`.
    Choices,
    /// Not part of this issue: `Out of scope`, `Future ideas`.
    NotNow,
    /// What a person does to see the problem or the result: `Steps to reproduce`, `Test plan`.
    Steps,
    /// Nothing is known of it.
    Open,
}

/// What the heading above boxes says of them.
pub fn section(title: &str) -> Section {
    let title = plain(title);
    if title.is_empty() {
        Section::Open
    } else if is_in(&title, "work") {
        Section::Work
    } else if has(&title, "not-now") {
        Section::NotNow
    } else if has(&title, "steps") {
        Section::Steps
    } else if has(&title, "statements") {
        Section::Statements
    } else if has(&title, "choices") || is_in(&title, "choice-titles") {
        Section::Choices
    } else {
        Section::Open
    }
}

/// Whether boxes under this heading are statements unless they say themselves what is to be done.
pub fn may_be_statements(title: &str) -> bool {
    has(&plain(title), "maybe-statements")
}

/// Whether a heading of this level asks the reporter for a text, so that it is no title of the issue.
pub fn is_form_heading(title: &str, level: usize) -> bool {
    let asks = title.trim_end().ends_with('?');
    let title = plain(title);
    title.is_empty()
        || is_in(&title, "form-titles")
        || title.contains("issue template")
        || level > 1
            && (asks || begins(&title, "form-beginnings") || section(&title) == Section::Statements)
}

/// Whether an item is the reporter's word on something: `I have read …`, `Yes`.
pub fn is_statement(item: &str) -> bool {
    let item = plain(item) + " ";
    is_in(item.trim_end(), "statement-items") || begins(&item, "statement-beginnings")
}

/// Whether an item is one of several to pick from: `Windows 11`, `New feature (non-breaking change …)`.
pub fn is_choice(item: &str) -> bool {
    let item = plain(item);
    let head = item.split(['(', ':', ',']).next().unwrap_or_default();
    let is_number = |word: &&str| !word.starts_with(|c: char| c.is_ascii_digit());
    let head = head.split_whitespace().filter(is_number).collect::<Vec<_>>().join(" ");
    head.split('/').all(|part| is_in(part.trim(), "choice-items")) || is_in(&head, "choice-items")
}

/// Whether an item says what is to be done.
pub fn is_imperative(item: &str) -> bool {
    let item = plain(item);
    // `parser: add …`, `docs(api): write …`
    let after = item.split_once(": ").map(|(_, after)| after);
    let opens = |text: &str| {
        let word = text.split(|c: char| !c.is_alphanumeric()).next();
        word.is_some_and(|word| is_in(word, "verbs"))
    };
    opens(&item) || after.is_some_and(opens)
}

/// Whether a line is how a letter begins and nothing else: `Hi team,`, `Hello @bob`, `Guten Tag!`.
pub fn is_greeting(line: &str) -> bool {
    let line = line.trim();
    let text = plain(line);
    let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).count();
    let rest = list("greetings")
        .iter()
        .filter_map(|greeting| text.strip_prefix(greeting.as_str()))
        .find(|rest| !rest.starts_with(char::is_alphanumeric));
    let Some(rest) = rest.map(|rest| rest.trim_matches([' ', ',', '!'])) else { return false };
    let ends = line.ends_with([',', '!', '，', '！', '、', '。']);
    let whom = rest.split(' ').all(|word| is_in(word, "greeted") || word.starts_with('@'));
    rest.is_empty() || whom || ends && words(rest) <= 3
}

/// Whether a text says that a field of a form was left empty.
pub fn is_no_answer(line: &str) -> bool {
    let text = plain(line);
    is_in(&text, "no-answers")
}

/// A title or an item in small letters, without marks around it.
fn plain(text: &str) -> String {
    let text = text.trim().to_lowercase().replace(['’', '‘'], "'");
    let text = text.trim_matches(|c: char| !c.is_alphanumeric() && !"()".contains(c));
    let text = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map_or(
        text,
        |(before, inner)| {
            if ["optional", "required"].contains(&inner.trim()) { before } else { text }
        },
    );
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ");
    text.trim_matches(|c: char| !c.is_alphanumeric() && !"()".contains(c)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_says_what_its_boxes_are() {
        for (title, expected) in [
            ("Tasks", Section::Work),
            ("**To-do:**", Section::Work),
            ("Would you like to work on it?", Section::Statements),
            ("Code of Conduct (required)", Section::Statements),
            ("✅ Pre-flight checklist", Section::Statements),
            ("Which packages are affected?", Section::Choices),
            ("Operating System", Section::Choices),
            ("Out of scope", Section::NotNow),
            ("Steps to reproduce", Section::Steps),
            ("Parser", Section::Open),
        ] {
            assert_eq!(section(title), expected, "{title}");
        }
    }

    #[test]
    fn a_form_asks_and_a_title_does_not() {
        for (title, level) in [
            ("Describe the bug", 1),
            ("Bug report", 1),
            ("What happened?", 3),
            ("Is your feature request related to a problem? Please describe.", 2),
        ] {
            assert!(is_form_heading(title, level), "{title}");
        }
        for (title, level) in
            [("What we parse is wrong", 1), ("Tabs are lost", 2), ("Add a description", 1)]
        {
            assert!(!is_form_heading(title, level), "{title}");
        }
    }

    #[test]
    fn an_item_is_a_word_a_choice_or_work() {
        for item in [
            "I’ve searched the issues",
            "Yes, I can send a PR",
            "yes",
            "This is not a question",
            "**I agree** to follow",
        ] {
            assert!(is_statement(item), "{item}");
        }
        for item in [
            "Windows 11",
            "New feature (non-breaking change)",
            "Linux / macOS",
            "Other (please say)",
        ] {
            assert!(is_choice(item), "{item}");
        }
        for item in ["Write the parser", "parser: add tabs", "`Fix` it"] {
            assert!(is_imperative(item) && !is_statement(item) && !is_choice(item), "{item}");
        }
        assert!(is_no_answer("_No response_") && !is_no_answer("No response is sent"));
    }

    #[test]
    fn a_reporters_word_is_known_in_other_languages() {
        for item in [
            "I have read the guidelines",
            "Ich habe die Richtlinien gelesen",
            "J'ai lu le guide",
            "He leído las normas",
            "Eu li as regras",
            "Ho letto le regole",
            "Ik heb de regels gelezen",
            "我已经阅读了贡献指南",
            "我確認沒有重複的問題",
            "私はガイドラインを読みました",
            "Я прочитал правила",
        ] {
            assert!(is_statement(item), "{item}");
        }
        for item in [
            "Ichthyology page: fix the index",
            "Heed the timeout",
            "添加测试",
            "Ядро: исправить сборку",
        ] {
            assert!(!is_statement(item), "{item}");
        }
    }

    #[test]
    fn a_letter_begins_with_a_greeting_and_a_title_does_not() {
        for line in [
            "Hi team,",
            "Hello @bob,",
            "Hello @bob",
            "Hallo zusammen,",
            "Hey!",
            "hi",
            "Dear maintainers",
            "Guten Tag Frau Muster,",
            "Bonjour à tous !",
            "你好，",
            "こんにちは",
        ] {
            assert!(is_greeting(line), "{line}");
        }
        for line in [
            "Hello world fails on Windows",
            "Hi-DPI screens are blurred",
            "Highlight the current line",
            "Heya: a new theme",
            "Dear ImGui bindings do not build on macOS, please fix!",
            "Add a greeting",
            "",
        ] {
            assert!(!is_greeting(line), "{line}");
        }
    }
}
