//! What Python loads before anything of a repository.

use super::names::split;
use std::path::Path;

/// The modules of the standard library of Python 3.8 to 3.14 (`sys.stdlib_module_names`): one of the same name at the top
/// of a repository stands for it, because Python looks there first. That is so for those that runners load when they
/// start, and for those that these load only for one kind of test. `test` and `tests` are none of them.
#[rustfmt::skip]
const STANDARD: [&str; 339] = [
    "__future__", "_abc", "_aix_support", "_android_support", "_apple_support", "_ast", "_asyncio", "_bisect",
    "_blake2", "_bootlocale", "_bootsubprocess", "_bz2", "_codecs", "_codecs_cn", "_codecs_hk", "_codecs_iso2022",
    "_codecs_jp", "_codecs_kr", "_codecs_tw", "_collections", "_collections_abc", "_colorize", "_compat_pickle",
    "_compression", "_contextvars", "_crypt", "_csv", "_ctypes", "_curses", "_curses_panel", "_datetime", "_dbm",
    "_decimal", "_dummy_thread", "_dummy_threading", "_elementtree", "_frozen_importlib",
    "_frozen_importlib_external", "_functools", "_gdbm", "_hashlib", "_heapq", "_hmac", "_imp", "_interpchannels",
    "_interpqueues", "_interpreters", "_io", "_ios_support", "_json", "_locale", "_lsprof", "_lzma", "_markupbase",
    "_md5", "_msi", "_multibytecodec", "_multiprocessing", "_opcode", "_opcode_metadata", "_operator", "_osx_support",
    "_overlapped", "_peg_parser", "_pickle", "_posixshmem", "_posixsubprocess", "_py_abc", "_py_warnings",
    "_pydatetime", "_pydecimal", "_pyio", "_pylong", "_pyrepl", "_queue", "_random", "_remote_debugging", "_scproxy",
    "_sha1", "_sha2", "_sha256", "_sha3", "_sha512", "_signal", "_sitebuiltins", "_socket", "_sqlite3", "_sre",
    "_ssl", "_stat", "_statistics", "_string", "_strptime", "_struct", "_suggestions", "_symtable", "_sysconfig",
    "_templatelib", "_testcapi", "_thread", "_threading_local", "_tkinter", "_tokenize", "_tracemalloc", "_types",
    "_typing", "_uuid", "_warnings", "_weakref", "_weakrefset", "_winapi", "_zoneinfo", "_zstd", "abc", "aifc",
    "annotationlib", "antigravity", "argparse", "array", "ast", "asynchat", "asyncio", "asyncore", "atexit",
    "audioop", "base64", "bdb", "binascii", "binhex", "bisect", "builtins", "bz2", "cProfile", "calendar", "cgi",
    "cgitb", "chunk", "cmath", "cmd", "code", "codecs", "codeop", "collections", "colorsys", "compileall",
    "compression", "concurrent", "configparser", "contextlib", "contextvars", "copy", "copyreg", "crypt", "csv",
    "ctypes", "curses", "dataclasses", "datetime", "dbm", "decimal", "difflib", "dis", "distutils", "doctest",
    "dummy_threading", "email", "encodings", "ensurepip", "enum", "errno", "faulthandler", "fcntl", "filecmp",
    "fileinput", "fnmatch", "formatter", "fractions", "ftplib", "functools", "gc", "genericpath", "getopt", "getpass",
    "gettext", "glob", "graphlib", "grp", "gzip", "hashlib", "heapq", "hmac", "html", "http", "idlelib", "imaplib",
    "imghdr", "imp", "importlib", "inspect", "io", "ipaddress", "itertools", "json", "keyword", "lib2to3",
    "linecache", "locale", "logging", "lzma", "macpath", "macurl2path", "mailbox", "mailcap", "marshal", "math",
    "mimetypes", "mmap", "modulefinder", "msilib", "msvcrt", "multiprocessing", "netrc", "nis", "nntplib", "nt",
    "ntpath", "nturl2path", "numbers", "opcode", "operator", "optparse", "os", "ossaudiodev", "parser", "pathlib",
    "pdb", "pickle", "pickletools", "pipes", "pkgutil", "platform", "plistlib", "poplib", "posix", "posixpath",
    "pprint", "profile", "pstats", "pty", "pwd", "py_compile", "pyclbr", "pydoc", "pydoc_data", "pyexpat", "queue",
    "quopri", "random", "re", "readline", "reprlib", "resource", "rlcompleter", "runpy", "sched", "secrets", "select",
    "selectors", "shelve", "shlex", "shutil", "signal", "site", "smtpd", "smtplib", "sndhdr", "socket",
    "socketserver", "spwd", "sqlite3", "sre_compile", "sre_constants", "sre_parse", "ssl", "stat", "statistics",
    "string", "stringprep", "struct", "subprocess", "sunau", "symbol", "symtable", "sys", "sysconfig", "syslog",
    "tabnanny", "tarfile", "telnetlib", "tempfile", "termios", "textwrap", "this", "threading", "time", "timeit",
    "tkinter", "token", "tokenize", "tomllib", "trace", "traceback", "tracemalloc", "tty", "turtle", "turtledemo",
    "types", "typing", "unicodedata", "unittest", "urllib", "uu", "uuid", "venv", "warnings", "wave", "weakref",
    "webbrowser", "winreg", "winsound", "wsgiref", "xdrlib", "xml", "xmlrpc", "zipapp", "zipfile", "zipimport",
    "zlib", "zoneinfo",
];

/// What test runners are made of, and what they load.
const RUNNERS: [&str; 15] = [
    "_pytest",
    "colorama",
    "coverage",
    "exceptiongroup",
    "iniconfig",
    "nox",
    "packaging",
    "pluggy",
    "py",
    "pygments",
    "pytest",
    "sitecustomize",
    "tomli",
    "tox",
    "usercustomize",
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

/// The module that a path is, or is in, from the directory where Python starts, if it is one of Python's own or of a
/// runner's.
pub(super) fn first_module(path: &str) -> Option<&str> {
    let first = path.split('/').next()?;
    // Compiled ones have a tag: `json.cpython-313-x86_64-linux-gnu.so`.
    let module = if first == path { first.split('.').next()? } else { first };
    is_loaded_first(module).then_some(module)
}

/// Whether a module of this name is one of those.
fn is_loaded_first(module: &str) -> bool {
    STANDARD.binary_search(&module).is_ok() || RUNNERS.binary_search(&module).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_can_be_searched() {
        assert!(STANDARD.is_sorted() && RUNNERS.is_sorted());
        for module in [
            "difflib",
            "unittest",
            "_pytest",
            "sitecustomize",
            "zlib",
            "_heapq",
            "unicodedata",
            "xml",
        ] {
            assert!(is_loaded_first(module), "{module}");
        }
        for module in ["", "app", "test", "tests", "conftest", "utils"] {
            assert!(!is_loaded_first(module), "{module}");
        }
    }
}
