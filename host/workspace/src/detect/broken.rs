//! Files that say how a project is set up and checked, and that are not in their own format: then nothing is known by
//! them, which looks like a project that has no tests.

use super::{Listing, content, join};
use serde_json::Value;
use toml::Table;

/// A file of the base commit that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenFile {
    /// From the top of the repository.
    pub file: String,
    /// What is wrong with it and where, on one line.
    pub error: String,
}

/// Those of a commit, by their paths.
pub(crate) fn broken(listing: &Listing) -> Vec<BrokenFile> {
    let of = |(directory, here): (&String, _)| {
        let json = ["package.json", "composer.json"].map(|name| {
            let error = serde_json::from_str::<Value>(text(here, name)?).err()?;
            Some((name, error.to_string()))
        });
        let toml = ["pyproject.toml", "Cargo.toml"].map(|name| {
            let text = text(here, name)?;
            let error = text.parse::<Table>().err()?;
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
            let line = before.matches('\n').count() + 1;
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            Some((name, format!("{message} at line {line}")))
        });
        let found = json.into_iter().chain(toml).flatten();
        found
            .map(|(name, error)| BrokenFile { file: join(directory, name), error })
            .collect::<Vec<_>>()
    };
    listing.iter().flat_map(of).collect()
}

fn text<'a>(here: &'a super::Directory, name: &str) -> Option<&'a str> {
    Some(content(here, name)?.trim_start_matches('\u{feff}'))
}

#[cfg(test)]
mod tests {
    use super::super::{Directory, Listing};
    use super::*;

    #[test]
    fn what_is_not_in_its_format_is_named_with_its_line() {
        let rows: &[(&str, &str, Option<&str>)] = &[
            ("package.json", "{\n  \"a\": 1,\n}\n", Some("trailing comma at line 3 column 1")),
            ("package.json", "\u{feff}{}", None),
            ("package.json", "<<<<<<< ours\n", Some("expected value at line 1 column 1")),
            ("composer.json", "", Some("EOF while parsing a value at line 1 column 0")),
            ("pyproject.toml", "[project]\nname = flask\n", Some("at line 2")),
            ("Cargo.toml", "[package]\n[package]\n", Some("at line 2")),
            ("Cargo.toml", "[package]\nname = 'a'\n", None),
            ("deno.json", "// comments are right here\n{}", None),
            ("Makefile", "{", None),
        ];
        for (name, text, expected) in rows {
            for directory in ["", "a/b"] {
                let here = Directory::from([((*name).to_owned(), Some((*text).to_owned()))]);
                let found = broken(&Listing::from([(directory.to_owned(), here)]));
                let Some(expected) = expected else {
                    assert_eq!(found, [], "{text}");
                    continue;
                };
                let [BrokenFile { file, error }] = &found[..] else { panic!("{text}: {found:?}") };
                assert_eq!(*file, join(directory, name));
                assert!(error.contains(expected) && !error.contains('\n'), "{error}");
            }
        }
    }
}
