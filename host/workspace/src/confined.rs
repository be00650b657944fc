//! Runs what nobody trusts: checks, set-up and tear-down. Like everything that is launched here they go through the
//! sandbox, and they have a home and a directory for temporary files of their own: not the executor's, where it may have
//! left what changes how programs behave.

use crate::{
    environment::CheckEnvironment,
    layout::{private_dir, way_dir},
};
use cyrus_core::WorkspaceError;
use cyrus_sandbox::{
    AbsolutePath, Finished, Launch, Launcher, Limits, NotAbsolute, Sandbox, find_program,
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// How much of the beginning of what is printed is kept, where a compiler names the cause of all that follows, and of the
/// end, in bytes.
const OUTPUT_HEAD: usize = 8 << 10;
const OUTPUT_TAIL: usize = 24 << 10;

/// What a tree is called where programs find it.
pub(crate) const TREE: &str = "tree";

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Confined {
    launcher: Launcher,
    pub(crate) environment: CheckEnvironment,
}

/// The directories that a run may write, and what it may read besides.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    /// Where it starts.
    pub(crate) root: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) tmp: PathBuf,
    reads: Vec<PathBuf>,
    /// Where the run finds `root`, and `home` beside it, when it is not where they are.
    seen: Option<PathBuf>,
}

impl Directories {
    /// Starts in `root`, with a home and a `TMPDIR` in `beside`.
    pub(crate) fn new(root: PathBuf, beside: &Path) -> Self {
        let (home, tmp) = (beside.join("home"), beside.join("tmp"));
        Self { root, home, tmp, reads: Vec::new(), seen: None }
    }

    /// The same, where the run finds `root` at `tree` in a directory, and `home` there too. Only for what has a view of
    /// files of its own.
    pub(crate) fn seen_in(mut self, directory: Option<PathBuf>) -> Self {
        self.seen = directory;
        self
    }

    /// Where the run finds `root`.
    pub(crate) fn seen_root(&self) -> PathBuf {
        self.seen.as_ref().map_or_else(|| self.root.clone(), |seen| seen.join(TREE))
    }

    fn seen_home(&self) -> PathBuf {
        self.seen.as_ref().map_or_else(|| self.home.clone(), |seen| seen.join("home"))
    }

    /// With these paths of the host's or the operator's to be read.
    pub(crate) fn reading(mut self, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        self.reads.extend(paths);
        self
    }

    /// What a program sees of the files: what it may write, and what it may read.
    fn shown_in(&self, mut sandbox: Sandbox) -> Result<Sandbox, NotAbsolute> {
        for path in &self.reads {
            sandbox = sandbox.read_only(AbsolutePath::parse(path)?);
        }
        for (path, at) in [(&self.root, self.seen_root()), (&self.home, self.seen_home())] {
            let own = AbsolutePath::parse(path)?;
            sandbox = if at == *path {
                sandbox.read_write(own)
            } else {
                sandbox.read_write_at(&own, AbsolutePath::parse(at)?)
            };
        }
        Ok(sandbox.tmp(AbsolutePath::parse(&self.tmp)?))
    }
}

/// One run: `program` with `args`.
pub(crate) struct Order {
    /// For messages.
    pub(crate) name: String,
    pub(crate) program: AbsolutePath,
    pub(crate) args: Vec<OsString>,
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) time: Duration,
}

impl Confined {
    pub(crate) fn new(launcher: Launcher, environment: CheckEnvironment) -> Self {
        Self { launcher, environment }
    }

    /// The shell that set-up scripts are written for: bash where it is on the path.
    pub(crate) fn script_shell(&self) -> AbsolutePath {
        let path = self.environment.variables.iter().find(|(name, _)| name == "PATH");
        let bash = path.and_then(|(_, path)| find_program("bash", path));
        bash.unwrap_or_else(|| self.environment.shell.clone())
    }

    /// Runs something to its end. What it prints is one stream, so that it stays in order.
    pub(crate) async fn run(
        &self,
        place: &Directories,
        order: Order,
    ) -> Result<Ran, WorkspaceError> {
        let failed = |cause: String| WorkspaceError::Io {
            what: format!("cannot run {} in {}", order.name, place.root.display()),
            cause,
        };
        place.home.parent().map_or(Ok(()), way_dir)?;
        private_dir(&place.home)?;
        private_dir(&place.tmp)?;
        let planted = self.environment.seed.plant(&place.home);
        planted.map_err(|error| failed(format!("its home cannot be made: {error}")))?;
        let directory =
            AbsolutePath::parse(place.seen_root()).map_err(|error| failed(error.to_string()))?;
        let sandbox = place.shown_in(self.launcher.sandbox(&order.program));
        let sandbox = sandbox.map_err(|error| failed(error.to_string()))?;
        let launch = Launch::new(self.environment.shell.clone(), directory)
            .envs(self.environment.variables.iter().cloned())
            .env("HOME", place.seen_home())
            .env("TMPDIR", &place.tmp)
            .env("LANG", "C.UTF-8")
            .envs(order.variables)
            .args(["-c", "exec 2>&1; exec \"$@\"", "sh"])
            .arg(order.program.as_path())
            .args(order.args)
            .sandbox(sandbox);
        let limits = Limits { head: OUTPUT_HEAD, tail: OUTPUT_TAIL, ..Limits::within(order.time) };
        let ended = self.launcher.run_to_end(launch, &limits).await;
        let refused = self.launcher.refusals();
        let ended = ended.map_err(|error| failed(error.to_string()))?;
        if let Some(limit) = &ended.exceeded {
            let (name, key) = (&order.name, limit.key());
            tracing::warn!("{name} was ended: {limit} (sandbox.limits.{key} in config.json)");
        }
        Ok(Ran { ended, refused })
    }
}

/// How a run ended, and which hosts it, or one beside it, was refused meanwhile.
pub(crate) struct Ran {
    pub(crate) ended: Finished,
    pub(crate) refused: Vec<String>,
}

impl Ran {
    /// What it printed; when it failed and was refused hosts, with these before it.
    pub(crate) fn printed(&self) -> String {
        let printed = self.ended.stdout.text().trim().to_owned();
        if self.ended.success() || self.refused.is_empty() {
            return printed;
        }
        let refused = self.refused.join("\n  ");
        // Of what is long the end is shown.
        format!("{printed}\n(hosts that were not reached meanwhile:\n  {refused}\n)")
    }
}
