use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A git repository. What the tests do to it does not look at the machine's git configuration.
#[derive(Debug, Clone)]
pub struct Repository(PathBuf);

impl Repository {
    /// The one that is there.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes one with a branch `main` and nothing on it.
    pub fn make(path: &Path) -> Self {
        fs::create_dir_all(path).expect("a directory");
        let made = Self(path.to_owned());
        made.git(["init", "--quiet", "--initial-branch=main"]);
        made.git(["config", "user.name", "Owner"]);
        made.git(["config", "user.email", "owner@example.invalid"]);
        made.git(["config", "commit.gpgSign", "false"]);
        made
    }

    /// Makes a bare copy of it that is its remote `origin`, and gives the copy.
    #[must_use]
    pub fn publish(&self, path: &Path) -> Self {
        let bare = path.to_str().expect("a path that can be written");
        self.git(["clone", "--quiet", "--bare", ".", bare]);
        self.git(["remote", "add", "origin", bare]);
        Self(path.to_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes files and commits everything there is.
    pub fn commit(&self, files: &[(&str, &str)]) {
        self.write(files);
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "--message", "Begin"]);
    }

    /// Writes files.
    pub fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().expect("it is inside")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
    }

    /// Runs git in it and gives what it prints.
    #[track_caller]
    pub fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let Output { status, stdout, stderr } = Command::new("git")
            .args(args)
            .current_dir(&self.0)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("git is there");
        let text = String::from_utf8_lossy(&stdout).trim().to_owned();
        assert!(status.success(), "{status}: {text}{}", String::from_utf8_lossy(&stderr));
        text
    }

    /// A file as it is in a commit.
    #[track_caller]
    pub fn file(&self, commit: &str, path: &str) -> String {
        self.git(["show", &format!("{commit}:{path}")])
    }

    /// Everything that a command which changes nothing leaves as it was: refs, index, working tree, configuration
    /// and hooks.
    pub fn state(&self) -> String {
        format!(
            "{}\n{}",
            self.git(["for-each-ref", "refs/cyrus", "refs/heads/cyrus"]),
            self.state_without_sessions()
        )
    }

    /// The same without what sessions leave: their branches, and their refs below `refs/cyrus`.
    pub fn state_without_sessions(&self) -> String {
        let config = fs::read_to_string(self.0.join(".git/config")).expect("a configuration");
        let hooks = fs::read_dir(self.0.join(".git/hooks")).map_or(0, Iterator::count);
        let all = self.git(["for-each-ref"]);
        let left = |line: &&str| line.contains("refs/cyrus/") || line.contains("refs/heads/cyrus/");
        let refs: Vec<_> = all.lines().filter(|line| !left(line)).collect();
        let status = self.git(["status", "--porcelain", "--ignored", "--branch"]);
        format!("{refs:?}\n{status}\n{config}\n{hooks} hooks")
    }

    /// The branches that sessions left.
    pub fn session_branches(&self) -> Vec<String> {
        let listed = self.git(["for-each-ref", "--format=%(refname:short)", "refs/heads/cyrus/"]);
        listed.lines().map(str::to_owned).collect()
    }
}
