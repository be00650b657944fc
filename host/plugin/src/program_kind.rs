use serde::Serialize;
use std::path::Path;

/// What a program is known to be able to do beyond its own work, by its name. What a grant of it opens is then more
/// than the program's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramKind {
    /// Nothing is known of it.
    Unknown,
    /// Sends and fetches what its arguments say.
    Network,
    /// Runs commands that a repository's configuration names.
    VersionControl,
    /// Runs the commands of the project that it builds or tests.
    BuildTool,
    /// Runs scripts of the project and of the packages that it installs.
    PackageManager,
    /// Lets its user run commands from within.
    Interactive,
    /// Runs the program that its arguments name.
    Launcher,
    /// Starts containers, with whatever of the machine they are given.
    Container,
    /// Runs any code that it is given.
    Interpreter,
    /// Runs commands that its model chooses.
    Agent,
    /// Runs any command.
    Shell,
}

use ProgramKind::{
    Agent, BuildTool, Container, Interactive, Interpreter, Launcher, Network, PackageManager,
    Shell, Unknown, VersionControl,
};

/// The programs that are known, by their names without versions.
const KNOWN: [(ProgramKind, &[&str]); 10] = [
    (
        Shell,
        &[
            "ash",
            "bash",
            "busybox",
            "cmd",
            "csh",
            "dash",
            "elvish",
            "fish",
            "ksh",
            "mksh",
            "nu",
            "oksh",
            "powershell",
            "pwsh",
            "rbash",
            "sh",
            "tcsh",
            "toybox",
            "xonsh",
            "yash",
            "zsh",
        ],
    ),
    (
        Agent,
        &[
            "aider",
            "amp",
            "claude",
            "codex",
            "copilot",
            "crush",
            "cursor-agent",
            "droid",
            "gemini",
            "goose",
            "kiro",
            "opencode",
            "q",
            "qwen",
        ],
    ),
    (
        Interpreter,
        &[
            "awk",
            "bun",
            "deno",
            "dotnet",
            "elixir",
            "erl",
            "expect",
            "gawk",
            "ghci",
            "groovy",
            "guile",
            "irb",
            "java",
            "julia",
            "lua",
            "luajit",
            "mawk",
            "nawk",
            "node",
            "nodejs",
            "ocaml",
            "osascript",
            "perl",
            "php",
            "pypy",
            "python",
            "r",
            "racket",
            "rscript",
            "ruby",
            "runghc",
            "scala",
            "sqlite",
            "swift",
            "tclsh",
            "ts-node",
            "tsx",
            "wish",
        ],
    ),
    (
        Launcher,
        &[
            "chroot",
            "direnv",
            "doas",
            "entr",
            "env",
            "fd",
            "find",
            "firejail",
            "flock",
            "gdb",
            "ionice",
            "lldb",
            "ltrace",
            "nice",
            "nohup",
            "nsenter",
            "parallel",
            "pkexec",
            "script",
            "setarch",
            "setsid",
            "setpriv",
            "sg",
            "stdbuf",
            "strace",
            "su",
            "sudo",
            "systemd-run",
            "taskset",
            "time",
            "timeout",
            "unshare",
            "watch",
            "xargs",
        ],
    ),
    (
        Container,
        &[
            "bwrap",
            "containerd",
            "ctr",
            "docker",
            "helm",
            "kubectl",
            "lxc",
            "nerdctl",
            "podman",
            "runc",
        ],
    ),
    (
        PackageManager,
        &[
            "apk",
            "apt",
            "apt-get",
            "brew",
            "bundle",
            "bunx",
            "cabal",
            "composer",
            "conda",
            "corepack",
            "cpan",
            "dnf",
            "dpkg",
            "gem",
            "guix",
            "mamba",
            "nix",
            "nix-build",
            "nix-shell",
            "npm",
            "npx",
            "nuget",
            "opam",
            "pacman",
            "pip",
            "pipenv",
            "pipx",
            "pnpm",
            "pnpx",
            "poetry",
            "rpm",
            "stack",
            "uv",
            "uvx",
            "yarn",
            "yum",
        ],
    ),
    (
        BuildTool,
        &[
            "ant",
            "bazel",
            "buck",
            "cargo",
            "cc",
            "clang",
            "cmake",
            "ctest",
            "g++",
            "gcc",
            "go",
            "gradle",
            "gradlew",
            "gulp",
            "jest",
            "just",
            "ld",
            "make",
            "gmake",
            "meson",
            "mix",
            "msbuild",
            "mvn",
            "mvnw",
            "ninja",
            "nox",
            "phpunit",
            "pre-commit",
            "pytest",
            "rake",
            "rspec",
            "rustc",
            "sbt",
            "task",
            "tox",
            "tsc",
            "turbo",
            "vite",
            "vitest",
            "webpack",
            "xcodebuild",
        ],
    ),
    (VersionControl, &["gh", "git", "git-lfs", "glab", "hg", "hub", "jj", "svn", "tig"]),
    (
        Interactive,
        &[
            "ed", "emacs", "ex", "info", "less", "man", "more", "most", "mutt", "nano", "nvim",
            "screen", "sed", "tmux", "vi", "view", "vim",
        ],
    ),
    (
        Network,
        &[
            "aria", "aws", "az", "curl", "ftp", "gcloud", "gsutil", "nc", "ncat", "netcat",
            "rclone", "rsync", "scp", "sftp", "socat", "ssh", "telnet", "wget",
        ],
    ),
];

