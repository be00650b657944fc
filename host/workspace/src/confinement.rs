//! How git runs over what did not come from this machine's user: objects of an executor or a remote, and files that an
//! executor left.
//!
//! It is in a sandbox that has the repository it works in, the objects that this one borrows, and, where it looks at
//! one, the executor's clone; all but the first are read-only. It reaches no network unless it fetches, has no home, and
//! is limited in memory, time, processes and the size of files. Passing a limit is the result's fault, and the message
//! says which.

use cyrus_core::WorkspaceError;
use cyrus_sandbox::{AbsolutePath, Exit, Finished, Launch, Launcher, Profile, Resources, WayOut};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Private memory of one git process. The largest object that is held as a whole has 32 MiB; an index or a list of a
/// million files has some hundred.
const MEMORY_BYTES: u64 = 1 << 30;

/// Processes and threads of one run.
const PROCESSES: u64 = 128;

/// Open files of one git process.
const OPEN_FILES: u64 = 2048;

/// CPU time of one git process.
const CPU_SECONDS: u64 = 120;

/// The longest file that one run writes, in bytes.
const FILE_BYTES: u64 = 8 << 30;

/// The signals by which the system ends a process that passes a limit.
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// What of the machine's files one run of git sees, besides the system's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Confinement {
    /// Whether it has no more than its limits: it needs what is the user's.
    only_limits: bool,
    reads: Vec<PathBuf>,
    /// What it finds at another path, too, where it has a view of files of its own.
    shows: Vec<(PathBuf, PathBuf)>,
    writes: Vec<PathBuf>,
    way_out: Option<Arc<dyn WayOut>>,
}

impl Confinement {
    /// It writes in this directory only.
    pub(crate) fn writing(directory: &Path) -> Self {
        Self { writes: vec![directory.to_owned()], ..Self::default() }
    }

    /// Limits without a sandbox: for what needs the user's own configuration, credentials or repository.
    pub(crate) fn only_limits() -> Self {
        Self { only_limits: true, ..Self::default() }
    }

    /// It reads these, too.
    pub(crate) fn reading<'a>(mut self, paths: impl IntoIterator<Item = &'a Path>) -> Self {
        self.reads.extend(paths.into_iter().map(Path::to_owned));
        self
    }

    /// It finds a path that it reads at another one, too, as programs found it.
    pub(crate) fn showing(mut self, path: &Path, at: &Path) -> Self {
        self.shows.push((path.to_owned(), at.to_owned()));
        self
    }

    /// It reaches hosts this way.
    pub(crate) fn reaching(mut self, way_out: Arc<dyn WayOut>) -> Self {
        self.way_out = Some(way_out);
        self
    }

    /// What launches it.
    pub(crate) fn launcher(&self, launcher: &Launcher) -> Launcher {
        let way_out = self.way_out.as_ref().filter(|_| !self.only_limits);
        way_out
            .map_or_else(|| launcher.clone(), |way_out| launcher.with_way_out(Arc::clone(way_out)))
    }

    /// Puts a launch of `program` into it. With the profile `off`, only the limits are left.
    pub(crate) fn apply(
        &self,
        launcher: &Launcher,
        program: &AbsolutePath,
        launch: Launch,
    ) -> Result<Launch, String> {
        let limits = Resources {
            data_bytes: Some(MEMORY_BYTES),
            open_files: Some(OPEN_FILES),
            file_bytes: Some(FILE_BYTES),
            cpu_seconds: Some(CPU_SECONDS),
            ..Resources::UNLIMITED
        };
        let mut sandbox = launcher.sandbox(program);
        if self.only_limits || sandbox.profile() == Profile::Off {
            // Its processes would be counted together with all others of this user.
            return Ok(launch.limits(limits));
        }
        let launch = launch.limits(Resources { processes: Some(PROCESSES), ..limits });
        let absolute = |path: &Path| AbsolutePath::parse(path).map_err(|error| error.to_string());
        for path in &self.reads {
            sandbox = sandbox.read_only(absolute(path)?);
        }
        for (path, at) in &self.shows {
            sandbox = sandbox.read_only_at(&absolute(path)?, absolute(at)?);
        }
        for path in &self.writes {
            sandbox = sandbox.read_write(absolute(path)?);
        }
        Ok(launch.sandbox(sandbox))
    }
}

/// That a confined run was ended by a limit, when it was.
pub(crate) fn passed_limit(
    command: &str,
    finished: &Finished,
    seconds: u64,
) -> Option<WorkspaceError> {
    let limit = match finished.exit {
        _ if finished.timed_out => format!("takes longer than {seconds} s"),
        Exit::Signal(SIGXCPU) => format!("uses more than {CPU_SECONDS} s of CPU time"),
        Exit::Signal(SIGXFSZ) => format!("writes a file of more than {FILE_BYTES} bytes"),
        _ if finished.stderr.text().contains("Out of memory") => {
            format!("uses more than {MEMORY_BYTES} bytes of memory")
        }
        _ if finished.stdout.dropped() > 0 => "prints more than is read of it".to_owned(),
        _ => return None,
    };
    Some(WorkspaceError::Unacceptable(format!(
        "`git {command}` {limit} on its objects and files: what was committed or left in the clone is too large to read, or made to be"
    )))
}
