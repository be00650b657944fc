use crate::ConfigError;
use std::path::{Component, Path, PathBuf};

/// The configuration's name in Cyrus's home.
pub const CONFIG_FILE: &str = "config.json";

/// Where Cyrus keeps its things: as chosen (`--cyrus-home`), else `CYRUS_HOME`, else `~/.cyrus`. Absolute when
/// the choice, or `HOME`, is.
pub fn home(
    chosen: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<PathBuf, ConfigError> {
    let set = |name| environment(name).filter(|value| !value.is_empty());
    if let Some(path) = chosen {
        return Ok(path.to_owned());
    }
    if let Some(path) = set("CYRUS_HOME") {
        return expand(&path, environment).map_err(ConfigError::HomeVariable);
    }
    set("HOME").map(|path| PathBuf::from(path).join(".cyrus")).ok_or(ConfigError::NoHome)
}

/// The same place without `..` in it, which no program in a sandbox could be shown it by: what is there is followed as
/// the system does, and of what is not there yet each `..` takes the name before it away.
pub fn without_parents(path: PathBuf) -> PathBuf {
    if !path.components().any(|part| part == Component::ParentDir) {
        return path;
    }
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, mut place)) = there else { return path };
    for part in path.strip_prefix(above).into_iter().flat_map(Path::components) {
        match part {
            Component::ParentDir => drop(place.pop()),
            part => place.push(part),
        }
    }
    place
}

/// A variable that a path names and that is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: the variable {name} is not set: set it, or write the path in full")]
pub struct UnsetVariable {
    path: String,
    name: String,
}

/// A path as people write it, with `~` for the home directory, and `$NAME` and `${NAME}` for variables.
pub fn expand(
    path: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<PathBuf, UnsetVariable> {
    let path = &with_variables(path, environment)?;
    let rest = match path.strip_prefix('~') {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    Ok(match (rest, environment("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    })
}

/// Puts the values of variables in their places. A `$` before anything else is a `$`.
fn with_variables(
    path: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, UnsetVariable> {
    let (mut text, mut rest) = (String::new(), path);
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, following) = variable(after);
        if name.is_empty() {
            text.push('$');
            rest = after;
            continue;
        }
        let value = environment(name).filter(|value| !value.is_empty());
        text.push_str(
            &value.ok_or_else(|| UnsetVariable { path: path.to_owned(), name: name.to_owned() })?,
        );
        rest = following;
    }
    Ok(text + rest)
}

/// The name of the variable that a text begins with, and what follows. The name is empty where there is none.
fn variable(text: &str) -> (&str, &str) {
    let is_name = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if let Some((name, rest)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return if is_name(name) { (name, rest) } else { ("", text) };
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if is_name(name) { (name, rest) } else { ("", text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_without_the_way_back() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("a/b")).unwrap();
        std::os::unix::fs::symlink("a/b", real.join("link")).unwrap();
        for (path, expected) in [
            ("a/../c", "c"),
            ("a/b/../../c/d", "c/d"),
            ("link/../c", "a/c"),
            ("none/../c", "c"),
            ("a/none/x/../../d", "a/d"),
            ("link/c", "link/c"),
        ] {
            assert_eq!(without_parents(real.join(path)), real.join(expected), "{path}");
        }
    }

    #[test]
    fn the_nearest_choice_counts() {
        let environment = |name: &str| match name {
            "HOME" => Some("/home/op".to_owned()),
            "CYRUS_HOME" => Some("~/work".to_owned()),
            _ => None,
        };
        let only_home = |name: &str| (name == "HOME").then(|| "/home/op".to_owned());
        let at = |chosen: Option<&str>, environment: &dyn Fn(&str) -> Option<String>| {
            home(chosen.map(Path::new), environment).unwrap()
        };
        assert_eq!(at(Some("/x"), &environment), Path::new("/x"));
        assert_eq!(at(None, &environment), Path::new("/home/op/work"));
        assert_eq!(at(None, &only_home), Path::new("/home/op/.cyrus"));
        assert!(matches!(home(None, &|_| None), Err(ConfigError::NoHome)));
    }

    #[test]
    fn a_tilde_stands_for_home_only_at_the_start() {
        let environment = |name: &str| (name == "HOME").then(|| "/h".to_owned());
        for (path, expected) in
            [("~", "/h"), ("~/a", "/h/a"), ("~other/a", "~other/a"), ("/a/~", "/a/~"), ("a", "a")]
        {
            assert_eq!(expand(path, &environment).unwrap(), Path::new(expected));
        }
    }

    #[test]
    fn variables_stand_for_their_values_and_unset_ones_are_named() {
        let environment = |name: &str| match name {
            "HOME" => Some("/h".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (path, expected) in [
            ("$HOME/a", "/h/a"),
            ("${HOME}/a", "/h/a"),
            ("/x/${HOME}y", "/x//hy"),
            ("/a$", "/a$"),
            ("/a$/b", "/a$/b"),
            ("/a${b c}", "/a${b c}"),
            ("/a$1", "/a$1"),
        ] {
            assert_eq!(expand(path, &environment).unwrap(), Path::new(expected), "{path}");
        }
        for (path, name) in [("$UNSET/a", "UNSET"), ("/a/${EMPTY}", "EMPTY")] {
            let error = expand(path, &environment).unwrap_err().to_string();
            assert!(
                error.contains(path) && error.contains(&format!("{name} is not set")),
                "{error}"
            );
        }
    }
}
