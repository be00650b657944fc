//! What to launch: a program, and everything it will find when it starts.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::path::AbsolutePath;
use crate::policy::Sandbox;
use crate::resources::Resources;

/// Where a program's standard input comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// It is empty.
    #[default]
    Null,
    /// The caller writes it: see [`Child::take_stdin`](crate::Child::take_stdin).
    Pipe,
    /// These bytes, then its end.
    Bytes(Vec<u8>),
}

/// Where a program's standard output or standard error goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// It is thrown away.
    Null,
    /// The caller reads it. What is not read fills the pipe and stops the program, so take it or ask for
    /// [`Output::Null`].
    #[default]
    Pipe,
}

/// A program to launch. Its environment is empty but for the variables named here, it has a session of its own and
/// no terminal, it ignores no signal because the host does, and from a supervisor it gets no descriptor but the
/// standard three.
pub struct Launch {
    pub(crate) program: AbsolutePath,
    pub(crate) directory: AbsolutePath,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) stdin: Input,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    pub(crate) trusted: bool,
    pub(crate) sandbox: Option<Sandbox>,
    /// `None`: none for a trusted tool, else those of the launcher's policy.
    pub(crate) limits: Option<Resources>,
}

impl Launch {
    /// A program that is not ours to trust: the strongest containment there is, and no way to new privileges.
    pub fn new(program: AbsolutePath, directory: AbsolutePath) -> Self {
        Self {
            program,
            directory,
            args: Vec::new(),
            env: BTreeMap::new(),
            stdin: Input::default(),
            stdout: Output::default(),
            stderr: Output::default(),
            trusted: false,
            sandbox: None,
            limits: None,
        }
    }

    /// A tool of the host's own, such as git: it keeps its place among the system's processes (no namespaces), but
    /// still dies with the host, when killed and when dropped. It starts with `LANG=C.UTF-8` and, where given,
    /// `PATH` and `HOME`.
    pub fn trusted(
        program: AbsolutePath,
        directory: AbsolutePath,
        path: Option<&OsStr>,
        home: Option<&OsStr>,
    ) -> Self {
        let mut launch = Self::new(program, directory).env("LANG", "C.UTF-8");
        launch.trusted = true;
        for (name, value) in [("PATH", path), ("HOME", home)] {
            if let Some(value) = value {
                launch = launch.env(name, value);
            }
        }
        launch
    }

    /// Puts it into a sandbox. Without one, and with [`Profile::Off`](crate::Profile::Off), it reads and writes what its user may.
    #[must_use]
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = Some(sandbox);
        self
    }

    /// Limits what it and everything it starts may use of the machine. Without this, a trusted tool has no limit, and
    /// any other program those of the launcher's [policy](crate::SandboxPolicy::limits).
    #[must_use]
    pub fn limits(mut self, limits: Resources) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets variables of its environment.
    #[must_use]
    pub fn envs(
        mut self,
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        self.env.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Says where standard input comes from. It is empty unless told.
    #[must_use]
    pub fn stdin(mut self, input: Input) -> Self {
        self.stdin = input;
        self
    }

    /// Says where standard output goes. It is a pipe unless told.
    #[must_use]
    pub fn stdout(mut self, output: Output) -> Self {
        self.stdout = output;
        self
    }

    /// Says where standard error goes. It is a pipe unless told.
    #[must_use]
    pub fn stderr(mut self, output: Output) -> Self {
        self.stderr = output;
        self
    }

    /// The program.
    pub fn program(&self) -> &AbsolutePath {
        &self.program
    }

    /// What the kernel's interface cannot carry, in words.
    pub(crate) fn flaw(&self) -> Option<String> {
        let zero = |text: &OsString| text.as_bytes().contains(&0);
        if let Some(position) = self.args.iter().position(zero) {
            return Some(format!("argument {} holds a zero byte", position + 1));
        }
        for (name, value) in &self.env {
            if name.is_empty() || zero(name) || name.as_bytes().contains(&b'=') {
                return Some(format!("{} cannot be a variable's name", name.display()));
            }
            if zero(value) {
                return Some(format!("the variable {} holds a zero byte", name.display()));
            }
        }
        if let Some(sandbox) = &self.sandbox
            && sandbox.outlets.ports().len() > crate::policy::MOST_OUTLETS
        {
            return Some(format!("the host serves at most {} ports", crate::policy::MOST_OUTLETS));
        }
        None
    }
}

/// Names the variables and counts the arguments: the values may be secrets.
impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch")
            .field("program", &self.program)
            .field("directory", &self.directory)
            .field("args", &self.args.len())
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("trusted", &self.trusted)
            .field("sandbox", &self.sandbox.as_ref().map(Sandbox::profile))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        let path = |path| AbsolutePath::parse(path).unwrap();
        Launch::new(path("/bin/true"), path("/"))
    }

    #[test]
    fn what_exec_cannot_carry_is_named() {
        assert_eq!(launch().arg("a").env("A", "b=c").flaw(), None);
        for (flawed, part) in [
            (launch().args(["a", "b\0"]), "argument 2"),
            (launch().env("", "x"), "name"),
            (launch().env("A=B", "x"), "A=B"),
            (launch().env("A\0", "x"), "name"),
            (launch().env("A", "x\0"), "variable A"),
        ] {
            let flaw = flawed.flaw().unwrap();
            assert!(flaw.contains(part), "{flaw}");
        }
    }

    #[test]
    fn debug_output_holds_no_values() {
        let text = format!("{:?}", launch().arg("arg-secret").env("KEY", "env-secret"));
        assert!(text.contains("KEY") && !text.contains("secret"), "{text}");
    }
}