impl ProgramKind {
    /// The kind of the program in this file, by the file's name. Of a link's name and its target's, ask for both and
    /// take the greater.
    pub fn of(program: &Path) -> Self {
        let name = program.file_name().map(|name| name.to_string_lossy().to_lowercase());
        let name = name.unwrap_or_default();
        let name =
            [".exe", ".cmd", ".bat"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        // `python3.12`, `bash-5.2`, `clang-18`
        let bare =
            name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '_'));
        let known = KNOWN.iter().find(|(_, names)| names.contains(&name) || names.contains(&bare));
        known.map_or(Unknown, |(kind, _)| *kind)
    }

    /// What a grant of a program of this kind means, in plain words.
    pub fn meaning(self, program: &str) -> String {
        let opens = "this grant is a shell inside the sandbox";
        match self {
            Unknown => {
                format!("`{program}` is a native program: it can do whatever the sandbox lets it")
            }
            Network => format!(
                "`{program}` sends and fetches whatever its arguments name: only the sandbox bounds where"
            ),
            VersionControl => format!(
                "`{program}` runs commands that a repository's configuration, hooks and attributes name: for whoever can write those, {opens}"
            ),
            BuildTool => format!(
                "`{program}` runs the commands of the project that it works on: for whoever can write the workspace, {opens}"
            ),
            PackageManager => format!(
                "`{program}` runs scripts of the project and of packages: for whoever can write either, {opens}"
            ),
            Interactive => format!("`{program}` can run commands from within: {opens}"),
            Launcher => format!("`{program}` runs the program that its arguments name: {opens}"),
            Container => format!(
                "`{program}` starts containers with whatever of the machine they are given: where the sandbox lets it reach its service, this grant is the machine"
            ),
            Interpreter => format!("`{program}` runs any code: {opens}"),
            Agent => format!("`{program}` runs shell commands: {opens}"),
            Shell => format!("`{program}` is a shell: {opens}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn versions_and_directories_do_not_hide_a_program() {
        for (file, kind) in [
            ("/usr/bin/claude", Agent),
            ("sh", Shell),
            ("/bin/bash-5.2", Shell),
            ("PYTHON3.12.exe", Interpreter),
            ("/opt/pip3", PackageManager),
            ("git", VersionControl),
            ("/x/make", BuildTool),
            ("env", Launcher),
            ("vim", Interactive),
            ("docker", Container),
            ("curl", Network),
            ("echo", Unknown),
            ("/x/my-tool", Unknown),
            ("", Unknown),
        ] {
            assert_eq!(ProgramKind::of(Path::new(file)), kind, "{file}");
        }
    }

    #[test]
    fn each_name_is_of_one_kind() {
        let all: Vec<_> = KNOWN.iter().flat_map(|(_, names)| names.iter()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for (kind, names) in KNOWN {
            for name in names {
                assert_eq!(ProgramKind::of(Path::new(name)), kind, "{name}");
            }
        }
    }

    #[test]
    fn what_runs_commands_is_called_a_shell() {
        let said = Agent.meaning("claude");
        assert_eq!(said, "`claude` runs shell commands: this grant is a shell inside the sandbox");
        for kind in
            [Shell, Interpreter, Launcher, Interactive, PackageManager, BuildTool, VersionControl]
        {
            assert!(
                kind.meaning("x").contains("this grant is a shell inside the sandbox"),
                "{kind:?}"
            );
        }
        assert!(Unknown.meaning("x").contains("whatever the sandbox lets it"));
    }
}
