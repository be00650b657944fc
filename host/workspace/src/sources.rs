//! Where what a result asks for comes from: a registry, or a place that the result names, as a directory of its own or
//! a repository of whatever host. Of the latter, the result decides what is in it, so it decides what its checks run.

use regex_lite::Regex;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// The longest line that is shown.
const SHOWN: usize = 120;

/// Parts of the keys of `package.json` whose values say where packages come from.
const DEPENDENCIES: [&str; 3] = ["ependencies", "overrides", "resolutions"];

/// Public registries. What the base's file takes from a host of its own, as a private one, may come from there too.
const REGISTRIES: [&str; 5] = [
    "files.pythonhosted.org",
    "npm.jsr.io",
    "pypi.org",
    "registry.npmjs.org",
    "registry.yarnpkg.com",
];

/// The host that a line of a lock file takes a package from.
static TAKEN_FROM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:\bresolved"?:?|\btarball:|\burl\s*=)\s*["']?https?://(?<host>[^/"'\s]+)"#)
        .expect("it is tested")
});

/// The hosts that a lock file takes packages from.
fn hosts(lock: &str) -> BTreeSet<&str> {
    let found = TAKEN_FROM.captures_iter(lock).filter_map(|found| found.name("host"));
    found.map(|host| host.as_str()).chain(REGISTRIES).collect()
}

/// What stands in a line that names a place which is no registry.
static PLACES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:file|link|portal|github|gitlab|bitbucket|exec|git\+\w+|git|ssh):[./\w]",
        r#"|\b(?:path|directory|editable|git|find-links|index-url)\b["']?\s*(?:=>|[:=])"#,
        r"|^\s*(?:-[efi]\b|--(?:editable|extra-index-url|find-links|index-url|trusted-host)\b)",
        r#"|^\s*["']?(?:\.{1,2}/|\.$|\.\[)"#,
        r"|@\s*(?:file|git|https?|ssh)\b",
        r#"|"type"\s*:\s*"path"|type\s*=\s*"(?:file|directory|git|url)""#,
    ))
    .expect("it is tested")
});

/// What `package.json` asks for from no registry: what is no range of versions and no tag.
static PLAIN_RANGE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:workspace:[\w.^~*-]*|[$\w.^~<>=*|+ -]*)$").expect("it is tested")
});

/// What the result's version of such a file asks for from a place of its own that the base's does not, for a person to
/// look at. `is_package` says whether the base has a package in a directory: another that comes from there is known.
pub(crate) fn own_sources(
    path: &str,
    base: Option<&[u8]>,
    result: &[u8],
    is_package: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let found = match path.rsplit('/').next().unwrap_or_default() {
        "package.json" => by_value(base, result, &asked),
        "package-lock.json" | "npm-shrinkwrap.json" => {
            let before = String::from_utf8_lossy(base.unwrap_or_default());
            let hosts = hosts(&before);
            by_value(base, result, &|lock| locked(lock, &hosts, is_package))
        }
        _ => by_line(base.unwrap_or_default(), result),
    };
    found.map(|line| line.chars().take(SHOWN).collect())
}

type Found = BTreeSet<String>;

/// What a walk of one JSON document finds that that of another does not.
fn by_value(base: Option<&[u8]>, result: &[u8], walk: &dyn Fn(&Value) -> Found) -> Option<String> {
    let of = |text: &[u8]| serde_json::from_slice::<Value>(text).ok().map(|value| walk(&value));
    let before = base.and_then(of).unwrap_or_default();
    // What is no JSON installs nothing.
    of(result)?.into_iter().find(|found| !before.contains(found))
}

/// The dependencies of a `package.json` that come from no registry, and what its workspaces are.
fn asked(package: &Value) -> Found {
    let mut found = Found::new();
    for (key, value) in package.as_object().into_iter().flatten() {
        if DEPENDENCIES.iter().any(|part| key.contains(part)) {
            each_text(value, key, &mut |name, range| {
                if !PLAIN_RANGE.is_match(range) {
                    found.insert(format!("\"{name}\": \"{range}\""));
                }
            });
        }
    }
    found
}

