//! Why a program was not launched, or was lost.

use std::io;
use std::path::PathBuf;

use crate::path::AbsolutePath;

/// Why a program was not launched.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The launch itself is wrong.
    #[error("cannot launch {program}: {flaw}")]
    Invalid {
        /// What was to be launched.
        program: AbsolutePath,
        /// What is wrong with the launch.
        flaw: String,
    },
    /// There is no such program.
    #[error("{program} is not there, or the interpreter named in its first line is not")]
    NotFound {
        /// What was to be launched.
        program: AbsolutePath,
    },
    /// It is there, and the system will not run it.
    #[error("{program} cannot be run ({source}): is it a program, and may this user execute it?")]
    NotExecutable {
        /// What was to be launched.
        program: AbsolutePath,
        /// What the system said.
        source: io::Error,
    },
    /// The working directory is not there or not to be entered.
    #[error("cannot work in {directory}: {source}")]
    Directory {
        /// Where it was to run.
        directory: AbsolutePath,
        /// What the system said.
        source: io::Error,
    },
    /// Arguments and environment together are more than the system passes on.
    #[error("the arguments and variables of {program} are larger than the system allows")]
    TooLarge {
        /// What was to be launched.
        program: AbsolutePath,
    },
    /// The supervisor did not do its part; the program did not run.
    #[error("the supervisor {} failed: {problem}", .supervisor.display())]
    Supervisor {
        /// The executable that was to supervise.
        supervisor: PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// The program's sandbox cannot be had.
    #[error("cannot start {program} in its sandbox: {problem}")]
    Sandbox {
        /// What was to be launched.
        program: AbsolutePath,
        /// What is missing, and what to do.
        problem: String,
    },
    /// The system refused something else: descriptors, memory, processes.
    #[error("cannot launch {program}: {source}")]
    System {
        /// What was to be launched.
        program: AbsolutePath,
        /// What the system said.
        source: io::Error,
    },
}

impl SpawnError {
    /// Reads the error of an `exec`.
    pub(crate) fn of_exec(program: &AbsolutePath, source: io::Error) -> Self {
        let program = program.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound { program },
            io::ErrorKind::ArgumentListTooLong => Self::TooLarge { program },
            _ => {
                let errno = source.raw_os_error();
                let not_a_program = [rustix::io::Errno::ACCESS, rustix::io::Errno::NOEXEC]
                    .iter()
                    .any(|known| errno == Some(known.raw_os_error()));
                if not_a_program {
                    Self::NotExecutable { program, source }
                } else {
                    Self::System { program, source }
                }
            }
        }
    }
}

/// The program's end was not seen: its supervisor was killed from outside, or the host's runtime is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program's supervisor ended before the program's end could be reported")]
pub struct Lost;

/// Why a program that was to run to its end did not.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It was not launched.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Its end was not seen.
    #[error(transparent)]
    Lost(#[from] Lost),
}
