//! What Python loads before anything of a repository.

use super::files::split;
use std::path::Path;

/// Modules that the standard library and the usual runners of tests load, so that one of the same name at the top of a
/// repository would stand for them: Python looks there first. They are those that are loaded with `unittest`,
/// `pytest`, `tox`, `nox`, `doctest` and the tracers of Python 3.9 to 3.14, and what these load when a test fails.
const LOADED_FIRST: [&str; 136] = [
    "_pytest",
    "abc",
    "annotationlib",
    "argparse",
    "array",
    "ast",
    "asyncio",
    "atexit",
    "base64",
    "bdb",
    "binascii",
    "bisect",
    "builtins",
    "bz2",
    "cProfile",
    "calendar",
    "cmd",
    "code",
    "codecs",
    "codeop",
    "collections",
    "colorama",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "coverage",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "dis",
    "doctest",
    "encodings",
    "enum",
    "errno",
    "exceptiongroup",
    "faulthandler",
    "fcntl",
    "fnmatch",
    "fractions",
    "functools",
    "gc",
    "genericpath",
    "getpass",
    "gettext",
    "glob",
    "hashlib",
    "heapq",
    "hmac",
    "importlib",
    "iniconfig",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "marshal",
    "math",
    "nox",
    "ntpath",
    "numbers",
    "opcode",
    "operator",
    "optparse",
    "os",
    "packaging",
    "pathlib",
    "pdb",
    "pickle",
    "pkgutil",
    "platform",
    "pluggy",
    "posix",
    "posixpath",
    "pprint",
    "profile",
    "pstats",
    "py",
    "pydoc",
    "pygments",
    "pytest",
    "queue",
    "random",
    "re",
    "readline",
    "reprlib",
    "runpy",
    "secrets",
    "select",
    "selectors",
    "shlex",
    "shutil",
    "signal",
    "site",
    "sitecustomize",
    "socket",
    "ssl",
    "stat",
    "string",
    "struct",
    "subprocess",
    "sys",
    "sysconfig",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "token",
    "tokenize",
    "tomli",
    "tomllib",
    "tox",
    "trace",
    "traceback",
    "tracemalloc",
    "types",
    "typing",
    "unittest",
    "urllib",
    "usercustomize",
    "uuid",
    "warnings",
    "weakref",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
];

/// Extensions of files that Python loads as modules.
const EXTENSIONS: [&str; 4] = ["py", "pyc", "pyd", "so"];

/// Files at the top of a Python project.
const PROJECT: [&str; 11] = [
    "Pipfile",
    "conftest.py",
    "manage.py",
    "noxfile.py",
    "poetry.lock",
    "pyproject.toml",
    "pytest.ini",
    "requirements.txt",
    "setup.cfg",
    "setup.py",
    "tox.ini",
];

/// Whether Python could load a file as a module, or as a part of one.
pub(super) fn is_code(path: &str) -> bool {
    let extension = Path::new(path).extension();
    extension.is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known))
}

/// The directory of a Python project, where this is one of its files; empty for the top.
pub(super) fn project(path: &str) -> Option<&str> {
    let (directory, name) = split(path);
    PROJECT.contains(&name).then_some(directory)
}

/// The module that a path is, or is in, from the directory where Python starts, if it is one of those that are loaded
/// first.
pub(super) fn first_module(path: &str) -> Option<&str> {
    let first = path.split('/').next()?;
    // Compiled ones have a tag: `json.cpython-313-x86_64-linux-gnu.so`.
    let module = if first == path { first.split('.').next()? } else { first };
    is_loaded_first(module).then_some(module)
}

/// Whether a module of this name is one of those.
fn is_loaded_first(module: &str) -> bool {
    LOADED_FIRST.binary_search(&module).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(LOADED_FIRST.is_sorted());
        for module in ["difflib", "unittest", "_pytest", "sitecustomize", "zlib"] {
            assert!(is_loaded_first(module), "{module}");
        }
        for module in ["", "app", "test", "tests", "conftest", "utils"] {
            assert!(!is_loaded_first(module), "{module}");
        }
    }
}
