//! What tools leave behind in a working tree and no repository is meant to hold, by its names.

/// Names of files and directories that tools leave behind and that no repository is meant to hold.
const LITTER: [&str; 28] = [
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
    ".eslintcache",
    ".hypothesis",
    ".ipynb_checkpoints",
    ".next",
    ".nuxt",
    ".parcel-cache",
    ".phpunit.result.cache",
    ".pnpm-store",
    ".stylelintcache",
    ".svelte-kit",
    ".terraform",
    "htmlcov",
    "nohup.out",
    "yarn-error.log",
];

/// Endings of such names.
const ENDINGS: [&str; 4] = [".egg-info", ".pyc", ".pyo", ".tsbuildinfo"];

/// Begins a name of such a file, before its number or nothing.
const NUMBERED: [&str; 2] = ["npm-debug.log", "core."];

/// In a directory it says that what is there can be made again (<https://bford.info/cachedir>).
const CACHE_MARK: &[u8] = b"/CACHEDIR.TAG";

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
        let named = ENDINGS.iter().any(|ending| part.ends_with(ending.as_bytes()));
        let made = if is_last { named || is_numbered(part) } else { part.ends_with(b".egg-info") };
        // What Claude Code keeps of one person on one machine.
        let personal = is_last && PERSONAL.iter().any(|name| path.ends_with(name));
        if made || personal || LITTER.iter().any(|name| name.as_bytes() == part) {
            return Some(&path[..end]);
        }
        start = end + 1;
    }
    None
}

/// Whether it is a file that is named after what a process left, with nothing or a number behind that.
fn is_numbered(name: &[u8]) -> bool {
    NUMBERED.iter().any(|begin| {
        name.strip_prefix(begin.as_bytes()).is_some_and(|number| {
            let plain = number.strip_prefix(b".").unwrap_or(number);
            let is_number = plain.iter().all(u8::is_ascii_digit);
            is_number && (!plain.is_empty() || !begin.ends_with('.'))
        })
    })
}

/// The directories among these files that are virtual environments of Python, or that say themselves that they are
/// caches.
pub(crate) fn environments(files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let marked = files.iter().filter_map(|path| {
        path.strip_suffix(b"/pyvenv.cfg").or_else(|| path.strip_suffix(CACHE_MARK))
    });
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
            ("x.egg-info/PKG-INFO", Some("x.egg-info")),
            ("npm-debug.log", Some("npm-debug.log")),
            ("npm-debug.log.123", Some("npm-debug.log.123")),
            ("npm-debug.logs", None),
            ("core.1234", Some("core.1234")),
            ("core.", None),
            ("core.py", None),
            ("core.1/x", None),
            ("a/tsconfig.tsbuildinfo", Some("a/tsconfig.tsbuildinfo")),
        ] {
            assert_eq!(litter(path.as_bytes(), &[]), top.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn a_directory_that_says_that_it_is_a_cache_is_one() {
        let files = ["target/CACHEDIR.TAG", "target/debug/x", "src/target.rs", "CACHEDIR.TAG"];
        let files = files.map(|name| name.as_bytes().to_vec());
        let found = environments(&files);
        assert_eq!(found, [b"target".to_vec()]);
        let left = |path: &str| litter(path.as_bytes(), &found).is_some();
        assert!(left("target/debug/x") && !left("src/target.rs") && !left("targets/x"));
    }
}
