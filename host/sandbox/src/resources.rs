//! What a launched program and everything it starts may use of the machine.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// What a launched program and everything it starts may use of the machine. `None` is no limit.
///
/// A program that passes one fails as it would on a smaller machine: the system refuses the process, the descriptor or
/// the write. Passing the memory ends it: see [`Handle::exceeded`](crate::Handle::exceeded).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Bytes of memory of all its processes together.
    pub memory_bytes: Option<u64>,
    /// Bytes of private writable memory that each process maps. The kernel refuses more at once, but counts what is
    /// never touched, which sanitizers map terabytes of: for programs that are known.
    pub data_bytes: Option<u64>,
    /// Processes and threads together.
    pub processes: Option<u64>,
    /// Open files of each process.
    pub open_files: Option<u64>,
    /// Bytes of each file that it writes.
    pub file_bytes: Option<u64>,
    /// Bytes on disk of each place that was given to it: its workspace, its home, its directory for temporary files.
    pub disk_bytes: Option<u64>,
    /// Seconds of CPU time of each process.
    pub cpu_seconds: Option<u64>,
}

/// A limit that a program was ended for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Exceeded {
    /// It and what it started used more memory than this many bytes.
    #[error("it used more than {} MiB of memory, with everything that it started", .0 >> 20)]
    Memory(u64),
    /// A place that was given to it holds more than this many bytes.
    #[error("{} holds more than {} MiB", .place.display(), .bytes >> 20)]
    Disk {
        /// Where the program finds it.
        place: PathBuf,
        /// The limit.
        bytes: u64,
    },
}

impl Exceeded {
    /// The key of the limit in the section `sandbox.limits` of the configuration.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memoryMib",
            Self::Disk { .. } => "diskMib",
        }
    }
}

/// Seconds of CPU time between the signal that a process may handle and the one that it may not.
const CPU_GRACE: u64 = 5;

impl Resources {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        memory_bytes: None,
        data_bytes: None,
        processes: None,
        open_files: None,
        file_bytes: None,
        disk_bytes: None,
        cpu_seconds: None,
    };

    /// Sets those of the limits that the system keeps for each process, for this process and what it starts. None is
    /// raised over what this process has.
    ///
    /// `already`: how many processes of the same user do not count; `None` where the system's count would be that of
    /// others only.
    pub(crate) fn restrict_self(&self, already: Option<u64>) -> io::Result<()> {
        // The image of a process in a file: it may hold secrets, and is of the size of its memory.
        lower(Resource::RLIMIT_CORE, Some(0))?;
        lower(Resource::RLIMIT_DATA, self.data_bytes)?;
        lower(Resource::RLIMIT_NOFILE, self.open_files)?;
        lower(Resource::RLIMIT_FSIZE, self.file_bytes)?;
        // The first is a signal that ends it and says why; the second one is for those that ignore it.
        let most = self.cpu_seconds;
        set(Resource::RLIMIT_CPU, most, most.map(|most| most.saturating_add(CPU_GRACE)))?;
        let processes =
            self.processes.zip(already).map(|(most, already)| most.saturating_add(already));
        lower(Resource::RLIMIT_NPROC, processes)
    }
}

/// What an untrusted program gets unless its launch or the launcher's policy says otherwise.
impl Default for Resources {
    fn default() -> Self {
        Self {
            memory_bytes: machine_memory().map(|bytes| bytes / 4 * 3),
            processes: Some(4096),
            open_files: Some(65_536),
            file_bytes: Some(16 << 30),
            disk_bytes: Some(64 << 30),
            ..Self::UNLIMITED
        }
    }
}

/// The memory of this machine, in bytes, where the system says.
fn machine_memory() -> Option<u64> {
    static FOUND: OnceLock<Option<u64>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let lines = std::fs::read_to_string("/proc/meminfo").ok()?;
        let total = lines.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
    })
}

fn lower(resource: Resource, most: Option<u64>) -> io::Result<()> {
    set(resource, most, most)
}

fn set(resource: Resource, soft: Option<u64>, hard: Option<u64>) -> io::Result<()> {
    let Some((most_soft, most_hard)) = soft.zip(hard) else { return Ok(()) };
    let (soft, hard) = getrlimit(resource)?;
    Ok(setrlimit(resource, soft.min(most_soft), hard.min(most_hard))?)
}
