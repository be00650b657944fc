use crate::{Approval, Digest};
use std::fmt;

/// The most entries that a manifest has, and the most bytes of one as it is shown. What is asked for has to be shown
/// whole, to be read by a person: a manifest with more is not loaded.
pub(crate) const MAX_ENTRIES: usize = 256;
pub(crate) const MAX_ENTRY_BYTES: usize = 512;

/// The table of a manifest that asks for authority.
const REQUESTS: &str = "requests";

/// What changed between two states of a plugin: what its manifest says, entry by entry, and its component. All of it is
/// shown, what gives authority first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    manifest: ManifestDifference,
    component: Option<(Digest, Digest)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ManifestDifference {
    Same,
    /// Comments or layout: what it says is the same.
    TextOnly,
    Entries(Vec<Entry>),
}

/// One entry of a manifest that is only on one side. Each item of a list is an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    sign: char,
    text: String,
}

impl Difference {
    /// What is not the same after as before.
    pub fn between(before: &Approval, after: &Approval) -> Self {
        let component =
            (before.component != after.component).then_some((before.component, after.component));
        let manifest = if before.manifest == after.manifest {
            ManifestDifference::Same
        } else {
            match entries(&flatten(&before.manifest), &flatten(&after.manifest)) {
                none if none.is_empty() => ManifestDifference::TextOnly,
                some => ManifestDifference::Entries(some),
            }
        };
        Self { manifest, component }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.manifest == ManifestDifference::Same && self.component.is_none()
    }
}

fn entries(before: &[String], after: &[String]) -> Vec<Entry> {
    let only = |one: &[String], other: &[String], sign| {
        let mut rest: Vec<_> = other.iter().collect();
        let mut found = Vec::new();
        for text in one {
            match rest.iter().position(|known| *known == text) {
                Some(at) => _ = rest.swap_remove(at),
                None => found.push(Entry { sign, text: text.clone() }),
            }
        }
        found
    };
    let mut all = only(before, after, '-');
    all.extend(only(after, before, '+'));
    // What is taken away and what comes in its place stand together.
    all.sort_by_key(|entry| {
        let path = entry.text.split(" = ").next().unwrap_or_default().to_owned();
        (!path.starts_with(REQUESTS), path, entry.sign == '+')
    });
    all
}

/// Every entry of a manifest, as it is shown. A text that is no TOML is one entry.
fn flatten(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    match text.parse::<toml::Table>() {
        Ok(table) => collect("", &toml::Value::Table(table), &mut all),
        Err(_) => all.push(format!("(unreadable) = {text:?}")),
    }
    all
}

/// Whether a manifest's entries can be shown, by their number and the longest of them in bytes.
pub(crate) fn measure(text: &str) -> (usize, usize) {
    let entries = flatten(text);
    (entries.len(), entries.iter().map(String::len).max().unwrap_or_default())
}

fn collect(path: &str, value: &toml::Value, all: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) if !table.is_empty() || path.is_empty() => {
            for (key, value) in table {
                collect(&join(path, key), value, all);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for (index, item) in items.iter().enumerate() {
                collect(&format!("{path}[{index}]"), item, all);
            }
        }
        // A list of lists has an order; the items of a plain one have lines of their own.
        toml::Value::Array(items)
            if !items.is_empty() && !items.iter().any(toml::Value::is_array) =>
        {
            all.extend(items.iter().map(|item| format!("{path}[] = {}", written(item))));
        }
        leaf => all.push(format!("{path} = {}", written(leaf))),
    }
}

/// A value on one line, with what does not print escaped.
fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("{text:?}"),
        toml::Value::Array(items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        toml::Value::Table(_) => "{}".to_owned(),
        plain => plain.to_string(),
    }
}

