//! What tools leave behind in a working tree and no repository is meant to hold, by its names.

/// Names of files and directories that tools leave behind and that no repository is meant to hold.
const LITTER: [&str; 14] = [
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".nox",
    "node_modules",
    ".venv",
    ".turbo",
    ".nyc_output",
    ".gradle",
    ".DS_Store",
    "Thumbs.db",
    ".coverage",
];

/// Files that an agent keeps for its user on this machine.
const PERSONAL: [&[u8]; 2] = [b".claude/settings.local.json", b"CLAUDE.local.md"];

/// The part of a path that ends with what a tool left; `environments` are directories that one left.
pub(crate) fn litter<'p>(path: &'p [u8], environments: &[Vec<u8>]) -> Option<&'p [u8]> {
    let lies_in =
        |top: &&Vec<u8>| path.strip_prefix(&top[..]).is_some_and(|rest| rest.starts_with(b"/"));
    if let Some(top) = environments.iter().find(lies_in) {
        return path.get(..top.len());
    }
    let mut start = 0;
    for part in path.split(|b| *b == b'/') {
        let end = start + part.len();
        let is_last = end == path.len();
        let compiled = is_last && part.ends_with(b".pyc");
        // What Claude Code keeps of one person on one machine.
        let personal = is_last && PERSONAL.iter().any(|name| path.ends_with(name));
        if compiled || personal || LITTER.iter().any(|name| name.as_bytes() == part) {
            return Some(&path[..end]);
        }
        start = end + 1;
    }
    None
}

/// The directories among these files that are virtual environments of Python.
pub(crate) fn environments(files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let marked = files.iter().filter_map(|path| path.strip_suffix(b"/pyvenv.cfg"));
    marked.map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_is_known_by_whole_names() {
        for (path, top) in [
            ("a/__pycache__/b.pyc", Some("a/__pycache__")),
            ("node_modules/x/node_modules/y", Some("node_modules")),
            ("a/.DS_Store", Some("a/.DS_Store")),
            ("b.pyc", Some("b.pyc")),
            ("a.pyc/b", None),
            ("my_node_modules/x", None),
            ("docs/node_modules.md", None),
            (".claude/settings.local.json", Some(".claude/settings.local.json")),
            (".claude/settings.json", None),
            ("app/settings.local.json", None),
        ] {
            assert_eq!(litter(path.as_bytes(), &[]), top.map(str::as_bytes), "{path}");
        }
    }
}
