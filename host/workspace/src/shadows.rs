//! New files that tools take in place of one that has to stay: a file without an ending before that with `.js`, one with
//! `.js` before that with `.ts`, a package before the module of its name, a compiled header before its source.

use std::collections::BTreeMap;

/// Endings among which those who load modules of JavaScript choose; without one, too.
const SCRIPTS: [&str; 11] =
    ["", "cjs", "cts", "js", "json", "jsx", "mjs", "mts", "node", "ts", "tsx"];

/// Endings of headers.
const HEADERS: [&str; 6] = ["h", "hh", "hpp", "hxx", "inc", "inl"];

/// Each of these new files that tools may take in place of one of the others, with that one.
pub(crate) fn shadows<'a>(
    kept: impl Iterator<Item = &'a str>,
    new: impl Iterator<Item = &'a str>,
) -> Vec<(&'a str, &'a str)> {
    // By the directory and the name without its ending.
    let mut known: BTreeMap<(&str, &str), Vec<(&str, &str)>> = BTreeMap::new();
    for path in kept {
        let (directory, name) = split(path);
        let (stem, ending) = parts(name);
        known.entry((directory, stem)).or_default().push((ending, path));
        if HEADERS.contains(&ending) {
            known.entry((directory, name)).or_default().push((ending, path));
        }
    }
    let mut found = Vec::new();
    for path in new {
        let (directory, name) = split(path);
        let (stem, ending) = parts(name);
        let as_file = [(directory, stem, ending), (directory, name, "")];
        // Each directory that it lies in may stand for a module.
        let as_directory = path.match_indices('/').map(|(end, _)| {
            let (above, name) = split(&path[..end]);
            (above, name, "/")
        });
        let mut shadowed =
            as_file.into_iter().chain(as_directory).flat_map(|(above, stem, how)| {
                let kept = known.get(&(above, stem)).into_iter().flatten();
                kept.filter(move |(ending, _)| is_before(how, ending)).map(|(_, kept)| *kept)
            });
        if let Some(kept) = shadowed.next() {
            found.push((path, kept));
        }
    }
    found
}

/// Whether what has one ending, or is a directory, may be taken in place of what has the other.
fn is_before(new: &str, kept: &str) -> bool {
    match kept {
        "py" => ["/", "pyc", "pyd", "so"].contains(&new),
        "rb" => ["so", "bundle"].contains(&new),
        kept if HEADERS.contains(&kept) => ["gch", "pch"].contains(&new),
        kept => {
            let is_script = !kept.is_empty() && SCRIPTS.contains(&kept);
            is_script && new != kept && (new == "/" || SCRIPTS.contains(&new))
        }
    }
}

/// Headers of the C library and modules of Perl's own with which tests say what fails, and where else they are found.
const TOOLCHAINS: [&str; 12] = [
    "assert.h",
    "cassert",
    "errno.h",
    "setjmp.h",
    "signal.h",
    "stdbool.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "strict.pm",
    "unistd.h",
    "warnings.pm",
];

/// Whether a file has the name of one that the tools of a language bring and that tests are made with: where the project's
/// own directories are looked in first, it is taken in place of that.
pub(crate) fn is_of_a_toolchain(path: &str) -> bool {
    let is_of_perl = |path: &str| {
        let at = path.find("Test/").filter(|at| *at == 0 || path[..*at].ends_with('/'));
        at.is_some() && parts(path).1 == "pm"
    };
    TOOLCHAINS.contains(&split(path).1) || is_of_perl(path)
}

/// Whether a manifest says otherwise where a test is, or what a package is called by which its own tests find it: Node
/// looks for that before it looks for what is installed.
pub(crate) fn leads_otherwise(name: &str, before: &[u8], after: &[u8]) -> bool {
    if name == "package.json" {
        let called = |text: &[u8]| {
            let all: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
            all["name"].clone()
        };
        return called(before) != called(after);
    }
    let targets = |text: &[u8]| {
        let all = String::from_utf8_lossy(text).parse::<toml::Table>().unwrap_or_default();
        let package = |key: &str| all.get("package").and_then(|package| package.get(key)).cloned();
        let lib = |key: &str| all.get("lib").and_then(|lib| lib.get(key)).cloned();
        [all.get("test").cloned(), package("autotests"), lib("path"), lib("test"), lib("harness")]
    };
    targets(before) != targets(after)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A name without its ending, and that. Compiled modules of Python say for which version they are:
/// `a.cpython-311-x86_64-linux-gnu.so`.
fn parts(name: &str) -> (&str, &str) {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, ending),
        _ => (name, ""),
    };
    let is_of_version = |tag: &str| tag.starts_with("cpython-") || tag.starts_with("abi3");
    match stem.rsplit_once('.') {
        Some((stem, tag)) if ["so", "pyd", "pyc"].contains(&ending) && is_of_version(tag) => {
            (stem, ending)
        }
        _ => (stem, ending),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_are_made_with_is_known() {
        for (path, expected) in [
            ("include/assert.h", true),
            ("lib/Test/More.pm", true),
            ("Test/Builder.pm", true),
            ("lib/strict.pm", true),
            ("lib/MyTest/More.pm", false),
            ("src/my_assert.h", false),
            ("Test/data.txt", false),
        ] {
            assert_eq!(is_of_a_toolchain(path), expected, "{path}");
        }
    }

    #[test]
    fn manifests_lead_otherwise_by_their_targets_and_names() {
        for (name, before, after, expected) in [
            ("package.json", r#"{"name": "a"}"#, r#"{"name": "chai"}"#, true),
            ("package.json", r#"{"name": "a"}"#, r#"{"name": "a", "version": "2"}"#, false),
            ("Cargo.toml", "[package]\nname = 'a'", "[[test]]\nname = 't'\npath = 'x.rs'", true),
            ("Cargo.toml", "", "[package]\nautotests = false", true),
            ("Cargo.toml", "", "[dependencies]\nserde = '1'", false),
        ] {
            let found = leads_otherwise(name, before.as_bytes(), after.as_bytes());
            assert_eq!(found, expected, "{after}");
        }
    }

    #[test]
    fn what_is_taken_in_place_of_another_is_known() {
        for (kept, new, expected) in [
            ("spec/verify.spec.js", "spec/verify.spec", true),
            ("a.ts", "a.js", true),
            ("a.ts", "a.json", true),
            ("a.js", "a/index.js", true),
            ("lib/a.py", "lib/a/__init__.py", true),
            ("a.py", "a.cpython-311-x86_64-linux-gnu.so", true),
            ("a.py", "a.abi3.so", true),
            ("a.rb", "a.so", true),
            ("src/check.h", "src/check.h.gch", true),
            ("src/check.h", "src/check.gch", true),
            ("a.py", "a.md", false),
            ("a.py", "b/a.so", false),
            ("a.ts", "a.md", false),
            ("a.ts", "a.test.ts", false),
            ("Cargo.toml", "Cargo.lock", false),
            ("package.json", "package-lock.json", false),
            ("Makefile", "Makefile.am", false),
            ("ci/deploy.sh", "ci/deploy", false),
            (".eslintrc", ".eslintrc.js", false),
        ] {
            let found = shadows([kept].into_iter(), [new].into_iter());
            assert_eq!(!found.is_empty(), expected, "{new} for {kept}");
        }
    }
}
