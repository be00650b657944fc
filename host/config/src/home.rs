use crate::ConfigError;
use std::path::{Path, PathBuf};

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
        return Ok(expand(&path, environment));
    }
    set("HOME").map(|path| PathBuf::from(path).join(".cyrus")).ok_or(ConfigError::NoHome)
}

/// A path as people write it, with `~` for the home directory.
pub(crate) fn expand(path: &str, environment: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let rest = match path.strip_prefix('~') {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    match (rest, environment("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(expand(path, &environment), Path::new(expected));
        }
    }
}
