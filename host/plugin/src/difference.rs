use crate::{Approval, Digest};
use std::{collections::BTreeMap, fmt};

/// The most lines of a manifest's difference that are shown.
const MAX_LINES: usize = 100;

/// The most characters of a value that are shown.
const MAX_VALUE: usize = 400;

/// What changed between two states of a plugin: what its manifest says, entry by entry, and its component.
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

/// One entry of a manifest that is not the same in both: its path, and its value before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: String,
    before: Option<String>,
    after: Option<String>,
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

fn entries(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Entry> {
    let mut paths: Vec<_> = before.keys().chain(after.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let entry = |path: &String| Entry {
        path: path.clone(),
        before: before.get(path).cloned(),
        after: after.get(path).cloned(),
    };
    paths.into_iter().map(entry).filter(|entry| entry.before != entry.after).collect()
}

/// Every entry of a manifest by its path. A text that is no TOML is one entry.
fn flatten(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    match text.parse::<toml::Table>() {
        Ok(table) => collect("", &toml::Value::Table(table), &mut all),
        Err(_) => _ = all.insert("(unreadable)".to_owned(), format!("{text:?}")),
    }
    all
}

fn collect(path: &str, value: &toml::Value, all: &mut BTreeMap<String, String>) {
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
        leaf => _ = all.insert(path.to_owned(), written(leaf)),
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

fn shortened(value: &str) -> String {
    let mut short: String = value.chars().take(MAX_VALUE).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
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
                for Entry { path, before, after } in entries.iter().take(MAX_LINES) {
                    for (sign, value) in [('-', before), ('+', after)] {
                        if let Some(value) = value {
                            write!(f, "\n    {sign} {path} = {}", shortened(value))?;
                        }
                    }
                }
                let more = entries.len().saturating_sub(MAX_LINES);
                if more > 0 {
                    write!(f, "\n    and {more} more entries")?;
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
            "  plugin.toml:\n    - requests.ask = true\n    - requests.http = [\"https://a.example\"]\n    \
             + requests.http = [\"https://a.example\", \"*\"]\n    \
             + requests.secrets[0].audience = [\"https://evil.example\"]\n    \
             + requests.secrets[0].handle = \"k\"\n  component: unchanged"
        );
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
