//! What files are called that say what checks do.

use std::path::Path;

/// Files that say what the commands of one tool do, in small letters: whether the tool looks for them in the
/// directories above, too. Of several in one directory it takes one.
const FAMILIES: [(bool, &[&str]); 9] = [
    (false, MAKEFILES),
    (true, &["rakefile", "rakefile.rb"]),
    (true, &[".justfile", "justfile"]),
    (true, &["taskfile.dist.yaml", "taskfile.dist.yml", "taskfile.yaml", "taskfile.yml"]),
    (false, &[".pre-commit-config.yaml"]),
    (false, &["tox.ini", "tox.toml"]),
    (false, &["noxfile.py"]),
    (true, &["deno.json", "deno.jsonc"]),
    (false, &["composer.json"]),
];

/// The makefiles that GNU make looks for, in small letters.
pub(super) const MAKEFILES: &[&str] = &["gnumakefile", "makefile"];

/// The files of packages and their workspaces, beside `package.json`.
pub(super) const PACKAGES: [&str; 5] =
    ["lerna.json", "nx.json", "project.json", "turbo.json", "turbo.jsonc"];

/// Files of which some keys say what a command does.
const KEYED: [(&str, &[&str]); 4] = [
    ("composer.json", &["scripts"]),
    ("deno.json", &["tasks"]),
    ("deno.jsonc", &["tasks"]),
    ("package.json", &["bin", "config", "nx", "packageManager", "scripts", "wireit", "workspaces"]),
];

/// Files by which a tool runs another program, or is replaced by one.
const CHOOSERS: [&str; 46] = [
    ".Rprofile",
    ".actrc",
    ".bazelrc",
    ".bazelversion",
    ".go-version",
    ".java-version",
    ".jvmopts",
    ".mise.local.toml",
    ".mise.toml",
    ".node-version",
    ".npmrc",
    ".nvmrc",
    ".pnp.cjs",
    ".pnp.loader.mjs",
    ".pnpmfile.cjs",
    ".pdm-python",
    ".perl-version",
    ".php-version",
    ".prototools",
    ".proverc",
    ".python-version",
    ".rtx.toml",
    ".ruby-version",
    ".sbtopts",
    ".sdkmanrc",
    ".tool-versions",
    ".yarnrc",
    ".yarnrc.yml",
    "Directory.Build.rsp",
    "MSBuild.rsp",
    "bunfig.toml",
    "cabal.project.local",
    "dotnet-tools.json",
    "global.json",
    "gradlew",
    "gradlew.bat",
    "manage.py",
    "mise.local.toml",
    "mise.toml",
    "mvnw",
    "mvnw.cmd",
    "pnpm-workspace.yaml",
    "profiles.clj",
    "rebar.config.script",
    "rust-toolchain",
    "rust-toolchain.toml",
];

/// Those of npm and its like.
const OF_PACKAGES: [&str; 8] = [
    ".npmrc",
    ".pnp.cjs",
    ".pnpmfile.cjs",
    ".yarnrc",
    ".yarnrc.yml",
    "bunfig.toml",
    "package.json",
    "pnpm-workspace.yaml",
];

/// Directories in which everything is of that kind.
pub(super) const CHOOSING: [&str; 9] = [
    ".bundle/",
    ".cargo/",
    ".config/mise/",
    ".mise/",
    ".mvn/",
    ".yarn/plugins/",
    ".yarn/releases/",
    ".yarn/sdks/",
    "gradle/wrapper/",
];

/// Files of that kind in certain directories.
pub(super) const PLACED: [&str; 2] = ["mise/config.toml", "tools/bazel"];

/// What a makefile can be made of by rules that `make` has by itself.
pub(super) const SOURCES: [&str; 16] = [
    ".c", ".C", ".cc", ".cpp", ".f", ".F", ".m", ".mod", ".o", ".p", ".r", ".s", ".S", ".sh", ",v",
    ".y",
];

/// The same, by the directories of version control systems.
pub(super) const HISTORIES: [&str; 2] = ["RCS", "SCCS"];

/// Endings of what shells run and read.
pub(super) const SHELL: [&str; 6] = ["bash", "cmd", "env", "ksh", "sh", "zsh"];

/// Whether a file has this extension.
pub(super) fn has_ending(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|kind| kind == ending)
}

/// The files of a tool among which one of this name, in small letters, is; and whether it looks for them above, too.
pub(super) fn family(lower: &str) -> Option<(bool, &'static [&'static str])> {
    FAMILIES.into_iter().find(|(_, family)| family.contains(&lower))
}

/// The keys that say what a command does, of a file of this name in small letters.
pub(super) fn keys(lower: &str) -> Option<&'static [&'static str]> {
    KEYED.iter().find(|(known, _)| *known == lower).map(|(_, keys)| *keys)
}

/// Whether a tool runs another program by a file of this path, or is replaced by it.
pub(super) fn chooses(path: &str) -> bool {
    let is_placed = |known: &str| {
        let above = path.strip_suffix(known);
        above.is_some_and(|above| above.is_empty() || above.ends_with('/'))
    };
    CHOOSERS.contains(&split(path).1)
        || is_in(path, &CHOOSING)
        || PLACED.iter().any(|known| is_placed(known))
}

/// Whether npm and its like go by a file of this path.
pub(super) fn is_of_packages(path: &str) -> bool {
    OF_PACKAGES.contains(&split(path).1) || is_in(path, &[".yarn/"])
}

/// Whether a path is below one of these directories, wherever it lies.
fn is_in(path: &str, directories: &[&str]) -> bool {
    directories.iter().any(|directory| {
        path.starts_with(directory)
            || path.match_indices(directory).any(|(at, _)| path[..at].ends_with('/'))
    })
}

/// The directory and the name of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A name in a directory, as a path.
pub(super) fn joined(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}
