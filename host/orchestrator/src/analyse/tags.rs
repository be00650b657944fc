//! What somebody writes into an issue for Cyrus itself: `[agent=…]`, `[model=…]`, `[repo=…]`, `[strategy=…]`.

use super::outline::{What, outline};
use cyrus_core::Tags;
use std::ops::Range;

/// The longest value of a tag, in bytes.
const VALUE_BYTES: usize = 200;

/// The tags that a text has, and what is wrong with those that do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tagged {
    pub(crate) tags: Tags,
    pub(crate) problems: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Agent,
    Model,
    Repo,
    Strategy,
}

/// The names of the keys. Upstream also writes `repos`.
const KEYS: &[(&str, Key)] = &[
    ("agent", Key::Agent),
    ("model", Key::Model),
    ("repos", Key::Repo),
    ("repo", Key::Repo),
    ("strategy", Key::Strategy),
];

impl Key {
    fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Repo => "repo",
            Self::Strategy => "strategy",
        }
    }

    /// Whether a value can be one of this key, whatever exists.
    fn allows(self, value: &str) -> bool {
        let (most, marks) = match self {
            Self::Agent | Self::Strategy => (64, "._-"),
            Self::Model => (128, "._-:/@+"),
            Self::Repo => (VALUE_BYTES, "._-/~#,: "),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
        (1..=most).contains(&value.len()) && value.chars().all(plain)
    }
}

/// One tag of a line.
struct Tag<'a> {
    at: Range<usize>,
    key: Key,
    /// `None` when its bracket is not closed on the line, or too late.
    value: Option<&'a str>,
}

/// The tags of a title and of a body, code apart. Of two for the same key the first counts. Those of a checklist's
/// item are its own: here only what is wrong with them is said.
pub(crate) fn read(title: &str, body: &str) -> Tagged {
    let mut tagged = Tagged::default();
    read_line(title, &mut tagged);
    let mut item: Option<(usize, Tagged)> = None;
    let mut problems = Vec::new();
    for line in outline(body) {
        let Some(said) = line.said() else { continue };
        let boxed = matches!(line.what, What::Item { checked: Some(_), .. }) && !line.acceptance;
        if boxed || item.as_ref().is_some_and(|(indent, _)| line.indent <= *indent) {
            problems.extend(item.take().into_iter().flat_map(|(_, tagged)| tagged.of_part()));
        }
        if boxed {
            item = Some((line.indent, Tagged::default()));
        }
        read_line(said, item.as_mut().map_or(&mut tagged, |(_, own)| own));
    }
    problems.extend(item.into_iter().flat_map(|(_, tagged)| tagged.of_part()));
    tagged.problems.extend(problems);
    tagged
}

/// The tags of one line or of a few, whatever they are.
pub(crate) fn of_part(text: &str, details: &str) -> Tags {
    let mut tagged = Tagged::default();
    read_line(text, &mut tagged);
    for line in outline(details).filter_map(|line| line.said()) {
        read_line(line, &mut tagged);
    }
    tagged.tags
}

impl Tagged {
    /// What is wrong with these as the tags of a part of an issue: a session has one repository and one strategy.
    pub(crate) fn of_part(self) -> Vec<String> {
        let mut problems = self.problems;
        for (name, there) in
            [("repo", self.tags.repo.is_some()), ("strategy", self.tags.strategy.is_some())]
        {
            if there {
                problems.push(format!(
                    "a tag [{name}=…] of a part does not count: it is the whole issue's to say"
                ));
            }
        }
        problems
    }
}

fn read_line(line: &str, into: &mut Tagged) {
    for tag in tags(line) {
        let name = tag.key.as_str();
        let problem = match tag.value {
            None => Some(format!(
                "the tag [{name}=…] has no closing bracket on its line: it does not count"
            )),
            Some(value) => take(tag.key, &value.replace('\\', ""), &mut into.tags),
        };
        into.problems.extend(problem);
    }
}

/// Takes a value in; says what is wrong when it cannot be.
fn take(key: Key, value: &str, tags: &mut Tags) -> Option<String> {
    let name = key.as_str();
    let value = value.trim().trim_matches(['"', '\'']);
    if !key.allows(value) {
        let shown: String = value.chars().take(80).collect();
        return Some(format!("the tag [{name}={shown}] does not count: that can be no {name}"));
    }
    if key == Key::Strategy {
        return match value.to_ascii_lowercase().parse() {
            Ok(strategy) => set(&mut tags.strategy, strategy, name),
            Err(unknown) => Some(format!("the tag [strategy={value}] does not count: {unknown}")),
        };
    }
    let slot = match key {
        Key::Agent => &mut tags.agent,
        Key::Model => &mut tags.model,
        Key::Repo | Key::Strategy => return take_repo(value, tags),
    };
    set(slot, value.to_owned(), name)
}