/// The packages of a lock file of npm's that come from the repository or from no registry.
fn locked(lock: &Value, hosts: &BTreeSet<&str>, is_package: &dyn Fn(&str) -> bool) -> Found {
    let mut found = Found::new();
    let mut values = vec![("", lock)];
    while let Some((name, value)) = values.pop() {
        let Some(object) = value.as_object() else { continue };
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let from = if text("resolved").is_empty() { text("version") } else { text("resolved") };
        let package = text("name");
        let package = if package.is_empty() {
            name.rsplit("node_modules/").next().unwrap_or(name)
        } else {
            package
        };
        let is_registrys = from.strip_prefix("https://").is_some_and(|rest| {
            hosts.contains(rest.split('/').next().unwrap_or_default())
                && rest.contains(&format!("/{package}/"))
        });
        let is_elsewhere = !is_registrys && !PLAIN_RANGE.is_match(from)
            || name.contains("node_modules/")
                && !name.ends_with(&format!("node_modules/{package}"));
        let is_link = object.get("link") == Some(&Value::Bool(true));
        if if is_link { !is_package(from) } else { is_elsewhere } {
            found.insert(format!("\"{name}\": \"{from}\""));
        }
        values.extend(object.iter().map(|(name, value)| (name.as_str(), value)));
    }
    found
}

fn each_text<'a>(value: &'a Value, name: &'a str, each: &mut dyn FnMut(&str, &str)) {
    let mut values = vec![(name, value)];
    while let Some((name, value)) = values.pop() {
        match value {
            Value::String(text) => each(name, text),
            Value::Object(object) => {
                values.extend(object.iter().map(|(name, value)| (name.as_str(), value)));
            }
            _ => {}
        }
    }
}

