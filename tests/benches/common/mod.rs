//! The same work done by a component in our host, by the same component in wasmtime alone, and by native code.

#![allow(dead_code, reason = "each bench uses its part")]

pub(crate) mod native;
pub(crate) mod ours;
pub(crate) mod raw;

use cyrus_executor::{ExecutionRequest, Task, TaskKind, Workspace};
use std::{fs, path::Path, sync::OnceLock};
use tempfile::TempDir;

/// The component: a small plugin, built on the SDK.
pub(crate) const COMPONENT: &[u8] = include_bytes!(env!("CYRUS_GUEST_MEASURED"));

/// A prompt that asks for nothing: no events, and an outcome at once.
pub(crate) const NOTHING: &str = "events 0 0";

/// The limits of an executor that say nothing else, as wasmtime alone is given them.
pub(crate) const MEMORY_BYTES: usize = 64 << 20;
pub(crate) const TABLE_ELEMENTS: usize = 20_000;

/// A directory that everything here opens as its workspace.
pub(crate) fn workspace() -> &'static Path {
    static WORKSPACE: OnceLock<TempDir> = OnceLock::new();
    WORKSPACE.get_or_init(|| tempfile::tempdir().expect("a temporary directory")).path()
}

/// A request for one execution of this prompt, in [`workspace`].
pub(crate) fn request(prompt: &str) -> ExecutionRequest {
    let task = Task {
        id: "measured".parse().expect("an id"),
        kind: TaskKind::BUILDER,
        title: String::new(),
        prompt: prompt.to_owned(),
    };
    let mut request = ExecutionRequest::new(task, "execution");
    let root = workspace().to_owned();
    request.workspace = Some(Workspace::new(&root, &root, &root));
    request
}

/// Raises the limit on open files as far as this user may, and gives it.
pub(crate) fn allow_many_files() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit may be raised to the highest allowed");
    limit.current.and_then(|most| most.try_into().ok()).unwrap_or(usize::MAX)
}

/// The process's proportional share of what is resident, in KiB, which `/proc` calls kB.
pub(crate) fn pss_kib() -> usize {
    let shares = fs::read_to_string("/proc/self/smaps_rollup").expect("Linux");
    let line = shares.lines().find_map(|line| line.strip_prefix("Pss:")).expect("Pss");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The memory mappings of the process.
pub(crate) fn mappings() -> usize {
    fs::read_to_string("/proc/self/maps").expect("Linux").lines().count()
}

/// How many mappings the system lets a process have.
pub(crate) fn most_mappings() -> f64 {
    let allowed = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    allowed.trim().parse().expect("the system's limit of mappings")
}
