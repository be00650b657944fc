//! The issues that have to be done before, as a text names them.

use super::outline::{What, outline};

/// What comes before the names, and whether more than a list of names may follow: "depends on UTF-8 support" names
/// no issue.
const PHRASES: &[(&str, bool)] = &[("blocked by", true), ("depends on", false)];

/// What before a phrase turns it around.
const NEGATIONS: &[&str] = &["not", "never", "longer", "isn't", "unblocked"];

/// Words that look like the name of an issue and are none.
const NO_TEAMS: &[&str] = &["AES", "ES", "HTTP", "IPV", "ISO", "RFC", "SHA", "TLS", "UTF"];

/// The names that follow "blocked by" and "depends on" in the text. The numbers in a checklist's items are those
/// of other items.
pub(crate) fn read(body: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in outline(body) {
        let Some(text) = line.said() else { continue };
        let items = matches!(line.what, What::Item { checked: Some(_), .. });
        let lower = text.to_ascii_lowercase();
        for (phrase, loose) in PHRASES {
            let mut from = 0;
            while let Some(at) = lower[from..].find(phrase) {
                let (start, end) = (from + at, from + at + phrase.len());
                from = end;
                let before = lower[..start].split_whitespace().next_back();
                let whole = lower[..start].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
                if whole && !before.is_some_and(|word| NEGATIONS.contains(&word)) {
                    let names = names(&text[end..], *loose);
                    found
                        .extend(names.into_iter().filter(|name| !(items && name.starts_with('#'))));
                }
            }
        }
    }
    found
}

/// The names at the beginning of a text.
fn names(text: &str, loose: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        rest =
            rest.trim_start_matches([' ', '\t', ':', ',', '&', '[', ']', '(', ')', '*', '`', '\\']);
        if let Some(more) = rest.strip_prefix("and ").or_else(|| rest.strip_prefix("issue ")) {
            rest = more;
        } else if rest.starts_with("http://") || rest.starts_with("https://") {
            let end = rest.find([')', ' ', ',']).unwrap_or(rest.len());
            rest = &rest[end..];
        } else if let Some(length) = name(rest) {
            names.push(rest[..length].to_owned());
            rest = &rest[length..];
        } else {
            break;
        }
        if names.len() >= super::MAX_BLOCKERS {
            break;
        }
    }
    let ends = rest.is_empty() || rest.starts_with(['.', ';', '!', '?', '\r', '\n']);
    if loose || ends { names } else { Vec::new() }
}

/// How long the name of an issue is that a text begins with: `CYR-12` or `#12`.
fn name(text: &str) -> Option<usize> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let start = match text.as_bytes().first()? {
        b'#' => 1,
        _ if (1..=10).contains(&letters) && text.as_bytes().get(letters) == Some(&b'-') => {
            letters + 1
        }
        _ => return None,
    };
    let end = start + digits(start);
    let whole = text[end..].chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let named = (1..=9).contains(&(end - start)) && whole;
    (named && !NO_TEAMS.contains(&&text[..letters])).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_phrases() {
        for (text, expected) in [
            ("Blocked by CYR-12.", vec!["CYR-12"]),
            ("This depends on CYR-1, CYR-2 and #34", vec!["CYR-1", "CYR-2", "#34"]),
            ("- blocked by: [CYR-7](https://example.com/CYR-7/a-b), soon", vec!["CYR-7"]),
            ("blocked by CYR-3 being open", vec!["CYR-3"]),
            ("depends on UTF-8 support", vec![]),
            ("depends on SHA-256", vec![]),
            ("depends on the weather", vec![]),
            ("no longer blocked by CYR-3", vec![]),
            ("- [ ] deploy, depends on #2 and CYR-4", vec!["CYR-4"]),
            ("```\nblocked by CYR-3\n```", vec![]),
            ("blocked by CYR-1234567890", vec![]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