/// The first line that the base's does not have and that names such a place.
fn by_line(base: &[u8], result: &[u8]) -> Option<String> {
    let (base, result) = (String::from_utf8_lossy(base), String::from_utf8_lossy(result));
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in base.lines() {
        *counts.entry(line.trim()).or_default() += 1;
    }
    let is_comment = |line: &str| line.starts_with('#') && !line.starts_with("#!");
    let added = result.lines().map(str::trim).filter(|line| match counts.get_mut(line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    let hosts = hosts(&base);
    let is_elsewhere = |line: &str| {
        let host = TAKEN_FROM.captures(line).and_then(|found| found.name("host"));
        host.is_some_and(|host| !hosts.contains(host.as_str()))
    };
    added
        .filter(|line| !is_comment(line))
        .find(|line| PLACES.is_match(line) || is_elsewhere(line))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(path: &str, base: &str, result: &str) -> bool {
        let is_package = |directory: &str| directory == "packages/known";
        own_sources(path, Some(base.as_bytes()), result.as_bytes(), &is_package).is_some()
    }

    #[test]
    fn what_comes_from_a_place_of_the_results_own_is_known() {
        for (path, line) in [
            ("package.json", r#"{"dependencies": {"evil": "file:./evil"}}"#),
            ("web/package.json", r#"{"devDependencies": {"jest": "npm:evil@1"}}"#),
            ("package.json", r#"{"dependencies": {"a": "someone/a"}}"#),
            ("package.json", r#"{"dependencies": {"a": "git+https://a.test/a"}}"#),
            ("package.json", r#"{"overrides": {"b": {"c": "https://a.test/c.tgz"}}}"#),
            (
                "package-lock.json",
                r#"{"packages": {"node_modules/a": {"resolved": "a", "link": true}}}"#,
            ),
            ("package-lock.json", r#"{"packages": {"node_modules/a": {"resolved": "file:a"}}}"#),
            (
                "package-lock.json",
                r#"{"packages": {"node_modules/jest": {"resolved": "https://a.test/jest/-/jest-1.0.0.tgz"}}}"#,
            ),
            (
                "package-lock.json",
                r#"{"packages": {"node_modules/jest": {"resolved": "https://registry.npmjs.org/evil/-/evil-1.0.0.tgz"}}}"#,
            ),
            (
                "package-lock.json",
                r#"{"packages": {"node_modules/jest": {"name": "evil", "resolved": "https://registry.npmjs.org/evil/-/evil-1.0.0.tgz"}}}"#,
            ),
            ("package-lock.json", r#"{"dependencies": {"a": {"version": "file:./a"}}}"#),
            ("package-lock.json", r#"{"dependencies": {"a": {"version": "git+ssh://a.test/a"}}}"#),
            ("yarn.lock", "\"evil@file:./evil\":"),
            ("yarn.lock", "  resolved \"https://a.test/jest/-/jest-1.0.0.tgz#0f\""),
            ("pnpm-lock.yaml", "    resolution: {tarball: https://a.test/jest.tgz}"),
            ("uv.lock", "sdist = { url = \"https://a.test/a.tar.gz\" }"),
            ("pnpm-lock.yaml", "        version: link:evil"),
            ("pnpm-lock.yaml", "    resolution: {directory: evil, type: directory}"),
            ("requirements.txt", "-e ."),
            ("requirements.txt", "./evil"),
            ("requirements-dev.txt", "evil @ file:///x"),
            ("requirements.txt", "--index-url https://a.test"),
            ("pyproject.toml", "evil = { path = \"evil\" }"),
            ("pyproject.toml", "  \"evil @ git+https://a.test/evil\","),
            ("uv.lock", "source = { editable = \"evil\" }"),
            ("uv.lock", "source = { directory = \"evil\" }"),
            ("poetry.lock", "type = \"directory\""),
            ("Gemfile", "gem 'evil', path: 'evil'"),
            ("Gemfile", "gem 'evil', :git => 'x'"),
            ("Pipfile", "evil = {path = \"./evil\", editable = true}"),
            ("composer.json", "{ \"type\": \"path\", \"url\": \"evil\" }"),
            ("mix.exs", "{:evil, path: \"evil\"}"),
            ("pubspec.yaml", "    path: evil"),
        ] {
            assert!(asks(path, "", line), "{path}: {line}");
            assert!(!asks(path, line, line), "the base has it: {path}: {line}");
        }
    }

    #[test]
    fn a_registry_that_the_base_has_is_known() {
        let of = |host: &str, name: &str| {
            format!(
                r#"{{"packages": {{"node_modules/{name}": {{"resolved": "https://{host}/npm/{name}/-/{name}-1.0.0.tgz"}}}}}}"#
            )
        };
        let base = of("npm.acme.test", "a");
        assert!(!asks("package-lock.json", &base, &of("npm.acme.test", "b")));
        assert!(asks("package-lock.json", &base, &of("other.test", "b")));
        let line = |name: &str| format!("  resolved \"https://npm.acme.test/{name}.tgz\"");
        assert!(!asks("yarn.lock", &line("a"), &line("b")));
    }

    #[test]
    fn what_comes_from_a_registry_is_none() {
        for (path, line) in [
            (
                "package.json",
                r#"{"dependencies": {"a": "^1.2.3 || >=2.0.0-rc.1 <3", "b": "latest"}}"#,
            ),
            ("package.json", r#"{"scripts": {"x": "node ./x"}, "repository": "git@a.test:b"}"#),
            (
                "package-lock.json",
                r#"{"packages": {"node_modules/a": {"version": "1.0.0", "resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz", "funding": {"url": "https://a.test"}}}}"#,
            ),
            (
                "package-lock.json",
                r#"{"packages": {"node_modules/a": {"resolved": "packages/known", "link": true}}}"#,
            ),
            ("yarn.lock", "  resolved \"https://registry.yarnpkg.com/a/-/a-1.0.0.tgz#0f\""),
            ("pnpm-lock.yaml", "    resolution: {integrity: sha512-x==}"),
            ("requirements.txt", "flask[async]>=3.0,<4 ; python_version > '3.9'"),
            ("requirements.txt", "# -e ."),
            ("requirements.txt", "-r requirements/base.txt"),
            ("package.json", r#"{"dependencies": {"a": "workspace:*"}, "overrides": {"b": "$b"}}"#),
            ("yarn.lock", "\"a@workspace:packages/known\":"),
            ("requirements.txt", "    --hash=sha256:0"),
            ("pyproject.toml", "dependencies = [\"flask>=3\", \"attrs\"]"),
            ("uv.lock", "source = { registry = \"https://pypi.org/simple\" }"),
            (
                "uv.lock",
                "sdist = { url = \"https://files.pythonhosted.org/a.tar.gz\", hash = \"x\" }",
            ),
            ("Gemfile", "gem 'rake', '~> 13'"),
            ("composer.lock", "\"type\": \"git\","),
            ("mix.exs", "{:jason, \"~> 1.4\"}"),
        ] {
            assert!(!asks(path, "", line), "{path}: {line}");
        }
    }
}