/// `name`, or `name#branch`; of several the first counts, because a session works on one repository.
fn take_repo(value: &str, tags: &mut Tags) -> Option<String> {
    let (first, more) = value.split_once(',').map_or((value, None), |(a, b)| (a, Some(b)));
    let (repo, branch) = first.split_once('#').map_or((first, None), |(a, b)| (a, Some(b)));
    let (repo, branch) = (repo.trim(), branch.map(str::trim).filter(|branch| !branch.is_empty()));
    if repo.is_empty() {
        return Some(format!("the tag [repo={value}] does not count: it names no repository"));
    }
    let had = tags.repo.is_some();
    let problem = set(&mut tags.repo, repo.to_owned(), "repo");
    if !had {
        tags.branch = branch.map(str::to_owned);
    }
    let several = more.map(|_| {
        format!("the tag [repo={value}] names several repositories: a session works on one, and that is {repo}")
    });
    problem.or(several)
}

fn set<T: PartialEq>(slot: &mut Option<T>, value: T, name: &str) -> Option<String> {
    match slot {
        Some(first) if *first != value => {
            Some(format!("there are several tags [{name}=…]: the first one counts"))
        }
        _ => {
            *slot = Some(value);
            None
        }
    }
}

/// A text without its tags, for a title.
pub(crate) fn strip(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for tag in tags(text).filter(|tag| tag.value.is_some()) {
        kept.push_str(&text[from..tag.at.start]);
        from = tag.at.end;
    }
    kept.push_str(&text[from..]);
    let words: Vec<_> = kept.split_whitespace().collect();
    words.join(" ")
}

/// The tags of a line, code spans apart. Each byte is looked at a bounded number of times.
fn tags(line: &str) -> impl Iterator<Item = Tag<'_>> {
    let bytes = line.as_bytes();
    let (mut at, mut spans) = (0, true);
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            at += 1;
            match bytes[start] {
                b'`' if spans => match line[at..].find('`') {
                    Some(end) => at += end + 1,
                    None => spans = false,
                },
                b'[' => {
                    if let Some(tag) = tag(line, start) {
                        at = tag.at.end;
                        return Some(tag);
                    }
                }
                _ => {}
            }
        }
        None
    })
}

/// The tag whose bracket is here. A backslash before a bracket is Markdown's, and part of the tag.
fn tag(line: &str, start: usize) -> Option<Tag<'_>> {
    let inner = &line[start + 1..];
    let found = KEYS.iter().find_map(|(name, key)| {
        let named = inner.trim_start().get(..name.len())?.eq_ignore_ascii_case(name);
        let rest = named.then(|| inner.trim_start()[name.len()..].trim_start())?;
        Some((*key, rest.strip_prefix('=')?))
    });
    let (key, rest) = found?;
    let from = line.len() - rest.len();
    let end = rest.bytes().take(VALUE_BYTES + 2).position(|b| b == b']');
    let escaped = line[..start].ends_with('\\');
    Some(Tag {
        at: start - usize::from(escaped)..end.map_or(from, |end| from + end + 1),
        key,
        value: end.map(|end| &rest[..end]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_core::Strategy;

    #[test]
    fn reads_each_tag_as_upstream_writes_it() {
        let found = read(
            "Fix [agent=alpha]",
            "\\[model=big-1.5\\] and [Repo = org/shop#release] \n[strategy=Hybrid-Smart]",
        );
        assert_eq!(found.problems, Vec::<String>::new());
        assert_eq!(
            found.tags,
            Tags {
                agent: Some("alpha".into()),
                model: Some("big-1.5".into()),
                repo: Some("org/shop".into()),
                branch: Some("release".into()),
                strategy: Some(Strategy::HybridSmart),
            }
        );
        assert_eq!(read("", "[repos=a,b#x]").tags.repo.as_deref(), Some("a"));
    }

    #[test]
    fn code_is_no_tag() {
        let text = "write `[agent=a]` or\n```\n[agent=b]\n```\n[agents=c] [agent c]";
        assert_eq!(read("", text), Tagged::default());
        assert_eq!(read("", "a ` b [agent=c]").tags.agent.as_deref(), Some("c"));
    }

    #[test]
    fn what_does_not_count_is_said() {
        for (text, said) in [
            ("[strategy=fastest]", "hybrid-parallel"),
            ("[agent=a b]", "can be no agent"),
            ("[agent=]", "can be no agent"),
            ("[agent=../x]", "can be no agent"),
            ("[model=a", "no closing bracket"),
            ("[agent=a] [agent=b]", "the first one counts"),
            ("[repo=a,b]", "works on one"),
            ("[repo=#b]", "names no repository"),
        ] {
            let problems = read("", text).problems;
            assert!(matches!(&problems[..], [one] if one.contains(said)), "{text}: {problems:?}");
        }
        assert_eq!(read("[agent=a]", "[agent=a]").problems, Vec::<String>::new());
    }

    #[test]
    fn an_item_has_tags_of_its_own() {
        let body = "- [ ] one [agent=a]\n  [model=m]\n- [ ] two [agent=b] [strategy=x] [repo=r]\n\n[agent=c]";
        let found = read("", body);
        assert_eq!(found.tags, Tags { agent: Some("c".into()), ..Tags::default() });
        assert_eq!(found.problems.len(), 2, "{:?}", found.problems);
        assert_eq!(of_part("one [agent=a]", "[model=m]").model.as_deref(), Some("m"));
    }

    #[test]
    fn a_title_is_shown_without_them() {
        assert_eq!(strip("Fix \\[agent=a\\] it [model=b]"), "Fix it");
        assert_eq!(strip("Fix [agent= it"), "Fix [agent= it");
    }
}