fn join(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let key =
        if !key.is_empty() && key.chars().all(plain) { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.manifest {
            ManifestDifference::Same => f.write_str("  plugin.toml: unchanged")?,
            ManifestDifference::TextOnly => {
                f.write_str("  plugin.toml: comments or layout changed, no entry did")?;
            }
            ManifestDifference::Entries(entries) => {
                f.write_str("  plugin.toml:")?;
                for Entry { sign, text } in entries {
                    write!(f, "\n    {sign} {text}")?;
                }
            }
        }
        match self.component {
            None => f.write_str("\n  component: unchanged"),
            Some((before, after)) => {
                write!(f, "\n  component:\n    - {before}\n    + {after}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PluginDigest;

    fn approval(manifest: &str, component: &[u8]) -> Approval {
        Approval {
            digest: PluginDigest::of(manifest.as_bytes(), component),
            component: Digest::of(component),
            manifest: manifest.to_owned(),
        }
    }

    #[test]
    fn shows_each_entry_that_changed_and_no_other() {
        let before = "name = \"a\"\n[requests]\nhttp = [\"https://a.example\"]\nask = true\n";
        let after = "name = \"a\"\n[requests]\nhttp = [\"https://a.example\", \"*\"]\n\
                     [[requests.secrets]]\nhandle = \"k\"\naudience = [\"https://evil.example\"]\n";
        let shown =
            Difference::between(&approval(before, b"1"), &approval(after, b"1")).to_string();
        assert_eq!(
            shown,
            "  plugin.toml:\n    - requests.ask = true\n    + requests.http[] = \"*\"\n    \
             + requests.secrets[0].audience[] = \"https://evil.example\"\n    \
             + requests.secrets[0].handle = \"k\"\n  component: unchanged"
        );
    }

    /// Whatever else changes beside it, and however long the list is that it is in.
    #[test]
    fn shows_all_of_what_gives_authority_and_shows_it_first() {
        let hosts = |last: &str| {
            let many: Vec<_> =
                (0..60).map(|i| format!("\"https://region-{i:02}.api.bank.example\"")).collect();
            format!("[requests]\nhttp = [{}, \"{last}\"]\n", many.join(", "))
        };
        let filler = |word: &str| {
            (0..100).map(|i| format!("a{i} = \"{word}\"\n")).collect::<Vec<_>>().concat()
        };
        let before = format!("{}{}", filler("x"), hosts("https://good.example"));
        let after = format!("{}{}", filler("y"), hosts("https://evil.example"));
        let shown =
            Difference::between(&approval(&before, b"1"), &approval(&after, b"1")).to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[1], "    - requests.http[] = \"https://good.example\"");
        assert_eq!(lines[2], "    + requests.http[] = \"https://evil.example\"");
        assert_eq!(lines.len(), 4 + 200, "{shown}");
        assert_eq!(
            measure(&after),
            (161, "requests.http[] = \"https://region-00.api.bank.example\"".len())
        );
    }

    /// An empty table can be all of a request, and the order of a list of lists is its meaning.
    #[test]
    fn shows_what_is_empty_and_lists_of_lists_as_they_are() {
        let after = "a = []\nb = [[\"x\"], [\"y\"]]\nc = [[], \"z\"]\n[requests.process.sh]\n";
        let shown = Difference::between(&approval("", b"1"), &approval(after, b"1")).to_string();
        for line in [
            "+ a = []",
            "+ b = [[\"x\"], [\"y\"]]",
            "+ c = [[], \"z\"]",
            "+ requests.process.sh = {}",
        ] {
            assert!(shown.lines().any(|shown| shown.trim() == line), "{line} in {shown}");
        }
    }

    #[test]
    fn tells_comments_and_components_apart() {
        let one = approval("name = \"a\"\n", b"1");
        assert!(Difference::between(&one, &one).is_empty());
        let comment = Difference::between(&one, &approval("name = \"a\" # x\n", b"1"));
        assert!(!comment.is_empty() && comment.to_string().contains("no entry did"));
        let other = Difference::between(&one, &approval("name = \"a\"\n", b"2")).to_string();
        assert!(other.contains(&format!("+ {}", Digest::of(b"2"))), "{other}");
    }

    #[test]
    fn a_manifest_cannot_forge_a_line() {
        let evil = "name = \"a\\n  component: unchanged\\u001b[2J\\u202e\"\n\"k\\ney\" = 1\n";
        let shown = Difference::between(&approval("", b"1"), &approval(evil, b"1")).to_string();
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
}
